//! Bounds and cleans a brief before it goes to a chat room or a program, and words that several channels use.
//!
//! The rule: whatever a source wrote, what leaves here is short, in single lines, and without characters that reorder or
//! hide text. What a channel's own markup means is for that channel to disarm.

use url::Url;

use crate::model::channel::{Brief, BriefItem};
use crate::model::text::{one_line, truncate};

/// Most advisories of a digest in a brief; a digest that is longer is cut before it comes here.
pub(super) const BRIEFED: usize = 50;
/// Characters of a title and of a sentence.
const TITLE: usize = 300;
const SENTENCE: usize = 1_000;
/// Characters of a word: a severity, an id, a label, a name.
const WORD: usize = 80;
/// Most sentences, steps, names and ids.
const LISTED: usize = 20;
/// Longest address that is passed on.
const URL: usize = 2_000;

/// `text` in one line of at most `max` characters.
pub(super) fn line(text: &str, max: usize) -> String {
    // A megabyte is read only as far as it can be shown; invisible characters cannot fill that.
    let start: String = text.chars().take(max.saturating_mul(20)).collect();
    truncate(&one_line(&start), max)
}

fn lines(all: &[String], most: usize, max: usize) -> Vec<String> {
    all.iter().take(most).map(|text| line(text, max)).filter(|text| !text.is_empty()).collect()
}

/// An address that a reader may open; empty for anything else.
fn web(address: &str) -> String {
    let fits =
        |url: &Url| matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    let start = address.get(..URL.min(address.len())).unwrap_or_default();
    let url = Url::parse(start).ok().filter(|_| start.len() == address.len()).filter(fits).map(String::from);
    // Written out, it may have become longer.
    url.filter(|url| url.len() <= URL).unwrap_or_default()
}

/// `brief` within bounds: every text in one line, every list short, every address one of the web.
pub(super) fn bounded(brief: &Brief) -> Brief {
    let fact = |(label, text): &(String, String)| (line(label, WORD), line(text, SENTENCE));
    Brief {
        kind: line(&brief.kind, WORD),
        lead: line(&brief.lead, TITLE),
        title: line(&brief.title, TITLE),
        changes: lines(&brief.changes, LISTED, SENTENCE),
        advisory: brief.advisory.as_deref().map(|id| line(id, WORD)),
        url: web(&brief.url),
        severity: line(&brief.severity, WORD),
        exploited: brief.exploited,
        platforms: lines(&brief.platforms, LISTED, WORD),
        cves: lines(&brief.cves, LISTED, WORD),
        facts: brief.facts.iter().take(LISTED).map(fact).collect(),
        // A step may end in an address.
        steps: lines(&brief.steps, LISTED, SENTENCE + URL),
        items: brief.items.iter().take(BRIEFED).map(item).collect(),
        why: line(&brief.why, SENTENCE),
        tlp: line(&brief.tlp, WORD),
        at: brief.at,
    }
}

fn item(item: &BriefItem) -> BriefItem {
    BriefItem {
        advisory: line(&item.advisory, WORD),
        title: line(&item.title, TITLE),
        url: web(&item.url),
        severity: line(&item.severity, WORD),
        exploited: item.exploited,
        platforms: lines(&item.platforms, LISTED, WORD),
    }
}

/// `Critical`, or `Not rated` where nobody has rated it.
pub(super) fn rating(severity: &str) -> String {
    match severity {
        "unknown" | "" => "Not rated".to_owned(),
        word => word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect(),
    }
}

/// `Critical, exploited: ScreenConnect, FortiGate`, as far as it is known.
pub(super) fn summary(item: &BriefItem) -> String {
    let exploited = if item.exploited { ", exploited" } else { "" };
    let platforms = if item.platforms.is_empty() { String::new() } else { format!(": {}", item.platforms.join(", ")) };
    format!("{}{exploited}{platforms}", rating(&item.severity))
}

/// `and 7 more`; empty where all are shown. A digest that fills a brief may have held more than the brief.
pub(super) fn and_more(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        left if all >= BRIEFED => format!("and at least {left} more"),
        left => format!("and {left} more"),
    }
}

/// Facts that say who may read it, and what it is about: `TLP:CLEAR, RW-12, 2026-11-23T07:30:00Z`.
pub(super) fn label(brief: &Brief) -> String {
    let parts = [brief.tlp.clone(), brief.advisory.clone().unwrap_or_default(), brief.at.to_string()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// `Versions: fixed in 99.4`, `Exploited? Yes`.
pub(super) fn fact(label: &str, text: &str) -> String {
    let colon = if label.ends_with('?') { "" } else { ":" };
    format!("{label}{colon} {text}")
}

/// A step and the address that it ends in, if it does.
pub(super) fn step(text: &str) -> (&str, Option<Url>) {
    let (words, last) = text.rsplit_once(' ').unwrap_or(("", text));
    let url = Url::parse(last).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => (words, Some(url)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_pass_and_none_is_cut() {
        assert_eq!(web("https://watch.example/advisories/RW-1"), "https://watch.example/advisories/RW-1");
        let long = format!("https://x.example/{}", "a".repeat(URL));
        for wrong in ["javascript:alert(1)", "https://a@b.example/", "", "/x", long.as_str()] {
            assert_eq!(web(wrong), "", "{wrong}");
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(and_more(10, 10), "");
        assert_eq!(and_more(12, 10), "and 2 more");
        assert_eq!(and_more(50, 10), "and at least 40 more");
    }

    #[test]
    fn a_step_gives_its_address_apart() {
        let (words, url) = step("Read it from CISA: https://www.cisa.gov/x");
        assert_eq!((words, url.map(String::from)), ("Read it from CISA:", Some("https://www.cisa.gov/x".to_owned())));
        assert_eq!(step("Update."), ("Update.", None));
    }
}
