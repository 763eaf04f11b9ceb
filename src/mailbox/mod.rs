//! Reading mailboxes: a folder on a mail server, or a directory of files. Nothing in them is ever changed.
//!
//! The rule it keeps is that of [`crate::http`]: what a server sends may cost a bounded amount of time and memory, and
//! no address that the guard refuses is dialed. Messages come out oldest first and in small batches, each with the
//! place at which the next reading goes on. What a message says is for `formats/mailbox` to judge;
//! what a returned mail reports, for [`report`] and the pipeline.

mod directory;
mod imap;
pub mod report;

use std::time::Duration;

use crate::config::sources::MailPlace;
use crate::http::Guard;
use crate::model::mail::{Mail, Wanted};

/// Most bytes of messages in one batch, past which no further message is begun.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Tells from a message's `From` header field, or from all of its header, whether it is to be read.
pub type Takes<'a> = dyn Fn(&[u8]) -> bool + Send + Sync + 'a;

/// Why a mailbox cannot be read, as a sentence for a technician. None shows a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It refuses us: trying again soon will not help, and may lock the account.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached, or does not do what it should.
    #[error("{0}")]
    Failed(String),
}

/// What reading a mailbox may cost in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Finding the host, connecting, and each TLS handshake: 10 seconds.
    pub connect: Duration,
    /// One command until its answer is complete, the greeting included: 30 seconds.
    pub command: Duration,
    /// From the first packet to an open folder: 60 seconds.
    pub open: Duration,
    /// Time after which a batch begins no further message: 45 seconds.
    pub batch: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            open: Duration::from_secs(60),
            batch: Duration::from_secs(45),
        }
    }
}

/// Opens mailboxes.
#[derive(Clone, Debug, Default)]
pub struct Client {
    guard: Guard,
    limits: Limits,
    extra_ca_pem: Option<Vec<u8>>,
}

impl Client {
    /// A client that dials what `guard` permits.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self { guard, ..Self::default() }
    }

    /// The same with these limits, trusting the certificates of `extra_ca_pem` beside the machine's.
    #[must_use]
    pub fn with(self, limits: Limits, extra_ca_pem: Option<Vec<u8>>) -> Self {
        Self { limits, extra_ca_pem, ..self }
    }

    /// Opens the mailbox at `place`. A mail server is told `password`.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn open(&self, place: &MailPlace, password: Option<&str>, wanted: &Wanted) -> Result<Mailbox, MailError> {
        Ok(Mailbox(match place {
            MailPlace::Directory(path) => Kind::Directory(directory::Reading::open(path.clone(), wanted).await?),
            MailPlace::Imap { tls, host, port, user, folder } => {
                let password = password.ok_or_else(|| {
                    let what = "is not asked, since no password for it is known; set api_keys";
                    MailError::Refused(format!("{host}:{port} {what}"))
                })?;
                let account = imap::Account { tls: *tls, host, port: *port, user, password, folder };
                Kind::Imap(Box::new(imap::Reading::open(self, &account, wanted).await?))
            }
        }))
    }
}

/// An open mailbox.
pub struct Mailbox(Kind);

enum Kind {
    Directory(directory::Reading),
    Imap(Box<imap::Reading>),
}

impl Mailbox {
    /// The next batch, of messages that `takes` wants.
    ///
    /// # Errors
    /// Where the mailbox cannot be read on.
    pub async fn next(&mut self, takes: &Takes<'_>) -> Result<Mail, MailError> {
        match &mut self.0 {
            Kind::Directory(reading) => reading.next(takes).await,
            Kind::Imap(reading) => reading.next(takes).await,
        }
    }
}

/// The sentence for a message that is too long.
fn too_long(name: &str, bytes: u64) -> String {
    let most = crate::model::mail::MESSAGE_MAX >> 20;
    format!("{name} has {} KiB and was not read; messages of up to {most} MiB are", bytes.div_ceil(1024))
}
