//! Gather: whether an item speaks of one event or lists several, and which other publication it refers to.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use url::Url;

use super::signals;

/// How much of a text is searched for references.
const SEARCHED: usize = 20_000;

const NUMBER: &str = r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty(?:[ -]\w+)?|thirty(?:[ -]\w+)?|[2-9]|[1-9]\d+|several|multiple)";

static GATHERS: LazyLock<Regex> = LazyLock::new(|| {
    let months = "january|february|march|april|may|june|july|august|september|october|november|december";
    Regex::new(&format!(
        r"(?ix)
          \b(?:adds?|added)\s+{NUMBER}\s+(?:known\s+|new\s+|more\s+|exploited\s+)*(?:vulnerabilit|flaws?|bugs?|cves?|entries)
          | \b(?:releases?|released|publishes|published|issues?|issued)\s+{NUMBER}\s+(?:\w+\s+){{0,5}}?(?:advisor|alerts?\b|bulletins?\b)
          | \bpatch\s+tuesday\b | \bround-?up\b | \brecap\b | \bin\s+review\b | \btop\s+\d+\b | \broutinely\s+exploited\b
          | \bvulnerability\s+(?:summary|bulletin)\b | \b(?:weekly|monthly|quarterly|daily)\b
          | \bweek\s+(?:of|\d) | \bcritical\s+patch\s+update\b | \bsecurity\s+updates?\s+(?:for|of|in)\s+(?:{months})\b
          | \b(?:{months})\s+(?:\d{{4}}\s+)?(?:security|patch|update|bulletin)"
    ))
    .expect("the pattern is a constant")
});

static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"https?://[^\s<>"'()\[\]{}|\\^`]{4,500}"#).expect("the pattern is a constant"));

/// Whether a title is that of a list of several events.
#[must_use]
pub fn round_up(title: &str) -> bool {
    GATHERS.is_match(title)
}

/// The one other publication that `text` refers to, as a link key: its advisory id, or, where it names none, the page of
/// the one address that it shows. Absent where it names several: a list belongs to none of what it lists.
#[must_use]
pub fn refers_to(text: &str, own: &BTreeSet<String>, own_page: Option<&str>) -> Option<String> {
    let text = &text[..text.floor_char_boundary(SEARCHED)];
    let is_own = |id: &String| own.iter().any(|known| known.eq_ignore_ascii_case(id));
    let mut ids = signals::advisory_ids(&[text]).into_iter().filter(|id| !id.starts_with("KB") && !is_own(id));
    match (ids.next(), ids.next()) {
        (Some(id), None) => return Some(format!("id:{}", id.to_uppercase())),
        (Some(_), Some(_)) => return None,
        _ => {}
    }
    let pages = ADDRESS.find_iter(text).filter_map(|found| page(found.as_str()));
    let mut pages: Vec<String> = pages.filter(|page| own_page != Some(page.as_str())).collect();
    pages.sort_unstable();
    pages.dedup();
    match pages.as_slice() {
        [page] => Some(format!("url:{page}")),
        _ => None,
    }
}

/// The canonical address of a page that can be about one thing: not a site's front.
fn page(found: &str) -> Option<String> {
    let url = super::normalize::canonical_url(found.trim_end_matches(['.', ',', ';', ':', '!', '?']))?;
    let parsed = Url::parse(&url).ok()?;
    (parsed.path().len() > 1 || parsed.query().is_some()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_from_single_events_by_their_titles() {
        for title in [
            "CISA Adds Two Known Exploited Vulnerabilities to Catalog",
            "CISA Adds Seven Known Exploited Vulnerabilities to Catalog",
            "CISA Releases Nine Industrial Control Systems Advisories",
            "Microsoft Patch Tuesday, November 2026",
            "Vulnerability Summary for the Week of November 9, 2026",
            "Android Security Bulletin: November 2026 Security Updates",
            "Oracle Critical Patch Update Advisory",
        ] {
            assert!(round_up(title), "{title}");
        }
        for title in [
            "CISA Adds One Known Exploited Vulnerability to Catalog",
            "Fortinet Releases Security Update for FortiManager",
            "Siemens SICAM P850 family and SICAM P855 family",
            "Multiple vulnerabilities in ScreenConnect",
            "CISA Releases Malware Analysis Report on a Listener",
            "Mitsubishi Electric Multiple FA Products",
        ] {
            assert!(!round_up(title), "{title}");
        }
    }

    #[test]
    fn one_reference_counts_and_several_do_not() {
        let refers =
            |text: &str| refers_to(text, &BTreeSet::from(["AV24-100".to_owned()]), Some("https://a.example/own"));
        assert_eq!(refers("See Fortinet's FG-IR-24-423 (AV24-100).").as_deref(), Some("id:FG-IR-24-423"));
        assert_eq!(refers("FG-IR-24-423 and FG-IR-24-424"), None);
        assert_eq!(
            refers("See https://b.example/adv/7. Or https://a.example/own").as_deref(),
            Some("url:https://b.example/adv/7")
        );
        assert_eq!(refers("https://b.example/ is their site"), None);
        assert_eq!(refers("Nothing."), None);
    }
}
