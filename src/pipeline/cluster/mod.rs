//! Cluster: which items are one advisory, and what that advisory says. Both are plain functions of the items.
//!
//! [`partition`] decides by names first, then by sets of CVE ids, then by references; titles only where there is nothing
//! else. It looks at a set of items, never at their order, so that the same items give the same advisories however they
//! came. [`content`] is what an advisory's items say together.

mod block;
mod content;
mod node;
mod partition;
mod title;

pub use self::content::content;
pub use self::node::Node;
pub use self::partition::{Cluster, Reason, partition};
pub use self::title::{DAYS as TITLE_DAYS, Title};
