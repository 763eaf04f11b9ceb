//! Public pages: made once for all who ask within a second, and not sent again to who has them. What takes long to make is
//! kept longer, so that making pages never takes more than a small part of the time.
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
use tokio::sync::Semaphore;

/// How old a page may be, and how many times as old as it took to make, up to [`STALE`].
const FRESH: Duration = Duration::from_secs(1);
const WORTH: u32 = 30;
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
    /// Nothing while it is made for the first time.
    made: Option<Made>,
    at: Instant,
    /// How old it may be.
    fresh: Duration,
    /// Somebody makes it anew; closed when that is over. It never has a permit.
    in_the_making: Option<Arc<Semaphore>>,
    /// It is too large to be kept, so that waiting for it would gain nothing.
    too_large: bool,
}

/// The pages that were made lately, by their addresses.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Kept>>);

/// What becomes of a request for a page.
enum Turn {
    Take(Made),
    /// Until the one who makes it is done.
    Wait(Arc<Semaphore>),
    Make(Arc<Semaphore>),
}

/// The making of a page. Where it is given up, by an error or by who asked for it, the next one who asks makes it.
struct Making<'c> {
    cache: &'c Cache,
    address: String,
    over: Arc<Semaphore>,
    begun: Instant,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut all = self.cache.lock();
        let ours = |kept: &Kept| kept.in_the_making.as_ref().is_some_and(|over| Arc::ptr_eq(over, &self.over));
        if all.get(&self.address).is_some_and(ours) {
            all.remove(&self.address);
        }
        drop(all);
        self.over.close();
    }
}

impl Cache {
    /// The page at `address`; `make` makes it where none is fresh. What `make` refuses is not kept.
    pub(super) async fn page(
        &self,
        address: String,
        asked: &HeaderMap,
        make: impl Future<Output = Result<Made, Response>>,
    ) -> Response {
        let over = loop {
            match self.turn(&address) {
                Turn::Take(made) => return made.answer(asked),
                // It ends by being closed: there is no permit.
                Turn::Wait(over) => drop(over.acquire().await),
                Turn::Make(over) => break over,
            }
        };
        let making = Making { cache: self, address, over, begun: Instant::now() };
        match make.await {
            Ok(made) => {
                self.keep(&making, made.clone());
                made.answer(asked)
            }
            Err(refused) => refused,
        }
    }

    fn turn(&self, address: &str) -> Turn {
        let over = Arc::new(Semaphore::new(0));
        let mut all = self.lock();
        let Some(kept) = all.get_mut(address) else {
            make_room(&mut all);
            let in_the_making = Some(over.clone());
            let (at, fresh) = (Instant::now(), FRESH);
            all.insert(address.to_owned(), Kept { made: None, at, fresh, in_the_making, too_large: false });
            return Turn::Make(over);
        };
        if kept.too_large {
            return Turn::Make(over);
        }
        let age = kept.at.elapsed();
        match (&kept.made, &kept.in_the_making) {
            (Some(made), None) if age < kept.fresh => Turn::Take(made.clone()),
            (Some(made), Some(_)) if age < STALE => Turn::Take(made.clone()),
            (_, Some(other)) => Turn::Wait(other.clone()),
            (_, None) => {
                kept.in_the_making = Some(over.clone());
                Turn::Make(over)
            }
        }
    }

    fn keep(&self, making: &Making<'_>, made: Made) {
        let too_large = made.bytes.len() > LARGEST;
        let fresh = (making.begun.elapsed() * WORTH).clamp(FRESH, STALE);
        let kept =
            Kept { made: (!too_large).then_some(made), at: Instant::now(), fresh, in_the_making: None, too_large };
        self.lock().insert(making.address.clone(), kept);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more page: what is no longer fresh goes first, then all that nobody is making.
fn make_room(all: &mut HashMap<String, Kept>) {
    for gone in [|kept: &Kept| kept.at.elapsed() >= kept.fresh, |_: &Kept| true] {
        if all.len() >= KEPT {
            all.retain(|_, kept| kept.in_the_making.is_some() || !gone(kept));
        }
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
    async fn who_comes_while_a_page_is_made_waits_for_it_and_makes_it_where_that_is_given_up() {
        let cache = Arc::new(Cache::default());
        let ask = |cache: Arc<Cache>, long: u64, body: &'static str| async move {
            let make = async {
                tokio::time::sleep(Duration::from_millis(long)).await;
                Ok(made(body))
            };
            let answer = cache.page("/a".to_owned(), &HeaderMap::new(), make).await;
            axum::body::to_bytes(answer.into_body(), 100).await.expect("a body")
        };
        // The first one gives up, so the second one makes it, for the third too.
        let first = tokio::spawn(ask(cache.clone(), 60_000, "first"));
        tokio::task::yield_now().await;
        let second = tokio::spawn(ask(cache.clone(), 5, "second"));
        tokio::task::yield_now().await;
        let third = tokio::spawn(ask(cache.clone(), 5, "third"));
        tokio::task::yield_now().await;
        first.abort();
        assert_eq!(second.await.expect("an answer"), "second");
        assert_eq!(third.await.expect("an answer"), "second");
    }

    #[tokio::test]
    async fn what_is_too_large_to_be_kept_is_made_for_each() {
        let cache = Cache::default();
        for _ in 0..2 {
            let made = async { Ok(made(&"long ".repeat(LARGEST))) };
            assert_eq!(cache.page("/a".to_owned(), &HeaderMap::new(), made).await.status(), StatusCode::OK);
        }
        assert!(matches!(cache.turn("/a"), Turn::Make(_)) && matches!(cache.turn("/a"), Turn::Make(_)));
    }

    #[tokio::test]
    async fn no_more_pages_are_kept_than_there_is_room_for() {
        let cache = Cache::default();
        for number in 0..2 * KEPT {
            cache.page(format!("/{number}"), &HeaderMap::new(), async { Ok(made("a")) }).await;
        }
        assert!(cache.lock().len() <= KEPT);
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
