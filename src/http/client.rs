//! The client: checks a URL, waits for its turn, sends, follows redirects, reads the body within its bounds.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, USER_AGENT};
use reqwest::{Response, StatusCode};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::decode::{BodyReader, Coding, DecodeError};
use super::download::{DOWNLOAD_TIME, Spool};
use super::error::{Excess, FetchError, Phase, RedirectFault};
use super::guard::{Guard, PortRule, Refusal};
use super::politeness::{Hosts, Quiet};
use super::resolver::{GuardedResolver, ListedNames};
use super::robots;
use super::{Fetched, Identity, Limits, Meta, Page, Request, cause, challenge, headers, place, tls};
use crate::model::health::Validators;

/// Feeds first, then the other shapes that sources come in.
const ACCEPTED: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/json, \
    application/xml;q=0.9, text/xml;q=0.9, text/html;q=0.8, */*;q=0.5";

/// What is asked for unless a request says otherwise. Zstandard is left out: its windows can be huge.
const ENCODINGS: &str = "gzip, br";

/// How long the body of a refusal is read, to see who refuses.
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The `User-Agent` holds characters that HTTP forbids.
    #[error("the User-Agent holds characters that a header cannot carry; use plain ASCII")]
    UserAgent,
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The library refuses the configuration.
    #[error("the HTTP client cannot be set up: {0}")]
    Library(#[from] reqwest::Error),
}

/// The outgoing HTTP client. Clones share connections, politeness and limits.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// For [`PortRule::Usual`].
    pub(super) usual: reqwest::Client,
    /// For [`PortRule::ListedOnly`].
    pub(super) listed_only: reqwest::Client,
    pub(super) guard: Arc<Guard>,
    listed: ListedNames,
    pub(super) limits: Limits,
    hosts: Hosts,
    pub(super) robots: robots::Known,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("guard", &self.0.guard).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// What one hop brought.
enum Step {
    Done(Box<Fetched>),
    Redirect { status: StatusCode, to: Url },
}

impl Client {
    /// A client with the machine's own roots. Reads no proxy from the environment.
    ///
    /// # Errors
    /// Where the identity cannot be sent as a header, or TLS cannot be set up.
    pub fn new(identity: &Identity, guard: Guard, limits: Limits) -> Result<Self, ClientError> {
        Self::with_tls(identity, guard, limits, &*tls::client_config(None)?)
    }

    /// A client with a TLS configuration of [`tls::client_config`].
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_tls(
        identity: &Identity,
        guard: Guard,
        limits: Limits,
        tls: &ClientConfig,
    ) -> Result<Self, ClientError> {
        let user_agent = HeaderValue::from_str(&identity.user_agent).map_err(|_| ClientError::UserAgent)?;
        let guard = Arc::new(guard);
        let listed = ListedNames::default();
        let build = |listed_only| {
            let resolver = GuardedResolver { guard: Arc::clone(&guard), listed_only, listed: Arc::clone(&listed) };
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(resolver)
                .user_agent(user_agent.clone())
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(limits.connect)
                .pool_max_idle_per_host(limits.host_concurrency)
                .http1_ignore_invalid_headers_in_responses(true)
                .http2_max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
                .build()
        };
        let (usual, listed_only) = (build(false)?, build(true)?);
        let hosts = Hosts::new(&limits);
        Ok(Self(Arc::new(Inner { usual, listed_only, guard, listed, limits, hosts, robots: robots::Known::default() })))
    }

    /// Fetches `request`, following redirects.
    ///
    /// # Errors
    /// Everything but a document and "not modified" is a [`FetchError`].
    pub async fn get(&self, request: &Request) -> Result<Fetched, FetchError> {
        self.follow(request, None).await
    }

    pub(super) async fn follow(&self, request: &Request, spool: Option<&Spool>) -> Result<Fetched, FetchError> {
        let Inner { limits, hosts, .. } = &*self.0;
        let mut url = request.url.clone();
        let mut visited = HashSet::from([url.clone()]);
        let mut permanent = true;
        let total = if spool.is_some() { DOWNLOAD_TIME } else { limits.total };
        let mut left = total;
        loop {
            let client = self.client_for(&url)?;
            let hop = visited.len() - 1;
            let turn = hosts.turn(host_name(&url), !self.is_listed(&url)).await.map_err(|quiet| busy(&url, quiet))?;
            let started = Instant::now();
            let step = timeout(left, self.hop(client, request, &url, hop, spool)).await;
            drop(turn);
            left = left.saturating_sub(started.elapsed());
            let too_slow = |_| FetchError::TimedOut { host: place(&url), phase: Phase::Total, after: total };
            match step.map_err(too_slow)?? {
                Step::Done(fetched) => {
                    let moved = (hop > 0 && permanent).then_some(url);
                    tracing::debug!(url = %super::redact(&request.url), hops = hop, "Fetched");
                    return Ok(with_move(*fetched, moved));
                }
                Step::Redirect { status, to } => {
                    permanent &= matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
                    check_hop(&url, &to, &visited, limits.redirects)?;
                    visited.insert(to.clone());
                    url = to;
                }
            }
        }
    }

    /// Checks `url` and chooses the connection pool that its port may use.
    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        match self.0.guard.check_url(url) {
            Ok(PortRule::Usual) => Ok(&self.0.usual),
            Ok(PortRule::ListedOnly(_)) => Ok(&self.0.listed_only),
            Err(reason) => Err(FetchError::Refused { host: place(url), reason }),
        }
    }

    /// Whether `url` leads to the operator's own network, where no gap is due.
    fn is_listed(&self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(ip)) => self.0.guard.lists(ip.into()),
            Some(Host::Ipv6(ip)) => self.0.guard.lists(ip.into()),
            Some(Host::Domain(name)) => self.0.listed.lock().unwrap_or_else(PoisonError::into_inner).contains(name),
            None => false,
        }
    }

    /// One request and its answer.
    async fn hop(
        &self,
        client: &reqwest::Client,
        request: &Request,
        url: &Url,
        hop: usize,
        spool: Option<&Spool>,
    ) -> Result<Step, FetchError> {
        let limits = &self.0.limits;
        let sending = client.get(url.clone()).headers(request_headers(request, url, hop)?).send();
        let response = match timeout(limits.headers, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => return Err(cause::from_library(&fault, url, limits.connect)),
            Err(_) => {
                return Err(FetchError::TimedOut { host: place(url), phase: Phase::Headers, after: limits.headers });
            }
        };
        if headers::size(response.headers()) > limits.header_bytes {
            return Err(FetchError::TooLarge { host: place(url), excess: Excess::Headers(limits.header_bytes) });
        }
        let status = response.status();
        match status.as_u16() {
            301 | 302 | 303 | 307 | 308 => Ok(Step::Redirect { status, to: location(&response, url)? }),
            304 if hop == 0 && request.validators != Validators::default() => {
                Ok(Step::Done(Box::new(Fetched::NotModified(not_modified(&response, request)))))
            }
            200 | 203 => self.page(response, url, hop, spool).await.map(Box::new).map(Step::Done),
            _ => Err(self.failure(response, url).await),
        }
    }

    /// The document of a success.
    async fn page(
        &self,
        response: Response,
        url: &Url,
        hop: usize,
        spool: Option<&Spool>,
    ) -> Result<Fetched, FetchError> {
        let status = response.status().as_u16();
        let blocked = |by| FetchError::Blocked { host: place(url), status, by: Some(by) };
        if let Some(by) = challenge::in_headers(response.headers()) {
            return Err(blocked(by));
        }
        let head = response.headers().clone();
        let body = match spool {
            Some(spool) => self.spool(response, url, spool).await.map(|()| Vec::new())?,
            None => self.body(response, url).await?,
        };
        if let Some(by) = challenge::in_page(&head, &body) {
            return Err(blocked(by));
        }
        let validators = if hop == 0 { headers::validators(&head) } else { Validators::default() };
        let content_type = head.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let (max_age, next) = (headers::freshness(&head), headers::next_page(&head, url));
        let meta = Meta { final_url: url.clone(), moved_to: None, validators, max_age, next };
        Ok(Fetched::Page(Page { body, content_type, meta }))
    }

    /// The whole body, decompressed, within every bound.
    async fn body(&self, mut response: Response, url: &Url) -> Result<Vec<u8>, FetchError> {
        let limits = &self.0.limits;
        let stated: Vec<String> = response
            .headers()
            .get_all(CONTENT_ENCODING)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let coding = Coding::parse(stated.iter().map(String::as_str))
            .map_err(|detail| FetchError::Decode { host: place(url), detail })?;
        if response.content_length().is_some_and(|length| length > limits.compressed as u64) {
            return Err(self.decode_error(&DecodeError::Sent, url));
        }
        let mut reader = BodyReader::new(coding, limits);
        loop {
            match timeout(limits.idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => reader.push(&piece).map_err(|fault| self.decode_error(&fault, url))?,
                Ok(Ok(None)) => return reader.finish().map_err(|fault| self.decode_error(&fault, url)),
                Ok(Err(_)) => return Err(FetchError::Interrupted { host: place(url), received: reader.sent() }),
                Err(_) => {
                    return Err(FetchError::TimedOut { host: place(url), phase: Phase::Idle, after: limits.idle });
                }
            }
        }
    }

    fn decode_error(&self, fault: &DecodeError, url: &Url) -> FetchError {
        let Limits { compressed, decompressed, ratio, .. } = self.0.limits;
        let host = place(url);
        match fault {
            DecodeError::Sent => FetchError::TooLarge { host, excess: Excess::Sent(compressed) },
            DecodeError::Decoded => FetchError::TooLarge { host, excess: Excess::Decoded(decompressed) },
            DecodeError::Ratio => FetchError::Bomb { host, ratio },
            DecodeError::Corrupt => FetchError::Decode { host, detail: "it is damaged or cut short".to_owned() },
        }
    }

    /// What a status other than success means.
    async fn failure(&self, response: Response, url: &Url) -> FetchError {
        let status = response.status();
        let head = response.headers().clone();
        let host = place(url);
        let wait = headers::retry_after(&head, SystemTime::now(), self.0.limits.retry_after);
        let patience = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let (true, Some(wait)) = (patience, wait) {
            self.0.hosts.hush(host_name(url), wait, status.as_u16());
            return FetchError::Busy { host, status: status.as_u16(), retry_after: Some(wait) };
        }
        let by = match challenge::in_headers(&head) {
            Some(by) => Some(by),
            // A body that cannot be read tells nothing, and the status alone decides.
            None => match timeout(REFUSAL_TIME, self.body(response, url)).await {
                Ok(Ok(body)) => challenge::in_page(&head, &body),
                _ => None,
            },
        };
        let status = status.as_u16();
        match (status, by) {
            (401 | 403, by) => FetchError::Blocked { host, status, by: by.or_else(|| challenge::in_front(&head)) },
            (_, Some(by)) => FetchError::Blocked { host, status, by: Some(by) },
            (410, None) => FetchError::Gone { host },
            (429 | 503, None) => FetchError::Busy { host, status, retry_after: None },
            (_, None) => FetchError::Status { host, status },
        }
    }
}

/// The name by which politeness knows the host of `url`: `example.org.` is `example.org`.
fn host_name(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_end_matches('.')
}

fn with_move(mut fetched: Fetched, moved: Option<Url>) -> Fetched {
    match &mut fetched {
        Fetched::NotModified(meta) | Fetched::Page(Page { meta, .. }) => meta.moved_to = moved,
    }
    fetched
}

fn busy(url: &Url, quiet: Quiet) -> FetchError {
    let left = quiet.until.saturating_duration_since(Instant::now());
    FetchError::Busy { host: place(url), status: quiet.status, retry_after: Some(left) }
}

/// The headers of a request. Validators go to the URL that gave them and nowhere else: on a redirect's target they could
/// match another document and hide its news.
fn request_headers(request: &Request, url: &Url, hop: usize) -> Result<HeaderMap, FetchError> {
    let mut map = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str, shown: &'static str| {
        let refused = |_| FetchError::Refused { host: place(url), reason: Refusal::Header(shown) };
        map.insert(name, HeaderValue::from_bytes(value.as_bytes()).map_err(refused)?);
        Ok(())
    };
    set(ACCEPT, ACCEPTED, "Accept")?;
    set(ACCEPT_ENCODING, request.accept_encoding.as_deref().unwrap_or(ENCODINGS), "Accept-Encoding")?;
    if let Some(user_agent) = &request.user_agent {
        set(USER_AGENT, user_agent, "User-Agent")?;
    }
    if url.origin() == request.url.origin() {
        for (name, value) in &request.headers {
            set(HeaderName::from_static(name), value, name)?;
        }
    }
    if hop == 0 {
        if let Some(etag) = &request.validators.etag {
            set(IF_NONE_MATCH, etag, "ETag")?;
        }
        if let Some(date) = &request.validators.last_modified {
            set(IF_MODIFIED_SINCE, date, "Last-Modified date")?;
        }
    }
    Ok(map)
}

/// 304 may renew the validators (RFC 9111 section 3.2); those it does not name stay.
fn not_modified(response: &Response, request: &Request) -> Meta {
    let fresh = headers::validators(response.headers());
    let kept = request.validators.clone();
    Meta {
        final_url: request.url.clone(),
        moved_to: None,
        validators: Validators {
            etag: fresh.etag.or(kept.etag),
            last_modified: fresh.last_modified.or(kept.last_modified),
        },
        max_age: headers::freshness(response.headers()),
        next: headers::next_page(response.headers(), &request.url),
    }
}

fn location(response: &Response, url: &Url) -> Result<Url, FetchError> {
    let target = headers::text(response.headers(), &LOCATION).and_then(|text| url.join(text.trim()).ok());
    target.ok_or_else(|| FetchError::Redirect { host: place(url), fault: RedirectFault::NoLocation })
}

fn check_hop(from: &Url, to: &Url, visited: &HashSet<Url>, most: usize) -> Result<(), FetchError> {
    let fault = if from.scheme() == "https" && to.scheme() == "http" {
        RedirectFault::Downgrade
    } else if visited.contains(to) {
        RedirectFault::Loop
    } else if visited.len() > most {
        RedirectFault::TooMany(most)
    } else {
        return Ok(());
    };
    Err(FetchError::Redirect { host: place(from), fault })
}
