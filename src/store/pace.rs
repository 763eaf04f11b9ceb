//! Pace: how soon people were told of an event, from its publication to the first message that was accepted.

use super::deliveries::Claimed;
use super::{StoreError, Tx};
use crate::model::clock::Timestamp;

// The first message counts, so a second one writes nothing.
const TOLD: &str = "UPDATE events SET told_at = $2 WHERE seq = $1 AND told_at IS NULL";

const TOLD_TOGETHER: &str = "UPDATE events SET told_at = $2
     WHERE told_at IS NULL AND seq IN (SELECT event_seq FROM deliveries WHERE rolled_into = $1)";

// Of the newest events only, so that what it costs does not grow with the history.
const RECENT: &str = "SELECT a.dated_at, e.at, e.told_at FROM events e JOIN advisories a ON a.id = e.advisory
     WHERE e.seq > (SELECT COALESCE(MAX(seq), 0) FROM events) - 5000 AND e.kind = 'published' AND e.at >= $1
     AND e.told_at IS NOT NULL AND a.public AND a.merged_into IS NULL ORDER BY e.seq DESC";

/// An event that somebody was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// When it was published, as far as a source says, else when it was first seen here.
    pub published: Timestamp,
    /// When it was stored here.
    pub seen: Timestamp,
    /// When the first message was accepted.
    pub told: Timestamp,
}

/// Keeps that a message that tells events was accepted.
///
/// # Errors
/// Fails where the database does.
pub fn told(tx: &mut Tx<'_>, claimed: &Claimed, now: Timestamp) -> Result<(), StoreError> {
    match claimed.event_seq {
        Some(seq) => tx.execute(TOLD, &[seq.into(), now.into()]).map(drop),
        None if claimed.kind == "rollup" => {
            tx.execute(TOLD_TOGETHER, &[claimed.id.as_str().into(), now.into()]).map(drop)
        }
        None => Ok(()),
    }
}

/// Public news since an instant that somebody was told of, the newest first; of the newest 5,000 events.
///
/// # Errors
/// Fails where the database does.
pub fn recent(tx: &mut Tx<'_>, since: Timestamp) -> Result<Vec<Pace>, StoreError> {
    let rows = tx.query(RECENT, &[since.into()])?;
    rows.iter().map(|row| Ok(Pace { published: row.time(0)?, seen: row.time(1)?, told: row.time(2)? })).collect()
}
