//! The audit log of an organization: who did what.

use axum::extract::{RawQuery, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::person::Place;
use super::super::views::{Log, html};
use super::{Answer, failed};
use crate::model::audience::Role;
use crate::store::audit;

/// Entries of one page.
const PAGE: i64 = 100;

/// The newest entries. Only owners see them: they name what colleagues did.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place, RawQuery(query): RawQuery) -> Answer {
    place.needs(&state, Role::Owner)?;
    let below = Posted::read(query.unwrap_or_default().as_bytes()).one("below").parse().unwrap_or(i64::MAX);
    let organization = place.id().to_owned();
    let read = state.0.context.store.read(move |tx| audit::newest(tx, Some(&organization), below, PAGE));
    let entries = read.await.map_err(failed(&state))?;
    let page = Log::new(state.frame_at(&place, "/audit"), entries, PAGE, String::new());
    Ok(html(&page).into_response())
}
