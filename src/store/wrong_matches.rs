//! Tags that people say are wrong, and the rules that were made of them.

use super::{Row, StoreError, Tx, counters};
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Timestamp;
use crate::model::platform::{Evidence, PlatformId};

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has decided yet.
    Open,
    /// The tag was wrong.
    Accepted,
    /// The tag was right.
    Dismissed,
}

impl State {
    /// The word used in storage and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Dismissed => "dismissed",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        let known = [Self::Open, Self::Accepted, Self::Dismissed].into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| StoreError::custom(format!("'{word}' is no state of a report")))
    }
}

/// A report that an advisory does not touch a platform.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongMatch {
    /// Its number.
    pub id: i64,
    /// The advisory.
    pub advisory: AdvisoryId,
    /// The platform.
    pub platform: PlatformId,
    /// What gave the tag, as it was then: each piece names the catalog's name that fired.
    pub evidence: Vec<Evidence>,
    /// In the reporter's words; may be empty.
    pub note: String,
    /// Who said so.
    pub said_by: String,
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub state: State,
}

const INSERT: &str = "INSERT INTO wrong_matches (id, advisory, platform, evidence, note, said_by, at, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, 'open')";

const COLUMNS: &str = "id, advisory, platform, evidence, note, said_by, at, state";

const RULE: &str = "INSERT INTO platform_rules (platform, phrase, said_by, at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (platform, phrase) DO NOTHING";

/// Stores a report; its `id` and `state` are ours to give. Gives its number.
///
/// # Errors
/// Fails where the database does.
pub fn add(tx: &mut Tx<'_>, report: &WrongMatch) -> Result<i64, StoreError> {
    let id = counters::next(tx, counters::Counter::Wrong)?;
    let args = [
        id.into(),
        report.advisory.0.as_str().into(),
        report.platform.0.as_str().into(),
        super::to_json(&report.evidence)?.into(),
        report.note.as_str().into(),
        report.said_by.as_str().into(),
        report.at.into(),
    ];
    tx.execute(INSERT, &args)?;
    Ok(id)
}

/// Reports, the open ones first, then the newest first, at most `limit`.
///
/// # Errors
/// Fails where the database does.
pub fn all(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<WrongMatch>, StoreError> {
    let order = "CASE state WHEN 'open' THEN 0 ELSE 1 END, id DESC";
    let sql = format!("SELECT {COLUMNS} FROM wrong_matches ORDER BY {order} LIMIT CAST($1 AS BIGINT)");
    tx.query(&sql, &[limit.into()])?.iter().map(report).collect()
}

/// A report by its number.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, id: i64) -> Result<Option<WrongMatch>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM wrong_matches WHERE id = $1");
    tx.query_one(&sql, &[id.into()])?.as_ref().map(report).transpose()
}

/// Decides an open report; false where it was decided before.
///
/// # Errors
/// Fails where the database does.
pub fn decide(tx: &mut Tx<'_>, id: i64, state: State) -> Result<bool, StoreError> {
    let sql = "UPDATE wrong_matches SET state = $2 WHERE id = $1 AND state = 'open'";
    Ok(tx.execute(sql, &[id.into(), state.as_str().into()])? == 1)
}

/// Makes `phrase` void the names of `platform` that it contains or touches.
///
/// # Errors
/// Fails where the database does.
pub fn add_rule(
    tx: &mut Tx<'_>,
    platform: &PlatformId,
    phrase: &str,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(RULE, &[platform.0.as_str().into(), phrase.into(), by.into(), now.into()]).map(drop)
}

/// Every rule: platform and phrase, in order.
///
/// # Errors
/// Fails where the database does.
pub fn rules(tx: &mut Tx<'_>) -> Result<Vec<(PlatformId, String)>, StoreError> {
    let rows = tx.query("SELECT platform, phrase FROM platform_rules ORDER BY platform, phrase", &[])?;
    rows.iter().map(|row| Ok((PlatformId(row.text(0)?), row.text(1)?))).collect()
}

fn report(row: &Row) -> Result<WrongMatch, StoreError> {
    Ok(WrongMatch {
        id: row.int(0)?,
        advisory: AdvisoryId(row.text(1)?),
        platform: PlatformId(row.text(2)?),
        evidence: super::from_json(&row.text(3)?)?,
        note: row.text(4)?,
        said_by: row.text(5)?,
        at: row.time(6)?,
        state: State::parse(&row.text(7)?)?,
    })
}
