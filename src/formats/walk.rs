//! Walks: sources that are more than one document, such as a directory of CSAF files or a database in pages.
//!
//! A walk does no I/O. It is asked what comes next, names an address, is given the answer, and hands out items in
//! batches; the caller fetches, stores, and keeps the cursor of each batch in the batch's own transaction. So a walk
//! that is cut short anywhere goes on where its last batch ended, and what it costs is bounded by its caller.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use url::Url;

use super::{Format, Origin, ParseError};
use crate::config::sources::Source;
use crate::http::{Page, Request};
use crate::model::clock::Timestamp;
use crate::model::item::Parsed;
use crate::model::mail::{Mail, Wanted};

/// What a walk begins from.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The source.
    pub source: &'a Source,
    /// Its API key, where the settings hold one.
    pub key: Option<&'a str>,
    /// Where the last walk over this source ended; absent for the first one.
    pub cursor: Option<&'a str>,
    /// How far back to reach; absent: what is new since the cursor, and at the first walk no more than the newest
    /// documents, since history is what `rattlewatch import` is for.
    pub since: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
}

/// One reading of a source.
pub trait Walk: Send {
    /// What comes next, given the answer to what came before ([`Answer::Begin`] at first).
    ///
    /// # Errors
    /// Where the source cannot be read on. What was stored before stays stored.
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError>;
}

/// The longest pause that a walk is given between two steps.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a walk wants.
#[derive(Debug)]
pub enum Step {
    /// This document, in memory.
    Fetch(Request),
    /// This document, in memory, where it can be had: where the publisher keeps us out (401, 403) or its host cannot be
    /// reached, the answer is [`Answer::Failed`] and the walk goes on.
    Try(Request),
    /// This document, in a file, at most so many bytes of it.
    Download(Request, u64),
    /// The next messages of the source's mailbox. What is wanted is the same at every step.
    Messages(Wanted),
    /// That these items be stored.
    Store(Batch),
    /// Nothing for so long, as the publisher asks between requests; at most [`PAUSE_MAX`]. Answered by
    /// [`Answer::Rested`].
    Pause(Duration),
    /// Nothing more: the source has been read.
    Done,
}

/// Items to be stored together.
#[derive(Debug, Default)]
pub struct Batch {
    /// The items, and what was lost on the way to them.
    pub parsed: Parsed,
    /// Where the next walk goes on once this batch is stored, in the walk's own notation (validators for the next
    /// conditional request too); absent: where it went on before.
    pub cursor: Option<String>,
    /// How far the walk is, and of how much, as far as it knows.
    pub progress: Option<(u64, u64)>,
}

/// What a step gave.
pub enum Answer {
    /// Nothing: this is the first step.
    Begin,
    /// The document.
    Page(Box<Page>),
    /// The document, in a file.
    File(File),
    /// The messages.
    Messages(Box<Mail>),
    /// 304: unchanged since the validators in the request.
    Unchanged,
    /// 404 or 410: there is no such document.
    Missing,
    /// It could not be had, for another reason; the walk may go on without it.
    Failed(String),
    /// The batch is stored.
    Stored,
    /// The pause is over.
    Rested,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "Begin",
            Self::Page(_) => "Page",
            Self::File(_) => "File",
            Self::Messages(_) => "Messages",
            Self::Unchanged => "Unchanged",
            Self::Missing => "Missing",
            Self::Failed(_) => "Failed",
            Self::Stored => "Stored",
            Self::Rested => "Rested",
        })
    }
}

impl Answer {
    /// The document, where one is needed to go on.
    ///
    /// # Errors
    /// Says what came instead; `what` names the document.
    pub fn page(self, what: &str) -> Result<Page, ParseError> {
        match self {
            Self::Page(page) => Ok(*page),
            Self::Missing => Err(ParseError::unreadable(format!("{what} is not there (404)"))),
            Self::Failed(reason) => Err(ParseError::unreadable(format!("{what}: {reason}"))),
            other => Err(ParseError::unreadable(format!("{what} was not sent ({other:?})"))),
        }
    }

    /// The file, where one is needed to go on.
    ///
    /// # Errors
    /// Says what came instead; `what` names the document.
    pub fn file(self, what: &str) -> Result<File, ParseError> {
        match self {
            Self::File(file) => Ok(file),
            Self::Missing => Err(ParseError::unreadable(format!("{what} is not there (404)"))),
            Self::Failed(reason) => Err(ParseError::unreadable(format!("{what}: {reason}"))),
            other => Err(ParseError::unreadable(format!("{what} was not sent ({other:?})"))),
        }
    }
}

/// Begins a walk over a source of any format; where its address gives all, that is one step.
///
/// # Errors
/// Where the format is unknown, or refuses the source.
pub fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let format = super::by_name(&start.source.format);
    let format =
        format.ok_or_else(|| ParseError::unreadable(format!("no format is called '{}'", start.source.format)))?;
    match format.walk {
        Some(begin) => begin(start),
        None => Ok(Box::new(OneDocument { format, source: start.source.clone(), since: start.since, read: false })),
    }
}

/// Longest single document that is read from a file, in bytes.
pub(super) const FILE_MAX: u64 = 64 * 1024 * 1024;

/// A source whose address gives all.
struct OneDocument {
    format: &'static Format,
    source: Source,
    since: Option<Timestamp>,
    read: bool,
}

impl Walk for OneDocument {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        let (body, content_type, url) = match answer {
            Answer::Begin => return Ok(Step::Fetch(request(&self.source, self.source.url.clone()))),
            Answer::Stored if self.read => return Ok(Step::Done),
            Answer::File(file) => (bytes_of(file, FILE_MAX)?, None, self.source.url.clone()),
            other => {
                let page = other.page("the document")?;
                (page.body, page.content_type, page.meta.final_url)
            }
        };
        let origin = Origin {
            html: self.source.html.as_ref(),
            json: self.source.json.as_ref(),
            ..Origin::of(&url, content_type.as_deref())
        };
        let mut parsed = (self.format.parse)(&body, &origin)?;
        parsed.items.retain(|item| item.published.or(item.updated).is_none_or(|at| Some(at) >= self.since));
        self.read = true;
        Ok(Step::Store(Batch { parsed, ..Batch::default() }))
    }
}

/// What `file` holds, at most `most` bytes.
///
/// # Errors
/// Where it holds more, or cannot be read.
pub fn bytes_of(file: File, most: u64) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| ParseError::unreadable(format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > most {
        return Err(ParseError::unreadable(format!("the file has more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// A request to `url` the way the source's publisher wants to be asked.
#[must_use]
pub fn request(source: &Source, url: Url) -> Request {
    Request {
        user_agent: source.user_agent.clone(),
        accept_encoding: source.accept_encoding.clone(),
        ..Request::new(url)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::sources::{self, Known};

    /// A source of that format at that address, for the tests of walks.
    pub fn source(format: &str, url: &str) -> Source {
        let text = format!(
            "[[source]]\nid = 'one'\nname = 'One'\npublisher = 'One'\nkind = 'vendor'\ncountry = 'US'\nurl = '{url}'\n\
             format = '{format}'\nschedule = '0 0 * * * *'\n"
        );
        let known = Known { formats: &[format], platforms: None, check_selector: &|_| Ok(()) };
        sources::parse(&text, "test", &known).expect("a source").remove(0)
    }
}
