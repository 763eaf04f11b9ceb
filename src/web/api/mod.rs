//! The API: what the pages show, for programs. `docs/API.md` tells how to use it.
//!
//! ```text
//! request -> caller (token, pace) -> query, body (strict) -> a resource -> answer (tag, 304) | problem (RFC 9457)
//! ```
//!
//! A resource is one file: its shapes, its handlers and their description, from which router and document are made
//! together. To add one, write the file and name it in [`resources`].

mod advisories;
mod advisory;
mod answer;
mod body;
mod caller;
mod clients;
mod deliveries;
mod document;
mod facts;
mod page;
mod platforms;
mod problem;
mod query;
mod responses;
mod shape;
mod sources;
mod stack;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use utoipa_axum::router::OpenApiRouter;

use super::cache::Made;
use super::{PATIENCE, State, pages};
use caller::Caller;
use problem::Problem;
use query::{Asked, Nothing};

/// Every resource, in the order in which the document tells of them.
fn resources() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .merge(advisories::routes())
        .merge(platforms::routes())
        .merge(sources::routes())
        .merge(clients::routes())
        .merge(stack::routes())
        .merge(subscriptions::routes())
        .merge(deliveries::routes())
        .merge(responses::routes())
}

/// Every route of the API, and its document for programs and for people.
pub(super) fn routes(state: &State) -> Router<State> {
    let (router, described) = OpenApiRouter::new().nest("/api/v1", resources()).split_for_parts();
    let document = Arc::new(document::finished(&described, &state.0.context));
    let sent = Made::new("application/json", document.to_string());
    let json = move |caller: Caller, _: Asked<Nothing>, headers: HeaderMap| {
        let sent = sent.clone();
        async move { sent.answer_as(&headers, caller.kept()) }
    };
    let page = Router::new().route("/api", get(page::show).layer(axum::Extension(document)));
    let page = match state.0.context.web.public_pages {
        true => page,
        false => page.layer(middleware::from_fn_with_state(state.clone(), pages::members_only)),
    };
    router
        .route("/api/openapi.json", get(json))
        .merge(page)
        .route("/api/", any(absent))
        .route("/api/{*rest}", any(absent))
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn(in_time))
}

async fn absent() -> Problem {
    Problem::absent()
}

async fn not_allowed(method: Method) -> Problem {
    let detail = format!("Nothing is done here by {method}; the header Allow says what is.");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Answers a request that is not at its end in time, a little before the server gives it up.
async fn in_time(request: Request, next: Next) -> Response {
    let patience = PATIENCE.saturating_sub(Duration::from_secs(1));
    let late = || Problem::new(StatusCode::REQUEST_TIMEOUT, "The request took too long; try again.").into_response();
    tokio::time::timeout(patience, next.run(request)).await.unwrap_or_else(|_| late())
}
