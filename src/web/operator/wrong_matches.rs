//! Wrong matches: what people say is not touched, to be decided.

use askama::Template;
use axum::extract::State as Shared;
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::lines::When;
use super::super::person::{Operator, Sent};
use super::super::views::{Frame, html};
use super::{Answer, done, failed};
use crate::jobs::wrong_match::{self, NOTE_MAX};
use crate::model::platform::PlatformId;
use crate::model::text;
use crate::store::{audit, wrong_matches};

/// Reports shown.
const SHOWN: i64 = 100;

/// A report as the page shows it.
struct Row {
    id: i64,
    advisory: String,
    platform: String,
    evidence: Vec<String>,
    note: String,
    by: String,
    at: When,
    state: &'static str,
    open: bool,
}

#[derive(Template)]
#[template(path = "operator_wrong_matches.html")]
struct Page {
    frame: Frame,
    csrf: String,
    rows: Vec<Row>,
}

/// The reports, the open ones first.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator) -> Answer {
    let all = state.0.context.store.read(|tx| wrong_matches::all(tx, SHOWN)).await.map_err(failed(&state))?;
    let row = |one: wrong_matches::WrongMatch| Row {
        id: one.id,
        advisory: one.advisory.0,
        platform: state.0.context.platform_name(&one.platform),
        evidence: one.evidence.iter().map(crate::model::platform::Evidence::clause).collect(),
        note: one.note,
        by: one.said_by,
        at: When::at(one.at),
        state: one.state.as_str(),
        open: one.state == wrong_matches::State::Open,
    };
    let page = Page {
        frame: state.frame_operator(&operator, "/operator/wrong-matches"),
        csrf: operator.0.csrf.clone(),
        rows: all.into_iter().map(row).collect(),
    };
    Ok(html(&page).into_response())
}

/// Takes the tag away, or leaves it.
pub(super) async fn decide(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let id: i64 = posted.one("id").parse().map_err(|_| super::refused(&state, "This form names no report."))?;
    let (accepts, phrase) = asked(&posted);
    let (context, now) = (state.0.context.clone(), state.0.context.clock.now());
    done(&state, "/operator/wrong-matches", move |tx| {
        let by = operator.0.email();
        let name = |id: &PlatformId| context.platform_name(id);
        let decided = match accepts {
            true => wrong_match::accept(tx, id, phrase.as_deref(), by, now, &name)?,
            false => wrong_match::dismiss(tx, id)?,
        };
        let report = match decided {
            Ok(report) => report,
            Err(why) => return Ok(Err(format!("Nothing was decided: {why}."))),
        };
        let detail = format!("{} of {}: {}", report.platform, report.advisory, report.state.as_str());
        audit::add(tx, &operator.0.deed("wrong match decided", &id.to_string(), &detail), now).map(Ok)
    })
    .await
}

/// Whether the tag was wrong, and which phrase voids the name from now on.
fn asked(posted: &Posted) -> (bool, Option<String>) {
    let phrase = text::truncate(&text::one_line(&posted.one("phrase")), NOTE_MAX);
    (posted.one("decision") == "accept", Some(phrase).filter(|phrase| !phrase.is_empty()))
}
