//! The letters of one pass: claimed, held back where they must wait, composed, and handed to whoever is free.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tracing::warn;

use super::CLAIM;
use crate::jobs::Context;
use crate::jobs::hold::{self, Rule};
use crate::jobs::letters::{self, Letter};
use crate::model::channel::ChannelKind;
use crate::model::clock::Timestamp;
use crate::model::delivery::Outcome;
use crate::store::deliveries::{self, Claimed, Ways};
use crate::store::{StoreError, Tx, outbox};

/// How long an endpoint that failed is left alone, where it does not ask for longer.
const REST: Duration = Duration::from_secs(60);

/// Letters of one claim for each connection, and how many are left of them when the next ones are made.
const ROUND: usize = 8;
const AHEAD: usize = 4;

/// Which letters a pass sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// All that are due.
    All,
    /// One by mail: whether the relay is back is all that is asked.
    Probe,
    /// All that go by other ways than mail.
    Web,
}

/// What the workers of one pass share.
pub(super) struct Shared {
    pub(super) choice: Choice,
    queue: Mutex<Queue>,
    /// A worker met a relay that cannot be used: the others begin nothing more.
    pub(super) relay_down: AtomicBool,
    /// The relay has dealt with a letter, however it judged it.
    pub(super) answered: AtomicBool,
    /// Told when it first has.
    pub(super) relay_answers: Notify,
    /// Until when nothing more is sent to these subscriptions.
    resting: Mutex<HashMap<String, Timestamp>>,
}

/// Letters that are claimed and composed. The next of them are made while the last are sent.
#[derive(Default)]
struct Queue {
    letters: VecDeque<(Claimed, Letter)>,
    /// More of them, in the making.
    more: Option<JoinHandle<Result<Batch, StoreError>>>,
    /// The last claim found nothing.
    dry: bool,
}

/// What was claimed and composed at once.
struct Batch {
    letters: Vec<(Claimed, Letter)>,
    /// Nothing is left to claim.
    dry: bool,
}

impl Queue {
    /// Has more made, unless they are in the making or nothing is left.
    fn ask(&mut self, context: &Context, choice: Choice) {
        if self.more.is_none() && !self.dry {
            let context = context.clone();
            self.more = Some(tokio::spawn(async move { batch(&context, choice).await }));
        }
    }

    /// Takes in what is in the making, once it is made.
    async fn take_in(&mut self) -> Result<(), StoreError> {
        let Some(more) = self.more.take() else { return Ok(()) };
        let ended = |error| StoreError::custom(format!("letters could not be made ready: {error}"));
        let batch = more.await.map_err(ended)??;
        self.letters.extend(batch.letters);
        self.dry = batch.dry;
        Ok(())
    }
}

impl Shared {
    pub(super) fn new(choice: Choice) -> Arc<Self> {
        Arc::new(Self {
            choice,
            queue: Mutex::default(),
            relay_down: AtomicBool::default(),
            answered: AtomicBool::default(),
            relay_answers: Notify::new(),
            resting: Mutex::default(),
        })
    }

    /// What was claimed and not begun.
    pub(super) async fn left(&self) -> Vec<Claimed> {
        let mut queue = self.queue.lock().await;
        if let Err(error) = queue.take_in().await {
            warn!("What was claimed for this pass returns by its lease: {error}");
        }
        queue.letters.drain(..).map(|(claimed, _)| claimed).collect()
    }

    /// Notes what a try says of its relay or endpoint. An endpoint that failed rests: its other letters would only wait for
    /// it in turn, and those of others behind them. A relay that is down stops the pass.
    pub(super) async fn heard(&self, claimed: &Claimed, composed: bool, outcome: &Outcome, now: Timestamp) {
        match outcome {
            Outcome::Later { relay_down: true, .. } => self.relay_down.store(true, Ordering::SeqCst),
            Outcome::Later { wait, .. } if !by_mail(claimed) => {
                let until = now.plus(wait.unwrap_or_default().max(REST));
                self.resting.lock().await.insert(claimed.subscription.clone(), until);
            }
            _ if composed && by_mail(claimed) && !self.answered.swap(true, Ordering::SeqCst) => {
                self.relay_answers.notify_one();
            }
            _ => {}
        }
    }
}

fn by_mail(claimed: &Claimed) -> bool {
    claimed.channel.parse::<ChannelKind>().map_or(true, ChannelKind::is_mail)
}

/// The next letter; where none is left, more are claimed and composed.
pub(super) async fn next(context: &Context, shared: &Shared) -> Result<Option<(Claimed, Letter)>, StoreError> {
    let mut queue = shared.queue.lock().await;
    loop {
        if queue.letters.len() <= context.send_concurrency * AHEAD {
            queue.ask(context, shared.choice);
        }
        if queue.letters.is_empty() {
            queue.take_in().await?;
        }
        let Some((claimed, letter)) = queue.letters.pop_front() else {
            if queue.dry {
                return Ok(None);
            }
            continue;
        };
        let rests = shared.resting.lock().await.get(&claimed.subscription).copied();
        match rests.filter(|until| *until > context.clock.now()) {
            Some(until) => context.store.write(move |tx| outbox::postpone(tx, &claimed, until)).await?,
            None => return Ok(Some((claimed, letter))),
        }
    }
}

/// What is due, as much of it as one round sends.
async fn batch(context: &Context, choice: Choice) -> Result<Batch, StoreError> {
    let now = context.clock.now();
    let rule = Rule { burst: context.burst, holder: context.holder.clone(), lease: CLAIM };
    let round = i64::try_from(context.send_concurrency * ROUND).unwrap_or(64);
    let (limit, ways) = match choice {
        Choice::All => (round, Ways::All),
        Choice::Probe => (1, Ways::Mail),
        Choice::Web => (round, Ways::Web),
    };
    let claim = move |tx: &mut Tx<'_>| {
        let claimed = deliveries::claim_by(tx, ways, &rule.holder, now, CLAIM, limit)?;
        Ok((claimed.is_empty(), hold::hold(tx, claimed, &rule, now)?))
    };
    let (mut dry, mut claimed) = (false, Vec::new());
    // What is held back leaves room for the next.
    while claimed.is_empty() && !dry {
        (dry, claimed) = context.store.write(claim.clone()).await?;
    }
    let letters = if claimed.is_empty() { Vec::new() } else { letters::compose(context, claimed).await? };
    Ok(Batch { letters, dry: dry || choice == Choice::Probe })
}
