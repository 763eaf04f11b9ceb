//! Items and the names under which sources show them.

use std::collections::{HashMap, HashSet};

use super::{Row, StoreError, Tx, list};
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::draft::Draft;

/// How many keys one look-up carries: well under both engines' limits on parameters.
const LOOKUP: usize = 200;

const INSERT: &str =
    "INSERT INTO items (id, source, advisory, content_hash, first_seen, changed_at, because, pinned, body)
     VALUES ($1, $2, $3, $4, $5, $5, $7, FALSE, $6)";

const NAME: &str = "INSERT INTO item_keys (source, key, item) VALUES ($1, $2, $3) ON CONFLICT (source, key) DO NOTHING";

const OF_ADVISORY: &str = "SELECT body FROM items WHERE advisory = $1 ORDER BY id";

const REWRITE: &str = "UPDATE items SET content_hash = $2, changed_at = $3, body = $4 WHERE id = $1";

const OF_SOURCE: &str = "SELECT id, body FROM items WHERE source = $1 ORDER BY id";

const PAGE: &str = "SELECT id, advisory, body FROM items WHERE id > $1 ORDER BY id LIMIT CAST($2 AS BIGINT)";

const ONE: &str = "SELECT body FROM items WHERE id = $1";

/// What is stored of an item, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub id: i64,
    /// Its advisory.
    pub advisory: AdvisoryId,
    /// The hash of what it said.
    pub content_hash: String,
    /// When it was first stored.
    pub first_seen: Timestamp,
}

/// The items that `source` has shown under any of `keys`, by key.
///
/// # Errors
/// Fails where the database does.
pub fn known(tx: &mut Tx<'_>, source: &str, keys: &[&str]) -> Result<HashMap<String, Known>, StoreError> {
    let mut found = HashMap::new();
    for chunk in keys.chunks(LOOKUP) {
        let sql = format!(
            "SELECT k.key, i.id, i.advisory, i.content_hash, i.first_seen FROM item_keys k JOIN items i ON i.id = k.item
             WHERE k.source = $1 AND k.key IN ({})",
            list(chunk.len(), 2)
        );
        let mut args = vec![source.into()];
        args.extend(chunk.iter().map(|key| (*key).into()));
        for row in tx.query(&sql, &args)? {
            found.insert(row.text(0)?, known_of(&row)?);
        }
    }
    Ok(found)
}

/// Whether anything of the source is stored.
///
/// # Errors
/// Fails where the database does.
pub fn has_any(tx: &mut Tx<'_>, source: &str) -> Result<bool, StoreError> {
    Ok(tx.query_one("SELECT item FROM item_keys WHERE source = $1 LIMIT 1", &[source.into()])?.is_some())
}

/// The content hashes of `drafts` under which the source has already shown an item.
///
/// # Errors
/// Fails where the database does.
pub fn said_before(tx: &mut Tx<'_>, source: &str, drafts: &[Draft]) -> Result<HashSet<String>, StoreError> {
    let mut found = HashSet::new();
    for chunk in drafts.chunks(LOOKUP) {
        let sql =
            format!("SELECT content_hash FROM items WHERE source = $1 AND content_hash IN ({})", list(chunk.len(), 2));
        let mut args = vec![source.into()];
        args.extend(chunk.iter().map(|draft| draft.content_hash.as_str().into()));
        for row in tx.query(&sql, &args)? {
            found.insert(row.text(0)?);
        }
    }
    Ok(found)
}

/// Stores a new item under the number `id`, and its names. `because` says why it is in that advisory.
///
/// # Errors
/// Fails where the database does.
pub fn insert(tx: &mut Tx<'_>, id: i64, draft: &Draft, advisory: &AdvisoryId, because: &str) -> Result<(), StoreError> {
    let args = [
        id.into(),
        draft.source.as_str().into(),
        advisory.0.as_str().into(),
        draft.content_hash.as_str().into(),
        draft.first_seen.into(),
        super::to_json(draft)?.into(),
        because.into(),
    ];
    tx.execute(INSERT, &args)?;
    name(tx, draft, id)
}

/// Stores what a known item says now, and names that are new.
///
/// # Errors
/// Fails where the database does.
pub fn update(tx: &mut Tx<'_>, known: &Known, draft: &Draft, now: Timestamp) -> Result<(), StoreError> {
    rewrite(tx, known.id, draft, now)?;
    name(tx, draft, known.id)
}

/// Adds names to a known item.
///
/// # Errors
/// Fails where the database does.
pub fn name(tx: &mut Tx<'_>, draft: &Draft, item: i64) -> Result<(), StoreError> {
    for key in &draft.keys {
        tx.execute(NAME, &[draft.source.as_str().into(), key.as_str().into(), item.into()])?;
    }
    Ok(())
}

/// Every item of an advisory, in order of arrival.
///
/// # Errors
/// Fails where the database does.
pub fn of_advisory(tx: &mut Tx<'_>, advisory: &AdvisoryId) -> Result<Vec<Draft>, StoreError> {
    let rows = tx.query(OF_ADVISORY, &[advisory.0.as_str().into()])?;
    rows.iter().map(|row| super::from_json(&row.text(0)?)).collect()
}

/// An entry of a catalog: its item, and its CVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The item's number.
    pub item: i64,
    /// The CVE.
    pub cve: CveId,
}

/// The items of `source` that carry facts of the KEV catalog, by their first CVE.
///
/// # Errors
/// Fails where the database does.
pub fn listed(tx: &mut Tx<'_>, source: &str) -> Result<Vec<Listed>, StoreError> {
    let mut found = Vec::new();
    for row in tx.query(OF_SOURCE, &[source.into()])? {
        let draft: Draft = super::from_json(&row.text(1)?)?;
        if let (Some(_), Some(cve)) = (&draft.item.kev, draft.item.cves.first()) {
            found.push(Listed { item: row.int(0)?, cve: cve.clone() });
        }
    }
    Ok(found)
}

/// One item.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, item: i64) -> Result<Option<Draft>, StoreError> {
    tx.query_one(ONE, &[item.into()])?.map(|row| super::from_json(&row.text(0)?)).transpose()
}

/// One item, with its advisory.
///
/// # Errors
/// Fails where the database does.
pub fn placed(tx: &mut Tx<'_>, item: i64) -> Result<Option<(AdvisoryId, Draft)>, StoreError> {
    let row = tx.query_one("SELECT advisory, body FROM items WHERE id = $1", &[item.into()])?;
    row.map(|row| Ok((AdvisoryId(row.text(0)?), super::from_json(&row.text(1)?)?))).transpose()
}

/// At most `most` items after number `after`, each with its advisory, in order of arrival.
///
/// # Errors
/// Fails where the database does.
pub fn page(tx: &mut Tx<'_>, after: i64, most: i64) -> Result<Vec<(i64, AdvisoryId, Draft)>, StoreError> {
    let rows = tx.query(PAGE, &[after.into(), most.into()])?;
    rows.iter().map(|row| Ok((row.int(0)?, AdvisoryId(row.text(1)?), super::from_json(&row.text(2)?)?))).collect()
}

/// The newest items of a source, each with its number and its advisory.
///
/// # Errors
/// Fails where the database does.
pub fn newest_of(tx: &mut Tx<'_>, source: &str, most: i64) -> Result<Vec<(i64, AdvisoryId, Draft)>, StoreError> {
    let sql = "SELECT id, advisory, body FROM items WHERE source = $1 ORDER BY id DESC LIMIT CAST($2 AS BIGINT)";
    let rows = tx.query(sql, &[source.into(), most.into()])?;
    rows.iter().map(|row| Ok((row.int(0)?, AdvisoryId(row.text(1)?), super::from_json(&row.text(2)?)?))).collect()
}

/// The items of an advisory, each with its number, in order of arrival.
///
/// # Errors
/// Fails where the database does.
pub fn numbered(tx: &mut Tx<'_>, advisory: &AdvisoryId) -> Result<Vec<(i64, Draft)>, StoreError> {
    let sql = "SELECT id, body FROM items WHERE advisory = $1 ORDER BY id";
    let rows = tx.query(sql, &[advisory.0.as_str().into()])?;
    rows.iter().map(|row| Ok((row.int(0)?, super::from_json(&row.text(1)?)?))).collect()
}

/// Stores what an item is to say from now on.
///
/// # Errors
/// Fails where the database does.
pub fn rewrite(tx: &mut Tx<'_>, item: i64, draft: &Draft, now: Timestamp) -> Result<(), StoreError> {
    let args = [item.into(), draft.content_hash.as_str().into(), now.into(), super::to_json(draft)?.into()];
    tx.execute(REWRITE, &args).map(drop)
}

fn known_of(row: &Row) -> Result<Known, StoreError> {
    Ok(Known {
        id: row.int(1)?,
        advisory: AdvisoryId(row.text(2)?),
        content_hash: row.text(3)?,
        first_seen: row.time(4)?,
    })
}
