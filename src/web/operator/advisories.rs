//! Advisories by hand: what is one event, and what is not.

use askama::Template;
use axum::extract::{RawQuery, State as Shared};
use axum::response::IntoResponse;

use super::super::State;
use super::super::form::Posted;
use super::super::person::{Operator, Sent};
use super::super::views::{Frame, html};
use super::{Answer, done, failed};
use crate::jobs::by_hand;
use crate::model::advisory::AdvisoryId;
use crate::model::platform::PlatformId;
use crate::store::{advisories, audit, items, links};

/// An item of the advisory that is looked at.
struct Item {
    number: i64,
    source: String,
    title: String,
    because: String,
}

#[derive(Template)]
#[template(path = "operator_advisories.html")]
struct Page {
    frame: Frame,
    csrf: String,
    id: String,
    title: String,
    items: Vec<Item>,
    fault: String,
}

/// One advisory with its items, where one is named.
pub(super) async fn show(Shared(state): Shared<State>, operator: Operator, RawQuery(query): RawQuery) -> Answer {
    let asked = AdvisoryId(Posted::read(query.unwrap_or_default().as_bytes()).one("id").trim().to_uppercase());
    let wanted = asked.clone();
    let read = state.0.context.store.read(move |tx| {
        let Some(current) = advisories::current(tx, &wanted)? else { return Ok(None) };
        let Some(found) = advisories::get(tx, &current)? else { return Ok(None) };
        Ok(Some((found, items::numbered(tx, &current)?, links::reasons(tx, &current)?)))
    });
    let found = read.await.map_err(failed(&state))?;
    let fault =
        if found.is_none() && !asked.0.is_empty() { format!("There is no advisory {asked}.") } else { String::new() };
    let (id, title, items) = match found {
        None => (asked.0, String::new(), Vec::new()),
        Some((found, items, reasons)) => {
            let item = |(number, draft): (i64, crate::model::draft::Draft)| Item {
                because: reasons.get(&number).map(|(why, _)| why.clone()).unwrap_or_default(),
                number,
                source: draft.source_name,
                title: draft.item.title,
            };
            (found.id.0, found.content.title, items.into_iter().map(item).collect())
        }
    };
    let frame = state.frame_operator(&operator, "/operator/advisories");
    let page = Page { frame, csrf: operator.0.csrf.clone(), id, title, items, fault };
    Ok(html(&page).into_response())
}

/// Two advisories are one from now on.
pub(super) async fn merge(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let id = |name: &str| AdvisoryId(posted.one(name).trim().to_uppercase());
    let (one, other) = (id("one"), id("other"));
    let (context, now) = (state.0.context.clone(), state.0.context.clock.now());
    let to = format!("/operator/advisories?id={}", if one.number() < other.number() { &one } else { &other });
    done(&state, &to, move |tx| {
        let name = |id: &PlatformId| context.platform_name(id);
        match by_hand::merge(tx, &one, &other, now, &name)? {
            Ok(home) => {
                audit::add(tx, &operator.0.deed("advisories merged", &home.0, &format!("{one} and {other}")), now)
                    .map(Ok)
            }
            Err(why) => Ok(Err(format!("They stay apart: {why}."))),
        }
    })
    .await
}

/// An item is an advisory of its own from now on.
pub(super) async fn split(Shared(state): Shared<State>, Sent(operator, posted): Sent<Operator>) -> Answer {
    let from = AdvisoryId(posted.one("id").trim().to_uppercase());
    let item: i64 = posted.one("item").parse().map_err(|_| super::refused(&state, "Choose an item."))?;
    let (context, now) = (state.0.context.clone(), state.0.context.clock.now());
    let to = format!("/operator/advisories?id={from}");
    done(&state, &to, move |tx| {
        let name = |id: &PlatformId| context.platform_name(id);
        match by_hand::split(tx, &from, item, now, &name)? {
            Ok(own) => {
                audit::add(tx, &operator.0.deed("advisory split", &from.0, &format!("item {item} is {own}")), now)
                    .map(Ok)
            }
            Err(why) => Ok(Err(format!("It stays where it is: {why}."))),
        }
    })
    .await
}
