//! Signing in: an address, a mailed link, and a button.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::State;
use super::super::form::Posted;
use super::super::person::{self, set_cookie};
use super::super::views::{Frame, Page, html};
use crate::jobs::accounts;
use crate::model::address::EmailAddress;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    frame: Frame,
    email: &'a str,
    next: &'a str,
    fault: &'a str,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct Link<'a> {
    frame: Frame,
    token: &'a str,
    email: &'a str,
}

/// A path of ours to go to; home where it is none. Nothing that a browser could take for another host gets through.
fn ours(next: &str) -> String {
    let inside = next.starts_with('/') && !next.starts_with("//");
    let plain = next.len() <= 200 && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if inside && plain { next.to_owned() } else { "/me".to_owned() }
}

/// Asks for an address; who is signed in goes on.
pub(in super::super) async fn form(
    Shared(state): Shared<State>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let next = ours(&Posted::read(query.unwrap_or_default().as_bytes()).one("next"));
    match person::person(&state, &headers).await {
        Ok(Some(_)) => Redirect::to(&next).into_response(),
        Ok(None) => page(&state, "", &next, "").into_response(),
        Err(problem) => problem,
    }
}

fn page(state: &State, email: &str, next: &str, fault: &str) -> Page {
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, html(&SignIn { frame: state.frame("/sign-in"), email, next, fault }))
}

/// Queues the link.
pub(in super::super) async fn ask(Shared(state): Shared<State>, body: Bytes) -> Page {
    let posted = Posted::read(&body);
    let (typed, next) = (posted.one("email"), ours(&posted.one("next")));
    let email = match EmailAddress::parse(&typed) {
        Ok(email) => email,
        Err(fault) => return page(&state, &typed, &next, &fault),
    };
    let context = &state.0.context;
    let (secret, now) = (context.secret.clone(), context.clock.now());
    match context.store.write(move |tx| accounts::ask_link(tx, &secret, &email, &next, now)).await {
        Ok(asked) => {
            tracing::info!("A request to sign in: {asked:?}");
            context.queued.notify_one();
            let text = format!(
                "If this address belongs to somebody here, a link is on its way. It works once, within {} minutes.",
                accounts::LINK_MINUTES
            );
            state.message("Look into your mailbox", &text, None)
        }
        Err(error) => state.fault("A request to sign in", &error),
    }
}

/// Shows the button. Changes nothing: mail scanners follow links.
pub(in super::super) async fn link(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    let context = &state.0.context;
    let (secret, now, wanted) = (context.secret.clone(), context.clock.now(), token.clone());
    match context.store.read(move |tx| accounts::link_of(tx, &secret, &wanted, now)).await {
        Ok(Some(link)) => {
            (StatusCode::OK, html(&Link { frame: state.frame("/sign-in"), token: &token, email: &link.email }))
        }
        Ok(None) => over(&state),
        Err(error) => state.fault("A sign-in", &error),
    }
}

/// Signs in.
pub(in super::super) async fn enter(
    Shared(state): Shared<State>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let context = &state.0.context;
    let (secret, now, agent) = (context.secret.clone(), context.clock.now(), agent(&headers));
    match context.store.write(move |tx| accounts::sign_in(tx, &secret, &token, &agent, now)).await {
        Ok(Some((cookie, next))) => (set_cookie(&state, &cookie), Redirect::to(&next)).into_response(),
        Ok(None) => over(&state).into_response(),
        Err(error) => state.fault("A sign-in", &error).into_response(),
    }
}

/// What the browser calls itself.
pub(super) fn agent(headers: &HeaderMap) -> String {
    let said = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    said.unwrap_or("a browser that does not say its name").to_owned()
}

fn over(state: &State) -> Page {
    let message =
        "This link does not work any more: it was used, or is older than 15 minutes. Ask for a new one on /sign-in.";
    state.problem(StatusCode::GONE, message)
}

#[cfg(test)]
mod tests {
    use super::ours;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for next in ["/o/org-1/board", "/me", "/advisories?q=x"] {
            assert_eq!(ours(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nX: y",
            "/a b",
            "\\\\evil",
        ] {
            assert_eq!(ours(next), "/me", "{next}");
        }
        assert_eq!(ours(&format!("/{}", "a".repeat(300))), "/me");
    }
}
