//! Sources: whether we can see, and whether mail goes out.

use std::time::Duration;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;

use super::super::State;
use super::super::lines::{day, when};
use super::super::pictures::{self, Picture};
use super::super::views::Frame;
use super::{made, unavailable};
use crate::config::sources::Source;
use crate::jobs::{Context, route};
use crate::model::clock::Timestamp;
use crate::model::health::{HealthState, SourceHealth};
use crate::store::deliveries::{self, Outbox, Shown};
use crate::store::{pace, sources};

/// Letters that did not go out, shown.
const STUCK: i64 = 10;
/// Over how many days it is told how soon people hear.
const SPEED_DAYS: u64 = 30;

/// A source as people see it.
pub(in super::super) struct Watched {
    pub(in super::super) id: String,
    pub(in super::super) name: String,
    pub(in super::super) state: String,
    pub(in super::super) sees: bool,
    pub(in super::super) waits: bool,
    pub(in super::super) last_success: String,
    pub(in super::super) newest: String,
    pub(in super::super) detail: String,
}

impl Watched {
    /// Every source that is on, in trouble first.
    pub(in super::super) fn all(context: &Context, health: &[SourceHealth], now: Timestamp) -> Vec<Self> {
        let on = context.sources.iter().filter(|source| source.enabled);
        let mut all: Vec<Self> = on.map(|source| Self::of(source, health, now)).collect();
        all.sort_by_key(|source| (!source.is_blind(), source.sees, source.name.to_lowercase()));
        all
    }

    pub(in super::super) fn of(source: &Source, all: &[SourceHealth], now: Timestamp) -> Self {
        let health = all.iter().find(|health| health.source == source.id).cloned().unwrap_or_default();
        let standing = health.standing(true, source.silent_days, now);
        let stands_by = route::stands_by(source, all);
        Self {
            id: source.id.clone(),
            name: source.name.clone(),
            state: if stands_by { "stands by".to_owned() } else { standing.to_string() },
            sees: stands_by || standing.sees(),
            waits: standing == HealthState::New,
            last_success: when(health.last_success),
            newest: day(health.last_news),
            detail: health.advice(standing, source.silent_days),
        }
    }

    /// It should be seen, and is not.
    pub(in super::super) fn is_blind(&self) -> bool {
        !self.sees && !self.waits
    }
}

/// A delivery that did not go out as it should.
struct Stuck {
    what: String,
    detail: String,
}

impl From<&Shown> for Stuck {
    fn from(shown: &Shown) -> Self {
        let state = if shown.state == "dead" { "given up" } else { "to be tried again" };
        Self {
            what: format!("{} to {}, {state} after {} tries", shown.kind, masked(&shown.to), shown.attempts),
            detail: shown.detail.clone(),
        }
    }
}

/// An address without most of its local part: the page may be seen by more people than the mail.
fn masked(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!("{}***@{domain}", local.chars().next().unwrap_or('*')),
        None => "***".to_owned(),
    }
}

#[derive(Template)]
#[template(path = "sources.html")]
struct Sources {
    frame: Frame,
    sources: Vec<Watched>,
    sees: usize,
    waits: usize,
    blind: usize,
    outbox: Outbox,
    letters: bool,
    stuck: Vec<Stuck>,
    speed: Option<Picture>,
    now: String,
}

/// The sources' health, and the outbox in numbers.
pub(in super::super) async fn show(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let make = async {
        let context = &state.0.context;
        let since = context.clock.now().minus(Duration::from_secs(SPEED_DAYS * 86_400));
        let read = context.store.read(move |tx| {
            let mut stuck = deliveries::newest(tx, Some("dead"), STUCK)?;
            stuck.extend(deliveries::newest(tx, Some("queued"), STUCK)?.into_iter().filter(|shown| shown.attempts > 0));
            Ok((sources::all(tx)?, deliveries::outbox(tx)?, stuck, pace::recent(tx, since)?))
        });
        let (health, outbox, stuck, paces) = read.await.map_err(|error| unavailable(&state, &error))?;
        let sources = Watched::all(context, &health, context.clock.now());
        Ok(made(&Sources {
            frame: state.frame("/sources"),
            sees: sources.iter().filter(|source| source.sees).count(),
            waits: sources.iter().filter(|source| source.waits).count(),
            blind: sources.iter().filter(|source| source.is_blind()).count(),
            sources,
            outbox,
            letters: state.0.outbox.is_some(),
            speed: pictures::speed(&paces),
            stuck: stuck.iter().map(Stuck::from).collect(),
            now: when(Some(context.clock.now())),
        }))
    };
    state.0.cache.page("/sources".to_owned(), &headers, make).await
}
