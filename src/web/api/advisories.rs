//! `/advisories`: what is known, found as the search page finds it.

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::advisory::{AdvisoryDetail, AdvisorySummary};
use super::answer::{Named, made, public};
use super::caller::Caller;
use super::problem::Problem;
use super::query::{AFTER, Asked, Kind, LIST, Nothing, Param, Params, cursor, described, since};
use super::shape::{EventWord, Instant};
use crate::jobs::shown;
use crate::model::advisory::{Advisory, AdvisoryId, Content, Event};
use crate::model::changes;
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::search::Query;
use crate::model::severity::Severity;
use crate::model::text;
use crate::model::tlp::Tlp;
use crate::model::topic::Topic;
use crate::store::listing::{self, Filter};
use crate::store::{StoreError, Tx, advisories, events, items, links};

/// Longest statement of a change, in characters.
const CHANGE: usize = 2_000;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(revisions))
}

/// By what advisories are found.
struct Search;

impl Params for Search {
    const ALL: &'static [Param] = &[
        Param {
            name: "q",
            kind: Kind::Text,
            about: "Words that must all be there; `\"words in order\"`, `begin*`, and `-word` for what must not be there.",
            example: "screenconnect -webinar",
        },
        Param { name: "platform", kind: Kind::Platform, about: "Touches this platform.", example: "screenconnect" },
        Param {
            name: "severity",
            kind: Kind::Word(&["low", "medium", "high", "critical"]),
            about: "Rated so or higher. What nobody has rated is found by `low` alone.",
            example: "high",
        },
        Param { name: "topic", kind: Kind::Topic, about: "Is about this beside products.", example: "ransomware" },
        Param {
            name: "source",
            kind: Kind::Source,
            about: "The id or the publisher of a source that speaks of it.",
            example: "cisa-kev",
        },
        Param { name: "exploited", kind: Kind::Flag, about: "`true`: exploited only.", example: "true" },
        Param {
            name: "since",
            kind: Kind::Since,
            about: "Revised at or after this day (in UTC) or instant.",
            example: "2026-11-01T08:00:00Z",
        },
        AFTER,
        LIST,
    ];
}

impl IntoParams for Search {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        described(Self::ALL)
    }
}

/// Advisories, those opened last first.
#[derive(Serialize, ToSchema)]
struct AdvisoryPage {
    /// The advisories.
    items: Vec<AdvisorySummary>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// Find advisories
///
/// Those opened last come first. An advisory keeps its place when it is revised: to hear of revisions, ask with `since`.
/// What is TLP:GREEN is shown to programs with a token, what is stricter to nobody.
#[utoipa::path(get, path = "/advisories", tag = "Advisories", operation_id = "listAdvisories", params(Search),
    responses((status = 200, description = "What is found.", body = AdvisoryPage)),
    security((), ("token" = ["read"])))]
async fn list(Shared(state): Shared<State>, caller: Caller, asked: Asked<Search>, headers: HeaderMap) -> Response {
    let limit = asked.limit();
    let filter = Filter {
        query: Query::parse(asked.get("q").unwrap_or_default()),
        since: asked.get("since").and_then(since),
        platform: asked.owned("platform"),
        topic: asked.get("topic").and_then(|word| word.parse::<Topic>().ok()),
        severity: asked.get("severity").and_then(|word| word.parse().ok()).filter(|least| *least > Severity::Low),
        exploited: asked.get("exploited") == Some("true"),
        source: asked.owned("source"),
        public: caller.most() == Tlp::Clear,
        community: caller.most() == Tlp::Green,
        newest_first: true,
        after: asked.after(),
        ..Filter::default()
    };
    let make = async {
        let context = &state.0.context;
        let found = context.store.read(move |tx| listing::select(tx, &filter, limit + 1)).await;
        let mut found = found.map_err(|error| Problem::fault(&error))?;
        let keep = usize::try_from(limit).unwrap_or_default();
        let more = found.len() > keep;
        found.truncate(keep);
        let next = found.last().filter(|_| more).map(|last| cursor(last.id.number()));
        found.retain(|one| caller.may_see(one.content.tlp));
        let items = found.iter().map(|one| AdvisorySummary::of(context, one)).collect();
        Ok(made(&AdvisoryPage { items, next })?)
    };
    public(&state, &caller, &headers, format!("/api/v1/advisories?{}", asked.raw), make).await
}

/// The id of an advisory as it is stored, if it has the form of one.
fn id_of(written: &str) -> Result<AdvisoryId, Problem> {
    let digits = written.strip_prefix("RW-").unwrap_or_default();
    let fits = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(AdvisoryId(written.to_owned())) } else { Err(Problem::absent()) }
}

/// The advisory that stands for `id` now, if it may be seen.
fn standing(tx: &mut Tx<'_>, caller: &Caller, id: &AdvisoryId) -> Result<Option<Advisory>, StoreError> {
    let Some(current) = advisories::current(tx, id)? else { return Ok(None) };
    Ok(advisories::get(tx, &current)?.filter(|found| caller.may_see(found.content.tlp)))
}

/// To the advisory into which another was merged.
fn moved(id: &AdvisoryId, rest: &str) -> Response {
    Redirect::temporary(&format!("/api/v1/advisories/{id}{rest}")).into_response()
}

/// Read an advisory
///
/// Everything that is known, each statement with who makes it.
#[utoipa::path(get, path = "/advisories/{id}", tag = "Advisories", operation_id = "getAdvisory",
    params(("id" = String, Path, description = "The advisory's id.", example = "RW-1")),
    responses((status = 200, description = "The advisory.", body = AdvisoryDetail),
        (status = 307, description = "It was merged into another; `Location` leads there.")),
    security((), ("token" = ["read"])))]
async fn one(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Response {
    let make = async {
        let asked = id_of(&id)?;
        let (wanted, asker, context) = (asked.clone(), caller.clone(), &state.0.context);
        let read = context.store.read(move |tx| {
            let Some(advisory) = standing(tx, &asker, &wanted)? else { return Ok(None) };
            // Both are in order of arrival.
            let reasons = links::reasons(tx, &advisory.id)?.into_values().map(|(because, _)| because);
            let items = items::of_advisory(tx, &advisory.id)?;
            let items: Vec<(Draft, String)> = items.into_iter().zip(reasons).collect();
            Ok(Some((shown::with_newest_scores(tx, advisory)?, items)))
        });
        let found = read.await.map_err(|error| Problem::fault(&error))?;
        let (advisory, mut items) = found.ok_or_else(Problem::absent)?;
        if advisory.id != asked {
            return Err(moved(&advisory.id, ""));
        }
        items.retain(|(draft, _)| caller.may_see(draft.item.tlp));
        Ok(made(&AdvisoryDetail::of(context, &advisory, &items))?)
    };
    public(&state, &caller, &headers, format!("/api/v1/advisories/{id}"), make).await
}

/// Where a list by number goes on.
struct Numbered;

impl Params for Numbered {
    const ALL: &'static [Param] = &[AFTER, LIST];
}

impl IntoParams for Numbered {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        described(Self::ALL)
    }
}

/// Revisions of an advisory, the newest first.
#[derive(Serialize, ToSchema)]
struct RevisionPage {
    /// The revisions.
    items: Vec<Revision>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// A numbered state of an advisory, which never changes.
#[derive(Serialize, ToSchema)]
struct Revision {
    /// From 1.
    #[schema(minimum = 1)]
    number: i64,
    /// When it was written.
    at: Instant,
    /// What people were told; empty where nobody was told.
    events: Vec<Told>,
    /// What it says that the one before did not, and the other way round.
    changes: Vec<Change>,
}

/// What people were told of a revision.
#[derive(Serialize, ToSchema)]
struct Told {
    kind: EventWord,
    /// What changed, in order of weight.
    reasons: Vec<String>,
    /// When.
    at: Instant,
}

/// A statement that came or went.
#[derive(Serialize, ToSchema)]
struct Change {
    /// It came; else it went.
    came: bool,
    /// What it is about, in a word.
    about: String,
    /// The statement.
    text: String,
}

/// A revision as it is stored, with the one before it.
type Step = (i64, Timestamp, Content, Option<Content>);

/// The revisions below `after`, newest first, and one more where there is one.
fn steps(tx: &mut Tx<'_>, id: &AdvisoryId, after: i64, limit: usize) -> Result<Vec<Step>, StoreError> {
    let numbers = advisories::revisions(tx, id)?;
    let wanted = numbers.iter().enumerate().rev().filter(|(_, (number, _))| *number < after).take(limit + 1);
    let mut steps = Vec::new();
    for (at, (number, time)) in wanted {
        let before = at.checked_sub(1).and_then(|before| numbers.get(before));
        let before = before.map(|(before, _)| advisories::revision(tx, id, *before)).transpose()?.flatten();
        steps.push((*number, *time, advisories::revision(tx, id, *number)?.unwrap_or_default(), before));
    }
    Ok(steps)
}

/// Read the history of an advisory
///
/// The newest revision comes first. A revision that bore a stricter label than you may see is left out.
#[utoipa::path(get, path = "/advisories/{id}/revisions", tag = "Advisories", operation_id = "listRevisions",
    params(("id" = String, Path, description = "The advisory's id.", example = "RW-1"), Numbered),
    responses((status = 200, description = "Its revisions.", body = RevisionPage),
        (status = 307, description = "It was merged into another; `Location` leads there.")),
    security((), ("token" = ["read"])))]
async fn revisions(
    Shared(state): Shared<State>,
    caller: Caller,
    Named(id): Named,
    asked: Asked<Numbered>,
    headers: HeaderMap,
) -> Response {
    let limit = usize::try_from(asked.limit()).unwrap_or_default();
    let after = asked.after().unwrap_or(i64::MAX);
    let make = async {
        let wanted = id_of(&id)?;
        let (looked_for, asker) = (wanted.clone(), caller.clone());
        let read = state.0.context.store.read(move |tx| {
            let Some(advisory) = standing(tx, &asker, &looked_for)? else { return Ok(None) };
            let steps = steps(tx, &advisory.id, after, limit)?;
            Ok(Some((events::of_advisory(tx, &advisory.id)?, advisory.id, steps)))
        });
        let found = read.await.map_err(|error| Problem::fault(&error))?;
        let (events, current, mut steps) = found.ok_or_else(Problem::absent)?;
        if current != wanted {
            return Err(moved(&current, "/revisions"));
        }
        let more = steps.len() > limit;
        steps.truncate(limit);
        let next = steps.last().filter(|_| more).map(|(number, ..)| cursor(*number));
        steps.retain(|(_, _, content, _)| caller.may_see(content.tlp));
        let items = steps.iter().map(|step| revision(&caller, step, &events)).collect();
        Ok(made(&RevisionPage { items, next })?)
    };
    public(&state, &caller, &headers, format!("/api/v1/advisories/{id}/revisions?{}", asked.raw), make).await
}

fn revision(caller: &Caller, (number, at, content, before): &Step, events: &[Event]) -> Revision {
    let told = events.iter().filter(|event| event.revision == *number);
    // What a stricter revision said is not told by what took its place.
    let before = before.as_ref().filter(|before| caller.may_see(before.tlp));
    let changes = before.map_or_else(Vec::new, |before| changes::between(before, content));
    Revision {
        number: *number,
        at: Instant(*at),
        events: told
            .map(|event| Told {
                kind: event.kind.as_str().into(),
                reasons: event.reasons.clone(),
                at: Instant(event.at),
            })
            .collect(),
        changes: changes
            .into_iter()
            .map(|change| Change {
                came: change.came,
                about: change.about.to_owned(),
                text: text::truncate(&change.text, CHANGE),
            })
            .collect(),
    }
}
