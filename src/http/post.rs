//! Posts: one request with a body to an address that somebody entered, such as a chat room's or a program's own.
//!
//! The rule it keeps: who enters an address can make us neither reach into the operator's own network nor wait or read
//! for long. The guard is that of fetches: addresses are checked where they are dialed, literal hosts too. No redirect is
//! followed, since it would carry the message, and often its key, to a place that nobody entered. Plain `http` goes to
//! networks alone that the operator allows: on any other way it could be read by anybody.
//!
//! The address often holds the token that permits the post. So no error and no excerpt of an answer shows more of it
//! than its scheme and host. Politeness between fetches does not apply: each address is a recipient of its own, and one
//! that asks for patience speaks for itself alone.

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::error::{FetchError, Unreachable};
use super::guard::{PortRule, Refusal};
use super::{Client, cause, headers, place};
use crate::model::text::{one_line, truncate};

/// Most bytes of an answer that are read.
const ANSWER: usize = 16 * 1024;
/// Most characters of it that are shown.
const EXCERPT: usize = 300;
/// How long an answer's body is read: the status has decided already.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The shortest part of an address that is taken for a token where an answer repeats it.
const TOKEN: usize = 6;

/// What to post, and where.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where; without user name or password.
    pub url: Url,
    /// What the body is.
    pub content_type: &'static str,
    /// Further headers, such as a signature or a token; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Names of headers without their values, and no more of the address than its host: keys travel in both.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        write!(f, "Post({}, {} bytes, {names:?})", origin(&self.url), self.body.len())
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status; never a redirect.
    pub status: u16,
    /// When to come back, from now, as far as the receiver says; at most 24 hours.
    pub retry_after: Option<Duration>,
    /// The beginning of the answer in one line, without what it repeats of the address; empty where it is no text.
    pub text: String,
}

/// Why there is no answer. Each names scheme and host and nothing else of the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Not dialed, by our own policy. It will not mend by itself.
    #[error("{host} is not posted to: {reason}")]
    Refused {
        /// Scheme and host.
        host: String,
        /// Why.
        reason: Refusal,
    },
    /// Plain `http` to a network that the operator does not name.
    #[error(
        "{host} is not posted to: over http:// anybody on the way could read it; enter an https:// address, or add the \
         receiver's network to allow_networks (RATTLEWATCH_ALLOW_NETWORKS) if it is your own"
    )]
    Plain {
        /// Scheme and host.
        host: String,
    },
    /// A redirect, which is not followed.
    #[error("{host} redirects to {to}, which is not followed; enter the final address")]
    Redirect {
        /// Scheme and host.
        host: String,
        /// Scheme and host of the new address, as far as it can be read.
        to: String,
    },
    /// No connection, or it ended before an answer.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Scheme and host.
        host: String,
        /// Why.
        reason: Unreachable,
    },
    /// Too slow.
    #[error("{host} does not answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// Scheme and host.
        host: String,
        /// The limit.
        after: Duration,
    },
}

/// What of an address may be shown where the rest of it may be a token: scheme, host, and a port that is not the
/// scheme's own.
#[must_use]
pub fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), place(url))
}

impl Client {
    /// Posts once; nothing is followed or repeated.
    ///
    /// # Errors
    /// Every status but a redirect is an [`Answer`]; the rest is a [`PostError`].
    pub async fn post(&self, post: &Post) -> Result<Answer, PostError> {
        let (limits, url) = (&self.0.limits, &post.url);
        let client = self.pool(url)?;
        let begun = Instant::now();
        let sending = client.post(url.clone()).headers(request_headers(post)?).body(post.body.clone()).send();
        let response = match timeout(limits.post, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => return Err(shown(cause::from_library(&fault, url, limits.connect), url)),
            Err(_) => return Err(PostError::TimedOut { host: origin(url), after: limits.post }),
        };
        let status = response.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            let to = headers::text(response.headers(), &LOCATION).and_then(|to| url.join(to.trim()).ok());
            let to = to.as_ref().map_or_else(|| "nowhere that can be read".to_owned(), origin);
            return Err(PostError::Redirect { host: origin(url), to });
        }
        let retry_after = headers::retry_after(response.headers(), SystemTime::now(), limits.retry_after);
        let left = limits.post.saturating_sub(begun.elapsed()).min(ANSWER_TIME);
        let text = excerpt(&beginning(response, left).await, post);
        Ok(Answer { status, retry_after, text })
    }

    /// Checks what can be known of `url` before its name is resolved, and chooses the connections that it may use.
    fn pool(&self, url: &Url) -> Result<&reqwest::Client, PostError> {
        let guard = &self.0.guard;
        let refused = |reason| PostError::Refused { host: origin(url), reason };
        let rule = guard.check_url(url).map_err(refused)?;
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if url.scheme() == "http" && literal.is_some_and(|ip| !guard.lists(ip)) {
            return Err(PostError::Plain { host: origin(url) });
        }
        // The resolver of these connections lets no address through but the operator's own networks.
        let listed_only = url.scheme() == "http" || rule != PortRule::Usual;
        Ok(if listed_only { &self.0.listed_only } else { &self.0.usual })
    }
}

fn request_headers(post: &Post) -> Result<HeaderMap, PostError> {
    let mut map = HeaderMap::new();
    map.insert(CONTENT_TYPE, HeaderValue::from_static(post.content_type));
    for (name, value) in &post.headers {
        let refused = |_| PostError::Refused { host: origin(&post.url), reason: Refusal::Header(name) };
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(refused)?;
        value.set_sensitive(true);
        map.insert(HeaderName::from_static(name), value);
    }
    Ok(map)
}

/// A failure of the library, as far as it may be shown.
fn shown(error: FetchError, url: &Url) -> PostError {
    let host = origin(url);
    match error {
        FetchError::Refused { reason: Refusal::Port(_), .. } if url.scheme() == "http" => PostError::Plain { host },
        FetchError::Refused { reason, .. } => PostError::Refused { host, reason },
        FetchError::TimedOut { after, .. } => PostError::TimedOut { host, after },
        FetchError::Unreachable { reason, .. } => PostError::Unreachable { host, reason },
        // The library reports nothing else before an answer.
        other => PostError::Unreachable { host, reason: Unreachable::Network(other.to_string()) },
    }
}

/// As much of the body as comes in time, at most [`ANSWER`] bytes; nothing where it is compressed, which nobody asked for.
async fn beginning(mut response: Response, within: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    if response.headers().contains_key(CONTENT_ENCODING) {
        return body;
    }
    let until = Instant::now() + within;
    while body.len() < ANSWER {
        match tokio::time::timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(piece))) => body.extend_from_slice(&piece[..piece.len().min(ANSWER - body.len())]),
            _ => break,
        }
    }
    body
}

/// What a person is shown of an answer.
fn excerpt(body: &[u8], post: &Post) -> String {
    let mut text = one_line(&String::from_utf8_lossy(body));
    if text.starts_with('<') {
        return String::new();
    }
    let (path, query) = (post.url.path(), post.url.query().unwrap_or_default());
    let keys = post.headers.iter().flat_map(|(_, value)| value.split(' '));
    for part in path.split('/').chain(query.split(['&', '='])).chain(keys).filter(|part| part.len() >= TOKEN) {
        text = text.replace(part, "...");
        // A receiver may repeat it as it has read it.
        let read = decoded(part);
        if read != part && read.len() >= TOKEN {
            text = text.replace(&read, "...");
        }
    }
    truncate(&text, EXCERPT)
}

/// A part of an address without its percent signs.
fn decoded(part: &str) -> String {
    // In a form, a plus sign would be a space; here it is itself.
    let form = part.replace('+', "%2B");
    url::form_urlencoded::parse(form.as_bytes()).map(|(text, _)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(url: &str) -> Post {
        let headers = vec![("authorization", "Bearer tk_secret99".to_owned())];
        Post { url: Url::parse(url).expect("a URL"), content_type: "text/plain", headers, body: b"x".to_vec() }
    }

    #[test]
    fn an_excerpt_repeats_no_token_and_is_one_short_line() {
        let post = post("https://hooks.example/services/T0000/B1111/aBcDeFgHiJ?sig=0123456789");
        let said = excerpt(b"no hook\r\n at /services/T0000/aBcDeFgHiJ?sig=0123456789 for tk_secret99", &post);
        assert_eq!(said, "no hook at /.../T0000/...?sig=... for ...");
        assert_eq!(excerpt(b" <!doctype html><p>404", &post), "");
        let encoded = self::post("https://hooks.example/a%2Bb%2Fsecret?sig=x+y%3Dz1234");
        assert_eq!(excerpt(b"no a+b/secret, no a%2Bb%2Fsecret, no x+y=z1234", &encoded), "no ..., no ..., no ...");
        assert_eq!(excerpt(&[b'a'; 10_000], &post).chars().count(), EXCERPT);
    }

    #[test]
    fn a_shown_post_keeps_its_address_and_headers_to_itself() {
        let shown = format!("{:?}", post("https://hooks.example:8443/services/secret?sig=1"));
        assert_eq!(shown, "Post(https://hooks.example:8443, 1 bytes, [\"authorization\"])");
    }
}
