//! The public pages: what is burning, every advisory, every platform, and whether we can see.

pub(super) mod advisories;
pub(super) mod advisory;
pub(super) mod home;
pub(super) mod outbox;
pub(super) mod platform;
pub(super) mod platforms;
pub(super) mod sources;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::State;
use super::cache::Made;
use super::views::{self, Page};
use crate::store::StoreError;

/// In place of the pages, where they are not for everybody.
pub(super) async fn closed(Shared(state): Shared<State>) -> Page {
    state.message(
        "This Rattlewatch is not public",
        "What concerns you comes by mail, with links to change or stop it.",
        None,
    )
}

/// A page that is kept for others.
fn made(template: &impl Template) -> Made {
    Made::new("text/html; charset=utf-8", views::html(template).0)
}

/// Everything else.
pub(super) async fn not_found(Shared(state): Shared<State>) -> Page {
    state.problem(StatusCode::NOT_FOUND, "There is no such page.")
}

/// The page where the database does not answer.
pub(super) fn unavailable(state: &State, error: &StoreError) -> Response {
    tracing::error!("A page cannot be made: {error}");
    let message = "The database cannot be used just now. The log says why.";
    state.problem(StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}
