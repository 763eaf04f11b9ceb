//! Evaluate: how well what is stored agrees with labels that say which items speak of one event.
//!
//! Pairwise: of all pairs of labeled items that are one advisory, how many are one event (precision); of all pairs that
//! are one event, how many are one advisory (recall).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::advisory::AdvisoryId;
use crate::store::{StoreError, Tx, items};

/// A label: an item, and the event of which it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The source of the item; empty for any.
    pub source: String,
    /// Its address, the end of it from a slash on, its native id or one of its advisory ids.
    pub item: String,
    /// The event, by any name.
    pub event: String,
}

/// Labels, and pairs of items that can be judged either way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Each item once.
    pub all: Vec<Label>,
    /// Pairs that are not counted, as the items are written.
    pub doubtful: BTreeSet<(String, String)>,
}

impl Labels {
    fn is_doubtful(&self, one: &str, two: &str) -> bool {
        let has = |a: &str, b: &str| self.doubtful.contains(&(a.to_owned(), b.to_owned()));
        !self.doubtful.is_empty() && (has(one, two) || has(two, one))
    }
}

/// Reads labels, one a line: item, tab, event; what follows is a remark. The item is `SOURCE ITEM`, or `ITEM` alone. A
/// line of an item, a tab, `~`, a tab and another item names a pair that is not counted.
///
/// # Errors
/// Gives the first line that is no label.
pub fn labels(text: &str) -> Result<Labels, String> {
    let mut labels = Labels::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let mut cells = line.split('\t').map(str::trim);
        let (item, event) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        if item.is_empty() || event.is_empty() {
            return Err(format!("line {}: a label is an item, a tab and an event", number + 1));
        }
        if event == "~" {
            labels.doubtful.insert((item.to_owned(), cells.next().unwrap_or_default().to_owned()));
            continue;
        }
        let (source, item) = item.rsplit_once(' ').unwrap_or(("", item));
        labels.all.push(Label { source: source.to_owned(), item: item.to_owned(), event: event.to_owned() });
    }
    Ok(labels)
}

/// How labels and advisories agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Labels whose item is stored.
    pub found: usize,
    /// Labels whose item is not stored.
    pub missing: Vec<String>,
    /// Pairs that are one event and one advisory.
    pub right: usize,
    /// Pairs that are one advisory and two events, the first item's name and the second's.
    pub wrong: Vec<(String, String)>,
    /// Pairs that are one event and two advisories.
    pub parted: Vec<(String, String)>,
}

impl Agreement {
    /// Share of pairs in one advisory that are one event, 0.0 to 1.0.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.right, self.wrong.len())
    }

    /// Share of pairs of one event that are in one advisory, 0.0 to 1.0.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.right, self.parted.len())
    }
}

#[allow(clippy::cast_precision_loss)] // Pairs are far fewer than 2^52.
fn share(right: usize, wrong: usize) -> f64 {
    if right + wrong == 0 { 1.0 } else { right as f64 / (right + wrong) as f64 }
}

/// Compares the labels with the advisories that are stored.
///
/// # Errors
/// Fails where the database does.
pub fn agreement(tx: &mut Tx<'_>, labels: &Labels) -> Result<Agreement, StoreError> {
    let names = Names::of(tx)?;
    let mut agreement = Agreement::default();
    let mut placed: Vec<(String, &str, &AdvisoryId)> = Vec::new();
    for label in &labels.all {
        let shown =
            if label.source.is_empty() { label.item.clone() } else { format!("{} {}", label.source, label.item) };
        match names.get(label) {
            Some(advisory) => placed.push((shown, &label.event, advisory)),
            None => agreement.missing.push(shown),
        }
    }
    agreement.found = placed.len();
    for (index, (one, event, advisory)) in placed.iter().enumerate() {
        for (two, other_event, other_advisory) in &placed[index + 1..] {
            if (event == other_event) != (advisory == other_advisory) && labels.is_doubtful(one, two) {
                continue;
            }
            match (event == other_event, advisory == other_advisory) {
                (true, true) => agreement.right += 1,
                (false, true) => agreement.wrong.push((one.clone(), two.clone())),
                (true, false) => agreement.parted.push((one.clone(), two.clone())),
                (false, false) => {}
            }
        }
    }
    Ok(agreement)
}

/// The stored items by every name that a label may use.
struct Names {
    by_name: BTreeMap<(String, String), AdvisoryId>,
}

impl Names {
    fn of(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let mut by_name = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = items::page(tx, after, 1_000)?;
            let Some((last, ..)) = page.last() else { return Ok(Self { by_name }) };
            after = *last;
            for (_, advisory, draft) in page {
                let url = draft.item.url.as_deref().unwrap_or_default();
                let path = url
                    .split_once("://")
                    .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
                    .unwrap_or_default();
                let ids = draft.aliases.iter().map(String::as_str).chain(draft.item.native_id.as_deref());
                for name in ids.chain([url, path]).filter(|name| !name.is_empty()) {
                    for source in [draft.source.as_str(), ""] {
                        by_name.entry((source.to_owned(), name.to_lowercase())).or_insert_with(|| advisory.clone());
                    }
                }
            }
        }
    }

    fn get(&self, label: &Label) -> Option<&AdvisoryId> {
        self.by_name.get(&(label.source.clone(), label.item.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_faults_named() {
        let read = labels("# remark\ncisa-kev CVE-2024-1709\tE1\tthe same\nhttps://a.example/x\tE1\na 1\t~\tb 2\n")
            .expect("labels");
        assert!(read.is_doubtful("b 2", "a 1"));
        let read = read.all;
        assert_eq!((read[0].source.as_str(), read[0].item.as_str()), ("cisa-kev", "CVE-2024-1709"));
        assert_eq!((read[1].source.as_str(), read[1].event.as_str()), ("", "E1"));
        assert_eq!(
            labels("only an item").map(|_| ()),
            Err("line 1: a label is an item, a tab and an event".to_owned())
        );
    }

    #[test]
    fn nothing_to_compare_is_no_fault() {
        assert!((Agreement::default().precision() - 1.0).abs() < f64::EPSILON);
        let half = Agreement { right: 1, parted: vec![Default::default()], ..Agreement::default() };
        assert!((half.recall() - 0.5).abs() < f64::EPSILON);
    }
}
