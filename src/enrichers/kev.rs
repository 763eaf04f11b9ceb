//! CISA's Known Exploited Vulnerabilities catalog: a CVE that it lists is exploited, whoever else has said so.

use crate::model::advisory::Content;
use crate::model::facts::{Authority, Origin, Rating, Stated};
use crate::model::item::KevFacts;
use crate::model::severity::Severity;

/// The catalog, for people.
const PAGE: &str = "https://www.cisa.gov/known-exploited-vulnerabilities-catalog";
/// Most sources that are kept as saying that it is exploited.
const SPEAKERS: usize = 6;

/// Lays the catalog's facts over `content`. Of several entries the earliest due date counts, and one known ransomware
/// use is enough. Where nobody rates, being listed counts as high.
pub fn apply(content: &mut Content, facts: &[(KevFacts, String)]) {
    for (kev, source) in facts {
        let exploitation = &mut content.exploitation;
        if !exploitation.exploited {
            exploitation.according_to.clone_from(source);
        }
        exploitation.exploited = true;
        exploitation.ransomware |= kev.ransomware;
        let by = Origin { name: source.clone(), url: PAGE.to_owned() };
        if content.facts.asked.is_none() && !kev.action.is_empty() {
            content.facts.asked = Some(Stated { text: kev.action.clone(), by: by.clone() });
        }
        if content.action.is_empty() {
            content.action.clone_from(&kev.action);
        }
        let said = &mut content.facts.exploited_by;
        if said.len() < SPEAKERS && !said.iter().any(|known| known.name == by.name) {
            said.push(by.clone());
        }
        if content.severity == Severity::Unknown {
            content.severity = Severity::High;
            let rating = Rating { severity: Severity::High, score: None, authority: Authority::Kev, by };
            content.facts.ratings.push(rating);
        }
        match &mut exploitation.kev {
            Some(known) => {
                known.ransomware |= kev.ransomware;
                if !kev.due.is_empty() && (known.due.is_empty() || kev.due < known.due) {
                    known.due.clone_from(&kev.due);
                    known.added.clone_from(&kev.added);
                }
            }
            none => *none = Some(kev.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(due: &str, ransomware: bool) -> (KevFacts, String) {
        (
            KevFacts { added: "2026-01-01".into(), due: due.into(), ransomware, action: "Apply updates.".into() },
            "CISA KEV".into(),
        )
    }

    #[test]
    fn a_listed_cve_is_exploited_and_the_earliest_due_date_counts() {
        let mut content = Content::default();
        apply(&mut content, &[facts("2026-02-01", false), facts("2026-01-15", true)]);
        assert!(content.exploitation.exploited && content.exploitation.ransomware);
        assert_eq!(content.exploitation.according_to, "CISA KEV");
        let kev = content.exploitation.kev.expect("it is listed");
        assert_eq!((kev.due.as_str(), kev.ransomware), ("2026-01-15", true));
        assert_eq!(content.action, "Apply updates.");
        assert_eq!(content.severity, Severity::High, "nobody rates it, and attackers use it");
        assert_eq!(content.facts.rating().map(|rating| rating.authority), Some(Authority::Kev));
        assert_eq!(content.facts.exploited_by.len(), 1);
    }
}
