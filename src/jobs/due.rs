//! Due: when a source is read next.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::config::sources::Source;
use crate::model::clock::Timestamp;

/// The longest wait after repeated failures that a publisher decided (403, 404, a changed page).
const LONGEST_BACK_OFF: Duration = Duration::from_secs(24 * 3_600);
/// The longest wait after repeated failures that may mend by themselves (no connection, 5xx): an outage that is over
/// should not leave us blind for much longer.
const TRANSIENT_BACK_OFF: Duration = Duration::from_secs(3_600);
/// The longest freshness that is believed.
const FRESH_MAX: Duration = Duration::from_secs(3_600);
/// The longest delay that jitter adds, in microseconds.
const JITTER_MAX: i64 = 120 * 1_000_000;
/// How soon a source is looked at again after a failure that may mend by itself.
const SECOND_LOOK: Duration = Duration::from_secs(5 * 60);

/// What a failure says of how soon to come back.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// It may mend by itself.
    pub transient: bool,
    /// What the publisher asked for.
    pub asked: Duration,
}

/// When the source is to be read next after `now`: as its schedule says, a little later by chance, so that installations everywhere do not call at the same second.
#[must_use]
pub fn next(source: &Source, now: Timestamp) -> Option<Timestamp> {
    let instant = chrono::DateTime::from_timestamp_micros(now.0)?;
    let mut coming = source.schedule.after(&instant);
    let next = coming.next()?;
    let between = coming.next().map_or(chrono::TimeDelta::zero(), |after| after - next);
    let room = (between / 10).num_microseconds().unwrap_or(0).clamp(0, JITTER_MAX);
    Some(Timestamp(next.timestamp_micros() + jitter(&source.id, next.timestamp(), room)))
}

/// `due`, or later where the publisher says that nothing changes before (`Cache-Control`, RSS `ttl`): at most an hour from
/// `now`, since a cache in front of a publisher may promise more than the publisher means.
#[must_use]
pub fn fresh_until(due: Option<Timestamp>, now: Timestamp, fresh: Option<Duration>) -> Option<Timestamp> {
    due.map(|due| due.max(now.plus(fresh.unwrap_or_default().min(FRESH_MAX))))
}

/// Until when a source waits at most, whatever it said and however often it failed. One that waits longer was planned by
/// a clock that ran ahead and was set back since.
#[must_use]
pub fn farthest(source: &Source, now: Timestamp) -> Timestamp {
    let after = now.plus(LONGEST_BACK_OFF);
    next(source, after).unwrap_or(after).plus(2 * LONGEST_BACK_OFF)
}

/// 0 to `room`, another one for each source, instant and process.
fn jitter(id: &str, at: i64, room: i64) -> i64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (id, at, std::process::id()).hash(&mut hasher);
    i64::try_from(hasher.finish() >> 1).unwrap_or(0) % (room + 1)
}

/// The schedule's next instant, but no sooner than the publisher asked for, and a doubling wait after repeated failures.
#[must_use]
pub fn after_failure(source: &Source, failures: i64, patience: Patience, now: Timestamp) -> Timestamp {
    let longest = if patience.transient { TRANSIENT_BACK_OFF } else { LONGEST_BACK_OFF };
    let doubled = Duration::from_secs(60 << failures.clamp(0, 11)).min(longest);
    let wait = if failures > 1 { doubled } else { Duration::ZERO };
    let asked = patience.asked.min(LONGEST_BACK_OFF);
    let due = next(source, now.plus(wait.max(asked))).unwrap_or(now.plus(LONGEST_BACK_OFF));
    // A source that is read rarely is looked at again soon: one hiccup must not cost it half a day.
    if failures <= 2 && patience.transient { due.min(now.plus(SECOND_LOOK.max(asked))) } else { due }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(schedule: &str) -> Source {
        let text = format!(
            "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"government\"\ncountry = \"US\"\nurl = \"https://a.example/feed\"\nformat = \"feed\"\nschedule = \"{schedule}\"\n"
        );
        let known = crate::config::sources::Known { formats: &["feed"], platforms: None, check_selector: &|_| Ok(()) };
        crate::config::sources::parse(&text, "sources.toml", &known).expect("a good source").remove(0)
    }

    #[test]
    fn the_next_reading_is_on_schedule_or_a_little_after_it() {
        let (hourly, now) = (source("0 0 * * * *"), Timestamp::from_seconds(1_795_419_000));
        let due = next(&hourly, now).expect("it is due some time");
        let on_schedule = Timestamp::from_seconds((now.seconds() / 3_600 + 1) * 3_600);
        assert!(due >= on_schedule && due <= on_schedule.plus(Duration::from_secs(120)), "{due}");
    }

    #[test]
    fn no_wait_that_is_planned_is_taken_for_one_of_a_wrong_clock() {
        let now = Timestamp::from_seconds(1_795_419_000);
        let patience = Patience { transient: false, asked: Duration::from_secs(30 * 86_400) };
        for schedule in ["0 0 * * * *", "0 0 3 * * *", "0 0 3 1 * *"] {
            let source = source(schedule);
            let farthest = farthest(&source, now);
            assert!(next(&source, now).is_some_and(|due| due < farthest), "{schedule}");
            assert!((0..99).all(|failures| after_failure(&source, failures, patience, now) < farthest), "{schedule}");
            assert!(farthest < now.plus(Duration::from_secs(40 * 86_400)), "{schedule}");
        }
    }

    #[test]
    fn what_a_publisher_says_of_freshness_is_believed_for_an_hour() {
        let (now, minute) = (Timestamp(0), Duration::from_secs(60));
        let due = Some(now.plus(15 * minute));
        assert_eq!(fresh_until(due, now, None), due);
        assert_eq!(fresh_until(due, now, Some(minute)), due);
        assert_eq!(fresh_until(due, now, Some(30 * minute)), Some(now.plus(30 * minute)));
        assert_eq!(fresh_until(due, now, Some(600 * minute)), Some(now.plus(60 * minute)));
    }

    #[test]
    fn a_hiccup_is_looked_at_again_soon_and_a_refusal_is_not() {
        let (daily, now) = (source("0 0 0 * * *"), Timestamp::from_seconds(1_795_419_000));
        let wait = |failures, transient, asked| {
            let patience = Patience { transient, asked: Duration::from_secs(asked) };
            (after_failure(&daily, failures, patience, now).0 - now.0) / 1_000_000
        };
        assert_eq!(wait(1, true, 0), 300);
        assert_eq!(wait(1, true, 900), 900, "what the publisher asks for holds");
        assert!(wait(1, false, 0) > 3_600, "a refusal waits for the schedule");
        assert!(wait(9, true, 0) <= 2 * 86_400 && wait(9, false, 0) >= 8 * 3_600);
    }
}
