//! The runner: one pass over everything (`run`), or pass after pass until told to stop (`serve`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, watch as signal};
use tokio::task::JoinSet;
use tracing::{error, info};

use super::poll::{self, Polled};
use super::send::Sent;
use super::{Context, accounts, audience, bounces, breaker, digest, due, fan_out, route, selftest, send, watch};
use crate::config::sources::Source;
use crate::model::clock::Timestamp;
use crate::store::{StoreError, deliveries, sources};

/// How often the scheduler looks for sources that are due.
const TICK: Duration = Duration::from_secs(1);
/// How often digests are looked for.
const DIGEST_TICK: Duration = Duration::from_secs(20);
/// How often it is seen whether the mailbox of bounces is to be read.
const BOUNCE_TICK: Duration = Duration::from_secs(15);
/// How long the sender rests when nothing is due and nobody wakes it.
const SEND_TICK: Duration = Duration::from_secs(5);
/// How often the sender sees whether it is time to try a relay that is down.
const RELAY_REST: Duration = Duration::from_secs(10);
/// How long what is in flight may take after the word to stop; a container gets 30 s before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// What happens during a pass, for those who show progress.
#[derive(Debug)]
pub enum Progress {
    /// A source is being read.
    Started(String),
    /// A source was read, or could not be.
    Done(Polled),
}

/// What one pass gave.
#[derive(Debug, Default)]
pub struct Pass {
    /// One entry a source, in the order asked for.
    pub polled: Vec<Polled>,
    /// Deliveries queued.
    pub queued: u64,
    /// Digests queued.
    pub digests: u64,
    /// What became of the deliveries that were due.
    pub sent: Sent,
}

/// Polls `chosen`, fans out, cuts digests and delivers what is due; then returns.
///
/// # Errors
/// Fails where the database does.
pub async fn pass(
    context: &Context,
    chosen: Vec<Source>,
    progress: Option<mpsc::UnboundedSender<Progress>>,
) -> Result<Pass, StoreError> {
    let tell = |event: Progress| {
        if let Some(progress) = &progress {
            // Nobody may be watching any more; the work goes on.
            let _ = progress.send(event);
        }
    };
    let results: Vec<Result<Polled, StoreError>> = stream::iter(&chosen)
        .map(|source| async {
            tell(Progress::Started(source.id.clone()));
            let polled = poll::source(context, source).await?;
            tell(Progress::Done(polled.clone()));
            Ok(polled)
        })
        .buffered(context.fetch_concurrency)
        .collect()
        .await;
    let polled = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    let queued = fan_out::run_once(context).await?;
    watch::run_once(context).await?;
    selftest::run_once(context).await?;
    let digests = digest::run_once(context).await?;
    bounces::read(context).await?;
    breaker::try_now(context).await?;
    let (_never, stop) = signal::channel(false);
    let sent = send::run_once(context, &stop).await?;
    Ok(Pass { polled, queued, digests, sent })
}

/// The enabled sources that are due at `now`; one that was never tried is due.
///
/// # Errors
/// Fails where the database does.
pub async fn due(context: &Context, now: Timestamp) -> Result<Vec<Source>, StoreError> {
    let health = context.store.read(sources::all).await?;
    let waits: HashMap<&str, Timestamp> = health
        .iter()
        .filter_map(|health| Some((health.source.as_str(), health.next_due.filter(|due| *due > now)?)))
        .collect();
    let stands_by = |source: &&Source| route::stands_by(source, &health);
    let waits = |source: &Source| waits.get(source.id.as_str()).is_some_and(|due| *due <= due::farthest(source, now));
    let paused: HashSet<&str> =
        health.iter().filter(|health| health.paused.is_some()).map(|health| health.source.as_str()).collect();
    let due = |source: &&Source| {
        source.enabled && !paused.contains(source.id.as_str()) && !waits(source) && !stands_by(source)
    };
    Ok(context.sources.iter().filter(due).cloned().collect())
}

/// Works until `stop` turns true, then finishes what is in flight, for at most 20 s.
pub async fn serve(context: Context, stop: signal::Receiver<bool>) {
    let wake = Arc::clone(&context.queued);
    let mut tasks = JoinSet::new();
    tasks.spawn(schedule(context.clone(), stop.clone(), Arc::clone(&wake)));
    tasks.spawn(cut_digests(context.clone(), stop.clone(), Arc::clone(&wake)));
    tasks.spawn(deliver(context.clone(), stop.clone(), wake));
    tasks.spawn(read_bounces(context.clone(), stop.clone()));
    let mut told = stop.clone();
    let _ = told.wait_for(|stop| *stop).await;
    info!("Stopping: finishing what is in flight");
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        error!("Some work did not end in {} s; its leases expire and it is taken up again", GRACE.as_secs());
    }
}

/// Starts a poll for every source that becomes due, a bounded number at a time.
async fn schedule(context: Context, stop: signal::Receiver<bool>, wake: Arc<Notify>) {
    let permits = Arc::new(Semaphore::new(context.fetch_concurrency));
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let mut polls = JoinSet::new();
    while !*stop.borrow() {
        match due(&context, context.clock.now()).await {
            Err(error) => error!("Cannot see which sources are due: {error}"),
            Ok(due) => {
                for source in due {
                    if !busy.lock().await.insert(source.id.clone()) {
                        continue;
                    }
                    let (context, permits, busy, wake, stop) =
                        (context.clone(), Arc::clone(&permits), Arc::clone(&busy), Arc::clone(&wake), stop.clone());
                    polls.spawn(async move {
                        let _permit = permits.acquire().await;
                        if !*stop.borrow() {
                            poll_and_fan_out(&context, &source, &wake).await;
                        }
                        busy.lock().await.remove(&source.id);
                    });
                }
            }
        }
        while polls.try_join_next().is_some() {}
        pause(TICK, &stop).await;
    }
    while polls.join_next().await.is_some() {}
}

async fn poll_and_fan_out(context: &Context, source: &Source, wake: &Notify) {
    let polled = poll::source(context, source).await;
    let fanned = match polled {
        Ok(_) => fan_out::run_once(context).await,
        Err(error) => Err(error),
    };
    match fanned {
        Ok(0) => {}
        Ok(_) => wake.notify_one(),
        Err(error) => error!(source.id = %source.id, "Polling {} failed: {error}", source.id),
    }
}

async fn cut_digests(context: Context, stop: signal::Receiver<bool>, wake: Arc<Notify>) {
    while !*stop.borrow() {
        // Events that a stopped process left waiting are fanned out here too.
        let work = async {
            let fanned = fan_out::run_once(&context).await?;
            let told = watch::run_once(&context).await?;
            audience::forget_unanswered(&context.store, context.clock.now()).await?;
            accounts::forget_ended(&context.store, context.clock.now()).await?;
            Ok::<_, StoreError>(fanned + told + digest::run_once(&context).await?)
        };
        match work.await {
            Ok(0) => {}
            Ok(_) => wake.notify_one(),
            Err(error) => error!("Cutting digests failed: {error}"),
        }
        pause(DIGEST_TICK, &stop).await;
    }
}

async fn read_bounces(context: Context, stop: signal::Receiver<bool>) {
    while !*stop.borrow() && context.mail_flow.bounce_mailbox.is_some() {
        if let Err(error) = bounces::run_once(&context).await {
            error!("Reading bounces failed: {error}");
        }
        pause(BOUNCE_TICK, &stop).await;
    }
}

async fn deliver(context: Context, stop: signal::Receiver<bool>, wake: Arc<Notify>) {
    while !*stop.borrow() {
        let rest = match send::run_once(&context, &stop).await {
            Ok(Sent { relay_down: Some(_), .. }) => RELAY_REST,
            Ok(_) => SEND_TICK,
            Err(error) => {
                error!("Sending failed: {error}");
                SEND_TICK
            }
        };
        if rest == RELAY_REST {
            pause(rest, &stop).await;
        } else {
            let mut stop = stop.clone();
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(rest) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }
    context.channels.close().await;
}

async fn pause(time: Duration, stop: &signal::Receiver<bool>) {
    let mut stop = stop.clone();
    let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
}

/// When the next waiting delivery is due, for those who wait for it.
///
/// # Errors
/// Fails where the database does.
pub async fn next_delivery(context: &Context) -> Result<Option<Timestamp>, StoreError> {
    context.store.read(deliveries::next_due).await
}
