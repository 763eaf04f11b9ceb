//! Full-text search over advisories and their items, newest advisory first.
//!
//! Each engine has its own index behind `driver::FullText`; both are given the same words. What advisories are
//! filtered by stands in the index too, as words that no text has, so that a filter costs no look at the advisories.

use std::collections::BTreeSet;

use super::{StoreError, Tx, Value};
use crate::model::advisory::{AdvisoryId, Content};
use crate::model::cve::CveId;
use crate::model::draft::Draft;
use crate::model::search::{Facet, Query, words};
use crate::model::tlp::Tlp;

/// Most bytes of one item's text, and of all texts of an advisory, that are indexed.
const ITEM_MAX: usize = 8_000;
const TEXT_MAX: usize = 32_000;

/// Indexes what an advisory and its items say now.
///
/// # Errors
/// Fails where the database does.
pub fn index(tx: &mut Tx<'_>, id: &AdvisoryId, content: &Content, drafts: &[Draft]) -> Result<(), StoreError> {
    let (text, facets) = (text(content, drafts), facets(content, drafts));
    let put = tx.full_text().put;
    tx.execute(put, &[id.number().into(), text.into(), facets.into()]).map(drop)
}

/// Takes an advisory out of the index.
///
/// # Errors
/// Fails where the database does.
pub fn forget(tx: &mut Tx<'_>, id: &AdvisoryId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM advisory_words WHERE rowid = $1", &[id.number().into()]).map(drop)
}

/// Titles, texts and names, as words with a space between. What several items say is indexed once.
fn text(content: &Content, drafts: &[Draft]) -> String {
    let mut out = String::with_capacity(4_096);
    let mut add = |part: &str, most: usize| {
        let end = part.floor_char_boundary(most.min(TEXT_MAX.saturating_sub(out.len())));
        for word in words(&part[..end]) {
            out.push_str(&word);
            out.push(' ');
        }
    };
    let mut said: BTreeSet<&str> = BTreeSet::new();
    add(&content.title, ITEM_MAX);
    said.insert(&content.title);
    for name in content.cves.iter().map(CveId::as_str).chain(content.aliases.iter().map(String::as_str)) {
        add(name, ITEM_MAX);
    }
    for draft in drafts {
        for part in [draft.item.title.as_str(), draft.item.text.as_str(), draft.source_name.as_str()] {
            if said.insert(part) {
                add(part, ITEM_MAX);
            }
        }
    }
    out
}

fn facets(content: &Content, drafts: &[Draft]) -> String {
    let mut all: BTreeSet<String> = content.reached().into_iter().map(|id| Facet::Platform(&id.0).word()).collect();
    let named = content.reached().into_iter().chain(content.tags.iter().map(|tag| &tag.platform));
    all.extend(named.map(|id| Facet::Named(&id.0).word()));
    all.extend(content.topics.iter().map(|about| Facet::Topic(about.topic).word()));
    all.insert(Facet::Severity(content.severity).word());
    if content.exploitation.exploited {
        all.insert(Facet::Exploited.word());
    }
    if content.tlp == Tlp::Clear {
        all.insert(Facet::Public.word());
    }
    for draft in drafts {
        all.insert(Facet::Source(&draft.source).word());
        all.insert(Facet::Source(&draft.publisher).word());
    }
    all.into_iter().collect::<Vec<_>>().join(" ")
}

/// In which order advisories are gone through, and where to begin.
#[derive(Clone, Copy, Debug)]
pub enum From {
    /// Newest first, those below this number.
    Below(i64),
    /// Oldest first, those above this number.
    Above(i64),
}

/// The numbers of advisories that meet the query and one of each list of facets, at most `limit`. Nothing where neither is
/// asked for.
///
/// # Errors
/// Fails where the database does.
pub fn numbers(
    tx: &mut Tx<'_>,
    query: &Query,
    facets: &[Vec<String>],
    from: From,
    limit: i64,
) -> Result<Vec<i64>, StoreError> {
    if !query.asks() && facets.is_empty() {
        return Ok(Vec::new());
    }
    let full_text = tx.full_text();
    let expression: Value = (full_text.expression)(query, facets).into();
    let (beyond, order) = match from {
        From::Below(number) => (number, "< $2 ORDER BY rowid DESC"),
        From::Above(number) => (number, "> $2 ORDER BY rowid"),
    };
    let matches = full_text.matches.replace('?', "$1");
    let sql = format!("SELECT rowid FROM advisory_words WHERE {matches} AND rowid {order} LIMIT CAST($3 AS BIGINT)");
    tx.query(&sql, &[expression, beyond.into(), limit.into()])?.iter().map(|row| row.int(0)).collect()
}
