//! Ratings: who says how bad it is, in the order of trust.

use super::{is_record, origin, publisher};
use crate::model::draft::Draft;
use crate::model::facts::{Authority, Origin, Rating};
use crate::model::item::Score;
use crate::model::severity::Severity;

/// Most ratings kept.
const RATINGS: usize = 6;

/// The ratings in `drafts`: one for each who rates, the most trusted first; of equals the highest, then the first to come.
/// The first one counts (CSAF 2.1 section 9.1.11 within one publisher: its own rating, the highest).
#[must_use]
pub fn ratings(drafts: &[Draft]) -> Vec<Rating> {
    let mut all: Vec<Rating> = drafts.iter().flat_map(of_draft).collect();
    all.sort_by(|a, b| a.authority.cmp(&b.authority).then(b.severity.cmp(&a.severity)));
    let mut kept: Vec<Rating> = Vec::new();
    for rating in all {
        let known = kept.iter().any(|known| known.authority == rating.authority && known.by.name == rating.by.name);
        if !known && kept.len() < RATINGS {
            kept.push(rating);
        }
    }
    kept
}

fn of_draft(draft: &Draft) -> Vec<Rating> {
    let mut ratings: Vec<Rating> = Vec::new();
    for score in &draft.item.scores {
        let (authority, by) = who(draft, score);
        let rating = Rating { severity: Severity::from_cvss(score.base), score: Some(score.clone()), authority, by };
        // Its highest; of equals the newest version of CVSS.
        let same = ratings.iter_mut().find(|known| known.authority == authority && known.by == rating.by);
        match same {
            Some(known) if is_more(score, known.score.as_ref()) => *known = rating,
            Some(_) => {}
            None => ratings.push(rating),
        }
    }
    if draft.vendor
        && let Some(severity) = draft.item.severity.filter(|rated| *rated != Severity::Unknown)
    {
        // A vendor's own word for its own product goes before the number beside it.
        match ratings.iter_mut().find(|known| known.authority == Authority::Vendor) {
            Some(own) => own.severity = severity,
            None => ratings.push(Rating { severity, score: None, authority: Authority::Vendor, by: origin(draft) }),
        }
    }
    if ratings.is_empty() && draft.severity != Severity::Unknown {
        ratings.push(Rating {
            severity: draft.severity,
            score: None,
            authority: Authority::Other,
            by: publisher(draft),
        });
    }
    ratings
}

fn is_more(score: &Score, known: Option<&Score>) -> bool {
    known.is_none_or(|known| score.base > known.base || (score.base == known.base && score.version > known.version))
}

/// How far a score is believed, and who states it.
fn who(draft: &Draft, score: &Score) -> (Authority, Origin) {
    let url = draft.item.url.clone().unwrap_or_default();
    match score.by.as_str() {
        "CNA" => (Authority::Cna, origin(draft)),
        "ADP" => (Authority::Adp, Origin { name: "CISA and other data publishers of the CVE program".to_owned(), url }),
        "NVD" => (Authority::Other, Origin { name: "NVD".to_owned(), url }),
        "" if draft.vendor && !is_record(draft) => (Authority::Vendor, origin(draft)),
        "" => (Authority::Other, publisher(draft)),
        other => (Authority::Other, Origin { name: other.to_owned(), url }),
    }
}
