//! A notice that lists new entries of the KEV catalog, and the entries themselves: each concerned hears once.

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

const OLD: (&str, &str, &str) = ("CVE-2098-0001", "Acme", "Box");
const SCREENCONNECT: (&str, &str, &str) = ("CVE-2099-1709", "ConnectWise", "ScreenConnect");
const VEEAM: (&str, &str, &str) = ("CVE-2099-2711", "Veeam", "Backup & Replication");

fn catalog(entries: &[(&str, &str, &str)]) -> Reply {
    let entry = |(cve, vendor, product): &(&str, &str, &str)| {
        json!({"cveID": cve, "vendorProject": vendor, "product": product, "vulnerabilityName": format!("{vendor} {product} flaw"),
            "dateAdded": "2099-01-02", "shortDescription": "A flaw.", "requiredAction": "Apply updates.", "dueDate": "2099-01-23",
            "knownRansomwareCampaignUse": "Unknown", "notes": "", "cwes": []})
    };
    let all: Vec<Value> = entries.iter().map(entry).collect();
    let text = json!({"catalogVersion": "1", "count": all.len(), "vulnerabilities": all}).to_string();
    Reply::ok("application/json", text)
}

impl Stage {
    async fn on(engine: Engine) -> Self {
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cisa", "feed", &web.url("/cisa")), ("kev", "kev", &web.url("/kev"))]);
        program.ok(&["subscriber", "add", "remote@msp.example", "--platform", "screenconnect"]);
        program.ok(&["subscriber", "add", "backup@msp.example", "--platform", "veeam-vbr"]);
        program.ok(&["subscriber", "add", "owner@msp.example", "--everything"]);
        let stage = Self { web, smtp, program };
        stage.notice(&[]);
        stage.catalog(&[]);
        stage.program.run();
        stage
    }

    /// What CISA's feed says: that the entries were added.
    fn notice(&self, entries: &[(&str, &str, &str)]) {
        let lines: String = entries
            .iter()
            .map(|(cve, vendor, product)| format!("{cve} {vendor} {product} flaw. ").replace('&', "&amp;"))
            .collect();
        let title = "CISA Adds Two Known Exploited Vulnerabilities to Catalog";
        let text = format!("CISA has added two vulnerabilities, based on evidence of active exploitation. {lines}");
        let items = [("1", title, text.as_str())];
        let items = if entries.is_empty() { &[] } else { &items[..] };
        self.web.route("/cisa", Reply::ok("application/rss+xml", rss(items)));
    }

    fn catalog(&self, entries: &[(&str, &str, &str)]) {
        self.web.route("/kev", catalog(&[&[OLD], entries].concat()));
    }

    /// Runs, and gives how many mails each of the three has had.
    fn mails(&self) -> [usize; 3] {
        self.program.run();
        let to = |address: &str| self.smtp.messages().iter().filter(|mail| mail.to == [address]).count();
        [to("remote@msp.example"), to("backup@msp.example"), to("owner@msp.example")]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_and_then_the_notice_that_lists_them_are_told_once() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.catalog(&[SCREENCONNECT, VEEAM]);
        assert_eq!(stage.mails(), [1, 1, 2], "{name}: each entry to whom it touches");
        stage.notice(&[SCREENCONNECT, VEEAM]);
        assert_eq!(stage.mails(), [1, 1, 2], "{name}: the notice says nothing new");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_and_then_the_entries_that_it_lists_are_told_once() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.notice(&[SCREENCONNECT, VEEAM]);
        assert_eq!(stage.mails(), [1, 1, 1], "{name}: the notice to whom it touches");
        stage.catalog(&[SCREENCONNECT, VEEAM]);
        assert_eq!(stage.mails(), [1, 1, 1], "{name}: the entries say nothing new");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_of_which_one_entry_was_not_told_is_told() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        stage.catalog(&[SCREENCONNECT]);
        assert_eq!(stage.mails(), [1, 0, 1], "{name}");
        stage.notice(&[SCREENCONNECT, VEEAM]);
        let mails = stage.mails();
        assert_eq!((mails[1], mails[2]), (1, 2), "{name}: who runs the other product has not heard yet");
        assert!(mails[0] <= 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_names_its_entries_later_is_told_as_it_was() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::on(engine).await;
        let bare = rss(&[("1", "CISA Adds Two Known Exploited Vulnerabilities to Catalog", "More in a moment.")]);
        stage.web.route("/cisa", Reply::ok("application/rss+xml", bare));
        assert_eq!(stage.mails(), [0, 0, 1], "{name}: nobody knows yet what it touches");
        stage.catalog(&[SCREENCONNECT, VEEAM]);
        assert_eq!(stage.mails(), [1, 1, 3], "{name}: each entry to whom it touches");
        stage.notice(&[SCREENCONNECT, VEEAM]);
        assert_eq!(stage.mails(), [1, 1, 3], "{name}: what it names was told");
    }
}
