//! Fan-out: events into the outbox, page by page, until none waits.

use super::Context;
use crate::store::{StoreError, events};

/// Recipients queued in one transaction: enough that the commit does not count, few enough that nobody waits for it.
const PAGE: i64 = 10_000;
/// Events in one transaction: many small ones share one commit.
const EVENTS: i64 = 500;

/// Fans out every waiting event. Returns how many deliveries were queued.
///
/// # Errors
/// Fails where the database does; what was queued stays queued, and the next run goes on from there.
pub async fn run_once(context: &Context) -> Result<u64, StoreError> {
    let mut queued = 0;
    loop {
        let now = context.clock.now();
        let fanned = context.store.write(move |tx| events::fan_out(tx, EVENTS, PAGE, now)).await?;
        queued += fanned.queued;
        if !fanned.more {
            return Ok(queued);
        }
    }
}
