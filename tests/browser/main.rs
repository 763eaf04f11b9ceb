//! The pages in a real browser: from signing up to the last mail, by keyboard, without JavaScript, narrow, dark and
//! for readers of screens.
//!
//! Where there is no Chromium, nothing is looked at and it says so. `PICTURES=1` writes the screenshots of `docs/images/`.
//! `AXE` names a copy of axe-core's `axe.min.js`, without which accessibility is not checked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at a surprise")]

mod driver;
#[path = "../support/mod.rs"]
mod support;

mod journey;
mod looks;
