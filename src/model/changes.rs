//! Changes: what one revision says that the one before did not, for people.

use std::collections::BTreeSet;
use std::fmt;

use super::advisory::Content;
use super::facts::Stated;

/// One statement that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// It came; else it went.
    pub came: bool,
    /// What it is about, in one word.
    pub about: &'static str,
    /// The statement.
    pub text: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<11} {}", if self.came { '+' } else { '-' }, self.about, self.text)
    }
}

/// What differs, grouped by what it is about; what went before what came.
#[must_use]
pub fn between(old: &Content, new: &Content) -> Vec<Change> {
    let (before, after) = (statements(old), statements(new));
    let mut changes = Vec::new();
    for ((about, went), (_, came)) in before.into_iter().zip(after) {
        let only = |these: &BTreeSet<String>, those: &BTreeSet<String>, came| {
            let differ = these.difference(those).cloned();
            differ.map(|text| Change { came, about, text }).collect::<Vec<_>>()
        };
        changes.extend(only(&went, &came, false));
        changes.extend(only(&came, &went, true));
    }
    if old.summary != new.summary {
        let words = |text: &str| text.split_whitespace().count();
        let text = format!("reworded, {} words before and {} now", words(&old.summary), words(&new.summary));
        changes.push(Change { came: true, about: "text", text });
    }
    changes
}

/// Everything that is stated, in the order in which it is shown.
fn statements(content: &Content) -> Vec<(&'static str, BTreeSet<String>)> {
    let one = |text: String| BTreeSet::from([text]).into_iter().filter(|text| !text.is_empty()).collect();
    let said = |said: &Option<Stated>| {
        one(said.as_ref().map(|said| format!("{} ({})", said.text, said.by.name)).unwrap_or_default())
    };
    let facts = &content.facts;
    let known = &content.exploitation;
    let rated = match facts.rating() {
        Some(rating) => format!("{} ({})", content.severity, rating.by.name),
        None => content.severity.to_string(),
    };
    let mut exploited: BTreeSet<String> =
        facts.exploited_by.iter().map(|by| format!("according to {}", by.name)).collect();
    if let Some(kev) = &known.kev {
        exploited.insert(format!("in CISA's KEV since {}, due {}", kev.added, kev.due));
    }
    if known.ransomware {
        exploited.insert("used in ransomware campaigns".to_owned());
    }
    let versions = facts
        .versions
        .iter()
        .map(|one| format!("{}: affected {}; fixed {}", one.product, shown(&one.affected), shown(&one.fixed)));
    let withdrawn = if content.withdrawn { "by its publisher" } else { "" };
    vec![
        ("title", one(content.title.clone())),
        ("withdrawn", one(withdrawn.to_owned())),
        ("severity", one(rated)),
        ("exploited", exploited),
        ("CVE", content.cves.iter().map(ToString::to_string).collect()),
        ("touches", content.platforms().map(ToString::to_string).collect()),
        ("fix", said(&facts.fix)),
        ("workaround", said(&facts.workaround)),
        ("asked", said(&facts.asked)),
        ("versions", versions.collect()),
        ("weakness", facts.weaknesses.iter().map(|cwe| cwe.text.clone()).collect()),
        ("known as", content.aliases.clone()),
        (
            "source",
            content.references.iter().map(|one| format!("{} {}", one.name, one.url).trim().to_owned()).collect(),
        ),
        ("TLP", one(content.tlp.to_string())),
    ]
}

fn shown(versions: &str) -> &str {
    if versions.is_empty() { "not stated" } else { versions }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cve::CveId;
    use crate::model::severity::Severity;

    #[test]
    fn what_went_and_what_came_is_told_and_nothing_else() {
        let old = Content { title: "A".into(), summary: "a b".into(), ..Content::default() };
        let new = Content {
            severity: Severity::High,
            cves: CveId::find_all("CVE-2026-0001"),
            summary: "a b c".into(),
            ..old.clone()
        };
        let told: Vec<String> = between(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "- severity    unknown",
                "+ severity    high",
                "+ CVE         CVE-2026-0001",
                "+ text        reworded, 2 words before and 3 now"
            ]
        );
        assert_eq!(between(&new, &new), []);
    }
}
