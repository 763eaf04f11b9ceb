//! Place: which advisory each cluster of items is, and what becomes of those that no longer have any.

use std::collections::{BTreeMap, BTreeSet};

use super::neighbors::Member;
use crate::model::advisory::{AdvisoryId, Content, Told};
use crate::pipeline::cluster::{Cluster, Reason};

/// A cluster of items with its advisory.
pub struct Placement<'a> {
    /// The advisory that it is; absent where one has to be opened.
    pub home: Option<AdvisoryId>,
    /// Its items, in order of arrival, each with why it is here.
    pub members: Vec<(&'a Member, &'a Reason)>,
    /// Other advisories from which items come.
    pub from: BTreeSet<AdvisoryId>,
}

impl Placement<'_> {
    /// Whether anything came or moves.
    pub fn is_touched(&self) -> bool {
        !self.from.is_empty() || self.members.iter().any(|(member, _)| member.came())
    }
}

/// The advisory of each cluster. An advisory goes with its oldest item; of several the oldest stays, and a cluster without
/// one gets a new one.
pub fn homes<'a>(members: &'a [Member], clusters: &'a [Cluster]) -> Vec<Placement<'a>> {
    let mut heirs: BTreeMap<&AdvisoryId, (i64, usize)> = BTreeMap::new();
    for (place, cluster) in clusters.iter().enumerate() {
        for member in cluster.members.iter().map(|(index, _)| &members[*index]) {
            if let (Some(id), Some(item)) = (&member.advisory, member.item) {
                // An operator's choice goes before age.
                let age = if member.node.pin.is_some() { item - i64::MAX } else { item };
                let heir = heirs.entry(id).or_insert((age, place));
                *heir = (*heir).min((age, place));
            }
        }
    }
    let mut placements: Vec<Placement<'a>> = Vec::with_capacity(clusters.len());
    for (place, cluster) in clusters.iter().enumerate() {
        let mut all: Vec<(&Member, &Reason)> =
            cluster.members.iter().map(|(index, why)| (&members[*index], why)).collect();
        // Stored ones by their number, then new ones as they came.
        all.sort_by_key(|(member, _)| member.item.unwrap_or(i64::MAX));
        let pinned = all.iter().find_map(|(member, _)| member.node.pin.clone());
        let inherited = heirs.iter().filter(|(_, (_, heir))| *heir == place).map(|(id, _)| (*id).clone());
        let home = pinned.or_else(|| inherited.min_by_key(AdvisoryId::number));
        let from = all
            .iter()
            .filter_map(|(member, _)| member.advisory.clone())
            .filter(|id| Some(id) != home.as_ref())
            .collect();
        placements.push(Placement { home, members: all, from });
    }
    placements
}

/// What has been told of two advisories that become one: to everybody who hears of the one that they make. Who heard of
/// one of them has not heard what only the other said, unless the same platforms were concerned.
pub fn told_of_both(one: &Content, other: &Content) -> Told {
    let (a, b) = (&one.told, &other.told);
    if a.platforms == b.platforms {
        return Told {
            severity: a.severity.max(b.severity),
            exploited: a.exploited || b.exploited,
            kev: a.kev || b.kev,
            ransomware: a.ransomware || b.ransomware,
            action: a.action || b.action,
            fix: a.fix || b.fix,
            workaround: a.workaround || b.workaround,
            likely: a.likely || b.likely,
            versions: a.versions.union(&b.versions).cloned().collect(),
            cves: a.cves.union(&b.cves).cloned().collect(),
            platforms: a.platforms.clone(),
            topics: a.topics.union(&b.topics).copied().collect(),
        };
    }
    if b.platforms.is_subset(&a.platforms) {
        return a.clone();
    }
    if a.platforms.is_subset(&b.platforms) {
        return b.clone();
    }
    Told {
        severity: a.severity.min(b.severity),
        exploited: a.exploited && b.exploited,
        kev: a.kev && b.kev,
        ransomware: a.ransomware && b.ransomware,
        action: a.action && b.action,
        fix: a.fix && b.fix,
        workaround: a.workaround && b.workaround,
        likely: a.likely && b.likely,
        versions: a.versions.union(&b.versions).cloned().collect(),
        cves: a.cves.intersection(&b.cves).cloned().collect(),
        platforms: a.platforms.union(&b.platforms).cloned().collect(),
        topics: a.topics.intersection(&b.topics).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::platform::PlatformId;
    use crate::model::severity::Severity;

    fn told(severity: Severity, exploited: bool, platforms: &[&str]) -> Content {
        let platforms = platforms.iter().map(|id| PlatformId((*id).to_owned())).collect();
        Content { told: Told { severity, exploited, platforms, ..Told::default() }, ..Content::default() }
    }

    #[test]
    fn what_both_told_the_same_people_is_told_and_what_one_told_some_is_not() {
        let (high, critical) = (told(Severity::High, false, &["a"]), told(Severity::Critical, true, &["a"]));
        let both = told_of_both(&high, &critical);
        assert_eq!((both.severity, both.exploited), (Severity::Critical, true));
        let apart = told_of_both(&told(Severity::High, false, &["a"]), &told(Severity::Critical, true, &["b"]));
        assert_eq!((apart.severity, apart.exploited, apart.platforms.len()), (Severity::High, false, 2));
        let wider = told_of_both(&told(Severity::High, false, &["a", "b"]), &told(Severity::Critical, true, &["b"]));
        assert_eq!((wider.severity, wider.exploited), (Severity::High, false), "those of a have not heard it");
    }
}
