//! Source health: whether we can see what a source publishes, and since when.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;

/// The state of a source, from what its last tries gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// Never tried.
    #[default]
    New,
    /// The last try read the source whole, or found it unchanged.
    Ok,
    /// Read, but something was repaired or left out.
    Degraded,
    /// The page answered, but does not look as it should (a login page, an empty list).
    Changed,
    /// The publisher refuses us (401, 403, 429, challenge page).
    Blocked,
    /// Could not be fetched or parsed.
    Failing,
}

impl HealthState {
    /// The lowercase word used in JSON, storage and on screen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Changed => "changed",
            Self::Blocked => "blocked",
            Self::Failing => "failing",
        }
    }

    /// Whether items of the source are being read at all.
    #[must_use]
    pub const fn sees(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for HealthState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::New, Self::Ok, Self::Degraded, Self::Changed, Self::Blocked, Self::Failing]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a source state"))
    }
}

/// What is known of a source's reading: kept in storage, shown to people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// Source id.
    pub source: String,
    /// The present state.
    pub state: HealthState,
    /// Since when it has been in that state.
    pub since: Option<Timestamp>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// When it was last read or found unchanged.
    pub last_success: Option<Timestamp>,
    /// When it is to be tried next.
    pub next_due: Option<Timestamp>,
    /// Tries that failed since the last success.
    pub failures: i64,
    /// Items seen at the last success.
    pub items: i64,
    /// What happened, as a sentence for a person; empty when all is well.
    pub detail: String,
    /// The first successful fetch has been stored, so later items are news.
    pub baseline: bool,
}

/// The validators of a conditional GET, byte for byte as received (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`, quotes and `W/` included.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}
