//! The platform catalog (`platforms.toml`) and the matcher that tags advisories with it.
//!
//! Rule: what a platform is called stands in the catalog alone; the matcher knows no platform by name.
//!
//! A new platform is one entry of `platforms.toml` with its own example sentences, which the tests run.

mod catalog;
mod fold;
mod index;
mod matcher;
mod products;
mod written;

pub use catalog::{BUILT_IN, BUILT_IN_NAME, CATEGORIES, Catalog, Platform};
pub use matcher::{Matcher, TagInput};
