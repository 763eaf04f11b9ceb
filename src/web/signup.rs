//! Signing up: a form that anybody may fill in, a mailed question, and a yes that only a button gives.
//!
//! Whoever asks sees the same page, whether the address is known, suppressed or new: nobody learns who is subscribed.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::State;
use super::cache::Made;
use super::form::{Posted, Shown, shown};
use super::views::{Frame, Page, html};
use crate::jobs::audience::{self, Confirmed};
use crate::jobs::letters;
use crate::model::address::EmailAddress;
use crate::model::audience::{Floor, Wish};
use crate::model::platform::PlatformId;
use crate::model::topic::Topic;
use crate::store::subscriptions::Recipient;

#[derive(Template)]
#[template(path = "subscribe.html")]
struct Subscribe<'a> {
    frame: Frame,
    form: Shown,
    email: &'a str,
    fault: &'a str,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm<'a> {
    frame: Frame,
    token: &'a str,
}

/// The form, empty but for platforms that the address names.
pub(super) async fn form(Shared(state): Shared<State>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    if !state.0.context.web.signup {
        return closed(&state).into_response();
    }
    let named = Posted::read(query.unwrap_or_default().as_bytes()).all("platform");
    let known = named.into_iter().filter(|id| state.0.context.catalog.get(id).is_some());
    let platforms = known.map(PlatformId).collect();
    let topics = vec![Topic::Msp, Topic::Ransomware];
    let usual = Wish { instant: true, platforms, topics, floor: Floor::High, ..Wish::default() };
    Made::new("text/html; charset=utf-8", page(&state, &usual, "", "").0).answer(&headers)
}

fn page(state: &State, wish: &Wish, email: &str, fault: &str) -> Html<String> {
    let form = shown(&state.0.context, wish, &ToString::to_string);
    let form = Shown { guess: true, ..form };
    html(&Subscribe { frame: state.frame("/subscribe"), form, email, fault })
}

fn closed(state: &State) -> Page {
    state.problem(StatusCode::NOT_FOUND, "Ask the one who runs this Rattlewatch to add you.")
}

/// Queues the question.
pub(super) async fn ask(Shared(state): Shared<State>, body: Bytes) -> Page {
    let context = &state.0.context;
    if !context.web.signup {
        return closed(&state);
    }
    let posted = Posted::read(&body);
    let typed = posted.one("email");
    let checked =
        EmailAddress::parse(&typed).and_then(|email| posted.wish(context, &Wish::default()).map(|wish| (email, wish)));
    let (email, wish) = match checked {
        Ok(checked) => checked,
        Err(fault) => return (StatusCode::UNPROCESSABLE_ENTITY, page(&state, &Wish::default(), &typed, &fault)),
    };
    let recipient = Recipient::mailbox(email.as_str(), &email.key());
    let (secret, now) = (context.secret.clone(), context.clock.now());
    match context.store.write(move |tx| audience::ask(tx, &secret, &recipient, &wish, now)).await {
        Ok(asked) => {
            tracing::info!("A request to be mailed: {asked:?}");
            context.queued.notify_one();
            let text = "If this address can be mailed, a question is on its way. Nothing else comes before you say yes \
                        through the link in it. The link holds for seven days.";
            state.message("Look into your mailbox", text, None)
        }
        Err(error) => state.fault("A request to be mailed", &error),
    }
}

/// Asks for the yes. Changes nothing: mail scanners follow links.
pub(super) async fn question(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    if audience::signup_of(&state.0.context.secret, &token).is_none() {
        return incomplete(&state);
    }
    (StatusCode::OK, html(&Confirm { frame: state.frame(""), token: &token }))
}

/// Takes the yes.
pub(super) async fn confirm(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    let context = &state.0.context;
    let Some(signup) = audience::signup_of(&context.secret, &token) else { return incomplete(&state) };
    let (working, now) = (context.clone(), context.clock.now());
    let confirmed =
        context.store.write(move |tx| audience::confirm(tx, &working.catalog, &working.secret, &signup, now)).await;
    match confirmed {
        Ok(Confirmed::Yes(subscription)) => {
            context.queued.notify_one();
            let link = format!("/p/{}", letters::signed(&context.secret, "preferences", &subscription));
            let text = "A first mail is on its way: what is open now for what you run.";
            state.message("You are subscribed", text, Some((&link, "Change what you get")))
        }
        Ok(Confirmed::Expired) => state
            .problem(StatusCode::GONE, "This question is more than seven days old. Please ask again on /subscribe."),
        Ok(Confirmed::Unknown) => incomplete(&state),
        Err(error) => state.fault("A confirmation", &error),
    }
}

fn incomplete(state: &State) -> Page {
    state.problem(StatusCode::NOT_FOUND, "This link is not complete. Please use the whole link from the mail.")
}
