//! Poll: one source, from its address to stored events.

use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::{info, warn};

use super::due::{self, Patience};
use super::ingest::Ingested;
use super::walk::{self, Stopped, Walked};
use super::{Context, catalog, route};
use crate::config::sources::Source;
use crate::formats::{self, ParseError};
use crate::http::{FetchError, Fetched, Page};
use crate::mailbox::MailError;
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::health::{HealthState, SourceHealth, Validators};
use crate::model::item::{Item, Parsed};
use crate::pipeline::{fetch, normalize, parse, rhythm, tag};
use crate::store::{StoreError, sources};

/// How long a source is leased: longer than a fetch may take with all its redirects, and short enough that a crash
/// blinds nobody for long.
const LEASE: Duration = Duration::from_secs(3 * 60);

/// What one poll of one source gave.
#[derive(Clone, Debug, Serialize)]
pub struct Polled {
    /// Source id.
    pub source: String,
    /// `ok`, `unchanged`, `baseline`, `degraded`, `changed`, `blocked`, `failing` or `busy`.
    pub result: &'static str,
    /// What happened, as a sentence; empty when all is well.
    pub detail: String,
    /// Items in the document.
    pub items: usize,
    /// Advisories that did not exist before.
    pub new_advisories: usize,
    /// Events that people hear of.
    pub events: usize,
    /// How long it took, in milliseconds.
    pub milliseconds: u128,
}

impl Polled {
    /// Whether the source was read, or found unchanged.
    #[must_use]
    pub fn read(&self) -> bool {
        matches!(self.result, "ok" | "unchanged" | "baseline" | "degraded" | "busy")
    }
}

/// Polls one source. Whatever goes wrong becomes the source's state; only a failing database is an error.
///
/// # Errors
/// Fails where the database does.
pub async fn source(context: &Context, source: &Source) -> Result<Polled, StoreError> {
    let started = Instant::now();
    let now = context.clock.now();
    let (listed, holder) = (source.clone(), context.holder.clone());
    let leased = context.store.write(move |tx| {
        if !sources::lease(tx, &listed.id, &holder, now, LEASE)? {
            return Ok(None);
        }
        let health = sources::get(tx, &listed.id)?;
        let source = route::learned(&listed, &health).unwrap_or_else(|| listed.clone());
        let validators = sources::validators(tx, &listed.id, &reading(&source))?;
        Ok(Some((source, health, validators)))
    });
    let mut polled = match leased.await? {
        // Where the database fails, the lease ends by itself.
        Some((at, health, validators)) => read(context, &at, health, validators).await?,
        None => Polled { detail: "another process is reading it".into(), ..empty(source, "busy") },
    };
    polled.milliseconds = started.elapsed().as_millis();
    if polled.read() {
        info!(source.id = %source.id, items = polled.items, events = polled.events, "Polled {}: {}", source.id, polled.result);
    } else {
        warn!(source.id = %source.id, "Could not read {}: {}", source.id, polled.detail);
    }
    Ok(polled)
}

/// Everything between the lease and the transaction that stores what came of it and gives the lease back.
async fn read(
    context: &Context,
    source: &Source,
    health: SourceHealth,
    validators: Validators,
) -> Result<Polled, StoreError> {
    if let Some(begin) = formats::by_name(&source.format).and_then(|format| format.walk) {
        return walked(context, source, health, begin).await;
    }
    let conditional = validators != Validators::default();
    match fetch::page(&context.client, source, validators).await {
        Err(error) => fail(context, source, health, Failure::of_fetch(&error)).await,
        Ok(Fetched::NotModified(_)) if conditional => unchanged(context, source, health).await,
        Ok(Fetched::NotModified(_)) => {
            fail(
                context,
                source,
                health,
                Failure::plain("it answered 304 (not modified) though nothing was known of it; check the address"),
            )
            .await
        }
        Ok(Fetched::Page(page)) => {
            let (reader, page) = (source.clone(), page);
            // Parsing is work for a processor, not for the threads that wait on sockets.
            let parsed = tokio::task::spawn_blocking(move || (parse::items(&reader, &page), page)).await;
            match parsed {
                Ok((Ok(parsed), page)) => keep(context, source, health, parsed, page).await,
                Ok((Err(error), _)) => fail(context, source, health, Failure::of_parse(&error)).await,
                Err(error) => {
                    fail(context, source, health, Failure::plain(&format!("reading it failed: {error}"))).await
                }
            }
        }
    }
}

/// Reads a source that is more than one document, as far as one poll may go.
async fn walked(
    context: &Context,
    source: &Source,
    before: SourceHealth,
    begin: formats::Begin,
) -> Result<Polled, StoreError> {
    let baseline = !before.baseline;
    let walked = match walk::poll(context, source, begin, baseline).await {
        Ok(walked) => walked,
        Err(Stopped::Store(error)) => return Err(error),
        Err(Stopped::Fetch(error)) => return fail(context, source, before, Failure::of_fetch(&error)).await,
        Err(Stopped::Mail(error)) => return fail(context, source, before, Failure::of_mail(&error)).await,
        Err(Stopped::Parse(error)) => return fail(context, source, before, Failure::of_parse(&error)).await,
    };
    let detail = describe(walked.dropped, &walked.repairs);
    let degraded = !detail.is_empty();
    let state = if degraded { HealthState::Degraded } else { HealthState::Ok };
    let mut health = succeeded(&before, source, context.clock.now(), state, &detail);
    health.items = i64::try_from(walked.items).unwrap_or(i64::MAX);
    health.baseline = before.baseline || walked.complete;
    if walked.new_items > 0 {
        health.last_news = health.last_attempt;
    }
    save(context, health).await?;
    let result = match (baseline, degraded) {
        (true, _) => "baseline",
        (false, true) => "degraded",
        (false, false) if walked.items == 0 => "unchanged",
        (false, false) => "ok",
    };
    let Walked { items, new_advisories, events, .. } = walked;
    Ok(Polled { detail, items, new_advisories, events, ..empty(source, result) })
}

/// Stores what was read: items, advisories, events, health and validators in one transaction.
async fn keep(
    context: &Context,
    source: &Source,
    before: SourceHealth,
    parsed: Parsed,
    page: Page,
) -> Result<Polled, StoreError> {
    let now = context.clock.now();
    let (items, parsed_ttl) = (parsed.items.len(), parsed.fresh_for);
    let (newest, longest_gap) = rhythm::of(&parsed.items, now);
    let whole = catalog::listed(source, &parsed);
    let detail = describe(parsed.dropped, &parsed.repairs);
    let baseline = !before.baseline;
    let degraded = parsed.degraded();
    let mut health =
        succeeded(&before, source, now, if degraded { HealthState::Degraded } else { HealthState::Ok }, &detail);
    health.items = i64::try_from(items).unwrap_or(i64::MAX);
    health.last_news = health.last_news.max(newest);
    health.longest_gap = longest_gap.or(health.longest_gap);
    health.moved = route::moved(before.moved.clone(), &page.meta, &source.url);
    health.next_due = due::fresh_until(health.next_due, now, page.meta.max_age.max(parsed_ttl));
    // A damaged first document is not all of the history: the next one completes the baseline.
    health.baseline = before.baseline || parsed.dropped == 0 || before.last_success.is_some();
    let drafts = drafts(context, source, parsed.items, now);

    let (names, holder) = (context.clone(), context.holder.clone());
    let (reading, copies, listed_as) = (reading(source), copies(context, source), source.clone());
    let (ingested, health) = context
        .store
        .write(move |tx| {
            let name = |id: &_| names.platform_name(id);
            let mut ingested = route::take_in(tx, &names, &listed_as, &before, &drafts, now)?;
            let mut health = health.clone();
            if ingested.new_items > 0 && (!baseline || health.last_news.is_none()) {
                health.last_news = Some(now);
            }
            if let Some(listed) = whole.as_ref().filter(|_| !baseline) {
                match catalog::take_back(tx, &health.source, &copies, listed, now, &name)? {
                    Ok(events) => ingested.events += events,
                    Err(alarm) => health = alarmed(health, &before, alarm, now),
                }
            }
            // Validators of a damaged document would freeze the damage.
            let whole = health.state == HealthState::Ok;
            let kept = if whole { page.meta.validators.clone() } else { Validators::default() };
            sources::save(tx, &health)?;
            sources::release(tx, &health.source, &holder)?;
            sources::keep_validators(tx, &health.source, &reading, &kept)?;
            Ok((ingested, health))
        })
        .await?;
    let result = match (baseline, health.state) {
        (true, _) => "baseline",
        (false, HealthState::Degraded) => "degraded",
        (false, _) => "ok",
    };
    let Ingested { new_advisories, events, .. } = ingested;
    Ok(Polled { detail: health.detail, items, new_advisories, events, ..empty(source, result) })
}

/// Degraded for what the whole catalog no longer says.
fn alarmed(health: SourceHealth, before: &SourceHealth, alarm: String, now: Timestamp) -> SourceHealth {
    let since = if before.state == HealthState::Degraded { before.since } else { None };
    SourceHealth { state: HealthState::Degraded, since: since.or(Some(now)), detail: alarm, ..health }
}

/// The source and those that give the same document: copies of it, or what it is a copy of.
fn copies(context: &Context, source: &Source) -> Vec<String> {
    let original = source.instead_of.as_ref().unwrap_or(&source.id);
    let same = |other: &&Source| other.id == *original || other.instead_of.as_ref() == Some(original);
    context.sources.iter().filter(same).map(|other| other.id.clone()).collect()
}

/// Items as the rest of the program takes them: normalized and tagged.
pub(super) fn drafts(context: &Context, source: &Source, items: Vec<Item>, now: Timestamp) -> Vec<Draft> {
    let mut drafts = normalize::drafts(source, items, now);
    tag::all(&context.matcher, source, &mut drafts);
    drafts
}

async fn unchanged(context: &Context, source: &Source, before: SourceHealth) -> Result<Polled, StoreError> {
    let health = succeeded(&before, source, context.clock.now(), HealthState::Ok, "");
    save(context, health).await?;
    Ok(empty(source, "unchanged"))
}

/// Stores a source's health and gives its lease back.
async fn save(context: &Context, health: SourceHealth) -> Result<(), StoreError> {
    let holder = context.holder.clone();
    context
        .store
        .write(move |tx| {
            sources::save(tx, &health)?;
            sources::release(tx, &health.source, &holder)
        })
        .await
}

async fn fail(
    context: &Context,
    source: &Source,
    before: SourceHealth,
    failure: Failure,
) -> Result<Polled, StoreError> {
    let now = context.clock.now();
    let failures = before.failures + 1;
    let health = SourceHealth {
        source: source.id.clone(),
        since: if before.state == failure.state { before.since.or(Some(now)) } else { Some(now) },
        state: failure.state,
        last_attempt: Some(now),
        next_due: Some(due::after_failure(source, failures, failure.patience(), now)),
        failures,
        detail: failure.detail.clone(),
        // A new address that cannot be read is forgotten, and the old one asked again.
        moved: before.moved.filter(|(to, _)| *to != source.url.as_str()),
        ..before
    };
    save(context, health).await?;
    Ok(Polled { detail: failure.detail, ..empty(source, failure.state.as_str()) })
}

/// A failure, as the state that it puts the source in.
struct Failure {
    state: HealthState,
    detail: String,
    retry_after: Option<Duration>,
    /// It may mend by itself.
    transient: bool,
}

impl Failure {
    fn patience(&self) -> Patience {
        Patience { transient: self.transient, asked: self.retry_after.unwrap_or_default() }
    }

    fn plain(detail: &str) -> Self {
        Self { state: HealthState::Failing, detail: detail.to_owned(), retry_after: None, transient: false }
    }

    fn of_fetch(error: &FetchError) -> Self {
        let state = match error {
            FetchError::Blocked { .. } | FetchError::Busy { .. } | FetchError::Robots { .. } => HealthState::Blocked,
            _ => HealthState::Failing,
        };
        Self { state, detail: error.to_string(), retry_after: error.retry_after(), transient: error.is_transient() }
    }

    fn of_mail(error: &MailError) -> Self {
        let (state, transient) = match error {
            MailError::Refused(_) => (HealthState::Blocked, false),
            MailError::Failed(_) => (HealthState::Failing, true),
        };
        Self { state, detail: error.to_string(), retry_after: None, transient }
    }

    fn of_parse(error: &ParseError) -> Self {
        let state = match error {
            ParseError::NotThis { .. } | ParseError::Changed { .. } => HealthState::Changed,
            _ => HealthState::Failing,
        };
        Self { state, detail: error.to_string(), retry_after: None, transient: false }
    }
}

fn succeeded(before: &SourceHealth, source: &Source, now: Timestamp, state: HealthState, detail: &str) -> SourceHealth {
    SourceHealth {
        source: source.id.clone(),
        state,
        since: if before.state == state { before.since.or(Some(now)) } else { Some(now) },
        last_attempt: Some(now),
        last_success: Some(now),
        next_due: due::next(source, now),
        failures: 0,
        detail: detail.to_owned(),
        ..before.clone()
    }
}

fn describe(dropped: usize, repairs: &[String]) -> String {
    let mut parts: Vec<String> = repairs.iter().take(3).cloned().collect();
    if dropped > 0 {
        parts.push(format!("{dropped} items could not be read"));
    }
    parts.join("; ")
}

/// What validators are bound to: the address, and the way in which we read it.
pub(super) fn reading(source: &Source) -> String {
    format!("{}|{}|{}", parse::PARSER_VERSION, source.format, source.url)
}

fn empty(source: &Source, result: &'static str) -> Polled {
    Polled {
        source: source.id.clone(),
        result,
        detail: String::new(),
        items: 0,
        new_advisories: 0,
        events: 0,
        milliseconds: 0,
    }
}
