//! Facts about an advisory, each with who states it.
//!
//! Publishers contradict each other, so what counts is decided by a stated order of trust, [`Authority`]; the others are
//! kept and shown beside it.

use serde::{Deserialize, Serialize};

use super::item::{Score, Ssvc};
use super::severity::Severity;
use super::text;

/// A probability of exploitation (EPSS) from which people hear of it: more likely than not.
pub const EPSS_HIGH: f64 = 0.5;

/// Who is believed first about severity and versions. The order is the order of trust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// The vendor of the product, in structured data.
    Vendor,
    /// The CVE Numbering Authority that assigned the CVE.
    Cna,
    /// An authorized data publisher of the CVE program, such as CISA's.
    Adp,
    /// The NVD, and whoever rates in words.
    #[default]
    Other,
    /// Nobody rates, and CISA's KEV catalog lists it.
    Kev,
}

/// Who states a fact, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The name of the source, or of whoever speaks in it, as shown.
    pub name: String,
    /// The page; empty where there is none.
    pub url: String,
}

/// Words, and who says them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Stated {
    /// The words, in one line.
    pub text: String,
    /// Who says them.
    pub by: Origin,
}

/// How bad somebody says that it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rating {
    /// In words.
    pub severity: Severity,
    /// The CVSS rating behind it; absent where only words are stated.
    pub score: Option<Score>,
    /// How far it is believed.
    pub authority: Authority,
    /// Who rates.
    pub by: Origin,
}

/// The Exploit Prediction Scoring System's newest score of the likeliest of its CVEs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Epss {
    /// The CVE.
    pub cve: String,
    /// Probability of exploitation within 30 days, 0.0 to 1.0.
    pub score: f64,
    /// Share of CVEs with the same score or a lower one, 0.0 to 1.0.
    pub percentile: f64,
    /// The day of the score, `YYYY-MM-DD`.
    pub day: String,
    /// The score before that day's; absent for the first.
    pub previous: Option<f64>,
}

/// Which versions of a product are affected, and which have the fix.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Versions {
    /// Vendor and product, as stated.
    pub product: String,
    /// Affected versions in words; empty where none are stated.
    pub affected: String,
    /// Fixed versions in words; empty where none are stated.
    pub fixed: String,
    /// How far it is believed.
    pub authority: Authority,
    /// Who says so.
    pub by: Origin,
}

impl Versions {
    /// The product, as it is found again in statements.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}|", text::fold(&self.product))
    }

    /// What is said of the product, in a form that two statements can be compared by.
    #[must_use]
    pub fn statement(&self) -> String {
        format!("{}{}|{}", self.key(), text::fold(&self.affected), text::fold(&self.fixed))
    }
}

/// A decision aid of CISA and Carnegie Mellon (SSVC): decision points as stated, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Assessed {
    /// The decision points.
    pub ssvc: Ssvc,
    /// Where it stands.
    pub by: Origin,
}

/// What is known of an advisory beyond its texts. Lists are bounded, and the most trusted come first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Every rating; the first one counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<Rating>,
    /// How likely exploitation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    /// CISA's assessment, or another's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssvc: Option<Assessed>,
    /// CWE ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weaknesses: Vec<Stated>,
    /// Who says that attackers use it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exploited_by: Vec<Origin>,
    /// The fix, in the words of who provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Stated>,
    /// How to be safer without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workaround: Option<Stated>,
    /// What an authority asks people to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Stated>,
    /// The address of the fix (in `text`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Stated>,
    /// What the vendor itself says, from its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Stated>,
    /// Affected and fixed versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Versions>,
}

impl Facts {
    /// The rating that counts.
    #[must_use]
    pub fn rating(&self) -> Option<&Rating> {
        self.ratings.first()
    }

    /// Whether exploitation is more likely than not.
    #[must_use]
    pub fn likely(&self) -> bool {
        self.epss.as_ref().is_some_and(|epss| epss.score >= EPSS_HIGH)
    }
}
