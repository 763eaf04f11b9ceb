//! Letters: what a claimed delivery says. Loads what the composer needs; the composer knows nothing of storage.

mod forms;
mod many;
mod tokens;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::verp::{self, Purpose};
use super::watch::Notice;
use super::{Context, accounts, audience, owner};
use crate::model::audience::Subscription;
use crate::model::clock::Timestamp;
use crate::model::delivery::{Message, Returns};
use crate::pipeline::compose::{self, Alert, Changed, ChannelFailed, Envelope, Question, Sites};
use crate::store::deliveries::Claimed;
use crate::store::subscriptions::groups;
use crate::store::{StoreError, Tx, advisories, events, signups, subscriptions};

pub use forms::Forms;
use forms::{Shape, Told};
pub use many::digest;
pub(super) use tokens::hex;
pub use tokens::{opened, signed, subscription_of, token};

/// The kind of a test, which somebody asked for to see whether a channel works. Its payload says who.
pub const TEST: &str = "test";

/// A letter, or why it cannot be composed.
pub type Letter = Result<Message, String>;

/// Composes claimed deliveries, in their order, from one look at the database.
/// The same delivery gives the same letter on every try.
///
/// # Errors
/// Fails where the database does. A letter that cannot be composed is no such error: it is the inner one.
pub async fn compose(context: &Context, claimed: Vec<Claimed>) -> Result<Vec<(Claimed, Letter)>, StoreError> {
    let working = context.clone();
    let work = move |tx: &mut Tx<'_>| {
        let mut desk = Desk::new(&working);
        let letter = |claimed: &Claimed| {
            let letter = desk.letter(tx, claimed)?;
            let letter = letter.map(|message| returnable(&working, &claimed.subscription, message));
            Ok((claimed.clone(), letter))
        };
        claimed.iter().map(letter).collect()
    };
    context.store.read(work).await
}

/// The letter with the addresses to which machines answer, where the settings name a base for them.
fn returnable(context: &Context, subscription: &str, message: Message) -> Message {
    let Some(base) = &context.mail_flow.bounce_address else { return message };
    let address = |purpose| verp::address(&context.secret, base, purpose, subscription);
    let unsubscribe = message.unsubscribe.as_ref().and_then(|_| address(Purpose::Leave));
    Message { returns: Returns { envelope_from: address(Purpose::Return), unsubscribe }, ..message }
}

/// One delivery's letter.
///
/// # Errors
/// As [`compose`].
pub(super) fn one(tx: &mut Tx<'_>, context: &Context, claimed: &Claimed) -> Result<Letter, StoreError> {
    Desk::new(context).letter(tx, claimed)
}

/// What the letters of one batch have in common is loaded once.
struct Desk<'c> {
    context: &'c Context,
    subscriptions: HashMap<String, Option<Rc<Subscription>>>,
    sites: HashMap<String, Rc<Sites>>,
}

impl<'c> Desk<'c> {
    fn new(context: &'c Context) -> Self {
        Self { context, subscriptions: HashMap::new(), sites: HashMap::new() }
    }

    fn letter(&mut self, tx: &mut Tx<'_>, claimed: &Claimed) -> Result<Letter, StoreError> {
        if claimed.kind == "confirm" {
            return self.question(tx, claimed);
        }
        let Some(subscription) = self.subscription(tx, &claimed.subscription)? else {
            return Ok(Err("the recipient has left".to_owned()));
        };
        let letter = match claimed.kind.as_str() {
            "alert" => self.alert(tx, &subscription, claimed),
            accounts::KIND => self.sign_in(tx, &subscription, claimed),
            TEST => Ok(guarded(|| {
                Ok(compose::test(
                    &envelope(self.context, &subscription, &claimed.id, claimed.created_at),
                    &claimed.payload,
                ))
            })),
            "heartbeat" => Ok(self.heartbeat(&subscription, claimed)),
            "notice" => Ok(self.notice(&subscription, claimed)),
            owner::KIND => Ok(self.channel_failed(&subscription, claimed)),
            _ => many::letter(tx, self.context, &subscription, claimed),
        }?;
        if subscription.channel.is_mail() {
            return Ok(letter);
        }
        let endpoint = subscriptions::endpoint(tx, &subscription.id)?;
        Ok(letter.map(|message| Message { endpoint, ..message }))
    }

    fn subscription(&mut self, tx: &mut Tx<'_>, id: &str) -> Result<Option<Rc<Subscription>>, StoreError> {
        if let Some(known) = self.subscriptions.get(id) {
            return Ok(known.clone());
        }
        let found = subscriptions::get(tx, id)?.map(Rc::new);
        self.subscriptions.insert(id.to_owned(), found.clone());
        Ok(found)
    }

    fn alert(&mut self, tx: &mut Tx<'_>, subscription: &Subscription, claimed: &Claimed) -> Result<Letter, StoreError> {
        let Some(seq) = claimed.event_seq else { return Ok(Err("it names no event".to_owned())) };
        let Some(told) = self.context.forms.told(seq, || told(tx, seq))? else {
            return Ok(Err(format!("event {seq} is not stored")));
        };
        let sites = self.sites(tx, subscription)?;
        let envelope = envelope(self.context, subscription, &claimed.id, claimed.created_at);
        let shape = Shape::of(seq, &told, subscription, &sites);
        if let Some(form) = self.context.forms.get(&shape) {
            return Ok(Ok(form.fill(&envelope, &told.event.advisory)));
        }
        let mut made = None;
        let letter = guarded(|| {
            let alert = Alert {
                envelope: envelope.clone(),
                event: &told.event,
                content: &told.content,
                first: &told.first,
                wish: &subscription.wish,
                sites: &sites,
                name: &|id| self.context.platform_name(id),
            };
            let form = self.context.composer.form(&alert).map_err(|error| error.to_string())?;
            Ok(made.insert(form).fill(&envelope, &told.event.advisory))
        });
        if let Some(form) = made {
            self.context.forms.keep(shape, form);
        }
        Ok(letter)
    }

    /// Which clients of the organization whose whole stack is followed run what.
    fn sites(&mut self, tx: &mut Tx<'_>, subscription: &Subscription) -> Result<Rc<Sites>, StoreError> {
        let Some(organization) = forms::organization(subscription) else { return Ok(Rc::default()) };
        if let Some(known) = self.sites.get(&organization) {
            return Ok(Rc::clone(known));
        }
        let mut sites = Sites::new();
        for (platform, client) in groups::clients_running(tx, &organization)? {
            sites.entry(platform).or_default().push(client);
        }
        let sites = Rc::new(sites);
        self.sites.insert(organization, Rc::clone(&sites));
        Ok(sites)
    }

    /// The question whether an address wants to be mailed. It is the one letter to who has not said yes.
    fn question(&self, tx: &mut Tx<'_>, claimed: &Claimed) -> Result<Letter, StoreError> {
        let Some(subscription) = subscriptions::any(tx, &claimed.subscription)? else {
            return Ok(Err("the recipient is not known any more".to_owned()));
        };
        let Some(signup) = signups::get(tx, &claimed.payload)? else {
            return Ok(Err("the request has been withdrawn".to_owned()));
        };
        let token = audience::signup_token(&self.context.secret, &signup.id);
        let confirm = format!("{}/confirm/{token}", self.context.public_url);
        Ok(guarded(|| {
            let question = Question {
                envelope: plain(self.context, &subscription, claimed),
                wish: &signup.wish,
                confirm: &confirm,
                name: &|id| self.context.platform_name(id),
            };
            self.context.composer.question(&question).map_err(|error| error.to_string())
        }))
    }

    /// The mail that signs somebody in, while its link works.
    fn sign_in(&self, tx: &mut Tx<'_>, subscription: &Subscription, claimed: &Claimed) -> Result<Letter, StoreError> {
        let Some(link) = crate::store::accounts::link(tx, &claimed.payload)? else {
            return Ok(Err("the link is too old".to_owned()));
        };
        let token = accounts::link_token(&self.context.secret, &link.id);
        let link = format!("{}/sign-in/{token}", self.context.public_url);
        Ok(guarded(|| {
            let envelope = plain(self.context, subscription, claimed);
            let input = compose::SignIn { envelope, link: &link, minutes: accounts::LINK_MINUTES };
            self.context.composer.sign_in(&input).map_err(|error| error.to_string())
        }))
    }

    fn heartbeat(&self, subscription: &Subscription, claimed: &Claimed) -> Letter {
        guarded(|| Ok(compose::heartbeat(&plain(self.context, subscription, claimed), &claimed.payload)))
    }

    /// What the operator is told of sources.
    fn notice(&self, subscription: &Subscription, claimed: &Claimed) -> Letter {
        let notice: Notice = crate::store::from_json(&claimed.payload).map_err(|error| error.to_string())?;
        let changes = notice.changes.iter().map(|change| Changed {
            name: &change.name,
            id: &change.id,
            url: &change.url,
            from: change.from,
            to: change.to,
            last_success: change.last_success,
            detail: &change.detail,
        });
        guarded(|| {
            let input = compose::Notice {
                envelope: plain(self.context, subscription, claimed),
                changes: &changes.collect::<Vec<_>>(),
                watched: notice.watched,
                blind: notice.blind,
            };
            self.context.composer.notice(&input).map_err(|error| error.to_string())
        })
    }

    /// What the owner of a channel is told when it fails.
    fn channel_failed(&self, subscription: &Subscription, claimed: &Claimed) -> Letter {
        let failure: owner::Failure = crate::store::from_json(&claimed.payload).map_err(|error| error.to_string())?;
        guarded(|| {
            let input = ChannelFailed {
                envelope: plain(self.context, subscription, claimed),
                subscription: &failure.subscription,
                channel: &failure.channel,
                place: &failure.place,
                gone: failure.gone,
                detail: &failure.detail,
            };
            self.context.composer.channel_failed(&input).map_err(|error| error.to_string())
        })
    }
}

fn told(tx: &mut Tx<'_>, seq: i64) -> Result<Option<Told>, StoreError> {
    let Some(event) = events::get(tx, seq)? else { return Ok(None) };
    let Some(content) = advisories::revision(tx, &event.advisory, event.revision)? else { return Ok(None) };
    let first = match event.revision {
        1 => None,
        _ => advisories::revision(tx, &event.advisory, 1)?,
    };
    Ok(Some(Told { first: first.unwrap_or_else(|| content.clone()), event, content }))
}

fn guarded(work: impl FnOnce() -> Letter) -> Letter {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("composing it panicked; please report this advisory".to_owned()))
}

fn envelope<'a>(
    context: &'a Context,
    subscription: &'a Subscription,
    key: &'a str,
    created_at: Timestamp,
) -> Envelope<'a> {
    let page = |room: &str, token: String| Some(format!("{}/{room}/{token}", context.public_url));
    Envelope {
        key,
        to: &subscription.email,
        subscription: &subscription.id,
        channel: subscription.channel,
        created_at,
        from_domain: &context.from_domain,
        secret: &context.secret,
        public_url: &context.public_url,
        unsubscribe: page("u", token(&context.secret, &subscription.id)),
        preferences: page("p", signed(&context.secret, "preferences", &subscription.id)),
    }
}

/// The envelope of a letter that nobody has subscribed to: there is nothing to stop.
fn plain<'a>(context: &'a Context, subscription: &'a Subscription, claimed: &'a Claimed) -> Envelope<'a> {
    Envelope {
        unsubscribe: None,
        preferences: None,
        ..envelope(context, subscription, &claimed.id, claimed.created_at)
    }
}
