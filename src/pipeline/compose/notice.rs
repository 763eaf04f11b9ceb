//! The notice: which sources can no longer be read as they should, and which can be again. For the operator alone.

use serde::Serialize;

use super::text::{at, cut, header, link, zone};
use super::{Changed, Notice};
use crate::model::health::HealthState;

/// Most sources shown.
const MOST: usize = 40;

/// What the templates of the notice are filled with.
#[derive(Debug, Serialize)]
pub struct View {
    pub subject: String,
    preheader: String,
    heading: String,
    lead: String,
    rows: Vec<Row>,
    more: usize,
    next: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    id: String,
    what: String,
    detail: String,
    last: String,
    url: String,
    host: String,
}

/// Fills the view.
pub fn view(input: &Notice<'_>) -> View {
    let worse: Vec<&Changed<'_>> = input.changes.iter().filter(|change| is_worse(change)).collect();
    let better = input.changes.len() - worse.len();
    let says = says(&worse, input.changes, better);
    View {
        subject: header(&format!("Sources: {says}"), 150),
        preheader: cut(input.changes.first().map_or("", |first| first.detail), 100),
        heading: says,
        lead: lead(input),
        rows: input.changes.iter().take(MOST).map(row).collect(),
        more: input.changes.len().saturating_sub(MOST),
        next: "See all of them: rattlewatch sources list. Try one now: rattlewatch sources test ID.".to_owned(),
        why:
            "You get this because the settings of this Rattlewatch name you as its operator. Each change is told once."
                .to_owned(),
    }
}

fn is_worse(change: &Changed<'_>) -> bool {
    change.to.weight() > change.from.weight()
}

/// `CISA Alerts cannot be read, and 2 more`, or what is good again where nothing is worse.
fn says(worse: &[&Changed<'_>], all: &[Changed<'_>], better: usize) -> String {
    let (first, others) = match (worse.first(), all.first()) {
        (Some(first), _) => (*first, worse.len() - 1),
        (None, Some(first)) => (first, better - 1),
        (None, None) => return "no change".to_owned(),
    };
    let name = cut(first.name, 60);
    match others {
        0 => format!("{name} {}", word(first.to)),
        more => format!("{name} {}, and {more} more", word(first.to)),
    }
}

const fn word(state: HealthState) -> &'static str {
    match state {
        HealthState::New => "has not been read yet",
        HealthState::Ok => "can be read again",
        HealthState::Degraded => "can be read only in part",
        HealthState::Changed => "no longer looks as it should",
        HealthState::Blocked => "refuses us",
        HealthState::Failing => "cannot be read",
        HealthState::Late => "is silent for unusually long",
        HealthState::Paused => "is paused",
        HealthState::Off => "is switched off",
    }
}

fn lead(input: &Notice<'_>) -> String {
    match (input.blind, input.watched) {
        (0, watched) => format!("All of the {watched} sources that are watched can be read now."),
        (blind, watched) if blind == watched && watched > 1 => {
            format!("None of the {watched} sources can be read. It may be this machine's own network.")
        }
        (1, watched) => {
            format!("1 of the {watched} sources that are watched cannot be read now. Its silence is not good news.")
        }
        (blind, watched) => {
            format!(
                "{blind} of the {watched} sources that are watched cannot be read now. Their silence is not good news."
            )
        }
    }
}

fn row(change: &Changed<'_>) -> Row {
    let zone = zone("UTC");
    let (url, host) = link(change.url).unwrap_or_default();
    Row {
        name: cut(change.name, 80),
        id: change.id.to_owned(),
        what: word(change.to).to_owned(),
        detail: cut(change.detail, 300),
        last: change.last_success.map_or_else(
            || "It was never read so far.".to_owned(),
            |then| format!("Last read {}.", at(then, &zone, "%a %-d %b %Y %H:%M (%Q)")),
        ),
        url,
        host,
    }
}
