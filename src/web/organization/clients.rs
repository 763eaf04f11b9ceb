//! The clients of an organization.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::person::{Place, Sent};
use super::super::views::{Frame, html};
use super::{Answer, absent, back, failed, refused};
use crate::jobs::audience;
use crate::model::audience::{Owner, Role};
use crate::model::platform::PlatformId;
use crate::model::text;
use crate::store::{audit, organizations};

/// Longest name, in characters.
const NAME_MAX: usize = 120;
/// Platforms named of one stack.
const NAMED: usize = 6;

/// A client, or the organization itself.
struct Row {
    id: String,
    name: String,
    platforms: Vec<String>,
    more: usize,
    /// It can be removed.
    is_client: bool,
}

#[derive(Template)]
#[template(path = "clients.html")]
struct Clients {
    frame: Frame,
    base: String,
    csrf: String,
    may_edit: bool,
    rows: Vec<Row>,
}

/// A name as it is kept: one line, neither empty nor endless.
pub(in super::super) fn named(written: &str) -> Result<String, String> {
    let name = text::one_line(written);
    match name.chars().count() {
        1..=NAME_MAX if !name.contains('/') => Ok(name),
        _ => Err(format!("A name has 1 to {NAME_MAX} characters and no '/'.")),
    }
}

/// All clients, with what they run.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place) -> Answer {
    let organization = place.id().to_owned();
    let read = state.0.context.store.read(move |tx| {
        let own = organizations::stack(tx, &Owner(organization.clone()))?;
        Ok((own, organizations::clients(tx, &organization)?))
    });
    let (own, clients) = read.await.map_err(failed(&state))?;
    let row = |id: &str, name: &str, stack: &[PlatformId], is_client| Row {
        id: id.to_owned(),
        name: name.to_owned(),
        platforms: stack.iter().take(NAMED).map(|id| state.0.context.platform_name(id)).collect(),
        more: stack.len().saturating_sub(NAMED),
        is_client,
    };
    let itself = format!("{} itself", place.here.name);
    let mut rows = vec![row(place.id(), &itself, &own, false)];
    rows.extend(clients.iter().map(|client| row(&client.id, &client.name, &client.stack, true)));
    let page = Clients {
        frame: state.frame_at(&place, "/clients"),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        may_edit: place.may(Role::Owner),
        rows,
    };
    Ok(html(&page).into_response())
}

/// Adds a client.
pub(in super::super) async fn add(Shared(state): Shared<State>, Sent(place, posted): Sent<Place>) -> Answer {
    place.needs(&state, Role::Owner)?;
    let name = named(&posted.one("name")).map_err(|why| refused(&state, &why))?;
    let (doer, now) = (place.clone(), state.0.context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let added = organizations::add_client(tx, doer.id(), &name, now)?;
        if let Some(added) = &added {
            audit::add(tx, &doer.deed("client added", &added.id, &name), now)?;
        }
        Ok(added)
    });
    match write.await.map_err(failed(&state))? {
        // What it runs is the next question.
        Some(added) => Ok(back(&place, &format!("/clients/{}", added.id))),
        None => Err(refused(&state, "There is a client of this name already.")),
    }
}

/// Removes a client and its stack. What was done for it stays in the record.
pub(in super::super) async fn remove(
    Shared(state): Shared<State>,
    Path((_, client)): Path<(String, String)>,
    Sent(place, _): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Owner)?;
    let (doer, now, context) = (place.clone(), state.0.context.clock.now(), state.0.context.clone());
    let write = state.0.context.store.write(move |tx| {
        let Some(found) = organizations::find_client(tx, doer.id(), &client)?.filter(|found| found.id == client) else {
            return Ok(false);
        };
        audience::remove_client(tx, &context.catalog, &found)?;
        audit::add(tx, &doer.deed("client removed", &found.id, &found.name), now)?;
        Ok(true)
    });
    if write.await.map_err(failed(&state))? { Ok(back(&place, "/clients")) } else { Err(absent(&state)) }
}
