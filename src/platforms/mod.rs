//! The platform catalog and the matcher: what the products of managed service providers are called, and which of them
//! a text or a product list speaks of.
//!
//! ```text
//! platforms.toml -> written -> check -> catalog -> index \
//!                                                          matcher -> tags with evidence
//!                         title, text -> fold -> context /
//!                         products    -> products       /
//! ```
//!
//! To add a platform, add a `[[platform]]` to `platforms.toml` with sentences that must be tagged with it (`hits`)
//! and that must not (`misses`); a test runs both. Nothing here fetches, guesses by a model, or depends on order.

mod cases;
pub mod catalog;
mod check;
mod context;
pub mod evaluation;
mod fold;
mod index;
pub mod matcher;
mod products;
mod topics;
mod written;

pub use catalog::{Catalog, Category, Platform};
pub use matcher::{Matcher, TagInput};
