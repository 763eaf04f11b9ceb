//! The one outgoing HTTP client: every request that the program makes for content leaves through [`Client`].
//!
//! The rule it keeps: what a publisher sends, or where it points, may cost us a bounded amount of time and memory and
//! never reaches into the operator's own network. Hence
//! - addresses are checked where they are dialed, on every hop, literal hosts too ([`guard`]);
//! - redirects are followed here, not by the library, and never from `https` to `http`;
//! - size, ratio and time are counted while bytes arrive ([`Limits`]), and compression is undone here, so that both
//!   sides of it can be counted;
//! - no proxy from the environment, no cookies, no `Referer`; TLS 1.2 or newer against the machine's own roots;
//! - a host gets few requests at once, spaced out, and none while its `Retry-After` runs.
//!
//! A failure is a [`FetchError`], named after what the caller decides, whose text a technician can act on.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::model::health::Validators;

mod cause;
mod challenge;
mod client;
mod decode;
mod download;
mod error;
pub mod guard;
mod headers;
mod limits;
mod politeness;
mod post;
mod resolver;
mod robots;
pub mod tls;

pub use client::{Client, ClientError};
pub use error::{Excess, FetchError, Phase, RedirectFault, Unreachable};
pub use guard::{Guard, Refusal};
pub use limits::Limits;
pub use post::{Answer, Post, PostError, origin};
pub use robots::Refused as RobotsRefused;

/// How the program names itself to publishers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The `User-Agent` of each request that has none of its own.
    pub user_agent: String,
}

impl Identity {
    /// `Rattlewatch/VERSION (+contact)`; `contact` is a page or an address where a publisher reaches the operator.
    #[must_use]
    pub fn new(contact: &str) -> Self {
        let name = concat!("Rattlewatch/", env!("CARGO_PKG_VERSION"));
        let user_agent = match contact.trim() {
            "" => name.to_owned(),
            contact => format!("{name} (+{contact})"),
        };
        Self { user_agent }
    }
}

/// What to fetch.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Where; `http` or `https`, without user name or password.
    pub url: Url,
    /// What an earlier answer for this very URL gave; empty asks for the whole document.
    pub validators: Validators,
    /// `User-Agent` where the publisher needs its own.
    pub user_agent: Option<String>,
    /// `Accept-Encoding` where the publisher needs its own, such as `gzip`; the default is `gzip, br`.
    pub accept_encoding: Option<String>,
    /// Further headers, such as an API key. They go to the URL's own origin and not along a redirect to another.
    pub headers: Vec<(&'static str, String)>,
}

impl Request {
    /// An unconditional request for `url` with the usual headers.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self { url, validators: Validators::default(), user_agent: None, accept_encoding: None, headers: Vec::new() }
    }
}

/// Names of headers without their values, and the address as it may be shown: keys travel in both.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        write!(f, "Request({}, {names:?})", redact(&self.url))
    }
}

/// What a request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// 304: the document is as it was when the validators were given.
    NotModified(Meta),
    /// The document.
    Page(Page),
}

impl Fetched {
    /// What the answer says about the document.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match self {
            Self::NotModified(meta) => meta,
            Self::Page(page) => &page.meta,
        }
    }
}

/// A document too large for memory, kept in a file without a name: it is gone when the file is closed.
#[derive(Debug)]
pub struct Download {
    /// The bytes as sent, at their beginning; absent where the document is unchanged (304).
    pub file: Option<std::fs::File>,
    /// What the answer says about it.
    pub meta: Meta,
}

/// A document, decompressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    /// The bytes, in whatever character set they are.
    pub body: Vec<u8>,
    /// `Content-Type` as received.
    pub content_type: Option<String>,
    /// What the answer says about it.
    pub meta: Meta,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, content_type, meta } = self;
        write!(f, "Page({} bytes, {content_type:?}, {meta:?})", body.len())
    }
}

/// What an answer says about its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The URL that answered, after redirects.
    pub final_url: Url,
    /// The same, where every redirect to it was permanent (301 or 308): the source should be read there from now on.
    pub moved_to: Option<Url>,
    /// To be sent with the next request for the same [`Request::url`]. Empty after a redirect: validators belong to
    /// the URL that gave them.
    pub validators: Validators,
    /// How long the answer stays fresh (RFC 9111 section 4.2: `max-age`, else `Expires`, less `Age`).
    /// `None` where nothing is said; not clamped.
    pub max_age: Option<Duration>,
    /// The next page of a list, where the answer names one (`Link` with `rel="next"`, RFC 8288), resolved.
    pub next: Option<Url>,
}

/// `url` as it may be shown and logged: without user name, password, fragment and the values in its query, where API
/// keys travel.
#[must_use]
pub fn redact(url: &Url) -> String {
    let mut shown = format!("{}://{}{}", url.scheme(), place(url), url.path());
    for (index, pair) in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) => shown.extend([name, "=..."]),
            None => shown.push_str("..."),
        }
    }
    shown
}

/// The host and, where it is not the scheme's own, the port.
fn place(url: &Url) -> String {
    match (url.host_str().unwrap_or("(no host)"), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_keeps_no_secret() {
        let url = Url::parse("https://me:pass@feeds.example:8443/a/b?apikey=s3cret&page=2&flag#x").expect("a URL");
        assert_eq!(redact(&url), "https://feeds.example:8443/a/b?apikey=...&page=...&...");
    }

    #[test]
    fn the_user_agent_names_the_program_and_a_contact() {
        let named = Identity::new("https://example.org/bot").user_agent;
        assert_eq!(named, format!("Rattlewatch/{} (+https://example.org/bot)", env!("CARGO_PKG_VERSION")));
        assert_eq!(Identity::new(" ").user_agent, format!("Rattlewatch/{}", env!("CARGO_PKG_VERSION")));
    }
}
