//! Facts about this installation, such as its secret.

use super::{StoreError, Tx};

const INSERT: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
const SET: &str =
    "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const LOCK: &str = "UPDATE meta SET value = value WHERE key = $1";
const SELECT: &str = "SELECT value FROM meta WHERE key = $1";

/// The value of `key`; where there is none, `fresh` is stored first. Every caller gets the same value.
///
/// # Errors
/// Fails where the database does.
pub fn get_or_insert(tx: &mut Tx<'_>, key: &str, fresh: &str) -> Result<String, StoreError> {
    tx.execute(INSERT, &[key.into(), fresh.into()])?;
    let row = tx.query_one(SELECT, &[key.into()])?;
    row.ok_or_else(|| StoreError::custom(format!("{key} vanished")))?.text(0)
}

/// The value of `key`, if there is one.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, key: &str) -> Result<Option<String>, StoreError> {
    tx.query_one(SELECT, &[key.into()])?.map(|row| row.text(0)).transpose()
}

/// The value of `key` (empty where there was none), which nobody else reads under this lock or changes until the transaction
/// ends. Without it two replicas may read the same value, and both act on it.
///
/// # Errors
/// Fails where the database does.
pub fn locked(tx: &mut Tx<'_>, key: &str) -> Result<String, StoreError> {
    tx.execute(INSERT, &[key.into(), "".into()])?;
    tx.execute(LOCK, &[key.into()])?;
    Ok(get(tx, key)?.unwrap_or_default())
}

/// Gives `key` a value.
///
/// # Errors
/// Fails where the database does.
pub fn set(tx: &mut Tx<'_>, key: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(SET, &[key.into(), value.into()]).map(drop)
}
