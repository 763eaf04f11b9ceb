//! Several reports of one event are one advisory, in whatever order they come, and an operator's decision stays.

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::{Engine, engines};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

struct Stage {
    web: HttpServer,
    smtp: SmtpServer,
    program: Program,
}

/// Three sources, all of them read once, and somebody who hears everything.
async fn stage(engine: Engine) -> Stage {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
    for id in ["vendor", "cert", "records"] {
        web.route(&format!("/{id}"), Reply::ok("application/rss+xml", rss(&[])));
    }
    let urls = ["vendor", "cert", "records"].map(|id| (id, web.url(&format!("/{id}"))));
    program.sources(&urls.each_ref().map(|(id, url)| (*id, "feed", url.as_str())));
    program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
    program.run();
    Stage { web, smtp, program }
}

impl Stage {
    fn publish(&self, source: &str, items: &[(&str, &str, &str)]) -> Value {
        let named: Vec<(String, &str, &str)> =
            items.iter().map(|(guid, title, text)| (format!("{source}-{guid}"), *title, *text)).collect();
        let items: Vec<(&str, &str, &str)> =
            named.iter().map(|(guid, title, text)| (guid.as_str(), *title, *text)).collect();
        self.web.route(&format!("/{source}"), Reply::ok("application/rss+xml", rss(&items)));
        self.program.run()
    }

    fn advisories(&self) -> Vec<Value> {
        let listed = self.program.ok(&["advisories", "list", "--json"]);
        serde_json::from_str::<Value>(&listed).expect("JSON").as_array().expect("a list").clone()
    }

    fn shown(&self, id: &str) -> Value {
        serde_json::from_str(&self.program.ok(&["advisories", "show", id, "--json"])).expect("JSON")
    }
}

const FIRST: (&str, &str, &str) = ("1", "CVE-2099-1708: path traversal in ScreenConnect", "A flaw.");
const SECOND: (&str, &str, &str) = ("2", "CVE-2099-1709: authentication bypass in ScreenConnect", "A flaw.");
const BULLETIN: (&str, &str, &str) =
    ("b", "ScreenConnect 23.9.8 security fix", "It closes CVE-2099-1708 and CVE-2099-1709.");

#[tokio::test(flavor = "multi_thread")]
async fn a_bulletin_makes_one_advisory_of_the_records_that_came_before_it() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        assert_eq!(stage.publish("records", &[FIRST, SECOND])["events"], json!(2), "{name}");
        assert_eq!(stage.advisories().len(), 2, "{name}");

        let run = stage.publish("vendor", &[BULLETIN]);
        assert_eq!((&run["events"], &run["new_advisories"]), (&json!(0), &json!(0)), "{name}: all of it was told");
        let all = stage.advisories();
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        assert_eq!(all[0]["cves"], json!(["CVE-2099-1708", "CVE-2099-1709"]), "{name}");
        assert_eq!(stage.smtp.message_count(), 2, "{name}");

        let gone = stage.program.ok(&["advisories", "show", "RW-2"]);
        assert!(gone.starts_with("RW-2 is part of RW-1 now."), "{name}: {gone}");
        assert!(gone.contains("its CVE ids are all among those of a wider advisory"), "{name}: {gone}");

        // What comes after it joins it, and is news only where it says more.
        stage.publish("cert", &[("c", "Flaws in ScreenConnect", "CVE-2099-1708, CVE-2099-1709: actively exploited.")]);
        let one = stage.shown("RW-1");
        assert_eq!(one["items"].as_array().map(Vec::len), Some(4), "{name}: {one}");
        assert_eq!(stage.smtp.message_count(), 3, "{name}");
        assert!(stage.smtp.messages()[2].text().contains("exploited"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_that_follow_a_bulletin_are_no_second_mail() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        assert_eq!(stage.publish("vendor", &[BULLETIN])["events"], json!(1), "{name}");
        let run = stage.publish("records", &[FIRST, SECOND]);
        assert_eq!((&run["events"], stage.advisories().len()), (&json!(0), 1), "{name}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_several_events_joins_none_of_them() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        stage.publish("records", &[FIRST, SECOND]);
        let list = ("l", "CISA Adds Two Known Exploited Vulnerabilities to Catalog", "CVE-2099-1708 CVE-2099-1709");
        let run = stage.publish("cert", &[list]);
        assert_eq!((&run["new_advisories"], stage.advisories().len()), (&json!(1), 3), "{name}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_parts_what_was_one_tells_nobody_twice() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        stage.publish("records", &[FIRST, SECOND]);
        stage.publish("vendor", &[BULLETIN]);
        let mails = stage.smtp.message_count();
        // The vendor takes one of the flaws out of the bulletin.
        let run = stage.publish("vendor", &[("b", "ScreenConnect 23.9.8 security fix", "It closes CVE-2099-1709.")]);
        assert_eq!(run["events"], json!(0), "{name}: {run}");
        let all = stage.advisories();
        assert_eq!(all.len(), 2, "{name}: {all:?}");
        assert_eq!(stage.smtp.message_count(), mails, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_merges_or_splits_stays_so() {
    for engine in engines() {
        let name = engine.name;
        let stage = stage(engine).await;
        stage.publish("vendor", &[("a", "Flaw in FortiGate", "No number yet."), BULLETIN]);
        stage.publish("records", &[FIRST]);
        let said = stage.program.ok(&["advisories", "split", "rw-2", "--item", "3"]);
        assert_eq!(said, "Item 3 is RW-3 from now on. Nobody is mailed for it.\n", "{name}");
        let said = stage.program.ok(&["advisories", "merge", "RW-3", "RW-1"]);
        assert_eq!(said, "They are RW-1 from now on. Nobody is mailed for it.\n", "{name}");
        let mails = stage.smtp.message_count();

        // Edits and news around them change nothing of it.
        stage.publish("records", &[("1", FIRST.1, "A flaw in more words."), SECOND]);
        let of = |id: &str| -> Vec<Value> {
            let shown = stage.shown(id);
            shown["items"].as_array().expect("items").iter().map(|item| item["item"].clone()).collect()
        };
        assert_eq!(of("RW-1"), [json!(1), json!(3)], "{name}");
        assert_eq!(of("RW-2"), [json!(2), json!(4)], "{name}");
        assert_eq!(stage.smtp.message_count(), mails, "{name}");

        let wrong = stage.program.refused(&["advisories", "split", "RW-2", "--item", "1"], 1);
        assert!(wrong.contains("RW-2 has no item 1"), "{name}: {wrong}");
        let wrong = stage.program.refused(&["advisories", "merge", "RW-1", "RW-3"], 1);
        assert!(wrong.contains("both are RW-1 already"), "{name}: {wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_advisories_are_compared_with_labels() {
    let Some(engine) = engines().into_iter().next() else { return };
    let stage = stage(engine).await;
    stage.publish("records", &[FIRST, SECOND]);
    stage.publish("vendor", &[BULLETIN]);
    let labels = "records records-1\tone\nrecords records-2\tother\nvendor vendor-b\tone\nnone x\tone\n";
    let file = stage.program.file("labels.tsv", labels);
    let said = stage.program.ok(&["advisories", "evaluate", "--list", &file.to_string_lossy()]);
    assert!(said.contains("one advisory, two events: records records-1 / records records-2"), "{said}");
    let sum = "3 labeled items are stored, 1 are not. Pairs: 1 right, 2 wrongly joined, 0 wrongly parted. Precision 0.3333, recall 1.0000.";
    assert!(said.contains(sum), "{said}");
    let wrong = stage.program.file("wrong.tsv", "no tab\n");
    let refused = stage.program.refused(&["advisories", "evaluate", &wrong.to_string_lossy()], 2);
    assert!(refused.contains("line 1: a label is an item, a tab and an event"), "{refused}");
}
