//! By what items find each other, and where each one stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{Row, StoreError, Tx, Value, list};
use crate::model::advisory::AdvisoryId;
use crate::model::draft::Draft;

/// How many keys one look-up carries: well under both engines' limits on parameters.
const LOOKUP: usize = 200;

const FORGET: &str = "DELETE FROM item_links WHERE item = $1";

const LINK: &str = "INSERT INTO item_links (key, item) VALUES ($1, $2) ON CONFLICT (key, item) DO NOTHING";

const UNTITLE: &str = "DELETE FROM item_titles WHERE item = $1";

const TITLE: &str = "INSERT INTO item_titles (item, day, words) VALUES ($1, $2, $3)";

const NEAR: &str = "SELECT item, day, words FROM item_titles WHERE day BETWEEN $1 AND $2 ORDER BY day, item
     LIMIT CAST($3 AS BIGINT)";

const PLACE: &str = "UPDATE items SET advisory = $2, because = $3 WHERE id = $1";

const PIN: &str = "UPDATE items SET pinned = TRUE, because = $2 WHERE advisory = $1";

const REASONS: &str = "SELECT id, because, pinned FROM items WHERE advisory = $1 ORDER BY id";

const COUNT: &str = "SELECT COUNT(*) FROM items WHERE advisory = $1";

/// An item, and the advisory in which it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Its number.
    pub item: i64,
    /// Its advisory.
    pub advisory: AdvisoryId,
    /// An operator has put it there.
    pub pinned: bool,
    /// What it says.
    pub draft: Draft,
}

/// A title without a CVE id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titled {
    /// The item's number.
    pub item: i64,
    /// Days since 1970-01-01, in UTC.
    pub day: i64,
    /// Its words, with a space between.
    pub words: String,
}

/// Sets by what an item is found from now on.
///
/// # Errors
/// Fails where the database does.
pub fn set(
    tx: &mut Tx<'_>,
    item: i64,
    known: bool,
    keys: &[String],
    title: Option<(i64, &str)>,
) -> Result<(), StoreError> {
    if known {
        tx.execute(FORGET, &[item.into()])?;
        tx.execute(UNTITLE, &[item.into()])?;
    }
    for key in keys {
        tx.execute(LINK, &[key.as_str().into(), item.into()])?;
    }
    if let Some((day, words)) = title {
        tx.execute(TITLE, &[item.into(), day.into(), words.into()])?;
    }
    Ok(())
}

/// The items that are found by any of `keys`.
///
/// # Errors
/// Fails where the database does.
pub fn found(tx: &mut Tx<'_>, keys: &BTreeSet<String>) -> Result<BTreeSet<i64>, StoreError> {
    numbers(tx, "SELECT item FROM item_links WHERE key IN", keys.iter().map(|key| key.as_str().into()).collect())
}

/// The items of any of `advisories`.
///
/// # Errors
/// Fails where the database does.
pub fn within(tx: &mut Tx<'_>, advisories: &BTreeSet<AdvisoryId>) -> Result<BTreeSet<i64>, StoreError> {
    numbers(tx, "SELECT id FROM items WHERE advisory IN", advisories.iter().map(|id| id.0.as_str().into()).collect())
}

fn numbers(tx: &mut Tx<'_>, sql: &str, args: Vec<Value>) -> Result<BTreeSet<i64>, StoreError> {
    let mut found = BTreeSet::new();
    for chunk in args.chunks(LOOKUP) {
        for row in tx.query(&format!("{sql} ({})", list(chunk.len(), 1)), chunk)? {
            found.insert(row.int(0)?);
        }
    }
    Ok(found)
}

/// At most `most` titles of the days from `first` to `last`.
///
/// # Errors
/// Fails where the database does.
pub fn titles(tx: &mut Tx<'_>, first: i64, last: i64, most: i64) -> Result<Vec<Titled>, StoreError> {
    let rows = tx.query(NEAR, &[first.into(), last.into(), most.into()])?;
    rows.iter().map(|row| Ok(Titled { item: row.int(0)?, day: row.int(1)?, words: row.text(2)? })).collect()
}

/// Items by their numbers, in that order.
///
/// # Errors
/// Fails where the database does.
pub fn load(tx: &mut Tx<'_>, items: &BTreeSet<i64>) -> Result<Vec<Placed>, StoreError> {
    let items: Vec<Value> = items.iter().map(|item| (*item).into()).collect();
    let mut placed = Vec::with_capacity(items.len());
    for chunk in items.chunks(LOOKUP) {
        let sql =
            format!("SELECT id, advisory, pinned, body FROM items WHERE id IN ({}) ORDER BY id", list(chunk.len(), 1));
        for row in tx.query(&sql, chunk)? {
            placed.push(placed_of(&row)?);
        }
    }
    Ok(placed)
}

fn placed_of(row: &Row) -> Result<Placed, StoreError> {
    Ok(Placed {
        item: row.int(0)?,
        advisory: AdvisoryId(row.text(1)?),
        pinned: row.bool(2)?,
        draft: super::from_json(&row.text(3)?)?,
    })
}

/// Puts an item into an advisory, and says why.
///
/// # Errors
/// Fails where the database does.
pub fn place(tx: &mut Tx<'_>, item: i64, advisory: &AdvisoryId, because: &str) -> Result<(), StoreError> {
    tx.execute(PLACE, &[item.into(), advisory.0.as_str().into(), because.into()]).map(drop)
}

/// Lets every item of an advisory stay there, whatever comes.
///
/// # Errors
/// Fails where the database does.
pub fn pin(tx: &mut Tx<'_>, advisory: &AdvisoryId, because: &str) -> Result<(), StoreError> {
    tx.execute(PIN, &[advisory.0.as_str().into(), because.into()]).map(drop)
}

/// Why each item of an advisory is there, by its number, and whether an operator put it there.
///
/// # Errors
/// Fails where the database does.
pub fn reasons(tx: &mut Tx<'_>, advisory: &AdvisoryId) -> Result<BTreeMap<i64, (String, bool)>, StoreError> {
    let rows = tx.query(REASONS, &[advisory.0.as_str().into()])?;
    rows.iter().map(|row| Ok((row.int(0)?, (row.text(1)?, row.bool(2)?)))).collect()
}

/// How many items an advisory has.
///
/// # Errors
/// Fails where the database does.
pub fn count(tx: &mut Tx<'_>, advisory: &AdvisoryId) -> Result<i64, StoreError> {
    tx.query_one(COUNT, &[advisory.0.as_str().into()])?.map_or(Ok(0), |row| row.int(0))
}
