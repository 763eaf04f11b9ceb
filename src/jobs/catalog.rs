//! Catalog: what a whole list no longer says is taken back.
//!
//! A feed shows what is new; a catalog (CISA's KEV) shows all there is, so an entry that is gone has been taken back. A
//! list that has lost more than one in a hundred is no correction but a fault on the way, and takes nothing back.

use std::collections::BTreeSet;

use super::ingest;
use crate::config::sources::Source;
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::draft::Draft;
use crate::model::item::{Item, Parsed};
use crate::model::platform::PlatformId;
use crate::pipeline::normalize;
use crate::store::items::Listed;
use crate::store::{StoreError, Tx, advisories, items};

/// One in so many entries may go at once.
const SHARE: usize = 100;

/// The CVE ids of a whole catalog, read without any loss; absent for every other document.
#[must_use]
pub fn listed(source: &Source, parsed: &Parsed) -> Option<BTreeSet<CveId>> {
    let whole = source.format == "kev" && !parsed.degraded() && !parsed.items.is_empty();
    whole.then(|| parsed.items.iter().filter(|item| item.kev.is_some()).flat_map(|item| item.cves.clone()).collect())
}

/// Takes back what the catalog of any of `sources` (one catalog and its copies) said of CVEs that it no longer lists;
/// `listed` is what `source`, one of them, lists now. Whoever was told that it is exploited hears of it. Gives how many
/// events that are, and a sentence instead where so much is gone that nothing is taken back.
///
/// # Errors
/// Fails where the database does.
pub fn take_back(
    tx: &mut Tx<'_>,
    source: &str,
    sources: &[String],
    listed: &BTreeSet<CveId>,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Result<usize, String>, StoreError> {
    let own = items::listed(tx, source)?;
    let is_gone = |entry: &&Listed| !listed.contains(&entry.cve);
    let gone = own.iter().filter(is_gone).count();
    if gone == 0 {
        return Ok(Ok(0));
    }
    if gone * SHARE > own.len() {
        return Ok(Err(format!(
            "the catalog has lost {gone} of the {} entries that were known, more than one in {SHARE}: nothing is taken \
             back; compare it with the publisher's page",
            own.len()
        )));
    }
    let (mut touched, mut cves) = (BTreeSet::new(), BTreeSet::new());
    for source in sources {
        for entry in items::listed(tx, source)?.iter().filter(is_gone) {
            let Some(draft) = items::get(tx, entry.item)? else { continue };
            items::rewrite(tx, entry.item, &without(draft), now)?;
            advisories::forget_kev(tx, &entry.cve)?;
            touched.extend(advisories::naming(tx, &entry.cve)?);
            cves.insert(entry.cve.clone());
        }
    }
    let mut news = Vec::new();
    for id in touched {
        news.extend(ingest::taken_out(tx, &id, &cves, now, name)?);
    }
    ingest::tell(tx, news, false).map(Ok)
}

/// A draft of a catalog entry that says no more than that there is such a CVE.
fn without(draft: Draft) -> Draft {
    let item = Item { kev: None, exploited: false, action: None, ..draft.item };
    let content_hash = normalize::content_hash(&item);
    Draft { item, content_hash, exploited: false, ransomware: false, action: String::new(), ..draft }
}
