//! Channels beside mail: what goes over the wire, what an answer means, and that no source can misuse either.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use rattlewatch::channels::email::Sender;
use rattlewatch::channels::file::Outbox;
use rattlewatch::channels::{Channels, ntfy, slack, teams, webhook};
use rattlewatch::http::{Client, Guard, Identity, Limits};
use rattlewatch::model::address::EmailAddress;
use rattlewatch::model::channel::{Brief, BriefItem, ChannelKind, Endpoint};
use rattlewatch::model::clock::{Clock, Timestamp};
use rattlewatch::model::delivery::{Message, Outcome};
use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};

mod answers;
mod hostile;
mod mail;
mod program;

/// The secret of the example that Standard Webhooks publishes.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// 2026-11-23T07:30:00Z.
const MONDAY: Timestamp = Timestamp::from_seconds(1_795_419_000);

/// Channels whose clock stands at [`MONDAY`], with limits that a test can wait for. Mail becomes files in `folder`.
fn channels(folder: &std::path::Path, guard: Guard) -> Channels {
    let limits = Limits { post: Duration::from_secs(2), ..Limits::default() };
    let client = Client::new(&Identity::new("https://msp.example"), guard, limits).unwrap();
    let address = EmailAddress::parse("alerts@watch.example").unwrap();
    let sender = Sender { name: "Rattlewatch".to_owned(), address, reply_to: None };
    let mail = Arc::new(Outbox::new(folder, sender));
    Channels::new(mail, &client, &Clock::manual(MONDAY).0)
}

/// A guard that lets loopback through, as an operator does for a receiver of their own.
fn loopback() -> Guard {
    Guard { allow: ["127.0.0.0/8", "::1/128"].map(|net| net.parse().unwrap()).to_vec() }
}

fn alert() -> Brief {
    let text = |text: &str| text.to_owned();
    Brief {
        kind: text("advisory.escalated"),
        lead: text("More urgent now: ScreenConnect, which you run."),
        title: text("Authentication bypass in ConnectWise ScreenConnect & others (CVE-2099-1709)"),
        changes: vec![text("It is known to be exploited (CISA KEV).")],
        advisory: Some(text("RW-1234")),
        url: text("https://watch.example/advisories/RW-1234"),
        severity: text("critical"),
        exploited: true,
        platforms: vec![text("ScreenConnect"), text("Veeam Backup & Replication")],
        cves: vec![text("CVE-2099-1709"), text("CVE-2099-1710")],
        facts: vec![
            (text("What it is"), text("A flaw in software: authentication bypass. (CISA)")),
            (text("Exploited?"), text("Yes, listed since 19 Nov 2099. (CISA KEV)")),
            (text("Versions"), text("Fixed in 99.4. (ConnectWise)")),
        ],
        steps: vec![
            text("Read which versions are affected from CISA: https://www.cisa.gov/kev?x=1&y=2"),
            text("Check the version of ScreenConnect at every customer, and update."),
        ],
        items: Vec::new(),
        why: text("You run ScreenConnect, which the title names."),
        tlp: text("TLP:CLEAR"),
        at: MONDAY,
    }
}

fn digest(count: usize) -> Brief {
    let item = |number: usize| BriefItem {
        advisory: format!("RW-{number}"),
        title: format!("Flaw number {number} in FortiGate"),
        url: format!("https://watch.example/advisories/RW-{number}"),
        severity: if number.is_multiple_of(2) { "high" } else { "unknown" }.to_owned(),
        exploited: number == 0,
        platforms: vec!["FortiGate".to_owned()],
    };
    Brief {
        kind: "digest".to_owned(),
        lead: format!("{count} advisories touch what you run."),
        title: "Week of 16 to 22 Nov".to_owned(),
        changes: Vec::new(),
        advisory: None,
        url: "https://watch.example/advisories".to_owned(),
        severity: "high".to_owned(),
        platforms: Vec::new(),
        cves: Vec::new(),
        facts: vec![("Not read".to_owned(), "CERT-FR: it refuses connections".to_owned())],
        steps: Vec::new(),
        items: (0..count).map(item).collect(),
        ..alert()
    }
}

fn message(brief: Brief, url: &str, secret: Option<&str>) -> Message {
    Message {
        key: "alert-7-sub-3".to_owned(),
        to: "owner@msp.example".to_owned(),
        subject: "ScreenConnect: Authentication bypass".to_owned(),
        text: "More urgent now: ScreenConnect, which you run.\n\nUpgrade to 99.4.\n".to_owned(),
        html: "<!doctype html><p>More urgent now".to_owned(),
        message_id: "d7@watch.example".to_owned(),
        thread_root: Some("root1234@watch.example".to_owned()),
        date: MONDAY,
        list_id: "alerts.watch.example".to_owned(),
        bulk: false,
        unsubscribe: None,
        returns: rattlewatch::model::delivery::Returns::default(),
        brief: Some(brief),
        endpoint: Some(Endpoint { url: url.to_owned(), secret: secret.map(str::to_owned) }),
    }
}

fn shown(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// One try of an alert by `kind` at a server that answers `reply`.
async fn tried(kind: ChannelKind, reply: Reply) -> (Outcome, HttpServer) {
    let server = HttpServer::start().await;
    server.route("/hook", reply.clone());
    // ntfy posts to the root of its server.
    server.route("/", reply);
    let folder = tempfile::tempdir().unwrap();
    let channels = channels(folder.path(), loopback());
    let secret = (kind == ChannelKind::Webhook).then_some(SECRET);
    let outcome = channels.get(kind).send(&message(alert(), &server.url("/hook"), secret)).await;
    channels.close().await;
    (outcome, server)
}

#[test]
fn bodies_are_as_reviewed() {
    insta::assert_snapshot!("webhook_alert", shown(&webhook::body(&alert(), MONDAY)));
    insta::assert_snapshot!("webhook_digest", shown(&webhook::body(&digest(2), MONDAY)));
    insta::assert_snapshot!("slack_alert", shown(&slack::body(&alert())));
    insta::assert_snapshot!("slack_digest", shown(&slack::body(&digest(12))));
    insta::assert_snapshot!("teams_alert", shown(&teams::body(&alert())));
    insta::assert_snapshot!("teams_digest", shown(&teams::body(&digest(3))));
    insta::assert_snapshot!("ntfy_alert", shown(&ntfy::body(&alert(), "noc")));
    insta::assert_snapshot!("ntfy_digest", shown(&ntfy::body(&digest(12), "noc")));
}

#[test]
fn every_channel_has_a_file_and_a_reviewed_body() {
    let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = |folder: &str| std::fs::read_dir(home.join(folder)).unwrap();
    let reviewed: Vec<String> = listed("tests/it/snapshots")
        .chain(listed("tests/it/channels/snapshots"))
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let channels = channels(folder.path(), Guard::default());
    for kind in ChannelKind::ALL.into_iter().filter(|kind| *kind != ChannelKind::Email) {
        assert_eq!(channels.get(kind).name(), kind.as_str());
        assert!(home.join(format!("src/channels/{kind}.rs")).exists(), "{kind} has no file of its own");
        let found =
            reviewed.iter().any(|name| name.starts_with("it__channels__") && name.contains(&format!("{kind}_")));
        assert!(found, "{kind} has no snapshot of its body");
    }
}

#[test]
fn bodies_are_the_same_on_every_try() {
    for _ in 0..3 {
        assert_eq!(webhook::body(&alert(), MONDAY), webhook::body(&alert(), MONDAY));
        assert_eq!(slack::body(&alert()), slack::body(&alert()));
        assert_eq!(teams::body(&digest(9)), teams::body(&digest(9)));
        assert_eq!(ntfy::body(&alert(), "noc"), ntfy::body(&alert(), "noc"));
    }
}
