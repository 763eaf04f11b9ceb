//! API tokens, by the hash of their text. The text itself is kept nowhere.

use super::{Row, StoreError, Tx};
use crate::model::api_token::ApiToken;
use crate::model::clock::Timestamp;

const COLUMNS: &str = "id, organization, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at";

const INSERT: &str = "INSERT INTO api_tokens (id, organization, name, hash, scopes, created_at, created_by, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const USED: &str = "UPDATE api_tokens SET last_used_at = $2
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)";

const REVOKE: &str = "UPDATE api_tokens SET revoked_at = $3 WHERE organization = $1 AND id = $2 AND revoked_at IS NULL";

/// Keeps a token under the hash of its text.
///
/// # Errors
/// Fails where the database does.
pub fn add(tx: &mut Tx<'_>, hash: &str, token: &ApiToken) -> Result<(), StoreError> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    let args = [
        token.id.as_str().into(),
        token.organization.as_str().into(),
        token.name.as_str().into(),
        hash.into(),
        scopes.join(" ").into(),
        token.created_at.into(),
        token.created_by.as_str().into(),
        token.expires_at.into(),
    ];
    tx.execute(INSERT, &args).map(drop)
}

/// The token whose text has this hash, if it holds at `now`.
///
/// # Errors
/// Fails where the database does.
pub fn holding(tx: &mut Tx<'_>, hash: &str, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE hash = $1 AND revoked_at IS NULL AND expires_at > $2");
    tx.query_one(&sql, &[hash.into(), now.into()])?.as_ref().map(token).transpose()
}

/// Every token of an organization, those that hold no more included; the newest first.
///
/// # Errors
/// Fails where the database does.
pub fn of_organization(tx: &mut Tx<'_>, organization: &str) -> Result<Vec<ApiToken>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE organization = $1 ORDER BY created_at DESC, id DESC");
    tx.query(&sql, &[organization.into()])?.iter().map(token).collect()
}

/// Keeps that a token was used now, unless it is kept that it was used since `before`.
///
/// # Errors
/// Fails where the database does.
pub fn used(tx: &mut Tx<'_>, id: &str, now: Timestamp, before: Timestamp) -> Result<(), StoreError> {
    tx.execute(USED, &[id.into(), now.into(), before.into()]).map(drop)
}

/// Revokes a token of an organization; false where it has none with this id, or it was revoked before.
///
/// # Errors
/// Fails where the database does.
pub fn revoke(tx: &mut Tx<'_>, organization: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(REVOKE, &[organization.into(), id.into(), now.into()])? == 1)
}

fn token(row: &Row) -> Result<ApiToken, StoreError> {
    let scopes = row.text(3)?;
    let scopes: Result<_, _> = scopes.split_whitespace().map(str::parse).collect();
    Ok(ApiToken {
        id: row.text(0)?,
        organization: row.text(1)?,
        name: row.text(2)?,
        scopes: scopes.map_err(StoreError::custom)?,
        created_at: row.time(4)?,
        created_by: row.text(5)?,
        expires_at: row.time(6)?,
        last_used_at: row.opt_time(7)?,
        revoked_at: row.opt_time(8)?,
    })
}
