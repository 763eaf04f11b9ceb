//! Where a walk over a provider is: what it has read lately, and from where on all else is news.
//!
//! Documents are taken oldest first, so a walk cut short goes on where it was. Publishers list late: within
//! [`OVERLAP`] a document counts as news by its own time, not by the newest of all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::listing::Entry;
use super::validate;
use crate::model::clock::Timestamp;
use crate::model::health::Validators;

/// How long after it happened a change may be listed.
const OVERLAP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Most documents remembered one by one.
const RECENT_MAX: usize = 500;
/// Most documents that are tried again, and how often.
const RETRIES_MAX: usize = 50;
const TRIES_MAX: u8 = 3;
/// Longest cursor that is read, in bytes.
const CURSOR_MAX: usize = 1024 * 1024;

/// Where a walk is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Documents whose key comes before this are history.
    pub floor: String,
    /// What was read lately, by name.
    pub recent: BTreeMap<String, Seen>,
    /// What was rejected or could not be had, with the number of tries.
    pub retry: BTreeMap<String, u8>,
    /// What to send with the next request for each list, once all of it has been read.
    pub lists: BTreeMap<String, Validators>,
}

/// A document that was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Its key.
    pub key: String,
    /// Its `tracking.id` and `tracking.version`.
    pub id: String,
    /// See `id`.
    pub version: String,
}

impl Cursor {
    /// Reads a cursor; one that is not ours, or none, is that of a first walk.
    #[must_use]
    pub fn read(text: Option<&str>) -> Option<Self> {
        let text = text.filter(|text| text.len() <= CURSOR_MAX)?;
        let cursor: Self = serde_json::from_str(text).ok()?;
        (!cursor.floor.is_empty() || !cursor.recent.is_empty() || !cursor.lists.is_empty()).then_some(cursor)
    }

    /// The cursor as text.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether `entry`, whose key is `key`, is to be read.
    #[must_use]
    pub fn wants(&self, entry: &Entry, key: &str) -> bool {
        let name = entry.name();
        if self.retry.get(&name).is_some_and(|tries| *tries < TRIES_MAX) {
            return true;
        }
        key >= self.floor.as_str() && self.recent.get(&name).is_none_or(|seen| seen.key.as_str() < key)
    }

    /// Remembers that the document called `name` has been read, or that its removal has.
    pub fn done(&mut self, name: &str, seen: Seen) {
        self.retry.remove(name);
        if let Some(time) = instant(&seen.key) {
            self.floor = dated(time.minus(OVERLAP)).max(std::mem::take(&mut self.floor));
        }
        self.recent.insert(name.to_owned(), seen);
        while self.recent.len() > RECENT_MAX {
            let oldest = self
                .recent
                .iter()
                .min_by(|a, b| a.1.key.cmp(&b.1.key))
                .map(|(name, seen)| (name.clone(), seen.key.clone()));
            let Some((name, key)) = oldest else { return };
            self.recent.remove(&name);
            // What is forgotten is history, else it would be read anew each time.
            self.floor = format!("{key}!").max(std::mem::take(&mut self.floor));
        }
    }

    /// Remembers that a document is to be tried again; false where it has been tried often enough.
    pub fn again(&mut self, name: &str, key: &str) -> bool {
        let tries = self.retry.get(name).copied().unwrap_or_default().saturating_add(1);
        let room = self.retry.len() < RETRIES_MAX || self.retry.contains_key(name);
        let seen = self.recent.get(name).cloned().unwrap_or_default();
        self.done(name, Seen { key: key.to_owned(), ..seen });
        if tries < TRIES_MAX && room {
            self.retry.insert(name.to_owned(), tries);
            return true;
        }
        false
    }

    /// The version that we have, where `version` of the document called `name` comes before it.
    #[must_use]
    pub fn newer(&self, name: &str, id: &str, version: &str) -> Option<&str> {
        let seen = self.recent.get(name).filter(|seen| seen.id == id)?;
        validate::older(version, &seen.version)?.then_some(seen.version.as_str())
    }

    /// Whether the keys of this cursor can be compared with `key`: a list with times and one without cannot.
    #[must_use]
    pub fn fits(&self, key: &str) -> bool {
        let kind = |key: &str| key.chars().next();
        let known = self.recent.values().next().map_or(self.floor.as_str(), |seen| seen.key.as_str());
        known.is_empty() || kind(known) == kind(key)
    }
}

/// What orders entries: their time where they have one (not after `now`), else their name with its numbers in order.
#[must_use]
pub fn key(entry: &Entry, now: Timestamp) -> String {
    match entry.updated {
        // The name parts those of one instant, so that a walk that was cut short between them goes on there.
        Some(updated) => format!("{}/{}", dated(updated.min(now)), entry.name()),
        None => format!("n{}", natural(&entry.name())),
    }
}

/// The key of a time.
#[must_use]
pub fn dated(time: Timestamp) -> String {
    format!("d{:020}", time.0.max(0))
}

fn instant(key: &str) -> Option<Timestamp> {
    key.strip_prefix('d')?.split('/').next()?.parse().ok().map(Timestamp)
}

/// A name in which every number has ten digits.
fn natural(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 20);
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| start + length);
        out.push_str(&rest[..start]);
        out.push_str(&format!("{:0>10}", &rest[start..end]));
        rest = &rest[end..];
    }
    out + rest
}
