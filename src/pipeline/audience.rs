//! Audience: the rule of who hears of an event at once, as a plain function.
//!
//! Storage holds the same rule as a set-based statement; a property test keeps the two equal.

use std::collections::BTreeSet;

use crate::model::audience::{Floor, Wish};
use crate::model::platform::PlatformId;
use crate::model::severity::Severity;
use crate::model::tlp::Tlp;
use crate::model::topic::Topic;

/// What an event is matched by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Touched<'a> {
    /// The platforms that its advisory touches.
    pub platforms: &'a [PlatformId],
    /// What it is about beside products.
    pub topics: &'a [Topic],
    /// Who says it, as [`Content::origins`](crate::model::advisory::Content::origins); nobody is limited where absent.
    pub origins: Option<&'a BTreeSet<String>>,
}

/// Whether a recipient with this wish hears at once of an event with this severity, exploitation, platforms and topics.
#[must_use]
pub fn hears_at_once(wish: &Wish, severity: Severity, exploited: bool, content: &Touched<'_>) -> bool {
    wish.instant && touches(wish, content) && above(wish.floor, severity, exploited)
}

/// Whether it goes into the recipient's digest. Without instant mail the floor holds for the digest itself.
#[must_use]
pub fn reads_in_digest(wish: &Wish, severity: Severity, exploited: bool, content: &Touched<'_>) -> bool {
    touches(wish, content) && (wish.instant || above(wish.floor, severity, exploited))
}

/// Whether a recipient may read what bears this label at all: what is not TLP:CLEAR is not for strangers, who asked for mail
/// themselves and for whom nobody vouches (FIRST TLP 2.0).
#[must_use]
pub fn may_read(stranger: bool, tlp: Tlp) -> bool {
    tlp.is_clear() || !stranger
}

fn touches(wish: &Wish, content: &Touched<'_>) -> bool {
    let asked = wish.everything
        || content.platforms.iter().any(|id| wish.asks_for(id))
        || content.topics.iter().any(|topic| wish.topics.contains(topic));
    asked && said_by(wish, content)
}

/// Whether one of those who say it is one whom the recipient wants to hear, in each way in which it limits that.
fn said_by(wish: &Wish, content: &Touched<'_>) -> bool {
    let Some(origins) = content.origins else { return true };
    let keys = wish.only.keys();
    let heard = |dimension: &str| {
        let mut wanted = keys.iter().filter(|key| key.starts_with(dimension)).peekable();
        wanted.peek().is_none() || wanted.any(|key| origins.contains(key))
    };
    heard("publisher:") && heard("region:")
}

/// What is exploited passes every floor. An unknown severity passes medium and high: silence is not low.
fn above(floor: Floor, severity: Severity, exploited: bool) -> bool {
    exploited
        || match floor {
            Floor::All => true,
            Floor::Medium => severity == Severity::Unknown || severity >= Severity::Medium,
            Floor::High => severity == Severity::Unknown || severity >= Severity::High,
            Floor::Critical => severity == Severity::Critical,
            Floor::Exploited => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(floor: Floor) -> Wish {
        Wish {
            platforms: vec![PlatformId("veeam-vbr".into())],
            topics: vec![Topic::Msp],
            floor,
            instant: true,
            ..Wish::default()
        }
    }

    #[test]
    fn the_platform_decides_first_and_the_floor_second() {
        let veeam = [PlatformId("veeam-vbr".into())];
        let veeam = Touched { platforms: &veeam, ..Touched::default() };
        assert!(hears_at_once(&wish(Floor::High), Severity::High, false, &veeam));
        assert!(!hears_at_once(&wish(Floor::High), Severity::Medium, false, &veeam));
        assert!(!hears_at_once(
            &wish(Floor::All),
            Severity::Critical,
            true,
            &Touched { platforms: &[PlatformId("fortigate".into())], topics: &[Topic::Backup], origins: None }
        ));
    }

    #[test]
    fn a_topic_that_was_asked_for_reaches_whoever_runs_nothing_of_it() {
        let of = |topics| Touched { topics, ..Touched::default() };
        assert!(hears_at_once(&wish(Floor::High), Severity::High, false, &of(&[Topic::Msp])));
        assert!(!hears_at_once(&wish(Floor::High), Severity::High, false, &of(&[Topic::Backup])));
        assert!(!hears_at_once(&wish(Floor::High), Severity::Low, false, &of(&[Topic::Msp])));
    }

    #[test]
    fn exploitation_passes_every_floor_and_silence_about_severity_is_not_low() {
        let veeam = [PlatformId("veeam-vbr".into())];
        let veeam = Touched { platforms: &veeam, ..Touched::default() };
        for floor in Floor::ALL {
            assert!(hears_at_once(&wish(floor), Severity::Low, true, &veeam), "{floor}");
        }
        assert!(hears_at_once(&wish(Floor::High), Severity::Unknown, false, &veeam));
        assert!(!hears_at_once(&wish(Floor::Critical), Severity::Unknown, false, &veeam));
    }
}
