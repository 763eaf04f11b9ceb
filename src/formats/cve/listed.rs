//! The entries of a list of changes, folded while they are read: memory grows with the records named, not with the list.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::formats::dates;
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;

/// The records that a list names, each with its latest change.
#[derive(Debug, Default)]
pub struct Listed {
    /// When each was changed last.
    pub latest: BTreeMap<CveId, Timestamp>,
    /// Entries without an id or a date.
    pub dropped: usize,
}

/// One day or one run of the list.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Delta {
    new: Listed,
    updated: Listed,
}

/// Many of them.
#[derive(Default)]
pub struct Log(pub Listed);

/// One entry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    #[serde(rename = "cveId")]
    id: Word,
    #[serde(rename = "dateUpdated")]
    at: Word,
}

/// A text; empty for a value of any other type.
#[derive(Default)]
struct Word(String);

impl Listed {
    fn add(&mut self, id: CveId, at: Timestamp) {
        let latest = self.latest.entry(id).or_insert(at);
        *latest = at.max(*latest);
    }

    fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        for (id, at) in other.latest {
            self.add(id, at);
        }
    }
}

impl From<Delta> for Listed {
    fn from(delta: Delta) -> Self {
        let mut all = delta.new;
        all.merge(delta.updated);
        all
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Entries)
    }
}

impl<'de> Deserialize<'de> for Log {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Deltas)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyWord)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of changed records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Listed, A::Error> {
        let mut listed = Listed::default();
        while let Some(Change { id, at }) = entries.next_element()? {
            match (id.0.parse(), dates::parse(&at.0)) {
                (Ok(id), Some(at)) => listed.add(id, at),
                _ => listed.dropped += 1,
            }
        }
        Ok(listed)
    }
}

struct Deltas;

impl<'de> Visitor<'de> for Deltas {
    type Value = Log;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of lists of changed records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut deltas: A) -> Result<Log, A::Error> {
        let mut all = Listed::default();
        while let Some(delta) = deltas.next_element::<Delta>()? {
            all.merge(delta.into());
        }
        Ok(Log(all))
    }
}

struct AnyWord;

impl<'de> Visitor<'de> for AnyWord {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Word, E> {
        // No id and no date is longer.
        Ok(Word(text.chars().take(64).collect()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_unit<E>(self) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Word, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Word::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Word, A::Error> {
        while pairs.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Word::default())
    }
}
