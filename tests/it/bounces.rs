//! Mail that comes back: what reports say, and what follows from it.
#![allow(clippy::unwrap_used)]

mod intake;
mod reports;

use std::collections::BTreeMap;
use std::path::Path;

/// The address that the fixtures were sent to, in place of a real token.
const PLACEHOLDER: &str = "bounces+sub-7-abcdefghij234567abcd@alerts.msp.example";

/// Every fixture by its name.
fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bounces");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

/// A fixture, sent to `address`.
fn fixture(name: &str, address: &str) -> Vec<u8> {
    let mail = String::from_utf8(fixtures().remove(name).unwrap()).unwrap();
    mail.replace(PLACEHOLDER, address).into_bytes()
}
