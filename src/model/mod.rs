//! The nouns of the field, without any I/O: what a source publishes ([`item`]), what people see
//! ([`advisory`]), who hears of it ([`audience`]) and what is sent to them ([`delivery`]).
//!
//! Everything here is a plain value. Nothing in this room reads a clock, a file or a socket.

pub mod address;
pub mod advisory;
pub mod api_token;
pub mod audience;
pub mod changes;
pub mod channel;
pub mod clock;
pub mod context;
pub mod cve;
pub mod delivery;
pub mod draft;
pub mod facts;
pub mod health;
pub mod item;
pub mod mail;
pub mod platform;
pub mod report;
pub mod response;
pub mod search;
pub mod severity;
pub mod text;
pub mod tlp;
pub mod topic;
pub mod weakness;
