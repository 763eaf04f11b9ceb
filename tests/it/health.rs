//! Never silently blind: each state of a source is shown with its reason, and told to the operator once.

use serde_json::json;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

const PAGE: &str = "[source.html]\nitem = \"li a\"\nmin_items = 1\npage_title = \"Bulletins\"";

fn feed(items: &[(&str, &str, &str)]) -> Reply {
    Reply::ok("application/rss+xml", rss(items))
}

/// An RSS document whose one item was published on that day of November 2020.
fn dated(day: u8) -> Reply {
    let text = rss(&[("1", "Old news", "History.")]).replace("16 Nov 2026", &format!("{day:02} Nov 2020"));
    Reply::ok("application/rss+xml", text)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_is_shown_with_its_reason_and_told_to_the_operator_once() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let good = || feed(&[("1", "News of today", "Text.")]);
        for path in ["/ok", "/blocked", "/failing"] {
            web.route(path, good());
        }
        web.route("/degraded", good());
        web.route(
            "/changed",
            Reply::ok("text/html", "<title>Bulletins</title><ul><li><a href=\"/1\">One</a></ul>".to_owned()),
        );
        web.route("/late", good());
        let mut program = Program::on(engine)
            .with("RATTLEWATCH_SMTP_URL", &smtp.url())
            .with("RATTLEWATCH_OPERATOR", "Operator <operator@msp.example>");
        program.sources_with(&[
            ("blocked", "feed", &web.url("/blocked"), ""),
            ("changed", "html", &web.url("/changed"), PAGE),
            ("degraded", "feed", &web.url("/degraded"), ""),
            ("failing", "feed", &web.url("/failing"), ""),
            ("late", "feed", &web.url("/late"), "silent_days = 3650"),
            ("off", "feed", &web.url("/off"), "enabled = false\noff_because = \"Not now.\""),
            ("ok", "feed", &web.url("/ok"), ""),
        ]);
        program.run();
        assert_eq!(smtp.message_count(), 0, "{name}: all is well, and nobody is told");

        web.route("/blocked", Reply::status(403));
        web.route("/changed", Reply::ok("text/html", "<title>Sign in</title><form></form>".to_owned()));
        let broken = rss(&[("1", "News of today", "Text."), ("2", "Fish & chips", "Text.")]);
        web.route("/degraded", Reply::ok("application/rss+xml", broken));
        web.route("/failing", Reply::status(500));
        program.run();
        program.run();
        for (id, reason) in [
            ("blocked", "shuts us out"),
            ("changed", "has changed"),
            ("degraded", ""),
            ("failing", "answers with status 500"),
            ("ok", ""),
        ] {
            let shown = program.source(id);
            assert_eq!(shown["state"], *id, "{name}: {shown}");
            assert!(shown["detail"].as_str().is_some_and(|detail| detail.contains(reason)), "{name}: {shown}");
        }
        assert_eq!(program.source("off")["state"], "off", "{name}");
        let mails = smtp.messages();
        let told = |id: &str| mails.iter().filter(|mail| mail.text().contains(&format!("({id})"))).count();
        for id in ["blocked", "changed", "degraded", "failing"] {
            assert_eq!(
                told(id),
                1,
                "{name}: {id} is told once: {:#?}",
                mails.iter().map(|m| m.text()).collect::<Vec<_>>()
            );
        }
        assert!(mails.iter().all(|mail| mail.to == ["operator@msp.example"]), "{name}");
        assert_eq!((told("ok"), told("off"), told("late")), (0, 0, 0), "{name}");

        // What mends is told once too.
        for path in ["/blocked", "/degraded", "/failing"] {
            web.route(path, good());
        }
        web.route(
            "/changed",
            Reply::ok("text/html", "<title>Bulletins</title><ul><li><a href=\"/1\">One</a></ul>".to_owned()),
        );
        let before = smtp.message_count();
        program.run();
        program.run();
        let mails = smtp.messages();
        assert_eq!(mails.len(), before + 1, "{name}: one mail tells all that changed at the same time");
        let letter = mails[before].text();
        assert!(
            letter.contains("can be read again") && letter.contains("(blocked)") && letter.contains("(failing)"),
            "{letter}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_falls_silent_is_late() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/late", dated(2));
    let mut program =
        Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_OPERATOR", "operator@msp.example");
    program.sources_with(&[("late", "feed", &web.url("/late"), "silent_days = 20")]);
    program.run();
    let shown = program.source("late");
    assert_eq!(shown["state"], "late", "{shown}");
    assert!(shown["detail"].as_str().is_some_and(|detail| detail.contains("nothing new since 2020-11-02")), "{shown}");
    program.run();
    assert_eq!(smtp.message_count(), 1);
    assert!(smtp.messages()[0].text().contains("is silent for unusually long"));
    // News ends it.
    let news = rss(&[("1", "Old news", "History."), ("2", "News", "Text.")]);
    web.route("/late", Reply::ok("application/rss+xml", news));
    program.run();
    assert_eq!(program.source("late")["state"], "ok");
    assert_eq!(smtp.message_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_takes_over_with_what_nobody_has_heard_of_and_hands_back() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let old = ("1", "Old news about Veeam Backup &amp; Replication", "History.");
        web.route("/first", feed(&[old]));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        let second = "instead_of = \"first\"";
        program.sources_with(&[
            ("first", "feed", &web.url("/first"), ""),
            ("second", "feed", &web.url("/second"), second),
        ]);
        program.ok(&["subscriber", "add", "tech@msp.example", "--everything"]);
        let first = program.run();
        assert_eq!(first["sources"].as_array().map(Vec::len), Some(1), "{name}: the stand-in is not asked: {first}");

        web.route("/first", Reply::status(500));
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(5);
        let today = soon.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let fresh = rss(&[("9", "Authentication bypass in ScreenConnect (CVE-2099-1709)", "Upgrade.")])
            .replace("Mon, 16 Nov 2026 08:00:00 GMT", &today);
        let stale = rss(&[old]).replace("16 Nov 2026", "16 Nov 2020");
        let (head, _) = fresh.split_once("</channel>").expect("a channel");
        let item = &stale[stale.find("<item>").expect("an item")..stale.find("</channel>").expect("a channel")];
        web.route("/second", Reply::ok("application/rss+xml", format!("{head}{item}</channel></rss>")));
        program.run();
        let failing = program.run();
        assert_eq!(smtp.message_count(), 0, "{name}: {failing}");
        let taken = program.run();
        assert_eq!(taken["mails"]["sent"], json!(1), "{name}: the news that only the stand-in has: {taken}");
        assert!(smtp.messages()[0].text().contains("ScreenConnect"), "{name}");

        web.route("/first", feed(&[old]));
        program.run();
        let back = program.run();
        assert_eq!(back["sources"].as_array().map(Vec::len), Some(1), "{name}: {back}");
        assert_eq!(smtp.message_count(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_move_is_learned() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/new", feed(&[("1", "News", "Text.")]));
    web.route("/old", Reply::redirect(301, &web.url("/new")));
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("moved", "feed", &web.url("/old"))]);
    for _ in 0..5 {
        let run = program.run();
        assert!(matches!(run["sources"][0]["result"].as_str(), Some("ok" | "baseline")), "{run}");
    }
    // Without TLS nothing is learned: anybody on the way could have sent the redirect.
    assert_eq!(web.requests("/old").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_self_test_calls_or_mails_once_a_day_and_leaves_nothing_behind() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        web.route("/feed", feed(&[("1", "News of today", "Text.")]));
        web.route("/beat", Reply::ok("text/plain", "OK".to_owned()));
        let mut program = Program::on(engine)
            .with("RATTLEWATCH_SMTP_URL", &smtp.url())
            .with("RATTLEWATCH_HEARTBEAT", &web.url("/beat"));
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
        program.run();
        program.run();
        assert_eq!(web.requests("/beat").len(), 1, "{name}: once a day");
        assert_eq!(smtp.message_count(), 0, "{name}: nobody hears of a test advisory");
        let stored = program.ok(&["advisories", "list", "--json"]);
        assert!(!stored.contains("Self-test"), "{name}: {stored}");
        assert!(!program.ok(&["subscriber", "list"]).contains("self-test"), "{name}");

        let mut mailed = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
        mailed.set("RATTLEWATCH_HEARTBEAT", "beat@watch.example");
        mailed.sources(&[("cert", "feed", &web.url("/feed"))]);
        mailed.run();
        mailed.run();
        let mails = smtp.messages();
        assert_eq!(mails.len(), 1, "{name}");
        assert_eq!(mails[0].to, ["beat@watch.example"], "{name}");
        assert!(mails[0].text().contains("came through the whole pipeline"), "{name}: {}", mails[0].text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_that_cannot_be_called_is_tried_again() {
    let web = HttpServer::start().await;
    web.route("/feed", feed(&[("1", "News of today", "Text.")]));
    web.route("/beat", Reply::status(500));
    let mut program = Program::new().with("RATTLEWATCH_HEARTBEAT", &web.url("/beat"));
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    let run = program.run();
    assert_eq!(run["sources"][0]["result"], "baseline", "the rest goes on: {run}");
    assert_eq!(web.requests("/beat").len(), 1);
}
