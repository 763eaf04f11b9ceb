//! The stages: plain functions from values to values, in the order in which data flows.
//! `fetch` alone does I/O; none knows of storage.

pub mod fetch;
pub mod parse;
pub mod normalize;
pub mod gather;
pub mod rhythm;
pub mod signals;
pub mod tag;
pub mod facts;
pub mod cluster;
pub mod enrich;
pub mod revise;
pub mod audience;
pub mod schedule;
pub mod compose;
pub mod deliver;
pub mod bounce;
