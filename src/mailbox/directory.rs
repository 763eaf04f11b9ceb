//! A directory into which `*.eml` files are dropped.
//!
//! What is new is told by when a file came to its place (its change or modification time, whichever is later: moving a
//! file keeps the one and sets the other), so nothing needs to be moved or deleted, and the directory may be read-only.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{BATCH_BYTES, MailError, Takes, too_long};
use crate::model::mail::{MESSAGE_MAX, Mail, Message, NEWEST, Wanted};
use crate::model::text;

/// Most entries of the directory that are looked at.
const ENTRIES_MAX: usize = 200_000;
/// Most messages of one batch.
const BATCH: usize = 50;
/// Longest header, in bytes, in which the sender is looked for.
const HEADER_MAX: usize = 256 * 1024;

/// Where a reading ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// When the newest file that was read came to its place, in microseconds of Unix time.
    at: i64,
    /// The files that were read of those that came at that time.
    names: BTreeSet<String>,
}

/// A file that may be a message.
#[derive(Debug)]
struct Found {
    at: i64,
    name: String,
    path: PathBuf,
    regular: bool,
}

/// A directory being read.
pub(super) struct Reading {
    waiting: VecDeque<Found>,
    cursor: Cursor,
    all: u64,
    done: u64,
}

impl Reading {
    pub(super) async fn open(directory: PathBuf, wanted: &Wanted) -> Result<Self, MailError> {
        let wanted = wanted.clone();
        tokio::task::spawn_blocking(move || list(&directory, &wanted)).await.unwrap_or_else(|error| Err(broken(&error)))
    }

    pub(super) async fn next(&mut self, takes: &Takes<'_>) -> Result<Mail, MailError> {
        let mut mail = Mail::default();
        let mut bytes = 0;
        for _ in 0..BATCH {
            if bytes > BATCH_BYTES {
                break;
            }
            let Some(found) = self.waiting.pop_front() else { break };
            let (at, name) = (found.at, found.name.clone());
            let read = tokio::task::spawn_blocking(move || read(&found)).await.map_err(|error| broken(&error))?;
            match read {
                Ok(read) if !takes(&read[..read.len().min(HEADER_MAX)]) => mail.strangers += 1,
                Ok(read) => {
                    bytes += read.len();
                    mail.messages.push(Message { name: text::truncate(&text::one_line(&name), 100), bytes: read });
                }
                Err(why) => mail.left_out.push(why),
            }
            self.done += 1;
            if at != self.cursor.at {
                self.cursor = Cursor { at, names: BTreeSet::new() };
            }
            self.cursor.names.insert(name);
        }
        mail.cursor = serde_json::to_string(&self.cursor).unwrap_or_default();
        mail.progress = (self.done, self.all);
        mail.last = self.waiting.is_empty();
        Ok(mail)
    }
}

fn broken(error: &tokio::task::JoinError) -> MailError {
    MailError::Failed(format!("reading the directory ended early: {error}"))
}

/// What is new in the directory, oldest first.
fn list(directory: &Path, wanted: &Wanted) -> Result<Reading, MailError> {
    let fault = |error: io::Error| {
        let path = directory.display();
        MailError::Failed(format!("the directory {path} cannot be read ({error}); check its path and permissions"))
    };
    let before: Option<Cursor> = wanted.cursor.as_deref().and_then(|cursor| serde_json::from_str(cursor).ok());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(fault)?.take(ENTRIES_MAX) {
        let entry = entry.map_err(fault)?;
        let path = entry.path();
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("eml")) {
            continue;
        }
        // Of a link this tells about the link itself. A file that has just gone is no fault.
        let Ok(metadata) = entry.metadata() else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        found.push(Found { at: arrival(&metadata), regular: metadata.is_file(), name, path });
    }
    if let Some(before) = &before {
        found.retain(|file| file.at > before.at || (file.at == before.at && !before.names.contains(&file.name)));
    }
    if let Some(since) = wanted.since {
        found.retain(|file| file.at >= since.0);
    }
    found.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    let mut cursor = before.clone().unwrap_or_default();
    if before.is_none() && wanted.since.is_none() {
        let passed_over: Vec<Found> = found.drain(..found.len().saturating_sub(NEWEST)).collect();
        // Files that came at one time may stand on both sides of the cut.
        if let Some(at) = passed_over.last().map(|file| file.at) {
            let names = passed_over.into_iter().filter(|file| file.at == at).map(|file| file.name).collect();
            cursor = Cursor { at, names };
        }
    }
    let all = found.len() as u64;
    Ok(Reading { waiting: found.into(), cursor, all, done: 0 })
}

/// When the file came to its place, in microseconds of Unix time.
fn arrival(metadata: &Metadata) -> i64 {
    let micros = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000);
    let changed = micros(metadata.ctime(), metadata.ctime_nsec());
    changed.max(micros(metadata.mtime(), metadata.mtime_nsec()))
}

/// The file's bytes, or a sentence.
fn read(found: &Found) -> Result<Vec<u8>, String> {
    let name = text::truncate(&text::one_line(&found.name), 100);
    let no_file = || format!("{name} is not a regular file and was not read");
    if !found.regular {
        return Err(no_file());
    }
    // Whoever may write there could put a link or a pipe in the file's place since it was listed.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = File::options().read(true).custom_flags(flags.cast_signed()).open(&found.path);
    let unreadable = |error: io::Error| format!("{name} cannot be read ({error}); check its permissions");
    let file = opened.map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(no_file());
    }
    if metadata.len() > MESSAGE_MAX as u64 {
        return Err(too_long(&name, metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(MESSAGE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() {
        0 => Err(format!("{name} is empty")),
        length if length > MESSAGE_MAX => Err(too_long(&name, length as u64)),
        _ => Ok(bytes),
    }
}
