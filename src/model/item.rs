//! Items: what a source published, as parsed and before any judgment.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::cve::CveId;
use super::platform::Product;
use super::severity::Severity;

/// Longest title kept, in characters; what is cut is marked with an ellipsis.
pub const TITLE_MAX: usize = 1_000;
/// Longest native id kept, in characters.
pub const ID_MAX: usize = 2_000;
/// Longest URL kept, in characters.
pub const URL_MAX: usize = 4_096;
/// Longest body text kept, in bytes.
pub const TEXT_MAX: usize = 256 * 1024;
/// Most items taken from one document.
pub const ITEMS_MAX: usize = 10_000;

/// One thing that a source published. All text is plain text (no markup), bounded by the limits above.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Item {
    /// The publisher's own id (guid, Atom id, CVE id of a catalog), as published; absent where there is none.
    pub native_id: Option<String>,
    /// Absolute http or https address of the human-readable page.
    pub url: Option<String>,
    /// The title, in one line.
    pub title: String,
    /// Summary or body, paragraphs parted by newlines.
    pub text: String,
    /// When the publisher says it was published. Never decides what is new.
    pub published: Option<Timestamp>,
    /// When the publisher says it was last changed.
    pub updated: Option<Timestamp>,
    /// CVE ids given as structured data (those in the text are found later).
    pub cves: Vec<CveId>,
    /// Products given as structured data.
    pub products: Vec<Product>,
    /// Severity given as structured data.
    pub severity: Option<Severity>,
    /// CISA KEV facts, where the item is an entry of that catalog.
    pub kev: Option<KevFacts>,
}

/// What CISA's Known Exploited Vulnerabilities catalog says of one CVE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KevFacts {
    /// `dateAdded`, as `YYYY-MM-DD`.
    pub added: String,
    /// `dueDate`, as `YYYY-MM-DD`: the date by which US federal agencies must act.
    pub due: String,
    /// `knownRansomwareCampaignUse` is `Known`.
    pub ransomware: bool,
    /// `requiredAction`, CISA's own words.
    pub action: String,
}

/// What a format made of one document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parsed {
    /// The items, in document order.
    pub items: Vec<Item>,
    /// Items that were present but could not be read.
    pub dropped: usize,
    /// What had to be repaired or was left out, one short sentence each; empty for a clean document.
    pub repairs: Vec<String>,
}

impl Parsed {
    /// Whether anything was repaired or lost.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.dropped > 0 || !self.repairs.is_empty()
    }
}
