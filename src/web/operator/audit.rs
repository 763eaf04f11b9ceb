//! The whole audit log.

use axum::extract::{RawQuery, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::person::Operator;
use super::super::views::{Log, html};
use super::{Answer, failed};
use crate::store::audit;

/// Entries of one page.
const PAGE: i64 = 100;

/// The newest entries, and whether the log is as it was written.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator, RawQuery(query): RawQuery) -> Answer {
    let below = Posted::read(query.unwrap_or_default().as_bytes()).one("below").parse().unwrap_or(i64::MAX);
    let read = state.0.context.store.read(move |tx| Ok((audit::newest(tx, None, below, PAGE)?, audit::verify(tx)?)));
    let (entries, verified) = read.await.map_err(failed(&state))?;
    let intact = match verified {
        Ok(count) => format!("{count} entries, each as it was written: none is missing and none was changed."),
        Err(first) => format!(
            "Entry {first} is not as it was written. Somebody changed the database by hand, or restored a part of it."
        ),
    };
    let frame = state.frame_operator(&operator, "/operator/audit");
    Ok(html(&Log::new(frame, entries, PAGE, intact)).into_response())
}
