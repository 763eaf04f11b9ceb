//! What users see, end to end: one module a story.

#[path = "../support/mod.rs"]
mod support;

mod compose;
mod config;
mod http;
mod mailbox;
mod platforms;

mod formats;
mod smtp;
mod store;
mod story;
mod commands;
