//! What people hear of a change, what stays quiet, and what can be found again.

use serde_json::{Value, json};

use crate::support::http_server::reply::gzip;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::{Engine, engines};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

struct Stage {
    web: HttpServer,
    smtp: SmtpServer,
    program: Program,
}

/// A vendor's feed, a record of the CVE program and a day of EPSS scores.
async fn stage(engine: Engine) -> Stage {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
    web.route("/vendor", Reply::ok("application/rss+xml", rss(&[])));
    web.route("/epss.csv.gz", scores("2099-01-01", 0.02));
    program.sources(&[("vendor", "feed", &web.url("/vendor")), ("epss", "epss", &web.url("/epss.csv.gz"))]);
    program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
    program.run();
    Stage { web, smtp, program }
}

/// Scores of `day`, of which only that of the flaw moves.
fn scores(day: &str, score: f64) -> Reply {
    let others: String = (0..50).map(|n| format!("CVE-2098-{},0.9,0.99\n", 10_000 + n)).collect();
    let text = format!(
        "#model_version:v1,score_date:{day}T00:00:00+0000\ncve,epss,percentile\nCVE-2099-1709,{score},0.8\n{others}"
    );
    Reply::ok("application/gzip", gzip(text.as_bytes()))
}

impl Stage {
    fn publish(&self, items: &[(&str, &str, &str)]) -> Value {
        self.web.route("/vendor", Reply::ok("application/rss+xml", rss(items)));
        self.program.run()
    }

    fn shown(&self, id: &str) -> Value {
        serde_json::from_str(&self.program.ok(&["advisories", "show", id, "--json"])).expect("JSON")
    }

    /// The ids that a search finds, in its order.
    fn found(&self, arguments: &[&str]) -> Vec<String> {
        let all = [&["advisories", "list", "--json"], arguments].concat();
        let listed: Vec<Value> = serde_json::from_str(&self.program.ok(&all)).expect("JSON");
        listed.iter().map(|one| one["id"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

const TITLE: &str = "CVE-2099-1709: authentication bypass in ScreenConnect";
const TEXT: &str = "Anybody who reaches the server can make an administrator.";

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_is_added_in_place_is_told_once_and_new_words_are_not() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        assert_eq!(stage.publish(&[("1", TITLE, TEXT)])["events"], json!(1), "{name}");
        let reworded = "Anyone who can reach the server is able to make an administrator.";
        assert_eq!(stage.publish(&[("1", TITLE, reworded)])["events"], json!(0), "{name}");
        let fixed = format!("{reworded} Upgrade to version 23.9.8.");
        assert_eq!(stage.publish(&[("1", TITLE, &fixed)])["events"], json!(1), "{name}");
        let again = format!("{fixed} We thank the finder.");
        assert_eq!(stage.publish(&[("1", TITLE, &again)])["events"], json!(0), "{name}");

        let told = stage.shown("RW-1");
        assert_eq!(told["events"][1]["kind"], "updated", "{name}: {told}");
        let reason = told["events"][1]["reasons"][0].as_str().unwrap_or_default();
        assert!(reason.starts_with("A fix is out, according to "), "{name}: {reason}");
        let todo =
            told["context"].as_array().expect("a block").iter().find(|topic| topic["key"] == "todo").expect("a topic");
        assert_eq!(todo["lines"][0]["text"], "Fix: “Upgrade to version 23.9.8”", "{name}");
        assert!(todo["lines"][0]["by"]["name"].is_string(), "{name}: each line names its source");

        let history = stage.program.ok(&["advisories", "show", "RW-1"]);
        for said in ["+ fix         Upgrade to version 23.9.8", "nobody was told", "+ text        reworded"] {
            assert!(history.contains(said), "{name}: {said} is missing\n{history}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_that_passes_one_half_is_told_and_daily_moves_are_not() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        stage.publish(&[("1", TITLE, TEXT)]);
        let step = |day: &str, score: f64| {
            stage.web.route("/epss.csv.gz", scores(day, score));
            stage.program.run()["events"].as_u64()
        };
        assert_eq!(step("2099-01-02", 0.31), Some(0), "{name}");
        let revision = stage.shown("RW-1")["revision"].clone();
        assert_eq!(step("2099-01-03", 0.64), Some(1), "{name}");
        let told = stage.shown("RW-1");
        assert_eq!(told["events"][1]["kind"], "escalated", "{name}: {told}");
        let reason = told["events"][1]["reasons"][0].as_str().unwrap_or_default();
        assert!(reason.contains("64 % for CVE-2099-1709"), "{name}: {reason}");
        assert_eq!(step("2099-01-04", 0.91), Some(0), "{name}: it is known by now");
        let later = stage.shown("RW-1");
        assert_eq!(
            later["revision"].as_i64(),
            revision.as_i64().map(|n| n + 1),
            "{name}: a score alone is no revision"
        );
        assert_eq!(later["facts"]["epss"]["score"], 0.91, "{name}: today's score is shown");
        assert_eq!(later["facts"]["epss"]["previous"], 0.64, "{name}");
        assert_eq!(stage.smtp.message_count(), 2, "{name}");
        assert!(stage.smtp.messages()[1].text().contains("more likely than not"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn advisories_are_found_by_words_and_filters() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        stage.publish(&[
            ("1", TITLE, "Actively exploited. Severity: critical."),
            ("2", "Path traversal in FortiGate", "Severity: low. Sécurité d'abord."),
            ("3", "Newsletter", "Nothing about products, but <b>traversal</b> of paths."),
        ]);
        for (words, expected) in [
            (&["screenconnect"] as &[&str], &["RW-1"] as &[&str]),
            (&["cve-2099-1709"], &["RW-1"]),
            (&["2099", "1709"], &["RW-1"]),
            (&["traversal"], &["RW-3", "RW-2"]),
            (&["\"path traversal\""], &["RW-2"]),
            (&["travers*"], &["RW-3", "RW-2"]),
            (&["traversal -products"], &["RW-2"]),
            (&["securite"], &["RW-2"]),
            (&["nothing-like-it"], &[]),
            (&["'; DROP TABLE advisories; --"], &[]),
            (&["--exploited"], &["RW-1"]),
            (&["--severity", "low"], &["RW-2", "RW-1"]),
            (&["--severity", "critical"], &["RW-1"]),
            (&["traversal", "--platform", "fortigate"], &["RW-2"]),
            (&["--source", "vendor", "traversal"], &["RW-3", "RW-2"]),
            (&["--source", "epss", "traversal"], &[]),
            (&["traversal", "--until", "2001-01-01"], &[]),
            (&["traversal", "--limit", "1"], &["RW-3"]),
        ] {
            assert_eq!(stage.found(words), expected, "{name}: {words:?}");
        }
        // What is edited is found by what it says now.
        stage.publish(&[("3", "Newsletter", "Nothing about products.")]);
        assert_eq!(stage.found(&["traversal"]), ["RW-2"], "{name}");
        let said = stage.program.refused(&["advisories", "list", "--", "-linux"], 2);
        assert!(said.contains("at least one word"), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_new_guids_are_no_news() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        let page = |generation: usize| -> String {
            let items: String = (0..200)
                .map(|n| format!("<item><guid>g{generation}-{n}</guid><link>https://vendor.example/{n}</link><title>Notice {n} of ScreenConnect</title><description>Text {n}.</description></item>"))
                .collect();
            format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>V</title>{items}</channel></rss>")
        };
        stage.web.route("/vendor", Reply::ok("application/rss+xml", page(0)));
        stage.program.run();
        let mails = stage.smtp.message_count();
        stage.web.route("/vendor", Reply::ok("application/rss+xml", page(1)));
        let churned = stage.program.run();
        assert_eq!((&churned["events"], &churned["new_advisories"]), (&json!(0), &json!(0)), "{name}: {churned}");
        assert_eq!(stage.smtp.message_count(), mails, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_edit_of_old_kev_entries_is_no_news() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        let catalog = |notes: &str, cwes: Value| {
            let entry = |n: usize| {
                json!({"cveID": format!("CVE-2098-{}", 1_000 + n), "vendorProject": "Acme", "product": format!("Box {n}"),
                    "vulnerabilityName": format!("Acme Box {n} flaw"), "dateAdded": "2098-01-01", "shortDescription": "A flaw.",
                    "requiredAction": "Apply updates.", "dueDate": "2098-01-22", "knownRansomwareCampaignUse": "Unknown",
                    "notes": notes, "cwes": cwes})
            };
            let all = json!({"catalogVersion": "1", "count": 1_000, "vulnerabilities": (0..1_000).map(entry).collect::<Vec<_>>()});
            Reply::ok("application/json", all.to_string())
        };
        web.route("/kev", catalog("", json!([])));
        program.sources(&[("kev", "kev", &web.url("/kev"))]);
        program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
        assert_eq!(program.run()["sources"][0]["result"], "baseline", "{name}");
        web.route("/kev", catalog("https://vendor.example/notes", json!(["CWE-79", "CWE-20"])));
        let edited = program.run();
        assert_eq!((&edited["sources"][0]["result"], &edited["events"]), (&json!("ok"), &json!(0)), "{name}: {edited}");
        assert_eq!(smtp.message_count(), 0, "{name}");
    }
}
