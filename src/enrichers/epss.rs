//! FIRST's Exploit Prediction Scoring System: of an advisory's CVE ids the likeliest to be exploited counts.

use crate::model::advisory::Content;
use crate::model::facts::Epss;

/// Lays the highest score over `content`; of equals the one of the lowest CVE id.
pub fn apply(content: &mut Content, scores: &[Epss]) {
    let more = |a: &&Epss, b: &&Epss| a.score.total_cmp(&b.score).then_with(|| b.cve.cmp(&a.cve));
    content.facts.epss = scores.iter().max_by(more).cloned();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_of_several_counts() {
        let score = |cve: &str, score| Epss { cve: cve.into(), score, ..Epss::default() };
        let mut content = Content::default();
        apply(&mut content, &[score("CVE-2026-0002", 0.7), score("CVE-2026-0001", 0.7), score("CVE-2026-0003", 0.1)]);
        assert_eq!(content.facts.epss.as_ref().map(|epss| epss.cve.as_str()), Some("CVE-2026-0001"));
        assert!(content.facts.likely());
        apply(&mut content, &[]);
        assert_eq!(content.facts.epss, None);
    }
}
