//! What dead processes and wrong clocks leave in the outbox: leases that nobody will end, and waits that last for years.

use std::collections::BTreeSet;

use super::{StoreError, Tx};
use crate::model::clock::Timestamp;

const IS_FAR: &str = "SELECT 1 FROM deliveries WHERE (state = 'queued' AND due_at > $1) OR (state = 'sending' AND lease_until > $1) LIMIT 1";

const SEND_NOW: &str = "UPDATE deliveries SET due_at = $2 WHERE state = 'queued' AND due_at > $1";

const LET_GO: &str = "UPDATE deliveries SET lease_until = 0 WHERE state = 'sending' AND lease_until > $1";

/// Everybody who holds a lease on a delivery.
///
/// # Errors
/// Fails where the database does.
pub fn holders(tx: &mut Tx<'_>) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT DISTINCT lease_holder FROM deliveries WHERE state = 'sending' AND lease_holder IS NOT NULL";
    tx.query(sql, &[])?.iter().map(|row| row.text(0)).collect()
}

/// Lets every lease of `holder`, which is known to be dead, run out. The fence stays: what it began counts as a try.
///
/// # Errors
/// Fails where the database does.
pub fn end_leases(tx: &mut Tx<'_>, holder: &str) -> Result<(), StoreError> {
    let sql = "UPDATE deliveries SET lease_until = 0 WHERE state = 'sending' AND lease_holder = $1";
    tx.execute(sql, &[holder.into()]).map(drop)
}

/// Whether something waits, or is held, for longer than until `farthest`.
///
/// # Errors
/// Fails where the database does.
pub fn is_far(tx: &mut Tx<'_>, farthest: Timestamp) -> Result<bool, StoreError> {
    tx.query_one(IS_FAR, &[farthest.into()]).map(|row| row.is_some())
}

/// Makes due what waits for longer than until `farthest`, and ends leases that last longer.
///
/// # Errors
/// Fails where the database does.
pub fn bring_near(tx: &mut Tx<'_>, farthest: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(SEND_NOW, &[farthest.into(), now.into()])?;
    tx.execute(LET_GO, &[farthest.into()]).map(drop)
}
