//! The promises that Rattlewatch makes, each a test: `docs/ARCHITECTURE.md` lists them.
//!
//! - `digests`: the digest proof. Two years of days and weeks in eight zones against a rule stated another way, and lives of
//!   random items, jumps of the clock and crashes, of which each event must be told by one digest.
//! - `killed`: an ingest is killed at random points; what is stored and mailed is what an undisturbed run gives. 20 rounds.
//! - `campaign`: a program with subscribers is killed at random, at each step of a mail and before and after commits, while
//!   the relay misbehaves and people leave; then a checker compares the relay's log with the database. 30 rounds.
//! - `sink`: the same against postfix's `smtp-sink`, 6 rounds; it skips where that is missing (`POSTFIX` names its folder).
//! - `leaving`: who leaves while the relay lets us wait is mailed nothing. `silence`: quiet is never taken for blind.
//!
//! `RATTLEWATCH_ROUNDS=1000 cargo test --release --test promises campaign` plays a thousand rounds; a release build has no hook
//! to stop at a commit, so kills at commits need a debug build. Each fault names the `RATTLEWATCH_SEED` that repeats its
//! round's choices (moments of a kill stay at the mercy of the machine). `-- --nocapture` shows the figures.

#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

#[path = "../support/mod.rs"]
mod support;

mod campaign;
mod digests;
mod killed;
mod leaving;
mod silence;
mod sink;

/// What repeats the random choices of a run: `RATTLEWATCH_SEED`, else the clock.
fn seed() -> u64 {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    std::env::var("RATTLEWATCH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now)
}
