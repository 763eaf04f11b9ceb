//! The outbox as an operator handles it: one delivery with its tries, dead letters queued again or given up.

use serde::Serialize;

use super::deliveries::Shown;
use super::{StoreError, Tx};
use crate::model::clock::Timestamp;

const TRIES: &str =
    "SELECT number, started_at, finished_at, outcome, detail FROM attempts WHERE delivery = $1 ORDER BY number";

// The letter stays the same, its date and id included; only our patience begins anew.
const REQUEUE: &str = "UPDATE deliveries SET state = 'queued', due_at = $2, requeued_at = $2, spent = attempts, finished_at = NULL, fence = fence + 1
     WHERE state = 'dead' AND (CAST($1 AS TEXT) IS NULL OR id = $1)
     AND EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = deliveries.subscription AND s.active)";

const DROP: &str = "UPDATE deliveries SET state = 'suppressed', finished_at = $2, detail = 'dropped by ' || CAST($3 AS TEXT), fence = fence + 1
     WHERE id = $1 AND state IN ('queued', 'dead')";

/// One try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Try {
    /// From 1.
    pub number: i64,
    /// When it was recorded, before its first byte.
    pub started_at: Timestamp,
    /// When its end was recorded; absent where it never came to one.
    pub finished_at: Option<Timestamp>,
    /// `sent`, `later`, `never` or `ambiguous`.
    pub outcome: Option<String>,
    /// What happened, for a person.
    pub detail: Option<String>,
}

/// A delivery and its tries; nothing where there is none with this id.
///
/// # Errors
/// Fails where the database does.
pub fn one(tx: &mut Tx<'_>, id: &str) -> Result<Option<(Shown, Vec<Try>)>, StoreError> {
    let Some(shown) = super::deliveries::one(tx, id)? else { return Ok(None) };
    let read = |row: &super::Row| {
        Ok(Try {
            number: row.int(0)?,
            started_at: row.time(1)?,
            finished_at: row.opt_time(2)?,
            outcome: row.opt_text(3)?,
            detail: row.opt_text(4)?,
        })
    };
    let tries: Result<Vec<Try>, StoreError> = tx.query(TRIES, &[id.into()])?.iter().map(read).collect();
    Ok(Some((shown, tries?)))
}

/// Queues a dead letter again, or all of them, with the patience of a new one. Says how many; those of recipients who have
/// left stay dead.
///
/// # Errors
/// Fails where the database does.
pub fn requeue(tx: &mut Tx<'_>, id: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(REQUEUE, &[id.map(str::to_owned).into(), now.into()])
}

/// Gives up a letter that waits or is dead. False where it is neither.
///
/// # Errors
/// Fails where the database does.
pub fn drop_one(tx: &mut Tx<'_>, id: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(DROP, &[id.into(), now.into(), by.into()])? == 1)
}
