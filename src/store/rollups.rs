//! Claims held back: alerts that wait for a recipient's morning, and bursts that become one roll-up.

use std::collections::BTreeMap;

use super::deliveries::Claimed;
use super::{Row, StoreError, Tx, Value};
use crate::model::audience::QuietHours;
use crate::model::clock::Timestamp;
use crate::model::severity::Severity;

const COUNT: &str = "SELECT d.id, d.event_seq, d.state FROM deliveries d
     WHERE d.subscription = $1 AND d.event_seq >= $2 AND d.kind = 'alert'
       AND ((d.state = 'sent' AND d.finished_at > $3) OR (d.state = 'queued' AND d.attempts = 0 AND d.due_at <= $4)
            OR (d.state = 'sending' AND d.attempts = 0 AND d.lease_holder = $5))
     ORDER BY d.event_seq LIMIT 20000";

const LAST: &str =
    "SELECT MAX(created_at) FROM deliveries WHERE subscription = $1 AND event_seq IS NULL AND kind = 'rollup'";

const OPEN: &str = "INSERT INTO deliveries (id, subscription, channel, kind, payload, state, attempts, ambiguous, due_at, lease_holder,
         lease_until, fence, created_at, detail)
     VALUES ($1, $2, $3, 'rollup', '', 'sending', 0, 0, $4, $5, $6, 1, $4, '') ON CONFLICT (id) DO NOTHING";

/// Values, and their placeholders from `$first` on.
fn many<V: Into<Value>>(first: usize, values: impl Iterator<Item = V>) -> (String, Vec<Value>) {
    let values: Vec<Value> = values.map(Into::into).collect();
    (super::list(values.len(), first), values)
}

/// A recipient's quiet hours, and the zone that they are meant in.
pub type Quiet = (QuietHours, String);

/// The quiet hours of those among `subscriptions` that have any.
///
/// # Errors
/// Fails where the database does.
pub fn quiet(tx: &mut Tx<'_>, subscriptions: &[&str]) -> Result<BTreeMap<String, Quiet>, StoreError> {
    let (places, args) = many(1, subscriptions.iter().copied());
    let sql = format!(
        "SELECT id, quiet, quiet_pierce, timezone FROM subscriptions WHERE quiet IS NOT NULL AND id IN ({places})"
    );
    let one = |row: &Row| {
        let hours: QuietHours = row.text(1)?.parse().map_err(StoreError::custom)?;
        Ok((row.text(0)?, (QuietHours { pierce: row.bool(2)?, ..hours }, row.text(3)?)))
    };
    tx.query(&sql, &args)?.iter().map(one).collect()
}

/// Which of these events are exploited and critical, or not rated yet: silence is not low.
///
/// # Errors
/// Fails where the database does.
pub fn urgent(tx: &mut Tx<'_>, seqs: &[i64]) -> Result<Vec<i64>, StoreError> {
    let (places, args) = many(2, seqs.iter().copied());
    let sql =
        format!("SELECT seq FROM events WHERE exploited AND (severity = 0 OR severity >= $1) AND seq IN ({places})");
    let mut all: Vec<Value> = vec![Severity::Critical.rank().into()];
    all.extend(args);
    tx.query(&sql, &all)?.iter().map(|row| row.int(0)).collect()
}

/// The oldest event after `since`; absent where fewer than `least` came since then.
///
/// # Errors
/// Fails where the database does.
pub fn first_of_many(tx: &mut Tx<'_>, since: Timestamp, least: i64) -> Result<Option<i64>, StoreError> {
    let nth = "SELECT at FROM events ORDER BY seq DESC LIMIT 1 OFFSET CAST($1 AS BIGINT)";
    match tx.query_one(nth, &[least.saturating_sub(1).into()])? {
        Some(row) if row.time(0)? > since => tx
            .query_one("SELECT MIN(seq) FROM events WHERE at > $1", &[since.into()])?
            .map_or(Ok(None), |row| row.opt_int(0)),
        _ => Ok(None),
    }
}

/// The alerts of one recipient, of events from `from` on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    /// Accepted since then.
    pub sent: usize,
    /// Untried and due, those that `holder` holds among them: ids and events.
    pub waiting: Vec<(String, i64)>,
    /// When the last roll-up was made.
    pub last: Option<Timestamp>,
}

/// How many alerts a recipient got after `since` and has waiting.
///
/// # Errors
/// Fails where the database does.
pub fn burst(
    tx: &mut Tx<'_>,
    subscription: &str,
    from: i64,
    since: Timestamp,
    now: Timestamp,
    holder: &str,
) -> Result<Burst, StoreError> {
    let mut burst = Burst::default();
    let args = [subscription.into(), from.into(), since.into(), now.into(), holder.into()];
    for row in tx.query(COUNT, &args)? {
        match row.text(2)?.as_str() {
            "sent" => burst.sent += 1,
            _ => burst.waiting.push((row.text(0)?, row.int(1)?)),
        }
    }
    burst.last = tx.query_one(LAST, &[subscription.into()])?.map_or(Ok(None), |row| row.opt_time(0))?;
    Ok(burst)
}

/// Opens a roll-up that tells the `waiting` alerts of `first`'s recipient, under `first`'s lease. Each of them stands in the
/// record as told by it.
///
/// # Errors
/// Fails where the database does.
pub fn open(
    tx: &mut Tx<'_>,
    first: &Claimed,
    waiting: &[(String, i64)],
    holder: &str,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Claimed, StoreError> {
    let seqs = || waiting.iter().map(|(_, seq)| *seq);
    let (from, to) = (seqs().min().unwrap_or_default(), seqs().max().unwrap_or_default());
    let id = format!("rollup-{from}-{to}-{}", first.subscription);
    let args = [
        id.as_str().into(),
        first.subscription.as_str().into(),
        first.channel.as_str().into(),
        now.into(),
        holder.into(),
        lease_until.into(),
    ];
    tx.execute(OPEN, &args)?;
    let (places, listed) = many(4, waiting.iter().map(|(id, _)| id.as_str()));
    let sql = format!(
        "UPDATE deliveries SET state = 'rolled', rolled_into = $1, finished_at = $2, detail = $3, lease_holder = NULL,
             lease_until = NULL, fence = fence + 1 WHERE id IN ({places}) AND state IN ('queued', 'sending')"
    );
    let mut args: Vec<Value> = vec![id.as_str().into(), now.into(), format!("told in {id}").into()];
    args.extend(listed);
    tx.execute(&sql, &args)?;
    Ok(Claimed {
        id,
        kind: "rollup".to_owned(),
        event_seq: None,
        payload: String::new(),
        attempts: 0,
        fence: 1,
        created_at: now,
        requeued_at: None,
        spent: 0,
        ..first.clone()
    })
}
