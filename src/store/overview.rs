//! Overviews: what pages tell of many advisories at once.

use std::collections::BTreeMap;

use super::advisories::advisory;
use super::{Row, StoreError, Tx};
use crate::model::advisory::Advisory;
use crate::model::clock::Timestamp;
use crate::model::severity::Severity;

// Rated critical is 4: [`Severity::rank`].
const BURNING: &str = "SELECT a.id, a.revision, a.revised_at, r.body FROM advisories a
     JOIN revisions r ON r.advisory = a.id AND r.number = a.revision
     WHERE (a.exploited OR a.severity = 4) AND a.revised_at >= $1 AND a.public AND a.merged_into IS NULL
     AND EXISTS (SELECT 1 FROM tags t WHERE t.advisory = a.id)
     ORDER BY a.revised_at DESC LIMIT CAST($2 AS BIGINT)";

// A day has 86,400,000,000 microseconds.
const RATED: &str =
    "SELECT a.dated_at / 86400000000 AS day, a.severity, COUNT(*) FROM tags t JOIN advisories a ON a.id = t.advisory
     WHERE t.platform = $1 AND a.dated_at >= $2 AND a.public AND a.merged_into IS NULL GROUP BY day, a.severity";

const TOUCHED: &str = "SELECT t.platform, COUNT(*) FROM advisories a JOIN tags t ON t.advisory = a.id
     WHERE a.revised_at >= $1 AND a.public AND a.merged_into IS NULL GROUP BY t.platform";

const BY_DAY: &str = "SELECT dated_at / 86400000000 AS day, COUNT(*) FROM advisories
     WHERE dated_at >= $1 AND dated_at < $2 AND public AND merged_into IS NULL GROUP BY day";

/// How many public advisories were published on each day (UTC, counted from 1970-01-01) between two instants.
///
/// # Errors
/// Fails where the database does.
pub fn by_day(tx: &mut Tx<'_>, from: Timestamp, until: Timestamp) -> Result<Vec<(i64, i64)>, StoreError> {
    tx.query(BY_DAY, &[from.into(), until.into()])?.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
}

/// Public advisories that touch a platform and are exploited or rated critical, revised since, newest first.
///
/// # Errors
/// Fails where the database does.
pub fn burning(tx: &mut Tx<'_>, since: Timestamp, most: i64) -> Result<Vec<Advisory>, StoreError> {
    tx.query(BURNING, &[since.into(), most.into()])?.iter().map(advisory).collect()
}

/// How many public advisories that touch a platform were published since an instant: the beginning of a day (UTC), how they
/// are rated, and how many.
///
/// # Errors
/// Fails where the database does.
pub fn rated(tx: &mut Tx<'_>, platform: &str, since: Timestamp) -> Result<Vec<(Timestamp, Severity, u32)>, StoreError> {
    let rows = tx.query(RATED, &[platform.into(), since.into()])?;
    let day = |row: &Row| {
        let count = u32::try_from(row.int(2)?).unwrap_or(u32::MAX);
        Ok((Timestamp::from_seconds(row.int(0)?.saturating_mul(86_400)), Severity::of_rank(row.int(1)?), count))
    };
    rows.iter().map(day).collect()
}

/// How many public advisories that were revised since touch each platform.
///
/// # Errors
/// Fails where the database does.
pub fn touched(tx: &mut Tx<'_>, since: Timestamp) -> Result<BTreeMap<String, i64>, StoreError> {
    tx.query(TOUCHED, &[since.into()])?.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}
