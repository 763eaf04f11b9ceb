//! The public pages: what is burning, every advisory, every platform, and whether we can see.

pub(super) mod advisories;
pub(super) mod advisory;
pub(super) mod home;
pub(super) mod outbox;
pub(super) mod platform;
pub(super) mod platforms;
pub(super) mod sources;

use askama::Template;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::cache::Made;
use super::{State, person, views};
use crate::store::StoreError;

/// Where the pages are not for everybody: shows them to who is signed in.
pub(super) async fn members_only(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    match person::person(&state, request.headers()).await {
        Ok(Some(_)) => next.run(request).await,
        Ok(None) => {
            let text = "What concerns you comes by mail, with links to change or stop it. Members sign in to see more.";
            let (_, page) = state.message("This Rattlewatch is not public", text, Some(("/sign-in", "Sign in")));
            let status = if request.uri().path() == "/" { StatusCode::OK } else { StatusCode::FORBIDDEN };
            (status, page).into_response()
        }
        Err(problem) => problem,
    }
}

/// A page that is kept for others.
fn made(template: &impl Template) -> Made {
    Made::new("text/html; charset=utf-8", views::html(template).0)
}

/// Everything else.
pub(super) async fn not_found(Shared(state): Shared<State>) -> Response {
    state.nothing_here()
}

/// The page where the database does not answer.
pub(super) fn unavailable(state: &State, error: &StoreError) -> Response {
    tracing::error!("A page cannot be made: {error}");
    let message = "The database cannot be used just now. The log says why.";
    state.problem(StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}
