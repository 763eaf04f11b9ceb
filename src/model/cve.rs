//! CVE ids, as the CVE Record Format writes them: `CVE-YYYY-NNNN` with 4 to 19 digits.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// A well-formed CVE id in its canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CveId(String);

/// Hyphens that publishers' editors put in place of `-`: non-breaking hyphen, en dash, minus and so on.
static IN_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\bCVE[-\u{2010}-\u{2015}\u{2212}\u{ad}_ ]((?:19|20)\d{2})[-\u{2010}-\u{2015}\u{2212}\u{ad}_](\d{4,19})\b",
    )
    .expect("the pattern is a constant")
});

impl CveId {
    /// Every CVE id that `text` names, in canonical spelling, sorted and without repeats.
    #[must_use]
    pub fn find_all(text: &str) -> BTreeSet<Self> {
        IN_TEXT.captures_iter(text).map(|c| Self(format!("CVE-{}-{}", &c[1], &c[2]))).collect()
    }

    /// Whether `text` is an id in canonical spelling: most are, and need no search.
    fn is_canonical(text: &str) -> bool {
        let Some((year, number)) = text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else {
            return false;
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        year.len() == 4
            && digits(year)
            && (year.starts_with("19") || year.starts_with("20"))
            && (4..=19).contains(&number.len())
            && digits(number)
    }

    /// The year in the id.
    #[must_use]
    pub fn year(&self) -> u16 {
        self.0.get(4..8).and_then(|year| year.parse().ok()).unwrap_or_default()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CveId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if Self::is_canonical(text) {
            return Ok(Self(text.to_owned()));
        }
        match Self::find_all(text).into_iter().next() {
            Some(id) if id.0.len() == text.chars().count() => Ok(id),
            _ => Err(format!("'{text}' is not a CVE id such as CVE-2024-1709")),
        }
    }
}

impl TryFrom<String> for CveId {
    type Error = String;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        value.parse()
    }
}

impl From<CveId> for String {
    fn from(value: CveId) -> Self {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dash_variants_and_case_become_one_spelling() {
        let found = CveId::find_all(
            "cve-2024-1709, CVE\u{2011}2024\u{2011}1708 and CVE–2024–1709; not CVE-24-1 or CVE-2024-123",
        );
        let ids: Vec<_> = found.iter().map(CveId::as_str).collect();
        assert_eq!(ids, ["CVE-2024-1708", "CVE-2024-1709"]);
    }

    #[test]
    fn parsing_refuses_what_is_not_exactly_an_id() {
        for right in ["CVE-2024-1709", " cve-2024-1709", "CVE–2024–1709"] {
            assert_eq!(right.parse::<CveId>().as_ref().map(CveId::as_str), Ok("CVE-2024-1709"));
        }
        for wrong in [
            "CVE-1824-1709",
            "CVE-2é4-1709",
            "CVE-２０24-1709",
            "CVE-2024-17a9",
            "CVE-2024-170",
            "",
            "CVE-2024",
            "CVE-2024-1709 and more",
            "XCVE-2024-1709",
            "CVE-2024-12345678901234567890",
        ] {
            assert!(wrong.parse::<CveId>().is_err(), "{wrong}");
        }
    }
}
