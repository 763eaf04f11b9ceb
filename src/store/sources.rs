//! Source health, validators and leases.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Row, StoreError, Tx};
use crate::model::clock::Timestamp;
use crate::model::health::{HealthState, SourceHealth, Validators};

const COLUMNS: &str =
    "id, state, since, last_attempt, last_success, next_due, failures, items, detail, baseline, last_news,
     longest_gap, told, moved_to, moved_times, paused_at, paused_by";

const CREATE: &str =
    "INSERT INTO sources (id, state, failures, items, detail, baseline) VALUES ($1, 'new', 0, 0, '', FALSE)
     ON CONFLICT (id) DO NOTHING";

const LEASE: &str = "UPDATE sources SET lease_holder = $2, lease_until = $4
     WHERE id = $1 AND (lease_until IS NULL OR lease_until < $3 OR lease_holder = $2)";

const RELEASE: &str = "UPDATE sources SET lease_holder = NULL, lease_until = NULL WHERE id = $1 AND lease_holder = $2";

const VALIDATORS: &str = "SELECT etag, last_modified FROM sources WHERE id = $1 AND validators_for = $2";

const KEEP_VALIDATORS: &str = "UPDATE sources SET etag = $2, last_modified = $3, validators_for = $4 WHERE id = $1";

const CURSOR: &str = "SELECT walk_cursor FROM sources WHERE id = $1 AND walk_cursor_for = $2";

const KEEP_CURSOR: &str = "UPDATE sources SET walk_cursor = $2, walk_cursor_for = $3 WHERE id = $1";

const IMPORT: &str = "SELECT import_cursor FROM sources WHERE id = $1 AND import_cursor_for = $2";

const KEEP_IMPORT: &str = "UPDATE sources SET import_cursor = $2, import_cursor_for = $3 WHERE id = $1";

const FORGET_IMPORT: &str = "UPDATE sources SET import_cursor = NULL, import_cursor_for = NULL WHERE id = $1";

const RENEW: &str = "UPDATE sources SET lease_until = $3 WHERE id = $1 AND lease_holder = $2";

const SAVE: &str = "UPDATE sources SET state = $2, since = $3, last_attempt = $4, last_success = $5, next_due = $6,
     failures = $7, items = $8, detail = $9, baseline = $10, last_news = $11, longest_gap = $12, moved_to = $13,
     moved_times = $14 WHERE id = $1";

const TELL: &str = "UPDATE sources SET told = $2 WHERE id = $1";

/// Leases the source to `holder` until `now + lasting`; false where another holds it.
///
/// # Errors
/// Fails where the database does.
pub fn lease(tx: &mut Tx<'_>, id: &str, holder: &str, now: Timestamp, lasting: Duration) -> Result<bool, StoreError> {
    tx.execute(CREATE, &[id.into()])?;
    let taken = tx.execute(LEASE, &[id.into(), holder.into(), now.into(), now.plus(lasting).into()])?;
    Ok(taken == 1)
}

/// Everybody who holds a lease on a source.
///
/// # Errors
/// Fails where the database does.
pub fn holders(tx: &mut Tx<'_>) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT DISTINCT lease_holder FROM sources WHERE lease_holder IS NOT NULL";
    tx.query(sql, &[])?.iter().map(|row| row.text(0)).collect()
}

/// Ends every lease of `holder`, which is known to be dead.
///
/// # Errors
/// Fails where the database does.
pub fn end_leases(tx: &mut Tx<'_>, holder: &str) -> Result<(), StoreError> {
    let sql = "UPDATE sources SET lease_holder = NULL, lease_until = NULL WHERE lease_holder = $1";
    tx.execute(sql, &[holder.into()]).map(drop)
}

/// Gives the lease back.
///
/// # Errors
/// Fails where the database does.
pub fn release(tx: &mut Tx<'_>, id: &str, holder: &str) -> Result<(), StoreError> {
    tx.execute(RELEASE, &[id.into(), holder.into()]).map(drop)
}

/// The health of every source that was ever tried, by id.
///
/// # Errors
/// Fails where the database does.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<SourceHealth>, StoreError> {
    tx.query(&format!("SELECT {COLUMNS} FROM sources ORDER BY id"), &[])?.iter().map(health).collect()
}

/// The health of one source; a new one where it was never tried.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<SourceHealth, StoreError> {
    match tx.query_one(&format!("SELECT {COLUMNS} FROM sources WHERE id = $1"), &[id.into()])? {
        Some(row) => health(&row),
        None => Ok(SourceHealth { source: id.to_owned(), ..SourceHealth::default() }),
    }
}

/// Stores the health of a source that has been leased at least once.
///
/// # Errors
/// Fails where the database does.
pub fn save(tx: &mut Tx<'_>, health: &SourceHealth) -> Result<(), StoreError> {
    let args = [
        health.source.as_str().into(),
        health.state.as_str().into(),
        health.since.into(),
        health.last_attempt.into(),
        health.last_success.into(),
        health.next_due.into(),
        health.failures.into(),
        health.items.into(),
        health.detail.as_str().into(),
        health.baseline.into(),
        health.last_news.into(),
        health.longest_gap.into(),
        health.moved.as_ref().map(|(to, _)| to.clone()).into(),
        health.moved.as_ref().map(|(_, times)| *times).into(),
    ];
    tx.execute(SAVE, &args).map(drop)
}

/// Keeps which state of the source the operator was told of.
///
/// # Errors
/// Fails where the database does.
pub fn tell(tx: &mut Tx<'_>, id: &str, state: HealthState) -> Result<(), StoreError> {
    tx.execute(TELL, &[id.into(), state.as_str().into()]).map(drop)
}

/// The validators kept for the source, if they were kept for the same `reading` (address and parser version).
///
/// # Errors
/// Fails where the database does.
pub fn validators(tx: &mut Tx<'_>, id: &str, reading: &str) -> Result<Validators, StoreError> {
    match tx.query_one(VALIDATORS, &[id.into(), reading.into()])? {
        Some(row) => Ok(Validators { etag: row.opt_text(0)?, last_modified: row.opt_text(1)? }),
        None => Ok(Validators::default()),
    }
}

/// Keeps the validators of a document that was read whole.
///
/// # Errors
/// Fails where the database does.
pub fn keep_validators(tx: &mut Tx<'_>, id: &str, reading: &str, kept: &Validators) -> Result<(), StoreError> {
    let args = [id.into(), kept.etag.clone().into(), kept.last_modified.clone().into(), reading.into()];
    tx.execute(KEEP_VALIDATORS, &args).map(drop)
}

/// Where the last walk over the source ended, if it was for the same `reading`.
///
/// # Errors
/// Fails where the database does.
pub fn cursor(tx: &mut Tx<'_>, id: &str, reading: &str) -> Result<Option<String>, StoreError> {
    tx.query_one(CURSOR, &[id.into(), reading.into()])?.map_or(Ok(None), |row| row.opt_text(0))
}

/// Keeps where a walk has come to.
///
/// # Errors
/// Fails where the database does.
pub fn keep_cursor(tx: &mut Tx<'_>, id: &str, reading: &str, cursor: &str) -> Result<(), StoreError> {
    tx.execute(KEEP_CURSOR, &[id.into(), cursor.into(), reading.into()]).map(drop)
}

/// Where an import of the source was stopped, if it was one of the same `reading`.
///
/// # Errors
/// Fails where the database does.
pub fn import(tx: &mut Tx<'_>, id: &str, reading: &str) -> Result<Option<String>, StoreError> {
    tx.query_one(IMPORT, &[id.into(), reading.into()])?.map_or(Ok(None), |row| row.opt_text(0))
}

/// Keeps where an import has come to.
///
/// # Errors
/// Fails where the database does.
pub fn keep_import(tx: &mut Tx<'_>, id: &str, reading: &str, cursor: &str) -> Result<(), StoreError> {
    tx.execute(CREATE, &[id.into()])?;
    tx.execute(KEEP_IMPORT, &[id.into(), cursor.into(), reading.into()]).map(drop)
}

/// An import has come to its end: the next one begins anew.
///
/// # Errors
/// Fails where the database does.
pub fn forget_import(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute(FORGET_IMPORT, &[id.into()]).map(drop)
}

/// Makes the lease last until `until`; false where it is no longer the holder's.
///
/// # Errors
/// Fails where the database does.
pub fn renew(tx: &mut Tx<'_>, id: &str, holder: &str, until: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(RENEW, &[id.into(), holder.into(), until.into()])? == 1)
}

/// Pauses a source, or lets it go on where `by` is absent.
///
/// # Errors
/// Fails where the database does.
pub fn pause(tx: &mut Tx<'_>, id: &str, by: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(CREATE, &[id.into()])?;
    let sql = "UPDATE sources SET paused_at = $2, paused_by = $3 WHERE id = $1";
    tx.execute(sql, &[id.into(), by.map(|_| now).into(), by.map(str::to_owned).into()]).map(drop)
}

/// Makes a source due now.
///
/// # Errors
/// Fails where the database does.
pub fn due_now(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(CREATE, &[id.into()])?;
    tx.execute("UPDATE sources SET next_due = $2 WHERE id = $1", &[id.into(), now.into()]).map(drop)
}

fn health(row: &Row) -> Result<SourceHealth, StoreError> {
    Ok(SourceHealth {
        source: row.text(0)?,
        state: row.text(1)?.parse().map_err(StoreError::custom)?,
        since: row.opt_time(2)?,
        last_attempt: row.opt_time(3)?,
        last_success: row.opt_time(4)?,
        next_due: row.opt_time(5)?,
        failures: row.int(6)?,
        items: row.int(7)?,
        detail: row.text(8)?,
        baseline: row.bool(9)?,
        last_news: row.opt_time(10)?,
        longest_gap: row.opt_int(11)?,
        told: row.opt_text(12)?.map(|word| word.parse().map_err(StoreError::custom)).transpose()?,
        moved: row.opt_text(13)?.zip(row.opt_int(14)?),
        paused: row.opt_time(15)?.zip(row.opt_text(16)?),
    })
}
