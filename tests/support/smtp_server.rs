//! Support: `smtp_server`.
