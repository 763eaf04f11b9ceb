//! `/sources`: where it is looked, and whether it can be seen. A source that cannot be read never looks like a quiet one.

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{made, public};
use super::caller::Caller;
use super::problem::Problem;
use super::query::{Asked, Nothing};
use super::shape::{HealthWord, Instant, SourceKindWord, unless_empty};
use crate::config::sources::Source as Configured;
use crate::jobs::route;
use crate::model::clock::Timestamp;
use crate::model::health::{HealthState, SourceHealth};
use crate::store::sources;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A place where advisories are published.
#[derive(Serialize, ToSchema)]
struct Source {
    /// Its id.
    id: String,
    /// As people know it.
    name: String,
    /// Who publishes it.
    publisher: String,
    kind: SourceKindWord,
    /// The country whose authority it is (`US`, `DE`, `EU`); null for others.
    country: Option<String>,
    state: HealthWord,
    /// Whether what it publishes reaches us. False: it cannot be read, or has been silent for too long, so that no news from
    /// it says nothing. Null: it has not been tried, or is not watched now.
    sees: Option<bool>,
    /// When it was last tried; null for never.
    last_attempt_at: Option<Instant>,
    /// When it was last read or found unchanged; null for never.
    last_success_at: Option<Instant>,
    /// The date of its newest item; null where none is known.
    newest_item_at: Option<Instant>,
    /// Tries that failed since it was last read.
    #[schema(minimum = 0)]
    failures: i64,
    /// What is the matter, and what to do; null where all is well.
    detail: Option<String>,
}

impl Source {
    fn of(source: &Configured, all: &[SourceHealth], now: Timestamp) -> Self {
        let health = all.iter().find(|health| health.source == source.id).cloned().unwrap_or_default();
        let standing = health.standing(source.enabled, source.silent_days, now);
        let stands_by = source.enabled && route::stands_by(source, all);
        let (state, sees) = match standing {
            HealthState::Off | HealthState::Paused | HealthState::New if !stands_by => (standing.as_str(), None),
            _ if stands_by => ("standby", None),
            _ => (standing.as_str(), Some(standing.sees())),
        };
        let detail = match standing {
            // Who paused it is nobody's business here.
            HealthState::Paused => "paused by an operator, so nothing is read until somebody resumes it".to_owned(),
            HealthState::Off => source.off_because.clone().unwrap_or_default(),
            _ => health.advice(standing, source.silent_days),
        };
        Self {
            id: source.id.clone(),
            name: source.name.clone(),
            publisher: source.publisher.clone(),
            kind: source.kind.as_str().into(),
            country: unless_empty(&source.country),
            state: state.into(),
            sees,
            last_attempt_at: health.last_attempt.map(Instant),
            last_success_at: health.last_success.map(Instant),
            newest_item_at: health.last_news.map(Instant),
            failures: health.failures,
            detail: unless_empty(&detail),
        }
    }
}

/// Every source.
#[derive(Serialize, ToSchema)]
struct SourceList {
    /// How many of those that are watched can be read.
    #[schema(minimum = 0)]
    seen: usize,
    /// How many of those that are watched cannot be read, or have been silent for too long.
    #[schema(minimum = 0)]
    blind: usize,
    /// The sources, by id.
    items: Vec<Source>,
}

/// List the sources and whether each can be read
///
/// Ask this before you take silence for good news.
#[utoipa::path(get, path = "/sources", tag = "Sources", operation_id = "listSources",
    responses((status = 200, description = "Every source, also those that are off.", body = SourceList)),
    security((), ("token" = ["read"])))]
async fn list(Shared(state): Shared<State>, caller: Caller, _: Asked<Nothing>, headers: HeaderMap) -> Response {
    let make = async {
        let context = &state.0.context;
        let health = context.store.read(sources::all).await.map_err(|error| Problem::fault(&error))?;
        let now = context.clock.now();
        let mut items: Vec<Source> = context.sources.iter().map(|source| Source::of(source, &health, now)).collect();
        items.sort_by(|a, b| a.id.cmp(&b.id));
        let count = |sees| items.iter().filter(|source| source.sees == Some(sees)).count();
        Ok(made(&SourceList { seen: count(true), blind: count(false), items })?)
    };
    public(&state, &caller, &headers, "/api/v1/sources".to_owned(), make).await
}
