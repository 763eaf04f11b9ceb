//! The outbox and its relay: one that is down, and one that is to be gone easy on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::{Engine, engines, sqlite};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

const FLAW: (&str, &str, &str) = ("1", "Authentication bypass in ScreenConnect", "Upgrade to version 99.");

/// A program with an alert for each of `to`, which is not queued yet.
async fn stage(engine: Engine, smtp: &SmtpServer, to: &[String], settings: &[(&str, &str)]) -> (HttpServer, Program) {
    let web = HttpServer::start().await;
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
    let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
    settings.iter().for_each(|(name, value)| program.set(name, value));
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.run();
    for to in to {
        program.ok(&["subscriber", "add", to, "--platform", "screenconnect"]);
    }
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[FLAW])));
    (web, program)
}

fn people(count: usize, domain: &str) -> Vec<String> {
    (0..count).map(|n| format!("tech{n}@{domain}")).collect()
}

fn listed(program: &Program) -> Value {
    serde_json::from_str(&program.ok(&["outbox", "list", "--json"])).expect("JSON")
}

fn tries(program: &Program) -> i64 {
    let all = listed(program);
    let all = all["deliveries"].as_array().expect("a list");
    all.iter().filter_map(|one| one["attempts"].as_i64()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_is_tried_with_one_letter_and_takes_all_when_it_is_back() {
    for engine in engines() {
        let name = engine.name;
        let down = || Script::at(Phase::Greeting, Act::say("554 5.3.2 closed for repairs"));
        let smtp = SmtpServer::start_with(down()).await;
        let (_web, program) = stage(engine, &smtp, &people(20, "msp.example"), &[]).await;
        let first = program.run();
        assert!(first["mails"]["relay_down"].is_string(), "{name}: {first}");
        let begun = tries(&program);
        assert!((1..=4).contains(&begun), "{name}: {begun} of 20 letters were tried, as many as connections");
        for round in 1..=3 {
            let before = smtp.connections();
            program.run();
            assert_eq!((smtp.connections() - before, tries(&program) - begun), (1, round), "{name}: one letter");
        }
        let shown = listed(&program);
        assert_eq!((&shown["counts"]["queued"], &shown["relay_down"]["tries"]), (&json!(20), &json!(4)), "{name}");
        let said = program.ok(&["outbox", "list"]);
        assert!(
            said.contains("The relay cannot be used since") && said.contains("closed for repairs"),
            "{name}: {said}"
        );

        smtp.script(Script::default());
        let back = program.run();
        let sent = back["mails"]["sent"].as_i64().unwrap_or_default();
        assert!(sent >= 13 && back["mails"]["relay_down"].is_null(), "{name}: {back}");
        assert_eq!(listed(&program)["relay_down"], Value::Null, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_leaves_a_relay_alone_that_is_down() {
    let smtp = SmtpServer::start_with(Script::at(Phase::Greeting, Act::Drop)).await;
    let (_web, program) = stage(sqlite(), &smtp, &people(20, "msp.example"), &[]).await;
    program.run();
    let before = smtp.connections();
    let mut server = program.spawn(&["serve"]);
    // It looks every ten seconds whether it is time to try again, which it is after a minute.
    std::thread::sleep(Duration::from_secs(14));
    let within = smtp.connections() - before;
    assert!(server.try_wait().expect("its state").is_none(), "it is at work");
    server.kill().expect("it can be ended");
    server.wait().expect("it ends");
    assert_eq!(within, 0, "tries within the minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_for_whom_the_relay_blames_us_holds_up_no_other() {
    let denied = Rule::at(Phase::Rcpt, Act::say("554 5.7.1 Relay access denied")).recipient("tech0@msp.example");
    let smtp = SmtpServer::start_with(Script::default().rule(denied)).await;
    let (_web, program) = stage(sqlite(), &smtp, &people(20, "msp.example"), &[]).await;
    program.run();
    program.run();
    assert_eq!(smtp.message_count(), 19, "{}", program.ok(&["outbox", "list"]));
    let shown = listed(&program);
    assert_eq!((&shown["counts"]["queued"], &shown["counts"]["dead"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_spreads_the_mails_and_loses_none() {
    let smtp = SmtpServer::start().await;
    let rate = [("RATTLEWATCH_SMTP_RATE", "60")];
    let (_web, program) = stage(sqlite(), &smtp, &people(9, "msp.example"), &rate).await;
    let begun = Instant::now();
    let run = program.run();
    assert_eq!((&run["mails"]["sent"], &run["mails"]["later"]), (&json!(9), &json!(0)), "{run}");
    let mails = smtp.messages();
    let (sixth, ninth) = (mails[5].at - begun, mails[8].at - begun);
    // A tenth of a minute's mails at once, then one in 1.1 seconds.
    assert!(ninth - sixth > Duration::from_secs(3), "{sixth:?} {ninth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_waits_its_turn_holds_up_no_other_and_no_try_is_counted() {
    for engine in engines() {
        let name = engine.name;
        let smtp = SmtpServer::start().await;
        let to = [people(6, "busy.example"), people(1, "calm.example"), people(1, "still.example")].concat();
        let (_web, program) = stage(engine, &smtp, &to, &[("RATTLEWATCH_SMTP_DOMAIN_RATE", "2")]).await;
        let begun = Instant::now();
        let run = program.run();
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: nobody waits for the busy one");
        assert_eq!((&run["mails"]["sent"], &run["mails"]["later"]), (&json!(3), &json!(5)), "{name}: {run}");
        let domains: Vec<String> =
            smtp.messages().iter().map(|mail| mail.to[0].rsplit('@').next().unwrap_or_default().to_owned()).collect();
        for domain in ["busy.example", "calm.example", "still.example"] {
            assert_eq!(domains.iter().filter(|known| *known == domain).count(), 1, "{name}: {domains:?}");
        }
        let shown = listed(&program);
        assert_eq!(shown["counts"]["queued"], 5, "{name}");
        assert_eq!(tries(&program), 3, "{name}: what was put off was not tried");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_does_not_exist_is_mailed_no_more_and_a_mere_refusal_is_asked_again() {
    for engine in engines() {
        let name = engine.name;
        let gone = Rule::at(Phase::Rcpt, Act::say("550 5.1.1 no such user")).recipient("tech0@msp.example");
        let refused = Rule::at(Phase::Rcpt, Act::say("550 5.7.1 not from you")).recipient("tech1@msp.example");
        let smtp = SmtpServer::start_with(Script::default().rule(gone).rule(refused)).await;
        let (web, program) = stage(engine, &smtp, &people(3, "msp.example"), &[]).await;
        program.run();
        assert_eq!(listed(&program)["counts"]["dead"], 2, "{name}");
        let suppressed = program.ok(&["suppression", "list"]);
        assert!(
            suppressed.contains("tech0@msp.example") && suppressed.contains("no such user"),
            "{name}: {suppressed}"
        );
        assert!(!suppressed.contains("tech1@msp.example"), "{name}: {suppressed}");
        let second = ("2", "ScreenConnect is exploited by a second flaw", "Upgrade to version 100.");
        web.route("/feed", Reply::ok("application/rss+xml", rss(&[FLAW, second])));
        program.run();
        let counts = listed(&program)["counts"].clone();
        assert_eq!((&counts["dead"], &counts["sent"]), (&json!(3), &json!(2)), "{name}: {counts}");
    }
}
