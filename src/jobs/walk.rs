//! Walk: a source that is more than one document, read step by step; each batch is stored with the place that it ends at.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ingest::Ingested;
use super::post::Post;
use super::{Context, ingest, poll};
use crate::config::sources::Source;
use crate::formats::walk::{self, Answer, Batch, Start, Step, Walk};
use crate::formats::{Begin, ParseError};
use crate::http::{Client, FetchError, Fetched, Request};
use crate::mailbox::MailError;
use crate::model::clock::Timestamp;
use crate::model::item::Parsed;
use crate::model::platform::PlatformId;
use crate::pipeline::fetch;
use crate::store::{StoreError, sources};

/// How long one poll goes on; what is left is read at the next.
const POLL_TIME: Duration = Duration::from_secs(20 * 60);
/// How long a lease is held without a sign of life, and how often one is given.
const LEASE: Duration = Duration::from_secs(3 * 60);
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);
/// Repairs that are told; the rest is counted.
const REPAIRS: usize = 20;
/// Steps of a trial.
const TRIAL_STEPS: usize = 200;

/// What a walk gave.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Items read, or scores.
    pub items: usize,
    /// Advisories that did not exist before.
    pub new_advisories: usize,
    /// Events that people hear of.
    pub events: usize,
    /// Items that had not been seen before.
    pub new_items: usize,
    /// Items that could not be read.
    pub dropped: usize,
    /// What had to be repaired or was left out.
    pub repairs: Vec<String>,
    /// The source was read to its end.
    pub complete: bool,
}

/// Why a walk stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The publisher refuses us, or asks for patience.
    #[error(transparent)]
    Fetch(FetchError),
    /// The mailbox refuses us, or cannot be reached.
    #[error(transparent)]
    Mail(MailError),
    /// The source cannot be read on.
    #[error(transparent)]
    Parse(ParseError),
}

/// Told after each batch: what came so far, and how far the walk is of how much.
pub type Watch<'a> = dyn Fn(&Walked, Option<(u64, u64)>) + Sync + 'a;

/// What is done with what a walk brings.
struct Purpose<'a> {
    /// History is stored and nobody is told.
    baseline: bool,
    /// Where the walk's place is kept: the source's own, or that of an import.
    place: Place,
    /// When to leave the rest for later.
    until: Option<Instant>,
    /// Told after each batch: how far, of how much.
    progress: &'a Watch<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Poll,
    Import,
}

/// Reads what is new since the last walk, as far as the time of one poll goes. The caller holds the source's lease.
///
/// # Errors
/// Says what stopped it; what was stored before stays stored.
pub async fn poll(context: &Context, source: &Source, begin: Begin, baseline: bool) -> Result<Walked, Stopped> {
    let (id, reading) = (source.id.clone(), poll::reading(source));
    let cursor = context.store.read(move |tx| sources::cursor(tx, &id, &reading)).await?;
    let start =
        Start { source, key: context.key(source), cursor: cursor.as_deref(), since: None, now: context.clock.now() };
    let walk = begin(&start).map_err(Stopped::Parse)?;
    let purpose =
        Purpose { baseline, place: Place::Poll, until: Some(Instant::now() + POLL_TIME), progress: &|_, _| {} };
    run(context, source, walk, Answer::Begin, &purpose).await
}

async fn run(
    context: &Context,
    source: &Source,
    mut walk: Box<dyn Walk>,
    mut answer: Answer,
    purpose: &Purpose<'_>,
) -> Result<Walked, Stopped> {
    let mut walked = Walked::default();
    let mut seen_alive = Instant::now();
    let mut post = Post::default();
    loop {
        // Reading documents is work for a processor, not for the threads that wait on sockets.
        let (kept, step) = tokio::task::spawn_blocking(move || {
            let step = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| walk.next(answer)));
            (walk, step)
        })
        .await
        .map_err(|error| Stopped::Store(StoreError::custom(format!("reading ended early: {error}"))))?;
        walk = kept;
        let step = step.unwrap_or_else(|_| Err(panicked(source))).map_err(Stopped::Parse)?;
        answer = match step {
            Step::Done => {
                walked.complete = true;
                return Ok(walked);
            }
            Step::Pause(time) => {
                tokio::time::sleep(time.min(walk::PAUSE_MAX)).await;
                Answer::Rested
            }
            Step::Fetch(request) => fetched(&context.client, source, &request).await?,
            Step::Try(request) => tried(&context.client, source, &request).await?,
            Step::Download(request, most) => downloaded(&context.client, &context.data_dir, &request, most).await?,
            Step::Messages(wanted) => {
                let key = context.key(source);
                post.next(&context.mail_client, source, key, &wanted).await.map_err(Stopped::Mail)?
            }
            Step::Store(batch) => {
                store(context, source, batch, purpose, &mut walked).await?;
                Answer::Stored
            }
        };
        if purpose.place == Place::Poll && seen_alive.elapsed() > SIGN_OF_LIFE {
            seen_alive = Instant::now();
            keep_lease(context, source).await?;
        }
        if purpose.until.is_some_and(|until| Instant::now() > until) && matches!(answer, Answer::Stored) {
            return Ok(walked);
        }
    }
}

fn panicked(source: &Source) -> ParseError {
    let reason = format!("the {} reader failed on it; please report this document", source.format);
    ParseError::Unreadable { reason }
}

async fn fetched(client: &Client, source: &Source, request: &Request) -> Result<Answer, Stopped> {
    match fetch::document(client, source, request).await {
        Ok(Fetched::Page(page)) => Ok(Answer::Page(Box::new(page))),
        Ok(Fetched::NotModified(_)) => Ok(Answer::Unchanged),
        Err(error) => missed(error),
    }
}

/// A document that the walk can do without: whoever shuts us out of it has not shut us out of the source.
async fn tried(client: &Client, source: &Source, request: &Request) -> Result<Answer, Stopped> {
    match fetched(client, source, request).await {
        Err(Stopped::Fetch(error @ (FetchError::Blocked { .. } | FetchError::Unreachable { .. }))) => {
            Ok(Answer::Failed(error.to_string()))
        }
        other => other,
    }
}

async fn downloaded(client: &Client, folder: &Path, request: &Request, most: u64) -> Result<Answer, Stopped> {
    match client.download(request, folder, most).await {
        Ok(download) => Ok(download.file.map_or(Answer::Unchanged, Answer::File)),
        Err(error) => missed(error),
    }
}

/// One document that is missing is the walk's affair; a publisher that shuts us out or asks for patience ends it.
fn missed(error: FetchError) -> Result<Answer, Stopped> {
    match error {
        FetchError::Gone { .. } | FetchError::Status { status: 404, .. } => Ok(Answer::Missing),
        FetchError::Blocked { .. }
        | FetchError::Busy { .. }
        | FetchError::Robots { .. }
        | FetchError::Unreachable { .. } => Err(Stopped::Fetch(error)),
        other => Ok(Answer::Failed(other.to_string())),
    }
}

async fn store(
    context: &Context,
    source: &Source,
    batch: Batch,
    purpose: &Purpose<'_>,
    walked: &mut Walked,
) -> Result<(), Stopped> {
    let now = context.clock.now();
    let Batch { parsed, cursor, progress } = batch;
    walked.items += parsed.items.len() + parsed.epss.as_ref().map_or(0, |(_, scores)| scores.len());
    walked.dropped += parsed.dropped;
    let room = REPAIRS.saturating_sub(walked.repairs.len());
    walked.repairs.extend(parsed.repairs.iter().take(room).cloned());
    let (scores, items) = (parsed.epss, parsed.items);
    let drafts = poll::drafts(context, source, items, now);
    let (names, id, reading) = (context.clone(), source.id.clone(), poll::reading(source));
    let (baseline, place) = (purpose.baseline, purpose.place);
    let Ingested { new_advisories, events, new_items } = context
        .store
        .write(move |tx| {
            let name = |id: &PlatformId| names.platform_name(id);
            let mut ingested = ingest::drafts(tx, &drafts, baseline, now, &name)?;
            if let Some((day, scores)) = &scores {
                ingested.events += ingest::scores(tx, day, scores, baseline, now, &name)?;
            }
            match (&cursor, place) {
                (Some(cursor), Place::Poll) => sources::keep_cursor(tx, &id, &reading, cursor)?,
                (Some(cursor), Place::Import) => sources::keep_import(tx, &id, &reading, cursor)?,
                (None, _) => {}
            }
            Ok(ingested)
        })
        .await?;
    walked.new_advisories += new_advisories;
    walked.events += events;
    walked.new_items += new_items;
    (purpose.progress)(walked, progress);
    Ok(())
}

async fn keep_lease(context: &Context, source: &Source) -> Result<(), Stopped> {
    let (id, holder, until) = (source.id.clone(), context.holder.clone(), context.clock.now().plus(LEASE));
    let held = context.store.write(move |tx| sources::renew(tx, &id, &holder, until)).await?;
    if held {
        return Ok(());
    }
    Err(Stopped::Store(StoreError::custom("another process has taken over the source; this reading stops")))
}

/// Fills in history from the source itself, or from a file in its format, back to `since`. Nobody is told of any of it.
/// One that was stopped goes on where it was.
///
/// # Errors
/// Says what stopped it; what was stored before stays stored.
pub async fn import(
    context: &Context,
    source: &Source,
    since: Option<Timestamp>,
    file: Option<std::fs::File>,
    progress: &Watch<'_>,
) -> Result<Walked, Stopped> {
    let (id, reading) = (source.id.clone(), poll::reading(source));
    let cursor = match file {
        Some(_) => None,
        None => context.store.read(move |tx| sources::import(tx, &id, &reading)).await?,
    };
    let start = Start {
        source,
        key: context.key(source),
        cursor: cursor.as_deref(),
        since: Some(since.unwrap_or(Timestamp(0))),
        now: context.clock.now(),
    };
    let walk = walk::begin(&start).map_err(Stopped::Parse)?;
    let purpose = Purpose { baseline: true, place: Place::Import, until: None, progress };
    let answer = file.map_or(Answer::Begin, Answer::File);
    let walked = run(context, source, walk, answer, &purpose).await?;
    // What ended well begins anew the next time.
    let id = source.id.clone();
    context.store.write(move |tx| sources::forget_import(tx, &id)).await?;
    Ok(walked)
}

/// Reads a source as a first poll would, up to `most` items, and stores nothing.
///
/// # Errors
/// Says what stopped it.
pub async fn trial(client: &Client, folder: &Path, start: &Start<'_>, most: usize) -> Result<Parsed, Stopped> {
    let mut walk = walk::begin(start).map_err(Stopped::Parse)?;
    let (mut all, mut answer) = (Parsed::default(), Answer::Begin);
    for _ in 0..TRIAL_STEPS {
        answer = match walk.next(answer).map_err(Stopped::Parse)? {
            Step::Done => break,
            Step::Pause(time) => {
                tokio::time::sleep(time.min(walk::PAUSE_MAX)).await;
                Answer::Rested
            }
            Step::Fetch(request) => fetched(client, start.source, &request).await?,
            Step::Try(request) => tried(client, start.source, &request).await?,
            Step::Download(request, most) => downloaded(client, folder, &request, most).await?,
            Step::Messages(_) => Answer::Failed("mailboxes have a trial of their own".to_owned()),
            Step::Store(batch) => {
                let Parsed { items, dropped, repairs, epss, .. } = batch.parsed;
                all.items.extend(items);
                all.dropped += dropped;
                all.repairs.extend(repairs);
                all.epss = epss.or(all.epss);
                if all.items.len() >= most {
                    break;
                }
                Answer::Stored
            }
        };
    }
    Ok(all)
}
