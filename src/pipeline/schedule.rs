//! Schedule: when a recipient's next digest comes, by the local clock and its daylight-saving changes.
//!
//! A local time that the clocks skip gives the first valid instant after it; one that comes twice, the first. A local day
//! that a zone skips whole has no daily digest: the next day's tells it all.
//! A period is named by its local date, so that each has one digest at most.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::config::fault::closest;
use crate::model::audience::{DigestEvery, DigestSchedule};
use crate::model::clock::Timestamp;
use crate::model::text::{one_line, truncate};

/// The next digest: its instant and the period that it closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// When it comes.
    pub at: Timestamp,
    /// The local date on which it comes, `YYYY-MM-DD`.
    pub period: String,
}

/// The first digest after `after`; `None` where the schedule asks for none.
///
/// # Errors
/// Names the time zone where the zone database has none of that name, and the schedule where it has no date left.
pub fn next_digest(schedule: &DigestSchedule, after: Timestamp) -> Result<Option<Next>, String> {
    let step = match schedule.every {
        DigestEvery::None => return Ok(None),
        DigestEvery::Daily => 1,
        DigestEvery::Weekly => 7,
    };
    let zone = TimeZone::get(&schedule.timezone).map_err(|_| unknown(&schedule.timezone))?;
    let beyond = || format!("no digest date is left after {after}: check the clock of this machine");
    let mut date = after.to_jiff().to_zoned(zone.clone()).date().checked_sub(1.day()).map_err(|_| beyond())?;
    while schedule.every == DigestEvery::Weekly && date.weekday() != schedule.day {
        date = date.tomorrow().map_err(|_| beyond())?;
    }
    // A weekly digest on a date that the zone skips whole (Apia, 2011-12-30) comes when the next date begins; try a few.
    for _ in 0..4 {
        let none = schedule.every == DigestEvery::Daily && is_skipped(date, &zone);
        if let Some(at) = instant(date, schedule, &zone).filter(|at| *at > after && !none) {
            return Ok(Some(Next { at, period: date.to_string() }));
        }
        date = date.checked_add(step.days()).map_err(|_| beyond())?;
    }
    Err(beyond())
}

/// Says that no zone is called `name`, and which one may be meant: one spelled nearly so, or the one of that city.
fn unknown(name: &str) -> String {
    let name = truncate(&one_line(name), 60);
    let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    let city = name.trim().replace(' ', "_");
    let same_city = known
        .iter()
        .map(String::as_str)
        .find(|zone| zone.rsplit_once('/').is_some_and(|(_, last)| last.eq_ignore_ascii_case(&city)));
    match same_city.or_else(|| closest(&city, known.iter().map(String::as_str))) {
        Some(zone) => format!("time zone '{name}' is not known: did you mean {zone}?"),
        None => format!("time zone '{name}' is not known: write an IANA name such as Europe/Berlin"),
    }
}

/// Whether no clock of the zone ever shows that date.
fn is_skipped(date: Date, zone: &TimeZone) -> bool {
    date.to_zoned(zone.clone()).is_ok_and(|begins| begins.date() != date)
}

/// The instant of the schedule on a local date. In a gap, its end.
fn instant(date: Date, schedule: &DigestSchedule, zone: &TimeZone) -> Option<Timestamp> {
    let local = zone.to_ambiguous_timestamp(date.to_datetime(schedule.at));
    let at = match local.offset() {
        AmbiguousOffset::Gap { before, .. } => {
            // Read with the old offset the skipped time lies after the change: the change is where the gap ends.
            let inside = before.to_timestamp(date.to_datetime(schedule.at)).ok()?;
            zone.preceding(inside.checked_add(1.nanosecond()).ok()?).next()?.timestamp()
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => local.compatible().ok()?,
    };
    Some(Timestamp::from(at))
}
