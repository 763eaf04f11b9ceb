//! One advisory: what it comes to, its sources side by side, and its history as a diff.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::State;
use super::super::lines::{Line, When, day};
use super::super::person;
use super::super::views::{Frame, html};
use super::{made, unavailable};
use crate::jobs::shown;
use crate::model::advisory::{Advisory, AdvisoryId, Content, Event};
use crate::model::changes::{self, Change};
use crate::model::clock::Timestamp;
use crate::model::context::{Topic, block};
use crate::model::draft::Draft;
use crate::model::severity::Severity;
use crate::model::text;
use crate::model::tlp::Tlp;
use crate::store::{StoreError, Tx, advisories, events, items, links};

/// Most revisions, sources and CVE ids shown.
const REVISIONS: usize = 20;
const ITEMS: usize = 40;
const CVES: usize = 60;
/// Longest statement of a diff, in characters.
const CHANGE: usize = 300;

/// Everything about one advisory.
struct Whole {
    advisory: Advisory,
    items: Vec<Draft>,
    /// Why each item is in it, by the item's number.
    reasons: BTreeMap<i64, (String, bool)>,
    /// The newest revisions, newest first, and how many there are.
    revisions: Vec<(i64, Timestamp, Content)>,
    count: usize,
    events: Vec<Event>,
}

fn load(tx: &mut Tx<'_>, id: &AdvisoryId, most: Tlp) -> Result<Option<Whole>, StoreError> {
    let Some(current) = advisories::current(tx, id)? else { return Ok(None) };
    let found = advisories::get(tx, &current)?.filter(|found| found.content.tlp <= most);
    let Some(advisory) = found else { return Ok(None) };
    let numbers = advisories::revisions(tx, &current)?;
    let count = numbers.len();
    let mut revisions = Vec::new();
    // One more than is shown, to compare the oldest shown with.
    for (number, at) in numbers.into_iter().rev().take(REVISIONS + 1) {
        revisions.push((number, at, advisories::revision(tx, &current, number)?.unwrap_or_default()));
    }
    Ok(Some(Whole {
        advisory: shown::with_newest_scores(tx, advisory)?,
        items: items::of_advisory(tx, &current)?,
        reasons: links::reasons(tx, &current)?,
        revisions,
        count,
        events: events::of_advisory(tx, &current)?,
    }))
}

/// What one source says.
struct Said {
    source: String,
    title: String,
    url: String,
    severity: &'static str,
    published: String,
    because: String,
}

/// A revision, and what came and went with it.
struct Step {
    number: i64,
    at: When,
    told: String,
    changes: Vec<Change>,
}

#[derive(Template)]
#[template(path = "advisory.html")]
struct Shown {
    frame: Frame,
    line: Line,
    topics: Vec<Topic>,
    /// Platforms, by id and name, and by which words they were matched.
    matched: Vec<(String, String, String)>,
    cves: Vec<String>,
    more_cves: usize,
    summary: String,
    items: Vec<Said>,
    history: Vec<Step>,
    older: usize,
    first_seen: When,
    revision: i64,
}

/// One advisory. TLP:CLEAR is for everybody and kept for others; TLP:GREEN is for who is signed in, and is not.
pub(in super::super) async fn show(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = AdvisoryId(id.to_uppercase());
    match person::person(&state, &headers).await {
        Err(problem) => problem,
        Ok(None) => {
            let make = async { whole(&state, &asked, Tlp::Clear).await.map(|whole| made(&described(&state, &whole))) };
            state.0.cache.page(format!("/advisories/{asked}"), &headers, make).await
        }
        Ok(Some(person)) => match whole(&state, &asked, Tlp::Green).await {
            Err(answer) => answer,
            Ok(whole) => {
                let page = Shown { frame: state.frame_of(&person, ""), ..described(&state, &whole) };
                html(&page).into_response()
            }
        },
    }
}

/// The advisory, if it may be read; else what is answered instead.
async fn whole(state: &State, asked: &AdvisoryId, most: Tlp) -> Result<Whole, Response> {
    let wanted = asked.clone();
    let whole = state.0.context.store.read(move |tx| load(tx, &wanted, most)).await;
    let Some(whole) = whole.map_err(|error| unavailable(state, &error))? else {
        return Err(state.problem(StatusCode::NOT_FOUND, "There is no such advisory.").into_response());
    };
    // What was merged into another advisory leads there.
    if whole.advisory.id != *asked {
        return Err(Redirect::temporary(&format!("/advisories/{}", whole.advisory.id)).into_response());
    }
    Ok(whole)
}

fn described(state: &State, whole: &Whole) -> Shown {
    let context = &state.0.context;
    let content = &whole.advisory.content;
    let name = |tag: &crate::model::platform::Tag| context.platform_name(&tag.platform);
    Shown {
        frame: state.frame(""),
        line: Line::of(context, &whole.advisory),
        topics: block(content, &|id| context.platform_name(id)),
        matched: content.affected().map(|tag| (tag.platform.0.clone(), name(tag), tag.because())).collect(),
        cves: content.cves.iter().take(CVES).map(ToString::to_string).collect(),
        more_cves: content.cves.len().saturating_sub(CVES),
        summary: content.summary.clone(),
        items: said(whole),
        history: history(whole),
        older: whole.count.saturating_sub(REVISIONS),
        first_seen: When::at(content.first_seen),
        revision: whole.advisory.revision,
    }
}

fn said(whole: &Whole) -> Vec<Said> {
    // Both are in order of arrival.
    let all = whole.items.iter().zip(whole.reasons.values());
    let one = |(draft, (because, _)): (&Draft, &(String, bool))| Said {
        source: draft.source_name.clone(),
        title: draft.item.title.clone(),
        url: draft.item.url.clone().unwrap_or_default(),
        severity: if draft.severity == Severity::Unknown { "" } else { draft.severity.as_str() },
        published: day(draft.item.published),
        because: because.clone(),
    };
    all.take(ITEMS).map(one).collect()
}

fn history(whole: &Whole) -> Vec<Step> {
    let step = |(at, (number, time, content)): (usize, &(i64, Timestamp, Content))| {
        let told = whole.events.iter().filter(|event| event.revision == *number);
        let told: Vec<String> = told
            .map(|event| {
                std::iter::once(event.kind.to_string()).chain(event.reasons.clone()).collect::<Vec<_>>().join("; ")
            })
            .collect();
        let mut changes =
            whole.revisions.get(at + 1).map_or_else(Vec::new, |(_, _, before)| changes::between(before, content));
        for change in &mut changes {
            change.text = text::truncate(&change.text, CHANGE);
        }
        Step {
            number: *number,
            at: When::at(*time),
            told: if told.is_empty() { "Nobody was told.".to_owned() } else { told.join(" / ") },
            changes,
        }
    };
    whole.revisions.iter().enumerate().take(REVISIONS).map(step).collect()
}
