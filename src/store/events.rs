//! Events, and their fan-out to the outbox.

use super::{Row, StoreError, Tx, Value, counters, list};
use crate::model::advisory::{AdvisoryId, Content, Event};
use crate::model::clock::Timestamp;

const INSERT: &str =
    "INSERT INTO events (seq, advisory, revision, kind, reasons, severity, exploited, at, fanned_out, fan_cursor)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, '')";

const PLATFORM: &str = "INSERT INTO event_platforms (seq, platform) VALUES ($1, $2)";

const PENDING: &str = "SELECT seq, fan_cursor FROM events WHERE NOT fanned_out ORDER BY seq LIMIT CAST($1 AS BIGINT)";

// Who hears of event $1 at once, beyond the cursor $2: the same rule as `pipeline::audience`, as a set. It starts from the
// matches, not from the subscribers, so that its cost follows their number.
macro_rules! hearers {
    () => {
        "FROM (
             SELECT sp.subscription AS id FROM event_platforms ep JOIN subscription_platforms sp ON sp.platform = ep.platform
             WHERE ep.seq = $1
             UNION SELECT id FROM subscriptions WHERE everything
         ) m JOIN subscriptions s ON s.id = m.id JOIN events e ON e.seq = $1
         WHERE s.id > $2 AND s.active AND s.instant AND s.start_seq < e.seq AND "
    };
}

// Whether event e is urgent enough for subscription s. An unknown severity passes medium and high: silence is not low.
macro_rules! above_floor {
    () => {
        "(e.exploited OR s.floor = 0 OR (s.floor < 3 AND e.severity = 0) OR (s.floor < 4 AND e.severity > s.floor))"
    };
}

const FAN_OUT: &str = concat!(
    "INSERT INTO deliveries (id, subscription, channel, kind, event_seq, payload, state, attempts, ambiguous, due_at, fence,
         created_at, detail)
     SELECT 'alert-' || e.seq || '-' || s.id, s.id, 'email', 'alert', e.seq, '', 'queued', 0, 0, CAST($4 AS BIGINT), 0,
         CAST($4 AS BIGINT), '' ",
    hearers!(),
    above_floor!(),
    " ORDER BY s.id LIMIT CAST($3 AS BIGINT) ON CONFLICT (id) DO NOTHING"
);

// The last recipient of a full page.
const LAST: &str =
    concat!("SELECT s.id ", hearers!(), above_floor!(), " ORDER BY s.id LIMIT 1 OFFSET CAST($3 AS BIGINT) - 1");

const WINDOW: &str = concat!(
    "SELECT e.seq, e.advisory, e.revision, e.kind, e.reasons, e.at FROM events e JOIN subscriptions s ON s.id = $1
     WHERE e.seq > $2 AND e.seq <= $3 AND e.seq > s.start_seq
       AND (s.everything OR EXISTS (SELECT 1 FROM event_platforms ep JOIN subscription_platforms sp ON sp.platform = ep.platform
            WHERE ep.seq = e.seq AND sp.subscription = s.id))
       AND (s.instant OR ",
    above_floor!(),
    ") ORDER BY e.seq"
);

const MOVE_CURSOR: &str = "UPDATE events SET fan_cursor = $2 WHERE seq = $1";

const COLUMNS: &str = "seq, advisory, revision, kind, reasons, at";

/// Writes an event and the platforms of `content`, by which it is matched. Its place in the order of ingestion is its
/// number.
///
/// # Errors
/// Fails where the database does.
pub fn insert(tx: &mut Tx<'_>, event: &Event, content: &Content) -> Result<(), StoreError> {
    let args = [
        event.seq.into(),
        event.advisory.0.as_str().into(),
        event.revision.into(),
        event.kind.as_str().into(),
        super::to_json(&event.reasons)?.into(),
        content.severity.rank().into(),
        content.exploitation.exploited.into(),
        event.at.into(),
    ];
    tx.execute(INSERT, &args)?;
    for platform in content.platforms() {
        tx.execute(PLATFORM, &[event.seq.into(), platform.0.as_str().into()])?;
    }
    Ok(())
}

/// What a [`fan_out`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FannedOut {
    /// Deliveries queued.
    pub queued: u64,
    /// Events, or further pages of one, still wait.
    pub more: bool,
}

/// Fans up to `most` waiting events out, the oldest first, each by one page of at most `page` recipients.
///
/// Pages and cursors commit together, and fan-outs run one after the other, so a repeat goes on where the last one
/// ended; should it ever begin anew, a delivery's id names its event and recipient, and nothing is queued twice.
///
/// # Errors
/// Fails where the database does.
pub fn fan_out(tx: &mut Tx<'_>, most: usize, page: i64, now: Timestamp) -> Result<FannedOut, StoreError> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    if tx.query_one(PENDING, &[1_i64.into()])?.is_none() {
        return Ok(FannedOut::default());
    }
    counters::next(tx, counters::Counter::Ingest)?;
    let pending = tx.query(PENDING, &[limit.into()])?;
    let mut fanned = FannedOut { queued: 0, more: pending.len() == most };
    let mut done: Vec<Value> = Vec::with_capacity(pending.len());
    for row in &pending {
        let (seq, cursor) = (row.int(0)?, row.text(1)?);
        let args = [seq.into(), cursor.into(), page.into(), now.into()];
        let queued = tx.execute(FAN_OUT, &args)?;
        fanned.queued += queued;
        if i64::try_from(queued).unwrap_or(i64::MAX) < page {
            done.push(seq.into());
        } else if let Some(last) = tx.query_one(LAST, &args[..3])? {
            tx.execute(MOVE_CURSOR, &[seq.into(), last.text(0)?.into()])?;
            fanned.more = true;
        }
    }
    for chunk in done.chunks(200) {
        tx.execute(&format!("UPDATE events SET fanned_out = TRUE WHERE seq IN ({})", list(chunk.len(), 1)), chunk)?;
    }
    Ok(fanned)
}

/// One event.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, seq: i64) -> Result<Option<Event>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM events WHERE seq = $1"), &[seq.into()])?
        .as_ref()
        .map(event)
        .transpose()
}

/// Every event of an advisory, oldest first.
///
/// # Errors
/// Fails where the database does.
pub fn of_advisory(tx: &mut Tx<'_>, advisory: &AdvisoryId) -> Result<Vec<Event>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE advisory = $1 ORDER BY seq");
    tx.query(&sql, &[advisory.0.as_str().into()])?.iter().map(event).collect()
}

/// The events after `from` up to and including `to` that touch what the subscription runs, oldest first.
///
/// # Errors
/// Fails where the database does.
pub fn in_window(tx: &mut Tx<'_>, subscription: &str, from: i64, to: i64) -> Result<Vec<Event>, StoreError> {
    tx.query(WINDOW, &[subscription.into(), from.into(), to.into()])?.iter().map(event).collect()
}

/// How many advisories had an event after `from` up to and including `to`.
///
/// # Errors
/// Fails where the database does.
pub fn advisories_in_window(tx: &mut Tx<'_>, from: i64, to: i64) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(DISTINCT advisory) FROM events WHERE seq > $1 AND seq <= $2";
    tx.query_one(sql, &[from.into(), to.into()])?.map_or(Ok(0), |row| row.int(0))
}

fn event(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        seq: row.int(0)?,
        advisory: AdvisoryId(row.text(1)?),
        revision: row.int(2)?,
        kind: row.text(3)?.parse().map_err(StoreError::custom)?,
        reasons: super::from_json(&row.text(4)?)?,
        at: row.time(5)?,
    })
}
