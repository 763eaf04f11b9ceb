//! API tokens of an organization: which programs act for it, what they may do, and until when.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::lines::{day, when};
use super::super::person::{Place, Sent};
use super::super::views::{Frame, html};
use super::{Answer, absent, back, failed, refused};
use crate::jobs::api_tokens::{self as job, Asked, DAYS_MAX};
use crate::model::api_token::{ApiToken, Scope};
use crate::model::audience::Role;
use crate::model::clock::Timestamp;
use crate::store::api_tokens;

/// How long a new token may hold, in days; the first is proposed.
const LIVES: [(u64, &str); 4] = [(365, "a year"), (90, "90 days"), (30, "30 days"), (DAYS_MAX, "two years")];

/// A token as the page shows it.
struct Row {
    id: String,
    name: String,
    may: &'static str,
    holds: bool,
    state: &'static str,
    until: String,
    used: String,
    made_by: String,
}

impl Row {
    fn of(token: ApiToken, now: Timestamp) -> Self {
        let state = token.standing(now);
        Self {
            may: if token.may(Scope::Write) { "read and write" } else { "read" },
            holds: state == "holds",
            state,
            until: day(Some(token.expires_at)),
            used: when(token.last_used_at),
            made_by: token.created_by,
            name: token.name,
            id: token.id,
        }
    }
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    frame: Frame,
    base: String,
    csrf: String,
    rows: Vec<Row>,
    lives: [(u64, &'static str); 4],
    /// The text of the token that was just made: it is shown this once.
    fresh: String,
}

/// Every token. Only owners see them, as they let programs in.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place) -> Answer {
    place.needs(&state, Role::Owner)?;
    page(&state, &place, String::new()).await
}

async fn page(state: &State, place: &Place, fresh: String) -> Answer {
    let (organization, now) = (place.id().to_owned(), state.0.context.clock.now());
    let read = state.0.context.store.read(move |tx| api_tokens::of_organization(tx, &organization));
    let tokens = read.await.map_err(failed(state))?;
    let page = Tokens {
        frame: state.frame_at(place, "/tokens"),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        rows: tokens.into_iter().map(|token| Row::of(token, now)).collect(),
        lives: LIVES,
        fresh,
    };
    Ok(html(&page).into_response())
}

/// Makes a token and shows its text, once.
pub(in super::super) async fn add(Shared(state): Shared<State>, Sent(place, posted): Sent<Place>) -> Answer {
    place.needs(&state, Role::Owner)?;
    let scope: Scope = posted.one("scope").parse().map_err(|why: String| refused(&state, &why))?;
    let days = posted.one("days").parse().map_err(|_| refused(&state, "The days are a number."))?;
    let asked = Asked {
        organization: place.id().to_owned(),
        name: posted.one("name"),
        writes: scope == Scope::Write,
        days,
        by: place.person.email().to_owned(),
    };
    let now = state.0.context.clock.now();
    let made = state.0.context.store.write(move |tx| job::make(tx, &asked, now)).await.map_err(failed(&state))?;
    let (_, written) = made.map_err(|why| refused(&state, &format!("This cannot be made: {why}.")))?;
    page(&state, &place, written).await
}

/// Lets a token hold no more.
pub(in super::super) async fn revoke(
    Shared(state): Shared<State>,
    Path((_, id)): Path<(String, String)>,
    Sent(place, _): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Owner)?;
    let (doer, now) = (place.clone(), state.0.context.clock.now());
    let write = state.0.context.store.write(move |tx| job::revoke(tx, doer.id(), &id, doer.person.email(), now)).await;
    if write.map_err(failed(&state))? { Ok(back(&place, "/tokens")) } else { Err(absent(&state)) }
}
