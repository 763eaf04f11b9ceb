//! Poll: one source, from its address to stored events.

use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::{info, warn};

use super::Context;
use super::ingest::{self, Ingested};
use super::walk::{self, Stopped, Walked};
use crate::config::sources::Source;
use crate::formats::{self, ParseError};
use crate::http::{FetchError, Fetched, Page};
use crate::mailbox::MailError;
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::health::{HealthState, SourceHealth, Validators};
use crate::model::item::{Item, Parsed};
use crate::pipeline::{fetch, normalize, parse, tag};
use crate::store::{StoreError, sources};

/// How long a source is leased: longer than a fetch may take with all its redirects, and short enough that a crash
/// blinds nobody for long.
const LEASE: Duration = Duration::from_secs(3 * 60);
/// The longest wait after repeated failures.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(24 * 3_600);

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
    let (id, holder, reading) = (source.id.clone(), context.holder.clone(), reading(source));
    let leased = context.store.write(move |tx| match sources::lease(tx, &id, &holder, now, LEASE)? {
        true => Ok(Some((sources::get(tx, &id)?, sources::validators(tx, &id, &reading)?))),
        false => Ok(None),
    });
    let mut polled = match leased.await? {
        // Where the database fails, the lease ends by itself.
        Some((health, validators)) => read(context, source, health, validators).await?,
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
    let degraded = parsed.degraded();
    let items = parsed.items.len();
    let drafts = drafts(context, source, parsed.items, now);

    let baseline = !before.baseline;
    let detail = if degraded { describe(parsed.dropped, &parsed.repairs) } else { String::new() };
    let mut health =
        succeeded(&before, source, now, if degraded { HealthState::Degraded } else { HealthState::Ok }, &detail);
    health.items = i64::try_from(items).unwrap_or(i64::MAX);
    // A damaged first document is not all of the history: the next one completes the baseline.
    health.baseline = before.baseline || parsed.dropped == 0 || before.last_success.is_some();
    // Validators of a damaged document would freeze the damage.
    let kept = if degraded { Validators::default() } else { page.meta.validators };

    let (names, holder) = (context.clone(), context.holder.clone());
    let reading = reading(source);
    let Ingested { new_advisories, events } = context
        .store
        .write(move |tx| {
            let ingested = ingest::drafts(tx, &drafts, baseline, now, &|id| names.platform_name(id))?;
            sources::save(tx, &health)?;
            sources::release(tx, &health.source, &holder)?;
            sources::keep_validators(tx, &health.source, &reading, &kept)?;
            Ok(ingested)
        })
        .await?;
    let result = match (baseline, degraded) {
        (true, _) => "baseline",
        (false, true) => "degraded",
        (false, false) => "ok",
    };
    Ok(Polled { detail, items, new_advisories, events, ..empty(source, result) })
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
        next_due: Some(after_failure(source, failures, failure.retry_after, now)),
        failures,
        detail: failure.detail.clone(),
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
}

impl Failure {
    fn plain(detail: &str) -> Self {
        Self { state: HealthState::Failing, detail: detail.to_owned(), retry_after: None }
    }

    fn of_fetch(error: &FetchError) -> Self {
        let state = match error {
            FetchError::Blocked { .. } | FetchError::Busy { .. } => HealthState::Blocked,
            _ => HealthState::Failing,
        };
        Self { state, detail: error.to_string(), retry_after: error.retry_after() }
    }

    fn of_mail(error: &MailError) -> Self {
        let state = match error {
            MailError::Refused(_) => HealthState::Blocked,
            MailError::Failed(_) => HealthState::Failing,
        };
        Self { state, detail: error.to_string(), retry_after: None }
    }

    fn of_parse(error: &ParseError) -> Self {
        let state = match error {
            ParseError::NotThis { .. } | ParseError::Changed { .. } => HealthState::Changed,
            _ => HealthState::Failing,
        };
        Self { state, detail: error.to_string(), retry_after: None }
    }
}

fn succeeded(before: &SourceHealth, source: &Source, now: Timestamp, state: HealthState, detail: &str) -> SourceHealth {
    SourceHealth {
        source: source.id.clone(),
        state,
        since: if before.state == state { before.since.or(Some(now)) } else { Some(now) },
        last_attempt: Some(now),
        last_success: Some(now),
        next_due: next_due(source, now),
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

/// When the source's schedule fires next after `now`.
#[must_use]
pub fn next_due(source: &Source, now: Timestamp) -> Option<Timestamp> {
    let now = chrono::DateTime::from_timestamp_micros(now.0)?;
    source.schedule.after(&now).next().map(|at| Timestamp(at.timestamp_micros()))
}

/// The schedule's next instant, but no sooner than the publisher asked for, and a doubling wait after repeated failures.
fn after_failure(source: &Source, failures: i64, retry_after: Option<Duration>, now: Timestamp) -> Timestamp {
    let doubled = Duration::from_secs(60 << failures.clamp(0, 11)).min(LONGEST_BACK_OFF);
    let wait = if failures > 1 { doubled } else { Duration::ZERO };
    let asked = retry_after.unwrap_or_default().min(LONGEST_BACK_OFF);
    next_due(source, now.plus(wait.max(asked))).unwrap_or(now.plus(LONGEST_BACK_OFF))
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
