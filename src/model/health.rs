//! Source health: whether we can see what a source publishes, and since when.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
    /// It can be read, but has been silent for longer than is normal for it. Never stored: time alone brings it.
    Late,
    /// An operator has paused it. Kept beside the state.
    Paused,
    /// Not watched. Never stored.
    Off,
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
            Self::Late => "late",
            Self::Paused => "paused",
            Self::Off => "off",
        }
    }

    /// How much it matters: 0 all is well, 1 something is left out, 2 perhaps blind, 3 blind.
    #[must_use]
    pub const fn weight(self) -> u8 {
        match self {
            Self::New | Self::Ok | Self::Off => 0,
            Self::Degraded => 1,
            Self::Late => 2,
            Self::Changed | Self::Blocked | Self::Failing | Self::Paused => 3,
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
        const ALL: [HealthState; 9] = [
            HealthState::New,
            HealthState::Ok,
            HealthState::Degraded,
            HealthState::Changed,
            HealthState::Blocked,
            HealthState::Failing,
            HealthState::Late,
            HealthState::Paused,
            HealthState::Off,
        ];
        ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("'{text}' is not a source state"))
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
    /// When it last said something new, as it dates it or as we saw it.
    pub last_news: Option<Timestamp>,
    /// The longest time between two of its newest twenty items, in microseconds: its own rhythm, where it can be known.
    pub longest_gap: Option<i64>,
    /// The state that the operator was told of last.
    pub told: Option<HealthState>,
    /// Where it has moved to for good, and how often in a row it said so.
    pub moved: Option<(String, i64)>,
    /// When an operator paused it, and who.
    pub paused: Option<(Timestamp, String)>,
}

/// The shortest silence that is called late: a long weekend is no fault.
const LATE_MIN: Duration = Duration::from_secs(4 * 86_400);

impl SourceHealth {
    /// How long it may be silent: twice its own longest gap where that is known, else `silent_days`.
    #[must_use]
    pub fn patience(&self, silent_days: u32) -> Duration {
        let stated = Duration::from_secs(u64::from(silent_days) * 86_400);
        let learned =
            self.longest_gap.and_then(|gap| u64::try_from(gap).ok()).map(|gap| Duration::from_micros(gap * 2));
        learned.unwrap_or(stated).max(LATE_MIN)
    }

    /// The state to show, at `now`, for a source that is watched or not.
    #[must_use]
    pub fn standing(&self, watched: bool, silent_days: u32, now: Timestamp) -> HealthState {
        if !watched {
            return HealthState::Off;
        }
        if self.paused.is_some() {
            return HealthState::Paused;
        }
        let silent_since = self.last_news.filter(|news| news.plus(self.patience(silent_days)) < now);
        if self.state.sees() && silent_since.is_some() { HealthState::Late } else { self.state }
    }

    /// What is the matter and what to do, as a sentence, in the state `standing`; empty when all is well.
    #[must_use]
    pub fn advice(&self, standing: HealthState, silent_days: u32) -> String {
        if let (HealthState::Paused, Some((at, who))) = (standing, &self.paused) {
            return format!(
                "paused by {who} on {}, so nothing is read until somebody resumes it",
                &at.to_string()[..10]
            );
        }
        if standing != HealthState::Late {
            return self.detail.clone();
        }
        let days = self.patience(silent_days).as_secs().div_ceil(86_400);
        let since = self.last_news.map_or_else(String::new, |at| format!(" since {}", &at.to_string()[..10]));
        format!(
            "nothing new{since}, though it usually publishes within {days} days; look whether it has moved or ended"
        )
    }
}

/// The validators of a conditional GET, byte for byte as received (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`, quotes and `W/` included.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn a_source_is_late_beyond_its_own_rhythm_or_the_stated_silence() {
        let at = |days: i64| Timestamp(days * DAY);
        let mut health = SourceHealth { state: HealthState::Ok, last_news: Some(at(100)), ..SourceHealth::default() };
        assert_eq!(health.standing(true, 30, at(129)), HealthState::Ok);
        assert_eq!(health.standing(true, 30, at(131)), HealthState::Late);
        health.longest_gap = Some(5 * DAY);
        assert_eq!(health.standing(true, 30, at(111)), HealthState::Late, "what it does itself tells more");
        health.longest_gap = Some(DAY / 2);
        assert_eq!(health.standing(true, 30, at(103)), HealthState::Ok, "a long weekend is no fault");
        assert_eq!(health.standing(false, 30, at(200)), HealthState::Off);
        let paused = SourceHealth { paused: Some((at(100), "ada@msp.example".to_owned())), ..health.clone() };
        assert_eq!(paused.standing(true, 30, at(103)), HealthState::Paused);
        assert!(!HealthState::Paused.sees(), "what is not read is not seen");
        assert!(paused.advice(HealthState::Paused, 30).contains("ada@msp.example"));
        health.state = HealthState::Blocked;
        assert_eq!(health.standing(true, 30, at(200)), HealthState::Blocked, "a known fault is told first");
        assert!(
            health.advice(HealthState::Late, 30).contains("since 1970-04-11"),
            "{}",
            health.advice(HealthState::Late, 30)
        );
    }

    #[test]
    fn every_state_is_read_back() {
        for word in ["new", "ok", "degraded", "changed", "blocked", "failing", "late", "paused", "off"] {
            assert_eq!(word.parse::<HealthState>().map(HealthState::as_str), Ok(word));
        }
    }
}
