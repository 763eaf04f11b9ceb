//! The `rattlewatch` program.

#![forbid(unsafe_code)]

fn main() {}
