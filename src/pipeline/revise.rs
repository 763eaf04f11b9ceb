//! Revise: whether a change of an advisory is one that people should hear of, and in which words.

use crate::model::advisory::{Content, EventKind};
use crate::model::platform::PlatformId;
use crate::model::severity::Severity;

/// What changed between two states of an advisory, when people should hear of it.
/// A change of wording, of a date or of a source alone is none.
#[must_use]
pub fn event(old: &Content, new: &Content, name: &dyn Fn(&PlatformId) -> String) -> Option<(EventKind, Vec<String>)> {
    let escalations = escalations(old, new);
    let updates = updates(old, new, name);
    let corrections = corrections(old, new);
    let kind = if new.withdrawn && !old.withdrawn {
        EventKind::Withdrawn
    } else if !escalations.is_empty() {
        EventKind::Escalated
    } else if !updates.is_empty() {
        EventKind::Updated
    } else if !corrections.is_empty() {
        EventKind::Corrected
    } else {
        return None;
    };
    let withdrawn = (kind == EventKind::Withdrawn).then(|| "The publisher has withdrawn it".to_owned());
    Some((kind, withdrawn.into_iter().chain(escalations).chain(updates).chain(corrections).collect()))
}

fn escalations(old: &Content, new: &Content) -> Vec<String> {
    let mut reasons = Vec::new();
    let (was, is) = (&old.exploitation, &new.exploitation);
    if is.kev.is_some() && was.kev.is_none() {
        reasons.push("Now in CISA's catalog of known exploited vulnerabilities".to_owned());
    } else if is.exploited && !was.exploited {
        reasons.push(format!("Now known to be exploited, according to {}", is.according_to));
    }
    if is.ransomware && !was.ransomware {
        reasons.push("Now known to be used in ransomware campaigns".to_owned());
    }
    if new.severity > old.severity && (old.severity != Severity::Unknown || new.severity >= Severity::High) {
        reasons.push(match old.severity {
            Severity::Unknown => format!("Now rated {}", new.severity),
            before => format!("Severity raised from {before} to {}", new.severity),
        });
    }
    reasons
}

fn updates(old: &Content, new: &Content, name: &dyn Fn(&PlatformId) -> String) -> Vec<String> {
    let mut reasons = Vec::new();
    let cves: Vec<String> = new.cves.difference(&old.cves).map(ToString::to_string).collect();
    if !cves.is_empty() {
        reasons.push(format!("Also covers {}", few(&cves)));
    }
    let platforms: Vec<String> =
        new.platforms().filter(|id| !old.platforms().any(|known| known == *id)).map(name).collect();
    if !platforms.is_empty() {
        reasons.push(format!("Also touches {}", few(&platforms)));
    }
    if old.action.is_empty() && !new.action.is_empty() {
        reasons.push(format!("What to do is now stated: {}", new.action));
    }
    reasons
}

fn corrections(old: &Content, new: &Content) -> Vec<String> {
    let mut reasons = Vec::new();
    if old.exploitation.exploited && !new.exploitation.exploited {
        reasons.push("No source says any more that it is exploited".to_owned());
    }
    if old.severity >= Severity::High && new.severity < old.severity && new.severity != Severity::Unknown {
        reasons.push(format!("Severity lowered from {} to {}", old.severity, new.severity));
    }
    reasons
}

fn few(names: &[String]) -> String {
    match names.len() {
        0..=5 => names.join(", "),
        more => format!("{} and {} more", names[..5].join(", "), more - 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::advisory::Exploitation;
    use crate::model::item::KevFacts;

    fn told(old: &Content, new: &Content) -> Option<(EventKind, Vec<String>)> {
        event(old, new, &|id| id.0.clone())
    }

    #[test]
    fn wording_dates_and_references_are_no_event() {
        let old = Content { title: "A".into(), ..Content::default() };
        let new = Content {
            title: "B".into(),
            summary: "more words".into(),
            references: vec![crate::model::advisory::Reference::default()],
            ..Content::default()
        };
        assert_eq!(told(&old, &new), None);
    }

    #[test]
    fn an_entry_in_kev_escalates() {
        let old = Content::default();
        let exploitation = Exploitation { exploited: true, kev: Some(KevFacts::default()), ..Exploitation::default() };
        let new = Content { exploitation, ..Content::default() };
        let (kind, reasons) = told(&old, &new).expect("an event");
        assert_eq!(kind, EventKind::Escalated);
        assert_eq!(reasons, ["Now in CISA's catalog of known exploited vulnerabilities"]);
    }

    #[test]
    fn severity_up_is_told_once_and_a_first_low_rating_is_not() {
        let at = |severity| Content { severity, ..Content::default() };
        assert_eq!(told(&at(Severity::High), &at(Severity::Critical)).map(|e| e.0), Some(EventKind::Escalated));
        assert_eq!(told(&at(Severity::Unknown), &at(Severity::Low)), None);
        assert_eq!(told(&at(Severity::Unknown), &at(Severity::Critical)).map(|e| e.0), Some(EventKind::Escalated));
        assert_eq!(told(&at(Severity::High), &at(Severity::Medium)).map(|e| e.0), Some(EventKind::Corrected));
    }

    #[test]
    fn a_fix_that_appears_is_an_update() {
        let old = Content::default();
        let new = Content { action: "Upgrade to 2.0".into(), ..Content::default() };
        assert_eq!(
            told(&old, &new),
            Some((EventKind::Updated, vec!["What to do is now stated: Upgrade to 2.0".to_owned()]))
        );
    }
}
