//! Accounts: who may sign in, by which mailed links, and who is signed in.

use super::{Row, StoreError, Tx, counters};
use crate::model::audience::Role;
use crate::model::clock::Timestamp;

/// A person's place in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The organization's id.
    pub organization: String,
    /// Its name.
    pub name: String,
    /// What the person may do there.
    pub role: Role,
}

/// Where a person belongs, by the organizations' names.
///
/// # Errors
/// Fails where the database does.
pub fn memberships(tx: &mut Tx<'_>, email_key: &str) -> Result<Vec<Membership>, StoreError> {
    let sql = "SELECT o.id, o.name, m.role FROM members m JOIN organizations o ON o.id = m.organization
         WHERE m.email_key = $1 ORDER BY o.name_key";
    let membership = |row: &Row| {
        Ok(Membership {
            organization: row.text(0)?,
            name: row.text(1)?,
            role: row.text(2)?.parse().map_err(StoreError::custom)?,
        })
    };
    tx.query(sql, &[email_key.into()])?.iter().map(membership).collect()
}

/// Makes an address an operator's; false where it was one.
///
/// # Errors
/// Fails where the database does.
pub fn add_operator(tx: &mut Tx<'_>, email: &str, email_key: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql =
        "INSERT INTO operators (email_key, email, created_at) VALUES ($1, $2, $3) ON CONFLICT (email_key) DO NOTHING";
    Ok(tx.execute(sql, &[email_key.into(), email.into(), now.into()])? == 1)
}

/// An address is no operator's any more; false where it was none.
///
/// # Errors
/// Fails where the database does.
pub fn remove_operator(tx: &mut Tx<'_>, email_key: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM operators WHERE email_key = $1", &[email_key.into()])? == 1)
}

/// The operators' addresses, in order.
///
/// # Errors
/// Fails where the database does.
pub fn operators(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query("SELECT email FROM operators ORDER BY email_key", &[])?.iter().map(|row| row.text(0)).collect()
}

/// Whether an address is an operator's.
///
/// # Errors
/// Fails where the database does.
pub fn is_operator(tx: &mut Tx<'_>, email_key: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS one FROM operators WHERE email_key = $1";
    Ok(tx.query_one(sql, &[email_key.into()])?.is_some())
}

/// A link to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Our id, `signin-` and a number.
    pub id: String,
    /// Whose it is.
    pub email: String,
    /// What spellings of that mailbox have in common.
    pub email_key: String,
    /// Where to go from there: a path of ours.
    pub next: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// Keeps that a link was asked for. Gives its id.
///
/// # Errors
/// Fails where the database does.
pub fn add_link(
    tx: &mut Tx<'_>,
    (email, email_key): (&str, &str),
    next: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<String, StoreError> {
    let id = format!("signin-{}", counters::next(tx, counters::Counter::SignIn)?);
    let sql =
        "INSERT INTO sign_ins (id, email, email_key, next, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let args = [id.as_str().into(), email.into(), email_key.into(), next.into(), now.into(), until.into()];
    tx.execute(sql, &args)?;
    Ok(id)
}

/// How many links an address asked for since `since`.
///
/// # Errors
/// Fails where the database does.
pub fn links_since(tx: &mut Tx<'_>, email_key: &str, since: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM sign_ins WHERE email_key = $1 AND created_at > $2";
    tx.query_one(sql, &[email_key.into(), since.into()])?.map_or(Ok(0), |row| row.int(0))
}

/// The link with this id.
///
/// # Errors
/// Fails where the database does.
pub fn link(tx: &mut Tx<'_>, id: &str) -> Result<Option<Link>, StoreError> {
    let sql = "SELECT id, email, email_key, next, expires_at, used_at FROM sign_ins WHERE id = $1";
    let Some(row) = tx.query_one(sql, &[id.into()])? else { return Ok(None) };
    Ok(Some(Link {
        id: row.text(0)?,
        email: row.text(1)?,
        email_key: row.text(2)?,
        next: row.text(3)?,
        expires_at: row.time(4)?,
        used_at: row.opt_time(5)?,
    }))
}

/// Uses a link; false where it was used before or is too old.
///
/// # Errors
/// Fails where the database does.
pub fn use_link(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE sign_ins SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2";
    Ok(tx.execute(sql, &[id.into(), now.into()])? == 1)
}

/// Somebody who is signed in, in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Our id, `session-` and a number.
    pub id: String,
    /// Who it is.
    pub email: String,
    /// What spellings of that mailbox have in common.
    pub email_key: String,
    /// What the browser calls itself.
    pub agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to within some minutes.
    pub seen_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

const SESSION: &str = "SELECT id, email, email_key, agent, created_at, seen_at, expires_at FROM sessions";

/// Begins a session under the hash of its secret; its `id` is ours to give. Gives the id.
///
/// # Errors
/// Fails where the database does.
pub fn begin(tx: &mut Tx<'_>, hash: &str, session: &Session) -> Result<String, StoreError> {
    let id = format!("session-{}", counters::next(tx, counters::Counter::Session)?);
    let sql = "INSERT INTO sessions (id, hash, email, email_key, agent, created_at, seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = [
        id.as_str().into(),
        hash.into(),
        session.email.as_str().into(),
        session.email_key.as_str().into(),
        session.agent.as_str().into(),
        session.created_at.into(),
        session.seen_at.into(),
        session.expires_at.into(),
    ];
    tx.execute(sql, &args)?;
    Ok(id)
}

/// The session whose secret has this hash, if it has not ended and was used after `idle_since`.
///
/// # Errors
/// Fails where the database does.
pub fn session(
    tx: &mut Tx<'_>,
    hash: &str,
    idle_since: Timestamp,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let sql = format!("{SESSION} WHERE hash = $1 AND seen_at > $2 AND expires_at > $3");
    tx.query_one(&sql, &[hash.into(), idle_since.into(), now.into()])?.as_ref().map(read).transpose()
}

/// The sessions of an address, the one used last first.
///
/// # Errors
/// Fails where the database does.
pub fn sessions(tx: &mut Tx<'_>, email_key: &str) -> Result<Vec<Session>, StoreError> {
    let sql = format!("{SESSION} WHERE email_key = $1 ORDER BY seen_at DESC, id DESC");
    tx.query(&sql, &[email_key.into()])?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.text(0)?,
        email: row.text(1)?,
        email_key: row.text(2)?,
        agent: row.text(3)?,
        created_at: row.time(4)?,
        seen_at: row.time(5)?,
        expires_at: row.time(6)?,
    })
}

/// Keeps that a session was used.
///
/// # Errors
/// Fails where the database does.
pub fn seen(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET seen_at = $2 WHERE id = $1", &[id.into(), now.into()]).map(drop)
}

/// Ends a session of an address; false where it has none with this id.
///
/// # Errors
/// Fails where the database does.
pub fn end(tx: &mut Tx<'_>, email_key: &str, id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM sessions WHERE email_key = $1 AND id = $2";
    Ok(tx.execute(sql, &[email_key.into(), id.into()])? == 1)
}

/// Ends every session of an address, and every link that it has not used. Says how many sessions.
///
/// # Errors
/// Fails where the database does.
pub fn end_all(tx: &mut Tx<'_>, email_key: &str) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM sign_ins WHERE email_key = $1 AND used_at IS NULL", &[email_key.into()])?;
    tx.execute("DELETE FROM sessions WHERE email_key = $1", &[email_key.into()])
}

/// Whether there are sessions or links for [`prune`] to forget.
///
/// # Errors
/// Fails where the database does.
pub fn any_ended(tx: &mut Tx<'_>, idle_since: Timestamp, before: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS one FROM sessions WHERE seen_at < $1 OR expires_at < $2
         UNION ALL SELECT 1 FROM sign_ins WHERE expires_at < $2 LIMIT 1";
    Ok(tx.query_one(sql, &[idle_since.into(), before.into()])?.is_some())
}

/// Forgets sessions and links that have ended before `before`.
///
/// # Errors
/// Fails where the database does.
pub fn prune(tx: &mut Tx<'_>, idle_since: Timestamp, before: Timestamp) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sessions WHERE seen_at < $1 OR expires_at < $2", &[idle_since.into(), before.into()])?;
    tx.execute("DELETE FROM sign_ins WHERE expires_at < $1", &[before.into()]).map(drop)
}
