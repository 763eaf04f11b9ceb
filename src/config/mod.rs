//! Settings, `sources.toml` and the faults that people make in them: what was written and what it means (checked),
//! two types and one conversion each.

pub mod fault;
pub mod settings;
pub mod sources;
pub mod written;
