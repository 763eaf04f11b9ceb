//! What users see, end to end: one module a story.

#[path = "../support/mod.rs"]
mod support;

mod bounces;
mod compose;
mod config;
mod csaf;
mod doctor;
mod databases;
mod http;
mod mailbox;
mod platforms;

mod facts;
mod formats;
mod health;
mod identity;
mod smtp;
mod store;
mod heard;
mod recorded;
mod outbox;
mod relay;
mod story;
mod tagging;
mod clusters;
mod commands;
