//! The board: what threatens what an organization and its clients run, and what was done about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use askama::Template;
use axum::extract::{RawQuery, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::lines::{Line, When};
use super::super::person::Place;
use super::super::views::{Frame, html};
use super::{Answer, failed};
use crate::model::advisory::Advisory;
use crate::model::audience::Role;
use crate::model::response::{Response, ResponseState};
use crate::model::severity::Severity;
use crate::store::board::{self, Least};
use crate::store::subscriptions::groups;
use crate::store::{StoreError, Tx, organizations, responses};

/// How far back the board looks, and most advisories on it.
const DAYS: u64 = 90;
const MOST: i64 = 200;
/// Clients named with an advisory.
const NAMED: usize = 4;

/// In which column of the board an advisory stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    New,
    Acknowledged,
    Done,
}

/// The newest word of an organization on an advisory, all for whom there must be one considered.
pub(super) struct Standing<'r> {
    pub(super) column: Column,
    pub(super) last: Option<&'r Response>,
}

/// Where an advisory stands. `owners` are those who run what it touches; `said` is what was done about it, oldest first.
/// What was said for the organization holds for everybody whom nothing newer was said for.
pub(super) fn standing<'r>(organization: &str, owners: &BTreeSet<String>, said: &[&'r Response]) -> Standing<'r> {
    let last = said.last().copied();
    let newest = |owner: &str| said.iter().rev().find(|one| one.owner == owner || one.owner == organization);
    let all: Vec<Option<ResponseState>> = match owners.is_empty() {
        true => vec![newest(organization).map(|one| one.state)],
        false => owners.iter().map(|owner| newest(owner).map(|one| one.state)).collect(),
    };
    let open = |state: &Option<ResponseState>| state.is_none_or(|state| state == ResponseState::Reopened);
    let column = if all.iter().all(|state| state.is_some_and(ResponseState::is_done)) {
        Column::Done
    } else if all.iter().all(open) {
        Column::New
    } else {
        Column::Acknowledged
    };
    Standing { column, last }
}

/// Who of an organization runs what an advisory touches: ids, with names.
pub(super) type Runners = BTreeMap<String, BTreeMap<String, String>>;

/// By platform, who runs it: the organization itself under its own id, and its clients.
///
/// # Errors
/// Fails where the database does.
pub(super) fn runners(tx: &mut Tx<'_>, organization: &str, name: &str) -> Result<Runners, StoreError> {
    let mut all = Runners::new();
    for platform in organizations::stack(tx, &crate::model::audience::Owner(organization.to_owned()))? {
        all.entry(platform.0).or_default().insert(organization.to_owned(), format!("{name} itself"));
    }
    for (platform, client, name) in groups::running(tx, organization)? {
        all.entry(platform.0).or_default().insert(client, name);
    }
    Ok(all)
}

/// Those who run something that the advisory touches.
pub(super) fn touched(advisory: &Advisory, runners: &Runners) -> BTreeMap<String, String> {
    let all = advisory.content.platforms().filter_map(|platform| runners.get(&platform.0));
    all.flat_map(|some| some.iter().map(|(id, name)| (id.clone(), name.clone()))).collect()
}

/// An advisory on the board.
struct Card {
    line: Line,
    /// Clients that run it.
    names: Vec<String>,
    more: usize,
    column: Column,
    /// Who said what last, and when.
    last: Option<(&'static str, String, When)>,
    /// It was revised after that.
    changed: bool,
}

#[derive(Template)]
#[template(path = "board.html")]
struct Board {
    frame: Frame,
    base: String,
    csrf: String,
    may_respond: bool,
    empty_stack: bool,
    may_edit: bool,
    least: &'static str,
    days: u64,
    shown: &'static str,
    new: usize,
    acknowledged: usize,
    done: usize,
    cards: Vec<Card>,
}

/// What a form or an address asks for: from which rating up.
fn floor(asked: &Posted) -> (&'static str, Least) {
    match asked.one("least").as_str() {
        "exploited" => ("exploited", Least::Exploited),
        "all" => ("all", Least::Rated(Severity::Unknown)),
        _ => ("high", Least::Rated(Severity::High)),
    }
}

/// What a form or an address asks for: which column.
fn column(asked: &Posted) -> (&'static str, Column) {
    match asked.one("show").as_str() {
        "acknowledged" => ("acknowledged", Column::Acknowledged),
        "done" => ("done", Column::Done),
        _ => ("new", Column::New),
    }
}

/// The board as a posted form left it.
pub(super) fn address(posted: &Posted) -> String {
    format!("?show={}&least={}", column(posted).0, floor(posted).0)
}

/// The board.
pub(in super::super) async fn show(Shared(state): Shared<State>, place: Place, RawQuery(query): RawQuery) -> Answer {
    let asked = Posted::read(query.unwrap_or_default().as_bytes());
    let ((least, floor), (shown, column)) = (floor(&asked), column(&asked));
    let since = state.0.context.clock.now().minus(Duration::from_secs(DAYS * 86_400));
    let (organization, name) = (place.id().to_owned(), place.here.name.clone());
    let read = state.0.context.store.read(move |tx| {
        let advisories = board::open(tx, &organization, since, floor, MOST)?;
        let ids: Vec<&str> = advisories.iter().map(|advisory| advisory.id.0.as_str()).collect();
        let said = responses::about(tx, &organization, &ids)?;
        Ok((runners(tx, &organization, &name)?, said, advisories))
    });
    let (runners, said, advisories) = read.await.map_err(failed(&state))?;
    let cards: Vec<Card> = advisories.iter().map(|advisory| card(&state, &place, advisory, &runners, &said)).collect();
    let count = |column| cards.iter().filter(|card| card.column == column).count();
    let page = Board {
        frame: state.frame_at(&place, ""),
        base: place.url(""),
        csrf: place.person.csrf.clone(),
        may_respond: place.may(Role::Technician),
        may_edit: place.may(Role::Owner),
        empty_stack: runners.is_empty(),
        least,
        days: DAYS,
        shown,
        new: count(Column::New),
        acknowledged: count(Column::Acknowledged),
        done: count(Column::Done),
        cards: cards.into_iter().filter(|card| card.column == column).collect(),
    };
    Ok(html(&page).into_response())
}

fn card(state: &State, place: &Place, advisory: &Advisory, runners: &Runners, said: &[Response]) -> Card {
    let owners = touched(advisory, runners);
    let about: Vec<&Response> = said.iter().filter(|one| one.advisory == advisory.id.0).collect();
    let standing = standing(place.id(), &owners.keys().cloned().collect(), &about);
    let names: Vec<String> = owners.into_values().collect();
    Card {
        line: Line::of(&state.0.context, advisory),
        more: names.len().saturating_sub(NAMED),
        names: names.into_iter().take(NAMED).collect(),
        column: standing.column,
        last: standing.last.map(|one| (one.state.name(), one.said_by.clone(), When::at(one.at))),
        changed: standing.last.is_some_and(|one| advisory.revised_at > one.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;

    fn said(owner: &str, state: ResponseState) -> Response {
        Response {
            id: 0,
            organization: "org-1".to_owned(),
            owner: owner.to_owned(),
            advisory: "RW-1".to_owned(),
            state,
            note: String::new(),
            said_by: String::new(),
            at: Timestamp(0),
        }
    }

    #[test]
    fn it_is_done_when_nobody_is_left() {
        use ResponseState::{Accepted, Acknowledged, Mitigated, NotAffected, Reopened};
        let owners: BTreeSet<String> = ["client-1", "client-2"].map(str::to_owned).into();
        let column = |steps: &[(&str, ResponseState)]| {
            let all: Vec<Response> = steps.iter().map(|(owner, state)| said(owner, *state)).collect();
            standing("org-1", &owners, &all.iter().collect::<Vec<_>>()).column
        };
        assert_eq!(column(&[]), Column::New);
        assert_eq!(column(&[("org-1", Acknowledged)]), Column::Acknowledged);
        assert_eq!(column(&[("client-1", Mitigated)]), Column::Acknowledged, "one of two");
        assert_eq!(column(&[("client-1", Mitigated), ("client-2", NotAffected)]), Column::Done);
        assert_eq!(column(&[("org-1", Accepted)]), Column::Done, "said for all");
        assert_eq!(column(&[("org-1", Accepted), ("client-2", Acknowledged)]), Column::Acknowledged);
        assert_eq!(column(&[("client-2", Acknowledged), ("org-1", Mitigated)]), Column::Done);
        assert_eq!(column(&[("org-1", Mitigated), ("org-1", Reopened)]), Column::New);
    }
}
