//! How the matcher's tags agree with labels: precision, recall and F1 over all tags, and for each platform.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalog, Category, Matcher, TagInput};
use crate::model::platform::{PlatformId, Product, Role, Tag};

/// A record with the platforms that it has to be tagged with.
#[derive(Clone, Debug, Default)]
pub struct Labeled {
    /// Its name in reports.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its body, plain text.
    pub text: String,
    /// The products that structured data names.
    pub products: Vec<Product>,
    /// What it has to be tagged with.
    pub expected: BTreeSet<String>,
    /// What title and text alone say, where that is less.
    pub expected_of_text: Option<BTreeSet<String>>,
}

/// What the matcher is given of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Title and text.
    Text,
    /// Title, text and products.
    All,
}

/// Tags counted beside labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Tags that the labels have too.
    pub right: usize,
    /// Labels without a tag.
    pub missed: usize,
    /// Tags without a label.
    pub wrong: usize,
}

impl Score {
    /// The share of tags that are right; 1 where there is none.
    #[must_use]
    pub fn precision(self) -> f64 {
        share(self.right, self.wrong)
    }

    /// The share of labels that were found; 1 where there is none.
    #[must_use]
    pub fn recall(self) -> f64 {
        share(self.right, self.missed)
    }

    /// The harmonic mean of both.
    #[must_use]
    pub fn f1(self) -> f64 {
        let (right, faults) = (2.0 * count(self.right), count(self.missed) + count(self.wrong));
        if right + faults == 0.0 { 1.0 } else { right / (right + faults) }
    }
}

fn share(right: usize, other: usize) -> f64 {
    if right + other == 0 { 1.0 } else { count(right) / count(right + other) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

/// A tag that is wrong, or one that is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The record.
    pub id: String,
    /// The platform.
    pub platform: String,
    /// The tag; absent where it is missing.
    pub tag: Option<Tag>,
}

/// What an evaluation found.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Records looked at.
    pub records: usize,
    /// Those of them that must get no tag.
    pub without: usize,
    /// Over all tags.
    pub overall: Score,
    /// For each platform that labels or tags name.
    pub platforms: BTreeMap<String, Score>,
    /// Each miss and false hit, in the order of the records.
    pub faults: Vec<Fault>,
    /// Labels that the catalog does not know, with how often; they count as missed.
    pub unknown: BTreeMap<String, usize>,
}

/// Compares the tags of `matcher` with the labels. Vendors as a whole count only where the labels name any.
pub fn evaluate<'a>(
    matcher: &Matcher,
    catalog: &Catalog,
    records: impl IntoIterator<Item = &'a Labeled> + Clone,
    given: Given,
) -> Evaluation {
    let mut evaluation = Evaluation::default();
    let vendors = records.clone().into_iter().any(|record| record.expected.iter().any(|id| is_vendor(catalog, id)));
    for record in records {
        let expected = match (given, &record.expected_of_text) {
            (Given::Text, Some(expected)) => expected,
            _ => &record.expected,
        };
        let products = if given == Given::All { record.products.as_slice() } else { &[] };
        let input = TagInput { title: &record.title, text: &record.text, products, ..TagInput::default() };
        let mut tags = matcher.tag(&input);
        tags.retain(|tag| vendors || !is_vendor(catalog, &tag.platform.0));
        evaluation.add(&record.id, &same(catalog, expected), tags, catalog);
    }
    evaluation
}

fn is_vendor(catalog: &Catalog, id: &str) -> bool {
    catalog.get(id).is_some_and(|platform| platform.category == Category::Vendor)
}

/// Labels under the ids that get the tags.
fn same(catalog: &Catalog, labels: &BTreeSet<String>) -> BTreeSet<String> {
    let twin = |id: &String| catalog.get(id).and_then(|platform| platform.same_as.clone());
    labels.iter().map(|id| twin(id).map_or_else(|| id.clone(), |PlatformId(twin)| twin)).collect()
}

impl Evaluation {
    fn add(&mut self, id: &str, expected: &BTreeSet<String>, tags: Vec<Tag>, catalog: &Catalog) {
        self.records += 1;
        self.without += usize::from(expected.is_empty());
        let mut found: BTreeSet<String> = BTreeSet::new();
        for tag in tags.into_iter().filter(|tag| tag.role == Role::Affected) {
            let platform = tag.platform.0.clone();
            let score = self.platforms.entry(platform.clone()).or_default();
            if expected.contains(&platform) {
                score.right += 1;
                self.overall.right += 1;
            } else {
                score.wrong += 1;
                self.overall.wrong += 1;
                self.faults.push(Fault { id: id.to_owned(), platform: platform.clone(), tag: Some(tag) });
            }
            found.insert(platform);
        }
        for platform in expected.difference(&found) {
            self.platforms.entry(platform.clone()).or_default().missed += 1;
            self.overall.missed += 1;
            if catalog.get(platform).is_none() {
                *self.unknown.entry(platform.clone()).or_default() += 1;
            }
            self.faults.push(Fault { id: id.to_owned(), platform: platform.clone(), tag: None });
        }
    }

    /// The platforms with faults, the most faults first.
    #[must_use]
    pub fn worst(&self) -> Vec<(&str, Score)> {
        let faults = |score: &Score| score.missed + score.wrong;
        let mut worst: Vec<(&str, Score)> = self
            .platforms
            .iter()
            .filter(|(_, score)| faults(score) > 0)
            .map(|(id, score)| (id.as_str(), *score))
            .collect();
        worst.sort_by_key(|(id, score)| (std::cmp::Reverse(faults(score)), *id));
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, title: &str, expected: &[&str]) -> Labeled {
        Labeled {
            id: id.to_owned(),
            title: title.to_owned(),
            expected: expected.iter().map(|id| (*id).to_owned()).collect(),
            ..Labeled::default()
        }
    }

    #[test]
    fn misses_and_false_hits_are_counted_and_named() {
        let catalog = Catalog::built_in();
        let matcher = Matcher::new(&catalog);
        let mut of_text = record("d", "Notice", &["screenconnect"]);
        of_text.expected_of_text = Some(BTreeSet::new());
        let records = [
            record("a", "Flaw in ConnectWise ScreenConnect", &["screenconnect"]),
            record("b", "Flaw in ConnectWise ScreenConnect", &[]),
            record("c", "Flaw in something else", &["screenconnect", "no-such-platform"]),
            of_text,
        ];
        let text = evaluate(&matcher, &catalog, &records, Given::Text);
        assert_eq!(text.overall, Score { right: 1, missed: 2, wrong: 1 });
        assert_eq!((text.records, text.without), (4, 2));
        assert_eq!(text.unknown, BTreeMap::from([("no-such-platform".to_owned(), 1)]));
        assert_eq!(text.worst()[0], ("screenconnect", Score { right: 1, missed: 1, wrong: 1 }));
        let all = evaluate(&matcher, &catalog, &records, Given::All);
        assert_eq!(all.overall.missed, 3, "products were to say it");
        let faults: Vec<(&str, bool)> =
            text.faults.iter().map(|fault| (fault.id.as_str(), fault.tag.is_some())).collect();
        assert_eq!(faults, [("b", true), ("c", false), ("c", false)]);
    }

    #[test]
    fn nothing_expected_and_nothing_found_is_no_fault() {
        let score = Score::default();
        assert!([score.precision(), score.recall(), score.f1()].iter().all(|one| (one - 1.0).abs() < 1e-9));
        let half = Score { right: 1, missed: 1, wrong: 0 };
        assert!((half.f1() - 2.0 / 3.0).abs() < 1e-9 && (half.recall() - 0.5).abs() < 1e-9);
    }
}
