//! Public pages: made once for all who ask within a second, and not sent again to who has them.
//!
//! What stands on them changes when a source is read, minutes apart. While one request makes a page anew, the others
//! get the one before, so that a page that many look at costs as much as one that nobody does. They are sent compressed
//! to who takes that; pages for one person are not, since the length of what mixes secrets with what others sent tells of
//! the secrets.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// How old a page may be.
const FRESH: Duration = Duration::from_secs(1);
/// How old it may be while it is made anew.
const STALE: Duration = Duration::from_secs(30);
/// Most pages kept, and the largest that is.
const KEPT: usize = 300;
const LARGEST: usize = 64 * 1024;

/// A page as it is sent.
#[derive(Clone)]
pub(super) struct Made {
    kind: &'static str,
    bytes: Bytes,
    etag: String,
    /// The same, compressed; made for the first who takes it.
    packed: Arc<OnceLock<Option<Bytes>>>,
}

/// What is shorter is sent as it is.
const WORTH_PACKING: usize = 1_400;

/// What the tag of a compressed page ends with: other bytes, another tag (RFC 9110 section 8.8.3).
const PACKED: &str = "-gz";

/// A text compressed (RFC 1952), where that makes it shorter.
pub(super) fn packed(bytes: &[u8], level: Compression) -> Option<Bytes> {
    let mut to = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    to.write_all(bytes).ok()?;
    to.finish().ok().filter(|packed| packed.len() < bytes.len()).map(Bytes::from)
}

/// Whether an answer may be compressed with gzip (RFC 9110 section 12.5.3).
pub(super) fn takes_gzip(asked: &HeaderMap) -> bool {
    let all = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

impl Made {
    /// A page of HTML, or a feed, by its content type.
    pub(super) fn new(kind: &'static str, body: String) -> Self {
        let hash = Sha256::digest(body.as_bytes());
        let hash: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Self { kind, bytes: body.into(), etag: format!("\"{hash}\""), packed: Arc::default() }
    }

    /// By what it is known again.
    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// The page for everybody, compressed for who takes that.
    pub(super) fn answer(mut self, asked: &HeaderMap) -> Response {
        let smaller = (takes_gzip(asked) && self.bytes.len() >= WORTH_PACKING)
            .then(|| self.packed.get_or_init(|| packed(&self.bytes, Compression::fast())).clone())
            .flatten();
        let is_packed = smaller.is_some();
        if let Some(smaller) = smaller {
            self.bytes = smaller;
            self.etag = format!("{}{PACKED}\"", self.etag.trim_end_matches('"'));
        }
        let mut response = self.answer_as(asked, "no-cache");
        let response_has_body = response.status() == StatusCode::OK;
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_packed && response_has_body {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// The page, to be kept as `kept` says; 304 for who has it already (RFC 9110 section 13.1.2).
    pub(super) fn answer_as(self, asked: &HeaderMap, kept: &'static str) -> Response {
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let tags = known.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        let has_it = tags.into_iter().any(|tag| tag == self.etag || tag == "*");
        let headers = [(header::ETAG, self.etag), (header::CACHE_CONTROL, kept.to_owned())];
        if has_it {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, [(header::CONTENT_TYPE, self.kind)], self.bytes).into_response()
    }
}

struct Kept {
    made: Made,
    at: Instant,
    /// Somebody makes it anew.
    in_the_making: bool,
}

/// The pages that were made lately, by their addresses.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Kept>>);

impl Cache {
    /// The page at `address`; `make` makes it where none is fresh. What `make` refuses is not kept.
    pub(super) async fn page(
        &self,
        address: String,
        asked: &HeaderMap,
        make: impl Future<Output = Result<Made, Response>>,
    ) -> Response {
        if let Some(made) = self.fresh(&address) {
            return made.answer(asked);
        }
        match make.await {
            Ok(made) => {
                self.keep(address, made.clone());
                made.answer(asked)
            }
            Err(refused) => {
                self.lock().remove(&address);
                refused
            }
        }
    }

    fn fresh(&self, address: &str) -> Option<Made> {
        let mut all = self.lock();
        let kept = all.get_mut(address)?;
        let age = kept.at.elapsed();
        if age < FRESH || (kept.in_the_making && age < STALE) {
            return Some(kept.made.clone());
        }
        kept.in_the_making = true;
        None
    }

    fn keep(&self, address: String, made: Made) {
        if made.bytes.len() > LARGEST {
            return;
        }
        let mut all = self.lock();
        if all.len() >= KEPT && !all.contains_key(&address) {
            all.retain(|_, kept| kept.at.elapsed() < FRESH);
            if all.len() >= KEPT {
                all.clear();
            }
        }
        all.insert(address, Kept { made, at: Instant::now(), in_the_making: false });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: &str) -> Made {
        Made::new("text/html; charset=utf-8", body.to_owned())
    }

    #[tokio::test]
    async fn a_page_is_made_once_and_not_sent_to_who_has_it() {
        let cache = Cache::default();
        let first = cache.page("/a".to_owned(), &HeaderMap::new(), async { Ok(made("one")) }).await;
        let etag = first.headers()[header::ETAG].clone();
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, etag);
        let again = cache.page("/a".to_owned(), &asked, async { panic!("it is fresh") }).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = cache.page("/b".to_owned(), &asked, async { Ok(made("two")) }).await;
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_page_is_compressed_for_who_takes_it_under_a_tag_of_its_own() {
        let long = "a page that says much the same ".repeat(100);
        let ask = |accepted: &'static str, tag: &str| {
            let mut asked = HeaderMap::new();
            asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            if !tag.is_empty() {
                asked.insert(header::IF_NONE_MATCH, tag.parse().expect("a tag"));
            }
            made(&long).answer(&asked)
        };
        let (plain, packed) = (ask("br, gzip;q=0", ""), ask("br, GZIP;q=0.5", ""));
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let tag = |answer: &Response| answer.headers()[header::ETAG].to_str().expect("a tag").to_owned();
        assert_ne!(tag(&plain), tag(&packed));
        let known = ask("gzip", &tag(&packed));
        assert_eq!(
            (known.status(), known.headers().contains_key(header::CONTENT_ENCODING)),
            (StatusCode::NOT_MODIFIED, false)
        );
        assert_eq!(ask("gzip", &tag(&plain)).status(), StatusCode::OK, "other bytes");
        let bytes = axum::body::to_bytes(packed.into_body(), 10_000).await.expect("a body");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).expect("gzip");
        assert!(text == long && bytes.len() < 300);
        assert!(!made("short").answer(&HeaderMap::new()).headers().contains_key(header::CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn what_was_refused_is_asked_again() {
        let cache = Cache::default();
        for status in [StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE] {
            let refused = async { Err(status.into_response()) };
            assert_eq!(cache.page("/a".to_owned(), &HeaderMap::new(), refused).await.status(), status);
        }
    }
}
