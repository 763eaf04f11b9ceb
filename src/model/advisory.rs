//! Advisories: one per real-world event, with their revisions and the events that people hear of.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::audience::{publisher_key, region_key};
use super::clock::Timestamp;
use super::cve::CveId;
use super::facts::{Facts, Versions};
use super::item::KevFacts;
use super::platform::{PlatformId, Role, Tag};
use super::severity::Severity;
use super::tlp::Tlp;
use super::topic::{About, Topic};

/// Our own id of an advisory, `RW-` and a number, such as `RW-1042`. Stable for its life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdvisoryId(pub String);

impl AdvisoryId {
    /// The number in it: the order in which advisories were opened.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.0.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for AdvisoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What sort of event an advisory describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdvisoryKind {
    /// A flaw in a product: it has CVE ids, or a vendor published it.
    Vulnerability,
    /// A warning of what attackers do, without a flaw of its own.
    #[default]
    Alert,
}

impl AdvisoryKind {
    /// The lowercase word used in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vulnerability => "vulnerability",
            Self::Alert => "alert",
        }
    }
}

/// What an advisory says at one moment. A revision stores exactly this; mail is made from nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// One line: what is broken, in the words of the first publisher.
    pub title: String,
    /// Plain text of the fullest item, bounded.
    pub summary: String,
    /// Vulnerability or alert.
    pub kind: AdvisoryKind,
    /// The rating that counts: of whoever is trusted most among those who rate ([`Facts::rating`]).
    pub severity: Severity,
    /// Every CVE id that its items name.
    pub cves: BTreeSet<CveId>,
    /// Publishers' advisory ids, such as `AA24-241A` or `FG-IR-24-001`.
    pub aliases: BTreeSet<String>,
    /// Known to be exploited, and who says so.
    pub exploitation: Exploitation,
    /// The platforms it names, with their evidence; sorted by id. Those that it touches are [`Content::affected`].
    pub tags: Vec<Tag>,
    /// What it is about beside products, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<About>,
    /// What to do, in a publisher's own words: the fix, else what helps without one, else what an authority asks.
    pub action: String,
    /// Where to read more, the first publisher first.
    pub references: Vec<Reference>,
    /// The earliest publication date that a source states.
    pub published: Option<Timestamp>,
    /// When Rattlewatch first stored an item of it.
    pub first_seen: Timestamp,
    /// How far it may travel.
    pub tlp: Tlp,
    /// A publisher took it back.
    pub withdrawn: bool,
    /// Its items say that nothing is affected: kept for the record, nobody is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quiet: bool,
    /// What its items state beyond their texts, with who states it.
    pub facts: Facts,
    /// The most that was ever said of it, so that a statement that comes and goes is news only once.
    pub told: Told,
}

/// The most that revisions of an advisory have said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The highest severity since the last correction.
    pub severity: Severity,
    /// It was said to be exploited.
    pub exploited: bool,
    /// It was in CISA's KEV catalog.
    pub kev: bool,
    /// It was known to be used in ransomware campaigns.
    pub ransomware: bool,
    /// It was said what to do.
    pub action: bool,
    /// A fix was named.
    pub fix: bool,
    /// Something was named that helps without a fix.
    pub workaround: bool,
    /// Exploitation was said to be more likely than not (EPSS).
    pub likely: bool,
    /// Every statement of a product's affected and fixed versions.
    pub versions: BTreeSet<String>,
    /// Every CVE id that was named.
    pub cves: BTreeSet<CveId>,
    /// Every platform that it touched.
    pub platforms: BTreeSet<PlatformId>,
    /// Every topic that it was about.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub topics: BTreeSet<Topic>,
}

impl Content {
    /// `told` with what this content says added to it.
    #[must_use]
    pub fn added_to(&self, mut told: Told) -> Told {
        told.severity = told.severity.max(self.severity);
        told.exploited |= self.exploitation.exploited;
        told.kev |= self.exploitation.kev.is_some();
        told.ransomware |= self.exploitation.ransomware;
        told.action |= !self.action.is_empty();
        told.fix |= self.facts.fix.is_some();
        told.workaround |= self.facts.workaround.is_some();
        told.likely |= self.facts.likely();
        told.versions.extend(self.facts.versions.iter().map(Versions::statement));
        told.cves.extend(self.cves.iter().cloned());
        told.platforms.extend(self.platforms().cloned());
        told.topics.extend(self.topics.iter().map(|about| about.topic));
        told
    }

    /// The tags of the platforms that it touches, in order.
    pub fn affected(&self) -> impl Iterator<Item = &Tag> + Clone {
        self.tags.iter().filter(|tag| tag.role == Role::Affected)
    }

    /// The platforms touched, in order.
    pub fn platforms(&self) -> impl Iterator<Item = &PlatformId> {
        self.affected().map(|tag| &tag.platform)
    }

    /// The platforms by which it is found and mailed: those touched, and the vendors of those as a whole.
    #[must_use]
    pub fn reached(&self) -> BTreeSet<&PlatformId> {
        self.affected().flat_map(|tag| std::iter::once(&tag.platform).chain(&tag.under)).collect()
    }

    /// By whom it is said, and for which countries: the keys that a recipient's limits are compared with.
    #[must_use]
    pub fn origins(&self) -> BTreeSet<String> {
        let keys = |said: &Reference| [publisher_key(&said.publisher), region_key(&said.region)];
        self.references.iter().flat_map(keys).collect()
    }

    /// What events and subscriptions meet by: the platforms touched, their vendors, and the topics.
    pub fn matched_by(&self) -> impl Iterator<Item = String> + '_ {
        self.reached().into_iter().map(|id| id.0.clone()).chain(self.topics.iter().map(|about| about.topic.key()))
    }
}

/// Whether attackers use the flaw already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exploitation {
    /// Some source says that it is exploited in the wild.
    pub exploited: bool,
    /// The name of the source that says so; empty where none does.
    pub according_to: String,
    /// CISA KEV facts, where the catalog lists one of its CVEs (the earliest due date wins).
    pub kev: Option<KevFacts>,
    /// Known to be used in ransomware campaigns.
    pub ransomware: bool,
}

/// A page where a source speaks of the advisory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// Source id.
    pub source: String,
    /// Source name, as shown.
    pub name: String,
    /// Its page; empty where the item had none.
    pub url: String,
    /// The title there.
    pub title: String,
    /// Who publishes that source.
    pub publisher: String,
    /// The country (`US`, `DE`, `EU`) whose authority that is; empty for vendors, researchers and databases.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
}

/// An advisory with the state that it has now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// Its id.
    pub id: AdvisoryId,
    /// The number of its newest revision, from 1.
    pub revision: i64,
    /// When that revision was written.
    pub revised_at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub content: Content,
}

/// Why a revision matters to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// First known.
    Published,
    /// Something that people act on changed.
    Updated,
    /// More urgent than before: exploited, in KEV, ransomware, severity up.
    Escalated,
    /// An earlier statement was wrong.
    Corrected,
    /// The publisher took it back.
    Withdrawn,
}

impl EventKind {
    /// The lowercase word used in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Updated => "updated",
            Self::Escalated => "escalated",
            Self::Corrected => "corrected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Published, Self::Updated, Self::Escalated, Self::Corrected, Self::Withdrawn]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not an event kind"))
    }
}

/// One event: a revision that people should hear of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the order of ingestion, from 1, without regard to clocks. Digest windows are cut by it.
    pub seq: i64,
    /// The advisory.
    pub advisory: AdvisoryId,
    /// The revision that it speaks of.
    pub revision: i64,
    /// Why it matters.
    pub kind: EventKind,
    /// What changed, one short sentence each, in order of weight.
    pub reasons: Vec<String>,
    /// When it was written.
    pub at: Timestamp,
}
