//! Deliveries: did they get it.

use askama::Template;
use axum::extract::{RawQuery, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::lines::{When, when};
use super::super::person::Place;
use super::super::views::{Frame, html};
use super::{Answer, failed};
use crate::model::clock::Timestamp;
use crate::store::told::{self, Told};

/// Deliveries of one page.
const PAGE: i64 = 50;

/// A delivery as the page shows it.
struct Row {
    what: String,
    advisory: String,
    title: String,
    to: String,
    state: String,
    bad: bool,
    queued: When,
    finished: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Deliveries {
    frame: Frame,
    base: String,
    rows: Vec<Row>,
    state: String,
    states: [(&'static str, &'static str); 5],
    /// Where the next page begins; 0 where there is none.
    before: i64,
}

/// The states as people read them.
pub(in super::super) const STATES: [(&str, &str); 5] = [
    ("", "all"),
    ("sent", "accepted by the mail server or channel"),
    ("queued", "waiting"),
    ("dead", "given up"),
    ("suppressed", "no longer wanted"),
];

/// A state's word for people.
pub(in super::super) fn word(state: &str) -> String {
    STATES.iter().find(|(word, _)| *word == state).map_or(state, |(_, name)| *name).to_owned()
}

/// The newest deliveries.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place, RawQuery(query): RawQuery) -> Answer {
    let asked = Posted::read(query.unwrap_or_default().as_bytes());
    let chosen = STATES.iter().map(|(word, _)| *word).find(|word| *word == asked.one("state")).unwrap_or_default();
    let before = asked.one("before").parse().unwrap_or(i64::MAX);
    let organization = place.id().to_owned();
    let read = state.0.context.store.read(move |tx| {
        let only = (!chosen.is_empty()).then_some(chosen);
        told::newest(tx, &organization, only, Timestamp(before), PAGE)
    });
    let rows = read.await.map_err(failed(&state))?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let page = Deliveries {
        frame: state.frame_at(&place, "/deliveries"),
        base: place.url(""),
        before: rows.last().filter(|_| more).map_or(0, |row| row.created_at.0),
        rows: rows.into_iter().map(row).collect(),
        state: chosen.to_owned(),
        states: STATES,
    };
    Ok(html(&page).into_response())
}

fn row(told: Told) -> Row {
    Row {
        what: format!("{} by {}", told.kind, told.channel),
        advisory: told.advisory.unwrap_or_default(),
        title: told.title.unwrap_or_default(),
        to: told.to,
        bad: told.state == "dead",
        state: word(&told.state),
        queued: When::at(told.created_at),
        finished: told.finished_at.map_or_else(String::new, |at| when(Some(at))),
        detail: told.detail,
    }
}
