//! Alerts that wait for a morning, and bursts that become one mail.

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

async fn watching(script: Script) -> (Program, HttpServer, SmtpServer) {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start_with(script).await);
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/cert"))]);
    web.route("/cert", Reply::ok("application/rss+xml", rss(&[("old", "An old flaw in FooBar", "Old.")])));
    program.run();
    (program, web, smtp)
}

/// Serves flaws `numbers` of ScreenConnect.
fn publish(web: &HttpServer, numbers: std::ops::Range<usize>) {
    let items: Vec<(String, String)> =
        numbers.map(|n| (format!("i{n}"), format!("CVE-2099-{}: flaw {n} in ScreenConnect", 1_000 + n))).collect();
    let items: Vec<(&str, &str, &str)> =
        items.iter().map(|(guid, title)| (guid.as_str(), title.as_str(), "A flaw.")).collect();
    web.route("/cert", Reply::ok("application/rss+xml", rss(&items)));
}

fn states(program: &Program) -> Vec<(String, String)> {
    let all: Value = serde_json::from_str(&program.ok(&["outbox", "list", "--limit", "1000", "--json"])).expect("JSON");
    let of = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    all["deliveries"].as_array().expect("a list").iter().map(|one| (of(one, "kind"), of(one, "state"))).collect()
}

fn database(program: &Program) -> Connection {
    Connection::open(program.folder().join("data/rattlewatch.db")).expect("the database")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_one_mail_that_leaves_nothing_out() {
    // The first try of the roll-up is put off, so that the second must say the same.
    let script = Script::default().rule(Rule::at(Phase::Dot, Act::say("450 4.7.1 later")).times(1));
    let (mut program, web, smtp) = watching(script).await;
    program.set("RATTLEWATCH_BURST", "5");
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    publish(&web, 0..40);
    program.run();
    assert_eq!(smtp.message_count(), 0);
    let untold = || {
        let count = "SELECT COUNT(*) FROM events WHERE told_at IS NULL";
        database(&program).query_row(count, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!(untold(), 40);
    database(&program).execute("UPDATE deliveries SET due_at = 0 WHERE state = 'queued'", []).expect("time passes");
    program.run();
    let mails = smtp.messages();
    assert_eq!((mails.len(), untold()), (1, 0), "what a roll-up tells is told");
    let text = mails[0].text().replace("=\r\n", "");
    for n in 0..40 {
        assert!(text.contains(&format!("flaw {n} in ScreenConnect")), "flaw {n} is told: {text}");
    }
    assert!(text.contains("Nothing is left out"), "{text}");
    let states = states(&program);
    let count =
        |kind: &str, state: &str| states.iter().filter(|one| **one == (kind.to_owned(), state.to_owned())).count();
    assert_eq!((count("alert", "rolled"), count("rollup", "sent")), (40, 1), "{states:?}");
    // When it is calmer, each comes by itself.
    publish(&web, 40..43);
    program.run();
    assert_eq!(smtp.message_count(), 4);
    // Within ten minutes, a second burst waits for the next roll-up, unless something in it cannot wait.
    publish(&web, 43..60);
    program.run();
    assert_eq!(smtp.message_count(), 4);
    let urgent = [(
        "u",
        "CVE-2099-9001: critical flaw in ScreenConnect, exploited in the wild",
        "CVSS 10.0. Attackers exploit it.",
    )];
    web.route("/cert", Reply::ok("application/rss+xml", rss(&urgent)));
    program.run();
    let mails = smtp.messages();
    assert_eq!(mails.len(), 5);
    assert!(mails[4].text().replace("=\r\n", "").contains("2099-9001"), "{}", mails[4].text());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sleeps_is_told_in_the_morning_but_woken_for_what_cannot_wait() {
    let (program, web, smtp) = watching(Script::default()).await;
    let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let span = |from: i64, to: i64| {
        let at = |hours: i64| {
            now.checked_add(jiff::Span::new().hours(hours)).expect("an hour").strftime("%H:00").to_string()
        };
        format!("{}-{}", at(from), at(to))
    };
    let asleep = span(-1, 3);
    program.ok(&["subscriber", "add", "asleep@msp.example", "--platform", "screenconnect", "--quiet", &asleep]);
    program.ok(&[
        "subscriber",
        "add",
        "deaf@msp.example",
        "--platform",
        "screenconnect",
        "--quiet",
        &asleep,
        "--no-pierce",
    ]);
    program.ok(&["subscriber", "add", "up@msp.example", "--platform", "screenconnect", "--quiet", &span(5, 8)]);
    publish(&web, 0..1);
    program.run();
    let to = |skip: usize| {
        let mut to: Vec<String> = smtp.messages().iter().skip(skip).flat_map(|mail| mail.to.clone()).collect();
        to.sort();
        to
    };
    assert_eq!(to(0), ["up@msp.example"]);
    let waits: i64 = database(&program)
        .query_row("SELECT MIN(due_at) FROM deliveries WHERE state = 'queued' AND attempts = 0", [], |row| row.get(0))
        .expect("they wait");
    let hours = (waits / 1_000_000 - Timestamp::now().as_second()) / 3_600;
    assert!((1..=3).contains(&hours), "until the end of the quiet: {hours}");
    let urgent = [(
        "u",
        "CVE-2099-9001: critical flaw in ScreenConnect, exploited in the wild",
        "CVSS 10.0. Attackers exploit it.",
    )];
    web.route("/cert", Reply::ok("application/rss+xml", rss(&urgent)));
    program.run();
    assert_eq!(to(1), ["asleep@msp.example", "up@msp.example"]);
    // The morning comes.
    let morning = "UPDATE deliveries SET due_at = 0 WHERE state = 'queued'; UPDATE subscriptions SET quiet = NULL";
    database(&program).execute_batch(morning).expect("time passes");
    program.run();
    assert_eq!(to(3), ["asleep@msp.example", "deaf@msp.example", "deaf@msp.example"]);
}
