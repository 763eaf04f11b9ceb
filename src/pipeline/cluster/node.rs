//! Nodes: what of an item decides with which others it is one advisory.

use std::collections::BTreeSet;

use super::title::Title;
use crate::model::advisory::AdvisoryId;
use crate::model::cve::CveId;
use crate::model::draft::Draft;
use crate::model::platform::ProductStatus;

/// A list of more CVE ids than this gathers several events.
pub const MANY: usize = 10;

/// An item as clustering sees it. Nothing in it depends on when or in which order items came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A name that no other item has: its source and the first name there.
    pub key: String,
    /// Who published it.
    pub publisher: String,
    /// Publishers' ids of it, in upper case.
    pub ids: BTreeSet<String>,
    /// Its page, where the address names it alone.
    pub url: Option<String>,
    /// The CVE ids that it is about.
    pub cves: BTreeSet<CveId>,
    /// It gathers several events.
    pub round_up: bool,
    /// The one other publication that it refers to, as a link key.
    pub refers_to: Option<String>,
    /// Vendors that structured data names, folded.
    pub vendors: BTreeSet<String>,
    /// Products that structured data names, folded.
    pub products: BTreeSet<String>,
    /// How near it is to the fact: 0 for a vendor's own, 1 for a publication with an id, 2 for others, 3 for a catalog.
    pub rank: u8,
    /// Its title, where there is no CVE id to go by.
    pub title: Option<Title>,
    /// The advisory into which an operator has put it.
    pub pin: Option<AdvisoryId>,
}

impl Node {
    /// The node of an item.
    #[must_use]
    pub fn of(draft: &Draft, pin: Option<AdvisoryId>) -> Self {
        let mut ids: BTreeSet<String> = draft.aliases.iter().map(|alias| alias.to_uppercase()).collect();
        let several = ids.iter().any(|id| ids.iter().any(|other| id < other && family(id) == family(other)));
        if several {
            // It names several publications of one publisher: none of them is its own.
            ids.clear();
        }
        let cves = draft.core_cves();
        let names = names(draft);
        Self {
            key: format!("{}\u{1f}{}", draft.source, draft.keys.first().map_or("", String::as_str)),
            publisher: draft.publisher.clone(),
            url: draft.keys.iter().find_map(|key| key.strip_prefix("link:")).map(str::to_owned),
            round_up: draft.round_up || several || cves.len() > MANY,
            refers_to: draft.refers_to.clone(),
            vendors: names.0,
            products: names.1,
            rank: rank(draft, &ids),
            title: (cves.is_empty() || cves.len() > MANY).then(|| {
                let at = draft.item.published.map_or(draft.first_seen, |at| at.min(draft.first_seen));
                Title::new(&draft.item.title, at)
            }),
            ids,
            cves,
            pin,
        }
    }

    /// The keys by which other items are found that may be one advisory with it.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let mut links: Vec<String> = self.ids.iter().map(|id| format!("id:{id}")).collect();
        links.extend(self.url.iter().map(|url| format!("url:{url}")));
        links.extend(self.refers_to.clone());
        if !self.round_up {
            links.extend(self.cves.iter().map(|cve| format!("cve:{cve}")));
        }
        links.sort_unstable();
        links.dedup();
        links
    }
}

/// What ids of one series have in common: the id without its digits.
pub fn family(id: &str) -> String {
    for series in ["GHSA", "CISCO-SA"] {
        if id.starts_with(series) {
            return series.to_owned();
        }
    }
    id.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn rank(draft: &Draft, ids: &BTreeSet<String>) -> u8 {
    match draft {
        draft if draft.item.kev.is_some() => 3,
        draft if draft.vendor => 0,
        _ if ids.iter().any(|id| !id.starts_with("EUVD") && !id.starts_with("GHSA")) => 1,
        draft if draft.item.cves.is_empty() => 2,
        _ => 3,
    }
}

/// The vendors and products of the item's structured data.
fn names(draft: &Draft) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut vendors, mut products) = (BTreeSet::new(), BTreeSet::new());
    for product in draft.item.products.iter().filter(|product| product.status != ProductStatus::NotAffected) {
        let cpe =
            product.cpe.strip_prefix("cpe:2.3:").map_or(product.cpe.as_str(), |rest| rest.get(2..).unwrap_or_default());
        let mut parts = cpe.split(':');
        let (cpe_vendor, cpe_product) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        vendors.extend([product.vendor.as_str(), cpe_vendor].map(folded));
        products.extend([product.product.as_str(), cpe_product].map(folded));
    }
    for set in [&mut vendors, &mut products] {
        set.retain(|name| name.len() >= 2 && name != "na" && name != "unspecified" && name != "unknown");
    }
    (vendors, products)
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether two sets of vendors and products may be of one thing: a name in common, or one that begins another. What
/// names nothing fits everything.
pub fn fits(a: (&BTreeSet<String>, &BTreeSet<String>), b: (&BTreeSet<String>, &BTreeSet<String>)) -> bool {
    let alike = |a: &BTreeSet<String>, b: &BTreeSet<String>, least: usize| {
        a.iter().any(|one| {
            b.iter().any(|other| {
                one == other
                    || (one.len().min(other.len()) >= least
                        && (one.starts_with(other.as_str()) || other.starts_with(one.as_str())))
            })
        })
    };
    if a.0.is_empty() || b.0.is_empty() {
        return true;
    }
    alike(a.0, b.0, 3) || alike(a.1, b.1, 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_series_are_of_one_family() {
        assert_eq!(family("ICSA-24-001-01"), family("ICSA-25-252-04"));
        assert_ne!(family("CERTFR-2024-AVI-0001"), family("CERTFR-2024-ALE-002"));
        assert_eq!(family("CISCO-SA-ASA-XSS-1"), family("CISCO-SA-FTD-2"));
    }

    #[test]
    fn vendors_fit_by_their_beginning_and_products_by_name() {
        let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| folded(name)).collect() };
        let fit = |a: (&[&str], &[&str]), b: (&[&str], &[&str])| fits((&set(a.0), &set(a.1)), (&set(b.0), &set(b.1)));
        assert!(fit((&["Microsoft Corporation"], &[]), (&["microsoft"], &[])));
        assert!(fit((&["Ivanti"], &["Connect Secure"]), (&["Pulse Secure"], &["connect_secure"])));
        assert!(!fit((&["Siemens"], &["SIMATIC"]), (&["OpenSSL"], &["OpenSSL"])));
        assert!(fit((&[], &["x"]), (&["OpenSSL"], &["OpenSSL"])));
    }
}
