//! The outbox: deliveries, their leases and their attempts.
//!
//! A claim leases; [`begin`] records the try before the first byte goes out and refuses where the recipient has left;
//! [`finish`] records how it ended. Every step repeats the fence, so that a sender whose lease ran out changes nothing.

use std::time::Duration;

use serde::Serialize;

pub use super::outbox::{Outbox, outbox};
use super::{Row, StoreError, Tx, pace};
use crate::model::clock::Timestamp;
use crate::model::delivery::DeliveryState;

// Each condition stands in the outer WHERE too: without it PostgreSQL would claim a row twice. What lapsed and what
// waits are two statements, so that each reads no more than `limit` entries of its own index.
macro_rules! claim {
    ($due:literal, $order:literal) => {
        concat!(
            "UPDATE deliveries SET state = 'sending', lease_holder = $1, lease_until = $3, fence = fence + 1
             WHERE id IN (SELECT id FROM deliveries WHERE ",
            $due,
            " AND (CAST($5 AS BIGINT) = 0 OR (CAST($5 AS BIGINT) = 1) = (channel IN ('email', 'ticket'))) ORDER BY ",
            $order,
            " LIMIT CAST($4 AS BIGINT)) AND ",
            $due,
            " RETURNING id, subscription, channel, kind, event_seq, payload, attempts, fence, created_at, requeued_at, spent"
        )
    };
}

const CLAIM_LAPSED: &str = claim!("state = 'sending' AND lease_until < $2", "lease_until, id");

const CLAIM_QUEUED: &str = claim!("state = 'queued' AND due_at <= $2", "due_at, id");

// Tries that never came to an end. They are counted when the next one begins: that one may not come to its end either.
macro_rules! open {
    () => {
        "(SELECT COUNT(*) FROM attempts a WHERE a.delivery = deliveries.id AND a.finished_at IS NULL)"
    };
}

const BEGIN: &str = concat!(
    "UPDATE deliveries SET attempts = attempts + 1, lease_until = $3, ambiguous = ambiguous + ", open!(),
    " WHERE id = $1 AND state = 'sending' AND fence = $2 AND EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = deliveries.subscription
         AND (s.active OR (deliveries.kind = 'confirm' AND s.ended <> 'erased'))) RETURNING attempts, ", open!()
);

const ATTEMPT: &str = "INSERT INTO attempts (delivery, number, started_at) VALUES ($1, $2, $3)";

const CLOSE_LOST: &str =
    "UPDATE attempts SET finished_at = $2, outcome = 'ambiguous', detail = 'the program stopped during this try'
     WHERE delivery = $1 AND finished_at IS NULL AND number < $3";

const DROP: &str = concat!(
    "UPDATE deliveries SET state = 'suppressed', lease_holder = NULL, lease_until = NULL, finished_at = $3,
     detail = 'unsubscribed before it was sent', ambiguous = ambiguous + ",
    open!(),
    " WHERE id = $1 AND state = 'sending' AND fence = $2"
);

const END_ATTEMPT: &str =
    "UPDATE attempts SET finished_at = $3, outcome = $4, detail = $5 WHERE delivery = $1 AND number = $2";

const FINISH: &str =
    "UPDATE deliveries SET state = $3, due_at = $4, finished_at = $5, detail = $6, ambiguous = ambiguous + $7,
     spent = spent + $8, lease_holder = NULL, lease_until = NULL WHERE id = $1 AND fence = $2 AND state = 'sending'";

const RELEASE: &str = "UPDATE deliveries SET state = 'queued', lease_holder = NULL, lease_until = NULL
     WHERE id = $1 AND fence = $2 AND state = 'sending'";

const QUEUE: &str = "INSERT INTO deliveries (id, subscription, channel, kind, payload, state, attempts, ambiguous, due_at, fence, created_at, detail)
     VALUES ($1, $2, (SELECT channel FROM subscriptions WHERE id = $2), $5, $3, 'queued', 0, 0, $4, 0, $4, '') ON CONFLICT (id) DO NOTHING";

/// A delivery that a sender holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its id.
    pub id: String,
    /// To whom.
    pub subscription: String,
    /// By which channel.
    pub channel: String,
    /// `alert`, `digest`, `notice` or `heartbeat`.
    pub kind: String,
    /// The event of an alert.
    pub event_seq: Option<i64>,
    /// What a digest covers, as JSON.
    pub payload: String,
    /// Tries so far.
    pub attempts: i64,
    /// The number of this claim.
    pub fence: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When somebody queued it again, after it was given up.
    pub requeued_at: Option<Timestamp>,
    /// Tries before that, and those that found the relay down.
    pub spent: i64,
}

/// By which ways deliveries go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    /// All.
    All,
    /// Mail, to people and ticket systems.
    Mail,
    /// Web requests.
    Web,
}

/// Leases up to `limit` deliveries that are due, or whose sender went away, to `holder`.
///
/// # Errors
/// Fails where the database does.
pub fn claim(
    tx: &mut Tx<'_>,
    holder: &str,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claimed>, StoreError> {
    claim_by(tx, Ways::All, holder, now, lease, limit)
}

/// As [`claim`], of those that go by `ways`.
///
/// # Errors
/// Fails where the database does.
pub fn claim_by(
    tx: &mut Tx<'_>,
    ways: Ways,
    holder: &str,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Claimed>, StoreError> {
    let mut args = [holder.into(), now.into(), now.plus(lease).into(), limit.into(), (ways as i64).into()];
    let mut rows = tx.query(CLAIM_LAPSED, &args)?;
    let room = limit - i64::try_from(rows.len()).unwrap_or(limit);
    if room > 0 {
        args[3] = room.into();
        rows.extend(tx.query(CLAIM_QUEUED, &args)?);
    }
    rows.iter().map(claimed).collect()
}

/// What [`begin`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The try is recorded: send now.
    Go {
        /// The number of this try, from 1.
        attempt: i64,
        /// An earlier try never came to an end: it may have been accepted.
        after_lost_try: bool,
    },
    /// The recipient has left, or another sender holds the delivery: do not send.
    Stop,
}

/// Records that a try begins, before any byte of it is sent, and renews the lease.
///
/// # Errors
/// Fails where the database does.
pub fn begin(tx: &mut Tx<'_>, claimed: &Claimed, now: Timestamp, lease: Duration) -> Result<Begun, StoreError> {
    let id = claimed.id.as_str();
    let row = tx.query_one(BEGIN, &[id.into(), claimed.fence.into(), now.plus(lease).into()])?;
    let Some(row) = row else {
        if tx.execute(DROP, &[id.into(), claimed.fence.into(), now.into()])? == 1 {
            tx.execute(CLOSE_LOST, &[id.into(), now.into(), i64::MAX.into()])?;
        }
        return Ok(Begun::Stop);
    };
    let (attempt, open) = (row.int(0)?, row.int(1)?);
    if open > 0 {
        tx.execute(CLOSE_LOST, &[id.into(), now.into(), attempt.into()])?;
    }
    tx.execute(ATTEMPT, &[id.into(), attempt.into(), now.into()])?;
    Ok(Begun::Go { attempt, after_lost_try: open > 0 })
}

/// How a try ended, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The number of the try.
    pub attempt: i64,
    /// `sent`, `later`, `never` or `ambiguous`.
    pub outcome: &'static str,
    /// What happened, for a person.
    pub detail: String,
    /// The state that follows.
    pub state: DeliveryState,
    /// When to try again, where the state is queued.
    pub due: Timestamp,
    /// Tries that may have been accepted without our hearing of it.
    pub ambiguous: i64,
    /// The try found the relay down: it says nothing of this delivery and does not count against it.
    pub uncounted: bool,
}

/// Records how a try ended. False where the lease had passed to another sender.
///
/// # Errors
/// Fails where the database does.
pub fn finish(tx: &mut Tx<'_>, claimed: &Claimed, end: &Finished, now: Timestamp) -> Result<bool, StoreError> {
    let id = claimed.id.as_str();
    tx.execute(
        END_ATTEMPT,
        &[id.into(), end.attempt.into(), now.into(), end.outcome.into(), end.detail.as_str().into()],
    )?;
    let finished = (end.state != DeliveryState::Queued).then_some(now);
    if end.state == DeliveryState::Sent {
        pace::told(tx, claimed, now)?;
    }
    let args = [
        id.into(),
        claimed.fence.into(),
        end.state.as_str().into(),
        end.due.into(),
        finished.into(),
        end.detail.as_str().into(),
        end.ambiguous.into(),
        i64::from(end.uncounted).into(),
    ];
    Ok(tx.execute(FINISH, &args)? == 1)
}

/// The deliveries that wait for one recipient, as a sender would hold them. Nothing is claimed.
///
/// # Errors
/// Fails where the database does.
pub fn waiting(tx: &mut Tx<'_>, subscription: &str) -> Result<Vec<Claimed>, StoreError> {
    let sql = "SELECT id, subscription, channel, kind, event_seq, payload, attempts, fence, created_at, requeued_at, spent FROM deliveries
         WHERE subscription = $1 AND state = 'queued' ORDER BY id";
    tx.query(sql, &[subscription.into()])?.iter().map(claimed).collect()
}

/// Gives a claim back untried.
///
/// # Errors
/// Fails where the database does.
pub fn release(tx: &mut Tx<'_>, claimed: &Claimed) -> Result<(), StoreError> {
    tx.execute(RELEASE, &[claimed.id.as_str().into(), claimed.fence.into()]).map(drop)
}

/// Queues a digest; a second one for the same subscription and period is not possible.
///
/// # Errors
/// Fails where the database does.
pub fn queue_digest(
    tx: &mut Tx<'_>,
    subscription: &str,
    period: &str,
    payload: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let id = super::subscriptions::digest_id(subscription, period);
    Ok(tx.execute(QUEUE, &[id.into(), subscription.into(), payload.into(), now.into(), "digest".into()])? == 1)
}

/// Queues a letter of the program's own (`notice` or `heartbeat`) under its `id`; a second one under that id is not
/// possible.
///
/// # Errors
/// Fails where the database does.
pub fn queue_service(
    tx: &mut Tx<'_>,
    kind: &str,
    id: &str,
    subscription: &str,
    payload: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.execute(QUEUE, &[id.into(), subscription.into(), payload.into(), now.into(), kind.into()])? == 1)
}

/// A delivery as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// The recipient's address.
    pub to: String,
    /// `alert`, `digest`, `notice` or `heartbeat`.
    pub kind: String,
    /// The state's word.
    pub state: String,
    /// Tries so far.
    pub attempts: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it is to be tried (again).
    pub due_at: Timestamp,
    /// What happened last, for a person.
    pub detail: String,
}

macro_rules! shown {
    () => {
        "SELECT d.id, s.email, d.kind, d.state, d.attempts, d.created_at, d.due_at, d.detail FROM deliveries d
         JOIN subscriptions s ON s.id = d.subscription "
    };
}

/// The newest deliveries, in one state or all.
///
/// # Errors
/// Fails where the database does.
pub fn newest(tx: &mut Tx<'_>, state: Option<&str>, limit: i64) -> Result<Vec<Shown>, StoreError> {
    let sql = concat!(
        shown!(),
        "WHERE (CAST($1 AS TEXT) IS NULL OR d.state = $1) ORDER BY d.created_at DESC, d.id DESC LIMIT CAST($2 AS BIGINT)"
    );
    tx.query(sql, &[state.map(str::to_owned).into(), limit.into()])?.iter().map(shown).collect()
}

/// The delivery with this id.
///
/// # Errors
/// Fails where the database does.
pub fn one(tx: &mut Tx<'_>, id: &str) -> Result<Option<Shown>, StoreError> {
    tx.query_one(concat!(shown!(), "WHERE d.id = $1"), &[id.into()])?.as_ref().map(shown).transpose()
}

fn shown(row: &Row) -> Result<Shown, StoreError> {
    Ok(Shown {
        id: row.text(0)?,
        to: row.text(1)?,
        kind: row.text(2)?,
        state: row.text(3)?,
        attempts: row.int(4)?,
        created_at: row.time(5)?,
        due_at: row.time(6)?,
        detail: row.text(7)?,
    })
}

/// When the newest delivery or event was written.
///
/// # Errors
/// Fails where the database does.
pub fn newest_time(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT MAX(at) FROM (SELECT MAX(created_at) AS at FROM deliveries UNION ALL SELECT MAX(at) FROM events) newest";
    tx.query_one(sql, &[])?.map_or(Ok(None), |row| row.opt_time(0))
}

/// The next instant at which a waiting delivery is due.
///
/// # Errors
/// Fails where the database does.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    tx.query_one("SELECT MIN(due_at) FROM deliveries WHERE state = 'queued'", &[])?
        .map_or(Ok(None), |row| row.opt_time(0))
}

fn claimed(row: &Row) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: row.text(0)?,
        subscription: row.text(1)?,
        channel: row.text(2)?,
        kind: row.text(3)?,
        event_seq: row.opt_int(4)?,
        payload: row.text(5)?,
        attempts: row.int(6)?,
        fence: row.int(7)?,
        created_at: row.time(8)?,
        requeued_at: row.opt_time(9)?,
        spent: row.int(10)?,
    })
}
