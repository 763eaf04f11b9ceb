//! Blocks: items that are one publication, and the unions of blocks.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{MANY, Node, family, fits};
use super::partition::Reason;
use crate::model::advisory::AdvisoryId;
use crate::model::cve::CveId;

/// Items that belong together so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub members: Vec<(usize, Reason)>,
    pub ids: BTreeSet<String>,
    pub cves: BTreeSet<CveId>,
    pub round_up: bool,
    pub vendors: BTreeSet<String>,
    pub products: BTreeSet<String>,
    pub rank: u8,
    pub key: String,
    pub pin: Option<AdvisoryId>,
}

impl Block {
    fn of(index: usize, node: &Node) -> Self {
        Self {
            members: vec![(index, Reason::First)],
            ids: node.ids.clone(),
            cves: node.cves.clone(),
            round_up: node.round_up,
            vendors: node.vendors.clone(),
            products: node.products.clone(),
            rank: node.rank,
            key: node.key.clone(),
            pin: node.pin.clone(),
        }
    }

    /// Its CVE ids say what it is about.
    pub fn is_open(&self) -> bool {
        !self.round_up && !self.cves.is_empty() && self.cves.len() <= MANY
    }

    /// The order in which blocks are looked at: the nearest to the fact first.
    pub fn order(&self) -> (u8, &str) {
        (self.rank, &self.key)
    }

    /// Whether their publisher, or an operator, holds them apart: two ids of one series, or two advisories.
    pub fn is_held_apart(&self, other: &Self) -> bool {
        let pinned = matches!((&self.pin, &other.pin), (Some(one), Some(two)) if one != two);
        pinned || (self.ids.is_disjoint(&other.ids) && self.shares_a_series(other))
    }

    fn shares_a_series(&self, other: &Self) -> bool {
        let series: BTreeSet<String> = self.ids.iter().map(|id| family(id)).collect();
        other.ids.iter().any(|id| series.contains(&family(id)))
    }

    /// Whether nothing speaks against their being one event.
    pub fn fits(&self, other: &Self) -> bool {
        !self.is_held_apart(other) && fits((&self.vendors, &self.products), (&other.vendors, &other.products))
    }

    /// Takes `other` in, whose items join for `reason`.
    pub fn absorb(&mut self, other: Self, reason: &Reason) {
        for (index, before) in other.members {
            self.members.push((index, if before == Reason::First { reason.clone() } else { before }));
        }
        self.ids.extend(other.ids);
        self.cves.extend(other.cves);
        self.round_up |= other.round_up;
        self.vendors.extend(other.vendors);
        self.products.extend(other.products);
        if other.rank < self.rank {
            self.rank = other.rank;
        }
        if other.key < self.key {
            self.key = other.key;
        }
        self.pin = self.pin.take().or(other.pin);
    }
}

/// Items under one advisory id, or put together by an operator, as blocks in order.
pub(super) fn publications(nodes: &[Node]) -> Vec<Block> {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by(|a, b| nodes[*a].key.cmp(&nodes[*b].key));
    // What an operator has placed comes first, so that what has no place yet follows it.
    order.sort_by_key(|index| nodes[*index].pin.is_none());
    let mut unions = Unions::new(order.iter().map(|index| Block::of(*index, &nodes[*index])).collect());
    let mut by_pin: BTreeMap<&AdvisoryId, usize> = BTreeMap::new();
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, index) in order.iter().enumerate() {
        let node = &nodes[*index];
        if let Some(pin) = &node.pin {
            match by_pin.get(pin) {
                Some(first) => drop(unions.join(*first, place, &Reason::ByHand)),
                None => drop(by_pin.insert(pin, place)),
            }
        }
        for id in &node.ids {
            match by_id.get(id.as_str()) {
                Some(first) => drop(unions.join(*first, place, &Reason::SameId(id.clone()))),
                None => drop(by_id.insert(id, place)),
            }
        }
    }
    let mut blocks = unions.finish();
    blocks.sort_by(|a, b| a.order().cmp(&b.order()));
    blocks
}

/// Blocks on their way to becoming clusters.
pub(super) struct Unions {
    blocks: Vec<Option<Block>>,
    parent: Vec<usize>,
}

impl Unions {
    pub fn new(blocks: Vec<Block>) -> Self {
        Self { parent: (0..blocks.len()).collect(), blocks: blocks.into_iter().map(Some).collect() }
    }

    pub fn root(&mut self, mut index: usize) -> usize {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }

    /// The block that `index` is part of now.
    pub fn get(&mut self, index: usize) -> &Block {
        let root = self.root(index);
        self.blocks[root].as_ref().expect("a root holds its block")
    }

    /// Joins the block of `other` to that of `to`, unless they are held apart. Gives whether they are one now.
    pub fn join(&mut self, to: usize, other: usize, reason: &Reason) -> bool {
        let (to, other) = (self.root(to), self.root(other));
        if to == other {
            return true;
        }
        let (Some(one), Some(two)) = (&self.blocks[to], &self.blocks[other]) else { return false };
        if one.is_held_apart(two) {
            return false;
        }
        self.parent[other] = to;
        if let Some(taken) = self.blocks[other].take()
            && let Some(block) = &mut self.blocks[to]
        {
            block.absorb(taken, reason);
        }
        true
    }

    pub fn finish(self) -> Vec<Block> {
        self.blocks.into_iter().flatten().collect()
    }
}
