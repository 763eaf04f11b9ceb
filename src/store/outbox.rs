//! The outbox as it is handled: one delivery with its tries, letters put off, queued again or given up.

use std::collections::BTreeMap;

use serde::Serialize;

use super::deliveries::{Claimed, Shown};
use super::{StoreError, Tx};
use crate::model::clock::Timestamp;

const TRIES: &str =
    "SELECT number, started_at, finished_at, outcome, detail FROM attempts WHERE delivery = $1 ORDER BY number";

// The letter stays the same, its date and id included; only our patience begins anew.
const REQUEUE: &str = "UPDATE deliveries SET state = 'queued', due_at = $2, requeued_at = $2, spent = attempts, finished_at = NULL, fence = fence + 1
     WHERE state = 'dead' AND (CAST($1 AS TEXT) IS NULL OR id = $1)
     AND EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = deliveries.subscription AND s.active)";

const POSTPONE: &str = "UPDATE deliveries SET state = 'queued', due_at = $3, lease_holder = NULL, lease_until = NULL
     WHERE id = $1 AND fence = $2 AND state = 'sending'";

// The same as is asked when a try is recorded.
const IS_WANTED: &str = "SELECT 1 FROM deliveries d JOIN subscriptions s ON s.id = d.subscription
     WHERE d.id = $1 AND d.fence = $2 AND d.state = 'sending' AND (s.active OR (d.kind = 'confirm' AND s.ended <> 'erased'))";

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

/// The delivery that told what the one with this id was to tell, which is itself or a roll-up, and its tries.
///
/// # Errors
/// Fails where the database does.
pub fn told_by(tx: &mut Tx<'_>, id: &str) -> Result<Option<(Shown, Vec<Try>)>, StoreError> {
    let sql = "SELECT COALESCE(rolled_into, id) FROM deliveries WHERE id = $1";
    let Some(row) = tx.query_one(sql, &[id.into()])? else { return Ok(None) };
    one(tx, &row.text(0)?)
}

/// Queues a dead letter again, or all of them, with the patience of a new one. Says how many; those of recipients who have
/// left stay dead.
///
/// # Errors
/// Fails where the database does.
pub fn requeue(tx: &mut Tx<'_>, id: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(REQUEUE, &[id.map(str::to_owned).into(), now.into()])
}

/// Gives a claim back untried, to be taken up again at `until`. No try is counted.
///
/// # Errors
/// Fails where the database does.
pub fn postpone(tx: &mut Tx<'_>, claimed: &Claimed, until: Timestamp) -> Result<(), StoreError> {
    tx.execute(POSTPONE, &[claimed.id.as_str().into(), claimed.fence.into(), until.into()]).map(drop)
}

/// Whether the recipient of a delivery whose try has begun has not left since, and nobody else has taken it over.
///
/// # Errors
/// Fails where the database does.
pub fn is_wanted(tx: &mut Tx<'_>, claimed: &Claimed) -> Result<bool, StoreError> {
    tx.query_one(IS_WANTED, &[claimed.id.as_str().into(), claimed.fence.into()]).map(|row| row.is_some())
}

/// Gives up a letter that waits or is dead. False where it is neither.
///
/// # Errors
/// Fails where the database does.
pub fn drop_one(tx: &mut Tx<'_>, id: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(DROP, &[id.into(), now.into(), by.into()])? == 1)
}

/// When alerts of the events after `from` up to and including `to` were accepted for `subscription`, by event.
///
/// # Errors
/// Fails where the database does.
pub fn alerted(
    tx: &mut Tx<'_>,
    subscription: &str,
    from: i64,
    to: i64,
) -> Result<BTreeMap<i64, Timestamp>, StoreError> {
    let sql = "SELECT d.event_seq, COALESCE(r.finished_at, d.finished_at) FROM deliveries d
         LEFT JOIN deliveries r ON r.id = d.rolled_into WHERE d.subscription = $1 AND d.event_seq > $2 AND d.event_seq <= $3
           AND (d.state = 'sent' OR r.state = 'sent')";
    let mut alerted = BTreeMap::new();
    for row in tx.query(sql, &[subscription.into(), from.into(), to.into()])? {
        if let Some(at) = row.opt_time(1)? {
            alerted.insert(row.int(0)?, at);
        }
    }
    Ok(alerted)
}

/// The outbox in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outbox {
    /// Waiting, now or later.
    pub queued: i64,
    /// Held by a sender.
    pub sending: i64,
    /// Accepted.
    pub sent: i64,
    /// Given up.
    pub dead: i64,
    /// No longer wanted.
    pub suppressed: i64,
    /// Told in a roll-up rather than in a mail of their own.
    pub rolled: i64,
    /// Tries that may have been accepted without our hearing of it.
    pub ambiguous: i64,
    /// When the oldest waiting one was queued.
    pub oldest_queued: Option<Timestamp>,
}

/// Counts the outbox.
///
/// # Errors
/// Fails where the database does.
pub fn outbox(tx: &mut Tx<'_>) -> Result<Outbox, StoreError> {
    let mut outbox = Outbox::default();
    let sql = "SELECT state, COUNT(*), CAST(SUM(ambiguous) AS BIGINT), MIN(created_at) FROM deliveries GROUP BY state";
    for row in tx.query(sql, &[])? {
        let count = row.int(1)?;
        outbox.ambiguous += row.int(2)?;
        match row.text(0)?.as_str() {
            "queued" => (outbox.queued, outbox.oldest_queued) = (count, row.opt_time(3)?),
            "sending" => outbox.sending = count,
            "sent" => outbox.sent = count,
            "dead" => outbox.dead = count,
            "rolled" => outbox.rolled = count,
            _ => outbox.suppressed = count,
        }
    }
    Ok(outbox)
}
