//! The `rattlewatch` program: parses arguments, calls the command, chooses the exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    rattlewatch::cli::main()
}
