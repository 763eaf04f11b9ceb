//! Send: due deliveries to their channel, each try recorded before its first byte and after its answer.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::{Context, letters};
use crate::model::delivery::{DeliveryState, Outcome};
use crate::pipeline::deliver;
use crate::store::StoreError;
use crate::store::deliveries::{self, Begun, Claimed, Finished};

/// How long a claim is held before its try begins: what a crash leaves unsent is taken up again this soon.
const CLAIM: Duration = Duration::from_secs(2 * 60);
/// How long a try holds its delivery: longer than the longest single try (its limits sum to about 20 minutes).
const LEASE: Duration = Duration::from_secs(30 * 60);

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
    let mut sent = Sent::default();
    let mut flying = FuturesUnordered::new();
    let mut waiting: Vec<Claimed> = Vec::new();
    let mut more = true;
    loop {
        let halted = sent.relay_down.is_some() || *stop.borrow();
        if halted && !waiting.is_empty() {
            give_back(context, std::mem::take(&mut waiting)).await?;
        }
        while !halted && flying.len() < context.send_concurrency {
            if waiting.is_empty() && more {
                waiting = claim(context).await?;
                waiting.reverse();
                more = !waiting.is_empty();
            }
            let Some(claimed) = waiting.pop() else { break };
            flying.push(one(context, claimed));
        }
        match flying.next().await {
            None => return Ok(sent),
            Some(end) => count(&mut sent, end?),
        }
    }
}

/// How one delivery ended in this pass.
struct End {
    state: DeliveryState,
    relay_down: Option<String>,
}

fn count(sent: &mut Sent, end: End) {
    match end.state {
        DeliveryState::Sent => sent.sent += 1,
        DeliveryState::Dead => sent.dead += 1,
        DeliveryState::Queued => sent.later += 1,
        DeliveryState::Sending | DeliveryState::Suppressed => {}
    }
    sent.relay_down = sent.relay_down.take().or(end.relay_down);
}

async fn claim(context: &Context) -> Result<Vec<Claimed>, StoreError> {
    let (holder, now) = (context.holder.clone(), context.clock.now());
    let limit = i64::try_from(context.send_concurrency * 8).unwrap_or(64);
    context.store.write(move |tx| deliveries::claim(tx, &holder, now, CLAIM, limit)).await
}

async fn give_back(context: &Context, waiting: Vec<Claimed>) -> Result<(), StoreError> {
    context.store.write(move |tx| waiting.iter().try_for_each(|claimed| deliveries::release(tx, claimed))).await
}

async fn one(context: &Context, claimed: Claimed) -> Result<End, StoreError> {
    let message = letters::compose(context, &claimed).await?;
    let (begun, now) = (claimed.clone(), context.clock.now());
    let begun = context.store.write(move |tx| deliveries::begin(tx, &begun, now, LEASE)).await?;
    let Begun::Go { attempt, after_lost_try } = begun else {
        return Ok(End { state: DeliveryState::Suppressed, relay_down: None });
    };
    let outcome = match &message {
        Ok(message) => context.channel.send(message).await,
        Err(reason) => Outcome::Never { reason: format!("the letter could not be composed: {reason}") },
    };
    let relay_down = match &outcome {
        Outcome::Later { reason, relay_down: true } => Some(reason.clone()),
        _ => None,
    };
    let now = context.clock.now();
    let verdict = deliver::verdict(outcome, attempt, claimed.created_at, now);
    match verdict.state {
        DeliveryState::Dead => error!(delivery.id = %claimed.id, "Gave up {}: {}", claimed.id, verdict.detail),
        DeliveryState::Queued => warn!(delivery.id = %claimed.id, "Will try {} again: {}", claimed.id, verdict.detail),
        _ => info!(delivery.id = %claimed.id, attempt, "Sent {}", claimed.id),
    }
    let finished = Finished {
        attempt,
        outcome: verdict.outcome,
        detail: verdict.detail,
        state: verdict.state,
        due: verdict.due,
        ambiguous: i64::from(verdict.ambiguous) + i64::from(after_lost_try),
    };
    let state = finished.state;
    context.store.write(move |tx| deliveries::finish(tx, &claimed, &finished, now)).await?;
    Ok(End { state, relay_down })
}
