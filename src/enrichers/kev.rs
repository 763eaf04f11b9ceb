//! CISA's Known Exploited Vulnerabilities catalog: a CVE that it lists is exploited, whoever else has said so.

use crate::model::advisory::Content;
use crate::model::item::KevFacts;

/// Lays the catalog's facts over `content`. Of several entries the earliest due date counts, and one known ransomware
/// use is enough.
pub fn apply(content: &mut Content, facts: &[(KevFacts, String)]) {
    for (kev, source) in facts {
        let exploitation = &mut content.exploitation;
        if !exploitation.exploited {
            exploitation.according_to.clone_from(source);
        }
        exploitation.exploited = true;
        exploitation.ransomware |= kev.ransomware;
        if content.action.is_empty() {
            content.action.clone_from(&kev.action);
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
    }
}
