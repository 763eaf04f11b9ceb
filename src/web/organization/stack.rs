//! What an organization or one client runs.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::{Group, groups};
use super::super::person::{Place, Sent};
use super::super::views::{Frame, html};
use super::{Answer, absent, back, failed, refused};
use crate::jobs::audience;
use crate::model::audience::{Owner, Role, Wish};
use crate::model::platform::PlatformId;
use crate::store::{StoreError, Tx, audit, organizations};

#[derive(Template)]
#[template(path = "stack.html")]
struct Stack {
    frame: Frame,
    base: String,
    csrf: String,
    may_edit: bool,
    id: String,
    name: String,
    groups: Vec<Group>,
}

/// Whose stack a path names, and what it is called; nothing where it is not of this organization.
fn owner(tx: &mut Tx<'_>, place: &Place, id: &str) -> Result<Option<(Owner, String)>, StoreError> {
    if id == place.id() {
        return Ok(Some((Owner(id.to_owned()), format!("{} itself", place.here.name))));
    }
    let client = organizations::find_client(tx, place.id(), id)?.filter(|client| client.id == id);
    Ok(client.map(|client| (Owner(client.id), client.name)))
}

/// The stack, to be ticked.
pub(in super::super) async fn show(
    Shared(state): Shared<State>,
    place: Place,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    let (asker, wanted) = (place.clone(), id.clone());
    let read = state.0.context.store.read(move |tx| {
        let Some((owner, name)) = owner(tx, &asker, &wanted)? else { return Ok(None) };
        Ok(Some((organizations::stack(tx, &owner)?, name)))
    });
    let Some((platforms, name)) = read.await.map_err(failed(&state))? else { return Err(absent(&state)) };
    let page = Stack {
        frame: state.frame_at(&place, "/clients"),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        may_edit: place.may(Role::Owner),
        id,
        name,
        groups: groups(&state.0.context, &Wish { platforms, ..Wish::default() }),
    };
    Ok(html(&page).into_response())
}

/// Keeps what it runs from now on. Whoever follows the stack hears of it.
pub(in super::super) async fn save(
    Shared(state): Shared<State>,
    Path((_, id)): Path<(String, String)>,
    Sent(place, posted): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Owner)?;
    let context = state.0.context.clone();
    let ids = posted.all("platform").into_iter().map(|id| audience::platform(&context.catalog, &id));
    let stack: BTreeSet<PlatformId> = ids.collect::<Result<_, _>>().map_err(|why| refused(&state, &why))?;
    let (doer, now) = (place.clone(), context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let Some((owner, _)) = owner(tx, &doer, &id)? else { return Ok(false) };
        set(tx, &context.catalog, &doer, &owner, &stack, now)?;
        Ok(true)
    });
    if write.await.map_err(failed(&state))? { Ok(back(&place, "/clients")) } else { Err(absent(&state)) }
}

/// Makes `stack` what `owner` runs, for those who follow it and for the record.
///
/// # Errors
/// Fails where the database does.
pub(super) fn set(
    tx: &mut Tx<'_>,
    catalog: &crate::platforms::Catalog,
    doer: &Place,
    owner: &Owner,
    stack: &BTreeSet<PlatformId>,
    now: crate::model::clock::Timestamp,
) -> Result<(), StoreError> {
    let before: BTreeSet<PlatformId> = organizations::stack(tx, owner)?.into_iter().collect();
    if before == *stack {
        return Ok(());
    }
    organizations::set_stack(tx, owner, stack)?;
    let organization = Owner(doer.id().to_owned());
    audience::stack_changed(tx, catalog, owner, (organization != *owner).then_some(&organization))?;
    let words = |mark: &str, some: Vec<&PlatformId>| some.iter().map(|id| format!("{mark}{id}")).collect::<Vec<_>>();
    let mut changes = words("+", stack.difference(&before).collect());
    changes.extend(words("-", before.difference(stack).collect()));
    audit::add(tx, &doer.deed("stack changed", &owner.0, &changes.join(" ")), now)
}
