//! Migrations: numbered files, applied in order, each in the transaction that records it. They only go forward; a
//! schema that is newer than the program is refused.

use super::driver::Connection;
use super::{StoreError, Tx, Value};

/// Every migration, in order; its number is its place, from 1.
const MIGRATIONS: &[(&str, &str)] = &[("core", include_str!("migrations/0001_core.sql"))];

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";
const NEWEST: &str = "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM schema_version";
const RECORD: &str = "INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, $3)";

/// Applies what is missing, inside the caller's transaction and under the caller's lock.
pub(super) fn apply(connection: &mut dyn Connection) -> Result<(), StoreError> {
    connection.batch(VERSIONS)?;
    let newest = newest(&mut Tx(connection))?;
    refuse_newer(newest)?;
    for (index, (name, sql)) in MIGRATIONS.iter().enumerate().skip(usize::try_from(newest).unwrap_or(0)) {
        let version = i64::try_from(index + 1).unwrap_or(i64::MAX);
        connection.batch(sql)?;
        let now = jiff::Timestamp::now().as_microsecond();
        connection.execute(RECORD, &[version.into(), (*name).into(), now.into()])?;
    }
    Ok(())
}

/// Whether the schema is the program's own.
pub(super) fn check(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let newest = newest(tx)?;
    refuse_newer(newest)?;
    match usize::try_from(newest) {
        Ok(count) if count == MIGRATIONS.len() => Ok(()),
        _ => Err(StoreError::Schema(format!("the schema is at version {newest} and not yet at {}", MIGRATIONS.len()))),
    }
}

fn newest(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    tx.query_one(NEWEST, &[] as &[Value])?.map_or(Ok(0), |row| row.int(0))
}

fn refuse_newer(newest: i64) -> Result<(), StoreError> {
    if usize::try_from(newest).is_ok_and(|count| count > MIGRATIONS.len()) {
        return Err(StoreError::Schema(format!(
            "the database was written by a newer Rattlewatch (schema {newest}, this one knows {}); start that version, or restore a backup",
            MIGRATIONS.len()
        )));
    }
    Ok(())
}
