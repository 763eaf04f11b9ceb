//! What the scripted server answers: a status, headers, and a body that arrives well or badly.

use std::io::Write;
use std::time::Duration;

use super::Seen;

/// How the body is sent.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Whole, with its length.
    Whole(Vec<u8>),
    /// Whole, as chunks of at most that size.
    Chunked(Vec<u8>, usize),
    /// With a `Content-Length` larger than what comes, then the connection closes.
    Truncated(Vec<u8>),
    /// The same bytes as chunks, for ever.
    Endless(Vec<u8>),
    /// With the right length, a byte per interval.
    Dripping(Vec<u8>, Duration),
    /// These bytes of a longer body, then nothing while the connection stays open.
    Stalled(Vec<u8>),
    /// Not even a status line; the connection stays open.
    Silence,
    /// The connection closes at once.
    HangUp,
    /// These bytes in place of an HTTP response.
    Raw(Vec<u8>),
}

/// What the server answers.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) delay: Duration,
    etag: Option<String>,
}

impl Reply {
    fn of(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body, etag: None, delay: Duration::ZERO }
    }

    /// 200 with that type and body.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, Body::Whole(body.into())).header("Content-Type", content_type)
    }

    /// That status and an empty body.
    pub fn status(status: u16) -> Self {
        Self::of(status, Body::Whole(Vec::new()))
    }

    /// A redirect to `location`, which may be relative.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// 200 whose body was compressed before: the caller names the `Content-Encoding`.
    pub fn encoded(content_type: &str, encoding: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::ok(content_type, body).header("Content-Encoding", encoding)
    }

    /// 200 with `body` compressed by gzip.
    pub fn gzip(content_type: &str, body: &[u8]) -> Self {
        Self::encoded(content_type, "gzip", gzip(body))
    }

    /// 200 with a small gzip body that becomes `size` zero bytes.
    pub fn gzip_bomb(size: usize) -> Self {
        Self::gzip("application/xml", &vec![0; size])
    }

    /// 200 in chunks of at most `size` bytes, without a length.
    pub fn chunked(content_type: &str, body: impl Into<Vec<u8>>, size: usize) -> Self {
        Self::of(200, Body::Chunked(body.into(), size.max(1))).header("Content-Type", content_type)
    }

    /// 200 that promises more than `body` and then closes the connection.
    pub fn truncated(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, Body::Truncated(body.into())).header("Content-Type", content_type)
    }

    /// 200 that repeats `chunk` until the client goes.
    pub fn endless(chunk: impl Into<Vec<u8>>) -> Self {
        Self::of(200, Body::Endless(chunk.into()))
    }

    /// 200 that sends one byte of `body` every `interval`.
    pub fn dripping(body: impl Into<Vec<u8>>, interval: Duration) -> Self {
        Self::of(200, Body::Dripping(body.into(), interval))
    }

    /// 200 that sends `body`, promises more, and falls silent with the connection open.
    pub fn stalled(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, Body::Stalled(body.into()))
    }

    /// Reads the request and never answers.
    pub fn silence() -> Self {
        Self::of(200, Body::Silence)
    }

    /// Reads the request and closes the connection.
    pub fn hang_up() -> Self {
        Self::of(200, Body::HangUp)
    }

    /// Sends these bytes as they are, then closes the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(200, Body::Raw(bytes.into()))
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same reply under another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same reply with an `ETag`; a request that names it in `If-None-Match` gets 304.
    #[must_use]
    pub fn with_etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self.header("ETag", etag)
    }

    /// The same reply, begun after `delay`.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What this reply becomes for `request`: 304 where its validator matches.
    pub(super) fn for_request(self, request: &Seen) -> Self {
        match &self.etag {
            Some(etag) if request.header("if-none-match") == Some(etag.as_str()) => {
                Self { status: 304, body: Body::Whole(Vec::new()), ..self }
            }
            _ => self,
        }
    }
}

/// `bytes` as one gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}
