//! Rattlewatch pulls government alerts and vendor advisories, makes one advisory of the many reports of one
//! event, tags it with the platforms that managed service providers run, and mails the people who run them.
//!
//! ```text
//! sources.toml          platforms.toml            subscriptions
//!      |                      |                          |
//!   schedule -> fetch -> parse -> advisory -> tag -> match -> compose -> deliver -> people
//! ```
//!
//! # Who may import whom
//!
//! A row may import the rows above it and nothing else; rooms of one row do not import each other.
//! `tests/architecture.rs` holds this table.
//!
//! ```text
//! model
//! config                                       -> model
//! http                                         -> model, config
//! mailbox                                      -> model, config, http
//! formats  enrichers  platforms  channels      -> model, config (+ http where they fetch or send)
//! pipeline                                     -> model, config, http and the four above; never store, mailbox
//! store                                        -> model, config; never pipeline
//! jobs                                         -> everything above: load, run stages, save
//! web, cli                                     -> config, store, jobs, model (+ platforms, formats for commands that show them)
//! ```
//!
//! # Where does an X go
//!
//! A source in a known format: `sources.toml`. A platform: `platforms.toml`. A source format: [`formats`].
//! A way to reach people: [`channels`]. A statement of SQL: [`store`]. Work that recurs: [`jobs`].
//! A page: [`web`]. A command: [`cli`]. The wording of a mail: `pipeline/templates/`.

#![forbid(unsafe_code)]

pub mod model;
pub mod config;
pub mod http;
pub mod mailbox;
pub mod formats;
pub mod enrichers;
pub mod platforms;
pub mod channels;
pub mod pipeline;
pub mod store;
pub mod jobs;
pub mod web;
pub mod cli;
