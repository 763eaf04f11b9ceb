//! Home: what is burning now, by platform, and the latest advisories.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;

use super::super::State;
use super::super::lines::{Line, when};
use super::super::pictures::{self, Picture};
use super::super::views::Frame;
use super::sources::Watched;
use super::{made, unavailable};
use crate::model::advisory::Advisory;
use crate::store::{listing, overview, sources};

/// How far back a fire is looked for.
const DAYS: u64 = 14;
/// Advisories looked at, platforms shown, and advisories shown of each.
const BURNING: i64 = 120;
const GROUPS: usize = 12;
const OF_GROUP: usize = 3;
/// Latest advisories shown.
const LATEST: i64 = 20;

/// A platform with what burns there.
struct Group {
    id: String,
    name: String,
    count: usize,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    days: u64,
    groups: Vec<Group>,
    latest: Vec<Line>,
    weeks: Picture,
    watched: usize,
    sees: usize,
    blind: usize,
    now: String,
}

/// What is burning now.
pub(in super::super) async fn show(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let make = async {
        let context = &state.0.context;
        let now = context.clock.now();
        let since = now.minus(Duration::from_secs(DAYS * 86_400));
        let (from, until) = pictures::half_year(now);
        let read = context.store.read(move |tx| {
            let newest = listing::Filter { public: true, ..listing::Filter::default() };
            let days = overview::by_day(tx, from, until)?;
            Ok((overview::burning(tx, since, BURNING)?, listing::select(tx, &newest, LATEST)?, sources::all(tx)?, days))
        });
        let (burning, latest, health, days) = read.await.map_err(|error| unavailable(&state, &error))?;
        let watched = Watched::all(context, &health, now);
        Ok(made(&Home {
            frame: Frame { feed: "/advisories.atom".to_owned(), ..state.frame("/") },
            days: DAYS,
            groups: groups(&state, &burning),
            latest: latest.iter().map(|advisory| Line::of(context, advisory)).collect(),
            weeks: pictures::weeks(now, &days),
            watched: watched.len(),
            sees: watched.iter().filter(|source| source.sees).count(),
            blind: watched.iter().filter(|source| source.is_blind()).count(),
            now: when(Some(now)),
        }))
    };
    state.0.cache.page("/".to_owned(), &headers, make).await
}

/// By platform, the one with the newest first; an advisory stands with each platform that it touches.
fn groups(state: &State, burning: &[Advisory]) -> Vec<Group> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for advisory in burning {
        for id in advisory.content.platforms() {
            let at = *places.entry(&id.0).or_insert(groups.len());
            if at == groups.len() {
                let name = state.0.context.platform_name(id);
                groups.push(Group { id: id.0.clone(), name, count: 0, lines: Vec::new() });
            }
            groups[at].count += 1;
            if groups[at].lines.len() < OF_GROUP {
                groups[at].lines.push(Line::of(&state.0.context, advisory));
            }
        }
    }
    groups.truncate(GROUPS);
    groups
}
