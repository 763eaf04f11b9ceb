//! The promises that Rattlewatch makes, each a test: `docs/ARCHITECTURE.md` lists them.
//!
//! The tests that end the program at random points run 20 rounds; `RATTLEWATCH_ROUNDS=200 cargo test --release --test
//! promises` is the campaign. Those against postfix's `smtp-sink` run 6, and skip where it is missing (`POSTFIX` names its
//! folder). `RATTLEWATCH_SEED` repeats the points of a run that failed.

#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

#[path = "../support/mod.rs"]
mod support;

mod killed;
mod leaving;
mod silence;
mod sink;
