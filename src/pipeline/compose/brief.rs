//! Briefs: what a letter says, in facts, for channels that are no mail.

use super::alert::{Said, View, page, title};
use super::reader::{names, touched};
use super::text::cut;
use super::{Alert, Digest, Entry, Occasion, digest};
use crate::model::advisory::Content;
use crate::model::channel::{Brief, BriefItem};

/// Most advisories of a digest that are passed on.
const ITEMS: usize = 50;
/// Longest sentence, in characters.
const SENTENCE: usize = 500;

/// What an alert says.
pub fn of_alert(input: &Alert<'_>, view: &View) -> Brief {
    let sentence = |said: &Said| match said.source.as_str() {
        "" => said.text.clone(),
        source => format!("{} ({source})", said.text),
    };
    let labeled = |label: &str, lines: &[Said]| -> Vec<(String, String)> {
        lines.iter().map(|line| (label.to_owned(), sentence(line))).collect()
    };
    let mut facts: Vec<(String, String)> =
        view.what.iter().map(|line| ("What it is".to_owned(), sentence(line))).collect();
    facts.extend(labeled("Exploited?", &view.exploited));
    facts.extend(labeled("How bad", &view.severity));
    facts.extend(labeled("Versions", &view.versions));
    let step = |step: &super::alert::Step| {
        if step.url.is_empty() { step.text.clone() } else { format!("{} {}", step.text, step.url) }
    };
    Brief {
        kind: format!("advisory.{}", input.event.kind),
        lead: view.lead.clone(),
        title: view.title.clone(),
        changes: view.changes.clone(),
        advisory: Some(input.event.advisory.to_string()),
        url: view.page.clone(),
        severity: input.content.severity.as_str().to_owned(),
        exploited: is_exploited(input.content),
        platforms: view.touched.iter().map(|one| one.name.clone()).collect(),
        cves: view.cves.iter().map(|cve| cve.name.clone()).collect(),
        facts,
        steps: view.steps.iter().map(step).collect(),
        items: Vec::new(),
        why: view.footer.why.clone(),
        tlp: view.tlp.clone(),
        at: input.envelope.created_at,
    }
}

/// What a digest, a welcome or a roll-up says.
pub fn of_digest(input: &Digest<'_>, view: &digest::View) -> Brief {
    let ordered = digest::by_urgency(input.entries);
    let worst = ordered.first().map(|entry| entry.content);
    let tlp = ordered.iter().map(|entry| entry.content.tlp).max().unwrap_or_default();
    let silent = input
        .failed
        .iter()
        .map(|source| ("Not read".to_owned(), cut(&format!("{}: {}", source.name, source.detail), SENTENCE)));
    Brief {
        kind: match input.occasion {
            Occasion::Digest => "digest",
            Occasion::Welcome => "welcome",
            Occasion::RollUp => "rollup",
        }
        .to_owned(),
        lead: view.total.clone(),
        title: view.heading.clone(),
        changes: Vec::new(),
        advisory: None,
        url: view.more_url.clone(),
        severity: worst.map_or("unknown", |content| content.severity.as_str()).to_owned(),
        exploited: ordered.iter().any(|entry| is_exploited(entry.content)),
        platforms: Vec::new(),
        cves: Vec::new(),
        facts: silent.collect(),
        steps: Vec::new(),
        items: ordered.iter().take(ITEMS).map(|entry| item(input, entry)).collect(),
        why: view.footer.why.clone(),
        tlp: format!("TLP:{tlp}"),
        at: input.envelope.created_at,
    }
}

fn item(input: &Digest<'_>, entry: &Entry<'_>) -> BriefItem {
    BriefItem {
        advisory: entry.id.to_string(),
        title: title(entry.content),
        url: page(&input.envelope, entry.id),
        severity: entry.content.severity.as_str().to_owned(),
        exploited: is_exploited(entry.content),
        platforms: names(&touched(entry.content, input.wish, input.name)).0,
    }
}

fn is_exploited(content: &Content) -> bool {
    content.exploitation.exploited || content.exploitation.kev.is_some()
}
