//! The vulnerabilities of a document (section 3.2.3 of CSAF 2.0, 3.2.4 of 2.1): ids, text, ratings, threats and what
//! to do.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::notes::Notes;
use super::products::Tree;
use super::{cvss, list_at, text_at, vulnerabilities_of};
use crate::formats::draft;
use crate::model::cve::CveId;
use crate::model::item::{Score, TEXT_MAX, URL_MAX};
use crate::model::text;

/// Most vulnerabilities read of one document.
const MOST: usize = 10_000;
/// Most ratings kept of one document.
const SCORES_MAX: usize = 100;
/// Most weaknesses kept of one document.
const WEAKNESSES_MAX: usize = 50;
/// Most remediations told, and the length of what is told, in characters.
const ACTIONS: usize = 3;
const ACTION_MAX: usize = 2_000;

/// What the vulnerabilities of a document say together.
#[derive(Default)]
pub struct Found {
    /// Their CVE ids, in document order.
    pub cves: Vec<CveId>,
    /// Their CWE ids.
    pub weaknesses: Vec<String>,
    /// Their ratings: the publisher's own first, the newest version first, the highest first.
    pub scores: Vec<Score>,
    /// Whether one of them is known to be exploited.
    pub exploited: bool,
    /// The best remediations of affected products.
    pub action: Option<String>,
    /// Mitigations and workarounds, where there is something better than them too.
    pub workaround: Option<String>,
    /// The page of the first fix.
    pub patch: Option<String>,
    /// Their titles, descriptions and impacts.
    pub text: String,
}

/// Reads `vulnerabilities`; `affected` are the ids of affected products.
pub fn read<'a>(document: &'a Value, tree: &Tree<'a>, affected: &HashSet<&str>, notes: &mut Notes) -> Found {
    let mut found = Found::default();
    let (mut cves, mut weaknesses) = (HashSet::new(), BTreeSet::new());
    let mut actions = Actions::default();
    for (index, vulnerability) in vulnerabilities_of(document).enumerate() {
        if index == MOST {
            notes.add(format!("the document has more than {MOST} vulnerabilities; the rest was not read"));
            break;
        }
        match text_at(vulnerability, "/cve") {
            "" => {}
            written => match written.parse::<CveId>() {
                Ok(cve) if cves.insert(cve.clone()) => found.cves.push(cve),
                Ok(_) => {}
                Err(fault) => notes.add(fault),
            },
        }
        let listed = list_at(vulnerability, "/cwes").map(|cwe| text_at(cwe, "/id"));
        weaknesses
            .extend(std::iter::once(text_at(vulnerability, "/cwe/id")).chain(listed).filter(|id| is_weakness(id)));
        found.exploited |= exploited(vulnerability);
        ratings(vulnerability, &mut found.scores, notes);
        for remediation in list_at(vulnerability, "/remediations") {
            actions.add(remediation, tree, affected);
        }
        describe(vulnerability, &mut found.text);
    }
    found.weaknesses = weaknesses.into_iter().take(WEAKNESSES_MAX).map(str::to_owned).collect();
    found.scores.sort_by(|a, b| {
        a.by.is_empty()
            .cmp(&b.by.is_empty())
            .reverse()
            .then_with(|| b.version.cmp(&a.version))
            .then(b.base.total_cmp(&a.base))
    });
    found.scores.truncate(SCORES_MAX);
    found.patch = actions.patch.take();
    (found.action, found.workaround) = actions.told();
    found
}

fn is_weakness(id: &str) -> bool {
    let digits = id.strip_prefix("CWE-").unwrap_or_default();
    !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `scores` of 2.0, `metrics` of 2.1.
fn ratings(vulnerability: &Value, scores: &mut Vec<Score>, notes: &mut Notes) {
    let old = list_at(vulnerability, "/scores").map(|score| (score, ""));
    let new = list_at(vulnerability, "/metrics")
        .filter_map(|metric| Some((metric.get("content")?, text_at(metric, "/source"))));
    for (content, source) in old.chain(new) {
        // Who rated is an address in 2.1; its host tells people more.
        let by = url::Url::parse(source).ok().and_then(|url| url.host_str().map(str::to_owned));
        for kind in ["cvss_v4", "cvss_v3", "cvss_v2"] {
            let Some(rating) = content.get(kind) else { continue };
            let Some(score) = cvss::rating(rating, by.as_deref().unwrap_or(source), notes) else { continue };
            // A document rates thousands of products alike; a wide bound keeps the comparison short.
            if scores.len() < 10 * SCORES_MAX && !scores.contains(&score) {
                scores.push(score);
            }
        }
    }
}

/// Whether attackers are said to use it: dates of exploitation (2.1), SSVC, or a threat of category `exploit_status`.
fn exploited(vulnerability: &Value) -> bool {
    list_at(vulnerability, "/first_known_exploitation_dates").next().is_some()
        || list_at(vulnerability, "/metrics").any(active_by_ssvc)
        || list_at(vulnerability, "/threats")
            .filter(|threat| text_at(threat, "/category") == "exploit_status")
            .any(|threat| says_exploited(text_at(threat, "/details")))
}

/// The SSVC decision point "Exploitation" has the value "Active".
fn active_by_ssvc(metric: &Value) -> bool {
    let points =
        ["/content/ssvc_v1/selections", "/content/ssvc_v2/selections"].into_iter().flat_map(|at| list_at(metric, at));
    points.filter(|point| text_at(point, "/name") == "Exploitation").any(|point| {
        list_at(point, "/values").any(|value| {
            let word = value.as_str().unwrap_or_else(|| text_at(value, "/name"));
            word.eq_ignore_ascii_case("active")
        })
    })
}

/// Words of publishers for "no", looked for before any for "yes".
const DENIALS: &[&str] = &[
    "exploited:no",
    "no known",
    "no public",
    "no evidence",
    "not aware",
    "not been exploited",
    "not exploited",
    "no reports",
    "not known",
    "not observed",
    "no exploit",
    "unaware",
    "unexploited",
    "less likely",
    "unlikely",
    "has not been",
    "have not been",
];
const ADMISSIONS: &[&str] = &[
    "exploited:yes",
    "exploitation detected",
    "in the wild",
    "actively exploited",
    "active exploit",
    "known exploited",
    "known-exploited",
    "under attack",
    "being exploited",
    "has been exploited",
    "have been exploited",
    "exploitation has been observed",
    "was exploited",
];

/// Whether the words of an `exploit_status` say that it is exploited.
fn says_exploited(details: &str) -> bool {
    let words = text::fold(details);
    let says = |list: &[&str]| list.iter().any(|phrase| words.contains(phrase));
    words.contains("exploited:yes") || (says(ADMISSIONS) && !says(DENIALS))
}

/// Title, summary, description and impact of one vulnerability, as far as there is room.
fn describe(vulnerability: &Value, out: &mut String) {
    if out.len() >= TEXT_MAX {
        return;
    }
    let heading = [text_at(vulnerability, "/cve"), text_at(vulnerability, "/title")];
    let heading =
        if heading[1].contains(heading[0]) { heading[1].to_owned() } else { heading.join(" ").trim().to_owned() };
    let mut parts = vec![text::one_line(&heading)];
    for category in ["summary", "description", "details"] {
        let notes = list_at(vulnerability, "/notes").filter(|note| text_at(note, "/category") == category);
        parts.extend(notes.map(|note| draft::body(text_at(note, "/text"))));
    }
    let impacts = list_at(vulnerability, "/threats").filter(|threat| text_at(threat, "/category") == "impact");
    parts.extend(impacts.take(ACTIONS).map(|threat| draft::body(text_at(threat, "/details"))));
    let mut told: Vec<String> = Vec::new();
    for part in parts {
        if !part.is_empty() && !told.contains(&part) && !out.contains(&part) {
            told.push(part);
        }
    }
    if !told.is_empty() {
        out.push_str(if out.is_empty() { "" } else { "\n\n" });
        out.push_str(&told.join("\n"));
    }
}

/// The rank of the least fix, and that of the least help without one.
const FIX: u8 = 5;
const AROUND: u8 = 3;

/// Remediations, by how well they help.
#[derive(Default)]
struct Actions {
    best: u8,
    told: Vec<String>,
    around: Vec<String>,
    patch: Option<String>,
}

impl Actions {
    fn add<'a>(&mut self, remediation: &'a Value, tree: &Tree<'a>, affected: &HashSet<&str>) {
        let rank = match text_at(remediation, "/category") {
            "vendor_fix" => 6,
            "optional_patch" => 5,
            "mitigation" => 4,
            "workaround" => 3,
            "fix_planned" => 2,
            "none_available" | "no_fix_planned" => 1,
            _ => return,
        };
        let around = (AROUND..FIX).contains(&rank) && self.around.len() < ACTIONS;
        if !around && (rank < self.best || (rank == self.best && self.told.len() >= ACTIONS)) {
            return;
        }
        let members = tree.members(remediation);
        if !members.is_empty() && !affected.is_empty() && members.is_disjoint(affected) {
            return;
        }
        let mut action = text::one_line(&draft::body(text_at(remediation, "/details")));
        let link = text_at(remediation, "/url");
        let is_link = link.starts_with("https://") || link.starts_with("http://");
        if !action.contains(link) && is_link {
            action = format!("{action} {}", text::one_line(link)).trim().to_owned();
        }
        if action.is_empty() {
            return;
        }
        if rank >= FIX && is_link && link.len() <= URL_MAX {
            self.patch.get_or_insert_with(|| link.to_owned());
        }
        if around && !self.around.contains(&action) {
            self.around.push(action.clone());
        }
        if rank > self.best {
            self.best = rank;
            self.told.clear();
        }
        if rank == self.best && self.told.len() < ACTIONS && !self.told.contains(&action) {
            self.told.push(action);
        }
    }

    /// The best remediations, and how to be safer without them where they are fixes.
    fn told(self) -> (Option<String>, Option<String>) {
        let joined = |told: Vec<String>| (!told.is_empty()).then(|| text::truncate(&told.join(" "), ACTION_MAX));
        let around = if self.best >= FIX { self.around } else { Vec::new() };
        (joined(self.told), joined(around))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_words_for_exploitation_are_told_apart() {
        for (details, expected) in [
            ("Publicly Disclosed:Yes;Exploited:Yes;Latest Software Release:Exploitation Detected", true),
            ("Publicly Disclosed:No;Exploited:No;Latest Software Release:Exploitation Less Likely", false),
            ("CISA: this is in the catalog of known exploited vulnerabilities", true),
            ("Exploited in the wild since May", true),
            ("The vendor is not aware of any exploitation in the wild", false),
            ("No known public exploitation specifically targeting this", false),
            ("Proof of concept", false),
            ("", false),
        ] {
            assert_eq!(says_exploited(details), expected, "{details}");
        }
    }
}
