//! Support: `http_server`.
