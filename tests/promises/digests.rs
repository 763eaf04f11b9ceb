//! The digest proof: one digest each local day or week, and windows that cover all that is due and never overlap, over
//! daylight saving, clocks that jump, missed runs and crashes.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday, date, time};
use jiff::tz::TimeZone;
use rand08::rngs::StdRng;
use rand08::{Rng, SeedableRng};
use rattlewatch::model::audience::{DigestEvery, DigestSchedule};
use rattlewatch::model::clock::Timestamp;
use rattlewatch::pipeline::schedule::next_digest;

use crate::support::postgres::{engines, sqlite};
use world::{Cut, World};

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

/// Midnight, times within the gaps and folds of those zones, a usual one and the last of a day.
const TIMES: [(i8, i8); 8] = [(0, 0), (0, 15), (0, 30), (1, 45), (2, 15), (2, 30), (7, 30), (23, 45)];

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn schedule(every: DigestEvery, day: Weekday, at: Time, zone: &str) -> DigestSchedule {
    DigestSchedule { every, day, at, timezone: zone.to_owned(), ..DigestSchedule::default() }
}

fn instant(text: &str) -> Timestamp {
    Timestamp::from(text.parse::<jiff::Timestamp>().unwrap())
}

/// The rule, said another way and found by looking at the clock on the wall: the first instant at which it shows the
/// wanted time or a later one. In a gap that is its end, in a fold the first of the two.
fn first_shown(zone: &TimeZone, date: Date, at: Time) -> Timestamp {
    let wanted = date.to_datetime(at);
    // No zone is further from UTC, and none of these moves by less than a quarter of an hour.
    let mut instant = wanted.to_zoned(TimeZone::UTC).unwrap().timestamp() - 15.hours();
    while instant.to_zoned(zone.clone()).datetime() < wanted {
        instant += 15.minutes();
    }
    Timestamp::from(instant)
}

fn exists(zone: &TimeZone, date: Date) -> bool {
    first_shown(zone, date, Time::midnight()).to_jiff().to_zoned(zone.clone()).date() == date
}

/// What the schedule plans from one digest to the next.
fn planned(schedule: &DigestSchedule, mut after: Timestamp, count: usize) -> Vec<(Timestamp, String)> {
    let mut planned = Vec::new();
    while planned.len() < count {
        let next = next_digest(schedule, after).unwrap().unwrap();
        after = next.at;
        planned.push((next.at, next.period));
    }
    planned
}

#[test]
fn each_local_day_and_week_of_two_years_has_its_one_digest_at_the_first_instant_that_shows_its_time() {
    let now = date(2026, 1, 1);
    let spans = ZONES.map(|zone| (zone, now)).into_iter().chain([("Pacific/Apia", date(2011, 1, 1))]);
    for (name, first) in spans {
        let zone = TimeZone::get(name).unwrap();
        let dates: Vec<Date> = first.series(1.day()).take(730).collect();
        for (hour, minute) in TIMES {
            let at = time(hour, minute, 0, 0);
            let shown: Vec<(Date, Timestamp)> =
                dates.iter().map(|date| (*date, first_shown(&zone, *date, at))).collect();
            let before = Timestamp(shown[0].1.0 - 1);
            let days = shown.iter().filter(|(date, _)| exists(&zone, *date));
            let days: Vec<(Timestamp, String)> = days.map(|(date, at)| (*at, date.to_string())).collect();
            let daily = schedule(DigestEvery::Daily, Weekday::Monday, at, name);
            assert_eq!(planned(&daily, before, days.len()), days, "{name} daily at {at}");
            for weekday in WEEK {
                let weeks = shown.iter().filter(|(date, _)| date.weekday() == weekday);
                let weeks: Vec<(Timestamp, String)> = weeks.map(|(date, at)| (*at, date.to_string())).collect();
                let weekly = schedule(DigestEvery::Weekly, weekday, at, name);
                assert_eq!(planned(&weekly, before, weeks.len()), weeks, "{name} {weekday:?} at {at}");
            }
        }
    }
}

#[test]
fn the_next_digest_is_the_same_whenever_it_is_asked_for() {
    let mut random = StdRng::seed_from_u64(17);
    for name in ZONES {
        let daily = schedule(DigestEvery::Daily, Weekday::Monday, time(2, 30, 0, 0), name);
        let weekly = schedule(DigestEvery::Weekly, Weekday::Sunday, time(0, 30, 0, 0), name);
        for schedule in [daily, weekly] {
            let planned = planned(&schedule, instant("2026-01-01T00:00:00Z"), 110);
            for pair in planned.windows(2) {
                for _ in 0..3 {
                    let between = Timestamp(random.gen_range(pair[0].0.0..pair[1].0.0));
                    let next = next_digest(&schedule, between).unwrap().unwrap();
                    assert_eq!((next.at, next.period), pair[1], "{name} after {between}");
                }
            }
        }
    }
}

/// The windows of each recipient: in order, without a gap that holds anything due, without an overlap.
async fn whole_and_parted(world: &World, what: &str) -> BTreeMap<String, Vec<Cut>> {
    let cuts = world.cuts().await;
    for (subscription, due) in world.due() {
        let mine = cuts.get(&subscription).map_or(&[][..], Vec::as_slice);
        for pair in mine.windows(2) {
            assert!(pair[0].upto <= pair[1].after, "{what}: {subscription}: {pair:?} overlap");
        }
        for seq in due {
            let told: Vec<&Cut> = mine.iter().filter(|cut| cut.after < seq && seq <= cut.upto).collect();
            assert_eq!(told.len(), 1, "{what}: {subscription}: event {seq} is told once: {mine:?}");
        }
    }
    cuts
}

/// What arrived: each event that is due in one letter of its recipient, and in no other.
fn told_once(world: &World, what: &str) {
    let letters = world.letters();
    for (subscription, due) in world.due() {
        let mine = letters.get(&subscription).map_or(&[][..], Vec::as_slice);
        for seq in due {
            let marker = world.marker(seq);
            let times = mine.iter().filter(|letter| letter.contains(&marker)).count();
            assert_eq!(times, 1, "{what}: {subscription}: {marker} is told by one of {} letters", mine.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn left_to_itself_each_period_has_one_digest_at_its_time() {
    // Over changes of five zones in the spring of 2026, and over the day that Samoa skipped.
    for (begin, days) in [("2026-03-24T00:00:00Z", 42), ("2011-12-20T00:00:00Z", 20)] {
        let world = World::new(sqlite(), instant(begin)).await;
        let mut wanted = BTreeMap::new();
        for (index, name) in ZONES.into_iter().enumerate() {
            let (hour, minute) = TIMES[index];
            for every in [DigestEvery::Daily, DigestEvery::Weekly] {
                let schedule = schedule(every, Weekday::Friday, time(hour, minute, 0, 0), name);
                wanted.insert(world.subscribe(&schedule, None).await, schedule);
            }
        }
        let end = instant(begin).plus(Duration::from_secs(days * DAY));
        let mut last_news = instant(begin);
        let mut quarters = 0;
        while world.now() < end {
            if quarters % 12 == 0 && world.now() < end.minus(Duration::from_secs(8 * DAY)) {
                world.ingest("screenconnect").await;
                last_news = world.now();
            }
            world.advance(15 * 60);
            world.run().await;
            quarters += 1;
        }
        let cuts = world.cuts().await;
        for (subscription, schedule) in wanted {
            let mut expected = planned(&schedule, instant(begin), 60);
            // The first one after the last news has something to say, those after it have not.
            let silent = expected.iter().position(|(at, _)| *at > last_news).unwrap();
            expected.truncate(silent + 1);
            let came: Vec<(Timestamp, String)> =
                cuts[&subscription].iter().map(|cut| (cut.at, cut.period.clone())).collect();
            assert_eq!(came, expected, "{schedule:?}");
        }
        told_once(&world, begin);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_weeks_off_one_digest_tells_everything() {
    for engine in engines() {
        let name = engine.name;
        let world = World::new(engine, instant("2026-03-01T00:00:00Z")).await;
        let zone = "America/New_York";
        let daily =
            world.subscribe(&schedule(DigestEvery::Daily, Weekday::Monday, time(2, 30, 0, 0), zone), None).await;
        let weekly =
            world.subscribe(&schedule(DigestEvery::Weekly, Weekday::Sunday, time(2, 30, 0, 0), zone), None).await;
        for _ in 0..5 {
            world.ingest("screenconnect").await;
        }
        world.advance(21 * DAY);
        world.ingest("screenconnect").await;
        for _ in 0..3 {
            world.run().await;
            world.advance(60);
        }
        let cuts = whole_and_parted(&world, name).await;
        assert_eq!((cuts[&daily].len(), cuts[&weekly].len()), (1, 1), "{name}: {cuts:?}");
        told_once(&world, name);
        // The next ones come at their usual time.
        world.ingest("screenconnect").await;
        world.advance(DAY);
        world.run().await;
        world.advance(6 * DAY);
        world.run().await;
        let cuts = whole_and_parted(&world, name).await;
        assert_eq!((cuts[&daily].len(), cuts[&weekly].len()), (2, 2), "{name}: {cuts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_whose_digest_has_come_keeps_what_follows_for_the_next() {
    for engine in engines() {
        let name = engine.name;
        let world = World::new(engine, instant("2026-03-02T06:00:00Z")).await;
        let at = |hour| schedule(DigestEvery::Daily, Weekday::Monday, time(hour, 0, 0, 0), "UTC");
        let who = world.subscribe(&at(7), None).await;
        world.ingest("screenconnect").await;
        world.advance(2 * HOUR);
        world.run().await;
        // The recipient chooses a later hour on the same day: the day has had its digest, and nothing may get lost.
        world.change(&who, &at(12)).await;
        world.ingest("screenconnect").await;
        world.advance(6 * HOUR);
        world.run().await;
        assert_eq!(world.cuts().await[&who].len(), 1, "{name}");
        world.advance(DAY);
        world.run().await;
        let cuts = whole_and_parted(&world, name).await;
        assert_eq!(cuts[&who].iter().map(|cut| cut.period.as_str()).collect::<Vec<_>>(), ["2026-03-02", "2026-03-03"]);
        told_once(&world, name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_ran_years_ahead_and_was_set_right_costs_no_period() {
    for engine in engines() {
        let name = engine.name;
        let begin = instant("2026-03-02T06:00:00Z");
        let world = World::new(engine, begin).await;
        let of = |every| schedule(every, Weekday::Wednesday, time(7, 0, 0, 0), "Europe/Berlin");
        let (daily, weekly) = (
            world.subscribe(&of(DigestEvery::Daily), None).await,
            world.subscribe(&of(DigestEvery::Weekly), None).await,
        );
        world.ingest("screenconnect").await;
        world.advance(4_000 * DAY);
        world.run().await;
        world.ingest("screenconnect").await;
        world.set(begin.plus(Duration::from_secs(HOUR)));
        for _ in 0..40 {
            world.advance(DAY / 2);
            world.run().await;
            world.ingest("screenconnect").await;
        }
        let cuts = world.cuts().await;
        let last = |who: &str| cuts[who].last().map(|cut| cut.period.clone());
        assert_eq!(last(&daily).as_deref(), Some("2026-03-22"), "{name}: {cuts:?}");
        assert_eq!(last(&weekly).as_deref(), Some("2026-03-18"), "{name}: {cuts:?}");
        world.advance(7 * DAY);
        world.run().await;
        whole_and_parted(&world, name).await;
        told_once(&world, name);
    }
}

/// One life of a world: items, ticks, crashes, jumps and changed minds at random. Then what was promised is looked for.
async fn live(world: &mut World, random: &mut StdRng, what: &str) {
    let mut ahead = 0_i64;
    let pick = |random: &mut StdRng| {
        let every = if random.gen_bool(0.5) { DigestEvery::Daily } else { DigestEvery::Weekly };
        let (hour, minute) = TIMES[random.gen_range(0..TIMES.len())];
        schedule(every, WEEK[random.gen_range(0..7)], time(hour, minute, 0, 0), ZONES[random.gen_range(0..8)])
    };
    let mut people = Vec::new();
    for platform in [None, Some("screenconnect"), Some("veeam-vbr"), None] {
        people.push(world.subscribe(&pick(random), platform).await);
    }
    for _ in 0..random.gen_range(60..140) {
        match random.gen_range(0..100) {
            0..=34 => world.ingest(if random.gen_bool(0.5) { "screenconnect" } else { "veeam-vbr" }).await,
            35..=64 => world.advance(random.gen_range(60..30 * HOUR)),
            65..=74 => world.run().await,
            // Killed somewhere within cutting, or between the cut and the last letter.
            75..=89 => world.crash(Duration::from_micros(random.gen_range(0..20_000)), random.gen_bool(0.5)).await,
            90..=92 => world.advance(21 * DAY),
            93..=94 if ahead == 0 => {
                ahead = random.gen_range(HOUR..900 * DAY) as i64;
                world.jump(ahead);
            }
            93..=95 => world.jump(-std::mem::take(&mut ahead)),
            // Somebody sets the clock back by mistake.
            96 => world.jump(-(random.gen_range(60..30 * HOUR) as i64)),
            _ => world.change(&people[random.gen_range(0..people.len())], &pick(random)).await,
        }
    }
    world.jump(-ahead);
    world.restart().await;
    for _ in 0..24 {
        world.advance(12 * HOUR);
        world.run().await;
        let latest = world.now().plus(Duration::from_secs(8 * DAY));
        assert!(
            world.planned().await.iter().all(|due| *due <= latest),
            "{what}: a digest is planned for the next period"
        );
    }
    let cuts = whole_and_parted(world, what).await;
    for (who, mine) in &cuts {
        let periods: BTreeSet<&str> = mine.iter().map(|cut| cut.period.as_str()).collect();
        assert_eq!(periods.len(), mine.len(), "{what}: {who} has one digest a period");
    }
    told_once(world, what);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_any_run_of_crashes_and_clocks_the_windows_cover_everything_due_and_never_overlap() {
    let seed = crate::seed();
    for engine in engines() {
        let name = engine.name;
        let lives = if name == "SQLite" { 12 } else { 2 };
        for life in 0..lives {
            let seed = seed.wrapping_add(life);
            let what = format!("{name}, RATTLEWATCH_SEED={seed}");
            let engine = engines().into_iter().find(|engine| engine.name == name).unwrap();
            let mut world = World::new(engine, instant("2026-01-05T10:00:00Z")).await;
            live(&mut world, &mut StdRng::seed_from_u64(seed), &what).await;
        }
    }
}
