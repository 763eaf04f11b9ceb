//! Items: what a source published, as parsed and before any judgment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::cve::CveId;
use super::platform::Product;
use super::severity::Severity;
use super::tlp::Tlp;

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
    /// Further ids of the same thing, given as structured data: CSAF tracking id, GHSA, EUVD, a vendor's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// CVSS ratings, as stated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// CWE ids, such as `CWE-287`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weaknesses: Vec<String>,
    /// What the publisher asks people to do, where structured data says so (the first remediation, say).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// How to be safer without a fix, where structured data says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workaround: Option<String>,
    /// The address of a fix, where structured data marks one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Decision points of an SSVC assessment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssvc: Option<Ssvc>,
    /// Who speaks in it, where that is not the source's publisher: the CNA of a CVE record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Attackers use it, where structured data says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exploited: bool,
    /// The publisher has taken it back (REJECTED, withdrawn).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// It says only that nothing is affected (a VEX document of `known_not_affected`): kept, nobody is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quiet: bool,
    /// How far it may travel.
    #[serde(skip_serializing_if = "Tlp::is_clear")]
    pub tlp: Tlp,
    /// What is known of the document's origin; absent where the format carries no signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// A CVSS rating, as stated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Score {
    /// `2.0`, `3.0`, `3.1` or `4.0`.
    pub version: String,
    /// The vector string; empty where only a number is stated.
    pub vector: String,
    /// Base score, 0.0 to 10.0.
    pub base: f64,
    /// Who rated: `CNA`, `ADP`, `NVD`, a vendor's name; empty for the publisher of the item.
    pub by: String,
}

/// Decision points of a Stakeholder-Specific Vulnerability Categorization, as stated; no decision is drawn from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ssvc {
    /// Who assessed.
    pub by: String,
    /// Names and values, such as `Exploitation` and `active`.
    pub points: Vec<(String, String)>,
}

/// What is known of a document's origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// It came with neither hash nor signature.
    #[default]
    Unsigned,
    /// Its hash is right; nothing is signed.
    Hashed,
    /// Signed by a key that the publisher names, and the signature is good.
    Signed,
}

/// What a catalog says of one CVE beyond any item: FIRST's Exploit Prediction Scoring System.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpssScore {
    /// Which CVE.
    pub cve: CveId,
    /// Probability of exploitation within 30 days, 0.0 to 1.0.
    pub score: f64,
    /// Share of CVEs with the same score or a lower one, 0.0 to 1.0.
    pub percentile: f64,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Parsed {
    /// The items, in document order.
    pub items: Vec<Item>,
    /// How long the document says that it stays as it is (RSS 2.0 `ttl`).
    #[serde(skip)]
    pub fresh_for: Option<Duration>,
    /// EPSS scores, with the day (`YYYY-MM-DD`) that they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<(String, Vec<EpssScore>)>,
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
