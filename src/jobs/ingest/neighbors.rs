//! Neighbors: the stored items that decide, together with new ones, what is one advisory.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use crate::model::advisory::AdvisoryId;
use crate::model::draft::Draft;
use crate::pipeline::cluster::{Node, TITLE_DAYS, Title};
use crate::store::items::Known;
use crate::store::links::{self, Placed};
use crate::store::{StoreError, Tx};

/// Most stored items that are looked at beside those that came, and most steps from one to the next.
const MOST: usize = 2_000;
const STEPS: usize = 12;
/// Most titles of one stretch of days that are compared.
const TITLES: i64 = 5_000;

/// An item that came, or one that may belong with it.
pub struct Member {
    /// Its number, where it is stored.
    pub item: Option<i64>,
    /// The advisory in which it is, where it is stored.
    pub advisory: Option<AdvisoryId>,
    /// What it says, now.
    pub draft: Draft,
    /// As clustering sees it.
    pub node: Node,
    /// What was known of it, where it came and has changed.
    pub changed: Option<Known>,
}

impl Member {
    fn stored(placed: Placed) -> Self {
        let pin = placed.pinned.then(|| placed.advisory.clone());
        let node = Node::of(&placed.draft, pin);
        Self { item: Some(placed.item), advisory: Some(placed.advisory), draft: placed.draft, node, changed: None }
    }

    /// It came with this ingest.
    pub fn came(&self) -> bool {
        self.item.is_none() || self.changed.is_some()
    }
}

/// The drafts that came and, after them, every stored item that is linked with them, in however many steps.
///
/// # Errors
/// Fails where the database does.
pub fn load(tx: &mut Tx<'_>, came: Vec<(&Draft, Option<Known>)>) -> Result<Vec<Member>, StoreError> {
    let changed: BTreeSet<i64> = came.iter().filter_map(|(_, known)| Some(known.as_ref()?.id)).collect();
    let mut before: BTreeMap<i64, Placed> =
        links::load(tx, &changed)?.into_iter().map(|placed| (placed.item, placed)).collect();
    let mut members: Vec<Member> = Vec::with_capacity(came.len());
    let mut frontier: Vec<Node> = Vec::new();
    for (draft, known) in came {
        let placed = known.as_ref().and_then(|known| before.remove(&known.id));
        let pin = placed.as_ref().filter(|placed| placed.pinned).map(|placed| placed.advisory.clone());
        let mut draft = draft.clone();
        if let Some(known) = &known {
            draft.first_seen = known.first_seen;
        }
        if let Some(placed) = &placed {
            draft.remember(&placed.draft);
        }
        // What it was linked with before it changed may have to part from it.
        frontier.extend(placed.as_ref().map(|placed| Node::of(&placed.draft, None)));
        let node = Node::of(&draft, pin);
        frontier.push(node.clone());
        let item = known.as_ref().map(|known| known.id);
        members.push(Member { item, advisory: placed.map(|placed| placed.advisory), draft, node, changed: known });
    }
    let mut seen = changed;
    let mut homes: BTreeSet<AdvisoryId> = members.iter().filter_map(|member| member.advisory.clone()).collect();
    let limit = members.len() + MOST;
    for _ in 0..STEPS {
        let found = around(tx, &frontier, &homes, &seen)?;
        if found.is_empty() {
            return Ok(members);
        }
        seen.extend(&found);
        homes.clear();
        frontier.clear();
        for placed in links::load(tx, &found)? {
            let member = Member::stored(placed);
            homes.extend(member.advisory.clone());
            frontier.push(member.node.clone());
            members.push(member);
        }
        if members.len() > limit {
            break;
        }
    }
    warn!(items = members.len(), "So many items are linked that not all of them were compared");
    Ok(members)
}

/// The items that are linked with the nodes or in their advisories, and not yet seen.
fn around(
    tx: &mut Tx<'_>,
    nodes: &[Node],
    homes: &BTreeSet<AdvisoryId>,
    seen: &BTreeSet<i64>,
) -> Result<BTreeSet<i64>, StoreError> {
    let keys: BTreeSet<String> = nodes.iter().flat_map(Node::links).collect();
    let mut found = links::found(tx, &keys)?;
    found.extend(links::within(tx, homes)?);
    let mut titles: BTreeMap<i64, Vec<&Title>> = BTreeMap::new();
    for title in nodes.iter().filter_map(|node| node.title.as_ref()) {
        titles.entry(title.day).or_default().push(title);
    }
    let mut last = None;
    for day in titles.keys().copied() {
        // One look at each stretch of days.
        if last.is_some_and(|last| day <= last) {
            continue;
        }
        let end = day + 3 * TITLE_DAYS;
        last = Some(day + 2 * TITLE_DAYS);
        for other in links::titles(tx, day - TITLE_DAYS, end, TITLES)? {
            let stored = Title::stored(&other.words, other.day);
            let near = titles.range(other.day - TITLE_DAYS..=other.day + TITLE_DAYS);
            if near.flat_map(|(_, titles)| titles).any(|title| title.is_like(&stored)) {
                found.insert(other.item);
            }
        }
    }
    Ok(found.difference(seen).copied().collect())
}
