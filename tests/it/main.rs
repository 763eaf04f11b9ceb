//! What users see, end to end: one module a story.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod api;
mod audience;
mod bounces;
mod channels;
mod compose;
mod config;
mod consent;
mod csaf;
mod doctor;
mod databases;
mod hold;
mod http;
mod mailbox;
mod platforms;
mod postfix;

mod facts;
mod formats;
mod health;
mod identity;
mod smtp;
mod store;
mod heard;
mod recorded;
mod outbox;
mod pages;
mod relay;
mod rooms;
mod story;
mod tagging;
mod clusters;
mod commands;
