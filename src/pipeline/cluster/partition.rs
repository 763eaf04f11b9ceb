//! Partition: which items are one advisory.
//!
//! 1. **One publication**: items under one advisory id (CSAF tracking id, FG-IR, ICSA, GHSA ...), wherever they stood.
//! 2. **One flaw**: publications about the same set of CVE ids.
//! 3. **A part**: a publication whose CVE ids are all among those of a wider one joins the narrowest of those, as the
//!    record of a CVE joins its vendor's bulletin.
//! 4. **A reference**: a text that names one other publication, and says nothing that is against it.
//! 5. **A title**: alerts without CVE ids, of different publishers, close in time and alike in words.
//!
//! Against these stand: a round-up joins nothing by its CVE ids; two ids of one publisher's series are two advisories; and
//! structured data that names different vendors holds a shared component's flaw apart from each product that has it.

use std::collections::BTreeMap;
use std::fmt;

use super::block::{Block, Unions, publications};
use super::node::Node;
use super::title::DAYS;
use crate::model::cve::CveId;

/// Why an item is in its advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the one that the others joined.
    First,
    /// It bears the same advisory id.
    SameId(String),
    /// It is about the same CVE ids.
    SameCves,
    /// Its CVE ids are all among those of the others.
    PartOf,
    /// It refers to them, or they to it, and to nothing else.
    Refers(String),
    /// It has their title, in the same days, by another publisher.
    SameTitle,
    /// An operator put it there.
    ByHand,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("the first of it"),
            Self::SameId(id) => write!(f, "it bears the id {id}"),
            Self::SameCves => f.write_str("it is about the same CVE ids"),
            Self::PartOf => f.write_str("its CVE ids are all among those of a wider advisory"),
            Self::Refers(to) => {
                write!(f, "the one refers to {}", to.split_once(':').map_or(to.as_str(), |(_, name)| name))
            }
            Self::SameTitle => f.write_str("another publisher's alert with this title, in the same days"),
            Self::ByHand => f.write_str("put there by hand"),
        }
    }
}

/// Items that are one advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Their places in the list that was given, ascending, each with why it is here.
    pub members: Vec<(usize, Reason)>,
}

/// The advisories that `nodes` make. Whatever the order of the nodes, the same ones come together.
#[must_use]
pub fn partition(nodes: &[Node]) -> Vec<Cluster> {
    let blocks = one_flaw(publications(nodes));
    let mut unions = Unions::new(blocks.clone());
    parts(&blocks, &mut unions);
    references(nodes, &blocks, &mut unions);
    titles(nodes, &blocks, &mut unions);
    let mut clusters: Vec<Cluster> = unions
        .finish()
        .into_iter()
        .map(|block| {
            let mut members = block.members;
            members.sort_by_key(|(index, _)| *index);
            Cluster { members }
        })
        .collect();
    clusters.sort_by_key(|cluster| cluster.members.first().map(|(index, _)| *index));
    clusters
}

/// Joins what is about the same set of CVE ids. Each block, the nearest to the fact first, joins the first that it fits.
fn one_flaw(blocks: Vec<Block>) -> Vec<Block> {
    let mut leaders: Vec<Block> = Vec::with_capacity(blocks.len());
    let mut by_cves: BTreeMap<Vec<CveId>, Vec<usize>> = BTreeMap::new();
    for block in blocks {
        if !block.is_open() {
            leaders.push(block);
            continue;
        }
        let places = by_cves.entry(block.cves.iter().cloned().collect()).or_default();
        match places.iter().find(|place| leaders[**place].fits(&block)) {
            Some(place) => leaders[*place].absorb(block, &Reason::SameCves),
            None => {
                places.push(leaders.len());
                leaders.push(block);
            }
        }
    }
    leaders
}

/// Joins each block to the narrowest wider one.
fn parts(blocks: &[Block], unions: &mut Unions) {
    let mut by_cve: BTreeMap<&CveId, Vec<usize>> = BTreeMap::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.is_open()) {
        for cve in &block.cves {
            by_cve.entry(cve).or_default().push(index);
        }
    }
    let gathers: Vec<bool> = blocks.iter().map(|block| gathers(block, blocks, &by_cve)).collect();
    let mut order: Vec<usize> = (0..blocks.len()).filter(|index| blocks[*index].is_open()).collect();
    order.sort_by_key(|index| (blocks[*index].cves.len(), blocks[*index].order()));
    for index in order {
        let block = &blocks[index];
        let Some(near) = block.cves.first().and_then(|cve| by_cve.get(cve)) else { continue };
        let mut wider: Vec<usize> = near.iter().copied().filter(|place| is_part(block, &blocks[*place])).collect();
        wider.retain(|place| !gathers[*place] && block.fits(&blocks[*place]));
        wider.sort_by_key(|place| (blocks[*place].cves.len(), blocks[*place].order()));
        if !gathers[index] {
            let _ = wider.into_iter().any(|place| unions.join(place, index, &Reason::PartOf));
        }
    }
}

fn is_part(block: &Block, of: &Block) -> bool {
    block.cves.len() < of.cves.len() && block.cves.is_subset(&of.cves)
}

/// Whether a block gathers several events, though it does not say so: parts of it are held apart by their publishers, or
/// are of different vendors.
fn gathers(block: &Block, blocks: &[Block], by_cve: &BTreeMap<&CveId, Vec<usize>>) -> bool {
    if !block.is_open() || block.cves.len() < 2 {
        return false;
    }
    let mut within: Vec<usize> = block.cves.iter().filter_map(|cve| by_cve.get(cve)).flatten().copied().collect();
    within.sort_unstable();
    within.dedup();
    within.retain(|place| is_part(&blocks[*place], block) && blocks[*place].fits(block));
    within.iter().enumerate().any(|(at, one)| within[at + 1..].iter().any(|two| !blocks[*one].fits(&blocks[*two])))
}

/// Joins what refers to one other publication, and what stands on the same page.
fn references(nodes: &[Node], blocks: &[Block], unions: &mut Unions) {
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for (place, block) in blocks.iter().enumerate() {
        for id in &block.ids {
            owners.entry(format!("id:{id}")).or_insert(place);
        }
        for url in block.members.iter().filter_map(|(index, _)| nodes[*index].url.as_ref()) {
            owners.entry(format!("url:{url}")).or_insert(place);
        }
    }
    for (place, block) in blocks.iter().enumerate() {
        let mut named: Vec<String> =
            block.members.iter().filter_map(|(index, _)| nodes[*index].refers_to.clone()).collect();
        named.extend(
            block.members.iter().filter_map(|(index, _)| nodes[*index].url.as_ref()).map(|url| format!("url:{url}")),
        );
        named.sort_unstable();
        named.dedup();
        for link in named {
            let Some(owner) = owners.get(&link).copied().filter(|owner| *owner != place) else { continue };
            let (one, two) = (unions.get(place).clone(), unions.get(owner).clone());
            if one.fits(&two) && agree(&one, &two) {
                unions.join(owner, place, &Reason::Refers(link));
            }
        }
    }
}

/// Whether the CVE ids of two blocks can be those of one event.
fn agree(one: &Block, two: &Block) -> bool {
    let silent = |block: &Block| block.cves.is_empty() && !block.round_up;
    let both = one.is_open() && two.is_open();
    let nested = one.cves.is_subset(&two.cves) || two.cves.is_subset(&one.cves);
    silent(one) || silent(two) || (nested && (both || one.cves == two.cves))
}

/// Joins alerts that have a title in common and no CVE ids, or, as copies of one round-up, exactly the same ones.
fn titles(nodes: &[Node], blocks: &[Block], unions: &mut Unions) {
    let mut titled: Vec<(i64, &str, usize, usize)> = Vec::new();
    for (place, block) in blocks.iter().enumerate().filter(|(_, block)| !block.is_open()) {
        let days = block.members.iter().filter_map(|(index, _)| Some((nodes[*index].title.as_ref()?.day, *index)));
        titled.extend(days.map(|(day, index)| (day, nodes[index].key.as_str(), place, index)));
    }
    titled.sort_unstable();
    for (at, (day, _, place, index)) in titled.iter().enumerate() {
        let near = titled[at + 1..].iter().take_while(|(later, ..)| later - day <= DAYS);
        for (_, _, other, copy) in near {
            if blocks[*place].cves == blocks[*other].cves && is_copy(&nodes[*index], &nodes[*copy]) {
                unions.join(*place, *other, &Reason::SameTitle);
            }
        }
    }
}

fn is_copy(one: &Node, two: &Node) -> bool {
    let titles = one.title.as_ref().zip(two.title.as_ref());
    one.publisher != two.publisher && titles.is_some_and(|(one, two)| one.is_like(two))
}

#[cfg(test)]
mod tests;
