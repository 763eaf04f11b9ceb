//! What the API says of the facts about an advisory: each with who states it.

use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{AuthorityWord, Origin, SeverityWord, unless_empty};
use crate::model::advisory::Content;
use crate::model::facts;

/// Whether attackers use it, and who says so.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Exploitation {
    /// Some source says so.
    exploited: bool,
    /// Ransomware groups are known to use it.
    ransomware: bool,
    /// Who says that it is exploited.
    by: Vec<Origin>,
    /// CISA's catalog of known exploited vulnerabilities; null where it is not listed.
    kev: Option<Kev>,
}

/// What CISA's catalog of known exploited vulnerabilities says.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Kev {
    /// The day on which it was listed, as stated.
    added: Option<String>,
    /// The day by which US federal agencies must act, as stated.
    due: Option<String>,
    /// What CISA asks for.
    action: Option<String>,
}

/// How bad somebody says that it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Rating {
    severity: SeverityWord,
    /// The CVSS rating behind it; null where only words are stated.
    cvss: Option<Cvss>,
    authority: AuthorityWord,
    /// Who says so.
    by: Origin,
}

/// A CVSS rating, as stated.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Cvss {
    /// `2.0`, `3.0`, `3.1` or `4.0`; null where it is not stated.
    version: Option<String>,
    /// The vector string; null where only a number is stated.
    vector: Option<String>,
    /// The base score.
    base: f64,
}

/// FIRST's Exploit Prediction Scoring System, of the likeliest CVE.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Epss {
    /// The CVE.
    cve: String,
    /// Probability of exploitation within 30 days.
    #[schema(minimum = 0, maximum = 1)]
    score: f64,
    /// Share of CVEs that score no higher.
    #[schema(minimum = 0, maximum = 1)]
    percentile: f64,
    /// The day of the score.
    day: String,
    /// The score before that; null for the first.
    previous: Option<f64>,
}

/// An SSVC assessment. No decision is drawn from it here.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Ssvc {
    /// Who assessed.
    assessor: String,
    /// The decision points.
    points: Vec<Point>,
    /// Where it stands.
    by: Origin,
}

/// A decision point, such as `Exploitation` and `active`.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Point {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// Which versions of a product are affected, and which have the fix.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Versions {
    /// Vendor and product, as stated.
    product: String,
    /// Affected versions, in words; null where none are stated.
    affected: Option<String>,
    /// Fixed versions, in words; null where none are stated.
    fixed: Option<String>,
    authority: AuthorityWord,
    /// Who says so.
    by: Origin,
}

impl Exploitation {
    pub(super) fn of(content: &Content) -> Self {
        let known = &content.exploitation;
        Self {
            exploited: known.exploited,
            ransomware: known.ransomware,
            by: content.facts.exploited_by.iter().map(Origin::from).collect(),
            kev: known.kev.as_ref().map(|kev| Kev {
                added: unless_empty(&kev.added),
                due: unless_empty(&kev.due),
                action: unless_empty(&kev.action),
            }),
        }
    }
}

fn authority(authority: facts::Authority) -> AuthorityWord {
    match authority {
        facts::Authority::Vendor => "vendor",
        facts::Authority::Cna => "cna",
        facts::Authority::Adp => "adp",
        facts::Authority::Other => "other",
        facts::Authority::Kev => "kev",
    }
    .into()
}

impl Rating {
    pub(super) fn of(rating: &facts::Rating) -> Self {
        Self {
            severity: rating.severity.as_str().into(),
            cvss: rating.score.as_ref().map(|score| Cvss {
                version: unless_empty(&score.version),
                vector: unless_empty(&score.vector),
                base: score.base,
            }),
            authority: authority(rating.authority),
            by: (&rating.by).into(),
        }
    }
}

impl Ssvc {
    pub(super) fn of(assessed: &facts::Assessed) -> Self {
        let points = assessed.ssvc.points.iter();
        Self {
            assessor: assessed.ssvc.by.clone(),
            points: points.map(|(name, value)| Point { name: name.clone(), value: value.clone() }).collect(),
            by: (&assessed.by).into(),
        }
    }
}

impl Versions {
    pub(super) fn of(versions: &facts::Versions) -> Self {
        Self {
            product: versions.product.clone(),
            affected: unless_empty(&versions.affected),
            fixed: unless_empty(&versions.fixed),
            authority: authority(versions.authority),
            by: (&versions.by).into(),
        }
    }
}

impl Epss {
    pub(super) fn of(epss: &facts::Epss) -> Self {
        Self {
            cve: epss.cve.clone(),
            score: epss.score,
            percentile: epss.percentile,
            day: epss.day.clone(),
            previous: epss.previous,
        }
    }
}
