//! Bounces: reads the mailbox to which undeliverable mail comes back, and acts on what it reports.
//!
//! The rule: a report changes something only where the address that it was sent to bears a token of ours; anybody can write
//! a report, and only we can make the token. What follows from a batch commits together with the place up to which the
//! mailbox has been read, so that neither a crash nor a second replica counts a report twice.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{debug, error, info, warn};

use super::verp::{self, Purpose};
use super::{Context, audience};
use crate::mailbox::{MailError, report};
use crate::model::audience::Subscription;
use crate::model::clock::Timestamp;
use crate::model::mail::{Mail, Wanted};
use crate::model::report::{Report, Returned};
use crate::pipeline::bounce::{self, Soft, Verdict};
use crate::pipeline::compose;
use crate::store::bounces::{self as table, Bounce};
use crate::store::subscriptions::{self, Ended};
use crate::store::{StoreError, Tx, from_json, meta, to_json};

/// How often the mailbox is read.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// How soon it is tried again after it refused us: trying often may lock the account.
const REFUSED: Duration = Duration::from_secs(3_600);
/// Most batches of one reading; the next one goes on where it ended.
const BATCHES: usize = 500;
/// Where the reading's place is kept, and the counts.
const STANDING: &str = "bounce_mailbox";
const COUNTS: &str = "bounce_counts";

/// How the reading of the mailbox stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which mailbox the cursor is of.
    place: String,
    /// Up to where it has been read, in its own notation.
    cursor: Option<String>,
    /// When it is to be read next.
    next: Timestamp,
    /// When it was last read to its end.
    pub read_at: Option<Timestamp>,
    /// Why it cannot be read, as a sentence; absent where it can.
    pub trouble: Option<String>,
    /// Until when it is left alone after it refused us.
    refused_until: Option<Timestamp>,
}

/// Reports by what they meant: the words of [`Verdict`], `unsubscribed`, `left` for those about somebody who is no longer
/// mailed, and `forged` for those without a token of ours.
pub type Counts = BTreeMap<String, i64>;

/// How the reading stands, for pages and metrics; absent where nothing has been read yet.
///
/// # Errors
/// Fails where the database does.
pub fn standing(tx: &mut Tx<'_>) -> Result<Option<Standing>, StoreError> {
    meta::get(tx, STANDING)?.filter(|text| !text.is_empty()).map(|text| from_json(&text)).transpose()
}

/// How the reading stands, held against every other replica until the transaction ends.
fn held(tx: &mut Tx<'_>) -> Result<Standing, StoreError> {
    let text = meta::locked(tx, STANDING)?;
    if text.is_empty() { Ok(Standing::default()) } else { from_json(&text) }
}

/// Every report so far, by what it meant.
///
/// # Errors
/// Fails where the database does.
pub fn counts(tx: &mut Tx<'_>) -> Result<Counts, StoreError> {
    Ok(meta::get(tx, COUNTS)?.map(|text| from_json(&text)).transpose()?.unwrap_or_default())
}

/// Reads the mailbox where its time has come. Returns what was found.
///
/// # Errors
/// Fails where the database does. A mailbox that cannot be read is no such error: it is logged and kept in [`Standing`].
pub async fn run_once(context: &Context) -> Result<Counts, StoreError> {
    if context.mail_flow.bounce_mailbox.is_none() {
        return Ok(Counts::new());
    }
    let now = context.clock.now();
    let mine = context.store.write(move |tx| {
        let before = held(tx)?;
        let due = before.next <= now;
        if due {
            // Set before the work, so that two replicas do not both do it.
            let next = now.plus(EVERY);
            meta::set(tx, STANDING, &to_json(&Standing { next, ..before })?)?;
        }
        Ok(due)
    });
    if mine.await? { read(context).await } else { Ok(Counts::new()) }
}

/// Reads the mailbox now, unless it refused us within the hour.
///
/// # Errors
/// As [`run_once`].
pub async fn read(context: &Context) -> Result<Counts, StoreError> {
    let mut found = Counts::new();
    let Some(place) = &context.mail_flow.bounce_mailbox else { return Ok(found) };
    let (now, name) = (context.clock.now(), format!("{place:?}"));
    let before = context.store.read(standing).await?.unwrap_or_default();
    if before.place == name && before.refused_until.is_some_and(|until| until > now) {
        return Ok(found);
    }
    let trouble = read_into(context, &name, before, &mut found).await?;
    if let Some(trouble) = &trouble {
        error!("The mailbox of bounces cannot be read, so dead addresses stay on the list: {trouble}");
    }
    if !found.is_empty() {
        info!("Mail came back: {}", shown(&found));
    }
    let refused = matches!(trouble, Some(MailError::Refused(_)));
    let trouble = trouble.map(|trouble| trouble.to_string());
    let kept = move |tx: &mut Tx<'_>| {
        let mut standing = held(tx)?;
        if standing.place != name {
            (standing.place, standing.cursor) = (name.clone(), None);
        }
        standing.next = now.plus(EVERY);
        standing.refused_until = refused.then(|| now.plus(REFUSED));
        standing.read_at = if trouble.is_none() { Some(now) } else { standing.read_at };
        standing.trouble.clone_from(&trouble);
        meta::set(tx, STANDING, &to_json(&standing)?)
    };
    context.store.write(kept).await?;
    Ok(found)
}

fn shown(counts: &Counts) -> String {
    counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

/// Reads to the mailbox's end, or until it fails; what it then said is returned.
async fn read_into(
    context: &Context,
    name: &str,
    before: Standing,
    found: &mut Counts,
) -> Result<Option<MailError>, StoreError> {
    let flow = &context.mail_flow;
    let Some(place) = &flow.bounce_mailbox else { return Ok(None) };
    let mut cursor = before.cursor.filter(|_| before.place == name);
    let wanted = Wanted { cursor: cursor.clone(), since: None };
    let password = flow.bounce_password.as_ref().map(|password| password.expose());
    let mut mailbox = match context.mail_client.open(place, password, &wanted).await {
        Ok(mailbox) => mailbox,
        Err(trouble) => return Ok(Some(trouble)),
    };
    for _ in 0..BATCHES {
        let mail = match mailbox.next(&|_| true).await {
            Ok(mail) => mail,
            Err(trouble) => return Ok(Some(trouble)),
        };
        let last = mail.last;
        let next = Some(mail.cursor.clone());
        let Some(counts) = store(context, name, cursor, mail).await? else {
            debug!("Another replica has read these bounces");
            return Ok(None);
        };
        counts.into_iter().for_each(|(kind, count)| *found.entry(kind).or_default() += count);
        cursor = next;
        if last {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Acts on a batch and moves the cursor, in one transaction; nothing where the cursor is no longer at `begun`.
async fn store(
    context: &Context,
    place: &str,
    begun: Option<String>,
    mail: Mail,
) -> Result<Option<Counts>, StoreError> {
    for why in &mail.left_out {
        warn!("A mail in the mailbox of bounces was not read: {why}");
    }
    let cursor = mail.cursor;
    let read = move || mail.messages.iter().map(|message| one(&message.bytes)).collect::<Vec<Returned>>();
    let returned = tokio::task::spawn_blocking(read).await;
    let returned = returned.map_err(|error| StoreError::custom(format!("reading bounces ended early: {error}")))?;
    let (working, place) = (context.clone(), place.to_owned());
    let work = move |tx: &mut Tx<'_>| {
        let before = held(tx)?;
        let at = before.cursor.clone().filter(|_| before.place == place);
        if at != begun {
            return Ok(None);
        }
        let mut found = Counts::new();
        for returned in &returned {
            let word = act(tx, &working, returned)?;
            *found.entry(word.to_owned()).or_default() += 1;
        }
        let mut all = counts(tx)?;
        found.iter().for_each(|(kind, count)| *all.entry(kind.clone()).or_default() += count);
        meta::set(tx, COUNTS, &to_json(&all)?)?;
        let standing = Standing { place: place.clone(), cursor: Some(cursor.clone()), ..before };
        meta::set(tx, STANDING, &to_json(&standing)?)?;
        Ok(Some(found))
    };
    context.store.write(work).await
}

/// What one mail reports. A mail that upsets its reader reports nothing.
fn one(bytes: &[u8]) -> Returned {
    catch_unwind(AssertUnwindSafe(|| report::read(bytes))).unwrap_or_else(|_| Returned {
        addressed: Vec::new(),
        about: Vec::new(),
        report: Report::Unknown,
    })
}

/// Does what follows from one returned mail. Returns the word that it is counted by.
fn act(tx: &mut Tx<'_>, context: &Context, returned: &Returned) -> Result<&'static str, StoreError> {
    let now = context.clock.now();
    let verified = |addresses: &[String]| addresses.iter().find_map(|address| verp::verified(&context.secret, address));
    // A feedback loop reports to an address of its own; the mail that it is about bears the token.
    let complaint = matches!(returned.report, Report::Complaint(_));
    let token = verified(&returned.addressed).or_else(|| verified(&returned.about).filter(|_| complaint));
    let verdict = bounce::verdict(&returned.report);
    let Some((purpose, id)) = token else {
        let claims = matches!(returned.report, Report::Delivery(_) | Report::Complaint(_));
        if claims {
            warn!("A report without a token of ours was ignored: it said {}", verdict.as_str());
        }
        return Ok(if claims { "forged" } else { Verdict::Nothing.as_str() });
    };
    let Some(subscription) = subscriptions::get(tx, &id)? else { return Ok("left") };
    if purpose == Purpose::Leave && !complaint {
        if is_service(&id) {
            return Ok(Verdict::Nothing.as_str());
        }
        audience::end(tx, &context.secret, &id, now)?;
        let bounce = kept(tx, &id, "unsubscribed", "unsubscribed by mail", now)?;
        table::put(tx, &bounce)?;
        info!(subscription = %id, "Unsubscribed by mail");
        return Ok("unsubscribed");
    }
    let detail = detail(&returned.report);
    mark(tx, context, &subscription, &returned.report, verdict, &detail)?;
    follow(tx, &context.secret, &subscription, verdict, &detail, now)?;
    Ok(verdict.as_str())
}

/// Keeps the verdict on a subscription, and ends it where that is what follows.
fn follow(
    tx: &mut Tx<'_>,
    secret: &str,
    subscription: &Subscription,
    verdict: Verdict,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = subscription.id.as_str();
    if matches!(verdict, Verdict::Nothing | Verdict::Asked) {
        return Ok(());
    }
    let mut bounce = kept(tx, id, verdict.as_str(), detail, now)?;
    let mut lasted = false;
    match verdict {
        Verdict::Soft => {
            let before = bounce.soft_first.zip(bounce.soft_last);
            let before = before.map(|(first, last)| Soft { count: bounce.soft, first, last });
            let soft = Soft::after(before, now);
            (bounce.soft, bounce.soft_first, bounce.soft_last) = (soft.count, Some(soft.first), Some(soft.last));
            lasted = soft.has_lasted();
        }
        Verdict::Arrived => (bounce.soft, bounce.soft_first, bounce.soft_last) = (0, None, None),
        Verdict::Policy => error!(subscription = %id, "A mail was refused for what we are or send: {detail}"),
        _ => {}
    }
    table::put(tx, &bounce)?;
    let reason = match verdict {
        Verdict::Hard => format!("its mail came back: {detail}"),
        Verdict::Complaint => format!("its reader complained: {detail}"),
        Verdict::Soft if lasted => format!("its mail came back on {} days: {detail}", bounce.soft),
        _ => return Ok(()),
    };
    let why = if verdict == Verdict::Complaint { Ended::Complained } else { Ended::Bounced };
    suppress(tx, secret, id, (why, &reason), now)
}

/// Does what follows from a relay's word, while it was mailed, that a recipient's mailbox does not exist: the same as from a
/// report that comes back later.
///
/// # Errors
/// Fails where the database does.
pub(super) fn refused(
    tx: &mut Tx<'_>,
    secret: &str,
    subscription: &str,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(subscription) = subscriptions::get(tx, subscription)? else { return Ok(()) };
    follow(tx, secret, &subscription, Verdict::Hard, detail, now)
}

/// Ends every subscription of an address that takes no mail or whose reader complained, and keeps lists from bringing it
/// back. What the settings name is not ended: they would bring it back.
///
/// # Errors
/// Fails where the database does.
pub fn suppress(
    tx: &mut Tx<'_>,
    secret: &str,
    subscription: &str,
    (why, reason): (Ended, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    if is_service(subscription) {
        error!("The address that the settings name as {subscription} cannot be mailed; correct it: {reason}");
        return Ok(());
    }
    let Some((email, key)) = subscriptions::address(tx, subscription)? else { return Ok(()) };
    audience::suppress(tx, secret, (&email, &key), (why, reason, "the mail system"), now)?;
    warn!(%subscription, "Ended {subscription}: {reason}");
    Ok(())
}

fn is_service(subscription: &str) -> bool {
    [subscriptions::OPERATOR, subscriptions::HEARTBEAT].contains(&subscription)
}

/// What is kept of a subscription, with a new last event.
fn kept(tx: &mut Tx<'_>, id: &str, kind: &str, detail: &str, at: Timestamp) -> Result<Bounce, StoreError> {
    let (kind, detail) = (kind.to_owned(), detail.to_owned());
    Ok(match table::get(tx, id)? {
        Some(before) => Bounce { kind, at, detail, ..before },
        None => {
            let subscription = id.to_owned();
            Bounce { subscription, kind, at, detail, soft: 0, soft_first: None, soft_last: None }
        }
    })
}

/// What a report says, as a sentence.
fn detail(report: &Report) -> String {
    match report {
        Report::Delivery(delivery) => {
            let status = delivery.status.map_or_else(String::new, |status| format!(" {status}"));
            format!("{}{status}: {}", delivery.action.as_str(), delivery.diagnostic)
                .trim_end_matches([':', ' '])
                .to_owned()
        }
        Report::Complaint(complaint) => format!("complaint of the kind '{}'", complaint.kind),
        Report::AutoReply | Report::Unsubscribe | Report::Unknown => String::new(),
    }
}

/// Says of the letter itself what became of it, where the report names one of ours.
fn mark(
    tx: &mut Tx<'_>,
    context: &Context,
    subscription: &Subscription,
    report: &Report,
    verdict: Verdict,
    detail: &str,
) -> Result<(), StoreError> {
    let id = match report {
        Report::Delivery(delivery) => delivery.original_message_id.as_deref(),
        Report::Complaint(complaint) => complaint.original_message_id.as_deref(),
        _ => None,
    };
    let Some(wanted) = id.filter(|_| verdict != Verdict::Nothing) else { return Ok(()) };
    let ours =
        |key: &String| compose::message_id(&context.secret, &context.from_domain, key, &subscription.email) == wanted;
    match table::sent(tx, &subscription.id)?.iter().find(|key| ours(key)) {
        Some(delivery) => table::mark(tx, delivery, &format!("reported after it was sent: {detail}")),
        None => Ok(()),
    }
}
