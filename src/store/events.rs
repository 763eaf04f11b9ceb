//! Events, and their fan-out to the outbox.

use super::{Row, StoreError, Tx, counters};
use crate::model::advisory::{AdvisoryId, Content, Event};
use crate::model::clock::Timestamp;

const INSERT: &str =
    "INSERT INTO events (seq, advisory, revision, kind, reasons, severity, exploited, at, confined, fanned_out, fan_cursor)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE, '')";

const PLATFORM: &str = "INSERT INTO event_platforms (seq, platform) VALUES ($1, $2)";

const ORIGIN: &str = "INSERT INTO event_origins (seq, origin) VALUES ($1, $2)";

const PENDING: &str = "SELECT seq, fan_cursor FROM events WHERE NOT fanned_out ORDER BY seq LIMIT CAST($1 AS BIGINT)";

// Who hears at once of waiting events, as a set: the same rule as `pipeline::audience`. It starts from the matches, not from
// the subscribers. `matches` and `everything` say which events, and which part of the recipients.
macro_rules! hearers {
    ($matches:literal, $everything:literal) => {
        concat!(
            "FROM (
                 SELECT seq, id, MIN(why) AS why FROM (
                     SELECT ep.seq AS seq, sp.subscription AS id, ep.platform AS why FROM event_platforms ep
                     JOIN subscription_platforms sp ON sp.platform = ep.platform WHERE ",
            $matches,
            "        UNION ALL SELECT w.seq, a.id, '~' FROM events w JOIN subscriptions a ON a.everything WHERE ",
            $everything,
            "    ) matches GROUP BY seq, id
             ) m JOIN subscriptions s ON s.id = m.id JOIN events e ON e.seq = m.seq
             WHERE NOT e.fanned_out AND s.active AND s.instant AND s.start_seq < e.seq AND "
        )
    };
}

// Whether subscription s wants to hear those who say event e, in each way in which it limits that.
macro_rules! said_by {
    () => {
        " AND (s.limits = 0 OR s.limits = (SELECT COUNT(DISTINCT o.way) FROM subscription_only o
              JOIN event_origins g ON g.origin = o.origin WHERE o.subscription = s.id AND g.seq = e.seq))"
    };
}

// Whether subscription s may read event e: what is marked TLP:GREEN or above is not for strangers.
macro_rules! may_read {
    () => {
        " AND NOT (e.confined AND s.stranger)"
    };
}

// Whether event e is urgent enough for subscription s. An unknown severity passes medium and high: silence is not low.
macro_rules! above_floor {
    () => {
        "(e.exploited OR s.floor = 0 OR (s.floor < 3 AND e.severity = 0) OR (s.floor < 4 AND e.severity > s.floor))"
    };
}

macro_rules! fan_out {
    ($matches:literal, $everything:literal) => {
        concat!(
            "INSERT INTO deliveries (id, subscription, channel, kind, event_seq, why, payload, state, attempts, ambiguous,
                 due_at, fence, created_at, detail)
             SELECT 'alert-' || e.seq || '-' || s.id, s.id, s.channel, 'alert', e.seq, m.why, '', 'queued', 0, 0,
                 CAST($3 AS BIGINT), 0, CAST($3 AS BIGINT), '' ",
            hearers!($matches, $everything),
            above_floor!(),
            said_by!(),
            may_read!(),
            " ORDER BY e.seq, s.id ON CONFLICT (id) DO NOTHING"
        )
    };
}

// Events $1 to $2 at once, to all.
const FAN_OUT_MANY: &str = fan_out!("ep.seq BETWEEN $1 AND $2", "w.seq BETWEEN $1 AND $2");

// Event $1 to the recipients beyond $2, and up to $4. Each page reads its own part of the indexes, so that the cost of all
// pages follows the number of matches.
const FAN_OUT_PAGE: &str = fan_out!(
    "ep.seq = $1 AND sp.subscription > $2 AND sp.subscription <= $4",
    "w.seq = $1 AND a.id > $2 AND a.id <= $4"
);

// Event $1 to all recipients beyond $2.
const FAN_OUT_REST: &str = fan_out!("ep.seq = $1 AND sp.subscription > $2", "w.seq = $1 AND a.id > $2");

// The last of the next page of those who asked for one platform or topic; none where they all fit into it.
const PAGE_OF_PLATFORM: &str =
    "SELECT subscription FROM subscription_platforms WHERE platform = $1 AND subscription > $2
     ORDER BY subscription LIMIT 1 OFFSET CAST($3 AS BIGINT) - 1";

// The same of those who asked for everything.
const PAGE_OF_EVERYTHING: &str =
    "SELECT id FROM subscriptions WHERE everything AND id > $1 ORDER BY id LIMIT 1 OFFSET CAST($2 AS BIGINT) - 1";

const KEYS: &str = "SELECT platform FROM event_platforms WHERE seq = $1";

// How many asked for everything, and how many recipients the events $1 to $2 name, with the last event that is counted. No
// more than can matter are counted.
const FOR_EVERYTHING: &str =
    "SELECT COUNT(*) FROM (SELECT id FROM subscriptions WHERE everything ORDER BY id LIMIT CAST($1 AS BIGINT)) few";

const NAMED: &str = "SELECT COUNT(*), MAX(seq) FROM (
         SELECT ep.seq AS seq FROM event_platforms ep JOIN subscription_platforms sp ON sp.platform = ep.platform
         WHERE ep.seq BETWEEN $1 AND $2 ORDER BY ep.seq LIMIT CAST($3 AS BIGINT)) few";

const DONE: &str = "UPDATE events SET fanned_out = TRUE WHERE seq BETWEEN $1 AND $2 AND NOT fanned_out";

const WINDOW: &str = concat!(
    "SELECT e.seq, e.advisory, e.revision, e.kind, e.reasons, e.at FROM events e JOIN subscriptions s ON s.id = $1
     WHERE e.seq > $2 AND e.seq <= $3 AND e.seq > s.start_seq
       AND (s.everything OR EXISTS (SELECT 1 FROM event_platforms ep JOIN subscription_platforms sp ON sp.platform = ep.platform
            WHERE ep.seq = e.seq AND sp.subscription = s.id))
       AND (s.instant OR ",
    above_floor!(),
    ")",
    said_by!(),
    may_read!(),
    " ORDER BY e.seq"
);

const MOVE_CURSOR: &str = "UPDATE events SET fan_cursor = $2 WHERE seq = $1";

const COLUMNS: &str = "seq, advisory, revision, kind, reasons, at";

/// Writes an event and the platforms and topics of `content`, by which it is matched. Its place in the order of ingestion is its
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
        (!content.tlp.is_clear()).into(),
    ];
    tx.execute(INSERT, &args)?;
    for name in content.matched_by() {
        tx.execute(PLATFORM, &[event.seq.into(), name.into()])?;
    }
    for origin in content.origins() {
        tx.execute(ORIGIN, &[event.seq.into(), origin.into()])?;
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

/// Fans waiting events out, the oldest first, by one page of about `page` recipients. As many events share the page
/// as fit into it, but at least one and at most `most`.
///
/// Page and cursor commit together, and fan-outs run one after the other, so a repeat goes on where the last one
/// ended; should it ever begin anew, a delivery's id names its event and recipient, and nothing is queued twice.
///
/// # Errors
/// Fails where the database does.
pub fn fan_out(tx: &mut Tx<'_>, most: i64, page: i64, now: Timestamp) -> Result<FannedOut, StoreError> {
    if tx.query_one(PENDING, &[1_i64.into()])?.is_none() {
        return Ok(FannedOut::default());
    }
    counters::next(tx, counters::Counter::Ingest)?;
    let everything = tx.query_one(FOR_EVERYTHING, &[page.into()])?.map_or(Ok(0), |row| row.int(0))?;
    let pending = tx.query(PENDING, &[((page - 1) / everything.max(1)).clamp(1, most).into()])?;
    let (Some(first), Some(last)) = (pending.first(), pending.last()) else { return Ok(FannedOut::default()) };
    let (from, last, cursor) = (first.int(0)?, last.int(0)?, first.text(1)?);
    let fits = if everything < page && cursor.is_empty() { fitting(tx, from, last, page)? } else { None };
    if let Some(upto) = fits {
        let queued = tx.execute(FAN_OUT_MANY, &[from.into(), upto.into(), now.into()])?;
        tx.execute(DONE, &[from.into(), upto.into()])?;
        let more = tx.query_one(PENDING, &[1_i64.into()])?.is_some();
        return Ok(FannedOut { queued, more });
    }
    let mut args = vec![from.into(), cursor.as_str().into(), now.into()];
    let Some(reached) = end_of_page(tx, from, &cursor, page)? else {
        let queued = tx.execute(FAN_OUT_REST, &args)?;
        tx.execute(DONE, &[from.into(), from.into()])?;
        return Ok(FannedOut { queued, more: true });
    };
    args.push(reached.as_str().into());
    let queued = tx.execute(FAN_OUT_PAGE, &args)?;
    tx.execute(MOVE_CURSOR, &[from.into(), reached.into()])?;
    Ok(FannedOut { queued, more: true })
}

/// The last of the events from `from` to `last` that together name fewer recipients than a page holds; none where the
/// first alone names as many.
fn fitting(tx: &mut Tx<'_>, from: i64, last: i64, page: i64) -> Result<Option<i64>, StoreError> {
    let Some(row) = tx.query_one(NAMED, &[from.into(), last.into(), page.into()])? else { return Ok(Some(last)) };
    if row.int(0)? < page {
        return Ok(Some(last));
    }
    // The one at which the count ended may name more.
    Ok(row.opt_int(1)?.map(|seq| seq - 1).filter(|upto| *upto >= from))
}

/// The recipient with whom the next page of an event ends, so that no index gives more than `page` for it; none where the
/// rest fits.
fn end_of_page(tx: &mut Tx<'_>, seq: i64, cursor: &str, page: i64) -> Result<Option<String>, StoreError> {
    let mut ends = Vec::new();
    for key in tx.query(KEYS, &[seq.into()])? {
        ends.push(tx.query_one(PAGE_OF_PLATFORM, &[key.text(0)?.into(), cursor.into(), page.into()])?);
    }
    ends.push(tx.query_one(PAGE_OF_EVERYTHING, &[cursor.into(), page.into()])?);
    let ends: Result<Vec<String>, StoreError> = ends.into_iter().flatten().map(|row| row.text(0)).collect();
    // Ids differ in their digits only, which every collation puts in the order of their bytes.
    Ok(ends?.into_iter().min())
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

/// The events that a roll-up tells, oldest first.
///
/// # Errors
/// Fails where the database does.
pub fn rolled_into(tx: &mut Tx<'_>, delivery: &str) -> Result<Vec<Event>, StoreError> {
    let sql = "SELECT e.seq, e.advisory, e.revision, e.kind, e.reasons, e.at FROM deliveries d
         JOIN events e ON e.seq = d.event_seq WHERE d.rolled_into = $1 ORDER BY e.seq";
    tx.query(sql, &[delivery.into()])?.iter().map(event).collect()
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
