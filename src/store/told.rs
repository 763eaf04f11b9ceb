//! Told: what was delivered to the recipients of one organization, and what became of it.

use serde::Serialize;

use super::{Row, StoreError, Tx};
use crate::model::clock::Timestamp;

/// A delivery to a recipient of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// The subscription that it goes to.
    pub subscription: String,
    /// The recipient's address; for a channel that is no mail, that of its owner.
    pub to: String,
    /// The channel's word.
    pub channel: String,
    /// `alert`, `digest`, `rollup`, `welcome` and such.
    pub kind: String,
    /// The advisory that an alert tells of.
    pub advisory: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Members may read that advisory (TLP:GREEN and TLP:CLEAR); so where there is none.
    pub community: bool,
    /// The state's word; that of the roll-up where one told it.
    pub state: String,
    /// Tries so far.
    pub attempts: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was accepted or given up.
    pub finished_at: Option<Timestamp>,
    /// What happened last, for a person.
    pub detail: String,
}

const SELECT: &str = "SELECT d.id, s.email, d.channel, d.kind, e.advisory, a.title, COALESCE(r.state, d.state),
         COALESCE(r.attempts, d.attempts), d.created_at, COALESCE(r.finished_at, d.finished_at), d.detail, s.id,
         COALESCE(a.community, TRUE)
     FROM subscriptions s JOIN deliveries d ON d.subscription = s.id
     LEFT JOIN deliveries r ON r.id = d.rolled_into
     LEFT JOIN events e ON e.seq = d.event_seq LEFT JOIN advisories a ON a.id = e.advisory";

/// The newest deliveries to an organization's recipients, in one state or all, queued before `before`.
///
/// # Errors
/// Fails where the database does.
pub fn newest(
    tx: &mut Tx<'_>,
    organization: &str,
    state: Option<&str>,
    before: Timestamp,
    most: i64,
) -> Result<Vec<Told>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE s.organization = $1 AND (CAST($2 AS TEXT) IS NULL OR COALESCE(r.state, d.state) = $2)
         AND d.created_at < $3 ORDER BY d.created_at DESC, d.id DESC LIMIT CAST($4 AS BIGINT)"
    );
    let args = [organization.into(), state.map(str::to_owned).into(), before.into(), most.into()];
    tx.query(&sql, &args)?.iter().map(told).collect()
}

/// The newest deliveries to an organization's recipients, in one state or all, beyond the one queued at an instant under
/// an id.
///
/// # Errors
/// Fails where the database does.
pub fn page(
    tx: &mut Tx<'_>,
    organization: &str,
    state: Option<&str>,
    (at, id): (Timestamp, &str),
    most: i64,
) -> Result<Vec<Told>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE s.organization = $1 AND (CAST($2 AS TEXT) IS NULL OR COALESCE(r.state, d.state) = $2)
         AND (d.created_at < $3 OR (d.created_at = $3 AND d.id < $4))
         ORDER BY d.created_at DESC, d.id DESC LIMIT CAST($5 AS BIGINT)"
    );
    let args = [organization.into(), state.map(str::to_owned).into(), at.into(), id.into(), most.into()];
    tx.query(&sql, &args)?.iter().map(told).collect()
}

/// A delivery to one of an organization's recipients, by its id.
///
/// # Errors
/// Fails where the database does.
pub fn one(tx: &mut Tx<'_>, organization: &str, id: &str) -> Result<Option<Told>, StoreError> {
    let sql = format!("{SELECT} WHERE s.organization = $1 AND d.id = $2");
    tx.query_one(&sql, &[organization.into(), id.into()])?.as_ref().map(told).transpose()
}

/// The deliveries of an advisory's events to an organization's recipients, the newest first.
///
/// # Errors
/// Fails where the database does.
pub fn about(tx: &mut Tx<'_>, organization: &str, advisory: &str, most: i64) -> Result<Vec<Told>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE s.organization = $1 AND e.advisory = $2
         ORDER BY d.created_at DESC, d.id DESC LIMIT CAST($3 AS BIGINT)"
    );
    tx.query(&sql, &[organization.into(), advisory.into(), most.into()])?.iter().map(told).collect()
}

fn told(row: &Row) -> Result<Told, StoreError> {
    Ok(Told {
        id: row.text(0)?,
        to: row.text(1)?,
        channel: row.text(2)?,
        kind: row.text(3)?,
        advisory: row.opt_text(4)?,
        title: row.opt_text(5)?,
        state: row.text(6)?,
        attempts: row.int(7)?,
        created_at: row.time(8)?,
        finished_at: row.opt_time(9)?,
        detail: row.text(10)?,
        subscription: row.text(11)?,
        community: row.bool(12)?,
    })
}
