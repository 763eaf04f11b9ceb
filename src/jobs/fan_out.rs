//! Fan-out: events into the outbox, page by page, until none waits.

use super::Context;
use crate::store::{StoreError, events};

/// Recipients queued in one transaction.
const PAGE: i64 = 1_000;
/// Pages in one transaction: many small events share one commit.
const PAGES: usize = 100;

/// Fans out every waiting event. Returns how many deliveries were queued.
///
/// # Errors
/// Fails where the database does; what was queued stays queued, and the next run goes on from there.
pub async fn run_once(context: &Context) -> Result<u64, StoreError> {
    let mut queued = 0;
    loop {
        let now = context.clock.now();
        let (more, some) = context
            .store
            .write(move |tx| {
                let mut some = 0;
                for _ in 0..PAGES {
                    match events::fan_out_page(tx, PAGE, now)? {
                        Some(count) => some += count,
                        None => return Ok((false, some)),
                    }
                }
                Ok((true, some))
            })
            .await?;
        queued += some;
        if !more {
            return Ok(queued);
        }
    }
}
