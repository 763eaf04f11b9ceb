//! Audit log: who did what and when. Rows are only added, and each carries a hash over itself and the one before it, so
//! that a row that was changed or taken away later shows (OWASP ASVS 5.0 section 16.4).

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Row, StoreError, Tx, counters};
use crate::model::clock::Timestamp;

/// Longest text kept of each field, in characters.
const TEXT_MAX: usize = 500;
/// Entries looked at in one step of a verification.
const STEP: i64 = 1_000;

const INSERT: &str = "INSERT INTO audit (seq, at, organization, who, action, object, detail, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const COLUMNS: &str = "seq, at, organization, who, action, object, detail, hash";

/// What somebody did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deed<'a> {
    /// The tenant that it concerns; empty for the whole installation.
    pub organization: &'a str,
    /// The address of who did it.
    pub who: &'a str,
    /// What was done: a word and a past participle, such as `client removed`.
    pub action: &'a str,
    /// To what: an id or a name.
    pub object: &'a str,
    /// What was before and after, for a person. No secrets.
    pub detail: &'a str,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// The tenant that it concerns; empty for the whole installation.
    pub organization: String,
    /// Who.
    pub who: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: String,
    /// What was before and after.
    pub detail: String,
    /// SHA-256, in hex, over the hash before it and this entry.
    pub hash: String,
}

/// Adds an entry. It is kept if what the transaction does is kept.
///
/// # Errors
/// Fails where the database does.
pub fn add(tx: &mut Tx<'_>, deed: &Deed<'_>, now: Timestamp) -> Result<(), StoreError> {
    let seq = counters::next(tx, counters::Counter::Audit)?;
    let before = tx.query_one("SELECT hash FROM audit WHERE seq = $1", &[(seq - 1).into()])?;
    let before = before.map_or_else(|| Ok(String::new()), |row| row.text(0))?;
    let kept = |text: &str| crate::model::text::truncate(&crate::model::text::one_line(text), TEXT_MAX);
    let mut entry = Entry {
        seq,
        at: now,
        organization: kept(deed.organization),
        who: kept(deed.who),
        action: kept(deed.action),
        object: kept(deed.object),
        detail: kept(deed.detail),
        hash: String::new(),
    };
    entry.hash = hash(&before, &entry);
    let args = [
        entry.seq.into(),
        entry.at.into(),
        entry.organization.into(),
        entry.who.into(),
        entry.action.into(),
        entry.object.into(),
        entry.detail.into(),
        entry.hash.into(),
    ];
    tx.execute(INSERT, &args).map(drop)
}

/// Entries below `below`, the newest first: of one tenant, or of all where none is named.
///
/// # Errors
/// Fails where the database does.
pub fn newest(tx: &mut Tx<'_>, organization: Option<&str>, below: i64, most: i64) -> Result<Vec<Entry>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM audit WHERE (CAST($1 AS TEXT) IS NULL OR organization = $1) AND seq < $2
         ORDER BY seq DESC LIMIT CAST($3 AS BIGINT)"
    );
    let args = [organization.map(str::to_owned).into(), below.into(), most.into()];
    tx.query(&sql, &args)?.iter().map(entry).collect()
}

/// Walks the whole log. `Err` inside names the first entry that is not as it was written.
///
/// # Errors
/// Fails where the database does.
pub fn verify(tx: &mut Tx<'_>) -> Result<Result<i64, i64>, StoreError> {
    let (mut last, mut before) = (0, String::new());
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > $1 ORDER BY seq LIMIT CAST($2 AS BIGINT)");
    loop {
        let rows = tx.query(&sql, &[last.into(), STEP.into()])?;
        for row in &rows {
            let entry = entry(row)?;
            if entry.seq != last + 1 || entry.hash != hash(&before, &entry) {
                return Ok(Err(last + 1));
            }
            (last, before) = (entry.seq, entry.hash);
        }
        if rows.is_empty() {
            break;
        }
    }
    // Entries cut off at the end are missed by the counter.
    let given = counters::current(tx, counters::Counter::Audit)?;
    Ok(if given == last { Ok(last) } else { Err(last + 1) })
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        seq: row.int(0)?,
        at: row.time(1)?,
        organization: row.text(2)?,
        who: row.text(3)?,
        action: row.text(4)?,
        object: row.text(5)?,
        detail: row.text(6)?,
        hash: row.text(7)?,
    })
}

/// Each part goes in with its length, so that none can run over into the next.
fn hash(before: &str, entry: &Entry) -> String {
    let mut sha = Sha256::new();
    let (seq, at) = (entry.seq.to_string(), entry.at.0.to_string());
    let texts = [&entry.organization, &entry.who, &entry.action, &entry.object, &entry.detail];
    for part in [before, &seq, &at].into_iter().chain(texts.map(String::as_str)) {
        sha.update(part.len().to_le_bytes());
        sha.update(part.as_bytes());
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
