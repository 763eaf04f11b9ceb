//! Letters: what an alert and a digest say, that hostile text stays text, and when digests come.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rattlewatch::model::advisory::{AdvisoryId, AdvisoryKind, Content, Event, EventKind, Exploitation, Reference};
use rattlewatch::model::audience::{DigestEvery, DigestSchedule, Floor, Wish};
use rattlewatch::model::channel::ChannelKind;
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::delivery::Message;
use rattlewatch::model::facts::{Authority, Epss, Facts, Origin, Rating, Stated, Versions};
use rattlewatch::model::item::{KevFacts, Score};
use rattlewatch::model::platform::{Evidence, Field, PlatformId, Role, Tag};
use rattlewatch::model::severity::Severity;
use rattlewatch::model::topic::Topic;
use rattlewatch::pipeline::compose::{Alert, Composer, Digest, Entry, Envelope, Failed, Occasion, Sites};

mod hostile;
mod letters;
mod parsers;
mod schedule;

/// 2026-11-17T07:12:00Z, a Tuesday.
const TUESDAY: Timestamp = Timestamp::from_seconds(1_794_899_520);
const DAY: i64 = 86_400;

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(TUESDAY.seconds() + seconds)
}

fn envelope(key: &str) -> Envelope<'_> {
    Envelope {
        key,
        to: "noc@msp.example",
        subscription: "sub-7",
        created_at: TUESDAY,
        from_domain: "watch.example",
        secret: "a secret of this test",
        public_url: "https://watch.example",
        unsubscribe: Some("https://watch.example/u/t0ken?x=1&y=2".to_owned()),
        preferences: Some("https://watch.example/p/t0ken".to_owned()),
        channel: ChannelKind::Email,
    }
}

fn wish(platforms: &[&str]) -> Wish {
    Wish {
        platforms: platforms.iter().map(|id| PlatformId((*id).to_owned())).collect(),
        topics: vec![Topic::Msp],
        floor: Floor::High,
        instant: true,
        digest: DigestSchedule { timezone: "Europe/Berlin".to_owned(), ..DigestSchedule::default() },
        ..Wish::default()
    }
}

fn name(id: &PlatformId) -> String {
    match id.0.as_str() {
        "screenconnect" => "ConnectWise ScreenConnect".to_owned(),
        "fortigate" => "Fortinet FortiGate".to_owned(),
        "veeam-vbr" => "Veeam Backup & Replication".to_owned(),
        other => other.to_owned(),
    }
}

fn tag(platform: &str, field: Field, matched: &str) -> Tag {
    let evidence = Evidence { field, matched: matched.to_owned(), alias: matched.to_lowercase(), offset: 0 };
    Tag {
        platform: PlatformId(platform.to_owned()),
        role: Role::Affected,
        under: None,
        confidence: 0.95,
        evidence: vec![evidence],
    }
}

fn reference(name: &str, url: &str) -> Reference {
    Reference { source: name.to_lowercase(), name: name.to_owned(), url: url.to_owned(), ..Reference::default() }
}

/// An invented flaw of a real product, in the KEV catalog.
fn exploited() -> Content {
    let action = "Apply the vendor's mitigations or stop using the product if there are none.";
    Content {
        title: "ScreenConnect setup wizard lets anyone become administrator".to_owned(),
        summary:
            "Anyone who reaches the server can call the setup wizard again and make a new administrator.\n\nServers \
                  that the vendor hosts are fixed. Servers on customers' premises need the update."
                .to_owned(),
        kind: AdvisoryKind::Vulnerability,
        severity: Severity::Critical,
        cves: ["CVE-2026-41709", "CVE-2026-41710"].iter().map(|id| id.parse().unwrap()).collect(),
        aliases: ["CW-2026-11".to_owned()].into(),
        exploitation: Exploitation {
            exploited: true,
            according_to: "CISA KEV".to_owned(),
            kev: Some(KevFacts {
                added: "2026-11-16".to_owned(),
                due: "2026-11-23".to_owned(),
                ransomware: true,
                action: action.to_owned(),
            }),
            ransomware: true,
        },
        tags: vec![tag("screenconnect", Field::Title, "ScreenConnect")],
        action: action.to_owned(),
        references: vec![
            reference("ConnectWise Trust Center", "https://vendor.example/bulletins/2026-11?a=1&b=2"),
            reference("CISA KEV", "https://www.cisa.gov/known-exploited-vulnerabilities-catalog"),
        ],
        published: Some(later(-DAY)),
        first_seen: later(-3_600),
        facts: facts(action),
        ..Content::default()
    }
}

/// What the sources of the exploited flaw state.
fn facts(asked: &str) -> Facts {
    let origin = |name: &str, url: &str| Origin { name: name.to_owned(), url: url.to_owned() };
    let vendor = origin("ConnectWise Trust Center", "https://vendor.example/bulletins/2026-11?a=1&b=2");
    let kev = origin("CISA KEV", "https://www.cisa.gov/known-exploited-vulnerabilities-catalog");
    let stated = |text: &str, by: &Origin| Some(Stated { text: text.to_owned(), by: by.clone() });
    let rating = |severity, base, authority, by: &Origin| Rating {
        severity,
        score: Some(Score { version: "3.1".to_owned(), base, ..Score::default() }),
        authority,
        by: by.clone(),
    };
    Facts {
        ratings: vec![
            rating(Severity::Critical, 10.0, Authority::Vendor, &vendor),
            rating(Severity::High, 8.8, Authority::Other, &origin("NVD", "")),
        ],
        epss: Some(Epss {
            cve: "CVE-2026-41709".to_owned(),
            score: 0.943,
            percentile: 0.998,
            day: "2026-11-16".to_owned(),
            previous: Some(0.61),
        }),
        weaknesses: stated("CWE-288", &vendor).into_iter().collect(),
        exploited_by: vec![kev.clone(), vendor.clone()],
        fix: stated("Update servers on your premises to 26.4.2.", &vendor),
        asked: stated(asked, &kev),
        versions: vec![Versions {
            product: "ConnectWise ScreenConnect".to_owned(),
            affected: "before 26.4.2".to_owned(),
            fixed: "26.4.2".to_owned(),
            authority: Authority::Vendor,
            by: vendor,
        }],
        ..Facts::default()
    }
}

/// A warning without a rating, a CVE or an exploited flaw.
fn unrated() -> Content {
    Content {
        title: "Criminals pose as help desks on Teams to install remote tools".to_owned(),
        summary: "Callers ask staff to start a remote session.".to_owned(),
        tags: vec![tag("veeam-vbr", Field::Text, "Veeam Backup"), tag("fortigate", Field::Product, "FortiOS")],
        references: vec![reference("ACSC", "https://gov.example/alerts/help-desk")],
        first_seen: later(-7_200),
        ..Content::default()
    }
}

fn event(kind: EventKind, reasons: &[&str]) -> Event {
    Event {
        seq: 41,
        advisory: AdvisoryId("RW-1042".to_owned()),
        revision: 3,
        kind,
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        at: TUESDAY,
    }
}

fn alert(composer: &Composer, content: &Content, wish: &Wish, event: &Event) -> Message {
    composer
        .alert(&Alert {
            sites: &Sites::new(),
            envelope: envelope("dlv-1"),
            event,
            content,
            first: content,
            wish,
            name: &name,
        })
        .unwrap()
}

fn entry<'a>(id: &'a AdvisoryId, content: &'a Content, kinds: &[EventKind]) -> Entry<'a> {
    Entry { id, content, kinds: kinds.to_vec(), reasons: vec![], alerted_at: None }
}

fn digest(composer: &Composer, entries: &[Entry<'_>], failed: &[Failed<'_>], wish: &Wish) -> Message {
    let (from, to) = (Timestamp::from_seconds(1_794_810_600), Timestamp::from_seconds(1_794_810_600 + 7 * DAY));
    let input = Digest {
        occasion: Occasion::Digest,
        envelope: envelope("dlv-2"),
        entries,
        from,
        to,
        advisories: 41,
        failed,
        wish,
        name: &name,
    };
    composer.digest(&input).unwrap()
}
