//! Content: what an advisory says, as a plain function of its items.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::advisory::{AdvisoryKind, Content, Exploitation, Reference};
use crate::model::draft::Draft;
use crate::model::facts::Facts;
use crate::model::platform::{PlatformId, Tag};
use crate::model::text;
use crate::model::topic::{About, Topic};
use crate::pipeline::facts;

/// Longest summary kept in a revision, in characters; the item itself keeps more.
const SUMMARY_MAX: usize = 4_000;
/// Most pieces of evidence kept for a tag.
const EVIDENCE_MAX: usize = 5;

/// The content of the advisory that `drafts`, in order of arrival, describe. The same drafts give the same content.
#[must_use]
pub fn content(drafts: &[Draft]) -> Content {
    let Some(first) = drafts.first() else { return Content::default() };
    let facts = facts::of(drafts);
    let mut content = Content {
        title: first.item.title.clone(),
        summary: summary(drafts),
        severity: facts.rating().map(|rating| rating.severity).unwrap_or_default(),
        exploitation: exploitation(drafts, &facts),
        tags: tags(drafts),
        topics: topics(drafts),
        action: action(&facts),
        references: references(drafts),
        published: drafts.iter().filter_map(|draft| draft.item.published).min(),
        first_seen: drafts.iter().map(|draft| draft.first_seen).min().unwrap_or_default(),
        // The strictest label holds for the whole.
        tlp: drafts.iter().map(|draft| draft.item.tlp).max().unwrap_or_default(),
        quiet: drafts.iter().all(|draft| draft.item.quiet),
        withdrawn: drafts.iter().any(|draft| draft.withdrawn),
        facts,
        ..Content::default()
    };
    for draft in drafts {
        content.cves.extend(draft.cves.iter().cloned());
        content.aliases.extend(draft.aliases.iter().cloned());
    }
    let vulnerability = !content.cves.is_empty() || drafts.iter().any(|draft| draft.vendor);
    content.kind = if vulnerability { AdvisoryKind::Vulnerability } else { AdvisoryKind::Alert };
    content
}

fn summary(drafts: &[Draft]) -> String {
    // max_by_key keeps the last of equals; the earliest publisher's words should win.
    let fullest = drafts.iter().rev().max_by_key(|draft| draft.item.text.len().min(SUMMARY_MAX));
    fullest.map(|draft| text::truncate(&draft.item.text, SUMMARY_MAX)).unwrap_or_default()
}

fn action(facts: &Facts) -> String {
    let said = [&facts.fix, &facts.workaround, &facts.asked].into_iter().flatten().next();
    said.map(|said| said.text.clone()).unwrap_or_default()
}

fn exploitation(drafts: &[Draft], facts: &Facts) -> Exploitation {
    let says = facts.exploited_by.first();
    Exploitation {
        exploited: says.is_some(),
        according_to: says.map(|by| by.name.clone()).unwrap_or_default(),
        kev: drafts.iter().find_map(|draft| draft.item.kev.clone()),
        ransomware: drafts.iter().any(|draft| draft.ransomware),
    }
}

fn tags(drafts: &[Draft]) -> Vec<Tag> {
    let mut merged: BTreeMap<&PlatformId, Tag> = BTreeMap::new();
    for tag in drafts.iter().flat_map(|draft| &draft.tags) {
        match merged.get_mut(&tag.platform) {
            None => drop(merged.insert(&tag.platform, tag.clone())),
            // Whatever it is mentioned as elsewhere, it is affected.
            Some(known) if known.role != tag.role => {
                if tag.role < known.role {
                    known.clone_from(tag);
                }
            }
            Some(known) => {
                if tag.confidence > known.confidence {
                    known.confidence = tag.confidence;
                    known.evidence.splice(0..0, tag.evidence.iter().cloned());
                } else {
                    known.evidence.extend(tag.evidence.iter().cloned());
                }
                let mut seen = BTreeSet::new();
                known.evidence.retain(|piece| seen.insert((piece.field, piece.matched.clone())));
                known.evidence.truncate(EVIDENCE_MAX);
            }
        }
    }
    merged.into_values().collect()
}

/// What they are about, each topic with the first reason. A list is about what it is itself about, not its parts.
fn topics(drafts: &[Draft]) -> Vec<About> {
    let mut topics: BTreeMap<Topic, &About> = BTreeMap::new();
    for about in drafts.iter().flat_map(|draft| &draft.topics) {
        topics.entry(about.topic).or_insert(about);
    }
    topics.into_values().cloned().collect()
}

fn references(drafts: &[Draft]) -> Vec<Reference> {
    let mut references: Vec<Reference> = Vec::new();
    for draft in drafts {
        let url = draft.item.url.clone().unwrap_or_default();
        if references.iter().any(|known| known.source == draft.source && known.url == url) {
            continue;
        }
        references.push(Reference {
            source: draft.source.clone(),
            name: draft.source_name.clone(),
            url,
            title: draft.item.title.clone(),
            publisher: draft.publisher.clone(),
            region: draft.region.clone(),
        });
    }
    references
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;
    use crate::model::item::Item;
    use crate::model::severity::Severity;

    fn draft(source: &str, title: &str, severity: Severity, cve: &str) -> Draft {
        Draft {
            source: source.into(),
            source_name: source.to_uppercase(),
            item: Item {
                title: title.into(),
                text: title.repeat(2),
                url: Some(format!("https://{source}.example/")),
                ..Item::default()
            },
            cves: cve.parse().into_iter().collect(),
            severity,
            first_seen: Timestamp(5),
            ..Draft::default()
        }
    }

    #[test]
    fn the_first_title_and_the_highest_severity_are_kept_and_every_source_is_named() {
        let content = content(&[
            draft("a", "Flaw in X", Severity::Unknown, "CVE-2026-0001"),
            draft("b", "X flaw, critical", Severity::Critical, "CVE-2026-0001"),
        ]);
        assert_eq!(content.title, "Flaw in X");
        assert_eq!(content.severity, Severity::Critical);
        assert_eq!(content.references.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(content.kind, AdvisoryKind::Vulnerability);
    }

    #[test]
    fn no_items_say_nothing_without_a_panic() {
        assert_eq!(content(&[]), Content::default());
    }
}
