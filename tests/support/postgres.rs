//! Support: `postgres`.
