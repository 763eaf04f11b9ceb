//! EPSS scores, one row a CVE.

use super::{StoreError, Tx, Value};
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
