//! What users see, end to end: one module a story.

#[path = "../support/mod.rs"]
mod support;

mod http;
mod formats;
mod smtp;
mod store;
mod platforms;
