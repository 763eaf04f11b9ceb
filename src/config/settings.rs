//! `rattlewatch.toml`, environment and flags.
