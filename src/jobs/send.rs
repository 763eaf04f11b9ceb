//! Send: due deliveries to their channel, each try recorded before its first byte and after its answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::Context;
use super::hold::{self, Rule};
use super::letters::{self, Letter};
use crate::model::delivery::{DeliveryState, Outcome};
use crate::pipeline::deliver;
use crate::store::deliveries::{self, Begun, Claimed, Finished};
use crate::store::{StoreError, Tx, leftovers};

/// How long a claim is held before its try begins: what a crash leaves unsent is taken up again this soon.
const CLAIM: Duration = Duration::from_secs(2 * 60);
/// How long a try holds its delivery: longer than the longest single try (its limits sum to about 20 minutes).
const LEASE: Duration = Duration::from_secs(30 * 60);

/// No letter waits, or is held, for longer: what does was queued by a clock that ran ahead and was set back since.
const FARTHEST: Duration = Duration::from_secs(3 * 86_400);

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
///
/// # Errors
/// Fails where the database does; what was claimed then returns by its lease.
pub async fn run_once(context: &Context, stop: &watch::Receiver<bool>) -> Result<Sent, StoreError> {
    let (now, farthest) = (context.clock.now(), context.clock.now().plus(FARTHEST));
    if context.store.read(move |tx| leftovers::is_far(tx, farthest)).await? {
        context.store.write(move |tx| leftovers::bring_near(tx, farthest, now)).await?;
    }
    let shared = Arc::new(Shared::default());
    let mut workers = JoinSet::new();
    for _ in 0..context.send_concurrency {
        workers.spawn(work(context.clone(), Arc::clone(&shared), stop.clone()));
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
        let (claimed, letter) = next.map_or((None, None), |(claimed, letter)| (Some(claimed), Some(letter)));
        if claimed.is_none() && ended.is_none() {
            return Ok(sent);
        }
        let begun = record(&context, ended.take(), claimed.clone()).await?;
        let (Some(claimed), Some(letter), Some(Begun::Go { attempt, .. })) = (claimed, letter, begun) else {
            continue;
        };
        let outcome = match &letter {
            Ok(message) => context.channel.send(message).await,
            Err(reason) => Outcome::Never { reason: format!("the letter could not be composed: {reason}") },
        };
        if let Outcome::Later { reason, relay_down: true, .. } = &outcome {
            shared.relay_down.store(true, Ordering::SeqCst);
            sent.relay_down.get_or_insert_with(|| reason.clone());
        }
        let finished = judge(&context, &claimed, outcome, attempt);
        match finished.state {
            DeliveryState::Sent => sent.sent += 1,
            DeliveryState::Dead => sent.dead += 1,
            _ => sent.later += 1,
        }
        ended = Some((claimed, finished));
    }
}

/// The next letter; where none is left, more are claimed and composed.
async fn next(context: &Context, shared: &Shared) -> Result<Option<(Claimed, Letter)>, StoreError> {
    let mut queue = shared.queue.lock().await;
    if queue.letters.is_empty() && !queue.dry {
        let now = context.clock.now();
        let rule = Rule { burst: context.burst, holder: context.holder.clone(), lease: CLAIM };
        let limit = i64::try_from(context.send_concurrency * 8).unwrap_or(64);
        let claim = move |tx: &mut Tx<'_>| {
            let claimed = deliveries::claim(tx, &rule.holder, now, CLAIM, limit)?;
            Ok((claimed.is_empty(), hold::hold(tx, claimed, &rule, now)?))
        };
        let mut claimed = Vec::new();
        // What is held back leaves room for the next.
        while claimed.is_empty() && !queue.dry {
            (queue.dry, claimed) = context.store.write(claim.clone()).await?;
        }
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

fn judge(context: &Context, claimed: &Claimed, outcome: Outcome, attempt: i64) -> Finished {
    let since = claimed.requeued_at.unwrap_or(claimed.created_at);
    let verdict = deliver::verdict(outcome, attempt - claimed.spent, since, context.clock.now());
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
        ambiguous: i64::from(verdict.ambiguous),
    }
}
