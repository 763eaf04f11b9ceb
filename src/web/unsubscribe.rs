//! Leaving: a link that only asks (scanners follow links), and a form or a mail program's one click that does it
//! (RFC 8058 section 3.2: no cookie, no sign-in, no redirect; a repeat is as good as the first).

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;

use super::State;
use super::views::{Frame, Page, html};
use crate::jobs::{audience, letters};
use crate::store::StoreError;

#[derive(Template)]
#[template(path = "unsubscribe.html")]
struct Leaving<'a> {
    frame: Frame,
    token: &'a str,
    done: bool,
}

fn page(state: &State, token: &str, done: bool) -> Page {
    (StatusCode::OK, html(&Leaving { frame: state.frame(""), token, done }))
}

/// Asks whether to leave. Changes nothing.
pub(super) async fn ask(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    if letters::subscription_of(&state.0.context.secret, &token).is_none() {
        return not_ours(&state);
    }
    page(&state, &token, false)
}

/// Ends the subscription.
pub(super) async fn leave(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    let context = &state.0.context;
    let Some(id) = letters::subscription_of(&context.secret, &token) else { return not_ours(&state) };
    let (secret, now) = (context.secret.clone(), context.clock.now());
    let ended: Result<bool, StoreError> = context.store.write(move |tx| audience::end(tx, &secret, &id, now)).await;
    match ended {
        Ok(_) => page(&state, &token, true),
        Err(error) => state.fault("An unsubscribe", &error),
    }
}

fn not_ours(state: &State) -> Page {
    state.problem(StatusCode::NOT_FOUND, "This link is not complete. Please use the whole link from the mail.")
}
