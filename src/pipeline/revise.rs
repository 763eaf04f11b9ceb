//! Revise: whether a change of an advisory is one that people should hear of, and in which words.

use crate::model::advisory::{Content, EventKind, Told};
use crate::model::facts::{Authority, Stated, Versions};
use crate::model::platform::PlatformId;
use crate::model::severity::Severity;
use crate::model::text;
use crate::model::topic::{About, Topic};

/// What is new in `new`, when people should hear of it; and what has been told from then on.
///
/// A change of wording, of a date or of a source is no news; neither is what goes away and comes back.
#[must_use]
pub fn event(
    old: &Content,
    new: &Content,
    name: &dyn Fn(&PlatformId) -> String,
) -> (Option<(EventKind, Vec<String>)>, Told) {
    let told = &old.told;
    match (old.quiet, new.quiet) {
        (_, true) => return (None, told.clone()),
        // What was said not to concern anybody does after all.
        (true, false) if !new.withdrawn => {
            return (Some((EventKind::Published, Vec::new())), new.added_to(told.clone()));
        }
        _ => {}
    }
    let escalations = escalations(told, new);
    let updates = updates(told, new, name);
    let correction = correction(old, new);
    let mut after = new.added_to(told.clone());
    if correction.is_some() {
        // Once it is told that the rating was too high, a rise is news again.
        after.severity = new.severity;
    }
    let kind = if new.withdrawn && !old.withdrawn {
        EventKind::Withdrawn
    } else if !escalations.is_empty() {
        EventKind::Escalated
    } else if !updates.is_empty() {
        EventKind::Updated
    } else if correction.is_some() {
        EventKind::Corrected
    } else {
        return (None, after);
    };
    let withdrawn = (kind == EventKind::Withdrawn).then(|| "The publisher has withdrawn it".to_owned());
    (Some((kind, withdrawn.into_iter().chain(escalations).chain(updates).chain(correction).collect())), after)
}

fn escalations(told: &Told, new: &Content) -> Vec<String> {
    let mut reasons = Vec::new();
    let is = &new.exploitation;
    if is.kev.is_some() && !told.kev {
        reasons.push("Now in CISA's catalog of known exploited vulnerabilities".to_owned());
    } else if is.exploited && !told.exploited {
        reasons.push(format!("Now known to be exploited, according to {}", is.according_to));
    } else if !is.exploited
        && !told.likely
        && let Some(epss) = new.facts.epss.as_ref().filter(|_| new.facts.likely())
    {
        let percent = (epss.score * 100.0).round();
        reasons.push(format!(
            "Exploitation within 30 days is now more likely than not: {percent:.0} % for {}, according to FIRST's EPSS of {}",
            epss.cve, epss.day
        ));
    }
    if is.ransomware && !told.ransomware {
        reasons.push("Now known to be used in ransomware campaigns".to_owned());
    }
    if new.severity > told.severity && (told.severity != Severity::Unknown || new.severity >= Severity::High) {
        let what = match told.severity {
            Severity::Unknown => format!("Now rated {}", new.severity),
            before => format!("Severity raised from {before} to {}", new.severity),
        };
        match new.facts.rating() {
            // It says so already that it is in the catalog.
            Some(rating) if rating.authority == Authority::Kev => {}
            Some(rating) => reasons.push(format!("{what}, according to {}", rating.by.name)),
            None => reasons.push(what),
        }
    }
    reasons
}

fn updates(told: &Told, new: &Content, name: &dyn Fn(&PlatformId) -> String) -> Vec<String> {
    let mut reasons = Vec::new();
    let cves: Vec<String> = new.cves.difference(&told.cves).map(ToString::to_string).collect();
    if !cves.is_empty() {
        reasons.push(format!("Also covers {}", few(&cves)));
    }
    let platforms: Vec<String> = new.platforms().filter(|id| !told.platforms.contains(id)).map(name).collect();
    if !platforms.is_empty() {
        reasons.push(format!("Also touches {}", few(&platforms)));
    }
    let is_msp = |about: &About| about.topic == Topic::Msp;
    if new.topics.iter().any(is_msp) && !told.topics.contains(&Topic::Msp) {
        reasons.push(format!("It is about {} too", Topic::Msp.name()));
    }
    let said = |what: &str, said: &Stated| format!("{what}, according to {}: {}", said.by.name, said.text);
    match (&new.facts.fix, &new.facts.workaround) {
        (Some(fix), _) if !told.fix => reasons.push(said("A fix is out", fix)),
        // Whoever has the fix needs no other help.
        (_, Some(around)) if !told.workaround && !told.fix => reasons.push(said("There is help without a fix", around)),
        _ if !told.action && !new.action.is_empty() => {
            reasons.push(format!("What to do is now stated: {}", new.action));
        }
        _ => {}
    }
    reasons.extend(versions(told, new));
    reasons
}

/// What whoever is trusted says now of versions of which it said something else before, where the product is one of the
/// platforms touched. That somebody states versions at all, or that the NVD does, is no news.
fn versions(told: &Told, new: &Content) -> Option<String> {
    let evidence: Vec<String> =
        new.affected().flat_map(|tag| &tag.evidence).map(|piece| text::fold(&piece.alias)).collect();
    let is_touched = |one: &Versions| {
        let product = text::fold(&one.product);
        evidence.iter().any(|alias| !alias.is_empty() && product.contains(alias.as_str()))
    };
    let is_changed = |one: &&Versions| {
        one.authority <= Authority::Cna
            && told.versions.iter().any(|known| known.starts_with(&one.key()))
            && !told.versions.contains(&one.statement())
    };
    let changed: Vec<String> =
        new.facts.versions.iter().filter(is_changed).filter(|one| is_touched(one)).map(worded).collect();
    (!changed.is_empty()).then(|| format!("Versions are stated anew: {}", few(&changed)))
}

fn worded(one: &Versions) -> String {
    let part = |word: &str, list: &str| {
        if list.is_empty() { String::new() } else { format!(", {word}: {}", text::truncate(list, 120)) }
    };
    format!("{}{}{}", one.product, part("affected", &one.affected), part("fixed", &one.fixed))
}

/// A rating that was high and is lowered by whoever gave it. One that is merely no longer stated, or that somebody else
/// gives, corrects nothing.
fn correction(old: &Content, new: &Content) -> Option<String> {
    let told = old.told.severity;
    let lowered = told >= Severity::High && new.severity < told && new.severity != Severity::Unknown;
    let by = |content: &Content| content.facts.rating().map(|rating| (rating.authority, rating.by.name.clone()));
    (lowered && by(old) == by(new)).then(|| match by(new) {
        Some((_, by)) => format!("Severity lowered from {told} to {}, according to {by}", new.severity),
        None => format!("Severity lowered from {told} to {}", new.severity),
    })
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
        let old = Content { told: old.added_to(Told::default()), ..old.clone() };
        event(&old, new, &|id| id.0.clone()).0
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

    #[test]
    fn what_goes_away_and_comes_back_is_told_once() {
        let name = |id: &PlatformId| id.0.clone();
        let quiet = Content::default();
        let loud = Content {
            severity: Severity::Critical,
            cves: crate::model::cve::CveId::find_all("CVE-2026-0001"),
            exploitation: Exploitation { exploited: true, ..Exploitation::default() },
            ..Content::default()
        };
        let (first, after) = event(&quiet, &loud, &name);
        assert!(first.is_some());
        let loud_again = Content { told: after, ..loud.clone() };
        let (gone, after) = event(&loud_again, &quiet, &name);
        assert_eq!(gone, None, "a statement that is merely missing corrects nothing");
        let (back, _) = event(&Content { told: after, ..quiet }, &loud, &name);
        assert_eq!(back, None);
    }

    #[test]
    fn after_a_correction_a_rise_is_news_again() {
        let name = |id: &PlatformId| id.0.clone();
        let at = |severity, told| Content { severity, told, ..Content::default() };
        let told = at(Severity::Critical, Told::default()).added_to(Told::default());
        let (lowered, after) = event(&at(Severity::Critical, told), &at(Severity::Medium, Told::default()), &name);
        assert_eq!(lowered.map(|event| event.0), Some(EventKind::Corrected));
        let (raised, _) = event(&at(Severity::Medium, after), &at(Severity::Critical, Told::default()), &name);
        assert_eq!(raised.map(|event| event.0), Some(EventKind::Escalated));
    }
}
