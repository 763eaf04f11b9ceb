//! Downloads: documents too large for memory go into a file that has no name and vanishes with its last handle.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;
use url::Url;

use super::error::{Excess, FetchError, Phase};
use super::{Client, Download, Request, place};

/// How long a download may take, redirects included.
pub(super) const DOWNLOAD_TIME: Duration = Duration::from_secs(30 * 60);

/// Where a download goes.
pub(super) struct Spool {
    folder: PathBuf,
    most: u64,
    file: Mutex<Option<File>>,
}

impl Client {
    /// Fetches `request` into a file in `folder`, at most `most` bytes of it, as they are sent. It may take half an hour.
    ///
    /// # Errors
    /// As [`Client::get`]; also where the file cannot be written.
    pub async fn download(&self, request: &Request, folder: &Path, most: u64) -> Result<Download, FetchError> {
        let spool = Spool { folder: folder.to_owned(), most, file: Mutex::default() };
        let plain = Request { accept_encoding: Some("identity".to_owned()), ..request.clone() };
        let fetched = self.follow(&plain, Some(&spool)).await?;
        let file = spool.file.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Download { file, meta: fetched.meta().clone() })
    }

    /// The whole body into a file, as sent.
    pub(super) async fn spool(&self, mut response: Response, url: &Url, spool: &Spool) -> Result<(), FetchError> {
        let host = || place(url);
        let unwritten = |error: std::io::Error| FetchError::Spool { host: host(), detail: error.to_string() };
        let too_large = || FetchError::TooLarge {
            host: host(),
            excess: Excess::Sent(usize::try_from(spool.most).unwrap_or(usize::MAX)),
        };
        if response.content_length().is_some_and(|length| length > spool.most) {
            return Err(too_large());
        }
        // Where the database is elsewhere, nobody has made the folder yet.
        std::fs::create_dir_all(&spool.folder).map_err(unwritten)?;
        let mut file = tempfile::tempfile_in(&spool.folder).map_err(unwritten)?;
        let mut received = 0_usize;
        loop {
            match timeout(self.0.limits.idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    received += piece.len();
                    if received as u64 > spool.most {
                        return Err(too_large());
                    }
                    file.write_all(&piece).map_err(unwritten)?;
                }
                Ok(Ok(None)) => break,
                Ok(Err(_)) => return Err(FetchError::Interrupted { host: host(), received }),
                Err(_) => {
                    let after = self.0.limits.idle;
                    return Err(FetchError::TimedOut { host: host(), phase: Phase::Idle, after });
                }
            }
        }
        file.rewind().map_err(unwritten)?;
        *spool.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }
}
