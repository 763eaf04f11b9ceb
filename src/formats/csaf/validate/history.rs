//! Tests of the revision history and of the version of a document (section 3.1.11).
//!
//! Dates are compared in time, whatever their zones; entries whose date or number cannot be read are left out, as the
//! schema has said so already.

use std::collections::HashSet;

use super::Fault;
use super::facts::{Facts, Revision, list};

fn at(revision: &Revision<'_>, why: impl Into<String>) -> Fault {
    Fault::here(why).below("number").below(revision.at).below("revision_history").below("tracking").below("document")
}

fn at_version(why: impl Into<String>) -> Fault {
    Fault::at("/document/tracking/version", why)
}

/// 6.1.14: by date, the numbers go up.
pub fn sorted(facts: &Facts<'_>) -> Option<Fault> {
    let pairs = facts.revisions.windows(2);
    let mut pairs = pairs.filter(|pair| pair[0].number.semantic == pair[1].number.semantic);
    let pair = pairs.find(|pair| pair[1].number.order(&pair[0].number).is_lt())?;
    Some(at(&pair[1], format!("{} is newer than {} by its date", pair[1].written, pair[0].written)))
}

/// 6.1.16: the newest entry is of the version of the document; for a draft, what stands behind a hyphen may differ.
pub fn latest(facts: &Facts<'_>) -> Option<Fault> {
    let (last, version) = (facts.revisions.last()?, facts.number()?);
    let same = last.number.same_release(&version) && (last.number.pre == version.pre || facts.status == "draft");
    (!same).then(|| at_version(format!("the newest revision is {}", last.written)))
}

/// 6.1.17: versions before the first release are of drafts.
pub fn draft(facts: &Facts<'_>) -> Option<Fault> {
    let version = facts.number()?;
    let early = version.is_zero() || !version.pre.is_empty();
    (early && facts.is_released())
        .then(|| at_version(format!("a version for drafts, and the status '{}'", facts.status)))
}

/// 6.1.18: what is released has no revision from before.
pub fn released(facts: &Facts<'_>) -> Option<Fault> {
    let early = facts.revisions.iter().filter(|_| facts.is_released()).find(|revision| revision.number.is_zero())?;
    Some(at(early, "a revision from before the first release"))
}

/// 6.1.19: no revision is a pre-release.
pub fn no_pre_release(facts: &Facts<'_>) -> Option<Fault> {
    let early = facts.revisions.iter().find(|revision| !revision.number.pre.is_empty())?;
    Some(at(early, format!("{} is a pre-release", early.written)))
}

/// 6.1.20: what is released is not a pre-release.
pub fn released_version(facts: &Facts<'_>) -> Option<Fault> {
    let pre = !facts.number()?.pre.is_empty();
    (pre && facts.is_released()).then(|| at_version(format!("a pre-release, and the status '{}'", facts.status)))
}

/// 6.1.21: the history begins with 0 or 1 and leaves out no number, of semantic versions no major one.
pub fn gaps(facts: &Facts<'_>) -> Option<Fault> {
    let first = facts.revisions.first()?;
    // An entry that cannot be read may be the one that is missing.
    if facts.revisions.len() < list(facts.tracking(), "revision_history").len() {
        return None;
    }
    if first.number.major() > 1 {
        return Some(at(first, format!("the history begins with {}", first.written)));
    }
    let missing = |pair: &&[Revision<'_>]| {
        let [before, after] = [&pair[0], &pair[1]].map(|revision| revision.number.major());
        after > before.saturating_add(1)
    };
    let pair = facts.revisions.windows(2).find(missing)?;
    Some(at(&pair[1], format!("there is nothing between {} and {}", pair[0].written, pair[1].written)))
}

/// 6.1.22: no number is used twice.
pub fn twice(facts: &Facts<'_>) -> Option<Fault> {
    let mut seen = HashSet::new();
    let again = facts.revisions.iter().find(|revision| !seen.insert(revision.written))?;
    Some(at(again, format!("{} is there again", again.written)))
}

/// 6.1.30: whole numbers and semantic versions are not mixed.
pub fn mixed(facts: &Facts<'_>) -> Option<Fault> {
    let semantic = facts.number()?.semantic;
    let other = facts.revisions.iter().find(|revision| revision.number.semantic != semantic)?;
    Some(at(other, "whole numbers and semantic versions are mixed"))
}
