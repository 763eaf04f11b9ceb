//! Accounts: signing in by a mailed link, and what the first start of an installation needs.
//!
//! Whoever asks for a link sees the same answer, whether the address is anybody's here or not. The link only asks; a
//! button uses it, since mail scanners follow links. What a browser keeps is 256 random bits, of which only the hash is
//! stored (OWASP ASVS 5.0 sections 6.5 and 7.2).

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::audience::address_hash;
use super::letters;
use crate::model::address::EmailAddress;
use crate::model::clock::Timestamp;
use crate::model::text;
use crate::store::accounts::{self, Link, Session};
use crate::store::audit::{self, Deed};
use crate::store::{Store, StoreError, Tx, deliveries, meta, subscriptions, suppressions};

/// The kind of the mail.
pub(super) const KIND: &str = "sign-in";

/// How long a link works, in minutes.
pub const LINK_MINUTES: u64 = 15;
/// Most links to one address within an hour.
const LINKS: i64 = 5;
const HOUR: Duration = Duration::from_secs(3_600);

/// How long a session lasts without use, and at most.
const IDLE: Duration = Duration::from_secs(7 * 86_400);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// How exactly it is kept when a session was used last.
const SEEN: Duration = Duration::from_secs(5 * 60);
/// Longest name of a browser kept, in characters.
const AGENT_MAX: usize = 200;

/// What became of a request for a link. For the log: who asked is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAsked {
    /// It is on its way.
    Queued,
    /// The address belongs to no member and no operator.
    Nobody,
    /// The address is known to be dead, or complained of our mail.
    Unreachable,
    /// There were several within the last hour.
    TooOften,
}

/// Queues a link to sign in, where the address is somebody's. `next` is a path of ours to go to from there.
///
/// # Errors
/// Fails where the database does.
pub fn ask_link(
    tx: &mut Tx<'_>,
    secret: &str,
    email: &EmailAddress,
    next: &str,
    now: Timestamp,
) -> Result<LinkAsked, StoreError> {
    let key = email.key();
    if !accounts::is_operator(tx, &key)? && accounts::memberships(tx, &key)?.is_empty() {
        return Ok(LinkAsked::Nobody);
    }
    let hash = address_hash(secret, &key);
    // Who unsubscribed still may sign in; a dead mailbox is not tried, and who complained is left alone.
    let no = suppressions::get(tx, &hash)?;
    if no.is_some_and(|no| matches!(no.reason.as_str(), "bounced" | "complained" | "erased")) {
        return Ok(LinkAsked::Unreachable);
    }
    if accounts::links_since(tx, &key, now.minus(HOUR))? >= LINKS {
        return Ok(LinkAsked::TooOften);
    }
    let until = now.plus(Duration::from_secs(LINK_MINUTES * 60));
    let link = accounts::add_link(tx, (email.as_str(), &key), next, now, until)?;
    let recipient = format!("person-{}", &hash[..24]);
    subscriptions::set_service(tx, &recipient, email.as_str(), now)?;
    deliveries::queue_service(tx, KIND, &link, &recipient, &link, now)?;
    Ok(LinkAsked::Queued)
}

/// The token of a link.
#[must_use]
pub fn link_token(secret: &str, link: &str) -> String {
    letters::signed(secret, "sign-in", link)
}

/// The link that a token names, if this installation made it and it still works.
///
/// # Errors
/// Fails where the database does.
pub fn link_of(tx: &mut Tx<'_>, secret: &str, token: &str, now: Timestamp) -> Result<Option<Link>, StoreError> {
    let Some(id) = letters::opened(secret, "sign-in", token) else { return Ok(None) };
    Ok(accounts::link(tx, &id)?.filter(|link| link.used_at.is_none() && link.expires_at > now))
}

/// Uses a link: begins a session, whose secret is what comes back, with where to go. Nothing where the link does not work
/// any more.
///
/// # Errors
/// Fails where the database does.
pub fn sign_in(
    tx: &mut Tx<'_>,
    secret: &str,
    token: &str,
    agent: &str,
    now: Timestamp,
) -> Result<Option<(String, String)>, StoreError> {
    let Some(link) = link_of(tx, secret, token, now)? else { return Ok(None) };
    if !accounts::use_link(tx, &link.id, now)? {
        return Ok(None);
    }
    let cookie = begin(tx, (&link.email, &link.email_key), agent, now)?;
    Ok(Some((cookie, link.next)))
}

fn begin(tx: &mut Tx<'_>, (email, email_key): (&str, &str), agent: &str, now: Timestamp) -> Result<String, StoreError> {
    let cookie = random()?;
    let session = Session {
        id: String::new(),
        email: email.to_owned(),
        email_key: email_key.to_owned(),
        agent: text::truncate(&text::one_line(agent), AGENT_MAX),
        created_at: now,
        seen_at: now,
        expires_at: now.plus(LONGEST),
    };
    let id = accounts::begin(tx, &hash(&cookie), &session)?;
    audit::add(tx, &Deed { who: email, action: "signed in", object: &id, ..Deed::default() }, now)?;
    Ok(cookie)
}

/// The session of a browser's cookie, and whether its last use is due to be kept.
///
/// # Errors
/// Fails where the database does.
pub fn session(tx: &mut Tx<'_>, cookie: &str, now: Timestamp) -> Result<Option<(Session, bool)>, StoreError> {
    let session = accounts::session(tx, &hash(cookie), now.minus(IDLE), now)?;
    Ok(session.map(|session| {
        let due = now.since(session.seen_at) > SEEN;
        (session, due)
    }))
}

/// Forgets sessions that have ended and links that nobody used.
///
/// # Errors
/// Fails where the database does.
pub async fn forget_ended(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    // A link is kept for an hour after its end: how many were asked for is counted by them.
    let (idle, ended) = (now.minus(IDLE), now.minus(HOUR));
    if store.read(move |tx| accounts::any_ended(tx, idle, ended)).await? {
        store.write(move |tx| accounts::prune(tx, idle, ended)).await?;
    }
    Ok(())
}

/// Where no operator is known yet, a fresh token for the page that makes the first one. Earlier tokens end by it.
///
/// # Errors
/// Fails where the database or the system's random source does.
pub fn set_up_token(tx: &mut Tx<'_>) -> Result<Option<String>, StoreError> {
    if !accounts::operators(tx)?.is_empty() {
        return Ok(None);
    }
    let token = random()?;
    meta::set(tx, SET_UP, &hash(&token))?;
    Ok(Some(token))
}

const SET_UP: &str = "set-up";

/// Whether a token makes the first operator.
///
/// # Errors
/// Fails where the database does.
pub fn sets_up(tx: &mut Tx<'_>, token: &str) -> Result<bool, StoreError> {
    let kept = meta::get(tx, SET_UP)?.unwrap_or_default();
    Ok(!kept.is_empty() && kept == hash(token) && accounts::operators(tx)?.is_empty())
}

/// Makes the first operator, who is signed in at once. Gives the session's secret; nothing where the token was used before.
///
/// # Errors
/// Fails where the database does.
pub fn set_up(
    tx: &mut Tx<'_>,
    token: &str,
    email: &EmailAddress,
    agent: &str,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    meta::locked(tx, SET_UP)?;
    if !sets_up(tx, token)? {
        return Ok(None);
    }
    meta::set(tx, SET_UP, "")?;
    accounts::add_operator(tx, email.as_str(), &email.key(), now)?;
    let deed = Deed { who: email.as_str(), action: "operator added", object: email.as_str(), ..Deed::default() };
    audit::add(tx, &Deed { detail: "by the link that the first start printed", ..deed }, now)?;
    begin(tx, (email.as_str(), &email.key()), agent, now).map(Some)
}

/// 256 bits from the system, in hex.
pub(super) fn random() -> Result<String, StoreError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::custom(format!("the system gives no random bytes: {error}")))?;
    Ok(letters::hex(&bytes))
}

pub(super) fn hash(secret: &str) -> String {
    letters::hex(&Sha256::digest(secret.as_bytes()))
}
