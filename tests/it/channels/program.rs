//! The program itself: a subscription by webhook, from the feed to the request, and what follows when it is gone.

use rattlewatch::model::audience::Wish;
use rattlewatch::store::subscriptions::{self, Change, NextDigest, Recipient};
use rattlewatch::store::{Store, Tx, deliveries};
use serde_json::json;

use super::*;
use crate::support::postgres::engines;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

const FLAWS: [(&str, &str, &str); 3] = [
    ("1", "CVE-2099-1001: flaw in ScreenConnect", "Severity: High. A flaw."),
    ("2", "CVE-2099-1002: flaw in FortiGate", "Severity: High. A flaw."),
    ("3", "CVE-2099-1003: flaw in Veeam Backup", "Severity: High. A flaw."),
];

fn feed(count: usize) -> Reply {
    Reply::ok("application/rss+xml", rss(&FLAWS[..count]))
}

fn verified(seen: &crate::support::http_server::Seen) -> Value {
    let signed = webhook::signatures(
        &webhook::keys(SECRET).unwrap(),
        seen.header("webhook-id").unwrap(),
        seen.header("webhook-timestamp").unwrap().parse().unwrap(),
        &seen.body,
    );
    assert_eq!(seen.header("webhook-signature"), Some(signed.as_str()));
    serde_json::from_slice(&seen.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_posted_signed_and_a_gone_endpoint_ends_with_a_mail_to_its_owner() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        web.route("/feed", feed(0));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.run();
        let to = web.url("/hook/t0ken99");
        let add = ["subscriber", "add", "owner@x.example", "--channel", "webhook", "--to", &to, "--everything"];
        program.ok(&[&add[..], &["--secret", SECRET]].concat());

        web.route("/feed", feed(1));
        web.route("/hook/t0ken99", Reply::status(204));
        assert_eq!(program.run()["mails"]["sent"], 1, "{name}");
        let seen = web.requests("/hook/t0ken99");
        assert_eq!(seen.len(), 1, "{name}");
        let body = verified(&seen[0]);
        assert_eq!(body["type"], "advisory.published", "{name}: {body}");
        assert!(body["data"]["title"].as_str().is_some_and(|title| title.contains("ScreenConnect")), "{body}");
        assert_eq!(smtp.message_count(), 0, "{name}: the owner is mailed no alert");

        // A change of the wish keeps the secret, and says nothing of a new one.
        let said = program.ok(&[&add[..], &["--floor", "medium"]].concat());
        assert!(said.contains("Changed") && !said.contains("whsec_"), "{name}: {said}");

        // Gone: the subscription ends, the owner is told once, the other letters are not tried.
        web.route("/feed", feed(3));
        web.route("/hook/t0ken99", Reply::status(410));
        program.run();
        program.run();
        assert_eq!(web.requests("/hook/t0ken99").len() - 1, tried_when_gone(&program), "{name}");
        let mails = smtp.messages();
        assert_eq!(mails.len(), 1, "{name}");
        assert_eq!(mails[0].to, ["owner@x.example"], "{name}");
        let letter = mails[0].text().replace("=\r\n", "");
        assert!(letter.contains("Alerts no longer go to webhook at http://127.0.0.1"), "{name}: {letter}");
        assert!(!letter.contains("t0ken99"), "{name}: {letter}");
        let listed: Value = serde_json::from_str(&program.ok(&["subscriber", "list", "--json"])).unwrap();
        assert_eq!(listed, json!([]), "{name}");

        // Entered again, it is signed as before.
        web.route("/hook/t0ken99", Reply::status(200));
        program.ok(&add);
        web.route(
            "/feed",
            Reply::ok("application/rss+xml", rss(&[("9", "CVE-2099-1009: flaw in SonicWall", "Severity: High.")])),
        );
        let before = web.requests("/hook/t0ken99").len();
        program.run();
        let seen = web.requests("/hook/t0ken99");
        assert_eq!(seen.len(), before + 1, "{name}");
        verified(&seen[before]);
    }
}

/// Letters that the gone endpoint has seen: those in flight together when it first said so.
fn tried_when_gone(program: &Program) -> usize {
    let listed: Value = serde_json::from_str(&program.ok(&["outbox", "list", "--state", "dead", "--json"])).unwrap();
    let dead = listed["counts"]["dead"].as_u64().unwrap() as usize;
    assert!((1..=2).contains(&dead), "{listed}");
    dead
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_endpoint_holds_up_nobody_else_and_its_owner_is_told_once_a_day() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/feed", feed(0));
    web.route("/slack", Reply::ok("text/plain", "invalid_payload").with_status(400));
    web.route("/teams", Reply::status(503));
    let mut program =
        Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_SMTP_CONNECTIONS", "1");
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.run();
    for (channel, path) in [("slack", "/slack"), ("teams", "/teams")] {
        program.ok(&[
            "subscriber",
            "add",
            "owner@x.example",
            "--everything",
            "--channel",
            channel,
            "--to",
            &web.url(path),
        ]);
    }
    program.ok(&["subscriber", "add", "tech@msp.example", "--everything"]);
    program.ok(&["subscriber", "add", "psa@msp.example", "--everything", "--channel", "ticket"]);
    web.route("/feed", feed(2));
    program.run();
    web.route("/feed", feed(3));
    program.run();
    // Three alerts to the technician and three tickets; one notice, though Slack has refused three times.
    let mut to: Vec<String> = smtp.messages().iter().flat_map(|mail| mail.to.clone()).collect();
    to.sort();
    assert_eq!(to.iter().filter(|to| *to == "tech@msp.example").count(), 3, "{to:?}");
    assert_eq!(to.iter().filter(|to| *to == "psa@msp.example").count(), 3, "{to:?}");
    assert_eq!(to.iter().filter(|to| *to == "owner@x.example").count(), 1, "{to:?}");
    let ticket = smtp.messages().into_iter().find(|mail| mail.to == ["psa@msp.example"]).unwrap().text();
    assert!(
        ticket.contains("Subject: [RW-") && ticket.contains("Severity: ") && !ticket.contains("text/html"),
        "{ticket}"
    );
    assert_eq!(web.requests("/slack").len(), 3);
    // Once Teams has failed, its other letters wait, untried; none is lost.
    let listed: Value = serde_json::from_str(&program.ok(&["outbox", "list", "--json"])).unwrap();
    assert_eq!((&listed["counts"]["queued"], &listed["counts"]["dead"]), (&json!(3), &json!(3)), "{listed}");
    assert_eq!(web.requests("/teams").len(), 2, "one in each of the two passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_when_it_is_entered() {
    let program = Program::new();
    let add =
        |rest: &[&str]| program.refused(&[&["subscriber", "add", "o@x.example", "--everything"], rest].concat(), 2);
    assert!(add(&["--channel", "slack"]).contains("needs the web address"));
    assert!(add(&["--channel", "slack", "--to", "hooks.slack.com/x"]).contains("address"));
    assert!(add(&["--channel", "webhook", "--to", "https://x.example/", "--secret", "hunter2"]).contains("whsec_"));
    assert!(add(&["--channel", "ntfy", "--to", "https://ntfy.example/"]).contains("topic"));
    let said = program.ok(&[
        "subscriber",
        "add",
        "o@x.example",
        "--everything",
        "--channel",
        "webhook",
        "--to",
        "https://x.example/h",
    ]);
    assert!(said.contains("Requests are signed with whsec_"), "{said}");
}

#[tokio::test]
async fn a_digest_goes_by_the_channel_of_its_subscription() {
    for engine in engines() {
        let store = Store::open(&engine.location).await.unwrap();
        let work = |tx: &mut Tx<'_>| {
            let endpoint = Some(Endpoint { url: "https://hooks.example/x".to_owned(), secret: None });
            let recipient =
                Recipient { channel: ChannelKind::Slack, endpoint, ..Recipient::mailbox("o@x.example", "slack:1") };
            let next = NextDigest::default();
            let change =
                Change { recipient: &recipient, wish: &Wish::default(), consent: "test", next: &next, now: MONDAY };
            let (id, _) = subscriptions::upsert(tx, &change)?;
            assert!(deliveries::queue_digest(tx, &id, "2026-11-23", "{}", MONDAY)?);
            subscriptions::set_service(tx, subscriptions::OPERATOR, "noc@x.example", MONDAY)?;
            assert!(deliveries::queue_service(tx, "notice", "notice-1", subscriptions::OPERATOR, "{}", MONDAY)?);
            let mut claimed = deliveries::claim(tx, "me", MONDAY, Duration::from_secs(60), 10)?;
            claimed.sort_by(|a, b| a.id.cmp(&b.id));
            Ok(claimed.into_iter().map(|one| one.channel).collect::<Vec<_>>())
        };
        assert_eq!(store.write(work).await.unwrap(), ["slack", "email"], "{}", engine.name);
    }
}
