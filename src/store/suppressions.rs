//! Addresses that are not mailed, whoever asks for it, until somebody lifts it.
//!
//! An address is known by a keyed hash, so that one that asked to be forgotten is recognized without being kept.

use serde::Serialize;

use super::{Row, StoreError, Tx};
use crate::model::clock::Timestamp;

const COLUMNS: &str = "address_hash, email, reason, detail, said_by, at";

const PUT: &str = "INSERT INTO suppressions (address_hash, email, reason, detail, said_by, at) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (address_hash) DO UPDATE SET email = excluded.email, reason = excluded.reason, detail = excluded.detail,
         said_by = excluded.said_by, at = excluded.at";

/// An address that is not mailed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The keyed hash of what two spellings of the address have in common.
    pub address_hash: String,
    /// The address; absent where it asked to be forgotten.
    pub email: Option<String>,
    /// `unsubscribed`, `bounced`, `complained`, `erased` or `by-hand`.
    pub reason: String,
    /// What happened, for a person.
    pub detail: String,
    /// Who said so.
    pub said_by: String,
    /// When.
    pub at: Timestamp,
}

/// Suppresses an address; a later reason takes the place of an earlier one.
///
/// # Errors
/// Fails where the database does.
pub fn put(tx: &mut Tx<'_>, new: &Suppression) -> Result<(), StoreError> {
    let args = [
        new.address_hash.as_str().into(),
        new.email.clone().into(),
        new.reason.as_str().into(),
        new.detail.as_str().into(),
        new.said_by.as_str().into(),
        new.at.into(),
    ];
    tx.execute(PUT, &args).map(drop)
}

/// Why an address is not mailed, if it is not.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, address_hash: &str) -> Result<Option<Suppression>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM suppressions WHERE address_hash = $1");
    tx.query_one(&sql, &[address_hash.into()])?.as_ref().map(suppression).transpose()
}

/// Lifts the suppression of an address; false where there is none.
///
/// # Errors
/// Fails where the database does.
pub fn lift(tx: &mut Tx<'_>, address_hash: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM suppressions WHERE address_hash = $1", &[address_hash.into()])? == 1)
}

/// The newest suppressions, at most `limit`.
///
/// # Errors
/// Fails where the database does.
pub fn newest(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Suppression>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM suppressions ORDER BY at DESC, address_hash LIMIT CAST($1 AS BIGINT)");
    tx.query(&sql, &[limit.into()])?.iter().map(suppression).collect()
}

fn suppression(row: &Row) -> Result<Suppression, StoreError> {
    Ok(Suppression {
        address_hash: row.text(0)?,
        email: row.opt_text(1)?,
        reason: row.text(2)?,
        detail: row.text(3)?,
        said_by: row.text(4)?,
        at: row.time(5)?,
    })
}
