//! Stops the program at one of its commits, so that tests can see what is left then. Not in release builds.
//!
//! `RATTLEWATCH_STOP_AT=before:3` aborts the process just before the third commit that writes is made, `after:3` just after
//! it, before anybody hears that it was.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the variable says: before or after, and which commit, from 1.
static WANTED: OnceLock<Option<(bool, u64)>> = OnceLock::new();
static COMMITS: AtomicU64 = AtomicU64::new(0);

/// Runs `commit`, unless this is where to stop.
pub(super) fn committing<T>(commit: impl FnOnce() -> T) -> T {
    let Some((before, wanted)) = *WANTED.get_or_init(wanted) else { return commit() };
    let here = COMMITS.fetch_add(1, Ordering::SeqCst) + 1 == wanted;
    if here && before {
        std::process::abort();
    }
    let done = commit();
    if here {
        std::process::abort();
    }
    done
}

fn wanted() -> Option<(bool, u64)> {
    let text = std::env::var("RATTLEWATCH_STOP_AT").ok()?;
    let (side, number) = text.split_once(':')?;
    Some((side == "before", number.parse().ok()?))
}
