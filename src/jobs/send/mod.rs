//! Send: due deliveries to their channel, each try recorded before its first byte and after its answer.

mod queue;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::breaker::{self, Gate};
use super::{Context, owner, wanted};
use crate::channels::Channel;
use crate::model::channel::ChannelKind;
use crate::model::delivery::{DeliveryState, Message, Outcome};
use crate::pipeline::deliver;
use crate::store::deliveries::{self, Begun, Claimed, Finished};
use crate::store::{StoreError, leftovers, outbox};
use queue::{Choice, Shared, next};

/// How long a claim is held before its try begins: what a crash leaves unsent is taken up again this soon.
const CLAIM: Duration = Duration::from_secs(2 * 60);
/// How long a try holds its delivery: longer than the longest single try (its limits sum to about 20 minutes).
const LEASE: Duration = Duration::from_secs(30 * 60);

/// How long a sender waits for a letter's turn; for longer, the letter is put off. Eight letters of a claim must not
/// outwait it.
const PATIENCE: Duration = Duration::from_secs(10);

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
/// A relay that was down is tried with one letter, when its time has come, before any other mail is begun; channels that
/// are no mail do not wait for it.
///
/// # Errors
/// Fails where the database does; what was claimed then returns by its lease.
pub async fn run_once(context: &Context, stop: &watch::Receiver<bool>) -> Result<Sent, StoreError> {
    let (now, farthest) = (context.clock.now(), context.clock.now().plus(FARTHEST));
    if context.store.read(move |tx| leftovers::is_far(tx, farthest)).await? {
        context.store.write(move |tx| leftovers::bring_near(tx, farthest, now)).await?;
    }
    match breaker::gate(context).await? {
        Gate::Open => {}
        Gate::Shut(reason) => return by_web(context, stop, Sent { relay_down: Some(reason), ..Sent::default() }).await,
        Gate::Probe => {
            let shared = Shared::new(Choice::Probe);
            let sent = pass(context, stop, &shared, 1).await?;
            let answered = shared.answered.load(Ordering::SeqCst);
            match &sent.relay_down {
                None if answered => breaker::mended(context).await?,
                // There was no letter to try it with; the next one is.
                None => breaker::try_now(context).await?,
                Some(reason) => breaker::failed(context, reason).await?,
            }
            if sent.relay_down.is_some() || !answered {
                return by_web(context, stop, sent).await;
            }
            let mut all = sent;
            all.add(open(context, stop).await?);
            return Ok(all);
        }
    }
    open(context, stop).await
}

/// A pass with a relay that is believed to be well.
async fn open(context: &Context, stop: &watch::Receiver<bool>) -> Result<Sent, StoreError> {
    let sent = pass(context, stop, &Shared::new(Choice::All), context.send_concurrency).await?;
    match &sent.relay_down {
        Some(reason) => {
            breaker::failed(context, reason).await?;
            by_web(context, stop, sent).await
        }
        None => Ok(sent),
    }
}

/// Adds what goes by other ways than mail.
async fn by_web(context: &Context, stop: &watch::Receiver<bool>, mut sent: Sent) -> Result<Sent, StoreError> {
    sent.add(pass(context, stop, &Shared::new(Choice::Web), context.send_concurrency).await?);
    Ok(sent)
}

/// Sends what is due by so many workers at first.
async fn pass(
    context: &Context,
    stop: &watch::Receiver<bool>,
    shared: &Arc<Shared>,
    workers_max: usize,
) -> Result<Sent, StoreError> {
    let mut workers = JoinSet::new();
    let more = |workers: &mut JoinSet<_>| {
        (0..workers_max).for_each(|_| drop(workers.spawn(work(context.clone(), Arc::clone(shared), stop.clone()))));
    };
    more(&mut workers);
    let (mut sent, mut failed) = (Sent::default(), None);
    // A relay that answers gets a second worker for each connection: while one writes down what has ended and what
    // begins, the other's letter uses the connection.
    let mut doubled = shared.choice != Choice::All;
    loop {
        let worker = tokio::select! {
            worker = workers.join_next() => worker,
            () = shared.relay_answers.notified(), if !doubled => {
                doubled = true;
                more(&mut workers);
                continue;
            }
        };
        match worker {
            Some(Ok(Ok(part))) => sent.add(part),
            Some(Ok(Err(error))) => failed = Some(error),
            Some(Err(error)) => failed = Some(StoreError::custom(format!("a sender ended early: {error}"))),
            None => break,
        }
    }
    let left: Vec<Claimed> = shared.left().await;
    if !left.is_empty() {
        context.store.write(move |tx| left.iter().try_for_each(|claimed| deliveries::release(tx, claimed))).await?;
    }
    failed.map_or(Ok(sent), Err)
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.later += other.later;
        self.dead += other.dead;
        self.relay_down = self.relay_down.take().or(other.relay_down);
    }
}

/// A try that is over.
struct Over {
    claimed: Claimed,
    finished: Finished,
    /// There was a letter to send: the channel decided how it ended.
    sent: bool,
    /// The receiver takes nothing any more.
    gone: bool,
}

/// One sender: letter after letter. The end of one try and the beginning of the next share a transaction.
async fn work(context: Context, shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Result<Sent, StoreError> {
    let mut sent = Sent::default();
    let mut over: Option<Over> = None;
    loop {
        let halted = shared.relay_down.load(Ordering::SeqCst) || *stop.borrow();
        let next = if halted { None } else { next(&context, &shared).await? };
        if let Some((claimed, Ok(message))) = &next
            && let Some(wait) = channel(&context, claimed).and_then(|channel| channel.turn(message))
        {
            // What has ended is written down before anything waits.
            if over.is_some() {
                record(&context, over.take(), None).await?;
            }
            if let Err(wait) = turn(&context, claimed, message, wait, &stop).await {
                let (claimed, until) = (claimed.clone(), context.clock.now().plus(wait));
                context.store.write(move |tx| outbox::postpone(tx, &claimed, until)).await?;
                sent.later += 1;
                continue;
            }
        }
        let (claimed, letter) = next.map_or((None, None), |(claimed, letter)| (Some(claimed), Some(letter)));
        if claimed.is_none() && over.is_none() {
            return Ok(sent);
        }
        let begun = record(&context, over.take(), claimed.clone()).await?;
        let (Some(claimed), Some(letter), Some(Begun::Go { attempt, .. })) = (claimed, letter, begun) else {
            continue;
        };
        let outcome = match &letter {
            Ok(message) => send(&context, &claimed, message).await,
            Err(reason) => Some(Outcome::Never { reason: format!("the letter could not be composed: {reason}") }),
        };
        let Some(outcome) = outcome else {
            let finished = wanted::left(attempt, context.clock.now());
            over = Some(Over { claimed, finished, sent: false, gone: false });
            continue;
        };
        shared.heard(&claimed, letter.is_ok(), &outcome, context.clock.now()).await;
        if let Outcome::Later { reason, relay_down: true, .. } = &outcome {
            sent.relay_down.get_or_insert_with(|| reason.clone());
        }
        let gone = matches!(outcome, Outcome::Gone { .. });
        let finished = judge(&context, &claimed, outcome, attempt);
        match finished.state {
            DeliveryState::Sent => sent.sent += 1,
            DeliveryState::Dead => sent.dead += 1,
            _ => sent.later += 1,
        }
        over = Some(Over { claimed, finished, sent: letter.is_ok(), gone });
    }
}

/// The delivery's own channel.
fn channel<'c>(context: &'c Context, claimed: &Claimed) -> Option<&'c dyn Channel> {
    claimed.channel.parse::<ChannelKind>().ok().map(|kind| context.channels.get(kind))
}

/// One try by the delivery's own channel.
///
/// `None` where its recipient left before anything of it was sent.
async fn send(context: &Context, claimed: &Claimed, message: &Message) -> Option<Outcome> {
    match channel(context, claimed) {
        Some(channel) => wanted::send(context, channel, claimed, message).await,
        None => Some(Outcome::Never { reason: format!("'{}' is no channel that this version knows", claimed.channel) }),
    }
}

/// Waits for a letter's turn, where that comes soon; else says how long it still takes.
async fn turn(
    context: &Context,
    claimed: &Claimed,
    message: &Message,
    mut wait: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<(), Duration> {
    let (begun, mut stop) = (Instant::now(), stop.clone());
    while begun.elapsed() + wait <= PATIENCE {
        if tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await.is_ok() {
            return Err(wait);
        }
        match channel(context, claimed).and_then(|channel| channel.turn(message)) {
            None => return Ok(()),
            Some(more) => wait = more,
        }
    }
    Err(wait)
}

/// Records the end of one try and the beginning of the next.
async fn record(context: &Context, over: Option<Over>, next: Option<Claimed>) -> Result<Option<Begun>, StoreError> {
    let (now, secret) = (context.clock.now(), context.secret.clone());
    context
        .store
        .write(move |tx| {
            if let Some(Over { claimed, finished, sent, gone }) = &over {
                let is_ours = deliveries::finish(tx, claimed, finished, now)?;
                if is_ours && *sent && finished.state == DeliveryState::Dead {
                    owner::failed(tx, &secret, claimed, *gone, &finished.detail, now)?;
                }
            }
            next.as_ref().map(|claimed| deliveries::begin(tx, claimed, now, LEASE)).transpose()
        })
        .await
}

fn judge(context: &Context, claimed: &Claimed, outcome: Outcome, attempt: i64) -> Finished {
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
        ambiguous: i64::from(verdict.ambiguous),
        uncounted,
    }
}
