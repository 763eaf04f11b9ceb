//! Ingest: drafts into items, advisories, revisions and events, inside the caller's one transaction.
//!
//! Drafts of one document that belong to one advisory are taken together, so that one document gives an advisory at
//! most one event. A baseline stores everything and makes no event.

use std::collections::{BTreeMap, HashMap};

use crate::model::advisory::{AdvisoryId, Content, Event, EventKind, Told};
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::platform::PlatformId;
use crate::model::tlp::Tlp;
use crate::pipeline::{cluster, enrich, revise};
use crate::store::items::Known;
use crate::store::{StoreError, Tx, advisories, counters, events, items};

/// A KEV entry joins an advisory with at most this many CVE ids; in a longer list it would be lost.
const NARROW: i64 = 10;

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

/// Drafts that belong to one advisory.
#[derive(Default)]
struct Group<'a> {
    advisory: Option<AdvisoryId>,
    drafts: Vec<(&'a Draft, Option<Known>)>,
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
    let groups = groups(tx, drafts, &known)?;
    let mut numbers = Numbers::take(tx, &groups)?;
    let mut news = Vec::new();
    for group in &groups {
        news.extend(store(tx, group, now, name, &mut numbers)?);
    }
    let new_items = groups.iter().flat_map(|group| &group.drafts).filter(|(_, before)| before.is_none()).count();
    let new_advisories = groups.iter().filter(|group| group.advisory.is_none()).count();
    if baseline || news.is_empty() {
        return Ok(Ingested { new_advisories, events: 0, new_items });
    }
    let first = counters::take(tx, counters::Counter::Event, news.len())?;
    for (seq, (mut event, content)) in (first..).zip(news.iter().cloned()) {
        event.seq = seq;
        events::insert(tx, &event, &content)?;
    }
    Ok(Ingested { new_advisories, events: news.len(), new_items })
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

/// The drafts that say something new, by the advisory that they belong to.
fn groups<'a>(
    tx: &mut Tx<'_>,
    drafts: &'a [Draft],
    known: &HashMap<String, Known>,
) -> Result<Vec<Group<'a>>, StoreError> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_advisory: BTreeMap<AdvisoryId, usize> = BTreeMap::new();
    let mut by_key: HashMap<String, usize> = HashMap::new();
    for draft in drafts {
        let before = draft.keys.iter().find_map(|key| known.get(key));
        if let Some(before) = before
            && before.content_hash == draft.content_hash
        {
            if draft.keys.iter().any(|key| !known.contains_key(key)) {
                items::name(tx, draft, before.id)?;
            }
            continue;
        }
        let advisory = match before {
            Some(before) => Some(before.advisory.clone()),
            None => advisory_of(tx, draft)?,
        };
        let merge_keys = draft.merge_keys();
        let index = match &advisory {
            Some(id) => by_advisory.get(id).copied(),
            None => merge_keys.iter().find_map(|key| by_key.get(key)).copied(),
        };
        let index = index.unwrap_or_else(|| {
            groups.push(Group { advisory: advisory.clone(), drafts: Vec::new() });
            groups.len() - 1
        });
        match advisory {
            Some(id) => drop(by_advisory.insert(id, index)),
            None => by_key.extend(merge_keys.into_iter().map(|key| (key, index))),
        }
        groups[index].drafts.push((draft, before.cloned()));
    }
    Ok(groups)
}

/// The stored advisory that a new draft belongs to.
fn advisory_of(tx: &mut Tx<'_>, draft: &Draft) -> Result<Option<AdvisoryId>, StoreError> {
    if let Some(id) = advisories::by_keys(tx, &draft.merge_keys())? {
        return Ok(Some(id));
    }
    match (&draft.item.kev, draft.cves.first()) {
        (Some(_), Some(cve)) => advisories::narrowest_with(tx, cve, NARROW),
        _ => Ok(None),
    }
}

/// Numbers for what is new, taken in one go.
struct Numbers {
    item: i64,
    advisory: i64,
}

impl Numbers {
    fn take(tx: &mut Tx<'_>, groups: &[Group<'_>]) -> Result<Self, StoreError> {
        let items = groups.iter().flat_map(|group| &group.drafts).filter(|(_, before)| before.is_none()).count();
        let advisories = groups.iter().filter(|group| group.advisory.is_none()).count();
        Ok(Self {
            item: counters::take(tx, counters::Counter::Item, items)?,
            advisory: counters::take(tx, counters::Counter::Advisory, advisories)?,
        })
    }

    fn item(&mut self) -> i64 {
        self.item += 1;
        self.item - 1
    }

    fn advisory(&mut self) -> i64 {
        self.advisory += 1;
        self.advisory - 1
    }
}

/// An event that is not yet numbered, with the content that it speaks of.
type News = Option<(Event, Content)>;

fn store(
    tx: &mut Tx<'_>,
    group: &Group<'_>,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
    numbers: &mut Numbers,
) -> Result<News, StoreError> {
    for (draft, _) in &group.drafts {
        if let Some(kev) = &draft.item.kev {
            for cve in &draft.cves {
                advisories::keep_kev(tx, cve, kev, &draft.source_name)?;
            }
        }
    }
    match &group.advisory {
        None => open(tx, group, now, numbers),
        Some(id) => revise_stored(tx, id, group, now, name, numbers),
    }
}

fn open(tx: &mut Tx<'_>, group: &Group<'_>, now: Timestamp, numbers: &mut Numbers) -> Result<News, StoreError> {
    let drafts: Vec<Draft> = group.drafts.iter().map(|(draft, _)| (*draft).clone()).collect();
    let mut content = enriched(tx, &drafts)?;
    if !content.quiet {
        content.told = content.added_to(Told::default());
    }
    let id = advisories::open(tx, numbers.advisory(), now, &content)?;
    for draft in &drafts {
        items::insert(tx, numbers.item(), draft, &id)?;
        advisories::claim_keys(tx, &id, &draft.merge_keys())?;
    }
    let event = event(&id, 1, EventKind::Published, Vec::new(), now);
    Ok(is_news(&content).then_some((event, content)))
}

/// What was withdrawn before we ever spoke of it is no news, nor is that nothing is affected; and what only its recipient
/// may see (TLP:RED) is not mailed.
fn is_news(content: &Content) -> bool {
    !content.withdrawn && !content.quiet && content.tlp != Tlp::Red
}

fn event(advisory: &AdvisoryId, revision: i64, kind: EventKind, reasons: Vec<String>, at: Timestamp) -> Event {
    Event { seq: 0, advisory: advisory.clone(), revision, kind, reasons, at }
}

fn revise_stored(
    tx: &mut Tx<'_>,
    id: &AdvisoryId,
    group: &Group<'_>,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
    numbers: &mut Numbers,
) -> Result<News, StoreError> {
    for (draft, before) in &group.drafts {
        match before {
            Some(before) => {
                let draft = Draft { first_seen: before.first_seen, ..(*draft).clone() };
                items::update(tx, before, &draft, now)?;
            }
            None => items::insert(tx, numbers.item(), draft, id)?,
        }
        advisories::claim_keys(tx, id, &draft.merge_keys())?;
    }
    refresh(tx, id, now, name)
}

/// Writes a revision of an advisory where its items and what catalogs know of its CVEs say something else than before.
/// Gives the event that people should hear of, if any; it is not stored.
///
/// # Errors
/// Fails where the database does.
pub fn refresh(
    tx: &mut Tx<'_>,
    id: &AdvisoryId,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Option<(Event, Content)>, StoreError> {
    let Some(old) = advisories::get(tx, id)? else {
        return Err(StoreError::custom(format!("advisory {id} has items but no revision")));
    };
    let drafts = items::of_advisory(tx, id)?;
    let mut content = enriched(tx, &drafts)?;
    let (told, after) = revise::event(&old.content, &content, name);
    content.told = after;
    if content == old.content {
        return Ok(None);
    }
    let revision = old.revision + 1;
    advisories::revise(tx, id, revision, now, &content)?;
    Ok(told
        .filter(|_| content.tlp != Tlp::Red)
        .map(|(kind, reasons)| (event(id, revision, kind, reasons, now), content)))
}

fn enriched(tx: &mut Tx<'_>, drafts: &[Draft]) -> Result<Content, StoreError> {
    let content = cluster::content(drafts);
    let facts = enrich::Facts { kev: advisories::kev_of(tx, &content.cves)? };
    Ok(enrich::content(content, &facts))
}
