//! Bounces: what came back for each subscription, and which letter it was.

use serde::Serialize;

use super::{Row, StoreError, Tx};
use crate::model::clock::Timestamp;

const GET: &str =
    "SELECT subscription, kind, at, detail, soft, soft_first, soft_last FROM bounces WHERE subscription = $1";

const PUT: &str = "INSERT INTO bounces (subscription, kind, at, detail, soft, soft_first, soft_last)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (subscription) DO UPDATE SET kind = excluded.kind, at = excluded.at,
     detail = excluded.detail, soft = excluded.soft, soft_first = excluded.soft_first, soft_last = excluded.soft_last";

const SENT: &str =
    "SELECT id FROM deliveries WHERE subscription = $1 AND state = 'sent' ORDER BY created_at DESC, id LIMIT 500";

const MARK: &str = "UPDATE deliveries SET detail = $2 WHERE id = $1 AND state = 'sent'";

/// What came back for one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bounce {
    /// Whose.
    pub subscription: String,
    /// `hard`, `complaint`, `soft`, `policy`, `late`, `arrived` or `unsubscribed`.
    pub kind: String,
    /// When it was read.
    pub at: Timestamp,
    /// What happened, for a person.
    pub detail: String,
    /// On how many days mail came back for reasons that may pass.
    pub soft: i64,
    /// The first of those days.
    pub soft_first: Option<Timestamp>,
    /// The last.
    pub soft_last: Option<Timestamp>,
}

/// What came back for a subscription last, if anything did.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, subscription: &str) -> Result<Option<Bounce>, StoreError> {
    tx.query_one(GET, &[subscription.into()])?.as_ref().map(bounce).transpose()
}

/// Keeps what came back last.
///
/// # Errors
/// Fails where the database does.
pub fn put(tx: &mut Tx<'_>, bounce: &Bounce) -> Result<(), StoreError> {
    let args = [
        bounce.subscription.as_str().into(),
        bounce.kind.as_str().into(),
        bounce.at.into(),
        bounce.detail.as_str().into(),
        bounce.soft.into(),
        bounce.soft_first.into(),
        bounce.soft_last.into(),
    ];
    tx.execute(PUT, &args).map(drop)
}

/// The newest letters that were sent to a subscription, by their ids.
///
/// # Errors
/// Fails where the database does.
pub fn sent(tx: &mut Tx<'_>, subscription: &str) -> Result<Vec<String>, StoreError> {
    tx.query(SENT, &[subscription.into()])?.iter().map(|row| row.text(0)).collect()
}

/// Says of a letter that was sent what came back.
///
/// # Errors
/// Fails where the database does.
pub fn mark(tx: &mut Tx<'_>, delivery: &str, detail: &str) -> Result<(), StoreError> {
    tx.execute(MARK, &[delivery.into(), detail.into()]).map(drop)
}

fn bounce(row: &Row) -> Result<Bounce, StoreError> {
    Ok(Bounce {
        subscription: row.text(0)?,
        kind: row.text(1)?,
        at: row.time(2)?,
        detail: row.text(3)?,
        soft: row.int(4)?,
        soft_first: row.opt_time(5)?,
        soft_last: row.opt_time(6)?,
    })
}
