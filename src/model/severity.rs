//! Severity: one ordered scale for what publishers call severity, impact or risk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The qualitative rating scale of CVSS v3.1 section 5, with `Unknown` for "nobody has said".
///
/// `Unknown` is not low: half of today's advisories carry no rating on their first day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No source states a rating.
    #[default]
    Unknown,
    /// CVSS 0.1 to 3.9, or none.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

impl Severity {
    /// The rating of a CVSS base score (0.0 to 10.0); a score out of range is `Unknown`.
    #[must_use]
    pub fn from_cvss(score: f64) -> Self {
        match score {
            s if !(0.0..=10.0).contains(&s) => Self::Unknown,
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    /// The storage form: 0 for unknown up to 4 for critical.
    #[must_use]
    pub const fn rank(self) -> i64 {
        self as i64
    }

    /// The rating of a storage form; what is none of them is `Unknown`.
    #[must_use]
    pub const fn of_rank(rank: i64) -> Self {
        match rank {
            1 => Self::Low,
            2 => Self::Medium,
            3 => Self::High,
            4 => Self::Critical,
            _ => Self::Unknown,
        }
    }

    /// The lowercase word used in JSON, on screen and in mail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "critical" => Ok(Self::Critical),
            "high" | "important" => Ok(Self::High),
            "medium" | "moderate" => Ok(Self::Medium),
            "low" | "none" => Ok(Self::Low),
            "unknown" | "" => Ok(Self::Unknown),
            other => Err(format!("'{other}' is not a severity (unknown, low, medium, high, critical)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cvss_scores_fall_into_the_bands_of_the_standard() {
        let bands = [
            (0.0, "low"),
            (3.9, "low"),
            (4.0, "medium"),
            (6.9, "medium"),
            (7.0, "high"),
            (9.0, "critical"),
            (10.0, "critical"),
            (10.1, "unknown"),
            (f64::NAN, "unknown"),
        ];
        for (score, word) in bands {
            assert_eq!(Severity::from_cvss(score).as_str(), word, "{score}");
        }
    }
}
