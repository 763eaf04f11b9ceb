//! What an operator does about mail: look at it, queue dead letters again, drop one, send a test.

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

const FLAW: (&str, &str, &str) = ("1", "Authentication bypass in ScreenConnect", "Upgrade to version 99.");

fn state(program: &Program, id: &str) -> (String, Vec<Value>) {
    let shown: Value = serde_json::from_str(&program.ok(&["outbox", "show", id, "--json"])).expect("JSON");
    (
        shown["delivery"]["state"].as_str().unwrap_or_default().to_owned(),
        shown["tries"].as_array().cloned().unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_seen_queued_again_and_sent_as_it_was() {
    for engine in engines() {
        let name = engine.name;
        let web = HttpServer::start().await;
        let refuse = || Script::default().rule(Rule::at(Phase::Rcpt, Act::say("550 5.7.1 not from you")));
        let smtp = SmtpServer::start_with(refuse()).await;
        web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.run();
        for to in ["one@msp.example", "two@msp.example", "gone@msp.example"] {
            program.ok(&["subscriber", "add", to, "--platform", "screenconnect"]);
        }
        web.route("/feed", Reply::ok("application/rss+xml", rss(&[FLAW])));
        assert_eq!(program.run()["mails"]["dead"], 3, "{name}");

        let listed: Value =
            serde_json::from_str(&program.ok(&["outbox", "list", "--state", "dead", "--json"])).expect("JSON");
        assert_eq!((&listed["counts"]["dead"], listed["deliveries"].as_array().map(Vec::len)), (&json!(3), Some(3)));
        let said = program.ok(&["outbox", "list"]);
        assert!(said.contains("3 given up") && said.contains("550 5.7.1 not from you"), "{name}: {said}");
        let id = |to: &str| {
            let all = listed["deliveries"].as_array().expect("a list");
            let one = all.iter().find(|one| one["to"] == to).expect("their letter");
            one["id"].as_str().expect("an id").to_owned()
        };

        // A letter that is dropped stays dropped, and so does that of somebody who left.
        program.ok(&["outbox", "drop", &id("two@msp.example")]);
        program.ok(&["subscriber", "remove", "gone@msp.example"]);
        assert!(program.refused(&["outbox", "drop", &id("two@msp.example")], 1).contains("nothing to drop"), "{name}");
        assert!(
            program.refused(&["outbox", "requeue", &id("gone@msp.example")], 1).contains("no dead letter"),
            "{name}"
        );
        assert!(program.refused(&["outbox", "show", "alert-9-sub-9"], 1).contains("there is no delivery"), "{name}");

        // Queued again, a refusal for now is waited out as for a new letter.
        smtp.script(Script::default().rule(Rule::at(Phase::Rcpt, Act::say("450 4.2.0 later"))));
        let queued = program.ok(&["outbox", "requeue", "--all"]);
        assert!(queued.contains("One letter is queued again"), "{name}: {queued}");
        let again = program.run();
        assert_eq!((&again["mails"]["later"], &again["mails"]["dead"]), (&json!(1), &json!(0)), "{name}: {again}");
        let (now, tries) = state(&program, &id("one@msp.example"));
        assert_eq!((now.as_str(), tries.len()), ("queued", 2), "{name}");
        assert_eq!((&tries[0]["outcome"], &tries[1]["outcome"]), (&json!("never"), &json!("later")), "{name}");
        let shown = program.ok(&["outbox", "show", &id("one@msp.example")]);
        assert!(shown.contains("450 4.2.0 later") && shown.contains("Next try"), "{name}: {shown}");
        assert_eq!(smtp.message_count(), 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_goes_past_the_outbox_and_says_what_the_relay_said() {
    let smtp = SmtpServer::start().await;
    let program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    let said = program.ok(&["send-test", "Ada@Msp.Example"]);
    assert!(said.contains("Accepted after") && said.contains("Sending to Ada@msp.example"), "{said}");
    assert_eq!(smtp.messages()[0].to, ["Ada@msp.example"]);
    assert!(smtp.messages()[0].text().contains("Subject: Test: mail from Rattlewatch arrives"));
    smtp.script(Script::default().rule(Rule::at(Phase::Rcpt, Act::say("550 5.7.1 relaying denied"))));
    let refused = program.refused(&["send-test", "ada@msp.example"], 1);
    assert!(refused.contains("550 5.7.1 relaying denied"), "{refused}");
    assert!(program.refused(&["send-test", "no address"], 2).contains("no address"));
    smtp.script(Script::default());
    let returned = Program::new()
        .with("RATTLEWATCH_SMTP_URL", &smtp.url())
        .with("RATTLEWATCH_BOUNCE_ADDRESS", "bounces@alerts.msp.example");
    returned.ok(&["send-test", "ada@msp.example"]);
    assert_eq!(smtp.messages().last().map(|mail| mail.from.clone()).as_deref(), Some("bounces@alerts.msp.example"));
    let files = Program::new();
    assert!(files.ok(&["send-test", "ada@msp.example"]).contains("becomes a file"));
}
