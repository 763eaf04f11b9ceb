//! The outbox: what waits, what was given up, and what to do about it.

use askama::Template;
use axum::extract::{RawQuery, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::lines::{When, when};
use super::super::organization::deliveries::{STATES, word};
use super::super::person::{Operator, Sent};
use super::super::views::{Frame, html};
use super::{Answer, done, failed, who};
use crate::jobs::breaker;
use crate::store::outbox::Outbox;
use crate::store::{audit, deliveries, outbox};

/// Letters shown.
const SHOWN: i64 = 100;

/// A letter as the page shows it.
struct Row {
    id: String,
    to: String,
    what: String,
    state: String,
    dead: bool,
    waits: bool,
    queued: When,
    due: String,
    attempts: i64,
    detail: String,
}

#[derive(Template)]
#[template(path = "operator_outbox.html")]
struct Page {
    frame: Frame,
    csrf: String,
    outbox: Outbox,
    /// Why the relay is not tried with everything just now.
    down: String,
    rows: Vec<Row>,
    state: String,
    states: [(&'static str, &'static str); 5],
}

/// The newest letters.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator, RawQuery(query): RawQuery) -> Answer {
    let asked = Posted::read(query.unwrap_or_default().as_bytes()).one("state");
    let chosen = STATES.iter().map(|(word, _)| *word).find(|word| *word == asked).unwrap_or_default();
    let read = state.0.context.store.read(move |tx| {
        let only = (!chosen.is_empty()).then_some(chosen);
        Ok((outbox::outbox(tx)?, breaker::down(tx)?, deliveries::newest(tx, only, SHOWN)?))
    });
    let (outbox, down, letters) = read.await.map_err(failed(&state))?;
    let row = |letter: deliveries::Shown| Row {
        dead: letter.state == "dead",
        waits: letter.state == "queued",
        due: if letter.state == "queued" { when(Some(letter.due_at)) } else { String::new() },
        state: word(&letter.state),
        id: letter.id,
        to: letter.to,
        what: letter.kind,
        queued: When::at(letter.created_at),
        attempts: letter.attempts,
        detail: letter.detail,
    };
    let page = Page {
        frame: state.frame_operator(&operator, "/operator/outbox"),
        csrf: operator.0.csrf.clone(),
        outbox,
        down: down.map_or_else(String::new, |down| {
            format!(
                "The relay is down since {}, and is tried again at {}: {}",
                when(Some(down.since)),
                when(Some(down.next)),
                down.reason
            )
        }),
        rows: letters.into_iter().map(row).collect(),
        state: chosen.to_owned(),
        states: STATES,
    };
    Ok(html(&page).into_response())
}

/// Queues a dead letter again, or all of them where none is named.
pub(super) async fn requeue(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let (id, now) = (posted.one("id"), state.0.context.clock.now());
    let answer = done(&state, "/operator/outbox", move |tx| {
        let one = (!id.is_empty()).then_some(id.as_str());
        let queued = outbox::requeue(tx, one, now)?;
        if queued == 0 {
            return Ok(Err("There is no such dead letter of somebody who is still mailed.".to_owned()));
        }
        let object = one.unwrap_or("all dead letters");
        audit::add(tx, &operator.0.deed("letters requeued", object, &format!("{queued} letters")), now).map(Ok)
    });
    let answer = answer.await;
    state.0.context.queued.notify_one();
    answer
}

/// Gives up a letter that waits or is dead.
pub(super) async fn give_up(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let (id, now) = (posted.one("id"), state.0.context.clock.now());
    done(&state, "/operator/outbox", move |tx| {
        if !outbox::drop_one(tx, &id, &who(&operator), now)? {
            return Ok(Err("This letter neither waits nor is dead: there is nothing to drop.".to_owned()));
        }
        audit::add(tx, &operator.0.deed("letter dropped", &id, ""), now).map(Ok)
    })
    .await
}
