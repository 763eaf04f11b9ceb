//! The letters of one pass: claimed, held back where they must wait, composed, and handed to whoever is free.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

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
    choice: Choice,
    queue: Mutex<Queue>,
    /// A worker met a relay that cannot be used: the others begin nothing more.
    pub(super) relay_down: AtomicBool,
    /// The relay has dealt with a letter, however it judged it.
    pub(super) answered: AtomicBool,
    /// Until when nothing more is sent to these subscriptions.
    resting: Mutex<HashMap<String, Timestamp>>,
}

/// Letters that are claimed and composed.
#[derive(Default)]
struct Queue {
    letters: VecDeque<(Claimed, Letter)>,
    /// The last claim found nothing.
    dry: bool,
}

impl Shared {
    pub(super) fn new(choice: Choice) -> Arc<Self> {
        Arc::new(Self {
            choice,
            queue: Mutex::default(),
            relay_down: AtomicBool::default(),
            answered: AtomicBool::default(),
            resting: Mutex::default(),
        })
    }

    /// What was claimed and not begun.
    pub(super) async fn left(&self) -> Vec<Claimed> {
        self.queue.lock().await.letters.drain(..).map(|(claimed, _)| claimed).collect()
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
            _ if composed && by_mail(claimed) => self.answered.store(true, Ordering::SeqCst),
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
        while let Some((claimed, letter)) = queue.letters.pop_front() {
            let rests = shared.resting.lock().await.get(&claimed.subscription).copied();
            match rests.filter(|until| *until > context.clock.now()) {
                Some(until) => context.store.write(move |tx| outbox::postpone(tx, &claimed, until)).await?,
                None => return Ok(Some((claimed, letter))),
            }
        }
        if queue.dry {
            return Ok(None);
        }
        let claimed = claim(context, shared.choice, &mut queue).await?;
        if !claimed.is_empty() {
            queue.letters = letters::compose(context, claimed).await?.into();
        }
    }
}

/// What is due, as much of it as one round sends.
async fn claim(context: &Context, choice: Choice, queue: &mut Queue) -> Result<Vec<Claimed>, StoreError> {
    let now = context.clock.now();
    let rule = Rule { burst: context.burst, holder: context.holder.clone(), lease: CLAIM };
    let round = i64::try_from(context.send_concurrency * 8).unwrap_or(64);
    let (limit, ways) = match choice {
        Choice::All => (round, Ways::All),
        Choice::Probe => (1, Ways::Mail),
        Choice::Web => (round, Ways::Web),
    };
    let claim = move |tx: &mut Tx<'_>| {
        let claimed = deliveries::claim_by(tx, ways, &rule.holder, now, CLAIM, limit)?;
        Ok((claimed.is_empty(), hold::hold(tx, claimed, &rule, now)?))
    };
    let mut claimed = Vec::new();
    // What is held back leaves room for the next.
    while claimed.is_empty() && !queue.dry {
        (queue.dry, claimed) = context.store.write(claim.clone()).await?;
    }
    queue.dry |= choice == Choice::Probe;
    Ok(claimed)
}
