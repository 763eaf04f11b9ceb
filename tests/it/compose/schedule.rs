//! When digests come: one each local day or week, whatever the clocks do.

use jiff::civil::{Time, Weekday, time};
use jiff::tz::TimeZone;
use rattlewatch::pipeline::schedule::next_digest;

use super::*;

fn schedule(every: DigestEvery, day: Weekday, at: Time, zone: &str) -> DigestSchedule {
    DigestSchedule { every, day, at, timezone: zone.to_owned(), ..DigestSchedule::default() }
}

fn instant(text: &str) -> Timestamp {
    Timestamp::from(text.parse::<jiff::Timestamp>().unwrap())
}

const ZONES: [&str; 8] = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "UTC",
];

#[test]
fn each_local_week_and_day_has_exactly_one_digest_for_two_years() {
    for zone in ZONES {
        let tz = TimeZone::get(zone).unwrap();
        for at in [time(0, 0, 0, 0), time(0, 30, 0, 0), time(2, 15, 0, 0), time(7, 30, 0, 0), time(23, 59, 0, 0)] {
            for (every, step, day) in
                [(DigestEvery::Weekly, 7, Weekday::Sunday), (DigestEvery::Daily, 1, Weekday::Friday)]
            {
                let schedule = schedule(every, day, at, zone);
                let mut last = next_digest(&schedule, instant("2025-12-31T12:00:00Z")).unwrap().unwrap();
                for _ in 0..(731 / step) {
                    let next = next_digest(&schedule, last.at).unwrap().unwrap();
                    assert!(next.at > last.at, "{zone} {at}");
                    let date = |period: &str| period.parse::<jiff::civil::Date>().unwrap();
                    let gap = date(&last.period).until(date(&next.period)).unwrap().get_days();
                    assert_eq!(gap, step, "{zone} {at}: {last:?}, {next:?}");
                    let local = next.at.to_jiff().to_zoned(tz.clone());
                    assert_eq!(local.date().to_string(), next.period, "{zone} {at}");
                    assert!(step == 1 || local.weekday() == day, "{zone} {at}");
                    // Asked at any moment between the two, the answer is the same.
                    let between = Timestamp((last.at.0 + next.at.0) / 2);
                    assert_eq!(next_digest(&schedule, between).unwrap().unwrap(), next, "{zone} {at}");
                    last = next;
                }
            }
        }
    }
}

#[test]
fn a_skipped_time_moves_to_the_end_of_the_gap_and_a_doubled_one_fires_first_only() {
    let table = [
        // zone, local time, asked after, comes at
        ("America/New_York", time(2, 30, 0, 0), "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"),
        ("America/New_York", time(1, 30, 0, 0), "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z"),
        ("America/New_York", time(1, 30, 0, 0), "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
        ("Europe/Berlin", time(2, 0, 0, 0), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", time(2, 30, 0, 0), "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("Australia/Lord_Howe", time(2, 15, 0, 0), "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", time(1, 45, 0, 0), "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z"),
        ("Africa/Cairo", time(0, 30, 0, 0), "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"),
        ("America/Santiago", time(0, 10, 0, 0), "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z"),
        // Samoa crossed the date line: 30 December 2011 never was, and so has no digest.
        ("Pacific/Apia", time(7, 30, 0, 0), "2011-12-29T12:00:00Z", "2011-12-29T17:30:00Z"),
        ("Pacific/Apia", time(7, 30, 0, 0), "2011-12-29T17:30:00Z", "2011-12-30T17:30:00Z"),
    ];
    for (zone, at, after, comes) in table {
        let next = next_digest(&schedule(DigestEvery::Daily, Weekday::Monday, at, zone), instant(after));
        assert_eq!(next.unwrap().unwrap().at.to_string(), comes, "{zone} {at} after {after}");
    }
}

#[test]
fn a_schedule_without_digests_has_none_and_an_unknown_zone_is_named() {
    let none = schedule(DigestEvery::None, Weekday::Monday, time(7, 0, 0, 0), "Mars/Olympus");
    assert_eq!(next_digest(&none, TUESDAY), Ok(None));
    let wrong = schedule(DigestEvery::Weekly, Weekday::Monday, time(7, 0, 0, 0), "Mars/Olympus");
    assert!(next_digest(&wrong, TUESDAY).unwrap_err().contains("'Mars/Olympus'"));
    let (long, nonsense) = ("x".repeat(100_000), "\r\n\0/".to_owned());
    for (written, meant) in [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("new york", "did you mean America/New_York?"),
        ("", "such as Europe/Berlin"),
        (&long, "such as Europe/Berlin"),
        (&nonsense, "such as Europe/Berlin"),
    ] {
        let told = next_digest(&schedule(DigestEvery::Daily, Weekday::Monday, time(7, 0, 0, 0), written), TUESDAY);
        let told = told.unwrap_err();
        assert!(told.contains(meant) && told.len() < 400, "{told}");
    }
    let right = schedule(DigestEvery::Weekly, Weekday::Monday, time(7, 30, 0, 0), "Europe/Berlin");
    let next = next_digest(&right, TUESDAY).unwrap().unwrap();
    assert_eq!((next.at.to_string().as_str(), next.period.as_str()), ("2026-11-23T06:30:00Z", "2026-11-23"));
    assert!(next_digest(&right, Timestamp(i64::MAX)).is_err());
    assert!(next_digest(&right, Timestamp(i64::MIN)).is_ok());
}
