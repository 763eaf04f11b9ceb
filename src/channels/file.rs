//! Mail into a directory, one `.eml` file a message: what there is before a relay is set, and what tests read.
//!
//! The rule: a file is there whole or not at all, and a repeat of a message replaces its own file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::email::{Sender, render};
use super::{Channel, Closing, Sending};
use crate::model::delivery::{Message, Outcome};

/// Tells apart two writers of one message.
static WRITER: AtomicU64 = AtomicU64::new(0);

/// The channel that writes files.
#[derive(Clone, Debug)]
pub struct Outbox {
    directory: PathBuf,
    sender: Sender,
}

impl Outbox {
    /// Mail from `sender` into `directory`, which is made when the first mail comes.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, sender: Sender) -> Self {
        Self { directory: directory.into(), sender }
    }

    /// Where `message` is kept: `<yyyymmddThhmmss>-<key>.eml`, the time being its date in UTC.
    #[must_use]
    pub fn path(&self, message: &Message) -> PathBuf {
        let time = message.date.to_jiff().strftime("%Y%m%dT%H%M%S");
        self.directory.join(format!("{time}-{}.eml", file_name(&message.key)))
    }

    async fn deliver(&self, message: &Message) -> Outcome {
        let mail = match render(message, &self.sender) {
            Ok(mail) => mail,
            Err(reason) => return Outcome::Never { reason },
        };
        let (directory, path) = (self.directory.clone(), self.path(message));
        let shown = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || write(&directory, &path, &mail)).await;
        match written.unwrap_or_else(|stopped| Err(io::Error::other(stopped))) {
            Ok(()) => Outcome::Sent { reply: format!("written to {shown}") },
            Err(error) => Outcome::Later {
                reason: format!("'{shown}' cannot be written ({error}); check the directory's owner and free space"),
                relay_down: true,
                wait: None,
            },
        }
    }
}

impl Channel for Outbox {
    fn name(&self) -> &'static str {
        "file"
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(self.deliver(message))
    }

    fn close<'a>(&'a self) -> Closing<'a> {
        Box::pin(std::future::ready(()))
    }
}

/// `key` where it is a harmless file name, else what is harmless of it and a digest.
fn file_name(key: &str) -> String {
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=100).contains(&key.len()) && key.chars().all(is_harmless) {
        return key.to_owned();
    }
    let kept: String = key.chars().filter(|c| is_harmless(*c)).take(40).collect();
    let digest = Sha256::digest(key.as_bytes());
    let tail: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{kept}_{tail}")
}

/// Writes beside the place, then renames; both are on the disk when it returns. Mail holds sign-in links, so only
/// our own user may read it.
fn write(directory: &Path, path: &Path, mail: &[u8]) -> io::Result<()> {
    make(directory)?;
    let number = WRITER.fetch_add(1, Ordering::Relaxed);
    let draft = directory.join(format!(".{}-{number}.tmp", std::process::id()));
    let result = fill(&draft, mail).and_then(|()| fs::rename(&draft, path));
    if result.is_err() {
        let _ = fs::remove_file(&draft);
        return result;
    }
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn make(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn fill(draft: &Path, mail: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(draft)?;
    file.write_all(mail)?;
    file.sync_all()
}
