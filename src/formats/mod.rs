//! Bytes to items: one file per source format.
