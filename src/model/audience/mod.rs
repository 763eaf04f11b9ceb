//! Who wants to hear: organizations and their clients, subscriptions, floors, digest schedules and quiet hours.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use serde::{Deserialize, Serialize};

mod organization;
mod quiet;
mod wish;

pub use organization::{Client, Member, Organization, Owner, Role};
pub use quiet::QuietHours;
pub use wish::{Follow, Only, Subscription, Wish, publisher_key, region_key};

/// How urgent an advisory must be to be mailed at once. The rest waits for the digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Floor {
    /// Everything that matches.
    #[default]
    All,
    /// Medium and above.
    Medium,
    /// High and above.
    High,
    /// Critical only.
    Critical,
    /// Known to be exploited only.
    Exploited,
}

impl Floor {
    /// Every floor, lowest first.
    pub const ALL: [Self; 5] = [Self::All, Self::Medium, Self::High, Self::Critical, Self::Exploited];

    /// The word used on the command line, in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Exploited => "exploited",
        }
    }

    /// The storage form, 0 for all up to 4 for exploited.
    #[must_use]
    pub const fn rank(self) -> i64 {
        self as i64
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|floor| floor.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("'{text}' is not a floor (all, medium, high, critical, exploited)"))
    }
}

/// How often the summary comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestEvery {
    /// Never.
    None,
    /// Every local day.
    Daily,
    /// Every local week.
    #[default]
    Weekly,
}

impl DigestEvery {
    /// The word used on the command line, in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }
}

impl FromStr for DigestEvery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "daily" => Ok(Self::Daily),
            "weekly" => Ok(Self::Weekly),
            other => Err(format!("'{other}' is not a digest rhythm (none, daily, weekly)")),
        }
    }
}

/// When digests come: a weekday, a local time and an IANA zone, kept as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DigestSchedule {
    /// How often.
    pub every: DigestEvery,
    /// The local weekday of a weekly digest.
    #[serde(serialize_with = "weekday_word", deserialize_with = "word_weekday")]
    pub day: Weekday,
    /// The local time of day.
    pub at: Time,
    /// The IANA name of the zone, such as `Europe/Berlin`.
    pub timezone: String,
    /// It comes even where there is nothing to say: a sign that somebody has looked.
    pub all_clear: bool,
}

impl Default for DigestSchedule {
    fn default() -> Self {
        Self {
            every: DigestEvery::Weekly,
            day: Weekday::Monday,
            at: jiff::civil::time(7, 30, 0, 0),
            timezone: "UTC".to_owned(),
            all_clear: false,
        }
    }
}

/// The English weekdays, Monday first, as the command line and storage write them.
pub const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "monday"),
    (Weekday::Tuesday, "tuesday"),
    (Weekday::Wednesday, "wednesday"),
    (Weekday::Thursday, "thursday"),
    (Weekday::Friday, "friday"),
    (Weekday::Saturday, "saturday"),
    (Weekday::Sunday, "sunday"),
];

/// The lowercase English name of `day`.
#[must_use]
pub fn weekday_name(day: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(known, _)| *known == day).map_or("monday", |(_, name)| name)
}

/// The weekday that `text` names in English, whole or by its first three letters.
///
/// # Errors
/// Says which words are known.
pub fn parse_weekday(text: &str) -> Result<Weekday, String> {
    let folded = text.trim().to_ascii_lowercase();
    WEEKDAYS
        .iter()
        .find(|(_, name)| *name == folded || (folded.len() == 3 && name.starts_with(&folded)))
        .map(|(day, _)| *day)
        .ok_or_else(|| format!("'{text}' is not a weekday (monday to sunday)"))
}

/// The time of day that `text` writes as `07:30`.
///
/// # Errors
/// Says what a time looks like.
pub fn parse_time(text: &str) -> Result<Time, String> {
    let wrong = || format!("'{text}' is not a time such as 07:30");
    let (hour, minute) = text.trim().split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

fn weekday_word<S: serde::Serializer>(day: &Weekday, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(weekday_name(*day))
}

fn word_weekday<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Weekday, D::Error> {
    parse_weekday(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}
