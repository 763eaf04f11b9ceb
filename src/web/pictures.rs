//! Pictures: what people would rather look at, counted from what is stored, each with a sentence that says the same.

use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::charts::{self, Bar};
use crate::model::clock::Timestamp;
use crate::store::pace::Pace;

/// A drawing (SVG) and the sentence beside it.
pub(super) struct Picture {
    pub(super) svg: String,
    pub(super) words: String,
}

/// Weeks on the heat map.
const WEEKS: i64 = 26;
const DAY: i64 = 86_400_000_000;

/// From which instant on the heat map shows days, and up to which: whole weeks from a Monday, the last of them not over.
pub(super) fn half_year(now: Timestamp) -> (Timestamp, Timestamp) {
    let today = now.0.div_euclid(DAY);
    // 1970-01-01 was a Thursday.
    let monday = today - (today + 3).rem_euclid(7);
    (Timestamp((monday - (WEEKS - 1) * 7) * DAY), Timestamp((today + 1) * DAY))
}

/// How many advisories each day of half a year brought, week by week. `counts`: days since 1970-01-01, as far as there were
/// any.
pub(super) fn weeks(now: Timestamp, counts: &[(i64, i64)]) -> Picture {
    let (from, until) = half_year(now);
    let (first, days) = (from.0 / DAY, usize::try_from((until.0 - from.0) / DAY).unwrap_or_default());
    let mut all = vec![0_u32; days];
    for (day, count) in counts {
        if let Some(place) = usize::try_from(day - first).ok().and_then(|place| all.get_mut(place)) {
            *place = u32::try_from(*count).unwrap_or(u32::MAX);
        }
    }
    let date = |place: usize| day(Timestamp(from.0 + i64::try_from(place).unwrap_or_default() * DAY));
    let months: Vec<(usize, String)> = (0..days)
        .step_by(7)
        .filter(|monday| date(*monday).day() <= 7)
        .map(|monday| (monday / 7, date(monday).strftime("%b").to_string()))
        .collect();
    let total: u64 = all.iter().copied().map(u64::from).sum();
    let busiest = all.iter().copied().enumerate().max_by_key(|(place, count)| (*count, *place));
    let words = match busiest.filter(|(_, count)| *count > 0) {
        Some((place, count)) => {
            let (when, weekday) = (date(place).strftime("%d %B %Y"), busiest_weekday(&all));
            format!(
                "{total} advisories in {WEEKS} weeks, most of them on {weekday}s; the fullest day was {when} with {count}."
            )
        }
        None => format!("No advisory was published in the last {WEEKS} weeks."),
    };
    Picture { svg: charts::weeks(&all, &months, &words), words }
}

fn day(at: Timestamp) -> Date {
    at.to_jiff().to_zoned(TimeZone::UTC).date()
}

/// The day of the week on which most was published; `days` begin on a Monday.
fn busiest_weekday(days: &[u32]) -> &'static str {
    let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let sum = |at: usize| days.iter().skip(at).step_by(7).copied().map(u64::from).sum::<u64>();
    let most = (0..7).max_by_key(|at| (sum(*at), 7 - at));
    most.and_then(|at| names.get(at)).copied().unwrap_or("Monday")
}

/// How long it may take, and what the bar is called.
const STEPS: [(u64, &str); 6] =
    [(60, "1 min"), (300, "5 min"), (900, "15 min"), (3_600, "1 hour"), (14_400, "4 hours"), (86_400, "1 day")];

/// From publication to the first message: what a publisher dates by the minute, by how long it took.
pub(super) fn speed(all: &[Pace]) -> Option<Picture> {
    let here = middle(all.iter().map(|one| one.told.since(one.seen)).collect())?;
    // A date without a time says too little, and one that is missing or to come says nothing.
    let timed = all.iter().filter(|one| one.published.0.rem_euclid(DAY) != 0 && one.published < one.seen);
    let lags: Vec<Duration> = timed.map(|one| one.told.since(one.published)).collect();
    let mut counts = [0_u32; STEPS.len() + 1];
    for lag in &lags {
        let step = STEPS.iter().position(|(most, _)| lag.as_secs() <= *most).unwrap_or(STEPS.len());
        counts[step] += 1;
    }
    let mut words = format!(
        "From our reading of it to the first message accepted: {} in the middle, over {}.",
        span(here),
        counted(all.len())
    );
    if let Some(middle) = middle(lags.clone()) {
        words.push_str(&format!(
            " From its publication, where the publisher tells the time: {} in the middle, over {}.",
            span(middle),
            lags.len()
        ));
    }
    let names = STEPS.iter().map(|(_, name)| format!("≤ {name}")).chain(["longer".to_owned()]);
    let bars: Vec<Bar> = names.zip(counts).map(|(name, count)| Bar { name, counts: vec![count] }).collect();
    let svg = if lags.is_empty() { String::new() } else { charts::stacked(&bars, &["accent"], &words) };
    Some(Picture { svg, words })
}

fn counted(number: usize) -> String {
    if number == 1 { "1 advisory".to_owned() } else { format!("{number} advisories") }
}

/// The one in the middle.
fn middle(mut all: Vec<Duration>) -> Option<Duration> {
    all.sort_unstable();
    all.get(all.len().checked_sub(1)? / 2).copied()
}

/// How long, as people say it.
fn span(long: Duration) -> String {
    match long.as_secs() {
        0 => "under a second".to_owned(),
        1 => "1 second".to_owned(),
        seconds @ 2..120 => format!("{seconds} seconds"),
        seconds @ 120..7_200 => format!("{} minutes", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// At which hours (UTC) a source publishes, from when its items say that they were published.
pub(super) fn rhythm(published: &[Timestamp]) -> Picture {
    let times: Vec<jiff::Zoned> = published
        .iter()
        // A date without a time is midnight, and says nothing of the hour.
        .filter(|at| at.0.rem_euclid(DAY) != 0)
        .map(|at| at.to_jiff().to_zoned(TimeZone::UTC))
        .collect();
    if times.is_empty() {
        let words = "It does not say at which hour it publishes.".to_owned();
        return Picture { svg: String::new(), words };
    }
    let mut hours = [0_u32; 24];
    for time in &times {
        hours[usize::try_from(time.hour()).unwrap_or_default() % 24] += 1;
    }
    let weekend = times.iter().filter(|time| matches!(time.weekday(), Weekday::Saturday | Weekday::Sunday)).count();
    let most = (0..24).max_by_key(|hour| (hours[*hour], 24 - hour)).unwrap_or_default();
    let words = format!(
        "Of the newest {} items that tell their hour, most came between {most}:00 and {}:00 UTC; {weekend} came on a weekend.",
        times.len(),
        most + 1
    );
    let name = |hour: usize| if hour.is_multiple_of(3) { format!("{hour}:00") } else { String::new() };
    let bars: Vec<Bar> =
        hours.iter().enumerate().map(|(hour, count)| Bar { name: name(hour), counts: vec![*count] }).collect();
    Picture { svg: charts::stacked(&bars, &["accent"], &words), words }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().expect("a time"))
    }

    #[test]
    fn half_a_year_is_whole_weeks_from_a_monday_to_the_end_of_today() {
        for (now, from, until) in [
            ("2026-11-24T10:00:00Z", "2026-06-01T00:00:00Z", "2026-11-25T00:00:00Z"),
            ("2026-11-23T00:00:00Z", "2026-06-01T00:00:00Z", "2026-11-24T00:00:00Z"),
            ("2026-11-22T23:59:59Z", "2026-05-25T00:00:00Z", "2026-11-23T00:00:00Z"),
        ] {
            assert_eq!(half_year(at(now)), (at(from), at(until)), "{now}");
        }
    }

    #[test]
    fn the_heat_map_counts_what_is_in_range_and_says_it() {
        let now = at("2026-11-24T10:00:00Z");
        let of = |text: &str| at(text).0 / DAY;
        let counts =
            [(of("2026-11-24T00:00:00Z"), 7), (of("2026-11-17T00:00:00Z"), 2), (of("2026-05-31T00:00:00Z"), 99)];
        let picture = weeks(now, &counts);
        assert_eq!(
            picture.words,
            "9 advisories in 26 weeks, most of them on Tuesdays; the fullest day was 24 November 2026 with 7."
        );
        assert!(
            picture.svg.contains("heat-4") && picture.svg.contains("heat-2") && picture.svg.contains("Nov"),
            "{}",
            picture.svg
        );
        assert!(weeks(now, &[]).words.starts_with("No advisory"));
    }

    #[test]
    fn speed_takes_dates_without_a_time_for_what_they_are() {
        let pace =
            |published: &str, seen: &str, told: &str| Pace { published: at(published), seen: at(seen), told: at(told) };
        let all = [
            pace("2026-11-24T08:00:00Z", "2026-11-24T08:04:00Z", "2026-11-24T08:04:02Z"),
            pace("2026-11-24T00:00:00Z", "2026-11-24T09:00:00Z", "2026-11-24T09:00:03Z"),
            pace("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z"),
        ];
        let picture = speed(&all).expect("a picture");
        assert_eq!(
            picture.words,
            "From our reading of it to the first message accepted: 2 seconds in the middle, over 3 advisories. From its \
             publication, where the publisher tells the time: 4 minutes in the middle, over 1."
        );
        assert_eq!(picture.svg.matches("<rect").count(), 1);
        assert!(speed(&[]).is_none());
        let undated = speed(&all[1..]).expect("words");
        assert!(undated.svg.is_empty() && !undated.words.contains("publication"));
    }

    #[test]
    fn a_rhythm_is_told_by_who_tells_the_hour() {
        let picture = rhythm(&[at("2026-11-24T14:20:00Z"), at("2026-11-21T14:59:59Z"), at("2026-11-24T00:00:00Z")]);
        assert!(picture.words.contains("newest 2 items") && picture.words.contains("between 14:00 and 15:00"));
        assert!(picture.words.ends_with("1 came on a weekend."), "{}", picture.words);
        assert!(rhythm(&[at("2026-11-24T00:00:00Z")]).svg.is_empty());
    }
}
