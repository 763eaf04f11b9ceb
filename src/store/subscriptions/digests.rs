//! When digests are due, and where the windows of each recipient are cut.

use super::{Subscription, get};
use crate::model::clock::Timestamp;
use crate::store::{Row, StoreError, Tx};

const DUE: &str = "SELECT s.id, s.digest_cut, s.digest_due, s.digest_period FROM subscriptions s
     WHERE s.active AND s.digest_due <= $1 ORDER BY s.digest_due, s.id LIMIT CAST($2 AS BIGINT)";

const CUT: &str =
    "UPDATE subscriptions SET digest_cut = $3, digest_due = $4, digest_period = $5 WHERE id = $1 AND digest_cut = $2
     AND digest_due IS NOT DISTINCT FROM $6";

const AHEAD: &str = "SELECT s.id, s.digest_cut, s.digest_due, s.digest_period FROM subscriptions s
     WHERE s.active AND s.digest_due > $1 AND (s.digest = 'daily' OR s.digest_due > $2) AND s.id > $3
     ORDER BY s.id LIMIT CAST($4 AS BIGINT)";

const TOLD: &str = "SELECT 1 FROM deliveries WHERE id = $1";

/// When the next digest is due, and the local date that names its period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextDigest {
    /// The instant; absent where none is wanted.
    pub due: Option<Timestamp>,
    /// The period's name.
    pub period: Option<String>,
}

/// A digest that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDigest {
    /// Whose.
    pub subscription: Subscription,
    /// The last event that an earlier digest covered.
    pub cut: i64,
    /// When it was due.
    pub due: Timestamp,
    /// Its period's name.
    pub period: String,
}

/// Digests due at `now`, the longest due first, at most `limit`.
///
/// # Errors
/// Fails where the database does.
pub fn due_digests(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<DueDigest>, StoreError> {
    let rows = tx.query(DUE, &[now.into(), limit.into()])?;
    planned(tx, &rows)
}

/// Digests that are planned for later than `daily` where they come every day, and than `weekly` otherwise; by id, those
/// beyond `beyond`, at most `limit`.
///
/// # Errors
/// Fails where the database does.
pub fn digests_after(
    tx: &mut Tx<'_>,
    daily: Timestamp,
    weekly: Timestamp,
    beyond: &str,
    limit: i64,
) -> Result<Vec<DueDigest>, StoreError> {
    let rows = tx.query(AHEAD, &[daily.into(), weekly.into(), beyond.into(), limit.into()])?;
    planned(tx, &rows)
}

fn planned(tx: &mut Tx<'_>, rows: &[Row]) -> Result<Vec<DueDigest>, StoreError> {
    let mut planned = Vec::new();
    for row in rows {
        if let Some(subscription) = get(tx, &row.text(0)?)? {
            planned.push(DueDigest {
                subscription,
                cut: row.int(1)?,
                due: row.time(2)?,
                period: row.opt_text(3)?.unwrap_or_default(),
            });
        }
    }
    Ok(planned)
}

/// The delivery that is a subscription's one digest of a period.
#[must_use]
pub fn digest_id(subscription: &str, period: &str) -> String {
    format!("digest-{period}-{subscription}")
}

/// Whether the period of `digest` has had its digest already.
///
/// # Errors
/// Fails where the database does.
pub fn is_told(tx: &mut Tx<'_>, digest: &DueDigest) -> Result<bool, StoreError> {
    Ok(tx.query_one(TOLD, &[digest_id(&digest.subscription.id, &digest.period).into()])?.is_some())
}

/// Where an active subscription's next digest begins: the last event that an earlier one covered.
///
/// # Errors
/// Fails where the database does.
pub fn digest_cut(tx: &mut Tx<'_>, id: &str) -> Result<i64, StoreError> {
    tx.query_one("SELECT digest_cut FROM subscriptions WHERE id = $1", &[id.into()])?.map_or(Ok(0), |row| row.int(0))
}

/// Moves the cut of `digest` to `cut` and sets what comes next; false where another replica was faster.
///
/// # Errors
/// Fails where the database does.
pub fn cut_digest(tx: &mut Tx<'_>, digest: &DueDigest, cut: i64, next: &NextDigest) -> Result<bool, StoreError> {
    let args = [
        digest.subscription.id.as_str().into(),
        digest.cut.into(),
        cut.into(),
        next.due.into(),
        next.period.clone().into(),
        digest.due.into(),
    ];
    Ok(tx.execute(CUT, &args)? == 1)
}
