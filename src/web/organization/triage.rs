//! One advisory for an organization: whom of its clients it touches, what was done for each, and who was told when.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Redirect};

use super::super::State;
use super::super::lines::{Line, When, when};
use super::super::person::{Place, Sent};
use super::super::views::{Frame, html};
use super::board::{self, runners, touched};
use super::{Answer, absent, back, failed, refused};
use crate::jobs::responses::{self as responses_of, Said as Spoken};
use crate::jobs::{shown, wrong_match};
use crate::model::advisory::AdvisoryId;
use crate::model::audience::Role;
use crate::model::context::{Topic, block};
use crate::model::platform::PlatformId;
use crate::model::response::{Response, ResponseState};
use crate::model::text;
use crate::model::tlp::Tlp;
use crate::store::{advisories, audit, responses, told};

/// Most deliveries shown.
const TOLD: i64 = 100;

/// One who runs what the advisory touches.
struct Site {
    id: String,
    name: String,
    state: &'static str,
    done: bool,
    said_by: String,
    at: String,
}

/// What was said, and for whom.
struct Said {
    owner: String,
    state: &'static str,
    note: String,
    by: String,
    at: When,
}

/// A message about it.
struct Told {
    to: String,
    kind: String,
    state: String,
    at: String,
}

#[derive(Template)]
#[template(path = "triage.html")]
struct Triage {
    frame: Frame,
    base: String,
    csrf: String,
    may_respond: bool,
    line: Line,
    revision: i64,
    topics: Vec<Topic>,
    /// For everybody at once.
    all: String,
    sites: Vec<Site>,
    said: Vec<Said>,
    told: Vec<Told>,
    platforms: Vec<(String, String)>,
    states: [(&'static str, &'static str); 5],
}

/// The advisory that a path names, if this organization may read it.
fn asked(id: &str) -> AdvisoryId {
    AdvisoryId(id.to_uppercase())
}

/// One advisory.
pub(in super::super) async fn show(
    Shared(state): Shared<State>,
    place: Place,
    Path((_, id)): Path<(String, String)>,
) -> Answer {
    let (wanted, organization, name) = (asked(&id), place.id().to_owned(), place.here.name.clone());
    let read = state.0.context.store.read(move |tx| {
        let Some(current) = advisories::current(tx, &wanted)? else { return Ok(None) };
        let Some(advisory) = advisories::get(tx, &current)?.filter(|found| found.content.tlp <= Tlp::Green) else {
            return Ok(None);
        };
        let said = responses::about(tx, &organization, &[&current.0])?;
        let heard = told::about(tx, &organization, &current.0, TOLD)?;
        let advisory = shown::with_newest_scores(tx, advisory)?;
        Ok(Some((advisory, runners(tx, &organization, &name)?, said, heard)))
    });
    let Some((advisory, runners, said, heard)) = read.await.map_err(failed(&state))? else {
        return Err(absent(&state));
    };
    if advisory.id.0 != id {
        return Ok(Redirect::to(&place.url(&format!("/advisories/{}", advisory.id))).into_response());
    }
    let context = &state.0.context;
    let owners = touched(&advisory, &runners);
    let platforms =
        advisory.content.affected().map(|tag| (tag.platform.0.clone(), context.platform_name(&tag.platform)));
    let page = Triage {
        frame: state.frame_at(&place, "/advisories"),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        may_respond: place.may(Role::Technician),
        line: Line::of(context, &advisory),
        revision: advisory.revision,
        topics: block(&advisory.content, &|id| context.platform_name(id)),
        all: place.id().to_owned(),
        sites: sites(&place, &owners, &said),
        said: said.iter().rev().map(|one| of(one, &place, &owners)).collect(),
        told: heard
            .into_iter()
            .map(|one| Told { at: when(one.finished_at), to: one.to, kind: one.kind, state: one.state })
            .collect(),
        platforms: platforms.collect(),
        states: ResponseState::ALL.map(|state| (state.as_str(), state.name())),
    };
    Ok(html(&page).into_response())
}

fn sites(place: &Place, owners: &BTreeMap<String, String>, said: &[Response]) -> Vec<Site> {
    let site = |(id, name): (&String, &String)| {
        let last = said.iter().rev().find(|one| one.owner == *id || one.owner == place.id());
        Site {
            id: id.clone(),
            name: name.clone(),
            state: last.map_or("nothing yet", |one| one.state.name()),
            done: last.is_some_and(|one| one.state.is_done()),
            said_by: last.map(|one| one.said_by.clone()).unwrap_or_default(),
            at: last.map(|one| When::at(one.at).text).unwrap_or_default(),
        }
    };
    owners.iter().map(site).collect()
}

fn of(one: &Response, place: &Place, owners: &BTreeMap<String, String>) -> Said {
    let owner = match &one.owner {
        all if all == place.id() => "everybody".to_owned(),
        id => owners.get(id).cloned().unwrap_or_else(|| format!("{id} (no longer runs it)")),
    };
    Said { owner, state: one.state.name(), note: one.note.clone(), by: one.said_by.clone(), at: When::at(one.at) }
}

/// Keeps what was done, for one client or for everybody.
pub(in super::super) async fn respond(
    Shared(state): Shared<State>,
    Path((_, id)): Path<(String, String)>,
    Sent(place, posted): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Technician)?;
    let said: ResponseState = posted.one("state").parse().map_err(|why: String| refused(&state, &why))?;
    let owner = Some(posted.one("owner")).filter(|owner| !owner.is_empty()).unwrap_or_else(|| place.id().to_owned());
    let said = Spoken {
        organization: place.id().to_owned(),
        owner,
        advisory: asked(&id),
        state: said,
        note: posted.one("note"),
        who: place.person.email().to_owned(),
    };
    let now = state.0.context.clock.now();
    let write = state.0.context.store.write(move |tx| responses_of::say(tx, &said, now));
    if write.await.map_err(failed(&state))?.is_err() {
        return Err(absent(&state));
    }
    // Whoever answers from the board goes on there.
    let rest = match posted.one("from").as_str() {
        "board" => board::address(&posted),
        _ => format!("/advisories/{}", asked(&id)),
    };
    Ok(back(&place, &rest))
}

/// Keeps that the advisory does not touch a platform.
pub(in super::super) async fn wrong_match(
    Shared(state): Shared<State>,
    Path((_, id)): Path<(String, String)>,
    Sent(place, posted): Sent<Place>,
) -> Answer {
    place.needs(&state, Role::Technician)?;
    let (platform, note) = (PlatformId(posted.one("platform")), text::one_line(&posted.one("note")));
    let (wanted, now, doer) = (asked(&id), state.0.context.clock.now(), place.clone());
    let write = state.0.context.store.write(move |tx| {
        let visible = match advisories::current(tx, &wanted)? {
            Some(current) => advisories::get(tx, &current)?.is_some_and(|found| found.content.tlp <= Tlp::Green),
            None => false,
        };
        if !visible {
            return Ok(None);
        }
        let report = wrong_match::report(tx, &wanted, &platform, &note, doer.person.email(), now)?;
        if report.is_ok() {
            audit::add(tx, &doer.deed("wrong match reported", &wanted.0, &platform.0), now)?;
        }
        Ok(Some(report))
    });
    match write.await.map_err(failed(&state))? {
        None => Err(absent(&state)),
        Some(Err(why)) => Err(refused(&state, &format!("This could not be reported: {why}."))),
        Some(Ok(_)) => {
            let text = "An operator looks at it. If it is so, the tag goes, and nobody hears of this platform by that name again.";
            let link = place.url(&format!("/advisories/{}", asked(&id)));
            Ok(state.message("Thank you: reported", text, Some((&link, "Back to the advisory"))).into_response())
        }
    }
}
