//! The main job, as an MSP sees it: feeds in, mail out, once. Each story runs the program itself, on both engines.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;
use crate::support::smtp_server::{Act, Phase, Rule, Script};

const OLD: (&str, &str, &str) = ("1", "Old news about Veeam Backup &amp; Replication", "History.");
const NEW: (&str, &str, &str) =
    ("2", "Authentication bypass in ConnectWise ScreenConnect (CVE-2099-1709)", "Severity: High. Upgrade to 99.4.");

fn feed(items: &[(&str, &str, &str)]) -> Reply {
    Reply::ok("application/rss+xml", rss(items))
}

fn kev(entries: &[(&str, &str)]) -> Reply {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(cve, product)| {
            json!({"cveID": cve, "vendorProject": "ConnectWise", "product": product, "vulnerabilityName": format!("{product} flaw"), "dateAdded": "2026-11-19",
                   "shortDescription": "A flaw.", "requiredAction": "Apply updates.", "dueDate": "2026-11-26", "knownRansomwareCampaignUse": "Known", "notes": "", "cwes": []})
        })
        .collect();
    let catalog = json!({"title": "KEV", "catalogVersion": "1", "dateReleased": "2026-11-19T00:00:00Z", "count": entries.len(), "vulnerabilities": entries});
    Reply::ok("application/json", catalog.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_stored_in_silence_and_news_is_mailed_once_to_whom_it_touches() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        web.route("/feed", feed(&[OLD]));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
        program.ok(&["subscriber", "add", "backup@msp.example", "--platform", "veeam-vbr"]);
        program.ok(&["subscriber", "add", "owner@msp.example", "--everything", "--floor", "critical"]);

        let first = program.run();
        assert_eq!(first["sources"][0]["result"], "baseline", "{name}: {first}");
        assert_eq!(
            (&first["new_advisories"], &first["events"], &first["mails"]["sent"]),
            (&json!(1), &json!(0), &json!(0)),
            "{name}"
        );

        web.route("/feed", feed(&[NEW, OLD]));
        let second = program.run();
        assert_eq!((&second["events"], &second["mails"]["sent"]), (&json!(1), &json!(1)), "{name}: {second}");
        let mails = smtp.messages();
        assert_eq!(mails.len(), 1, "{name}");
        assert_eq!(mails[0].to, ["tech@msp.example"], "{name}");
        let letter = mails[0].text();
        assert!(letter.contains("Subject: ") && letter.contains("ScreenConnect"), "{letter}");

        for _ in 0..3 {
            let again = program.run();
            assert_eq!((&again["events"], &again["mails"]["sent"]), (&json!(0), &json!(0)), "{name}: {again}");
        }
        assert_eq!(smtp.message_count(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_source_joins_the_advisory_and_only_an_escalation_is_told() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        web.route("/a", feed(&[OLD]));
        web.route("/b", feed(&[]));
        web.route("/kev", kev(&[("CVE-2099-0001", "Sample")]));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[
            ("a", "feed", &web.url("/a")),
            ("b", "feed", &web.url("/b")),
            ("kev", "kev", &web.url("/kev")),
        ]);
        program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
        program.run();
        web.route("/a", feed(&[NEW, OLD]));
        program.run();
        web.route("/b", feed(&[("77", "ScreenConnect bulletin", "It closes CVE-2099-1709.")]));
        let duplicate = program.run();
        assert_eq!((&duplicate["new_advisories"], &duplicate["events"]), (&json!(0), &json!(0)), "{name}: {duplicate}");
        web.route("/kev", kev(&[("CVE-2099-0001", "Sample"), ("CVE-2099-1709", "ScreenConnect")]));
        let escalated = program.run();
        assert_eq!(
            (&escalated["new_advisories"], &escalated["events"], &escalated["mails"]["sent"]),
            (&json!(0), &json!(1), &json!(1)),
            "{name}: {escalated}"
        );

        let mails = smtp.messages();
        let header = |index: usize, header: &str| {
            mails[index].text().lines().find(|line| line.starts_with(header)).map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(mails.len(), 2, "{name}");
        assert_eq!(header(0, "Subject: "), header(1, "Subject: "), "a thread keeps its subject");
        assert_eq!(header(0, "References: "), header(1, "References: "), "and its root");
        assert_ne!(header(0, "Message-ID: "), header(1, "Message-ID: "));

        let exported = program.ok(&["advisories", "export", "--jsonl", "--platform", "screenconnect"]);
        let advisory: Value = serde_json::from_str(exported.lines().next().expect("one advisory")).expect("JSON");
        assert_eq!(advisory["exploited"], true, "{name}");
        assert_eq!(advisory["items"].as_array().map(Vec::len), Some(3), "{name}: {advisory}");
        assert_eq!(advisory["cves"], json!(["CVE-2099-1709"]));
        assert_eq!(advisory["platforms"], json!(["screenconnect"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_wording_and_new_guids_for_old_items_are_no_news() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let items: Vec<(String, String, String)> = (0..200)
        .map(|n| (format!("g{n}"), format!("ScreenConnect notice {n}"), format!("Text of notice number {n}.")))
        .collect();
    let page = |prefix: &str, suffix: &str| {
        let items: String = items
            .iter()
            .map(|(guid, title, text)| format!("<item><guid isPermaLink=\"false\">{prefix}{guid}</guid><title>{title}{suffix}</title><link>https://cert.example/{guid}</link><description>{text}</description></item>"))
            .collect();
        Reply::ok(
            "application/rss+xml",
            format!(
                "<rss version=\"2.0\"><channel><title>t</title><link>https://cert.example/</link><description>d</description>{items}</channel></rss>"
            ),
        )
    };
    web.route("/feed", page("", ""));
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "tech@msp.example", "--everything"]);
    assert_eq!(program.run()["new_advisories"], 200);
    web.route("/feed", page("reset-", ""));
    let reset = program.run();
    assert_eq!((&reset["new_advisories"], &reset["events"]), (&json!(0), &json!(0)), "all guids changed: {reset}");
    web.route("/feed", page("reset-", " (edited)"));
    let edited = program.run();
    assert_eq!((&edited["new_advisories"], &edited["events"]), (&json!(0), &json!(0)), "titles edited: {edited}");
    assert_eq!(smtp.message_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_loses_nothing() {
    let web = HttpServer::start().await;
    web.route("/feed", feed(&[OLD]));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port that nobody listens on");
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &format!("smtp://{nobody}"));
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    program.run();
    web.route("/feed", feed(&[NEW, OLD]));
    let down = program.run();
    assert_eq!(down["mails"]["sent"], 0);
    assert!(down["mails"]["relay_down"].is_string(), "{down}");

    // The relay comes back; the delivery is due again after its first wait, which the outbox remembers.
    let smtp = SmtpServer::start().await;
    program.set("RATTLEWATCH_SMTP_URL", &smtp.url());
    rusqlite::Connection::open(program.folder().join("data/rattlewatch.db"))
        .and_then(|database| database.execute("UPDATE deliveries SET due_at = 0 WHERE state = 'queued'", []))
        .expect("time passes");
    assert_eq!(program.run()["mails"]["sent"], 1);
    assert_eq!(smtp.message_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_stops_no_other_and_says_why() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/good", feed(&[OLD]));
    let bad = [
        ("html-instead", Reply::ok("text/html", "<!doctype html><html><body>Sign in</body></html>"), "changed"),
        ("empty", Reply::ok("application/xml", ""), "failing"),
        ("missing", Reply::status(404), "failing"),
        ("broken", Reply::status(500), "failing"),
        ("busy", Reply::status(429).header("Retry-After", "3600"), "blocked"),
        ("forbidden", Reply::status(403), "blocked"),
        ("bomb", Reply::gzip_bomb(60_000_000), "failing"),
        ("huge", Reply::ok("application/xml", vec![b' '; 50_000_000]), "failing"),
        ("deep", Reply::ok("application/xml", format!("<rss version=\"2.0\">{}", "<a>".repeat(100_000))), "failing"),
        ("endless", Reply::endless(vec![b' '; 65_536]), "failing"),
        ("cut", Reply::truncated("application/xml", rss(&[OLD])), "failing"),
        ("unchanged", Reply::status(304), "failing"),
        ("hang-up", Reply::hang_up(), "failing"),
    ];
    for (id, reply, _) in &bad {
        web.route(&format!("/{id}"), reply.clone());
    }
    let urls: Vec<String> = bad.iter().map(|(id, _, _)| web.url(&format!("/{id}"))).collect();
    let mut sources: Vec<(&str, &str, &str)> = bad
        .iter()
        .zip(&urls)
        .filter(|((id, _, _), _)| *id != "busy")
        .map(|((id, _, _), url)| (*id, "feed", url.as_str()))
        .collect();
    let good = web.url("/good");
    sources.push(("good", "feed", &good));
    // The one with Retry-After closes its host to those after it, so it is read last.
    let busy = bad.iter().position(|(id, _, _)| *id == "busy").map(|index| urls[index].clone()).expect("it is there");
    let mut program =
        Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_FETCH_CONCURRENCY", "1");
    sources.push(("busy", "feed", &busy));
    program.sources(&sources);
    let run = program.run();
    for (id, _, state) in &bad {
        let source = program.source(id);
        assert_eq!(source["state"], *state, "{id}: {source}");
        assert!(source["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{id} says why: {source}");
    }
    assert_eq!(program.source("good")["state"], "ok", "{run}");
    assert_eq!(run["new_advisories"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_feed_gives_what_can_be_read_and_says_so() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/feed", feed(&[OLD]));
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    program.run();
    // One bare ampersand in one title must not cost the feed.
    web.route("/feed", feed(&[("3", "AT&T warns", "A bare ampersand."), NEW, OLD]));
    let run = program.run();
    assert_eq!(run["mails"]["sent"], 1, "{run}");
    let source = program.source("cert");
    assert_eq!(source["state"], "degraded", "{source}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_in_another_or_a_wrong_encoding_is_read_all_the_same() {
    let web = HttpServer::start().await;
    web.route(
        "/latin",
        Reply::ok(
            "application/rss+xml; charset=iso-8859-1",
            rss(&[("3", "Z\u{fc}rich", "x")])
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                .collect::<Vec<u8>>(),
        ),
    );
    let mut lying = rss(&[("1", "Fine", "x"), ("2", "Z!rich", "x")]).into_bytes();
    let at = lying.iter().position(|byte| *byte == b'!').expect("the mark");
    lying[at] = 0xfc;
    web.route("/lying", Reply::ok("application/rss+xml", lying));
    let mut program = Program::new();
    program.sources(&[("latin", "feed", &web.url("/latin")), ("lying", "feed", &web.url("/lying"))]);
    program.run();
    let titles = program.ok(&["advisories", "list"]);
    assert!(titles.contains("Zürich") && titles.contains("Fine"), "{titles}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_a_relay_ends_in_a_clear_state() {
    let web = HttpServer::start().await;
    let cases = [
        ("greylisted", Phase::Rcpt, Act::say("451 4.7.1 try again"), json!([0, 1, 0]), "451"),
        ("unknown user", Phase::Rcpt, Act::say("550 5.1.1 no such user"), json!([0, 0, 1]), "550"),
        ("too busy", Phase::Mail, Act::say_and_close("421 4.3.2 closing"), json!([0, 1, 0]), "421"),
        ("drops after MAIL", Phase::Mail, Act::Drop, json!([0, 1, 0]), "MAIL"),
        ("drops after the dot, unkept", Phase::Dot, Act::Drop, json!([0, 1, 0]), "may have been taken"),
        ("refuses the text", Phase::Dot, Act::say("554 5.6.0 no"), json!([0, 0, 1]), "554"),
    ];
    for (what, phase, act, expected, said) in cases {
        let smtp = SmtpServer::start_with(Script::at(phase, act)).await;
        web.route("/feed", feed(&[OLD]));
        let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
        program.run();
        web.route("/feed", feed(&[NEW, OLD]));
        let mails = program.run()["mails"].clone();
        assert_eq!(json!([mails["sent"], mails["later"], mails["dead"]]), expected, "{what}: {mails}");
        let (state, detail) = outbox(&program);
        assert_eq!(state, if expected[2] == 1 { "dead" } else { "queued" }, "{what}");
        assert!(detail.contains(said), "{what}: {detail}");
    }
}

/// State and detail of the one delivery.
fn outbox(program: &Program) -> (String, String) {
    let database = rusqlite::Connection::open(program.folder().join("data/rattlewatch.db")).expect("the database");
    database
        .query_row("SELECT state, detail FROM deliveries", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("one delivery")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_after_the_dot_gives_at_most_one_more_copy_with_the_same_id() {
    let web = HttpServer::start().await;
    let smtp = SmtpServer::start_with(Script::default().rule(Rule::at(Phase::Dot, Act::DropAccepted).times(1))).await;
    web.route("/feed", feed(&[OLD]));
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    program.run();
    web.route("/feed", feed(&[NEW, OLD]));
    assert_eq!(program.run()["mails"]["later"], 1);
    let database = rusqlite::Connection::open(program.folder().join("data/rattlewatch.db")).expect("the database");
    database.execute("UPDATE deliveries SET due_at = 0 WHERE state = 'queued'", []).expect("time passes");
    assert_eq!(program.run()["mails"]["sent"], 1);
    assert_eq!(program.run()["mails"]["sent"], 0);
    let copies = smtp.messages();
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].data, copies[1].data, "byte for byte the same, Message-ID included");
    let ambiguous: i64 =
        database.query_row("SELECT ambiguous FROM deliveries", [], |row| row.get(0)).expect("a number");
    assert_eq!(ambiguous, 1, "and it is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_goes_on_and_leaves_nobody_out() {
    const ITEMS: usize = 60;
    for engine in engines() {
        let name = engine.name;
        let web = HttpServer::start().await;
        let smtp = SmtpServer::start_with(Script::at(Phase::Dot, Act::Wait(Duration::from_millis(10)))).await;
        let items: Vec<(String, String)> =
            (0..ITEMS).map(|n| (format!("k{n}"), format!("ScreenConnect flaw number {n}"))).collect();
        let items: Vec<(&str, &str, &str)> =
            items.iter().map(|(guid, title)| (guid.as_str(), title.as_str(), "Text.")).collect();
        web.route("/feed", feed(&[OLD]));
        let url = engine.url.clone();
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        // Each in a mail of its own, however many there are.
        program.set("RATTLEWATCH_BURST", "1000");
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
        program.run();
        web.route("/feed", feed(&items));
        for round in 0_u64..6 {
            let mut running = program.spawn(&["run", "--all"]);
            tokio::time::sleep(Duration::from_millis(40 + 70 * round)).await;
            running.kill().expect("killed");
            running.wait().expect("it is gone");
            // The leases of the dead run out.
            forget_leases(&url, name).await;
        }
        program.run();
        let sent = smtp.messages();
        let mut ids: Vec<String> = sent
            .iter()
            .filter_map(|mail| mail.text().lines().find(|line| line.starts_with("Message-ID:")).map(str::to_owned))
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), ITEMS, "{name}: each of the {ITEMS} was mailed, and a second copy bears the same id");
        // At each kill, no more than the four connections can have been between the dot and its record.
        assert!(sent.len() <= ITEMS + 6 * 4, "{name}: {} mails", sent.len());
        assert_eq!(program.run()["mails"]["sent"], 0, "{name}");
    }
}

async fn forget_leases(url: &str, engine: &str) {
    let sql = "UPDATE deliveries SET lease_until = 0 WHERE state = 'sending'; UPDATE sources SET lease_until = 0";
    if engine == "SQLite" {
        let database = rusqlite::Connection::open(url).expect("the database");
        database.busy_timeout(Duration::from_secs(10)).expect("set");
        // Killed before its first breath, the program may not have made the tables yet.
        let _ = database.execute_batch(sql);
    } else {
        let url = url.to_owned();
        let done =
            tokio::task::spawn_blocking(move || postgres::Client::connect(&url, postgres::NoTls)?.batch_execute(sql));
        done.await.expect("joined").expect("leases are forgotten");
    }
}
