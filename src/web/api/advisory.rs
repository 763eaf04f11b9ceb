//! What the API says of an advisory: its newest state in short, and everything with who says so.

use serde::Serialize;
use utoipa::ToSchema;

use super::facts::{Epss, Exploitation, Rating, Ssvc, Versions};
use super::shape::{
    AdvisoryKindWord, FieldWord, Instant, Origin, PlatformId, RoleWord, SeverityWord, Stated, TlpWord, TopicWord,
    unless_empty,
};
use crate::jobs::Context;
use crate::model::advisory::{Advisory, Content};
use crate::model::context;
use crate::model::draft::Draft;
use crate::model::facts;
use crate::model::platform::{Field, Role, Tag};

/// A platform with its name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct NamedPlatform {
    id: PlatformId,
    /// As people know it.
    name: String,
}

/// An advisory in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AdvisorySummary {
    /// Its id, for good.
    #[schema(example = "RW-42")]
    id: String,
    /// Its page for people.
    url: String,
    /// What is broken, in the words of the first publisher.
    title: String,
    kind: AdvisoryKindWord,
    severity: SeverityWord,
    /// Some source says that attackers use it.
    exploited: bool,
    /// Ransomware groups are known to use it.
    ransomware: bool,
    /// Its publisher took it back.
    withdrawn: bool,
    tlp: TlpWord,
    /// CVE ids, sorted.
    cves: Vec<String>,
    /// The platforms that it touches.
    platforms: Vec<NamedPlatform>,
    /// The earliest publication that a source states; null where none does.
    published_at: Option<Instant>,
    /// When it was first stored here.
    first_seen_at: Instant,
    /// When its newest revision was written.
    revised_at: Instant,
    /// The number of that revision, from 1.
    #[schema(minimum = 1)]
    revision: i64,
}

impl AdvisorySummary {
    pub(super) fn of(context: &Context, advisory: &Advisory) -> Self {
        let content = &advisory.content;
        let platform = |id: &crate::model::platform::PlatformId| NamedPlatform {
            id: PlatformId(id.0.clone()),
            name: context.platform_name(id),
        };
        Self {
            id: advisory.id.0.clone(),
            url: format!("{}/advisories/{}", context.public_url, advisory.id),
            title: content.title.clone(),
            kind: content.kind.as_str().into(),
            severity: content.severity.as_str().into(),
            exploited: content.exploitation.exploited,
            ransomware: content.exploitation.ransomware,
            withdrawn: content.withdrawn,
            tlp: content.tlp.as_str().into(),
            cves: content.cves.iter().map(ToString::to_string).collect(),
            platforms: content.platforms().map(platform).collect(),
            published_at: content.published.map(Instant),
            first_seen_at: Instant(content.first_seen),
            revised_at: Instant(advisory.revised_at),
            revision: advisory.revision,
        }
    }
}

/// An advisory as a whole: what is known, and who says so.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AdvisoryDetail {
    #[serde(flatten)]
    short: AdvisorySummary,
    /// The text of the fullest source.
    summary: String,
    /// Publishers' own ids of it, sorted.
    aliases: Vec<String>,
    /// What it is about beside products.
    topics: Vec<About>,
    /// Every platform that it names, with what says so.
    tags: Vec<PlatformTag>,
    /// Who says that attackers use it, and what CISA's catalog says.
    exploitation: Exploitation,
    /// Every rating; the first one counts.
    ratings: Vec<Rating>,
    /// How likely exploitation is; null where nobody says.
    epss: Option<Epss>,
    /// Decision points of an SSVC assessment; null where there is none.
    ssvc: Option<Ssvc>,
    /// CWE ids.
    weaknesses: Vec<Stated>,
    /// The fix, in the words of who provides it; null where none is stated.
    fix: Option<Stated>,
    /// How to be safer without it; null where nothing is stated.
    workaround: Option<Stated>,
    /// What an authority asks people to do; null where none does.
    asked: Option<Stated>,
    /// Where the fix is to be had; null where nobody says.
    patch: Option<Stated>,
    /// Affected and fixed versions.
    versions: Vec<Versions>,
    /// Pages that speak of it, the first publisher first.
    references: Vec<Reference>,
    /// What each source says of it, in order of arrival.
    sources: Vec<SourceItem>,
    /// The answers to what a technician asks first, as the page and the mail give them.
    context: Vec<Answer>,
}

/// What it is about beside products.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct About {
    topic: TopicWord,
    /// By which words.
    because: String,
}

/// A platform that an advisory names, and what says so.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct PlatformTag {
    id: PlatformId,
    /// As people know it.
    name: String,
    role: RoleWord,
    /// How surely the advisory speaks of this platform in that role.
    #[schema(minimum = 0, maximum = 1)]
    confidence: f64,
    /// What says so, as a clause.
    because: String,
    /// Each piece that says so, the strongest first.
    evidence: Vec<Evidence>,
}

/// What says that an advisory speaks of a platform.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Evidence {
    field: FieldWord,
    /// The words, as published.
    matched: String,
    /// The catalog's name that they match.
    alias: String,
}

/// A page that speaks of an advisory.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Reference {
    /// The source's id.
    source: String,
    /// The source's name.
    name: String,
    /// Who publishes it.
    publisher: String,
    /// The title there.
    title: String,
    /// Its address; null where there is none.
    url: Option<String>,
}

/// What one source published.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SourceItem {
    /// The source's id.
    source: String,
    /// The source's name.
    name: String,
    /// Who publishes it.
    publisher: String,
    /// The title there.
    title: String,
    /// Its address; null where there is none.
    url: Option<String>,
    severity: SeverityWord,
    /// When the source says it was published; null where it does not.
    published_at: Option<Instant>,
    /// When it was first stored here.
    first_seen_at: Instant,
    /// Why it is part of this advisory.
    because: String,
}

/// A question, and the lines that answer it.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Answer {
    /// The question's name, for programs.
    key: String,
    /// The question, for people.
    label: String,
    /// The answer.
    lines: Vec<Line>,
}

/// A sentence, and who says it.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Line {
    /// The sentence.
    text: String,
    /// Who says so; null where it is a conclusion drawn here.
    by: Option<Origin>,
}

impl AdvisoryDetail {
    /// The whole advisory; `items` are what its sources published, each with why it is part of it.
    pub(super) fn of(context: &Context, advisory: &Advisory, items: &[(Draft, String)]) -> Self {
        let (content, facts) = (&advisory.content, &advisory.content.facts);
        let stated = |stated: &Option<facts::Stated>| stated.as_ref().map(Stated::from);
        Self {
            short: AdvisorySummary::of(context, advisory),
            summary: content.summary.clone(),
            aliases: content.aliases.iter().cloned().collect(),
            topics: content
                .topics
                .iter()
                .map(|about| About { topic: about.topic.as_str().into(), because: about.because.clone() })
                .collect(),
            tags: content.tags.iter().map(|tag| PlatformTag::of(context, tag)).collect(),
            exploitation: Exploitation::of(content),
            ratings: facts.ratings.iter().map(Rating::of).collect(),
            epss: facts.epss.as_ref().map(Epss::of),
            ssvc: facts.ssvc.as_ref().map(Ssvc::of),
            weaknesses: facts.weaknesses.iter().map(Stated::from).collect(),
            fix: stated(&facts.fix),
            workaround: stated(&facts.workaround),
            asked: stated(&facts.asked),
            patch: stated(&facts.patch),
            versions: facts.versions.iter().map(Versions::of).collect(),
            references: content.references.iter().map(Reference::of).collect(),
            sources: items.iter().map(|(draft, because)| SourceItem::of(draft, because)).collect(),
            context: answers(context, content),
        }
    }
}

fn answers(context: &Context, content: &Content) -> Vec<Answer> {
    let line = |line: &context::Line| Line { text: line.text.clone(), by: line.by.as_ref().map(Origin::from) };
    let topics = context::block(content, &|id| context.platform_name(id));
    let answer = |topic: context::Topic| Answer {
        key: topic.key.to_owned(),
        label: topic.label.to_owned(),
        lines: topic.lines.iter().map(line).collect(),
    };
    topics.into_iter().map(answer).collect()
}

impl PlatformTag {
    fn of(context: &Context, tag: &Tag) -> Self {
        let field = |field: Field| match field {
            Field::Title => "title",
            Field::Text => "text",
            Field::Product => "product",
            Field::Source => "source",
            Field::Link => "link",
        };
        let evidence = tag.evidence.iter().map(|piece| Evidence {
            field: field(piece.field).into(),
            matched: piece.matched.clone(),
            alias: piece.alias.clone(),
        });
        Self {
            id: PlatformId(tag.platform.0.clone()),
            name: context.platform_name(&tag.platform),
            role: if tag.role == Role::Affected { "affected" } else { "mentioned" }.into(),
            confidence: tag.confidence,
            because: tag.because(),
            evidence: evidence.collect(),
        }
    }
}

impl Reference {
    fn of(reference: &crate::model::advisory::Reference) -> Self {
        Self {
            source: reference.source.clone(),
            name: reference.name.clone(),
            publisher: reference.publisher.clone(),
            title: reference.title.clone(),
            url: unless_empty(&reference.url),
        }
    }
}

impl SourceItem {
    fn of(draft: &Draft, because: &str) -> Self {
        Self {
            source: draft.source.clone(),
            name: draft.source_name.clone(),
            publisher: draft.publisher.clone(),
            title: draft.item.title.clone(),
            url: draft.item.url.clone(),
            severity: draft.severity.as_str().into(),
            published_at: draft.item.published.map(Instant),
            first_seen_at: Instant(draft.first_seen),
            because: because.to_owned(),
        }
    }
}
