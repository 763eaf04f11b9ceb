//! Revision: what an advisory says now, and the event that people should hear of.

use std::collections::BTreeSet;

use super::heard;
use super::place::told_of_both;
use crate::model::advisory::{Advisory, AdvisoryId, Content, Event, EventKind, Told};
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::draft::Draft;
use crate::model::platform::PlatformId;
use crate::model::severity::Severity;
use crate::model::tlp::Tlp;
use crate::pipeline::{cluster, enrich, revise};
use crate::store::{StoreError, Tx, advisories, counters, epss, events, items, search};

/// Numbers and stores the events, except those of a baseline. Gives how many there are.
///
/// # Errors
/// Fails where the database does.
pub fn tell(tx: &mut Tx<'_>, news: Vec<(Event, Content)>, baseline: bool) -> Result<usize, StoreError> {
    if baseline || news.is_empty() {
        return Ok(0);
    }
    let count = news.len();
    let first = counters::take(tx, counters::Counter::Event, count)?;
    for (seq, (mut event, content)) in (first..).zip(news) {
        event.seq = seq;
        events::insert(tx, &event, &content)?;
    }
    Ok(count)
}

/// What was withdrawn before we ever spoke of it is no news, nor is that nothing is affected; and what only its recipient
/// may see (TLP:RED) is not mailed.
pub(super) fn is_news(content: &Content) -> bool {
    !content.withdrawn && !content.quiet && content.tlp != Tlp::Red
}

pub(super) fn event(
    advisory: &AdvisoryId,
    revision: i64,
    kind: EventKind,
    reasons: Vec<String>,
    at: Timestamp,
) -> Event {
    Event { seq: 0, advisory: advisory.clone(), revision, kind, reasons, at }
}

pub(super) fn lost(id: &AdvisoryId) -> StoreError {
    StoreError::custom(format!("advisory {id} has items but no revision"))
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
    let Some(old) = advisories::get(tx, id)? else { return Err(lost(id)) };
    write(tx, old, now, name)
}

/// Writes what `home` says once it holds the items of `gone` too, and what has been told of both.
///
/// # Errors
/// Fails where the database does.
pub fn take_over(
    tx: &mut Tx<'_>,
    home: &AdvisoryId,
    gone: &AdvisoryId,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<(), StoreError> {
    let (Some(mut old), Some(taken)) = (advisories::get(tx, home)?, advisories::get(tx, gone)?) else {
        return Err(lost(home));
    };
    old.content.told = told_of_both(&old.content, &taken.content);
    write(tx, old, now, name).map(drop)
}

/// Writes what `id` says once CISA has taken `cves` out of its catalog. Where nobody else says that it is exploited, whoever
/// was told so hears that the catalog does not say it any more; a new entry is news again.
///
/// # Errors
/// Fails where the database does.
pub fn taken_out(
    tx: &mut Tx<'_>,
    id: &AdvisoryId,
    cves: &BTreeSet<CveId>,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Option<(Event, Content)>, StoreError> {
    let Some(mut old) = advisories::get(tx, id)? else { return Err(lost(id)) };
    let was_told = old.content.told.kev && !old.content.quiet && !old.content.withdrawn;
    old.content.told.kev = false;
    let news = write(tx, old, now, name)?;
    let Some(Advisory { revision, mut content, .. }) = advisories::get(tx, id)? else { return Err(lost(id)) };
    let still = content.exploitation.exploited || content.exploitation.kev.is_some();
    if news.is_some() || !was_told || still || content.tlp == Tlp::Red {
        return Ok(news);
    }
    let named: Vec<&str> = content.cves.intersection(cves).map(CveId::as_str).collect();
    let reason = format!("CISA has taken {} out of its catalog of known exploited vulnerabilities", named.join(", "));
    // For whoever was told because it was exploited.
    content.exploitation.exploited = true;
    Ok(Some((event(id, revision, EventKind::Withdrawn, vec![reason], now), content)))
}

/// What `drafts` say on their own, once they have left the advisory that said `before`: what was told of it was told of
/// them.
///
/// # Errors
/// Fails where the database does.
pub fn parted(tx: &mut Tx<'_>, drafts: &[Draft], before: &Content) -> Result<Content, StoreError> {
    let content = enriched(tx, drafts)?;
    let told = content.added_to(before.told.clone());
    Ok(Content { told, ..content })
}

/// The next revision of `old`, whose `told` says what people have heard.
pub(super) fn write(
    tx: &mut Tx<'_>,
    old: Advisory,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Option<(Event, Content)>, StoreError> {
    let drafts = items::of_advisory(tx, &old.id)?;
    let mut content = enriched(tx, &drafts)?;
    let (told, after) = revise::event(&old.content, &content, name);
    content.told = after;
    if says_the_same(&content, &old.content) {
        return Ok(None);
    }
    let told = match told {
        Some(_) if lists_more(&old.content, &content) && heard::by_others(tx, &drafts, &content)? => None,
        told => told,
    };
    let revision = old.revision + 1;
    advisories::revise(tx, &old.id, revision, now, &content)?;
    search::index(tx, &old.id, &content, &drafts)?;
    Ok(told
        .filter(|_| content.tlp != Tlp::Red)
        .map(|(kind, reasons)| (event(&old.id, revision, kind, reasons, now), content)))
}

/// Whether all that people would hear is that it is about more, with what the catalog says of that.
fn lists_more(old: &Content, new: &Content) -> bool {
    let (before, after) = (&old.told, &new.told);
    let as_before = Told {
        cves: before.cves.clone(),
        platforms: before.platforms.clone(),
        exploited: before.exploited,
        kev: before.kev,
        ransomware: before.ransomware,
        severity: before.severity,
        action: before.action,
        topics: before.topics.clone(),
        ..after.clone()
    };
    // The catalog's floor is no rating of the list's own.
    as_before == *before && !new.withdrawn && (after.severity == before.severity || after.severity <= Severity::High)
}

/// Whether a revision would say nothing new. EPSS scores move every day; that alone is none.
fn says_the_same(new: &Content, old: &Content) -> bool {
    let (a, b) = (&new.facts.epss, &old.facts.epss);
    if a == b {
        return new == old;
    }
    let mut new = new.clone();
    new.facts.epss.clone_from(b);
    new == *old
}

pub(super) fn enriched(tx: &mut Tx<'_>, drafts: &[Draft]) -> Result<Content, StoreError> {
    let content = cluster::content(drafts);
    let facts = enrich::Facts { kev: advisories::kev_of(tx, &content.cves)?, epss: epss::of_all(tx, &content.cves)? };
    Ok(enrich::content(content, &facts))
}
