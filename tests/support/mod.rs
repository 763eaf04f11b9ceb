//! What the tests share: servers that misbehave on command, a database of each engine, a small world.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod dns_server;
pub mod http_server;
pub mod openpgp;
pub mod smtp_server;
pub mod imap_server;
pub mod postgres;
pub mod program;
pub mod postfix;
pub mod site;
