//! Requests to be mailed that wait for a yes from the mailbox itself.

use super::{StoreError, Tx, counters};
use crate::model::audience::Wish;
use crate::model::clock::Timestamp;

/// A request to be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signup {
    /// Its id, `signup-` and a number.
    pub id: String,
    /// The subscription that it is about, active or not.
    pub subscription: String,
    /// What is asked for.
    pub wish: Wish,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it can be confirmed.
    pub expires_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
}

/// Keeps a request. Gives its id.
///
/// # Errors
/// Fails where the database does.
pub fn add(
    tx: &mut Tx<'_>,
    subscription: &str,
    wish: &Wish,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<String, StoreError> {
    let id = format!("signup-{}", counters::next(tx, counters::Counter::Signup)?);
    let sql = "INSERT INTO signups (id, subscription, wish, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    let wish = super::to_json(wish)?;
    tx.execute(sql, &[id.as_str().into(), subscription.into(), wish.into(), now.into(), expires_at.into()])?;
    Ok(id)
}

/// How many requests there were for a subscription since `since`.
///
/// # Errors
/// Fails where the database does.
pub fn since(tx: &mut Tx<'_>, subscription: &str, since: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM signups WHERE subscription = $1 AND created_at > $2";
    tx.query_one(sql, &[subscription.into(), since.into()])?.map_or(Ok(0), |row| row.int(0))
}

/// How many requests there were since `since`, for whomever.
///
/// # Errors
/// Fails where the database does.
pub fn since_any(tx: &mut Tx<'_>, since: Timestamp) -> Result<i64, StoreError> {
    let row = tx.query_one("SELECT COUNT(*) FROM signups WHERE created_at > $1", &[since.into()])?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Whether a request was not answered in time.
///
/// # Errors
/// Fails where the database does.
pub fn any_expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 AS one FROM signups WHERE expires_at < $1 AND confirmed_at IS NULL LIMIT 1";
    Ok(tx.query_one(sql, &[now.into()])?.is_some())
}

/// The request with this id.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<Signup>, StoreError> {
    let sql = "SELECT id, subscription, wish, created_at, expires_at, confirmed_at FROM signups WHERE id = $1";
    let Some(row) = tx.query_one(sql, &[id.into()])? else { return Ok(None) };
    Ok(Some(Signup {
        id: row.text(0)?,
        subscription: row.text(1)?,
        wish: super::from_json(&row.text(2)?)?,
        created_at: row.time(3)?,
        expires_at: row.time(4)?,
        confirmed_at: row.opt_time(5)?,
    }))
}

/// Marks a request as confirmed; false where it was before.
///
/// # Errors
/// Fails where the database does.
pub fn confirm(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE signups SET confirmed_at = $2 WHERE id = $1 AND confirmed_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), now.into()])? == 1)
}

/// Forgets the requests of one subscription.
///
/// # Errors
/// Fails where the database does.
pub fn forget(tx: &mut Tx<'_>, subscription: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM signups WHERE subscription = $1", &[subscription.into()]).map(drop)
}
