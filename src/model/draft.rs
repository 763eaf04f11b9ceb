//! Drafts: items after judgment. What the text says is pulled out, what it touches is tagged, what names it is listed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::cve::CveId;
use super::item::Item;
use super::platform::{PlatformId, Tag};
use super::severity::Severity;
use super::topic::About;

/// An item with everything that clustering needs to know of it. This is what storage keeps of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// Source id.
    pub source: String,
    /// Source name, as shown.
    pub source_name: String,
    /// Who publishes that source.
    pub publisher: String,
    /// The country whose authority that is; empty for vendors, researchers and databases.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// The source is a vendor's own.
    pub vendor: bool,
    /// The item, cleaned: one-line title, plain text, canonical URL.
    pub item: Item,
    /// Every name of the item at its source, the most trusted first. Never empty.
    pub keys: Vec<String>,
    /// CVE ids in structured data, title and text.
    pub cves: BTreeSet<CveId>,
    /// Publishers' advisory ids in title, address and native id.
    pub aliases: BTreeSet<String>,
    /// The one other publication that the text refers to, as a link key (`id:FG-IR-24-001` or `url:https://...`); absent
    /// where it names none or several.
    pub refers_to: Option<String>,
    /// CVE ids that an earlier version of the item was about, where it names none any more: an edit that drops them is no
    /// statement that it is about something else.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub remembered: BTreeSet<CveId>,
    /// It gathers several events ("adds seven vulnerabilities", Patch Tuesday): it relates to them and joins none.
    pub round_up: bool,
    /// What the item says of severity.
    pub severity: Severity,
    /// The item says that attackers use the flaw.
    pub exploited: bool,
    /// The item says that ransomware groups use it.
    pub ransomware: bool,
    /// The item takes an earlier statement back.
    pub withdrawn: bool,
    /// What the publisher asks people to do, in its own words; empty where it asks nothing.
    pub action: String,
    /// The platforms that it names.
    pub tags: Vec<Tag>,
    /// Platforms that a person has said it does not touch, whatever it says.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub denied: BTreeSet<PlatformId>,
    /// What it is about beside products.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<About>,
    /// SHA-256 (hex) of the folded visible text and the structured facts: equal means nothing changed.
    pub content_hash: String,
    /// When Rattlewatch first stored it.
    pub first_seen: Timestamp,
}

impl Draft {
    /// The CVE ids that it is about: those in structured data, else those in the title, else those in the text of the
    /// newest two years. A text that tells of a new flaw often recalls an old one.
    #[must_use]
    pub fn core_cves(&self) -> BTreeSet<CveId> {
        if !self.item.cves.is_empty() {
            return self.item.cves.iter().cloned().collect();
        }
        let titled = CveId::find_all(&self.item.title);
        if !titled.is_empty() {
            return titled;
        }
        if self.cves.is_empty() {
            return self.remembered.clone();
        }
        let newest = self.cves.iter().map(CveId::year).max().unwrap_or_default();
        self.cves.iter().filter(|cve| cve.year() + 1 >= newest).cloned().collect()
    }

    /// Keeps what an earlier version of the item was about, where this one does not say, and what people decided of it.
    pub fn remember(&mut self, earlier: &Self) {
        self.denied.clone_from(&earlier.denied);
        self.tags.retain(|tag| !earlier.denied.contains(&tag.platform));
        if self.core_cves().is_empty() {
            self.remembered = earlier.core_cves();
        }
    }
}
