//! Facts: what the items of an advisory state, each with who states it, the most trusted first.
//!
//! The order of trust is [`crate::model::facts::Authority`]'s: the vendor's own data, the CVE record's CNA, its
//! authorized publishers, then the NVD and ratings in words. No rating at all is not a low one.

mod rating;
mod remedy;
mod versions;

use std::collections::BTreeSet;

use crate::model::draft::Draft;
use crate::model::facts::{Assessed, Facts, Origin, Stated};
use crate::model::text;

pub use rating::ratings;

/// Most weaknesses kept, and most sources that say that it is exploited.
const WEAKNESSES: usize = 8;
const SPEAKERS: usize = 6;
/// Longest statement of the vendor, in characters.
const STATEMENT: usize = 400;

/// The facts that `drafts`, in order of arrival, state. The same drafts give the same facts.
#[must_use]
pub fn of(drafts: &[Draft]) -> Facts {
    let ssvc = |draft: &Draft| Some(Assessed { ssvc: draft.item.ssvc.clone()?, by: origin(draft) });
    Facts {
        ratings: ratings(drafts),
        epss: None,
        ssvc: drafts.iter().find_map(ssvc),
        weaknesses: weaknesses(drafts),
        exploited_by: exploited_by(drafts),
        fix: remedy::fix(drafts),
        workaround: remedy::workaround(drafts),
        asked: remedy::asked(drafts),
        patch: remedy::patch(drafts),
        statement: drafts.iter().find(|draft| draft.vendor).and_then(statement),
        versions: versions::of(drafts),
    }
}

/// Who speaks in a draft: its source, and whoever speaks in that.
fn origin(draft: &Draft) -> Origin {
    let name = match &draft.item.speaker {
        Some(speaker) => format!("{speaker} ({})", draft.source_name),
        None => draft.source_name.clone(),
    };
    Origin { name, url: draft.item.url.clone().unwrap_or_default() }
}

/// The publisher of a draft, whoever speaks in it.
fn publisher(draft: &Draft) -> Origin {
    Origin { name: draft.source_name.clone(), url: draft.item.url.clone().unwrap_or_default() }
}

/// Whether a draft is a record of a vulnerability database: what stands in it is somebody else's statement.
fn is_record(draft: &Draft) -> bool {
    draft.item.speaker.is_some() || draft.item.scores.iter().any(|score| matches!(score.by.as_str(), "CNA" | "NVD"))
}

fn weaknesses(drafts: &[Draft]) -> Vec<Stated> {
    let mut seen = BTreeSet::new();
    let all = drafts.iter().flat_map(|draft| draft.item.weaknesses.iter().map(move |cwe| (cwe, draft)));
    all.filter(|(cwe, _)| seen.insert((*cwe).clone()))
        .take(WEAKNESSES)
        .map(|(cwe, draft)| Stated { text: cwe.clone(), by: origin(draft) })
        .collect()
}

fn exploited_by(drafts: &[Draft]) -> Vec<Origin> {
    let mut said: Vec<Origin> = Vec::new();
    // A catalog that repeats itself in several entries says it once.
    for by in drafts.iter().filter(|draft| draft.exploited).map(publisher) {
        if said.len() < SPEAKERS && !said.iter().any(|known| known.name == by.name) {
            said.push(by);
        }
    }
    said
}

fn statement(draft: &Draft) -> Option<Stated> {
    let words = text::one_line(&draft.item.text);
    (words.len() > draft.item.title.len())
        .then(|| Stated { text: text::truncate(&words, STATEMENT), by: origin(draft) })
}

#[cfg(test)]
mod tests;
