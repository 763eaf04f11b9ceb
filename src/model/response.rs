//! Responses: what an organization did about an advisory, for itself or for a client, and when.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseState {
    /// Somebody has seen it and looks after it.
    Acknowledged,
    /// It was patched, or a workaround is in place.
    Mitigated,
    /// It was looked at and does not apply.
    NotAffected,
    /// The risk is known and is borne.
    Accepted,
    /// What was said before no longer holds.
    Reopened,
}

impl ResponseState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Acknowledged, Self::Mitigated, Self::NotAffected, Self::Accepted, Self::Reopened];

    /// The word used in JSON, forms and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Mitigated => "mitigated",
            Self::NotAffected => "not_affected",
            Self::Accepted => "accepted",
            Self::Reopened => "reopened",
        }
    }

    /// The words that people read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAffected => "not affected",
            Self::Accepted => "risk accepted",
            other => other.as_str(),
        }
    }

    /// Nothing is left to do.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Mitigated | Self::NotAffected | Self::Accepted)
    }
}

impl fmt::Display for ResponseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ResponseState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            format!("'{text}' is no response (acknowledged, mitigated, not_affected, accepted, reopened)")
        })
    }
}

/// What an organization did about an advisory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub organization: String,
    /// For whom: a client, or the organization for all of them.
    pub owner: String,
    /// The advisory.
    pub advisory: String,
    /// What was done.
    pub state: ResponseState,
    /// In the words of who did it; may be empty.
    pub note: String,
    /// Who said so.
    pub said_by: String,
    /// When.
    pub at: Timestamp,
}
