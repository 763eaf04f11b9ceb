//! Printing: a reader that goes away (`| head`) ends the program quietly.

use std::io::{self, Write};

/// Prints a line to standard output.
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    finish(writeln!(out, "{text}"));
}

/// Prints text as it stands.
pub(super) fn raw(text: &str) {
    let mut out = io::stdout().lock();
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints text, and goes on where the reader has gone away: for work that must end in order.
pub(super) fn tell(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody reads it any more; that is all that can go wrong here.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Prints a value as indented JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<(), serde_json::Error> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

fn finish(written: io::Result<()>) {
    if let Err(error) = written {
        let code = i32::from(error.kind() != io::ErrorKind::BrokenPipe);
        std::process::exit(code);
    }
}
