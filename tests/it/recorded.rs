//! The recorded days of CISA's feed, replayed in order beside the recorded KEV catalog.
//!
//! `cargo test --test it recorded -- --nocapture` prints every event with its reasons, and what changed without one.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::{Engine, engines};
use crate::support::program::Program;
use crate::support::smtp_server::SmtpServer;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus")
}

/// The recorded days in order; none, loudly, where there is no recording.
fn days() -> Vec<PathBuf> {
    let folder = corpus().join("cisa-feed/daily");
    let Ok(days) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no recorded feed at {}", folder.display());
        return Vec::new();
    };
    let mut days: Vec<_> = days.flatten().map(|entry| entry.path()).collect();
    days.sort();
    days
}

struct Replay {
    web: HttpServer,
    smtp: SmtpServer,
    program: Program,
}

impl Replay {
    async fn on(engine: Engine) -> Self {
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        // Each in a mail of its own, however many there are.
        program.set("RATTLEWATCH_BURST", "100000");
        let catalog = std::fs::read(corpus().join("kev/known_exploited_vulnerabilities.json")).expect("the catalog");
        web.route("/kev.json", Reply::ok("application/json", catalog));
        program.sources(&[("cisa", "feed", &web.url("/all.xml")), ("kev", "kev", &web.url("/kev.json"))]);
        program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
        let few = ["--platform", "windows", "--platform", "chrome", "--platform", "fortigate"];
        program.ok(&[&["subscriber", "add", "some@msp.example"], &few as &[&str]].concat());
        Self { web, smtp, program }
    }

    fn see(&self, day: &Path) -> Value {
        self.web.route("/all.xml", Reply::ok("application/rss+xml", std::fs::read(day).expect("a recorded day")));
        self.program.run()
    }

    fn stored(&self) -> Vec<Value> {
        let exported = self.program.ok(&["advisories", "export", "--jsonl"]);
        exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn mails_to(&self, address: &str) -> usize {
        self.smtp.messages().iter().filter(|mail| mail.to == [address]).count()
    }
}

/// A line for each event with its reasons, and one for each advisory that was revised and nobody told.
fn print(stored: &[Value]) {
    let count = |value: &Value| value.as_array().map_or(0, Vec::len);
    for advisory in stored {
        let (id, title) = (advisory["id"].as_str().unwrap_or_default(), advisory["title"].as_str().unwrap_or_default());
        for event in advisory["events"].as_array().into_iter().flatten() {
            let reasons: Vec<&str> =
                event["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            println!("{} {id} {title} | {}", event["kind"].as_str().unwrap_or_default(), reasons.join("; "));
        }
        if count(&advisory["revisions"]) > 1.max(count(&advisory["events"])) {
            println!("no event ({} revisions) {id} {title}", count(&advisory["revisions"]));
        }
    }
}

/// The first run mails nobody, each later one mails once for each event, and a replay of the same days mails nobody.
#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_days_of_cisa_are_mailed_once_each() {
    let days = days();
    for engine in engines().into_iter().filter(|_| !days.is_empty()) {
        let name = engine.name;
        let replay = Replay::on(engine).await;
        let mut events = 0;
        for (index, day) in days.iter().enumerate() {
            let run = replay.see(day);
            let expected = if index == 0 { "baseline" } else { "ok" };
            assert_eq!(run["sources"][0]["result"], expected, "{name} {day:?}: {run}");
            if index == 0 {
                assert_eq!(replay.smtp.message_count(), 0, "{name}: the first run mails nobody");
            }
            events += run["events"].as_u64().expect("a number");
        }
        let sent = replay.smtp.messages();
        assert_eq!(replay.mails_to("all@msp.example") as u64, events, "{name}");
        assert!(events > 150, "{name}: {events} events in {} days", days.len());
        let some = replay.mails_to("some@msp.example") as u64;
        assert!(some > 0 && some < events, "{name}: {some}");
        let mut ids: Vec<String> = sent
            .iter()
            .filter_map(|mail| mail.text().lines().find(|line| line.starts_with("Message-ID:")).map(str::to_owned))
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), sent.len(), "{name}: every mail has its own id");
        println!("{name}: {} days, {events} events, {} mails", days.len(), sent.len());
        let stored = replay.stored();
        print(&stored);

        // Every fifth day shows each item again.
        for day in days.iter().step_by(5) {
            let run = replay.see(day);
            assert_eq!((&run["new_advisories"], &run["events"]), (&json!(0), &json!(0)), "{name} {day:?} again: {run}");
        }
        assert_eq!(replay.smtp.message_count(), sent.len(), "{name}: replaying the same days sends nothing");
    }
}
