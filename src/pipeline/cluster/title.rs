//! Titles: whether two publishers head one alert alike. They decide only where no CVE id can.

use std::collections::BTreeSet;

use crate::model::clock::Timestamp;
use crate::model::text;

/// How far apart two publishers speak of one alert, in days.
pub const DAYS: i64 = 5;
/// Share of words that two titles have in common, in percent of all their words.
const ALIKE: usize = 60;
/// Least number of words in common.
const WORDS: usize = 4;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Words that say nothing of what a title is about.
const EMPTY: &[&str] = &[
    "a",
    "an",
    "and",
    "the",
    "of",
    "on",
    "in",
    "for",
    "to",
    "by",
    "with",
    "from",
    "at",
    "as",
    "is",
    "are",
    "its",
    "into",
    "release",
    "releases",
    "released",
    "publish",
    "publishes",
    "published",
    "issue",
    "issues",
    "issued",
    "update",
    "updated",
    "partners",
    "joint",
];

/// A title, and the day that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    words: BTreeSet<String>,
    /// Days since 1970-01-01, in UTC.
    pub day: i64,
}

impl Title {
    /// The words of `title` that carry meaning.
    #[must_use]
    pub fn new(title: &str, at: Timestamp) -> Self {
        let folded = text::fold(title);
        let words =
            folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !EMPTY.contains(word));
        Self { words: words.map(str::to_owned).collect(), day: at.0.div_euclid(MICROS_A_DAY) }
    }

    /// The words with a space between, as they are stored.
    #[must_use]
    pub fn words(&self) -> String {
        self.words.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// A title from its stored words.
    #[must_use]
    pub fn stored(words: &str, day: i64) -> Self {
        Self { words: words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(), day }
    }

    /// Whether both head the same alert: close in time, alike in words, and no number in one that the other lacks.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        if self.day.abs_diff(other.day) > DAYS.unsigned_abs() {
            return false;
        }
        let common = self.words.intersection(&other.words).count();
        let all = self.words.len() + other.words.len() - common;
        let apart = self.words.symmetric_difference(&other.words).any(|word| is_number(word));
        common >= WORDS && common * 100 >= all * ALIKE && !apart
    }
}

fn is_number(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    ];
    word.bytes().any(|byte| byte.is_ascii_digit()) || NAMES.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_one_alert_are_alike_and_those_of_a_series_are_not() {
        let title = |text: &str, day: i64| Title::new(text, Timestamp(day * MICROS_A_DAY));
        let like = |a: &str, b: &str, days: i64| title(a, 10).is_like(&title(b, 10 + days));
        let (cisa, ncsc) = (
            "CISA and Partners Release Advisory on Compromised Managed Service Providers",
            "Joint advisory on compromised managed service providers",
        );
        assert!(like(cisa, ncsc, 3));
        assert!(!like(cisa, ncsc, 9));
        assert!(!like(
            "CISA Releases Five Industrial Control Systems Advisories",
            "CISA Releases Nine Industrial Control Systems Advisories",
            1
        ));
        assert!(!like("Security update for Acme Tunnel 5.1 Server", "Security update for Acme Tunnel 5.2 Server", 0));
        assert!(!like("Ransomware", "Ransomware", 0), "too little to tell");
    }

    #[test]
    fn stored_words_read_as_they_were() {
        let title = Title::new("Compromised Managed Service Providers", Timestamp(5));
        assert_eq!(Title::stored(&title.words(), title.day), title);
    }
}
