//! One platform: its newest advisories, and a year of them as a picture.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use jiff::{ToSpan, tz::TimeZone};

use super::super::State;
use super::super::charts::{self, Bar};
use super::super::lines::Line;
use super::super::views::Frame;
use super::{made, unavailable};
use crate::model::clock::Timestamp;
use crate::model::severity::Severity;
use crate::store::{listing, overview};

/// Advisories shown.
const NEWEST: i64 = 20;
/// The parts of a bar, from the ground up.
const PARTS: [Severity; 5] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];

/// A month, with how many advisories were rated how.
struct Month {
    name: String,
    counts: Vec<u32>,
}

#[derive(Template)]
#[template(path = "platform.html")]
struct Shown {
    frame: Frame,
    id: String,
    name: String,
    vendor: String,
    category: &'static str,
    former: String,
    chart: String,
    keys: Vec<&'static str>,
    months: Vec<Month>,
    lines: Vec<Line>,
    more: String,
}

/// One platform.
pub(in super::super) async fn show(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let context = &state.0.context;
    let Some(platform) = context.catalog.get(&id) else {
        let close = context.catalog.closest(&id).map(|close| format!(" Did you mean {close}?")).unwrap_or_default();
        let message = format!("There is no such platform.{close}");
        return state.problem(StatusCode::NOT_FOUND, &message).into_response();
    };
    let make = async {
        let today = context.clock.now().to_jiff().to_zoned(TimeZone::UTC).date();
        let first = today.first_of_month().saturating_sub(11.months());
        let wanted = listing::Filter {
            platform: Some(id.clone()),
            public: true,
            newest_first: true,
            ..listing::Filter::default()
        };
        let read = context.store.read(move |tx| {
            Ok((listing::select(tx, &wanted, NEWEST)?, overview::rated(tx, &wanted_id(&wanted), start(first))?))
        });
        let (newest, rated) = read.await.map_err(|error| unavailable(&state, &error))?;
        let months = months(first, &rated);
        let keys: Vec<&'static str> = PARTS.iter().map(|part| part.as_str()).collect();
        let bars: Vec<Bar> =
            months.iter().map(|month| Bar { name: month.name.clone(), counts: month.counts.clone() }).collect();
        let alternative = alternative(&platform.name, &rated);
        let feed = format!("/advisories.atom?platform={id}");
        let more = if newest.is_empty() { String::new() } else { format!("/advisories?platform={id}") };
        Ok(made(&Shown {
            frame: Frame { feed, ..state.frame("") },
            name: platform.name.clone(),
            vendor: platform.vendor.clone(),
            category: platform.category.name(),
            former: platform.former.join(", "),
            chart: charts::stacked(&bars, &keys, &alternative),
            keys,
            months,
            lines: newest.iter().map(|advisory| Line::of(context, advisory)).collect(),
            more,
            id: id.clone(),
        }))
    };
    state.0.cache.page(format!("/platforms/{id}"), &headers, make).await
}

fn wanted_id(filter: &listing::Filter) -> String {
    filter.platform.clone().unwrap_or_default()
}

fn start(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map(|start| Timestamp::from_jiff(start.timestamp())).unwrap_or_default()
}

/// Twelve months from `first` on.
fn months(first: Date, rated: &[(Timestamp, Severity, u32)]) -> Vec<Month> {
    let month = |at: i32| first.saturating_add(at.months());
    let mut months: Vec<Month> = (0..12)
        .map(|at| Month { name: month(at).strftime("%b %y").to_string(), counts: vec![0; PARTS.len()] })
        .collect();
    for (at, severity, count) in rated {
        let date = at.to_jiff().to_zoned(TimeZone::UTC).date();
        let place = (i32::from(date.year()) - i32::from(first.year())) * 12 + i32::from(date.month())
            - i32::from(first.month());
        let part = PARTS.iter().position(|part| part == severity);
        if let (Some(month), Some(part)) = (usize::try_from(place).ok().and_then(|place| months.get_mut(place)), part) {
            month.counts[part] = month.counts[part].saturating_add(*count);
        }
    }
    months
}

/// What the picture shows, in a sentence.
fn alternative(name: &str, rated: &[(Timestamp, Severity, u32)]) -> String {
    let sum = |critical: bool| {
        let all = rated.iter().filter(|(_, severity, _)| !critical || *severity == Severity::Critical);
        all.map(|(_, _, count)| u64::from(*count)).sum::<u64>()
    };
    format!("{} advisories touched {name} in the last twelve months, {} of them critical", sum(false), sum(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advisory_stands_in_its_month_and_what_is_out_of_range_in_none() {
        let first = jiff::civil::date(2025, 12, 1);
        let at = |text: &str| Timestamp::from_jiff(text.parse().expect("a time"));
        let rated = [
            (at("2025-12-31T23:59:59Z"), Severity::Critical, 1),
            (at("2026-01-01T00:00:00Z"), Severity::Unknown, 1),
            (at("2026-11-30T00:00:00Z"), Severity::Low, 1),
            (at("2027-01-01T00:00:00Z"), Severity::Low, 1),
            (at("1999-01-01T00:00:00Z"), Severity::Low, 1),
        ];
        let months = months(first, &rated);
        assert_eq!((months.len(), months[0].name.as_str(), months[11].name.as_str()), (12, "Dec 25", "Nov 26"));
        assert_eq!((months[0].counts[0], months[1].counts[4], months[11].counts[3]), (1, 1, 1));
        assert_eq!(months.iter().flat_map(|month| &month.counts).sum::<u32>(), 3);
    }
}
