//! Faults in configuration: each names its file, line and key, and all are reported at once.

use std::fmt;

use crate::model::text::{one_line, truncate};

/// One fault in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as the user named it, such as `sources.toml`.
    pub file: String,
    /// Line in it, from 1; 0 where there is no line (an environment variable).
    pub line: usize,
    /// The key, with its table, such as `source cisa-kev: schedule`.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}: {}", self.file, self.key, self.message),
            line => write!(f, "{}:{line}: {}: {}", self.file, self.key, self.message),
        }
    }
}

/// Every fault of a configuration. Shown one a line; a command that meets it ends with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// The line (from 1) of byte `offset` in `text`.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Gathers the faults of one file, so that all are told at once.
#[derive(Debug)]
pub struct Faults<'a> {
    file: &'a str,
    /// Byte offsets of the line ends, so that a long file costs no more than its length.
    line_ends: Vec<usize>,
    found: Vec<Fault>,
}

impl<'a> Faults<'a> {
    /// None yet, in the file that the user calls `file` and that holds `text`.
    #[must_use]
    pub fn new(file: &'a str, text: &str) -> Self {
        let line_ends = text.match_indices('\n').map(|(offset, _)| offset).collect();
        Self { file, line_ends, found: Vec::new() }
    }

    /// The line (from 1) of byte `offset` of the file.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    /// Notes that `key` on `line` is wrong. The message becomes one line, whatever it quotes.
    pub fn add(&mut self, line: usize, key: impl Into<String>, message: impl AsRef<str>) {
        let message = one_line(message.as_ref());
        self.found.push(Fault { file: self.file.to_owned(), line, key: key.into(), message });
    }

    /// Whether any was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Those noted, in the order of their lines.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|fault| fault.line);
        self.found
    }

    /// `value` where none was noted.
    ///
    /// # Errors
    /// All that were noted, in the order of their lines.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.found.is_empty() { Ok(value) } else { Err(ConfigError(self.into_vec())) }
    }
}

/// The longest piece of a user's text repeated in a message, in characters.
const QUOTED_MAX: usize = 60;
/// Longer names than this (in bytes) are no slip of the pen: not compared.
const COMPARED_MAX: usize = 100;
/// A name is completed from this many characters on.
const PREFIX_MIN: usize = 3;

/// `value` in quotation marks, in one line and shortened, for messages.
#[must_use]
pub fn quoted(value: &str) -> String {
    format!("'{}'", truncate(&one_line(value), QUOTED_MAX))
}

/// `; did you mean ...?` where one of `known` is close to `written`, else nothing: the end of a message.
#[must_use]
pub fn suggestion<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(written, known).map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// The closest of `known` to `written`, for "did you mean": at most two edits away (and fewer than its length),
/// else the shortest that begins with it. Case does not count.
#[must_use]
pub fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > COMPARED_MAX {
        return None;
    }
    let written = written.to_lowercase();
    let length = written.chars().count();
    let rank = |name: &str| {
        let far = edits(&written, &name.to_lowercase());
        if far <= 2 && far < length {
            Some(far)
        } else {
            (length >= PREFIX_MIN && name.starts_with(&written)).then_some(name.len())
        }
    };
    known.into_iter().filter_map(|name| rank(name).map(|rank| (rank, name))).min().map(|(_, name)| name)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognized() {
        assert_eq!(closest("shedule", ["schedule", "url"]), Some("schedule"));
        assert_eq!(closest("Schedule", ["schedule", "url"]), Some("schedule"));
        assert_eq!(closest("colour", ["schedule", "url"]), None);
        assert_eq!(closest("x", ["id", "url"]), None);
    }

    #[test]
    fn a_name_cut_short_is_completed() {
        assert_eq!(closest("veeam", ["veeam-one-or-more", "veeam-agent"]), Some("veeam-agent"));
        assert_eq!(suggestion("veeam", ["veeam-agent"]), "; did you mean 'veeam-agent'?");
    }

    #[test]
    fn a_quotation_is_one_short_line() {
        assert_eq!(quoted("a\nb"), "'a b'");
        assert_eq!(quoted(&"x".repeat(1_000)).chars().count(), QUOTED_MAX + 2);
    }

    #[test]
    fn lines_count_from_one() {
        assert_eq!(line_of("a\nb\nc", 0), 1);
        assert_eq!(line_of("a\nb\nc", 4), 3);
        let faults = Faults::new("file", "a\nb\nc");
        for offset in 0..6 {
            assert_eq!(faults.line_of(offset), line_of("a\nb\nc", offset), "at {offset}");
        }
    }
}
