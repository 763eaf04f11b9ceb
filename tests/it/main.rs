//! What users see, end to end: one module a story.

#[path = "../support/mod.rs"]
mod support;

mod compose;
mod config;
mod databases;
mod http;
mod mailbox;
mod platforms;

mod formats;
mod health;
mod identity;
mod smtp;
mod store;
mod story;
mod commands;
