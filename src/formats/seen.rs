//! A cursor for lists whose entries have an id and a date of change: what was read, in which state.
//!
//! Dates are compared for being the same and never for being newer: publishers release many entries under one date,
//! and set dates back.

use std::collections::BTreeMap;

/// Most entries that are remembered.
const ENTRIES_MAX: usize = 2_000;
/// Longest id or date that is remembered, in bytes.
const TEXT_MAX: usize = 200;

/// Ids, each with the date of change under which it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(BTreeMap<String, String>);

impl Seen {
    /// What an earlier walk wrote; nothing where that cannot be read.
    #[must_use]
    pub fn from_cursor(cursor: Option<&str>) -> Self {
        let entries = cursor.and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(text).ok());
        let fits = |(id, date): &(String, String)| id.len() <= TEXT_MAX && date.len() <= TEXT_MAX;
        Self(entries.unwrap_or_default().into_iter().filter(fits).take(ENTRIES_MAX).collect())
    }

    /// Whether nothing was read before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `id` has been read in the state of `date`.
    #[must_use]
    pub fn has(&self, id: &str, date: &str) -> bool {
        self.0.get(id).is_some_and(|known| known == date)
    }

    /// Whether `id` has been read in any state.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// The dates of change under which entries were read.
    pub fn dates(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Notes that `id` has been read in the state of `date`.
    pub fn note(&mut self, id: &str, date: &str) {
        let room = self.0.len() < ENTRIES_MAX || self.0.contains_key(id);
        if room && id.len() <= TEXT_MAX && date.len() <= TEXT_MAX {
            self.0.insert(id.to_owned(), date.to_owned());
        }
    }

    /// Forgets what is not `listed` any more.
    pub fn keep(&mut self, listed: impl Fn(&str) -> bool) {
        self.0.retain(|id, _| listed(id));
    }

    /// The text that [`Seen::from_cursor`] reads.
    #[must_use]
    pub fn to_cursor(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_as_written() {
        let mut seen = Seen::default();
        seen.note("2099-Jan", "2099-01-12T08:00:00Z");
        seen.note(&"x".repeat(TEXT_MAX + 1), "1");
        let again = Seen::from_cursor(Some(&seen.to_cursor()));
        assert_eq!(again, seen);
        assert!(again.has("2099-Jan", "2099-01-12T08:00:00Z") && !again.has("2099-Jan", "later"));
        assert!(again.knows("2099-Jan") && !again.knows("2099-Feb"));
        assert_eq!(again.dates().collect::<Vec<_>>(), ["2099-01-12T08:00:00Z"]);
    }

    #[test]
    fn a_hostile_cursor_is_no_cursor() {
        for text in ["", "[]", "{\"a\": 1}", "{", "null", &"[".repeat(100_000)] {
            assert!(Seen::from_cursor(Some(text)).is_empty(), "{text}");
        }
        let many: BTreeMap<String, String> = (0..ENTRIES_MAX + 5).map(|n| (n.to_string(), String::new())).collect();
        let mut seen = Seen::from_cursor(Some(&serde_json::to_string(&many).expect("it is JSON")));
        seen.note("one more", "");
        assert_eq!(seen.0.len(), ENTRIES_MAX);
    }
}
