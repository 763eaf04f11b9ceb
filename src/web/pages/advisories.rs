//! Every advisory, by what people look for; as a page, as Atom and as JSON Feed.

use askama::Template;
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::State;
use super::super::asked::Asked;
use super::super::cache::Made;
use super::super::feeds::{self, Feed};
use super::super::lines::Line;
use super::super::views::{self, Frame};
use super::{made, unavailable};
use crate::model::advisory::Advisory;
use crate::model::topic::Topic;
use crate::store::listing;

/// Advisories on a page, and in a feed.
const PAGE: i64 = 30;
const FEED: i64 = 50;

#[derive(Template)]
#[template(path = "advisories.html")]
struct Advisories {
    frame: Frame,
    asked: Asked,
    /// Ids and names to choose from.
    platforms: Vec<(String, String)>,
    severities: [&'static str; 3],
    topics: Vec<(String, &'static str)>,
    lines: Vec<Line>,
    fault: String,
    first: String,
    next: String,
    atom: String,
    json: String,
}

fn page(state: &State, asked: Asked, found: &[Advisory], fault: String) -> Advisories {
    let context = &state.0.context;
    let own = context.catalog.iter().filter(|platform| platform.same_as.is_none());
    let mut platforms: Vec<_> = own.map(|platform| (platform.id.0.clone(), platform.name.clone())).collect();
    platforms.sort_by_key(|(_, name)| name.to_lowercase());
    let full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE);
    let last = found.last().filter(|_| full).map(|advisory| advisory.id.number());
    let atom = asked.address("/advisories.atom", 0);
    Advisories {
        frame: Frame { feed: atom.clone(), ..state.frame("/advisories") },
        platforms,
        severities: ["medium", "high", "critical"],
        topics: Topic::ALL.into_iter().map(|topic| (topic.to_string(), topic.name())).collect(),
        lines: found.iter().map(|advisory| Line::of(context, advisory)).collect(),
        fault,
        first: asked.address("/advisories", 0),
        next: last.map(|last| asked.address("/advisories", last)).unwrap_or_default(),
        atom,
        json: asked.address("/advisories.json", 0),
        asked,
    }
}

async fn found(state: &State, asked: &Asked, most: i64) -> Result<Result<Vec<Advisory>, String>, Response> {
    let filter = match asked.filter(&state.0.context) {
        Ok(filter) => filter,
        Err(fault) => return Ok(Err(fault)),
    };
    let read = state.0.context.store.read(move |tx| listing::select(tx, &filter, most)).await;
    read.map(Ok).map_err(|error| unavailable(state, &error))
}

/// The search and what it finds.
pub(in super::super) async fn show(
    Shared(state): Shared<State>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::read(query.as_deref());
    let address = asked.address("/advisories", asked.after);
    let make = async {
        match found(&state, &asked, PAGE).await? {
            Ok(found) => Ok(made(&page(&state, asked, &found, String::new()))),
            Err(fault) => {
                let page = views::html(&page(&state, asked, &[], fault));
                Err((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
            }
        }
    };
    state.0.cache.page(address, &headers, make).await
}

/// The same as Atom.
pub(in super::super) async fn atom(state: Shared<State>, query: RawQuery, headers: HeaderMap) -> Response {
    feed(state, query, headers, "/advisories.atom", feeds::atom).await
}

/// The same as JSON Feed.
pub(in super::super) async fn json(state: Shared<State>, query: RawQuery, headers: HeaderMap) -> Response {
    feed(state, query, headers, "/advisories.json", feeds::json).await
}

async fn feed(
    Shared(state): Shared<State>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    room: &str,
    write: impl Fn(&Feed<'_>) -> Made,
) -> Response {
    let asked = Asked { after: 0, ..Asked::read(query.as_deref()) };
    let make = async {
        let fault = |fault: String| {
            (StatusCode::UNPROCESSABLE_ENTITY, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], fault)
                .into_response()
        };
        let found = found(&state, &asked, FEED).await?.map_err(fault)?;
        let context = &state.0.context;
        Ok(write(&Feed {
            title: title(&state, &asked),
            base: &context.public_url,
            own: &asked.address(room, 0),
            page: &asked.address("/advisories", 0),
            advisories: &found,
            name: &|id| context.platform_name(id),
        }))
    };
    state.0.cache.page(asked.address(room, 0), &headers, make).await
}

/// What a feed is called.
fn title(state: &State, asked: &Asked) -> String {
    let platform = state.0.context.catalog.get(&asked.platform).map(|platform| platform.name.clone());
    let mut said: Vec<String> = platform.into_iter().collect();
    said.extend(asked.exploited.then(|| "exploited".to_owned()));
    said.extend(
        [&asked.severity, &asked.topic, &asked.source, &asked.q].into_iter().filter(|text| !text.is_empty()).cloned(),
    );
    if said.is_empty() { "Rattlewatch: advisories".to_owned() } else { format!("Rattlewatch: {}", said.join(", ")) }
}
