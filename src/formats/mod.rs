//! Bytes to items: one file per source format.
//!
//! A format is a value, [`Format`]: a name and a function from bytes to [`Parsed`]. It does no I/O, takes every byte
//! for hostile (bounded in size, depth and time, never a panic), and never lets "could not be read" look like
//! "nothing new": what was repaired or lost is counted and said in [`Parsed`], and a document that cannot be read
//! is a [`ParseError`].
//!
//! A source that is more than one document has a [`walk`] too.
//!
//! To add one: a file here, its two lines below, and a folder of its name under `tests/fixtures`.

pub mod dates;
pub mod plain;

mod archive;
mod bulk;
mod cisco;
mod csaf;
mod cve;
mod decode;
mod draft;
mod elements;
mod entities;
mod epss;
mod eukev;
mod euvd;
mod feed;
mod fields;
mod ghsa;
mod html;
mod json;
mod kev;
mod loose;
pub mod mailbox;
mod msrc;
mod nvd;
mod osv;
mod pages;
mod paloalto;
mod score;
mod seen;
pub mod walk;

use std::panic::{AssertUnwindSafe, catch_unwind};

use url::Url;

use crate::config::sources::{HtmlRules, JsonRules};
use crate::model::item::Parsed;

pub use html::check_selector;

/// Where a document came from, and what its reader needs to know.
pub struct Origin<'a> {
    /// The address that answered, after redirects. Relative links are resolved against it.
    pub url: &'a Url,
    /// `Content-Type` as received.
    pub content_type: Option<&'a str>,
    /// How to read a page; present for the format `html`.
    pub html: Option<&'a HtmlRules>,
    /// How to read a list in JSON; present for the format `json`.
    pub json: Option<&'a JsonRules>,
}

impl<'a> Origin<'a> {
    /// A document whose reader needs no rules.
    #[must_use]
    pub const fn of(url: &'a Url, content_type: Option<&'a str>) -> Self {
        Self { url, content_type, html: None, json: None }
    }
}

/// A source format.
pub struct Format {
    /// The name that `sources.toml` uses.
    pub name: &'static str,
    /// Reads one document.
    pub parse: fn(&[u8], &Origin<'_>) -> Result<Parsed, ParseError>,
    /// Begins a reading of a source that is more than one document; absent where the source's address gives all.
    pub walk: Option<Begin>,
}

/// Begins a [`walk`].
pub type Begin = for<'a> fn(&walk::Start<'a>) -> Result<Box<dyn walk::Walk>, ParseError>;

/// Every format, by name.
pub const FORMATS: &[Format] = &[
    cisco::CISCO,
    csaf::CSAF,
    cve::CVE,
    epss::EPSS,
    eukev::EUKEV,
    euvd::EUVD,
    feed::FEED,
    ghsa::GHSA,
    html::HTML,
    json::JSON,
    kev::KEV,
    mailbox::MAILBOX,
    msrc::MSRC,
    nvd::NVD,
    osv::OSV,
    paloalto::PALOALTO,
];

/// The format called `name`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The names of all formats, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    FORMATS.iter().map(|format| format.name).collect()
}

/// Why a document gave no items. The message is for a technician who looks after the source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something else came than what the source publishes: a web page, a login, a challenge.
    #[error("the address answered with {found}, not {expected}; open it in a browser and check the address")]
    NotThis {
        /// What the source should be, such as `a feed`.
        expected: &'static str,
        /// What came, such as `a login page`.
        found: String,
    },
    /// The canary of a page or a list failed: it is no longer laid out as the rules say.
    #[error("what the address shows has changed: {reason}; check the source's rules against it")]
    Changed {
        /// Which check failed, with the figures.
        reason: String,
    },
    /// Broken beyond repair, or beyond the size that is read.
    #[error("the document cannot be read: {reason}")]
    Unreadable {
        /// What the parser met.
        reason: String,
    },
    /// Nested more deeply than any real document.
    #[error("the document is nested more than {limit} levels deep and was not read")]
    TooDeep {
        /// The deepest nesting that is read.
        limit: usize,
    },
    /// Nothing but whitespace.
    #[error("the address answered with an empty document")]
    Empty,
}

impl ParseError {
    fn unreadable(reason: impl Into<String>) -> Self {
        Self::Unreadable { reason: reason.into() }
    }
}

/// Deepest nesting of elements that is read, as in browsers.
const DEPTH_MAX: usize = 512;

/// Runs a foreign parser; a panic in it is an unreadable document and not the end of the program.
fn contained<T>(what: &str, work: impl FnOnce() -> Result<T, ParseError>) -> Result<T, ParseError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ParseError::unreadable(format!("the {what} parser gave up on it"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_in_order_and_found_by_name() {
        let names = names();
        assert!(names.is_sorted(), "{names:?}");
        for name in names {
            assert_eq!(by_name(name).map(|format| format.name), Some(name));
        }
        assert!(by_name("rss").is_none());
    }

    #[test]
    fn a_panic_in_a_foreign_parser_is_an_unreadable_document() {
        let result: Result<(), _> = contained("XML", || panic!("a fault of a foreign parser"));
        assert!(matches!(result, Err(ParseError::Unreadable { .. })));
    }
}
