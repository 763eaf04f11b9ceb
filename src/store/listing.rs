//! Listings: which advisories are shown, by what people type and by what they filter.

use super::advisories::advisory;
use super::search::From;
use super::{StoreError, Tx, Value, list, search};
use crate::model::advisory::Advisory;
use crate::model::clock::Timestamp;
use crate::model::search::{Facet, Query};
use crate::model::severity::Severity;
use crate::model::topic::Topic;

/// Advisories looked at in one step of a search that filters by date too, and most steps.
const STEP: i64 = 500;
const STEPS: usize = 1_000;

/// Which advisories to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What is looked for in titles, texts, ids and names.
    pub query: Query,
    /// Revised at or after this instant.
    pub since: Option<Timestamp>,
    /// First seen before this instant.
    pub until: Option<Timestamp>,
    /// Touches this platform.
    pub platform: Option<String>,
    /// Or merely mentions it.
    pub mentioned: bool,
    /// Is about this beside products.
    pub topic: Option<Topic>,
    /// Rated so or higher.
    pub severity: Option<Severity>,
    /// Known to be exploited only.
    pub exploited: bool,
    /// The id or the publisher of a source that speaks of it.
    pub source: Option<String>,
    /// Only what anybody may read (TLP:CLEAR).
    pub public: bool,
    /// Only what members may read (TLP:GREEN and TLP:CLEAR).
    pub community: bool,
    /// In order of first appearance instead of newest first.
    pub oldest_first: bool,
    /// Newest advisories first, whichever was revised last: pages of a search.
    pub newest_first: bool,
    /// Advisory numbers beyond this one, in the order asked for: pages of an export or a search.
    pub after: Option<i64>,
}

impl Filter {
    /// Whether the index of words answers it: newest advisories first.
    fn searches(&self) -> bool {
        let by_words = self.severity.is_some() || self.source.is_some() || self.topic.is_some() || self.mentioned;
        let pages = self.newest_first && (self.platform.is_some() || self.exploited);
        self.query.asks() || by_words || pages
    }

    /// Lists of words of the index; one of each list has to be met.
    fn facets(&self) -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = Vec::new();
        let platform = |id| if self.mentioned { Facet::Named(id) } else { Facet::Platform(id) };
        all.extend(self.platform.iter().map(|id| vec![platform(id).word()]));
        all.extend(self.topic.iter().map(|topic| vec![Facet::Topic(*topic).word()]));
        all.extend(self.source.iter().map(|name| vec![Facet::Source(name).word()]));
        all.extend(self.exploited.then(|| vec![Facet::Exploited.word()]));
        all.extend(self.public.then(|| vec![Facet::Public.word()]));
        if let Some(least) = self.severity {
            let scale = [Severity::Unknown, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
            all.push(scale.iter().filter(|one| **one >= least).map(|one| Facet::Severity(*one).word()).collect());
        }
        all
    }
}

/// Advisories that pass the filter, at most `limit`. A search gives the newest advisories first; a plain list those first
/// that were revised last, unless the oldest are asked for.
///
/// # Errors
/// Fails where the database does.
pub fn select(tx: &mut Tx<'_>, filter: &Filter, limit: i64) -> Result<Vec<Advisory>, StoreError> {
    if filter.searches() {
        return searched(tx, filter, limit);
    }
    let mut args: Vec<Value> = Vec::new();
    let mut sql = format!("{LOADED} WHERE a.merged_into IS NULL");
    dated(filter, &mut sql, &mut args);
    if let Some(platform) = &filter.platform {
        args.push(platform.as_str().into());
        sql.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM tags t WHERE t.advisory = a.id AND t.platform = ${})",
            args.len()
        ));
    }
    if filter.exploited {
        sql.push_str(" AND a.exploited");
    }
    if filter.public {
        sql.push_str(" AND a.public");
    }
    if filter.community {
        sql.push_str(" AND a.community");
    }
    if let Some(after) = filter.after {
        args.push(after.into());
        let beyond = if filter.newest_first { '<' } else { '>' };
        sql.push_str(&format!(" AND a.number {beyond} ${}", args.len()));
    }
    args.push(limit.into());
    let order = match filter {
        Filter { oldest_first: true, .. } => "a.number",
        Filter { newest_first: true, .. } => "a.number DESC",
        _ => "a.revised_at DESC, a.number DESC",
    };
    sql.push_str(&format!(" ORDER BY {order} LIMIT CAST(${} AS BIGINT)", args.len()));
    tx.query(&sql, &args)?.iter().map(advisory).collect()
}

const LOADED: &str = "SELECT a.id, a.revision, a.revised_at, r.body FROM advisories a
     JOIN revisions r ON r.advisory = a.id AND r.number = a.revision";

fn dated(filter: &Filter, sql: &mut String, args: &mut Vec<Value>) {
    if let Some(since) = filter.since {
        args.push(since.into());
        sql.push_str(&format!(" AND a.revised_at >= ${}", args.len()));
    }
    if let Some(until) = filter.until {
        args.push(until.into());
        sql.push_str(&format!(" AND a.first_seen < ${}", args.len()));
    }
}

fn searched(tx: &mut Tx<'_>, filter: &Filter, limit: i64) -> Result<Vec<Advisory>, StoreError> {
    let facets = filter.facets();
    let by_date = filter.since.is_some() || filter.until.is_some();
    let step = if by_date { STEP } else { limit.min(STEP) };
    let (mut from, order) = match filter.oldest_first {
        true => (From::Above(filter.after.unwrap_or(0)), "a.number"),
        false => (From::Below(filter.after.unwrap_or(i64::MAX)), "a.number DESC"),
    };
    let mut found: Vec<Advisory> = Vec::new();
    for _ in 0..STEPS {
        let numbers = search::numbers(tx, &filter.query, &facets, from, step)?;
        let Some(last) = numbers.last() else { break };
        from = if filter.oldest_first { From::Above(*last) } else { From::Below(*last) };
        let mut args: Vec<Value> = numbers.iter().map(|number| (*number).into()).collect();
        let mut sql = format!("{LOADED} WHERE a.number IN ({})", list(numbers.len(), 1));
        dated(filter, &mut sql, &mut args);
        if filter.community {
            sql.push_str(" AND a.community");
        }
        sql.push_str(&format!(" ORDER BY {order}"));
        for row in tx.query(&sql, &args)? {
            found.push(advisory(&row)?);
        }
        let enough = usize::try_from(limit).is_ok_and(|limit| found.len() >= limit);
        if enough || i64::try_from(numbers.len()).is_ok_and(|count| count < step) {
            break;
        }
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}
