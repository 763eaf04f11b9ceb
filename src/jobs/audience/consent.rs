//! Consent: who asks on a page to be mailed is mailed one question, and nothing else before the answer is yes.

use std::time::Duration;

use crate::jobs::letters;
use crate::model::audience::{DigestEvery, DigestSchedule, Wish};
use crate::model::clock::Timestamp;
use crate::platforms::Catalog;
use crate::store::subscriptions::{self, Change, NextDigest, Recipient, Upserted};
use crate::store::{Store, StoreError, Tx, deliveries, signups, suppressions};

/// How long a question can be answered.
const OPEN: Duration = Duration::from_secs(7 * 86_400);
/// An address is asked at most this often...
const QUESTIONS: i64 = 3;
/// ... in this time: a form that anybody can fill in must not become a way to flood a mailbox.
const PER: Duration = Duration::from_secs(86_400);

/// Questions to all addresses together in one [`HOUR`]: what a flood of requests can make us mail.
const HOURLY: i64 = 100;
const HOUR: Duration = Duration::from_secs(3_600);

/// What became of a request to be mailed. Whoever asked sees none of it: the answer to all is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A mail with the question is queued.
    Queued,
    /// The address was asked too often today.
    TooOften,
    /// The address is not to be mailed, whoever asks.
    Suppressed,
}

/// Asks a mailbox whether its owner wants `wish`, by a mail with a link. A known recipient's wish stays as it is until
/// the link is used.
///
/// # Errors
/// Fails where the database does.
pub fn ask(
    tx: &mut Tx<'_>,
    secret: &str,
    recipient: &Recipient,
    wish: &Wish,
    now: Timestamp,
) -> Result<Asked, StoreError> {
    let known = suppressions::get(tx, &super::address_hash(secret, &recipient.key))?;
    // Who left may come back by the mailbox's own yes. A mailbox that does not exist or calls us spam is not asked.
    if known.is_some_and(|suppressed| suppressed.reason != "unsubscribed" && suppressed.reason != "erased") {
        return Ok(Asked::Suppressed);
    }
    if signups::since_any(tx, now.minus(HOUR))? >= HOURLY {
        return Ok(Asked::TooOften);
    }
    let nothing =
        Wish { digest: DigestSchedule { every: DigestEvery::None, ..wish.digest.clone() }, ..Wish::default() };
    let next = NextDigest::default();
    let change = Change { recipient, wish: &nothing, consent: "not given yet", next: &next, now };
    let (subscription, _) = subscriptions::reserve(tx, &change)?;
    if signups::since(tx, &subscription, now.minus(PER))? >= QUESTIONS {
        return Ok(Asked::TooOften);
    }
    let id = signups::add(tx, &subscription, wish, now, now.plus(OPEN))?;
    deliveries::queue_service(tx, "confirm", &format!("confirm-{id}"), &subscription, &id, now)?;
    Ok(Asked::Queued)
}

/// Forgets those whose question was not answered in time.
///
/// # Errors
/// Fails where the database does.
pub async fn forget_unanswered(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    if store.read(move |tx| signups::any_expired(tx, now)).await? {
        store.write(move |tx| subscriptions::prune_pending(tx, now)).await?;
    }
    Ok(())
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The subscription with this id has what was asked for, now or since an earlier click.
    Yes(String),
    /// The question is too old.
    Expired,
    /// There is no such question.
    Unknown,
}

/// Takes the yes of a mailbox: the wish holds from now on, and a welcome is queued. A second yes changes nothing.
///
/// # Errors
/// Fails where the database does.
pub fn confirm(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    secret: &str,
    signup: &str,
    now: Timestamp,
) -> Result<Confirmed, StoreError> {
    let Some(signup) = signups::get(tx, signup)? else { return Ok(Confirmed::Unknown) };
    if signup.confirmed_at.is_some() {
        return Ok(Confirmed::Yes(signup.subscription));
    }
    if signup.expires_at < now {
        return Ok(Confirmed::Expired);
    }
    let Some(recipient) = subscriptions::recipient(tx, &signup.subscription)? else { return Ok(Confirmed::Unknown) };
    if !signups::confirm(tx, &signup.id, now)? {
        return Ok(Confirmed::Yes(signup.subscription));
    }
    suppressions::lift(tx, &super::address_hash(secret, &recipient.key))?;
    let consent = format!("given by the mailbox's owner through a mailed link ({})", signup.id);
    let (id, outcome) = super::store(tx, catalog, &recipient, &signup.wish, &consent, now)?;
    // Whom an operator has entered before stays known.
    if outcome == Upserted::Added {
        subscriptions::set_stranger(tx, &id, true)?;
    }
    deliveries::queue_service(tx, "welcome", &format!("welcome-{}", signup.id), &id, "", now)?;
    Ok(Confirmed::Yes(id))
}

/// The token of a question's link.
#[must_use]
pub fn signup_token(secret: &str, signup: &str) -> String {
    letters::signed(secret, "confirm", signup)
}

/// The question that a link's token names, if this installation made it.
#[must_use]
pub fn signup_of(secret: &str, token: &str) -> Option<String> {
    letters::opened(secret, "confirm", token)
}
