//! What speaks for each platform, gathered, and the tags that come of it.
//!
//! Rule: whatever else it is mentioned as, what is affected is affected; what is said of a vendor as a whole counts only where
//! none of its platforms is named.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Place;
use super::matcher::LEAST;
use crate::model::platform::{Evidence, PlatformId, Role, Tag};

/// The most evidence kept for one tag.
const EVIDENCE_MAX: usize = 8;

/// What matching needs to know of a platform.
pub(super) struct Entry {
    pub(super) id: PlatformId,
    pub(super) name: String,
    pub(super) vendor: String,
    /// Other products run on it.
    pub(super) host: bool,
    /// Attackers bring such tools along.
    pub(super) tool: bool,
    /// It stands for all that its vendor makes.
    pub(super) whole: bool,
    /// The entry that stands for its vendor as a whole.
    pub(super) covered_by: Option<Place>,
    /// Where its vendor's own advisories stand.
    pub(super) hosts: Vec<String>,
    /// The entry that gets this one's tags, where this is only another name of the same product.
    pub(super) same_as: Option<Place>,
}

/// Platforms in a role, with the evidence for it.
pub(super) type Cases = BTreeMap<(Place, Role), Case>;

/// Evidence gathered for a platform.
#[derive(Clone, Default)]
pub(super) struct Case {
    confidence: f64,
    /// With its own weight, for sorting.
    evidence: Vec<(f64, Evidence)>,
}

impl Case {
    /// Whether all that says it is a name for several products of the vendor, as the KEV catalog writes it.
    fn is_vague(&self) -> bool {
        self.evidence.iter().all(|(_, piece)| piece.alias.ends_with("Multiple Products"))
    }

    /// The evidence, the strongest first, each piece once.
    fn strongest(mut self) -> Vec<Evidence> {
        self.evidence.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.evidence.dedup_by(|a, b| a.1 == b.1);
        self.evidence.truncate(EVIDENCE_MAX);
        self.evidence.into_iter().map(|(_, evidence)| evidence).collect()
    }
}

/// Adds a piece of evidence of this weight.
pub(super) fn add(cases: &mut Cases, who: (Place, Role), weight: f64, evidence: Evidence) {
    let case = cases.entry(who).or_default();
    case.confidence = case.confidence.max(weight);
    // Enough to keep the strongest, and no more than a hostile text may make us hold.
    if case.evidence.len() < 4 * EVIDENCE_MAX {
        case.evidence.push((weight, evidence));
    }
}

/// The tags, in the order of their ids.
pub(super) fn tags(cases: Cases, platforms: &[Entry]) -> Vec<Tag> {
    let of = |place: Place| &platforms[usize::from(place)];
    let named: BTreeSet<&str> = cases
        .iter()
        .filter(|((place, role), case)| *role == Role::Affected && !of(*place).whole && !case.is_vague())
        .map(|((place, _), _)| of(*place).vendor.as_str())
        .collect();
    let mut tags: BTreeMap<&PlatformId, Tag> = BTreeMap::new();
    for ((place, role), case) in cases {
        let entry = of(place);
        // "Several products of the vendor" says nothing more where they are named.
        let general = entry.whole || case.is_vague();
        if case.confidence < LEAST || (general && named.contains(entry.vendor.as_str())) {
            continue;
        }
        let id = &entry.same_as.map_or(entry, of).id;
        let under = entry.covered_by.filter(|_| role == Role::Affected).map(|vendor| of(vendor).id.clone());
        let confidence = case.confidence;
        let tag = Tag { platform: id.clone(), role, under, confidence, evidence: case.strongest() };
        match tags.get_mut(id) {
            // Whatever it is mentioned as besides, it is affected.
            Some(kept) if (kept.role, -kept.confidence) <= (tag.role, -tag.confidence) => {}
            _ => drop(tags.insert(id, tag)),
        }
    }
    tags.into_values().collect()
}
