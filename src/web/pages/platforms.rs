//! Every platform that is looked for, by category.

use std::time::Duration;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;

use super::super::State;
use super::super::views::Frame;
use super::{made, unavailable};
use crate::platforms::Category;
use crate::store::overview;

/// Of how many days advisories are counted.
const DAYS: u64 = 30;

struct One {
    id: String,
    name: String,
    /// What typing is compared with.
    find: String,
    count: i64,
}

#[derive(Template)]
#[template(path = "platforms.html")]
struct Platforms {
    frame: Frame,
    days: u64,
    count: usize,
    groups: Vec<(&'static str, Vec<One>)>,
}

/// All platforms.
pub(in super::super) async fn show(Shared(state): Shared<State>, headers: HeaderMap) -> Response {
    let make = async {
        let context = &state.0.context;
        let since = context.clock.now().minus(Duration::from_secs(DAYS * 86_400));
        let read = context.store.read(move |tx| overview::touched(tx, since)).await;
        let counts = read.map_err(|error| unavailable(&state, &error))?;
        let of = |category: Category| {
            let own = context.catalog.iter().filter(|one| one.category == category && one.same_as.is_none());
            let mut all: Vec<One> = own
                .map(|platform| One {
                    id: platform.id.0.clone(),
                    name: platform.name.clone(),
                    find: format!("{} {} {}", platform.name, platform.vendor, platform.former.join(" ")).to_lowercase(),
                    count: counts.get(&platform.id.0).copied().unwrap_or_default(),
                })
                .collect();
            all.sort_by_key(|one| one.name.to_lowercase());
            (category.name(), all)
        };
        let groups: Vec<_> = Category::ALL.into_iter().map(of).filter(|(_, all)| !all.is_empty()).collect();
        let count = groups.iter().map(|(_, all)| all.len()).sum();
        Ok(made(&Platforms { frame: state.frame("/platforms"), days: DAYS, count, groups }))
    };
    state.0.cache.page("/platforms".to_owned(), &headers, make).await
}
