//! Send: due deliveries to their channel, each try recorded before its first byte and after its answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::Context;
use super::breaker::{self, Gate};
use super::hold::{self, Rule};
use super::letters::{self, Letter};
use super::wanted;
use crate::model::delivery::{DeliveryState, Message, Outcome};
use crate::pipeline::deliver;
use crate::store::deliveries::{self, Begun, Claimed, Finished};
use crate::store::{StoreError, Tx, outbox};

/// How long a claim is held before its try begins: what a crash leaves unsent is taken up again this soon.
const CLAIM: Duration = Duration::from_secs(2 * 60);
/// How long a try holds its delivery: longer than the longest single try (its limits sum to about 20 minutes).
const LEASE: Duration = Duration::from_secs(30 * 60);

/// How long a sender waits for a letter's turn; for longer, the letter is put off. Eight letters of a claim must not
/// outwait it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a pass over the outbox gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Accepted by the relay.
    pub sent: u64,
    /// To be tried again.
    pub later: u64,
    /// Given up.
    pub dead: u64,
    /// The relay could not be reached or refused us all; the rest waits.
    pub relay_down: Option<String>,
}

/// Sends what is due until nothing is, the relay is down, or `stop` turns true. What is in flight is always finished.
/// A relay that was down is tried with one letter, when its time has come, before any other is begun.
///
/// # Errors
/// Fails where the database does; what was claimed then returns by its lease.
pub async fn run_once(context: &Context, stop: &watch::Receiver<bool>) -> Result<Sent, StoreError> {
    let mut sent = Sent::default();
    match breaker::gate(context).await? {
        Gate::Open => {}
        Gate::Shut(reason) => return Ok(Sent { relay_down: Some(reason), ..sent }),
        Gate::Probe => {
            let shared = Arc::new(Shared { probe: true, ..Shared::default() });
            sent = pass(context, stop, &shared, 1).await?;
            match &sent.relay_down {
                None if shared.answered.load(Ordering::SeqCst) => breaker::mended(context).await?,
                // There was no letter to try it with; the next one is.
                None => breaker::try_now(context).await?,
                Some(reason) => breaker::failed(context, reason).await?,
            }
            if sent.relay_down.is_some() || !shared.answered.load(Ordering::SeqCst) {
                return Ok(sent);
            }
        }
    }
    sent.add(pass(context, stop, &Arc::new(Shared::default()), context.send_concurrency).await?);
    if let Some(reason) = &sent.relay_down {
        breaker::failed(context, reason).await?;
    }
    Ok(sent)
}

/// Sends what is due by so many workers.
async fn pass(
    context: &Context,
    stop: &watch::Receiver<bool>,
    shared: &Arc<Shared>,
    workers_max: usize,
) -> Result<Sent, StoreError> {
    let mut workers = JoinSet::new();
    for _ in 0..workers_max {
        workers.spawn(work(context.clone(), Arc::clone(shared), stop.clone()));
    }
    let mut sent = Sent::default();
    let mut failed = None;
    while let Some(worker) = workers.join_next().await {
        match worker {
            Ok(Ok(part)) => sent.add(part),
            Ok(Err(error)) => failed = Some(error),
            Err(error) => failed = Some(StoreError::custom(format!("a sender ended early: {error}"))),
        }
    }
    let left: Vec<Claimed> = shared.queue.lock().await.letters.drain(..).map(|(claimed, _)| claimed).collect();
    if !left.is_empty() {
        context.store.write(move |tx| left.iter().try_for_each(|claimed| deliveries::release(tx, claimed))).await?;
    }
    failed.map_or(Ok(sent), Err)
}

/// What the workers of one pass share.
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// A worker met a relay that cannot be used: the others begin nothing more.
    relay_down: AtomicBool,
    /// The relay has dealt with a letter, however it judged it.
    answered: AtomicBool,
    /// One letter is enough: whether the relay is back is all that is asked.
    probe: bool,
}

/// Letters that are claimed and composed.
#[derive(Default)]
struct Queue {
    letters: VecDeque<(Claimed, Letter)>,
    /// The last claim found nothing.
    dry: bool,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.later += other.later;
        self.dead += other.dead;
        self.relay_down = self.relay_down.take().or(other.relay_down);
    }
}

/// One sender: letter after letter. The end of one try and the beginning of the next share a transaction.
async fn work(context: Context, shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Result<Sent, StoreError> {
    let mut sent = Sent::default();
    let mut ended: Option<(Claimed, Finished)> = None;
    loop {
        let halted = shared.relay_down.load(Ordering::SeqCst) || *stop.borrow();
        let next = if halted { None } else { next(&context, &shared).await? };
        if let Some((claimed, Ok(message))) = &next
            && let Some(wait) = context.channel.turn(message)
        {
            // What has ended is written down before anything waits.
            if ended.is_some() {
                record(&context, ended.take(), None).await?;
            }
            if let Err(wait) = turn(&context, message, wait, &stop).await {
                let (claimed, until) = (claimed.clone(), context.clock.now().plus(wait));
                context.store.write(move |tx| outbox::postpone(tx, &claimed, until)).await?;
                sent.later += 1;
                continue;
            }
        }
        let (claimed, letter) = next.map_or((None, None), |(claimed, letter)| (Some(claimed), Some(letter)));
        if claimed.is_none() && ended.is_none() {
            return Ok(sent);
        }
        let begun = record(&context, ended.take(), claimed.clone()).await?;
        let (Some(claimed), Some(letter), Some(Begun::Go { attempt, after_lost_try })) = (claimed, letter, begun)
        else {
            continue;
        };
        let outcome = match &letter {
            Ok(message) => wanted::send(&context, &claimed, message).await,
            Err(reason) => Some(Outcome::Never { reason: format!("the letter could not be composed: {reason}") }),
        };
        let Some(outcome) = outcome else {
            ended = Some((claimed, wanted::left(attempt, after_lost_try, context.clock.now())));
            continue;
        };
        if let Outcome::Later { reason, relay_down: true, .. } = &outcome {
            shared.relay_down.store(true, Ordering::SeqCst);
            sent.relay_down.get_or_insert_with(|| reason.clone());
        } else if letter.is_ok() {
            shared.answered.store(true, Ordering::SeqCst);
        }
        let finished = judge(&context, &claimed, outcome, attempt, after_lost_try);
        match finished.state {
            DeliveryState::Sent => sent.sent += 1,
            DeliveryState::Dead => sent.dead += 1,
            _ => sent.later += 1,
        }
        ended = Some((claimed, finished));
    }
}

/// Waits for a letter's turn, where that comes soon; else says how long it still takes.
async fn turn(
    context: &Context,
    message: &Message,
    mut wait: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<(), Duration> {
    let (begun, mut stop) = (Instant::now(), stop.clone());
    while begun.elapsed() + wait <= PATIENCE {
        if tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await.is_ok() {
            return Err(wait);
        }
        match context.channel.turn(message) {
            None => return Ok(()),
            Some(more) => wait = more,
        }
    }
    Err(wait)
}

/// The next letter; where none is left, more are claimed and composed.
async fn next(context: &Context, shared: &Shared) -> Result<Option<(Claimed, Letter)>, StoreError> {
    let mut queue = shared.queue.lock().await;
    if queue.letters.is_empty() && !queue.dry {
        let now = context.clock.now();
        let rule = Rule { burst: context.burst, holder: context.holder.clone(), lease: CLAIM };
        let limit = if shared.probe { 1 } else { i64::try_from(context.send_concurrency * 8).unwrap_or(64) };
        let claim = move |tx: &mut Tx<'_>| {
            let claimed = deliveries::claim(tx, &rule.holder, now, CLAIM, limit)?;
            Ok((claimed.is_empty(), hold::hold(tx, claimed, &rule, now)?))
        };
        let mut claimed = Vec::new();
        // What is held back leaves room for the next.
        while claimed.is_empty() && !queue.dry {
            (queue.dry, claimed) = context.store.write(claim.clone()).await?;
        }
        queue.dry |= shared.probe;
        if !claimed.is_empty() {
            queue.letters = letters::compose(context, claimed).await?.into();
        }
    }
    Ok(queue.letters.pop_front())
}

/// Records the end of one try and the beginning of the next.
async fn record(
    context: &Context,
    ended: Option<(Claimed, Finished)>,
    next: Option<Claimed>,
) -> Result<Option<Begun>, StoreError> {
    let now = context.clock.now();
    context
        .store
        .write(move |tx| {
            if let Some((claimed, finished)) = &ended {
                deliveries::finish(tx, claimed, finished, now)?;
            }
            next.as_ref().map(|claimed| deliveries::begin(tx, claimed, now, LEASE)).transpose()
        })
        .await
}

fn judge(context: &Context, claimed: &Claimed, outcome: Outcome, attempt: i64, after_lost_try: bool) -> Finished {
    let since = claimed.requeued_at.unwrap_or(claimed.created_at);
    // A relay that is down says nothing of the letter: the try does not count, but the letter stands back for others.
    let uncounted = matches!(outcome, Outcome::Later { relay_down: true, .. });
    let counted = if uncounted { attempt } else { attempt - claimed.spent };
    let verdict = deliver::verdict(outcome, counted, since, context.clock.now());
    match verdict.state {
        DeliveryState::Dead => error!(delivery.id = %claimed.id, "Gave up {}: {}", claimed.id, verdict.detail),
        DeliveryState::Queued => warn!(delivery.id = %claimed.id, "Will try {} again: {}", claimed.id, verdict.detail),
        _ => info!(delivery.id = %claimed.id, attempt, "Sent {}", claimed.id),
    }
    Finished {
        attempt,
        outcome: verdict.outcome,
        detail: verdict.detail,
        state: verdict.state,
        due: verdict.due,
        ambiguous: i64::from(verdict.ambiguous) + i64::from(after_lost_try),
        uncounted,
    }
}
