//! Jobs: the only rooms that join stages and storage. Each loads, runs stages and saves; none takes input, so that
//! the next run is the retry.

pub mod accounts;
pub mod api_tokens;
pub mod context;
pub mod due;
pub mod endpoints;
pub mod route;
pub mod poll;
pub mod post;
pub mod bounces;
pub mod ingest;
pub mod audience;
pub mod by_hand;
pub mod responses;
pub mod wrong_match;
pub mod retag;
pub mod catalog;
pub mod evaluate;
pub mod fan_out;
pub mod hold;
pub mod holder;
pub mod letters;
pub mod verp;
pub mod breaker;
mod owner;
pub mod send;
mod wanted;
pub mod walk;
pub mod digest;
pub mod watch;
pub mod selftest;
pub mod shown;
pub mod runner;

pub use context::Context;
