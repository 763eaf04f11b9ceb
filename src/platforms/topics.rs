//! `topics.toml`: what an advisory is about beside products.
//!
//! Rule: a phrase that says it counts wherever it stands, a hint in the title or where several stand in the text; a phrase
//! that means something else voids what it contains. What touches a platform of a category is about the category's topic.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde::Deserialize;

use super::catalog::{Catalog, Category};
use super::fold::{fold, fold_name};
use super::index::{starts_word, word_end};
use crate::model::platform::{PlatformId, Role, Tag};
use crate::model::topic::{About, Topic};

/// The topics that ship with the program.
const BUILT_IN: &str = include_str!("../../topics.toml");
/// How many hints in a text say it.
const HINTS: usize = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    topic: Vec<WrittenTopic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTopic {
    id: Topic,
    says: Vec<String>,
    #[serde(default)]
    hints: Vec<String>,
    #[serde(default)]
    not: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test reads them"))]
    hits: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "a test reads them"))]
    misses: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Not,
    Says,
    Hint,
}

/// Topics, made ready for reading texts.
pub(super) struct Topics {
    automaton: AhoCorasick,
    /// By pattern.
    uses: Vec<Vec<(Topic, Use)>>,
    categories: BTreeMap<PlatformId, Topic>,
}

/// A phrase that counts.
struct Hit {
    topic: Topic,
    is: Use,
    start: usize,
    end: usize,
}

impl Topics {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let written = written();
        let mut uses: BTreeMap<String, Vec<(Topic, Use)>> = BTreeMap::new();
        let mut of_category: BTreeMap<&str, Topic> = BTreeMap::new();
        for topic in &written.topic {
            for (is, phrases) in [(Use::Says, &topic.says), (Use::Hint, &topic.hints), (Use::Not, &topic.not)] {
                for phrase in phrases {
                    uses.entry(fold_name(phrase)).or_default().push((topic.id, is));
                }
            }
            of_category.extend(topic.categories.iter().map(|category| (category.as_str(), topic.id)));
        }
        let topic = |category: Category| of_category.get(category.as_str()).copied();
        let categories = catalog.iter().filter_map(|platform| Some((platform.id.clone(), topic(platform.category)?)));
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(uses.keys())
            .expect("the phrases are constants");
        Self { automaton, categories: categories.collect(), uses: uses.into_values().collect() }
    }

    /// The topics of a text that is tagged with `tags`, in order.
    pub(super) fn about(&self, title: &str, text: &str, tags: &[Tag]) -> Vec<About> {
        let mut found: BTreeMap<Topic, String> = BTreeMap::new();
        for (part, original) in [("title", title), ("text", text)] {
            let folded = fold(original);
            let hits = self.hits(&folded.text);
            let topics: BTreeSet<Topic> = hits.iter().map(|hit| hit.topic).collect();
            for topic in topics {
                let mut of_it = hits.iter().filter(|hit| hit.topic == topic);
                let says = of_it.clone().find(|hit| hit.is == Use::Says);
                let least = if part == "title" { 1 } else { HINTS };
                let said = says.or_else(|| of_it.clone().nth(least - 1).and_then(|_| of_it.next()));
                if let Some(hit) = said {
                    let (_, words) = folded.published(original, hit.start, hit.end);
                    found.entry(topic).or_insert_with(|| format!("the {part} says '{words}'"));
                }
            }
        }
        for tag in tags.iter().filter(|tag| tag.role == Role::Affected) {
            if let Some(topic) = self.categories.get(&tag.platform) {
                found.entry(*topic).or_insert_with(|| format!("it touches {}", tag.platform));
            }
        }
        found.into_iter().map(|(topic, because)| About { topic, because }).collect()
    }

    /// The phrases in folded text, without those that lie in one that voids them or in another of the same topic.
    fn hits(&self, folded: &str) -> Vec<Hit> {
        let mut all = Vec::new();
        for found in self.automaton.find_overlapping_iter(folded) {
            let (start, end) = (found.start(), found.end());
            let Some(end) = word_end(folded, start, end).filter(|_| starts_word(folded, start)) else { continue };
            all.extend(self.uses[found.pattern().as_usize()].iter().map(|(topic, is)| Hit {
                topic: *topic,
                is: *is,
                start,
                end,
            }));
        }
        let mut kept: Vec<Hit> = Vec::new();
        // The widest first, so that what lies in a wider one is seen to.
        all.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.is));
        let mut widest: BTreeMap<Topic, usize> = BTreeMap::new();
        for hit in all {
            let reached = widest.entry(hit.topic).or_default();
            if hit.end <= *reached {
                continue;
            }
            *reached = hit.end;
            if hit.is != Use::Not {
                kept.push(hit);
            }
        }
        kept
    }
}

fn written() -> Written {
    toml::from_str(BUILT_IN).expect("the built-in topics are tested to parse")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_file_holds() {
        let topics = Topics::new(&Catalog::built_in());
        let about = |example: &str| {
            let (title, text) = example.split_once(" | ").unwrap_or((example, ""));
            topics.about(title, text, &[])
        };
        for topic in written().topic {
            for hit in &topic.hits {
                assert!(about(hit).iter().any(|found| found.topic == topic.id), "{}: {hit}", topic.id);
            }
            for miss in &topic.misses {
                assert!(about(miss).iter().all(|found| found.topic != topic.id), "{}: {miss}", topic.id);
            }
            for category in &topic.categories {
                assert!(Category::ALL.iter().any(|known| known.as_str() == category), "{category}");
            }
        }
        let every: BTreeSet<Topic> = written().topic.iter().map(|topic| topic.id).collect();
        assert_eq!(every.len(), Topic::ALL.len(), "each topic is there once");
    }

    #[test]
    fn what_touches_a_platform_is_about_its_category_and_what_mentions_it_is_not() {
        let topics = Topics::new(&Catalog::built_in());
        let tag = |role| Tag {
            platform: PlatformId("datto-rmm".to_owned()),
            role,
            under: None,
            confidence: 1.0,
            evidence: Vec::new(),
        };
        let found = topics.about("Flaw", "", &[tag(Role::Affected)]);
        assert_eq!((found[0].topic, found[0].because.as_str()), (Topic::RemoteAccess, "it touches datto-rmm"));
        assert!(topics.about("Flaw", "", &[tag(Role::Mentioned)]).is_empty());
    }
}
