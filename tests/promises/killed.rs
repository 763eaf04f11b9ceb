//! P1 and P5: nothing that is stored is lost or doubled when the program is killed, and it gets up by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand08::rngs::StdRng;
use rand08::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::{Engine, engines};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

/// Feeds that are read at once, and items in each.
const FEEDS: usize = 6;
const ITEMS: usize = 15;
/// Starts that may be killed before the program is left alone.
const KILLS: usize = 4;

fn rounds() -> u64 {
    std::env::var("RATTLEWATCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// The feeds: what each shows at first, and later. Later, the first third of the old items has a fix, the rest is as it
/// was, and there are new ones; the first new one of each feed speaks of a flaw that all feeds speak of.
fn feed(number: usize, later: bool) -> String {
    let mut items: Vec<(String, String, String)> = Vec::new();
    for n in 0..ITEMS {
        let fix = if later && n < ITEMS / 3 { " Upgrade to version 2." } else { "" };
        let cve = format!("CVE-2099-{}", 10_000 + number * 1_000 + n);
        items.push((format!("f{number}-{n}"), format!("{cve}: flaw in ScreenConnect"), format!("A flaw.{fix}")));
    }
    for n in (0..ITEMS).filter(|_| later) {
        let cve = if n == 0 { "CVE-2099-9999".to_owned() } else { format!("CVE-2099-{}", 20_000 + number * 1_000 + n) };
        let text = format!("Feed {number} says that it is a flaw.");
        items.push((format!("f{number}-new-{n}"), format!("{cve}: new flaw in ScreenConnect"), text));
    }
    let items: Vec<(&str, &str, &str)> = items.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    rss(&items)
}

/// What is stored: items, advisories with revisions, and events.
#[derive(Debug, PartialEq, Eq)]
struct Stored {
    /// Native id of each item, with how often it is there and its text.
    items: BTreeMap<String, (usize, String)>,
    /// How many advisories stand.
    advisories: usize,
    /// For each advisory, by the native ids of its items: the kinds of its events, in order.
    events: BTreeMap<BTreeSet<String>, Vec<String>>,
}

fn stored(program: &Program) -> Stored {
    let mut stored = Stored { items: BTreeMap::new(), advisories: 0, events: BTreeMap::new() };
    for line in program.ok(&["advisories", "export", "--jsonl"]).lines() {
        let advisory: Value = serde_json::from_str(line).unwrap();
        stored.advisories += 1;
        let ids =
            advisory["items"].as_array().unwrap().iter().map(|item| item["native_id"].as_str().unwrap().to_owned());
        let ids: BTreeSet<String> = ids.collect();
        for item in advisory["items"].as_array().unwrap() {
            let entry = stored.items.entry(item["native_id"].as_str().unwrap().to_owned()).or_default();
            *entry = (entry.0 + 1, item["text"].as_str().unwrap_or_default().to_owned());
        }
        let kinds =
            advisory["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned());
        stored.events.insert(ids, kinds.collect());
        let numbers: Vec<i64> = advisory["revisions"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        let expected: Vec<i64> = (1..=numbers.len() as i64).collect();
        assert_eq!(numbers, expected, "no revision is missing or there twice: {advisory}");
    }
    stored
}

/// A program that has read its feeds once, with somebody who hears everything.
async fn begun(engine: Engine, web: &HttpServer, smtp: &SmtpServer) -> Program {
    let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
    // Each in a mail of its own, however many there are.
    program.set("RATTLEWATCH_BURST", "1000");
    let names: Vec<String> = (0..FEEDS).map(|number| format!("feed{number}")).collect();
    let urls: Vec<String> = names.iter().map(|name| web.url(&format!("/{name}"))).collect();
    let sources: Vec<(&str, &str, &str)> =
        names.iter().zip(&urls).map(|(name, url)| (name.as_str(), "feed", url.as_str())).collect();
    program.sources(&sources);
    program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
    serve(web, false);
    program.run();
    assert_eq!(smtp.message_count(), 0, "history is mailed to nobody");
    serve(web, true);
    program
}

fn serve(web: &HttpServer, later: bool) {
    for number in 0..FEEDS {
        web.route(&format!("/feed{number}"), Reply::ok("application/rss+xml", feed(number, later)));
    }
}

/// Starts the program and kills it after `after`; false where it had ended by itself.
fn killed(program: &Program, after: Duration) -> bool {
    let mut child = program.spawn(&["run", "--all", "--json"]);
    std::thread::sleep(after);
    let ended = child.try_wait().unwrap().is_some();
    // SIGKILL: nothing in the program can see it come.
    let _ = child.kill();
    child.wait().unwrap();
    !ended
}

/// Each event is one mail, whose id no other has; a second copy of one bears the same id.
fn mailed(smtp: &SmtpServer, name: &str) {
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for message in smtp.messages() {
        let text = message.text();
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID:")).unwrap().trim().to_owned();
        *ids.entry(id).or_default() += 1;
    }
    let events = FEEDS * (ITEMS / 3) + FEEDS * (ITEMS - 1) + 1;
    assert_eq!(ids.len(), events, "{name}: one mail an event");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_by_a_kill_at_any_point_of_an_ingest() {
    let seed = crate::seed();
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let control = begun(engine, &web, &smtp).await;
        let begin = Instant::now();
        control.run();
        let whole = begin.elapsed();
        let expected = stored(&control);
        assert_eq!(expected.items.len(), 2 * FEEDS * ITEMS, "{name}");
        assert!(expected.items.values().all(|(count, _)| *count == 1), "{name}");
        mailed(&smtp, name);
        // A start on PostgreSQL takes much longer, and the points are the same.
        let rounds = if name == "SQLite" { rounds() } else { rounds().div_ceil(4) };
        for round in 0..rounds {
            let seed = seed.wrapping_add(round);
            let engine = engines().into_iter().find(|engine| engine.name == name).unwrap();
            let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
            let program = begun(engine, &web, &smtp).await;
            let mut random = StdRng::seed_from_u64(seed);
            for _ in 0..random.gen_range(1..=KILLS) {
                killed(&program, whole.mul_f64(random.gen_range(0.0..1.0)));
            }
            // Left alone, it gets up without anybody's help and without waiting.
            program.run();
            program.run();
            assert_eq!(stored(&program), expected, "{name}, RATTLEWATCH_SEED={seed} RATTLEWATCH_ROUNDS=1");
            mailed(&smtp, name);
        }
    }
}
