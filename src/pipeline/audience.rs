//! Audience: the rule of who hears of an event at once, as a plain function.
//!
//! Storage holds the same rule as a set-based statement; a property test keeps the two equal.

use crate::model::audience::{Floor, Wish};
use crate::model::platform::PlatformId;
use crate::model::severity::Severity;

/// Whether a recipient with this wish hears at once of an event with this severity, exploitation and platforms.
#[must_use]
pub fn hears_at_once(wish: &Wish, severity: Severity, exploited: bool, platforms: &[PlatformId]) -> bool {
    wish.instant && touches(wish, platforms) && above(wish.floor, severity, exploited)
}

/// Whether it goes into the recipient's digest. Without instant mail the floor holds for the digest itself.
#[must_use]
pub fn reads_in_digest(wish: &Wish, severity: Severity, exploited: bool, platforms: &[PlatformId]) -> bool {
    touches(wish, platforms) && (wish.instant || above(wish.floor, severity, exploited))
}

fn touches(wish: &Wish, platforms: &[PlatformId]) -> bool {
    wish.everything || platforms.iter().any(|id| wish.platforms.contains(id))
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
    use crate::model::audience::DigestSchedule;

    fn wish(floor: Floor) -> Wish {
        Wish {
            everything: false,
            platforms: vec![PlatformId("veeam-vbr".into())],
            floor,
            instant: true,
            digest: DigestSchedule::default(),
        }
    }

    #[test]
    fn the_platform_decides_first_and_the_floor_second() {
        let veeam = [PlatformId("veeam-vbr".into())];
        assert!(hears_at_once(&wish(Floor::High), Severity::High, false, &veeam));
        assert!(!hears_at_once(&wish(Floor::High), Severity::Medium, false, &veeam));
        assert!(!hears_at_once(&wish(Floor::All), Severity::Critical, true, &[PlatformId("fortigate".into())]));
    }

    #[test]
    fn exploitation_passes_every_floor_and_silence_about_severity_is_not_low() {
        let veeam = [PlatformId("veeam-vbr".into())];
        for floor in Floor::ALL {
            assert!(hears_at_once(&wish(floor), Severity::Low, true, &veeam), "{floor}");
        }
        assert!(hears_at_once(&wish(Floor::High), Severity::Unknown, false, &veeam));
        assert!(!hears_at_once(&wish(Floor::Critical), Severity::Unknown, false, &veeam));
    }
}
