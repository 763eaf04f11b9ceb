//! Responses: what organizations did about advisories. Nothing is overwritten: the newest of an owner counts.

use super::{Row, StoreError, Tx, counters, list};
use crate::model::response::Response;

// What was said of an advisory that has been merged since is said of the one that it is now.
const SELECT: &str =
    "SELECT r.id, r.organization, r.owner, COALESCE(a.merged_into, a.id), r.state, r.note, r.said_by, r.at
     FROM responses r JOIN advisories a ON a.id = r.advisory WHERE r.organization = $1";

const COLUMNS: &str = "id, organization, owner, advisory, state, note, said_by, at";

/// Keeps a response; its `id` is ours to give. Gives its number.
///
/// # Errors
/// Fails where the database does.
pub fn add(tx: &mut Tx<'_>, response: &Response) -> Result<i64, StoreError> {
    let id = counters::next(tx, counters::Counter::Response)?;
    let sql = format!("INSERT INTO responses ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let args = [
        id.into(),
        response.organization.as_str().into(),
        response.owner.as_str().into(),
        response.advisory.as_str().into(),
        response.state.as_str().into(),
        response.note.as_str().into(),
        response.said_by.as_str().into(),
        response.at.into(),
    ];
    tx.execute(&sql, &args)?;
    Ok(id)
}

/// What an organization did about these advisories, and about what has been merged into them, the oldest first.
///
/// # Errors
/// Fails where the database does.
pub fn about(tx: &mut Tx<'_>, organization: &str, advisories: &[&str]) -> Result<Vec<Response>, StoreError> {
    if advisories.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{SELECT} AND COALESCE(a.merged_into, a.id) IN ({}) ORDER BY r.id", list(advisories.len(), 2));
    let args: Vec<super::Value> =
        std::iter::once(organization.into()).chain(advisories.iter().map(|id| (*id).into())).collect();
    tx.query(&sql, &args)?.iter().map(response).collect()
}

/// What an organization did, about one advisory or all, below the number `below`, the newest first.
///
/// # Errors
/// Fails where the database does.
pub fn newest(
    tx: &mut Tx<'_>,
    organization: &str,
    advisory: Option<&str>,
    below: i64,
    most: i64,
) -> Result<Vec<Response>, StoreError> {
    let sql = format!(
        "{SELECT} AND r.id < $2 AND (CAST($3 AS TEXT) IS NULL OR COALESCE(a.merged_into, a.id) = $3)
         ORDER BY r.id DESC LIMIT CAST($4 AS BIGINT)"
    );
    let args = [organization.into(), below.into(), advisory.map(str::to_owned).into(), most.into()];
    tx.query(&sql, &args)?.iter().map(response).collect()
}

/// One response of an organization, by its number.
///
/// # Errors
/// Fails where the database does.
pub fn one(tx: &mut Tx<'_>, organization: &str, id: i64) -> Result<Option<Response>, StoreError> {
    let sql = format!("{SELECT} AND r.id = $2");
    tx.query_one(&sql, &[organization.into(), id.into()])?.as_ref().map(response).transpose()
}

fn response(row: &Row) -> Result<Response, StoreError> {
    Ok(Response {
        id: row.int(0)?,
        organization: row.text(1)?,
        owner: row.text(2)?,
        advisory: row.text(3)?,
        state: row.text(4)?.parse().map_err(StoreError::custom)?,
        note: row.text(5)?,
        said_by: row.text(6)?,
        at: row.time(7)?,
    })
}
