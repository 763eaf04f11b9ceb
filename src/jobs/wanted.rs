//! Wanted: a letter is sent only while its recipient wants it, also where the relay lets us wait.
//!
//! A try is recorded before its first byte, and a recipient who has left by then gets none. But a relay may hold back its
//! greeting for minutes, and who leaves meanwhile has been told that nothing more will come: so it is asked once more,
//! just before the recipient is named to the relay.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use super::Context;
use crate::channels::{Asking, Channel};
use crate::model::clock::Timestamp;
use crate::model::delivery::{DeliveryState, Message, Outcome};
use crate::store::deliveries::{Claimed, Finished};
use crate::store::outbox;

/// Sends a letter whose try is recorded; `None` where its recipient left before anything of it was sent.
pub(super) async fn send(
    context: &Context,
    channel: &dyn Channel,
    claimed: &Claimed,
    message: &Message,
) -> Option<Outcome> {
    let has_left = AtomicBool::new(false);
    let wanted = || -> Asking<'_> {
        Box::pin(async {
            let asked = claimed.clone();
            match context.store.read(move |tx| outbox::is_wanted(tx, &asked)).await {
                Ok(is_wanted) => {
                    has_left.store(!is_wanted, Ordering::SeqCst);
                    is_wanted
                }
                Err(error) => {
                    warn!(delivery.id = %claimed.id, "Could not see whether {} is still wanted: {error}", claimed.id);
                    false
                }
            }
        })
    };
    let outcome = channel.send_while(message, &wanted).await;
    (!has_left.load(Ordering::SeqCst)).then_some(outcome)
}

/// What is recorded of such a letter.
pub(super) fn left(attempt: i64, now: Timestamp) -> Finished {
    Finished {
        attempt,
        outcome: "never",
        detail: "unsubscribed before it was sent".to_owned(),
        state: DeliveryState::Suppressed,
        due: now,
        ambiguous: 0,
        uncounted: false,
    }
}
