//! A person's own page: where they belong, and where they are signed in.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::super::State;
use super::super::lines::When;
use super::super::person::{Person, Sent, set_cookie};
use super::super::views::{Frame, html};
use crate::jobs::letters;
use crate::store::accounts::{self, Membership};
use crate::store::{audit, subscriptions};

/// A session as the page shows it.
struct Shown {
    id: String,
    agent: String,
    began: When,
    seen: When,
    here: bool,
}

#[derive(Template)]
#[template(path = "me.html")]
struct Me {
    frame: Frame,
    email: String,
    csrf: String,
    operator: bool,
    memberships: Vec<Membership>,
    /// Where the person's own mail is settled: a link, and for whom.
    mails: Vec<(String, String)>,
    sessions: Vec<Shown>,
}

/// Where somebody belongs and is signed in.
pub(in super::super) async fn show(Shared(state): Shared<State>, person: Person) -> Response {
    let context = &state.0.context;
    let key = person.session.email_key.clone();
    let read =
        context.store.read(move |tx| Ok((accounts::sessions(tx, &key)?, subscriptions::of_address(tx, &key)?))).await;
    let (sessions, own) = match read {
        Ok(read) => read,
        Err(error) => return state.fault("A page", &error).into_response(),
    };
    let place = |id: &str| person.memberships.iter().find(|one| one.organization == id);
    let mails = own.iter().map(|one| {
        let link = format!("/p/{}", letters::signed(&context.secret, "preferences", &one.id));
        let whose = place(&one.organization).map_or("your own subscription".to_owned(), |one| one.name.clone());
        (link, whose)
    });
    let shown = sessions.into_iter().map(|session| Shown {
        here: session.id == person.session.id,
        id: session.id,
        agent: session.agent,
        began: When::at(session.created_at),
        seen: When::at(session.seen_at),
    });
    let page = Me {
        frame: state.frame_of(&person, "/me"),
        email: person.email().to_owned(),
        csrf: person.csrf.clone(),
        operator: person.operator,
        memberships: person.memberships.clone(),
        mails: mails.collect(),
        sessions: shown.collect(),
    };
    html(&page).into_response()
}

/// Ends this session.
pub(in super::super) async fn sign_out(Shared(state): Shared<State>, Sent(person, _): Sent<Person>) -> Response {
    let id = person.session.id.clone();
    match end(&state, &person, Some(id)).await {
        Ok(()) => {
            let page = state.message(
                "You are signed out",
                "The next sign-in takes a new link.",
                Some(("/sign-in", "Sign in")),
            );
            (set_cookie(&state, ""), page).into_response()
        }
        Err(problem) => problem,
    }
}

/// Ends every session of the person.
pub(in super::super) async fn sign_out_everywhere(
    Shared(state): Shared<State>,
    Sent(person, _): Sent<Person>,
) -> Response {
    match end(&state, &person, None).await {
        Ok(()) => {
            let text = "Every browser that was signed in as you is signed out, and links that were not used are void.";
            (
                set_cookie(&state, ""),
                state.message("You are signed out everywhere", text, Some(("/sign-in", "Sign in"))),
            )
                .into_response()
        }
        Err(problem) => problem,
    }
}

/// Ends one session of the person.
pub(in super::super) async fn end_session(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    Sent(person, _): Sent<Person>,
) -> Response {
    match end(&state, &person, Some(id)).await {
        Ok(()) => Redirect::to("/me").into_response(),
        Err(problem) => problem,
    }
}

async fn end(state: &State, person: &Person, id: Option<String>) -> Result<(), Response> {
    let (person, now) = (person.clone(), state.0.context.clock.now());
    let ended = state
        .0
        .context
        .store
        .write(move |tx| {
            let key = &person.session.email_key;
            let ended = match &id {
                Some(id) => accounts::end(tx, key, id)?,
                None => accounts::end_all(tx, key)? > 0,
            };
            if ended {
                audit::add(tx, &person.deed("signed out", id.as_deref().unwrap_or("everywhere"), ""), now)?;
            }
            Ok(ended)
        })
        .await;
    match ended {
        Ok(true) => Ok(()),
        Ok(false) => Err(state.problem(StatusCode::NOT_FOUND, "There is no such session any more.").into_response()),
        Err(error) => Err(state.fault("A sign-out", &error).into_response()),
    }
}
