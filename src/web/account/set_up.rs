//! The first start: whoever has the link that it printed becomes the operator. There is no account before that.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::State;
use super::super::form::Posted;
use super::super::person::set_cookie;
use super::super::views::{Frame, Page, html};
use super::sign_in::agent;
use crate::jobs::accounts;
use crate::model::address::EmailAddress;

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUp<'a> {
    frame: Frame,
    token: &'a str,
    email: &'a str,
    fault: &'a str,
}

fn page(state: &State, token: &str, email: &str, fault: &str) -> Page {
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, html(&SetUp { frame: state.frame(""), token, email, fault }))
}

/// Asks for the operator's address.
pub(in super::super) async fn form(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    let wanted = token.clone();
    match state.0.context.store.read(move |tx| accounts::sets_up(tx, &wanted)).await {
        Ok(true) => page(&state, &token, "", ""),
        Ok(false) => over(&state),
        Err(error) => state.fault("The set-up", &error),
    }
}

/// Makes the operator.
pub(in super::super) async fn save(
    Shared(state): Shared<State>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let typed = Posted::read(&body).one("email");
    let email = match EmailAddress::parse(&typed) {
        Ok(email) => email,
        Err(fault) => return page(&state, &token, &typed, &fault).into_response(),
    };
    let (now, agent) = (state.0.context.clock.now(), agent(&headers));
    match state.0.context.store.write(move |tx| accounts::set_up(tx, &token, &email, &agent, now)).await {
        Ok(Some(cookie)) => (set_cookie(&state, &cookie), Redirect::to("/operator")).into_response(),
        Ok(None) => over(&state).into_response(),
        Err(error) => state.fault("The set-up", &error).into_response(),
    }
}

fn over(state: &State) -> Page {
    let message = "This link does not work any more. Where there is an operator already, sign in on /sign-in; else restart the \
                   program, which prints a new link.";
    state.problem(StatusCode::GONE, message)
}
