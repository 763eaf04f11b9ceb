//! Ingest: drafts into items, advisories, revisions and events, inside the caller's one transaction.
//!
//! What came is looked at together with every stored item that is linked with it, and all of them are clustered anew: a
//! bulletin may join what were two advisories, and an edit may part what was one. One document gives an advisory at most
//! one event. A baseline stores everything and makes no event.

mod heard;
mod neighbors;
mod place;
mod revision;
mod scores;

use std::collections::{BTreeSet, HashMap};

use self::neighbors::Member;
use self::place::Placement;
use self::revision::{enriched, event, is_news, lost};
pub use self::revision::{parted, refresh, take_over, taken_out, tell};
pub use self::scores::keep as scores;
use crate::model::advisory::{AdvisoryId, Content, Event, EventKind, Told};
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::platform::PlatformId;
use crate::pipeline::cluster::Node;
use crate::pipeline::{cluster, revise};
use crate::store::items::Known;
use crate::store::{StoreError, Tx, advisories, counters, items, links, search};

/// A change of a CVE's facts is taken to at most so many other advisories that are about it.
const TOLD_AROUND: usize = 50;

/// What an ingest gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Advisories that did not exist before.
    pub new_advisories: usize,
    /// Events that people hear of.
    pub events: usize,
    /// Items that had not been seen before.
    pub new_items: usize,
}

impl Ingested {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            new_advisories: self.new_advisories + other.new_advisories,
            events: self.events + other.events,
            new_items: self.new_items + other.new_items,
        }
    }
}

/// Stores what is new or changed in `drafts`.
///
/// # Errors
/// Fails where the database does; nothing is stored then.
pub fn drafts(
    tx: &mut Tx<'_>,
    drafts: &[Draft],
    baseline: bool,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Ingested, StoreError> {
    let Some(source) = drafts.first().map(|draft| draft.source.as_str()) else { return Ok(Ingested::default()) };
    // Ingests run one after the other: two that see the same new event must not both open an advisory for it.
    counters::next(tx, counters::Counter::Ingest)?;
    let keys: Vec<&str> = drafts.iter().flat_map(|draft| draft.keys.iter().map(String::as_str)).collect();
    let known = items::known(tx, source, &keys)?;
    let came = changed(tx, drafts, &known)?;
    if came.is_empty() {
        return Ok(Ingested::default());
    }
    let new_items = came.iter().filter(|(_, known)| known.is_none()).count();
    let members = neighbors::load(tx, came)?;
    let nodes: Vec<Node> = members.iter().map(|member| member.node.clone()).collect();
    let clusters = cluster::partition(&nodes);
    let mut placements = place::homes(&members, &clusters);
    placements.retain(Placement::is_touched);
    let new_advisories = placements.iter().filter(|placement| placement.home.is_none()).count();
    let mut ingest = Ingest {
        now,
        name,
        item: counters::take(tx, counters::Counter::Item, new_items)?,
        advisory: counters::take(tx, counters::Counter::Advisory, new_advisories)?,
        news: Vec::new(),
    };
    ingest.keep_facts(tx, &members)?;
    ingest.store(tx, &placements)?;
    ingest.tell_around(tx, &placements)?;
    let events = revision::tell(tx, ingest.news, baseline)?;
    Ok(Ingested { new_advisories, events, new_items })
}

/// The drafts that say something new, with what was known of them; the first of several under one name. In the order in
/// which they were published, where each says when.
fn changed<'a>(
    tx: &mut Tx<'_>,
    drafts: &'a [Draft],
    known: &HashMap<String, Known>,
) -> Result<Vec<(&'a Draft, Option<Known>)>, StoreError> {
    let mut came: Vec<(&Draft, Option<Known>)> = Vec::new();
    for draft in drafts {
        let before = draft.keys.iter().find_map(|key| known.get(key));
        match before {
            Some(before) if before.content_hash == draft.content_hash => {
                if draft.keys.iter().any(|key| !known.contains_key(key)) {
                    items::name(tx, draft, before.id)?;
                }
            }
            // Two entries of one document that were one item before: the first one is it.
            Some(before) if came.iter().any(|(_, known)| known.as_ref().is_some_and(|known| known.id == before.id)) => {
            }
            before => came.push((draft, before.cloned())),
        }
    }
    // Documents list the newest first, and lists of ours what came last: within one reading, that is what is newest too.
    if came.iter().all(|(draft, _)| draft.item.published.is_some()) {
        came.sort_by_key(|(draft, _)| draft.item.published);
    }
    Ok(came)
}

/// Whether no item of the document was seen before under any of its names, though its source has shown items.
///
/// # Errors
/// Fails where the database does.
pub fn none_is_known(tx: &mut Tx<'_>, drafts: &[Draft]) -> Result<bool, StoreError> {
    let Some(source) = drafts.first().map(|draft| draft.source.as_str()) else { return Ok(false) };
    let keys: Vec<&str> = drafts.iter().flat_map(|draft| draft.keys.iter().map(String::as_str)).collect();
    Ok(items::known(tx, source, &keys)?.is_empty() && items::has_any(tx, source)?)
}

/// An ingest under way: the numbers that it took, and the events that it gives, which are not numbered yet.
struct Ingest<'a> {
    now: Timestamp,
    name: &'a dyn Fn(&PlatformId) -> String,
    item: i64,
    advisory: i64,
    news: Vec<(Event, Content)>,
}

impl Ingest<'_> {
    /// Keeps what catalogs say of CVEs, before any advisory is written that names them.
    fn keep_facts(&self, tx: &mut Tx<'_>, members: &[Member]) -> Result<(), StoreError> {
        for draft in members.iter().filter(|member| member.came()).map(|member| &member.draft) {
            if let Some(kev) = &draft.item.kev {
                for cve in &draft.cves {
                    advisories::keep_kev(tx, cve, kev, &draft.source_name)?;
                }
            }
        }
        Ok(())
    }

    /// Stores items where they belong, then what their advisories say from now on.
    fn store(&mut self, tx: &mut Tx<'_>, placements: &[Placement<'_>]) -> Result<(), StoreError> {
        let mut homes: Vec<(AdvisoryId, bool)> = Vec::with_capacity(placements.len());
        for placement in placements {
            let home = match &placement.home {
                Some(home) => (home.clone(), false),
                None => (self.open(tx, placement)?, true),
            };
            self.settle(tx, placement, &home.0)?;
            homes.push(home);
        }
        // Only now has everything its place, and each advisory can say what its items say.
        for (placement, (home, opened)) in placements.iter().zip(&homes) {
            if !opened {
                self.revise(tx, placement, home)?;
            }
            for from in &placement.from {
                self.leave(tx, from, home, placements)?;
            }
        }
        Ok(())
    }

    /// Stores the items of a placement in `home`.
    fn settle(&mut self, tx: &mut Tx<'_>, placement: &Placement<'_>, home: &AdvisoryId) -> Result<(), StoreError> {
        for (member, reason) in &placement.members {
            let because = reason.to_string();
            let item = match (&member.changed, member.item) {
                (Some(known), _) => {
                    items::update(tx, known, &member.draft, self.now)?;
                    known.id
                }
                (None, Some(item)) => item,
                (None, None) => {
                    let item = self.item;
                    self.item += 1;
                    items::insert(tx, item, &member.draft, home, &because)?;
                    item
                }
            };
            if member.came() {
                let title = member.node.title.as_ref().map(|title| (title.day, title.words()));
                let title = title.as_ref().map(|(day, words)| (*day, words.as_str()));
                links::set(tx, item, member.item.is_some(), &member.node.links(), title)?;
            }
            if member.item.is_some() && member.advisory.as_ref() != Some(home) {
                links::place(tx, item, home, &because)?;
            }
        }
        Ok(())
    }

    /// Opens an advisory. What parts from another one has been told with it.
    fn open(&mut self, tx: &mut Tx<'_>, placement: &Placement<'_>) -> Result<AdvisoryId, StoreError> {
        let drafts: Vec<Draft> = placement.members.iter().map(|(member, _)| member.draft.clone()).collect();
        let mut content = enriched(tx, &drafts)?;
        let came = placement.members.iter().any(|(member, _)| member.came());
        let number = self.advisory;
        self.advisory += 1;
        let id = AdvisoryId(format!("RW-{number}"));
        let mut parted: Option<Content> = None;
        for from in &placement.from {
            let before = advisories::get(tx, from)?.map(|before| before.content);
            parted = match (parted, before) {
                (Some(mut one), Some(other)) => {
                    one.told = place::told_of_both(&one, &other);
                    Some(one)
                }
                (one, other) => one.or(other),
            };
        }
        let news = match parted {
            None => {
                if !content.quiet {
                    content.told = content.added_to(Told::default());
                }
                let heard = came && heard::by_others(tx, &drafts, &content)?;
                (!heard).then(|| (EventKind::Published, Vec::new()))
            }
            Some(before) => {
                let (told, after) = revise::event(&before, &content, self.name);
                content.told = after;
                told
            }
        };
        advisories::open(tx, number, self.now, &content)?;
        search::index(tx, &id, &content, &drafts)?;
        if let Some((kind, reasons)) = news.filter(|_| came && is_news(&content)) {
            self.news.push((event(&id, 1, kind, reasons, self.now), content));
        }
        Ok(id)
    }

    /// Writes what an advisory says now, with what came and what it took over.
    fn revise(&mut self, tx: &mut Tx<'_>, placement: &Placement<'_>, home: &AdvisoryId) -> Result<(), StoreError> {
        let Some(mut old) = advisories::get(tx, home)? else { return Err(lost(home)) };
        for from in &placement.from {
            if let Some(taken) = advisories::get(tx, from)? {
                old.content.told = place::told_of_both(&old.content, &taken.content);
            }
        }
        let came = placement.members.iter().any(|(member, _)| member.came());
        let news = revision::write(tx, old, self.now, self.name)?;
        self.news.extend(news.filter(|_| came));
        Ok(())
    }

    /// What an advisory says that items have left for `home`: nothing any more, or less than before, and nobody is told.
    fn leave(
        &self,
        tx: &mut Tx<'_>,
        from: &AdvisoryId,
        home: &AdvisoryId,
        placements: &[Placement<'_>],
    ) -> Result<(), StoreError> {
        if links::count(tx, from)? == 0 {
            return advisories::retire(tx, from, home);
        }
        if placements.iter().any(|other| other.home.as_ref() == Some(from)) {
            return Ok(());
        }
        refresh(tx, from, self.now, self.name).map(drop)
    }

    /// Takes a catalog's new facts to the other advisories that are about the same CVE: who runs what they touch has to
    /// know that it is exploited.
    fn tell_around(&mut self, tx: &mut Tx<'_>, placements: &[Placement<'_>]) -> Result<(), StoreError> {
        let came = placements.iter().flat_map(|placement| &placement.members).filter(|(member, _)| member.came());
        let facts = came.filter(|(member, _)| member.draft.item.kev.is_some());
        let keys = facts.flat_map(|(member, _)| member.node.cves.iter().map(|cve| format!("cve:{cve}"))).collect();
        let items = links::found(tx, &keys)?;
        let mut others = BTreeSet::new();
        for placed in links::load(tx, &items.into_iter().take(20 * TOLD_AROUND).collect())? {
            others.insert(placed.advisory);
        }
        for id in others.into_iter().take(TOLD_AROUND) {
            if !self.news.iter().any(|(event, _)| event.advisory == id) {
                self.news.extend(refresh(tx, &id, self.now, self.name)?);
            }
        }
        Ok(())
    }
}
