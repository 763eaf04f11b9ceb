//! From a mailbox of bounces to who is mailed, by the program itself.

use std::time::Duration;

use rattlewatch::jobs::bounces::{self, Counts, Standing};
use rattlewatch::model::clock::{Clock, Timestamp};
use rattlewatch::store::bounces::{self as table, Bounce};
use rattlewatch::store::{Location, Store};
use serde_json::Value;

use super::{fixture, fixtures};
use crate::support::http_server::{HttpServer, Reply};
use crate::support::imap_server::ImapServer;
use crate::support::postgres::{engines, sqlite};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Received, SmtpServer};

const FLAW: (&str, &str, &str) = ("1", "Authentication bypass in ScreenConnect", "Upgrade to version 99.");
const MORE: (&str, &str, &str) = ("2", "Another flaw in ScreenConnect (CVE-2099-0002)", "Upgrade to version 100.");
const FIXTURE_ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0@alerts.msp.example";

/// A program whose two subscribers have had one alert each, and the mailbox to which its bounces come.
struct Stage {
    web: HttpServer,
    smtp: SmtpServer,
    program: Program,
    drop: tempfile::TempDir,
    location: Location,
}

impl Stage {
    async fn new(engine: crate::support::postgres::Engine) -> Self {
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let drop = tempfile::tempdir().unwrap();
        let location = engine.location.clone();
        web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
        let mut program = Program::on(engine)
            .with("RATTLEWATCH_SMTP_URL", &smtp.url())
            .with("RATTLEWATCH_PUBLIC_URL", "https://alerts.msp.example")
            .with("RATTLEWATCH_BOUNCE_ADDRESS", "bounces@alerts.msp.example")
            .with("RATTLEWATCH_BOUNCE_MAILBOX", &format!("file://{}", drop.path().display()));
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.run();
        for to in ["one@msp.example", "two@msp.example"] {
            program.ok(&["subscriber", "add", to, "--platform", "screenconnect"]);
        }
        let stage = Self { web, smtp, program, drop, location };
        stage.publish(&[FLAW]);
        stage
    }

    /// Publishes items; returns to whom they were mailed.
    fn publish(&self, items: &[(&str, &str, &str)]) -> Vec<String> {
        let before = self.smtp.message_count();
        self.web.route("/feed", Reply::ok("application/rss+xml", rss(items)));
        self.program.run();
        let mut to: Vec<String> = self.smtp.messages()[before..].iter().map(|mail| mail.to[0].clone()).collect();
        to.sort();
        to
    }

    /// The alert that was sent to `to`.
    fn mail(&self, to: &str) -> Received {
        self.smtp.messages().into_iter().find(|mail| mail.to == [to]).expect("their mail")
    }

    fn arrive(&self, name: &str, mail: &[u8]) {
        std::fs::write(self.drop.path().join(format!("{name}.eml")), mail).unwrap();
    }

    async fn store(&self) -> Store {
        Store::open(&self.location).await.unwrap()
    }

    async fn counts(&self) -> Counts {
        let store = self.store().await;
        let counts = store.read(bounces::counts).await.unwrap();
        store.close().await;
        counts
    }
}

fn counted(counts: &[(&str, i64)]) -> Counts {
    counts.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_is_mailed_no_more_and_a_forged_report_changes_nothing() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::new(engine).await;
        let mail = stage.mail("one@msp.example");
        assert!(mail.from.starts_with("bounces+sub-") && mail.from.ends_with("@alerts.msp.example"), "{}", mail.from);
        assert!(!mail.from.contains("one"), "no address in clear");

        let another = stage.mail("two@msp.example").from.replace("bounces+", "").split('@').next().unwrap().to_owned();
        let stolen = another.rsplit_once('-').unwrap().1.to_owned();
        let mixed = format!("bounces+sub-1-{stolen}@alerts.msp.example");
        for forged in ["forged-token", "forged-no-token", "complaint-forged"] {
            stage.arrive(forged, &fixtures()[forged]);
        }
        stage.arrive("mixed", &fixture("postfix-no-such-user", &mixed));
        stage.program.run();
        assert_eq!(stage.counts().await, counted(&[("forged", 4)]), "{name}");

        let id = header(&mail.text(), "Message-ID: <").trim_end_matches('>').to_owned();
        let report = String::from_utf8(fixture("postfix-no-such-user", &mail.from)).unwrap().replace(FIXTURE_ID, &id);
        stage.arrive("report", report.as_bytes());
        assert_eq!(stage.publish(&[MORE, FLAW]), ["two@msp.example"], "{name}: read before anything is sent");
        assert_eq!(stage.counts().await, counted(&[("forged", 4), ("hard", 1)]), "{name}: once");
        let listed: Value = serde_json::from_str(&stage.program.ok(&["outbox", "list", "--json"])).unwrap();
        let letters = listed["deliveries"].as_array().unwrap();
        let letter = letters.iter().find(|one| one["to"] == "one@msp.example" && one["state"] == "sent").unwrap();
        assert!(letter["detail"].as_str().unwrap().contains("failed 5.1.1: 550 5.1.1"), "{name}: {letter}");
        stage.program.run();
        assert_eq!(stage.counts().await, counted(&[("forged", 4), ("hard", 1)]), "{name}: nothing is counted twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_or_a_complaint_ends_a_subscription_and_an_absence_note_or_a_delay_does_not() {
    let stage = Stage::new(sqlite()).await;
    let (one, two) = (stage.mail("one@msp.example"), stage.mail("two@msp.example"));
    let harmless = ["absence-note", "ticket-note", "qmail", "answer-of-a-person", "forwarded-bounce", "binary"];
    for name in harmless {
        let mail = fixtures().remove(name).unwrap();
        let mail = String::from_utf8_lossy(&mail).replace(super::PLACEHOLDER, &one.from);
        stage.arrive(name, mail.as_bytes());
    }
    for name in ["postfix-greylist-delayed", "spam-refused", "exchange-quoted", "complaint-not-spam"] {
        stage.arrive(name, &fixture(name, &one.from));
    }
    assert_eq!(stage.publish(&[MORE, FLAW]), ["one@msp.example", "two@msp.example"]);
    let before = stage.counts().await;
    assert_eq!(before, counted(&[("late", 1), ("policy", 1), ("soft", 1), ("unclassified", 7)]));

    let leave = header(&one.text(), " <mailto:").split('?').next().unwrap().to_owned();
    assert!(leave.starts_with("bounces+unsub-sub-"), "{leave} in {}", one.text());
    // The address at which bounces arrive does not unsubscribe, whatever the subject says.
    stage.arrive("asked", format!("To: {}\r\nSubject: unsubscribe\r\n\r\n", two.from).as_bytes());
    stage.arrive("left", format!("To: {}\r\nSubject: unsubscribe\r\n\r\n", leave.to_ascii_uppercase()).as_bytes());
    let third = ("3", "A third flaw in ScreenConnect (CVE-2099-0003)", "Upgrade to version 101.");
    assert_eq!(stage.publish(&[third, MORE, FLAW]), ["two@msp.example"]);
    stage.arrive("complaint", &fixture("complaint-abuse", &two.from));
    let fourth = ("4", "A fourth flaw in ScreenConnect (CVE-2099-0004)", "Upgrade to version 102.");
    assert!(stage.publish(&[fourth, third, MORE, FLAW]).is_empty());
    let after = stage.counts().await;
    assert_eq!((after["unsubscribed"], after["complaint"], after["asked"]), (1, 1, 1), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_read_the_same_mailbox_count_each_report_once() {
    for engine in engines() {
        let name = engine.name;
        let stage = Stage::new(engine).await;
        let one = stage.mail("one@msp.example").from;
        for number in 0..120 {
            stage.arrive(&format!("report{number}"), &fixture("postfix-greylist-delayed", &one));
        }
        let replicas = [0; 3].map(|_| stage.program.spawn(&["run"]));
        for replica in replicas {
            let output = replica.wait_with_output().unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(stage.counts().await, counted(&[("late", 120)]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_stays_full_for_a_week_ends_the_subscription() {
    for engine in engines() {
        let stage = Stage::new(engine).await;
        let one = stage.mail("one@msp.example").from;
        let subscription = one.replace("bounces+", "").rsplit_once('-').unwrap().0.to_owned();
        let now = Clock::system().now();
        let ago = |days: u64| now.minus(Duration::from_secs(days * 24 * 3_600));
        let put = async |soft: i64, first: Timestamp, last: Timestamp| {
            let subscription = subscription.clone();
            let bounce = move || Bounce {
                subscription: subscription.clone(),
                kind: "soft".to_owned(),
                at: last,
                detail: String::new(),
                soft,
                soft_first: Some(first),
                soft_last: Some(last),
            };
            let store = stage.store().await;
            store.write(move |tx| table::put(tx, &bounce())).await.unwrap();
            store.close().await;
        };
        put(4, ago(6), ago(1)).await;
        stage.arrive("first", &fixture("gmail-over-quota", &one));
        assert_eq!(stage.publish(&[MORE, FLAW]).len(), 2, "six days are too few");
        put(4, ago(8), ago(1)).await;
        stage.arrive("second", &fixture("gmail-over-quota", &one));
        let third = ("3", "A third flaw in ScreenConnect (CVE-2099-0003)", "Upgrade to version 101.");
        assert_eq!(stage.publish(&[third, MORE, FLAW]), ["two@msp.example"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_on_a_server_is_read_and_a_refusal_is_kept_for_people_to_see() {
    let imap = ImapServer::start().await;
    let mut stage = Stage::new(sqlite()).await;
    let ca = stage.program.file("ca.pem", imap.ca_pem());
    for (name, value) in [
        ("SSL_CERT_FILE", ca.display().to_string()),
        ("RATTLEWATCH_ALLOW_NETWORKS", "127.0.0.0/8, ::1/128".to_owned()),
        ("RATTLEWATCH_BOUNCE_MAILBOX", format!("imaps://alerts%40msp.example@localhost:{}/INBOX", imap.port())),
        ("RATTLEWATCH_BOUNCE_MAILBOX_PASSWORD", "pass \"word\"".to_owned()),
    ] {
        stage.program.set(name, &value);
    }
    imap.deliver(7, &fixture("gmail-no-such-user", &stage.mail("two@msp.example").from));
    assert_eq!(stage.publish(&[MORE, FLAW]), ["one@msp.example"]);
    assert_eq!(stage.counts().await, counted(&[("hard", 1)]));

    let standing = async |stage: &Stage| -> Standing {
        let store = stage.store().await;
        let standing = store.read(bounces::standing).await.unwrap();
        store.close().await;
        standing.expect("it has been read")
    };
    assert_eq!(standing(&stage).await.trouble, None);
    imap.set(|state| state.password = "changed".to_owned());
    stage.program.run();
    let refused = standing(&stage).await;
    assert!(refused.trouble.is_some_and(|trouble| trouble.contains("refuses the login")));
    assert!(refused.read_at.is_some(), "when it was last read is still known");
    let logins = || imap.commands().iter().filter(|command| command.starts_with("AUTHENTICATE")).count();
    let before = logins();
    stage.program.run();
    assert_eq!(logins(), before, "it is left alone, so that the account is not locked");
}
