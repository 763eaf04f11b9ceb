//! Letters: what a claimed delivery says. Loads what the composer needs; the composer knows nothing of storage.

mod many;
mod tokens;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::watch::Notice;
use super::{Context, audience, owner};
use crate::model::advisory::{Content, Event};
use crate::model::audience::{Follow, Subscription};
use crate::model::clock::Timestamp;
use crate::model::delivery::Message;
use crate::pipeline::compose::{self, Alert, Changed, ChannelFailed, Envelope, Question, Sites};
use crate::store::deliveries::Claimed;
use crate::store::subscriptions::groups;
use crate::store::{StoreError, Tx, advisories, events, signups, subscriptions};

pub use many::digest;
pub(super) use tokens::hex;
pub use tokens::{opened, signed, subscription_of, token};

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
        claimed.iter().map(|claimed| desk.letter(tx, claimed).map(|letter| (claimed.clone(), letter))).collect()
    };
    context.store.read(work).await
}

/// One delivery's letter.
///
/// # Errors
/// As [`compose`].
pub(super) fn one(tx: &mut Tx<'_>, context: &Context, claimed: &Claimed) -> Result<Letter, StoreError> {
    Desk::new(context).letter(tx, claimed)
}

/// One event, with what its advisory said then and in its first revision.
struct Told {
    event: Event,
    content: Content,
    first: Content,
}

/// What the letters of one batch have in common is loaded once.
struct Desk<'c> {
    context: &'c Context,
    subscriptions: HashMap<String, Option<Rc<Subscription>>>,
    told: HashMap<i64, Option<Rc<Told>>>,
    sites: HashMap<String, Rc<Sites>>,
}

impl<'c> Desk<'c> {
    fn new(context: &'c Context) -> Self {
        Self { context, subscriptions: HashMap::new(), told: HashMap::new(), sites: HashMap::new() }
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
        let Some(told) = self.told(tx, seq)? else { return Ok(Err(format!("event {seq} is not stored"))) };
        let sites = self.sites(tx, subscription)?;
        Ok(guarded(|| {
            let alert = Alert {
                envelope: envelope(self.context, subscription, &claimed.id, claimed.created_at),
                event: &told.event,
                content: &told.content,
                first: &told.first,
                wish: &subscription.wish,
                sites: &sites,
                name: &|id| self.context.platform_name(id),
            };
            self.context.composer.alert(&alert).map_err(|error| error.to_string())
        }))
    }

    fn told(&mut self, tx: &mut Tx<'_>, seq: i64) -> Result<Option<Rc<Told>>, StoreError> {
        if let Some(known) = self.told.get(&seq) {
            return Ok(known.clone());
        }
        let told = told(tx, seq)?.map(Rc::new);
        self.told.insert(seq, told.clone());
        Ok(told)
    }

    /// Which clients of the organization whose whole stack is followed run what.
    fn sites(&mut self, tx: &mut Tx<'_>, subscription: &Subscription) -> Result<Rc<Sites>, StoreError> {
        let followed = subscription.wish.follows.iter().find_map(|follow| match follow {
            Follow::Stack(owner) if owner.is_organization() => Some(owner.0.clone()),
            _ => None,
        });
        let Some(organization) = followed else { return Ok(Rc::default()) };
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
