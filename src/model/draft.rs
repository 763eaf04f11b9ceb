//! Drafts: items after judgment. What the text says is pulled out, what it touches is tagged, what names it is listed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::cve::CveId;
use super::item::Item;
use super::platform::Tag;
use super::severity::Severity;

/// An item with everything that clustering needs to know of it. This is what storage keeps of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// Source id.
    pub source: String,
    /// Source name, as shown.
    pub source_name: String,
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
    /// The platforms that it touches.
    pub tags: Vec<Tag>,
    /// SHA-256 (hex) of the folded visible text and the structured facts: equal means nothing changed.
    pub content_hash: String,
    /// When Rattlewatch first stored it.
    pub first_seen: Timestamp,
}

impl Draft {
    /// What makes it one advisory with other items: advisory ids, and the set of its CVE ids.
    #[must_use]
    pub fn merge_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.aliases.iter().map(|alias| format!("id:{}", alias.to_uppercase())).collect();
        if !self.cves.is_empty() {
            let set: Vec<&str> = self.cves.iter().map(CveId::as_str).collect();
            keys.push(format!("cves:{}", set.join(",")));
        }
        keys
    }
}
