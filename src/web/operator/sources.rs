//! Sources, as who runs them sees them: health, the newest items, and what to do about them.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};

use super::super::State;
use super::super::lines::when;
use super::super::pages::sources::Watched;
use super::super::person::{Operator, Sent};
use super::super::pictures::{self, Picture};
use super::super::views::{Frame, html};
use super::{Answer, done, failed};
use crate::jobs::Context;
use crate::store::{audit, items, sources};

/// Newest items shown, and looked at for the hours at which they were published.
const ITEMS: usize = 30;
const RHYTHM: i64 = 300;

#[derive(Template)]
#[template(path = "operator_sources.html")]
struct Sources {
    frame: Frame,
    sources: Vec<Watched>,
    blind: usize,
    off: usize,
}

#[derive(Template)]
#[template(path = "operator_source.html")]
struct One {
    frame: Frame,
    csrf: String,
    source: Watched,
    url: String,
    format: String,
    schedule: String,
    last_attempt: String,
    next_due: String,
    failures: i64,
    count: i64,
    paused: bool,
    enabled: bool,
    off_because: String,
    /// Number, advisory, title and when first seen.
    items: Vec<(i64, String, String, String)>,
    rhythm: Picture,
}

/// All sources that are on, in trouble first.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator) -> Answer {
    let context = &state.0.context;
    let health = context.store.read(sources::all).await.map_err(failed(&state))?;
    let sources = Watched::all(context, &health, context.clock.now());
    let page = Sources {
        frame: state.frame_operator(&operator, "/operator"),
        blind: sources.iter().filter(|source| source.is_blind()).count(),
        off: context.sources.len() - sources.len(),
        sources,
    };
    Ok(html(&page).into_response())
}

/// One source.
pub(super) async fn one(Shared(state): Shared<State>, operator: Operator, Path(id): Path<String>) -> Answer {
    let context = &state.0.context;
    let Some(source) = context.source(&id) else { return Err(state.nothing_here()) };
    let wanted = id.clone();
    let read = context.store.read(move |tx| Ok((sources::all(tx)?, items::newest_of(tx, &wanted, RHYTHM)?)));
    let (all, newest) = read.await.map_err(failed(&state))?;
    let health = all.iter().find(|health| health.source == id).cloned().unwrap_or_default();
    let published: Vec<_> = newest.iter().filter_map(|(_, _, draft)| draft.item.published).collect();
    let page = One {
        rhythm: pictures::rhythm(&published),
        frame: state.frame_operator(&operator, "/operator"),
        csrf: operator.0.csrf.clone(),
        source: Watched::of(source, &all, context.clock.now()),
        url: source.url.to_string(),
        format: source.format.clone(),
        schedule: source.schedule_text.clone(),
        last_attempt: when(health.last_attempt),
        next_due: when(health.next_due),
        failures: health.failures,
        count: health.items,
        paused: health.paused.is_some(),
        enabled: source.enabled,
        off_because: source.off_because.clone().unwrap_or_default(),
        items: newest
            .into_iter()
            .take(ITEMS)
            .map(|(number, advisory, draft)| (number, advisory.0, draft.item.title, when(Some(draft.first_seen))))
            .collect(),
    };
    Ok(html(&page).into_response())
}

/// Reads a source as soon as the scheduler looks, which it does every second.
pub(super) async fn run(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Sent(operator, _): Sent<Operator>,
) -> Answer {
    change(&state, operator, id, "source run", |tx, id, _, now| sources::due_now(tx, id, now)).await
}

/// Reads a source no more until it is resumed.
pub(super) async fn pause(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Sent(operator, _): Sent<Operator>,
) -> Answer {
    change(&state, operator, id, "source paused", |tx, id, who, now| sources::pause(tx, id, Some(who), now)).await
}

/// Lets a source go on.
pub(super) async fn resume(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Sent(operator, _): Sent<Operator>,
) -> Answer {
    change(&state, operator, id, "source resumed", |tx, id, _, now| {
        sources::pause(tx, id, None, now)?;
        sources::due_now(tx, id, now)
    })
    .await
}

type Change =
    fn(&mut crate::store::Tx<'_>, &str, &str, crate::model::clock::Timestamp) -> Result<(), crate::store::StoreError>;

async fn change(
    state: &State,
    operator: Operator,
    id: String,
    action: &'static str,
    change: Change,
) -> Result<Response, Response> {
    let context: &Context = &state.0.context;
    if context.source(&id).is_none() {
        return Err(state.nothing_here());
    }
    let (to, now) = (format!("/operator/sources/{id}"), context.clock.now());
    done(state, &to, move |tx| {
        change(tx, &id, operator.0.email(), now)?;
        audit::add(tx, &operator.0.deed(action, &id, ""), now).map(Ok)
    })
    .await
}
