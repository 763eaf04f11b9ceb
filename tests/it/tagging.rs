//! What people hear of by what is tagged: topics that reach everybody, mentions that reach nobody, wrong matches that stay
//! away, and history that is tagged anew.

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

const ALERT: (&str, &str, &str) = (
    "1",
    "Compromised Managed Service Providers",
    "Criminals break into managed service providers and use their tools against every customer.",
);
const FLAW: (&str, &str, &str) = ("2", "Authentication bypass in ScreenConnect", "Upgrade to version 99.");
const BROUGHT: (&str, &str, &str) =
    ("3", "A new ransomware group and its habits", "The attackers deploy AnyDesk to keep their access.");

impl Stage {
    async fn on(engine: Engine) -> Self {
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.run();
        Self { web, smtp, program }
    }

    fn publish(&self, items: &[(&str, &str, &str)]) -> Value {
        self.web.route("/feed", Reply::ok("application/rss+xml", rss(items)));
        self.program.run()
    }

    fn recipients(&self) -> Vec<String> {
        let mut to: Vec<String> = self.smtp.messages().iter().flat_map(|mail| mail.to.clone()).collect();
        to.sort();
        to
    }

    fn listed(&self, arguments: &[&str]) -> Vec<String> {
        let all = [&["advisories", "list", "--json"], arguments].concat();
        let listed: Vec<Value> = serde_json::from_str(&self.program.ok(&all)).expect("JSON");
        listed.iter().map(|one| one["title"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_about_service_providers_reaches_everybody_but_who_asked_not_to() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
        stage.program.ok(&["subscriber", "add", "quiet@msp.example", "--platform", "screenconnect", "--no-topics"]);
        stage.program.ok(&["subscriber", "add", "topic@msp.example", "--topic", "ransomware"]);
        stage.publish(&[ALERT]);
        assert_eq!(stage.recipients(), ["tech@msp.example"], "{name}");
        let mail = stage.smtp.messages()[0].text().replace("=\r\n", "");
        assert!(mail.contains("New: managed service providers, whatever you run."), "{name}: {mail}");
        assert!(mail.contains("because it is about managed service providers"), "{name}: {mail}");
        stage.publish(&[ALERT, BROUGHT]);
        assert_eq!(stage.recipients(), ["tech@msp.example", "topic@msp.example"], "{name}");
        assert_eq!(stage.listed(&["--topic", "msp"]), [ALERT.1], "{name}");
        assert_eq!(stage.listed(&["--topic", "ransomware"]), [BROUGHT.1], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_attackers_bring_along_is_found_and_mailed_to_nobody() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.program.ok(&["subscriber", "add", "desk@msp.example", "--platform", "anydesk"]);
        stage.publish(&[BROUGHT]);
        assert_eq!(stage.smtp.message_count(), 0, "{name}");
        assert_eq!(stage.listed(&["--platform", "anydesk"]), [] as [&str; 0], "{name}");
        assert_eq!(stage.listed(&["--platform", "anydesk", "--mentioned"]), [BROUGHT.1], "{name}");
        let shown = stage.program.ok(&["advisories", "show", "RW-1"]);
        assert!(shown.contains("Mentions        anydesk"), "{name}: {shown}");
        stage.publish(&[BROUGHT, ("4", "Flaw in AnyDesk", "AnyDesk lets anybody in.")]);
        assert_eq!(stage.recipients(), ["desk@msp.example"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_for_all_of_a_vendor_hears_of_each_of_its_platforms_once() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.program.ok(&[
            "subscriber",
            "add",
            "all@msp.example",
            "--platform",
            "connectwise",
            "--platform",
            "screenconnect",
        ]);
        stage.program.ok(&["subscriber", "add", "other@msp.example", "--platform", "connectwise-psa"]);
        stage.publish(&[FLAW]);
        assert_eq!(stage.recipients(), ["all@msp.example"], "{name}");
        let mail = stage.smtp.messages()[0].text().replace("=\r\n", "");
        let mail = mail.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            mail.contains("because you run ConnectWise ScreenConnect (the title says 'ScreenConnect')."),
            "{name}: {mail}"
        );
        stage.publish(&[FLAW, ("9", "ConnectWise changes the certificates of its products", "Install the new ones.")]);
        assert_eq!(stage.recipients(), ["all@msp.example", "all@msp.example"], "{name}");
        assert_eq!(stage.listed(&["--platform", "connectwise"]).len(), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_match_that_was_accepted_stays_away() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
        stage.publish(&[FLAW]);
        let said = stage.program.ok(&["wrong-match", "report", "rw-1", "screenconnect", "--note", "not ours"]);
        assert!(said.contains("the title says 'ScreenConnect', the catalog's name 'ScreenConnect'"), "{name}: {said}");
        assert_eq!(stage.listed(&["--platform", "screenconnect"]), [FLAW.1], "{name}: nobody has decided yet");
        let listed: Value = serde_json::from_str(&stage.program.ok(&["wrong-match", "list", "--json"])).expect("JSON");
        assert_eq!((&listed[0]["state"], &listed[0]["note"]), (&json!("open"), &json!("not ours")), "{name}");
        stage.program.ok(&["wrong-match", "accept", "1", "--not", "bypass in ScreenConnect"]);
        assert_eq!(stage.listed(&["--platform", "screenconnect"]), [] as [&str; 0], "{name}");
        let again = stage.program.refused(&["wrong-match", "accept", "1"], 1);
        assert!(again.contains("was accepted before"), "{name}: {again}");

        // An edit does not bring it back, and the rule holds for what is new.
        let mails = stage.smtp.message_count();
        let edited = (FLAW.0, FLAW.1, "Upgrade to version 99.1. ScreenConnect, we repeat.");
        stage.publish(&[edited, ("5", "Another bypass in ScreenConnect", "Text.")]);
        assert_eq!(stage.listed(&["--platform", "screenconnect"]), [] as [&str; 0], "{name}");
        stage.publish(&[edited, ("6", "Flaw in ScreenConnect", "Text.")]);
        assert_eq!(stage.listed(&["--platform", "screenconnect"]), ["Flaw in ScreenConnect"], "{name}");
        assert_eq!(stage.smtp.message_count(), mails + 2, "{name}");
        for (arguments, said) in [
            (["wrong-match", "report", "RW-1", "screenconnect"], "is not tagged with screenconnect"),
            (["wrong-match", "report", "RW-999", "screenconnect"], "there is no RW-999"),
        ] {
            let refused = stage.program.refused(&arguments, 1);
            assert!(refused.contains(said), "{name}: {refused}");
        }
        assert!(stage.program.ok(&["wrong-match", "rules"]).contains("screenconnect: not \"bypass in ScreenConnect\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_tagged_by_a_new_catalog_and_nobody_is_mailed() {
    for engine in engines() {
        let name = engine.name;
        let mut stage = Stage::on(engine).await;
        stage.program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
        stage.publish(&[FLAW, ("7", "Flaw in Zephyrdesk", "Zephyrdesk lets anybody in.")]);
        let mails = stage.smtp.message_count();
        let catalog = "[[platform]]\nid = \"zephyrdesk\"\nname = \"Zephyrdesk\"\nvendor = \"Zephyr\"\ncategory = \"rmm\"\n\
                       aliases = [\"Zephyrdesk\"]\nhits = [\"A flaw in Zephyrdesk\"]\n";
        let path = stage.program.file("platforms.toml", catalog);
        stage.program.set("RATTLEWATCH_PLATFORMS", &path.display().to_string());
        let would: Value =
            serde_json::from_str(&stage.program.ok(&["tag", "--retag", "--dry-run", "--json"])).expect("JSON");
        assert_eq!(would["changed"], 2, "{name}: {would}");
        assert_eq!(stage.listed(&["--platform", "zephyrdesk"]), [] as [&str; 0], "{name}: it only looked");
        let said = stage.program.ok(&["tag", "--retag"]);
        assert!(said.contains("+zephyrdesk") && said.contains("-screenconnect"), "{name}: {said}");
        assert_eq!(stage.listed(&["--platform", "zephyrdesk"]), ["Flaw in Zephyrdesk"], "{name}");
        assert_eq!(stage.program.run()["events"], 0, "{name}");
        assert_eq!(stage.smtp.message_count(), mails, "{name}");
        assert!(stage.program.ok(&["tag", "--retag"]).contains("0 of 2 items"), "{name}: a second run changes nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_filtered_like_a_list() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.publish(&[
            ALERT,
            FLAW,
            ("8", "Critical flaw in Veeam Backup & Replication".replace('&', "&amp;").as_str(), "Severity: critical."),
        ]);
        let exported = |arguments: &[&str]| {
            let lines = stage.program.ok(&[&["advisories", "export", "--jsonl"], arguments].concat());
            lines.lines().count()
        };
        assert_eq!(exported(&[]), 3, "{name}");
        assert_eq!(exported(&["--severity", "critical"]), 1, "{name}");
        assert_eq!(exported(&["--topic", "msp"]), 1, "{name}");
        assert_eq!(exported(&["--source", "cert"]), 3, "{name}");
        assert_eq!(exported(&["--source", "another"]), 0, "{name}");
    }
}

#[test]
fn tags_are_compared_with_labels() {
    let program = Program::new();
    let line = |id: &str, title: &str, products: Value, expected: Value| {
        json!({"id": id, "title": title, "products": products, "expected": expected}).to_string()
    };
    let lines = [
        line("a", "Flaw in ScreenConnect", json!([]), json!(["screenconnect"])),
        line("b", "A flaw", json!(["veeam:backup_\\&_replication"]), json!(["veeam-vbr"])),
        line("c", "Flaw in AnyDesk", json!([{"vendor": "AnyDesk", "product": "AnyDesk"}]), json!([])),
    ];
    let path = program.file("labels.jsonl", &lines.join("\n"));
    let path = path.to_str().expect("a path");
    let said: Value = serde_json::from_str(&program.ok(&["tag", "--evaluate", path, "--json"])).expect("JSON");
    let overall = |at: usize| {
        let score = &said[at]["overall"];
        (score["right"].as_u64(), score["missed"].as_u64(), score["false"].as_u64())
    };
    assert_eq!(overall(0), (Some(1), Some(1), Some(1)), "{said}");
    assert_eq!(overall(1), (Some(2), Some(0), Some(1)), "{said}");
    let text = program.ok(&["tag", "--evaluate", path]);
    assert!(text.contains("missed veeam-vbr: b") && text.contains("false  anydesk: c ('AnyDesk' in the"), "{text}");
    let path = program.file("bad.jsonl", "{\"id\": 1, \"title\": \"x\"}\n");
    let said = program.refused(&["tag", "--evaluate", path.to_str().expect("a path")], 2);
    assert!(said.contains("says nothing of what is \"expected\""), "{said}");
}
