//! EPSS scores, one row a CVE.

use std::collections::BTreeSet;

use super::{StoreError, Tx, Value, list};
use crate::model::advisory::AdvisoryId;
use crate::model::cve::CveId;
use crate::model::facts::Epss;
use crate::model::item::EpssScore;

/// Rows in one statement: well under both engines' limits on parameters.
const ROWS: usize = 200;

/// Stores the scores of `day` (`YYYY-MM-DD`). What is known of a later day stays; what is unchanged only moves on a day.
///
/// # Errors
/// Fails where the database does.
pub fn keep(tx: &mut Tx<'_>, day: &str, scores: &[EpssScore]) -> Result<(), StoreError> {
    for chunk in scores.chunks(ROWS) {
        let mut args: Vec<Value> = Vec::with_capacity(1 + chunk.len() * 3);
        args.push(day.into());
        let mut rows = Vec::with_capacity(chunk.len());
        for score in chunk {
            let first = args.len() + 1;
            rows.push(format!("(${first}, $1, ${}, ${}, NULL)", first + 1, first + 2));
            args.extend([score.cve.as_str().into(), score.score.into(), score.percentile.into()]);
        }
        let sql = format!(
            "INSERT INTO epss (cve, day, score, percentile, previous) VALUES {}
             ON CONFLICT (cve) DO UPDATE SET day = excluded.day, score = excluded.score,
             percentile = excluded.percentile, previous = epss.score WHERE epss.day < excluded.day",
            rows.join(", ")
        );
        tx.execute(&sql, &args)?;
    }
    Ok(())
}

/// The newest scores of `cves`, in the order of their ids.
///
/// # Errors
/// Fails where the database does.
pub fn of_all(tx: &mut Tx<'_>, cves: &BTreeSet<CveId>) -> Result<Vec<Epss>, StoreError> {
    let cves: Vec<Value> = cves.iter().map(|cve| cve.as_str().into()).collect();
    let mut found = Vec::new();
    for chunk in cves.chunks(ROWS) {
        let sql = format!(
            "SELECT cve, day, score, percentile, previous FROM epss WHERE cve IN ({}) ORDER BY cve",
            list(chunk.len(), 1)
        );
        for row in tx.query(&sql, chunk)? {
            found.push(Epss {
                cve: row.text(0)?,
                day: row.text(1)?,
                score: row.real(2)?,
                percentile: row.real(3)?,
                previous: row.opt_real(4)?,
            });
        }
    }
    Ok(found)
}

/// The advisories that are about a CVE whose score reaches `threshold` with `scores` and did not before.
///
/// # Errors
/// Fails where the database does.
pub fn rising(tx: &mut Tx<'_>, scores: &[EpssScore], threshold: f64) -> Result<BTreeSet<AdvisoryId>, StoreError> {
    let high: Vec<Value> =
        scores.iter().filter(|score| score.score >= threshold).map(|score| score.cve.as_str().into()).collect();
    let mut found = BTreeSet::new();
    for chunk in high.chunks(ROWS) {
        let sql = format!(
            "SELECT c.advisory FROM advisory_cves c LEFT JOIN epss e ON e.cve = c.cve
             WHERE c.cve IN ({}) AND (e.score IS NULL OR e.score < $1)",
            list(chunk.len(), 2)
        );
        let args: Vec<Value> = std::iter::once(threshold.into()).chain(chunk.iter().cloned()).collect();
        for row in tx.query(&sql, &args)? {
            found.insert(AdvisoryId(row.text(0)?));
        }
    }
    Ok(found)
}

/// The newest score of a CVE, and its day.
///
/// # Errors
/// Fails where the database does.
pub fn of(tx: &mut Tx<'_>, cve: &str) -> Result<Option<(f64, String)>, StoreError> {
    let row = tx.query_one("SELECT score, day FROM epss WHERE cve = $1", &[cve.into()])?;
    row.map(|row| Ok((row.real(0)?, row.text(1)?))).transpose()
}

/// How many CVEs have a score.
///
/// # Errors
/// Fails where the database does.
pub fn count(tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM epss", &[])?.map_or(Ok(0), |row| row.int(0))
}
