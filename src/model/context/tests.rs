use super::*;
use crate::model::advisory::{AdvisoryKind, Exploitation};
use crate::model::cve::CveId;
use crate::model::facts::{Authority, Epss, Facts, Rating, Versions};
use crate::model::item::{KevFacts, Score};
use crate::model::platform::{Evidence, Field, Role, Tag};
use crate::model::severity::Severity;

fn by(name: &str) -> Origin {
    Origin { name: name.into(), url: format!("https://{}.example/", name.to_lowercase()) }
}

fn stated(text: &str, who: &str) -> Stated {
    Stated { text: text.into(), by: by(who) }
}

fn tunnel() -> Content {
    let evidence = vec![Evidence { field: Field::Title, matched: "Tunnel".into(), alias: "tunnel".into(), offset: 0 }];
    Content {
        title: "Tunnel flaw".into(),
        kind: AdvisoryKind::Vulnerability,
        severity: Severity::Critical,
        cves: CveId::find_all("CVE-2026-0001"),
        tags: vec![Tag {
            platform: PlatformId("acme-tunnel".into()),
            role: Role::Affected,
            under: None,
            confidence: 0.9,
            evidence,
        }],
        exploitation: Exploitation {
            exploited: true,
            kev: Some(KevFacts { added: "2026-01-05".into(), due: "2026-01-26".into(), ..KevFacts::default() }),
            ransomware: true,
            ..Exploitation::default()
        },
        references: vec![Reference { name: "Acme".into(), title: "Tunnel flaw".into(), ..Reference::default() }],
        published: Some(Timestamp::from_seconds(1_767_571_200)),
        facts: Facts {
            ratings: vec![
                Rating {
                    severity: Severity::Critical,
                    score: Some(Score { version: "3.1".into(), base: 9.8, ..Score::default() }),
                    authority: Authority::Vendor,
                    by: by("Acme"),
                },
                Rating { severity: Severity::High, by: by("NVD"), ..Rating::default() },
            ],
            epss: Some(Epss {
                cve: "CVE-2026-0001".into(),
                score: 0.61,
                percentile: 0.98,
                day: "2026-01-06".into(),
                previous: Some(0.2),
            }),
            weaknesses: vec![stated("CWE-288", "Acme")],
            exploited_by: vec![by("CISA KEV")],
            fix: Some(stated("Upgrade to 2.1.", "Acme")),
            asked: Some(stated("Apply updates.", "CISA KEV")),
            versions: vec![Versions {
                product: "Acme Tunnel".into(),
                affected: "before 2.1".into(),
                by: by("Acme"),
                ..Versions::default()
            }],
            ..Facts::default()
        },
        ..Content::default()
    }
}

#[test]
fn the_block_answers_each_question_and_names_who_says_so() {
    let block = block(&tunnel(), &|_| "Acme Tunnel".to_owned());
    let written: Vec<String> = block
        .iter()
        .flat_map(|topic| topic.lines.iter().map(move |line| (topic, line)))
        .map(|(topic, line)| format!("{}: {} [{}]", topic.label, line.text, line.by.as_ref().map_or("", |by| &by.name)))
        .collect();
    assert_eq!(
        written,
        [
            "What it is: A flaw in Acme Tunnel that lets an attacker get past the sign-in (CWE-288). [Acme]",
            "What it touches: Acme Tunnel: affected before 2.1. [Acme]",
            "Exploited?: Yes. In CISA's catalog of known exploited vulnerabilities since 5 Jan 2026. [CISA KEV]",
            "Exploited?: Known to be used in ransomware campaigns. []",
            "How bad: Critical, the highest of four ratings (CVSS 3.1 score 9.8). [Acme]",
            "How bad: Rated high by others. [NVD]",
            "How bad: Exploitation within 30 days: 61 % likely, up from 20 %; 98 % of all CVEs score no higher (CVE-2026-0001, as of 6 Jan 2026). [FIRST EPSS]",
            "What to do now: Fix: \u{201c}Upgrade to 2.1.\u{201d} [Acme]",
            "What to do now: CISA asks: \u{201c}Apply updates.\u{201d} [CISA KEV]",
            "What to do now: US federal agencies must act by 26 Jan 2026. [CISA KEV]",
            "Since when: Published on 5 Jan 2026. [Acme]",
            "Since when: Known here since 1 Jan 1970 00:00 UTC. []",
            "Who says so: Tunnel flaw [Acme]",
        ]
    );
}

#[test]
fn an_advisory_of_which_little_is_known_says_so() {
    let content = Content { title: "Advisory".into(), kind: AdvisoryKind::Alert, ..Content::default() };
    let block = block(&content, &|id| id.0.clone());
    let line = |key: &str| block.iter().find(|topic| topic.key == key).map(|topic| topic.lines[0].text.clone());
    assert_eq!(line("what").as_deref(), Some("A warning: Advisory."));
    assert_eq!(line("exploited").as_deref(), Some("No source says so yet."));
    assert_eq!(line("severity").as_deref(), Some("No rating yet. That does not mean low."));
    assert_eq!(line("todo").as_deref(), Some("No source says yet. Look at the vendor's own page, and watch here."));
    assert_eq!(line("sources"), None);
}

#[test]
fn names_are_listed_as_people_do() {
    let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    assert_eq!([0, 1, 2, 3].map(|count| listed(&names[..count], 3)), ["", "a", "a and b", "a, b and c"]);
    assert_eq!(listed(&names, 3), "a, b, c and 1 more");
}
