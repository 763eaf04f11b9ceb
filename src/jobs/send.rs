//! Send: due deliveries to their channel, each try recorded before its first byte and after its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::Context;
use super::hold::{self, Rule};
use super::letters::{self, Letter};
use super::owner;
use crate::model::channel::ChannelKind;
use crate::model::clock::Timestamp;
use crate::model::delivery::{DeliveryState, Message, Outcome};
use crate::pipeline::deliver;
use crate::store::deliveries::{self, Begun, Claimed, Finished};
use crate::store::{StoreError, Tx, rollups};

/// How long a claim is held before its try begins: what a crash leaves unsent is taken up again this soon.
const CLAIM: Duration = Duration::from_secs(2 * 60);
/// How long a try holds its delivery: longer than the longest single try (its limits sum to about 20 minutes).
const LEASE: Duration = Duration::from_secs(30 * 60);

/// How long an endpoint that failed is left alone, where it does not ask for longer.
const REST: Duration = Duration::from_secs(60);

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
    /// Until when nothing more is sent to these subscriptions.
    resting: Mutex<HashMap<String, Timestamp>>,
}

/// A try that is over.
struct Ended {
    claimed: Claimed,
    finished: Finished,
    /// There was a letter to send: the channel decided how it ended.
    sent: bool,
    /// The receiver takes nothing any more.
    gone: bool,
}

impl Shared {
    /// Lets an endpoint that failed rest: its other letters would only wait for it in turn, and those of others behind
    /// them. A relay is another matter, it stops the pass.
    async fn rest(&self, claimed: &Claimed, outcome: &Outcome, now: Timestamp) {
        let Outcome::Later { wait, relay_down: false, .. } = outcome else { return };
        if !by_mail(claimed) {
            let until = now.plus(wait.unwrap_or_default().max(REST));
            self.resting.lock().await.insert(claimed.subscription.clone(), until);
        }
    }
}

fn by_mail(claimed: &Claimed) -> bool {
    claimed.channel.parse::<ChannelKind>().map_or(true, ChannelKind::is_mail)
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
    let mut ended: Option<Ended> = None;
    loop {
        let halted = shared.relay_down.load(Ordering::SeqCst) || *stop.borrow();
        let next = if halted { None } else { next(&context, &shared).await? };
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
            Ok(message) => send(&context, &claimed, message).await,
            Err(reason) => Outcome::Never { reason: format!("the letter could not be composed: {reason}") },
        };
        shared.rest(&claimed, &outcome, context.clock.now()).await;
        let gone = matches!(outcome, Outcome::Gone { .. });
        if let Outcome::Later { reason, relay_down: true, .. } = &outcome {
            shared.relay_down.store(true, Ordering::SeqCst);
            sent.relay_down.get_or_insert_with(|| reason.clone());
        }
        let finished = judge(&context, &claimed, outcome, attempt, after_lost_try);
        match finished.state {
            DeliveryState::Sent => sent.sent += 1,
            DeliveryState::Dead => sent.dead += 1,
            _ => sent.later += 1,
        }
        ended = Some(Ended { claimed, finished, sent: letter.is_ok(), gone });
    }
}

/// One try by the delivery's own channel.
async fn send(context: &Context, claimed: &Claimed, message: &Message) -> Outcome {
    match claimed.channel.parse::<ChannelKind>() {
        Ok(kind) => context.channels.get(kind).send(message).await,
        Err(reason) => Outcome::Never { reason },
    }
}

/// The next letter; where none is left, more are claimed and composed.
async fn next(context: &Context, shared: &Shared) -> Result<Option<(Claimed, Letter)>, StoreError> {
    let mut queue = shared.queue.lock().await;
    loop {
        while let Some((claimed, letter)) = queue.letters.pop_front() {
            let rests = shared.resting.lock().await.get(&claimed.subscription).copied();
            match rests.filter(|until| *until > context.clock.now()) {
                Some(until) => context.store.write(move |tx| rollups::postpone(tx, &claimed, until)).await?,
                None => return Ok(Some((claimed, letter))),
            }
        }
        if queue.dry {
            return Ok(None);
        }
        let claimed = claim(context, &mut queue).await?;
        if !claimed.is_empty() {
            queue.letters = letters::compose(context, claimed).await?.into();
        }
    }
}

/// What is due, as much of it as one round sends.
async fn claim(context: &Context, queue: &mut Queue) -> Result<Vec<Claimed>, StoreError> {
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
    Ok(claimed)
}

/// Records the end of one try and the beginning of the next.
async fn record(context: &Context, ended: Option<Ended>, next: Option<Claimed>) -> Result<Option<Begun>, StoreError> {
    let (now, secret) = (context.clock.now(), context.secret.clone());
    context
        .store
        .write(move |tx| {
            if let Some(Ended { claimed, finished, sent, gone }) = &ended {
                let is_ours = deliveries::finish(tx, claimed, finished, now)?;
                if is_ours && *sent && finished.state == DeliveryState::Dead {
                    owner::failed(tx, &secret, claimed, *gone, &finished.detail, now)?;
                }
            }
            next.as_ref().map(|claimed| deliveries::begin(tx, claimed, now, LEASE)).transpose()
        })
        .await
}

fn judge(context: &Context, claimed: &Claimed, outcome: Outcome, attempt: i64, after_lost_try: bool) -> Finished {
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
        ambiguous: i64::from(verdict.ambiguous) + i64::from(after_lost_try),
    }
}
