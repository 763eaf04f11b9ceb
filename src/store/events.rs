//! Events, and their fan-out to the outbox.

use super::{Row, StoreError, Tx, counters};
use crate::model::advisory::{AdvisoryId, Content, Event, EventKind};
use crate::model::clock::Timestamp;

const INSERT: &str =
    "INSERT INTO events (seq, advisory, revision, kind, reasons, severity, exploited, at, fanned_out, fan_cursor)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, '')";

const PLATFORM: &str = "INSERT INTO event_platforms (seq, platform) VALUES ($1, $2)";

const PENDING: &str = "SELECT seq, fan_cursor FROM events WHERE NOT fanned_out ORDER BY seq LIMIT 1";

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

const PAGE: &str = concat!("SELECT s.id ", hearers!(), above_floor!(), " ORDER BY s.id LIMIT CAST($3 AS BIGINT)");

const FAN_OUT: &str = concat!(
    "INSERT INTO deliveries (id, subscription, channel, kind, event_seq, payload, state, attempts, ambiguous, due_at, fence,
         created_at, detail)
     SELECT 'alert-' || e.seq || '-' || s.id, s.id, 'email', 'alert', e.seq, '', 'queued', 0, 0, CAST($4 AS BIGINT), 0,
         CAST($4 AS BIGINT), '' ",
    hearers!(),
    above_floor!(),
    " AND s.id <= $3 ON CONFLICT (id) DO NOTHING"
);

const WINDOW: &str = concat!(
    "SELECT e.seq, e.advisory, e.revision, e.kind, e.reasons, e.at FROM events e JOIN subscriptions s ON s.id = $1
     WHERE e.seq > $2 AND e.seq <= $3 AND e.seq > s.start_seq
       AND (s.everything OR EXISTS (SELECT 1 FROM event_platforms ep JOIN subscription_platforms sp ON sp.platform = ep.platform
            WHERE ep.seq = e.seq AND sp.subscription = s.id))
       AND (s.instant OR ",
    above_floor!(),
    ") ORDER BY e.seq"
);

const MOVE_CURSOR: &str = "UPDATE events SET fan_cursor = $2, fanned_out = $3 WHERE seq = $1";

const COLUMNS: &str = "seq, advisory, revision, kind, reasons, at";

/// Writes an event and the platforms by which it is matched. Its place in the order of ingestion is its number.
///
/// # Errors
/// Fails where the database does.
pub fn insert(
    tx: &mut Tx<'_>,
    advisory: &AdvisoryId,
    revision: i64,
    kind: EventKind,
    reasons: &[String],
    content: &Content,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let seq = counters::next(tx, counters::Counter::Event)?;
    let args = [
        seq.into(),
        advisory.0.as_str().into(),
        revision.into(),
        kind.as_str().into(),
        super::to_json(reasons)?.into(),
        content.severity.rank().into(),
        content.exploitation.exploited.into(),
        at.into(),
    ];
    tx.execute(INSERT, &args)?;
    for platform in content.platforms() {
        tx.execute(PLATFORM, &[seq.into(), platform.0.as_str().into()])?;
    }
    Ok(seq)
}

/// Fans the oldest waiting event out by one page of at most `page` recipients.
/// `None` when no event waits; otherwise how many deliveries were queued.
/// A repeat after a crash queues nothing twice, since a delivery's id names its event and recipient.
///
/// # Errors
/// Fails where the database does.
pub fn fan_out_page(tx: &mut Tx<'_>, page: i64, now: Timestamp) -> Result<Option<u64>, StoreError> {
    let Some(row) = tx.query_one(PENDING, &[])? else { return Ok(None) };
    let (seq, cursor) = (row.int(0)?, row.text(1)?);
    let ids = tx.query(PAGE, &[seq.into(), cursor.as_str().into(), page.into()])?;
    let Some(last) = ids.last() else {
        tx.execute(MOVE_CURSOR, &[seq.into(), cursor.into(), true.into()])?;
        return Ok(Some(0));
    };
    let last = last.text(0)?;
    let queued = tx.execute(FAN_OUT, &[seq.into(), cursor.into(), last.as_str().into(), now.into()])?;
    let done = i64::try_from(ids.len()).unwrap_or(i64::MAX) < page;
    tx.execute(MOVE_CURSOR, &[seq.into(), last.into(), done.into()])?;
    Ok(Some(queued))
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
