//! Preferences: what a recipient gets, changed through the link in each mail. Nothing changes by a GET.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Html;

use super::State;
use super::form::{Posted, Shown, shown};
use super::views::{Frame, Page, html};
use crate::jobs::{audience, letters};
use crate::model::audience::{Follow, Subscription};
use crate::store::{StoreError, organizations, subscriptions};

#[derive(Template)]
#[template(path = "preferences.html")]
struct Preferences<'a> {
    frame: Frame,
    token: &'a str,
    stop: String,
    form: Shown,
    email: &'a str,
    consent: &'a str,
    saved: &'a str,
    fault: &'a str,
}

#[derive(Template)]
#[template(path = "erase.html")]
struct Erase<'a> {
    frame: Frame,
    token: &'a str,
    email: &'a str,
}

/// The subscription that a token names, with what its stacks are called.
async fn found(state: &State, token: &str) -> Result<(Subscription, Vec<String>), Page> {
    let context = &state.0.context;
    let Some(id) = letters::opened(&context.secret, "preferences", token) else {
        let message = "This link is not complete. Please use the whole link from the mail.";
        return Err(state.problem(StatusCode::NOT_FOUND, message));
    };
    let read = context.store.read(move |tx| {
        let Some(found) = subscriptions::get(tx, &id)? else { return Ok(None) };
        let mut names = Vec::new();
        for follow in &found.wish.follows {
            names.push(match follow {
                Follow::Stack(owner) => format!("All that {} runs", organizations::written(tx, owner)?),
                Follow::Category(word) => format!("Every {} product", word.replace('-', " ")),
                Follow::Vendor(name) => format!("Everything by {name}"),
            });
        }
        Ok::<_, StoreError>(Some((found, names)))
    });
    match read.await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(state.problem(
            StatusCode::GONE,
            "This address is not subscribed any more. To hear of what you run again, ask on /subscribe.",
        )),
        Err(error) => Err(state.fault("Preferences", &error)),
    }
}

fn page(
    state: &State,
    token: &str,
    (subscription, names): &(Subscription, Vec<String>),
    said: (&str, &str),
) -> Html<String> {
    let wish = &subscription.wish;
    let named = |follow: &Follow| {
        let at = wish.follows.iter().position(|known| known == follow);
        at.and_then(|at| names.get(at)).cloned().unwrap_or_default()
    };
    let form = shown(&state.0.context, wish, &named);
    let stop = format!("/u/{}", letters::token(&state.0.context.secret, &subscription.id));
    html(&Preferences {
        frame: state.frame(""),
        token,
        stop,
        form,
        email: &subscription.email,
        consent: &subscription.consent,
        saved: said.0,
        fault: said.1,
    })
}

/// Shows what the recipient gets.
pub(super) async fn show(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    match found(&state, &token).await {
        Ok(found) => (StatusCode::OK, page(&state, &token, &found, ("", ""))),
        Err(page) => page,
    }
}

/// Stores what the recipient wants from now on.
pub(super) async fn save(Shared(state): Shared<State>, Path(token): Path<String>, body: Bytes) -> Page {
    let before = match found(&state, &token).await {
        Ok(found) => found,
        Err(page) => return page,
    };
    let context = &state.0.context;
    let wish = match Posted::read(&body).wish(context, &before.0.wish) {
        Ok(wish) => wish,
        Err(fault) => return (StatusCode::UNPROCESSABLE_ENTITY, page(&state, &token, &before, ("", &fault))),
    };
    let (working, id, now) = (context.clone(), before.0.id.clone(), context.clock.now());
    let stored = context.store.write(move |tx| audience::change(tx, &working.catalog, &id, &wish, now)).await;
    if let Err(error) = stored {
        return state.fault("Preferences", &error);
    }
    match found(&state, &token).await {
        Ok(found) => (StatusCode::OK, page(&state, &token, &found, ("Saved. It holds from now on.", ""))),
        Err(page) => page,
    }
}

/// Asks whether to be forgotten. Changes nothing.
pub(super) async fn ask_erase(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    match found(&state, &token).await {
        Ok((subscription, _)) => {
            (StatusCode::OK, html(&Erase { frame: state.frame(""), token: &token, email: &subscription.email }))
        }
        Err(page) => page,
    }
}

/// Forgets the recipient.
pub(super) async fn erase(Shared(state): Shared<State>, Path(token): Path<String>) -> Page {
    let subscription = match found(&state, &token).await {
        Ok((subscription, _)) => subscription,
        Err(page) => return page,
    };
    let context = &state.0.context;
    let (secret, now) = (context.secret.clone(), context.clock.now());
    let work = move |tx: &mut crate::store::Tx<'_>| match subscriptions::address(tx, &subscription.id)? {
        Some((_, key)) => audience::erase(tx, &secret, &key, "the recipient", now),
        None => Ok(0),
    };
    match context.store.write(work).await {
        Ok(_) => {
            let text = "Your address and what you asked for are deleted. A code that cannot be turned back into the \
                        address is kept, so that no list brings it back.";
            state.message("You are forgotten", text, None)
        }
        Err(error) => state.fault("An erasure", &error),
    }
}
