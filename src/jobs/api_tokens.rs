//! API tokens: made once, shown once, known by their hash.
//!
//! A token is 256 random bits, so its hash needs no salt and no slow function, and looking the hash up tells nothing of
//! the text by how long it takes.

use std::time::Duration;

use super::accounts;
use crate::model::api_token::{ApiToken, PREFIX, Scope};
use crate::model::clock::Timestamp;
use crate::model::text;
use crate::store::audit::{self, Deed};
use crate::store::{StoreError, Tx, api_tokens, counters};

/// How long a token holds where nothing else is said, in days.
pub const DAYS: u64 = 365;
/// The longest that a token holds, in days.
pub const DAYS_MAX: u64 = 730;
/// Longest name, in characters.
const NAME_MAX: usize = 80;
/// Longest text that is taken for a token, in bytes.
const TEXT_MAX: usize = 120;
/// How exactly it is kept when a token was used last.
const SEEN: Duration = Duration::from_secs(60);

/// What a token is to be.
#[derive(Clone, Debug)]
pub struct Asked {
    /// For which organization it acts.
    pub organization: String,
    /// What it is called.
    pub name: String,
    /// It may change things, not only read them.
    pub writes: bool,
    /// How long it holds, in days.
    pub days: u64,
    /// Who makes it.
    pub by: String,
}

/// Makes a token. Gives it and its text, which is kept nowhere; a sentence where it cannot be made so.
///
/// # Errors
/// Fails where the database or the system's random source does.
pub fn make(tx: &mut Tx<'_>, asked: &Asked, now: Timestamp) -> Result<Result<(ApiToken, String), String>, StoreError> {
    let name = text::one_line(&asked.name);
    if name.is_empty() || name.chars().count() > NAME_MAX {
        return Ok(Err(format!("a token's name has 1 to {NAME_MAX} characters")));
    }
    if !(1..=DAYS_MAX).contains(&asked.days) {
        return Ok(Err(format!("a token holds for 1 to {DAYS_MAX} days")));
    }
    let number = counters::next(tx, counters::Counter::Token)?;
    let written = format!("{PREFIX}{number}_{}", accounts::random()?);
    let token = ApiToken {
        id: format!("token-{number}"),
        organization: asked.organization.clone(),
        name,
        // Whoever may change a thing sees it.
        scopes: if asked.writes { Scope::ALL.to_vec() } else { vec![Scope::Read] },
        created_at: now,
        created_by: asked.by.clone(),
        expires_at: now.plus(Duration::from_secs(asked.days * 86_400)),
        last_used_at: None,
        revoked_at: None,
    };
    api_tokens::add(tx, &accounts::hash(&written), &token)?;
    let what = if asked.writes { "reads and writes" } else { "reads" };
    let detail = format!("{}, {what}, {} days", token.name, asked.days);
    let deed = Deed {
        organization: &asked.organization,
        who: &asked.by,
        action: "token made",
        object: &token.id,
        detail: &detail,
    };
    audit::add(tx, &deed, now)?;
    Ok(Ok((token, written)))
}

/// Revokes a token of an organization; false where there is none that holds.
///
/// # Errors
/// Fails where the database does.
pub fn revoke(tx: &mut Tx<'_>, organization: &str, id: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    if !api_tokens::revoke(tx, organization, id, now)? {
        return Ok(false);
    }
    audit::add(tx, &Deed { organization, who: by, action: "token revoked", object: id, detail: "" }, now)?;
    Ok(true)
}

/// The token with this text, if it holds.
///
/// # Errors
/// Fails where the database does.
pub fn known(tx: &mut Tx<'_>, written: &str, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
    if !written.starts_with(PREFIX) || written.len() > TEXT_MAX {
        return Ok(None);
    }
    api_tokens::holding(tx, &accounts::hash(written), now)
}

/// Whether the last use of a token is to be kept once more.
#[must_use]
pub fn is_due(token: &ApiToken, now: Timestamp) -> bool {
    token.last_used_at.is_none_or(|used| used < now.minus(SEEN))
}

/// Keeps when a token was used, at most once a minute.
///
/// # Errors
/// Fails where the database does.
pub fn seen(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), StoreError> {
    api_tokens::used(tx, id, now, now.minus(SEEN))
}
