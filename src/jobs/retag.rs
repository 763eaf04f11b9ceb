//! Retag: what is stored is tagged anew, after the catalog has changed. Nobody is mailed about any of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, ingest};
use crate::model::advisory::AdvisoryId;
use crate::model::draft::Draft;
use crate::model::platform::{PlatformId, Role};
use crate::pipeline::tag;
use crate::store::{StoreError, Tx, counters, items};

/// Items in one transaction.
const PAGE: i64 = 500;
/// Changes that are told one by one.
const TOLD: usize = 1_000;

/// A platform that an advisory's item touches from now on, or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The advisory.
    pub advisory: AdvisoryId,
    /// The item's title.
    pub title: String,
    /// The platforms that it touches from now on.
    pub gained: Vec<PlatformId>,
    /// Those that it touched before.
    pub lost: Vec<PlatformId>,
}

/// What a retag did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retagged {
    /// Items looked at.
    pub items: u64,
    /// Items that touch something else than before, at most the first thousand.
    pub changes: Vec<Change>,
    /// Items that do.
    pub changed: u64,
    /// For each platform, items that gained it and items that lost it.
    pub platforms: BTreeMap<PlatformId, (u64, u64)>,
}

/// Tags every stored item anew; `dry` only looks. `show` is told after each page how many items were seen.
///
/// # Errors
/// Fails where the database does; what was done before stays done, and another run goes over it all.
pub async fn run(context: &Context, dry: bool, show: &(dyn Fn(u64) + Sync)) -> Result<Retagged, StoreError> {
    let (mut all, mut after) = (Retagged::default(), 0);
    loop {
        let page = context.store.read(move |tx| items::page(tx, after, PAGE)).await?;
        let Some((last, ..)) = page.last() else { return Ok(all) };
        after = *last;
        all.items += page.len() as u64;
        let drafts: Vec<(i64, Draft)> = page.into_iter().filter_map(|item| anew(context, item, &mut all)).collect();
        if !dry && !drafts.is_empty() {
            let (now, catalog) = (context.clock.now(), context.catalog.clone());
            context.store.write(move |tx| keep(tx, &drafts, now, &|id| catalog.name(id))).await?;
        }
        show(all.items);
    }
}

/// The item with its new tags, where they differ in any way.
fn anew(
    context: &Context,
    (item, advisory, before): (i64, AdvisoryId, Draft),
    all: &mut Retagged,
) -> Option<(i64, Draft)> {
    let mut draft = before.clone();
    let platforms = context.source(&before.source).map(|source| source.platforms.as_slice()).unwrap_or_default();
    tag::one(&context.matcher, platforms, &mut draft);
    let (old, new) = (touched(&before), touched(&draft));
    if old != new {
        let (gained, lost): (Vec<_>, Vec<_>) =
            (new.difference(&old).cloned().collect(), old.difference(&new).cloned().collect());
        for id in &gained {
            all.platforms.entry(id.clone()).or_default().0 += 1;
        }
        for id in &lost {
            all.platforms.entry(id.clone()).or_default().1 += 1;
        }
        all.changed += 1;
        if all.changes.len() < TOLD {
            all.changes.push(Change { advisory, title: draft.item.title.clone(), gained, lost });
        }
    }
    (draft.tags != before.tags || draft.topics != before.topics).then_some((item, draft))
}

fn touched(draft: &Draft) -> BTreeSet<PlatformId> {
    draft.tags.iter().filter(|tag| tag.role == Role::Affected).map(|tag| tag.platform.clone()).collect()
}

/// Stores items with new tags, then what their advisories say. What a source has changed meanwhile is left as it is.
fn keep(
    tx: &mut Tx<'_>,
    drafts: &[(i64, Draft)],
    now: crate::model::clock::Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<(), StoreError> {
    counters::next(tx, counters::Counter::Ingest)?;
    let mut advisories = BTreeSet::new();
    for (item, draft) in drafts {
        let Some((advisory, stored)) = items::placed(tx, *item)? else { continue };
        if stored.content_hash == draft.content_hash && stored.denied == draft.denied {
            items::rewrite(tx, *item, draft, now)?;
            advisories.insert(advisory);
        }
    }
    for advisory in advisories {
        ingest::refresh(tx, &advisory, now, name)?;
    }
    Ok(())
}
