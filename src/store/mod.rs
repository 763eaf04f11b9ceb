//! Storage: one SQL text for two engines.
