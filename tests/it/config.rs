//! What people write in `sources.toml` and `rattlewatch.toml`, and what they are told.

mod mailbox;
mod settings;
mod shipped;
mod sources;
