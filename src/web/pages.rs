//! The pages: home, one advisory, and the letters where no relay is set.

use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::State;
use crate::config::sources::Source;
use crate::jobs::{route, shown};
use crate::model::advisory::{Advisory, AdvisoryId};
use crate::model::clock::Timestamp;
use crate::model::context::block;
use crate::model::health::{HealthState, SourceHealth};
use crate::model::platform::Tag;
use crate::model::tlp::Tlp;
use crate::store::deliveries::{Outbox, Shown};
use crate::store::{StoreError, Tx, advisories, deliveries, events, listing, sources};

/// Advisories shown on the home page.
const NEWEST: i64 = 30;
/// Letters that did not go out, shown on the home page.
const STUCK: i64 = 10;
/// Letters shown on the outbox page.
const LETTERS: usize = 200;

#[derive(Serialize)]
struct Line {
    id: String,
    title: String,
    severity: &'static str,
    exploited: bool,
    platforms: Vec<String>,
    /// Each platform with the words by which it was matched.
    matched: Vec<String>,
    source: String,
    when: String,
}

#[derive(Serialize)]
struct SourceLine {
    id: String,
    name: String,
    state: String,
    sees: bool,
    waits: bool,
    last_success: String,
    detail: String,
}

/// A delivery that did not go out as it should.
#[derive(Serialize)]
struct StuckLine {
    what: String,
    detail: String,
}

type Loaded = (Vec<Advisory>, Vec<SourceHealth>, Outbox, Vec<Shown>);

fn load(tx: &mut Tx<'_>) -> Result<Loaded, StoreError> {
    let newest = listing::select(tx, &listing::Filter { public: true, ..listing::Filter::default() }, NEWEST)?;
    let mut stuck = deliveries::newest(tx, Some("dead"), STUCK)?;
    stuck.extend(deliveries::newest(tx, Some("queued"), STUCK)?.into_iter().filter(|shown| shown.attempts > 0));
    Ok((newest, sources::all(tx)?, deliveries::outbox(tx)?, stuck))
}

/// The latest advisories and whether each source can be read.
pub(super) async fn home(Shared(state): Shared<State>) -> Response {
    let context = &state.0.context;
    let (newest, health, outbox, stuck) = match context.store.read(load).await {
        Ok(loaded) => loaded,
        Err(error) => return unavailable(&state, &error),
    };
    let lines: Vec<Line> = newest.iter().map(|advisory| line(&state, advisory)).collect();
    let enabled = context.sources.iter().filter(|source| source.enabled);
    let watched: Vec<SourceLine> = enabled.map(|source| source_line(source, &health, context.clock.now())).collect();
    let stuck: Vec<StuckLine> = stuck.iter().map(stuck_line).collect();
    let blind = watched.iter().filter(|source| !source.sees && !source.waits).count();
    let values = context! {
        lines => Value::from(Serde(lines)), blind, outbox => Value::from(Serde(outbox)),
        sources => Value::from(Serde(watched)), stuck => Value::from(Serde(stuck)),
        letters => state.0.outbox.is_some(), now => when(Some(context.clock.now())),
    };
    state.0.views.render("home.html", values).into_response()
}

fn source_line(source: &Source, all: &[SourceHealth], now: Timestamp) -> SourceLine {
    let health = all.iter().find(|health| health.source == source.id).cloned().unwrap_or_default();
    let standing = health.standing(true, source.silent_days, now);
    let stands_by = route::stands_by(source, all);
    SourceLine {
        id: source.id.clone(),
        name: source.name.clone(),
        state: if stands_by { "stands by".to_owned() } else { standing.to_string() },
        sees: stands_by || standing.sees(),
        waits: standing == HealthState::New,
        last_success: when(health.last_success),
        detail: health.advice(standing, source.silent_days),
    }
}

fn stuck_line(shown: &Shown) -> StuckLine {
    let state = if shown.state == "dead" { "given up" } else { "to be tried again" };
    StuckLine {
        what: format!("{} to {}, {state} after {} tries", shown.kind, masked(&shown.to), shown.attempts),
        detail: shown.detail.clone(),
    }
}

/// An address without most of its local part: the page may be seen by more people than the mail.
fn masked(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", local.chars().next().unwrap_or('*')),
        None => "***".to_owned(),
    }
}

fn matched(state: &State, tag: &Tag) -> String {
    format!("{}: {}", state.0.context.platform_name(&tag.platform), tag.because())
}

fn line(state: &State, advisory: &Advisory) -> Line {
    let content = &advisory.content;
    Line {
        id: advisory.id.0.clone(),
        title: content.title.clone(),
        severity: content.severity.as_str(),
        exploited: content.exploitation.exploited,
        platforms: content.platforms().map(|id| state.0.context.platform_name(id)).collect(),
        matched: content.affected().map(|tag| matched(state, tag)).collect(),
        source: content.references.first().map(|reference| reference.name.clone()).unwrap_or_default(),
        when: when(Some(advisory.revised_at)),
    }
}

fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_jiff().strftime("%d %b %Y %H:%M UTC").to_string())
}

/// One advisory, with its sources and what happened to it.
pub(super) async fn advisory(Shared(state): Shared<State>, Path(id): Path<String>) -> Response {
    let id = AdvisoryId(id);
    let asked = id.clone();
    let loaded = state
        .0
        .context
        .store
        .read(move |tx| {
            let Some(current) = advisories::current(tx, &id)? else { return Ok(None) };
            let Some(advisory) = advisories::get(tx, &current)?.filter(|found| found.content.tlp == Tlp::Clear) else {
                return Ok(None);
            };
            Ok(Some((events::of_advisory(tx, &current)?, shown::with_newest_scores(tx, advisory)?)))
        })
        .await;
    match loaded {
        Err(error) => unavailable(&state, &error),
        Ok(None) => state.0.views.problem(StatusCode::NOT_FOUND, "There is no such advisory.").into_response(),
        // What was merged into another advisory leads there.
        Ok(Some((_, advisory))) if advisory.id != asked => {
            Redirect::temporary(&format!("/advisories/{}", advisory.id)).into_response()
        }
        Ok(Some((events, advisory))) => {
            let content = &advisory.content;
            let events: Vec<_> = events.iter().map(|event| context! { kind => event.kind.as_str(), at => when(Some(event.at)), reasons => event.reasons.clone() }).collect();
            let topics = block(content, &|id| state.0.context.platform_name(id));
            let values = context! {
                line => Value::from(Serde(line(&state, &advisory))), topics => Value::from(Serde(topics)), events,
                summary => content.summary.clone(), cves => content.cves.iter().map(ToString::to_string).collect::<Vec<_>>(),
                first_seen => when(Some(content.first_seen)), revision => advisory.revision,
            };
            state.0.views.render("advisory.html", values).into_response()
        }
    }
}

/// The letters that were written to files. Only for a browser on this machine: letters name their recipients.
pub(super) async fn outbox(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let Some(folder) = folder(&state, &headers) else { return no_letters(&state) };
    let names = tokio::task::spawn_blocking(move || letters(&folder)).await.unwrap_or_default();
    state.0.views.render("outbox.html", context! { names }).into_response()
}

/// One letter, as it was written.
pub(super) async fn letter(Shared(state): Shared<State>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(folder) = folder(&state, &headers) else { return no_letters(&state) };
    let known = tokio::task::spawn_blocking(move || {
        letters(&folder).contains(&name).then(|| std::fs::read(folder.join(&name)))
    })
    .await;
    match known {
        Ok(Some(Ok(bytes))) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response(),
        _ => state.0.views.problem(StatusCode::NOT_FOUND, "There is no such letter.").into_response(),
    }
}

/// The folder of letters, for a request whose Host is this machine's loopback: a page elsewhere cannot forge that.
fn folder(state: &State, headers: &HeaderMap) -> Option<PathBuf> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = name == "localhost"
        || host
            .parse::<SocketAddr>()
            .map(|address| address.ip())
            .or_else(|_| name.trim_matches(['[', ']']).parse())
            .is_ok_and(|ip| ip.is_loopback());
    state.0.outbox.clone().filter(|_| local)
}

fn no_letters(state: &State) -> Response {
    let message = "Letters are shown only where no mail relay is set, and only to a browser on the same machine (http://localhost).";
    state.0.views.problem(StatusCode::NOT_FOUND, message).into_response()
}

/// The names of the newest letters, newest first.
fn letters(folder: &FilePath) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".eml"))
        .collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.truncate(LETTERS);
    names
}

/// Everything else.
pub(super) async fn not_found(Shared(state): Shared<State>) -> (StatusCode, Html<String>) {
    state.0.views.problem(StatusCode::NOT_FOUND, "There is no such page.")
}

fn unavailable(state: &State, error: &StoreError) -> Response {
    tracing::error!("A page cannot be made: {error}");
    state
        .0
        .views
        .problem(StatusCode::SERVICE_UNAVAILABLE, "The database cannot be used just now. The log says why.")
        .into_response()
}
