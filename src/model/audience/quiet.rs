//! Quiet hours: when a recipient is not to be woken.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::clock::Timestamp;

/// A span of every local day in which alerts wait. It may cross midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// The local time at which it begins.
    pub from: Time,
    /// The local time at which it ends; what waited is told then.
    pub to: Time,
    /// What is critical and exploited is told all the same.
    pub pierce: bool,
}

impl QuietHours {
    /// The instant at which the quiet ends in `zone`, where `now` lies in it.
    ///
    /// The end is computed by the local clock: in the gap of a daylight-saving change it is the first valid instant
    /// after, in the fold the first of the two.
    #[must_use]
    pub fn until(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_jiff().to_zoned(zone.clone());
        let time = local.time();
        let is_quiet = if self.from <= self.to {
            self.from <= time && time < self.to
        } else {
            time >= self.from || time < self.to
        };
        if !is_quiet {
            return None;
        }
        let date = if time < self.to { local.date() } else { local.date().tomorrow().ok()? };
        let end = zone.to_ambiguous_zoned(date.to_datetime(self.to)).compatible().ok()?;
        let end = Timestamp::from_jiff(end.timestamp());
        // A clock that is set back at that very moment must not hold a letter for ever.
        (end > now).then_some(end)
    }
}

/// `22:00-06:00`, as it is written on the command line.
impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

/// Reads `22:00-06:00`; what is critical and exploited pierces it.
impl FromStr for QuietHours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' is no span of a day such as 22:00-06:00");
        let (from, to) = text.trim().split_once('-').ok_or_else(wrong)?;
        let time = |part: &str| super::parse_time(part).map_err(|_| wrong());
        let (from, to) = (time(from)?, time(to)?);
        if from == to {
            return Err(format!("'{text}' is the whole day; to mail nothing at once, turn instant mail off"));
        }
        Ok(Self { from, to, pierce: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(quiet: &str, zone: &str, now: &str) -> Option<String> {
        let zone = TimeZone::get(zone).expect("a zone");
        let now = Timestamp::from_jiff(now.parse().expect("an instant"));
        let end = quiet.parse::<QuietHours>().expect("a span").until(&zone, now)?;
        Some(end.to_jiff().to_string())
    }

    #[test]
    fn a_night_ends_in_the_morning_of_the_recipient() {
        let berlin = "Europe/Berlin";
        assert_eq!(until("22:00-06:00", berlin, "2026-11-23T20:59:59Z"), None);
        assert_eq!(until("22:00-06:00", berlin, "2026-11-23T21:00:00Z").as_deref(), Some("2026-11-24T05:00:00Z"));
        assert_eq!(until("22:00-06:00", berlin, "2026-11-24T04:59:59Z").as_deref(), Some("2026-11-24T05:00:00Z"));
        assert_eq!(until("22:00-06:00", berlin, "2026-11-24T05:00:00Z"), None);
        assert_eq!(until("12:00-13:00", berlin, "2026-11-24T11:30:00Z").as_deref(), Some("2026-11-24T12:00:00Z"));
    }

    #[test]
    fn an_end_in_the_gap_is_the_first_instant_after_it() {
        // Clocks in New York go from 02:00 to 03:00 on 8 March 2026.
        let end = until("22:00-02:30", "America/New_York", "2026-03-08T06:30:00Z");
        assert_eq!(end.as_deref(), Some("2026-03-08T07:30:00Z"));
    }

    #[test]
    fn no_span_holds_a_letter_for_longer_than_a_day() {
        for zone in ["America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Kiritimati"] {
            let zone = TimeZone::get(zone).expect("a zone");
            let quiet = "23:30-01:30".parse::<QuietHours>().expect("a span");
            for quarter in 0..4 * 24 * 365 {
                let now = Timestamp::from_seconds(1_767_225_600 + quarter * 900);
                if let Some(end) = quiet.until(&zone, now) {
                    assert!(end > now && end.since(now).as_secs() <= 25 * 3_600, "{now} until {end}");
                }
            }
        }
    }

    #[test]
    fn a_span_is_read_back_as_it_is_written() {
        assert_eq!("22:00-06:00".parse::<QuietHours>().expect("a span").to_string(), "22:00-06:00");
        for wrong in ["", "22:00", "22-6", "25:00-06:00", "22:00-22:00"] {
            assert!(wrong.parse::<QuietHours>().is_err(), "{wrong}");
        }
    }
}
