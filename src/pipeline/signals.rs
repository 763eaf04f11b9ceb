//! Signals: what a text says of severity, exploitation, advisory ids and what to do.
//!
//! Each reading is careful in its own direction. "Exploited" needs a statement that is not negated, since a false
//! alarm costs trust; an unreadable severity stays unknown, since unknown is not low.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::model::severity::Severity;
use crate::model::text;

/// How much of a text is searched for statements: they stand near its beginning, and time is bounded.
const SEARCHED: usize = 20_000;

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant")
}

static ADVISORY_ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)\b(?:
            AA\d{2}-\d{3}[A-Z] | ICSM?A-\d{2}-\d{3}-\d{2} | AR\d{2}-\d{3}[A-Z] |
            FG-IR-\d{2}-\d{3,4} | AV\d{2}-\d{3,4} | AL\d{2}-\d{3} | CERTFR-\d{4}-(?:AVI|ALE|ACT|CTI|IOC)-\d{3,4} |
            SNWLID-\d{4}-\d{4} | cisco-sa-[a-z0-9][a-z0-9-]{3,80} | GHSA-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4} |
            ZDI-\d{2}-\d{3,5} | ZDI-CAN-\d{4,6} | JPCERT-AT-\d{4}-\d{4} | JVNDB-\d{4}-\d{6} | JVNVU\#?\d{8} | VMSA-\d{4}-\d{4} |
            PAN-SA-\d{4}-\d{4} | NCSC-\d{4}-\d{4} | WID-SEC-\d{4}-\d{4} | EUVD-\d{4}-\d{4,6} | ADV\d{6} |
            I-\d{6}-PSA | PSA\d{6} | CSA\d{6} | DSA-\d{4}-\d{3} | CTX\d{6} | SSA-\d{6} | APSB\d{2}-\d{2,3} | kb\d{4,7} | ESB-\d{4}\.\d{3,5}
        )\b",
    )
});

static CVSS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\bCVSS(?:\s?v?[234](?:\.[01])?)?(?:[\s:,()\-]|base|score|rating|of|is|a|severity|has|been|calculated){0,12}?[\s:(](10(?:\.0)?|\d\.\d)\b",
    )
});

static SEVERITY_WORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)\b(?:severity|risk|impact|rating|rated|priority)(?:\s(?:level|rating|score|is|of|as))*\s*[:=]?\s*\(?(critical|high|important|medium|moderate|low)\b
          | \b(critical|high|important|medium|moderate|low)[\s-](?:severity|risk|rated|impact)\b
          | \b(critical)\s(?:(?:\w|-)+\s){0,3}(?:vulnerabilit|flaw|bug|security\supdate|patch|issue|zero|rce|auth)",
    )
});

/// What is critical to somebody, or in the name of a weakness (CWE-306, CWE-732), rates nothing.
static NO_RATING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^critical\s(?:function|resource|infrastructure|sector|system|service|asset|data|variable|manufacturing|step|control|state|public|private|section|operation|process|business)",
    )
});

/// When a text was changed, at the beginning of a sentence: it asks for no update.
static STAMP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^[\s*(\[]*(?:last\s+)?(?:updated?|revised|posted|published)(?:\s+on)?[:\s]+
          (?:\w+\s+\d{1,2},?\s+\d{4} | \d{1,2}\.?\s+\w+\s+\d{4} | \d{4}-\d{2}-\d{2} | \d{1,2}/\d{1,2}/\d{2,4})[)\]:,\s–-]*",
    )
});

static EXPLOITED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
          \b(?:active(?:ly)?|currently|already|now|widely|mass)[\s-]+(?:being\s+)?exploit(?:ed|ation|ing)\b
          | \bexploit(?:ed|ation|ing)\b[^.\n]{0,60}\bin[\s-]the[\s-]wild\b
          | \b(?:under|seen|observed|ongoing|confirmed)\s+(?:active\s+)?(?:attack|exploitation)\b
          | \b(?:has|have|had|was|were|is|are)\s+(?:been\s+)?(?:being\s+)?(?:actively\s+)?exploited\b
          | \b(?:is|are)\s+aware\s+of\s+(?:the\s+)?(?:active\s+|ongoing\s+|limited\s+|targeted\s+|reported\s+)?exploit(?:ation|s)\b
          | \bknown\s+(?:to\s+be\s+)?exploited\s+vulnerabilit
          | \b(?:threat|malicious|ransomware)\s+(?:actors?|groups?|operators?)\b[^.\n]{0,60}\bexploit(?:ed|ing|s)?\b
          | \bzero[\s-]day\b[^.\n]{0,40}\b(?:attack|exploited)
          | \bexploit(?:ée?s?|ation)\b[^.\n]{0,30}\b(?:activement|active)\b",
    )
});

static NEGATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)\b(?:no|not|never|without|unaware|nor|if|whether|aucune?|pas)\b[^.\n]{0,80}$
          # What may be ends with its clause.
          | \b(?:could|can|may|might|would|potentially)\b[^.,;\n]{0,80}$",
    )
});

static NEGATED_AFTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^[^.\n]{0,40}\b(?:has|have)\s+not\b"));

static ACTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)\b(?:upgrade|update|updates|updating|patch|patches|patching|hotfix|apply|install|mitigat\w*|workaround|fixed\s+in|fixed\s+version|recommend\w*|rotate|disable|block)\b",
    )
});

static WITHDRAWN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^\W{0,4}(?:withdrawn|rejected|retracted|reject)\b|\*\*\s*reject\s*\*\*|this cve id has been rejected")
});

/// The publishers' advisory ids that any of `names` (title, address, native id) carries, in upper case as far as they
/// are not Cisco's. Ids in the body are not read: they may speak of other advisories.
#[must_use]
pub fn advisory_ids(names: &[&str]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for name in names {
        for found in ADVISORY_ID.find_iter(name) {
            let id = found.as_str();
            let lower = id.to_ascii_lowercase();
            ids.insert(if lower.starts_with("cisco-sa-") { lower } else { id.to_ascii_uppercase() });
        }
    }
    ids
}

/// The severity that a text states: a CVSS base score first, else a rating in words; the highest of several.
#[must_use]
pub fn severity(title: &str, body: &str) -> Severity {
    let body = beginning(body);
    let scored = [title, body]
        .iter()
        .flat_map(|text| CVSS.captures_iter(text))
        .filter_map(|found| found[1].parse().ok().map(Severity::from_cvss))
        .max();
    scored.unwrap_or_else(|| {
        [title, body]
            .iter()
            .flat_map(|text| SEVERITY_WORD.captures_iter(text))
            .filter(|found| !NO_RATING.is_match(&found[0]))
            .filter_map(|found| found.iter().skip(1).flatten().next().and_then(|word| word.as_str().parse().ok()))
            .max()
            .unwrap_or_default()
    })
}

/// Whether the text states, without negation or condition, that attackers use the flaw.
#[must_use]
pub fn exploited(title: &str, body: &str) -> bool {
    [title, beginning(body)].iter().any(|text| {
        EXPLOITED.find_iter(text).any(|found| {
            let before = &text[..found.start()];
            let sentence = before.rfind(['.', '\n']).map_or(before, |at| &before[at..]);
            !NEGATED.is_match(sentence) && !NEGATED_AFTER.is_match(&text[found.end()..])
        })
    })
}

/// Whether the text takes an earlier statement back.
#[must_use]
pub fn withdrawn(title: &str, body: &str) -> bool {
    WITHDRAWN.is_match(title) || WITHDRAWN.is_match(body.get(..body.floor_char_boundary(200)).unwrap_or(body))
}

/// The first sentence that says what to do, at most 300 characters; empty where none does.
#[must_use]
pub fn action(body: &str) -> String {
    let body = beginning(body);
    let mut start = 0;
    for (end, _) in body.match_indices(['.', '\n', '!']) {
        if end < start {
            continue;
        }
        // A dot inside a version or a name ends no sentence.
        let dotted = body.as_bytes()[end] == b'.' && body[end + 1..].starts_with(|c: char| !c.is_whitespace());
        if dotted {
            continue;
        }
        if let Some(asked) = asked(&body[start..end]) {
            return asked;
        }
        start = end + 1;
    }
    asked(&body[start..]).unwrap_or_default()
}

fn asked(sentence: &str) -> Option<String> {
    let stamp = STAMP.find(sentence).map_or(0, |found| found.end());
    let sentence = sentence[stamp..].trim();
    (sentence.len() > 15 && ACTION.is_match(sentence)).then(|| text::truncate(&text::one_line(sentence), 300))
}

fn beginning(body: &str) -> &str {
    &body[..body.floor_char_boundary(SEARCHED)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exploitation_is_a_statement_not_a_possibility() {
        for said in [
            "This vulnerability is being actively exploited.",
            "Fortinet is aware of exploitation in the wild of this flaw.",
            "CISA is aware of exploitation of a newly disclosed vulnerability.",
            "CVE-2024-1709 has been exploited by ransomware groups.",
            "CISA Adds One Known Exploited Vulnerability to Catalog",
            "Threat actors are exploiting the flaw to deploy web shells.",
        ] {
            assert!(exploited("", said), "{said}");
        }
        for denied in [
            "No known public exploitation has been reported to CISA.",
            "The vendor is not aware of any active exploitation.",
            "An attacker could exploit this flaw if exploited remotely.",
            "There is no evidence that the flaw has been exploited.",
            "Successful exploitation of this vulnerability could allow code execution.",
        ] {
            assert!(!exploited("", denied), "{denied}");
        }
    }

    #[test]
    fn a_cvss_score_outweighs_words_and_words_outweigh_silence() {
        for (body, expected) in [
            ("A CVSS v3.1 base score of 9.8 has been calculated; high severity.", Severity::Critical),
            ("CVSS v4 8.7", Severity::High),
            ("CVSSv3 Score: 5.3", Severity::Medium),
            ("Severity: High", Severity::High),
            ("a medium-severity flaw", Severity::Medium),
            ("A critical authentication bypass vulnerability", Severity::Critical),
            ("This is critical infrastructure news.", Severity::Unknown),
            ("Missing Authentication for Critical Function Vulnerability", Severity::Unknown),
            ("Rated critical: Missing Authentication for Critical Function Vulnerability", Severity::Critical),
            ("", Severity::Unknown),
        ] {
            assert_eq!(severity("", body), expected, "{body}");
        }
    }

    #[test]
    fn advisory_ids_are_read_from_names_in_one_spelling() {
        let ids = advisory_ids(&[
            "Fortinet security advisory (AV26-123)",
            "https://www.cisa.gov/news-events/cybersecurity-advisories/aa24-241a",
            "https://sec.cloudapps.cisco.com/security/center/content/CiscoSecurityAdvisory/cisco-sa-asa-xss-ABC123",
        ]);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!(ids, ["AA24-241A", "AV26-123", "cisco-sa-asa-xss-abc123"]);
    }

    #[test]
    fn the_action_is_the_first_sentence_that_asks_for_one() {
        let body = "A flaw was found in versions 23.9.7 and prior. Partners should upgrade to version 23.9.8 at once. More follows.";
        assert_eq!(action(body), "Partners should upgrade to version 23.9.8 at once");
        assert_eq!(action("Nothing to see here. Move along."), "");
        assert_eq!(action("Updated December 9, 2025: Check for signs of compromise. A flaw."), "");
        assert_eq!(action("Last updated: 2025-12-09. Install version 7."), "Install version 7");
        assert_eq!(
            action("(Updated 9 December 2025) Apply the patch from the vendor."),
            "Apply the patch from the vendor"
        );
    }

    #[test]
    fn a_rejected_record_is_withdrawn() {
        assert!(withdrawn("REJECTED: CVE-2024-1", ""));
        assert!(withdrawn("", "** REJECT ** Do not use this number."));
        assert!(!withdrawn("Vendor rejects claims", ""));
    }
}
