//! Letters: what a claimed delivery says. Loads what the composer needs; the composer knows nothing of storage.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Context;
use super::digest::Window;
use super::verp::{self, Purpose};
use super::watch::Notice;
use crate::model::advisory::{AdvisoryId, Content, Event};
use crate::model::audience::Subscription;
use crate::model::clock::Timestamp;
use crate::model::delivery::{Message, Returns};
use crate::pipeline::compose::{self, Alert, Changed, Digest, Entry, Envelope, Failed};
use crate::store::deliveries::{self, Claimed};
use crate::store::{StoreError, Tx, advisories, events, subscriptions};

/// A letter, or why it cannot be composed.
pub type Letter = Result<Message, String>;

/// Composes claimed deliveries, in their order, from one look at the database.
/// The same delivery gives the same letter on every try.
///
/// # Errors
/// Fails where the database does. A letter that cannot be composed is no such error: it is the inner one.
pub async fn compose(context: &Context, claimed: Vec<Claimed>) -> Result<Vec<(Claimed, Letter)>, StoreError> {
    let working = context.clone();
    context
        .store
        .read(move |tx| {
            let mut subscriptions = HashMap::new();
            let mut letters = Vec::with_capacity(claimed.len());
            for claimed in &claimed {
                let id = &claimed.subscription;
                if !subscriptions.contains_key(id) {
                    subscriptions.insert(id.clone(), subscriptions::get(tx, id)?);
                }
                let letter = match subscriptions.get(id) {
                    Some(Some(subscription)) => {
                        one(tx, &working, subscription, claimed)?.map(|message| returnable(&working, id, message))
                    }
                    _ => Err("the recipient has left".to_owned()),
                };
                letters.push((claimed.clone(), letter));
            }
            Ok(letters)
        })
        .await
}

/// The letter with the addresses to which machines answer, where the settings name a base for them.
fn returnable(context: &Context, subscription: &str, message: Message) -> Message {
    let Some(base) = &context.mail_flow.bounce_address else { return message };
    let address = |purpose| verp::address(&context.secret, base, purpose, subscription);
    let unsubscribe = message.unsubscribe.as_ref().and_then(|_| address(Purpose::Leave));
    Message { returns: Returns { envelope_from: address(Purpose::Return), unsubscribe }, ..message }
}

pub(super) fn one(
    tx: &mut Tx<'_>,
    context: &Context,
    subscription: &Subscription,
    claimed: &Claimed,
) -> Result<Letter, StoreError> {
    if claimed.kind == "digest" {
        return match crate::store::from_json::<Window>(&claimed.payload) {
            Ok(window) => digest(tx, context, subscription, &window, &claimed.id, claimed.created_at),
            Err(error) => Ok(Err(error.to_string())),
        };
    }
    if claimed.kind == "heartbeat" {
        return Ok(guarded(|| {
            let envelope =
                Envelope { unsubscribe: None, ..envelope(context, subscription, &claimed.id, claimed.created_at) };
            Ok(compose::heartbeat(&envelope, &claimed.payload))
        }));
    }
    if claimed.kind == "notice" {
        return Ok(notice(context, subscription, claimed));
    }
    let Some(seq) = claimed.event_seq else { return Ok(Err("it names no event".to_owned())) };
    let Some(Told { event, content, first }) = told(tx, seq)? else {
        return Ok(Err(format!("event {seq} is not stored")));
    };
    Ok(guarded(|| {
        let alert = Alert {
            envelope: envelope(context, subscription, &claimed.id, claimed.created_at),
            event: &event,
            content: &content,
            first: &first,
            wish: &subscription.wish,
            name: &|id| context.platform_name(id),
        };
        context.composer.alert(&alert).map_err(|error| error.to_string())
    }))
}

/// Composes the digest of a window.
///
/// # Errors
/// Fails where the database does. A letter that cannot be composed is no such error: it is the inner one.
pub fn digest(
    tx: &mut Tx<'_>,
    context: &Context,
    subscription: &Subscription,
    window: &Window,
    key: &str,
    created_at: Timestamp,
) -> Result<Letter, StoreError> {
    let found = gathered(tx, &subscription.id, window.after, window.upto)?;
    Ok(guarded(|| {
        let entries: Vec<Entry<'_>> = found.iter().map(Gathered::entry).collect();
        let failed: Vec<Failed<'_>> = window
            .failed
            .iter()
            .map(|failed| Failed { name: &failed.name, since: failed.since, detail: &failed.detail })
            .collect();
        let digest = Digest {
            envelope: envelope(context, subscription, key, created_at),
            entries: &entries,
            from: window.from,
            to: window.to,
            advisories: window.advisories,
            failed: &failed,
            wish: &subscription.wish,
            name: &|id| context.platform_name(id),
        };
        context.composer.digest(&digest).map_err(|error| error.to_string())
    }))
}

/// What the operator is told of sources.
fn notice(context: &Context, subscription: &Subscription, claimed: &Claimed) -> Letter {
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
            envelope: Envelope {
                unsubscribe: None,
                ..envelope(context, subscription, &claimed.id, claimed.created_at)
            },
            changes: &changes.collect::<Vec<_>>(),
            watched: notice.watched,
            blind: notice.blind,
        };
        context.composer.notice(&input).map_err(|error| error.to_string())
    })
}

fn guarded(work: impl FnOnce() -> Letter) -> Letter {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("composing it panicked; please report this advisory".to_owned()))
}

/// One event, with what its advisory said then and in its first revision.
struct Told {
    event: Event,
    content: Content,
    first: Content,
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

/// What happened to one advisory in a window.
struct Gathered {
    id: AdvisoryId,
    content: Content,
    events: Vec<Event>,
    alerted_at: Option<Timestamp>,
}

impl Gathered {
    fn entry(&self) -> Entry<'_> {
        Entry {
            id: &self.id,
            content: &self.content,
            kinds: self.events.iter().map(|event| event.kind).collect(),
            reasons: self.events.iter().flat_map(|event| event.reasons.iter().cloned()).collect(),
            alerted_at: self.alerted_at,
        }
    }
}

/// The window's advisories, each in the state of its last event there.
fn gathered(tx: &mut Tx<'_>, subscription: &str, after: i64, upto: i64) -> Result<Vec<Gathered>, StoreError> {
    let mut by_advisory: BTreeMap<AdvisoryId, Vec<Event>> = BTreeMap::new();
    for event in events::in_window(tx, subscription, after, upto)? {
        by_advisory.entry(event.advisory.clone()).or_default().push(event);
    }
    let mut found = Vec::with_capacity(by_advisory.len());
    for (id, events) in by_advisory {
        let Some(last) = events.last() else { continue };
        let Some(content) = advisories::revision(tx, &id, last.revision)? else { continue };
        let mut alerted_at = None;
        for event in &events {
            alerted_at = deliveries::alerted_at(tx, subscription, event.seq)?.or(alerted_at);
        }
        found.push(Gathered { id, content, events, alerted_at });
    }
    Ok(found)
}

fn envelope<'a>(
    context: &'a Context,
    subscription: &'a Subscription,
    key: &'a str,
    created_at: Timestamp,
) -> Envelope<'a> {
    Envelope {
        key,
        to: &subscription.email,
        subscription: &subscription.id,
        created_at,
        from_domain: &context.from_domain,
        secret: &context.secret,
        public_url: &context.public_url,
        unsubscribe: Some(format!("{}/u/{}", context.public_url, token(&context.secret, &subscription.id))),
    }
}

/// The token of a subscription's stop link: its id, and a code that only this installation can make. It names no
/// address, and it does not expire.
#[must_use]
pub fn token(secret: &str, subscription: &str) -> String {
    format!("{subscription}.{}", code(secret, subscription))
}

/// The subscription that a stop link's token names, if this installation made it.
#[must_use]
pub fn subscription_of(secret: &str, token: &str) -> Option<String> {
    let (subscription, given) = token.split_once('.')?;
    let expected = code(secret, subscription);
    // Every byte is compared, so that the time taken tells nothing about where they differ.
    let same =
        given.len() == expected.len() && given.bytes().zip(expected.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
    same.then(|| subscription.to_owned())
}

fn code(secret: &str, subscription: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"unsubscribe|");
    mac.update(subscription.as_bytes());
    let mut hex = String::with_capacity(40);
    for byte in mac.finalize().into_bytes().iter().take(20) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_taken() {
        let token = token("secret", "sub-7");
        assert_eq!(subscription_of("secret", &token).as_deref(), Some("sub-7"));
        assert_eq!(subscription_of("another", &token), None);
        for index in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[index] ^= 1;
            let wrong = String::from_utf8_lossy(&wrong).into_owned();
            assert_eq!(subscription_of("secret", &wrong), None, "{wrong}");
        }
        assert_eq!(subscription_of("secret", "sub-7"), None);
    }
}
