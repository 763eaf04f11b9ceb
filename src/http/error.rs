//! Why a request brought nothing: one variant for each thing that the caller decides, and a sentence for the technician.

use std::time::Duration;

use super::guard::Refusal;

/// Why a request brought nothing. Each names the host; none shows a user name, a password or a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The publisher, or who guards it, shuts us out (401, 403, a challenge page). Trying again soon will not help.
    #[error("{host} shuts us out{} (status {status}); ask the publisher to admit this program, give the source another \
        user_agent, or use another of its feeds", by_whom(*.by))]
    Blocked {
        /// Host and port.
        host: String,
        /// The status; 200 where a challenge came in place of the document.
        status: u16,
        /// The protection service, where it can be told.
        by: Option<&'static str>,
    },
    /// 410: withdrawn for good.
    #[error("{host} says that the document is gone for good (410); find its new place or disable the source")]
    Gone {
        /// Host and port.
        host: String,
    },
    /// Another status that is not a success.
    #[error("{host} answers with status {status}{}", advice(*.status))]
    Status {
        /// Host and port.
        host: String,
        /// The status.
        status: u16,
    },
    /// 429 or 503, or the time after it in which the host is left alone.
    #[error("{host} asks for patience (status {status}){}", patience(*.retry_after))]
    Busy {
        /// Host and port.
        host: String,
        /// 429 or 503.
        status: u16,
        /// When to come back, from now, as far as the host says.
        retry_after: Option<Duration>,
    },
    /// A bound was passed.
    #[error("{host} sends {excess}; check that the URL is the feed itself")]
    TooLarge {
        /// Host and port.
        host: String,
        /// Which one.
        excess: Excess,
    },
    /// Decompression grows the body beyond reason.
    #[error("the body that {host} sends grows more than {ratio} times when decompressed, as a decompression bomb does")]
    Bomb {
        /// Host and port.
        host: String,
        /// The allowed ratio.
        ratio: usize,
    },
    /// Too slow.
    #[error("{host} {phase} within {}; it is tried again", seconds(*.after))]
    TimedOut {
        /// Host and port.
        host: String,
        /// In which phase.
        phase: Phase,
        /// Its limit.
        after: Duration,
    },
    /// A download could not be kept.
    #[error("what {host} sends cannot be written to the data folder: {detail}; check its space and permissions")]
    Spool {
        /// Host and port.
        host: String,
        /// What the system says.
        detail: String,
    },
    /// No connection.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Why.
        reason: Unreachable,
    },
    /// Not dialed, by our own policy.
    #[error("{host} is not fetched: {reason}")]
    Refused {
        /// Host and port.
        host: String,
        /// Why.
        reason: Refusal,
    },
    /// The publisher asks programs not to read it.
    #[error("robots.txt of {host} {reason}")]
    Robots {
        /// Host and port.
        host: String,
        /// What it says.
        reason: super::robots::Refused,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects {fault}")]
    Redirect {
        /// Host and port.
        host: String,
        /// Why.
        fault: RedirectFault,
    },
    /// The connection ended inside the answer.
    #[error("the connection to {host} broke after {received} bytes of the body; it is tried again")]
    Interrupted {
        /// Host and port.
        host: String,
        /// Body bytes received, as sent.
        received: usize,
    },
    /// `Content-Encoding` cannot be undone.
    #[error("the body from {host} cannot be decompressed: {detail}; try accept_encoding = \"identity\" for the source")]
    Decode {
        /// Host and port.
        host: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl FetchError {
    /// The error as a sentence for a technician; the same as its `Display`.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.to_string()
    }

    /// It may mend by itself: no connection, too slow, broken off, busy, or a fault of the server's own (5xx).
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500,
            Self::Busy { .. } | Self::TimedOut { .. } | Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            _ => false,
        }
    }

    /// How long the host asked to be left alone, from now.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Which size was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// The headers.
    #[error("more than {0} bytes of headers")]
    Headers(usize),
    /// The body as sent.
    #[error("a body of more than {0} bytes")]
    Sent(usize),
    /// The body after decompression.
    #[error("a body of more than {0} bytes after decompression")]
    Decoded(usize),
}

/// The part of a request that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// Resolving, connecting, TLS.
    #[error("does not accept a connection")]
    Connect,
    /// Until the headers were complete.
    #[error("does not begin to answer")]
    Headers,
    /// Between pieces of the body.
    #[error("sends no further part of its answer")]
    Idle,
    /// The request as a whole.
    #[error("does not finish its answer")]
    Total,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The name has no address.
    #[error("its name cannot be resolved; check the spelling and this machine's DNS")]
    Dns,
    /// Nobody listens.
    #[error("it refuses connections on this port")]
    Refused,
    /// The handshake failed.
    #[error("TLS fails: {0}")]
    Tls(String),
    /// It answers something that is not HTTP.
    #[error("what it answers is not HTTP")]
    NotHttp,
    /// It closed the connection without an answer.
    #[error("it closes the connection without an answer")]
    Closed,
    /// Anything else, such as no route.
    #[error("{0}")]
    Network(String),
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectFault {
    /// More hops than allowed.
    #[error("more than {0} times; enter the final URL in the source")]
    TooMany(usize),
    /// Back to where we have been.
    #[error("in a circle; it may expect a browser that keeps cookies")]
    Loop,
    /// Without, or with an unreadable, `Location`.
    #[error("without saying where to")]
    NoLocation,
    /// From `https` to `http`.
    #[error("from https to http, which is not followed; enter an https URL in the source")]
    Downgrade,
}

fn by_whom(by: Option<&'static str>) -> String {
    by.map(|who| format!(" through {who}")).unwrap_or_default()
}

fn advice(status: u16) -> &'static str {
    match status {
        404 => "; the document is not there, check the URL of the source",
        304 => "; it says that nothing changed although nothing was known",
        300..=399 => "; it is a redirect of a kind that is not followed",
        400..=499 => "; it does not accept the request, check the URL of the source",
        500..=599 => "; its own fault, it is tried again",
        _ => "; that is not an answer to a request for a document",
    }
}

fn patience(wait: Option<Duration>) -> String {
    match wait {
        Some(wait) => format!(" and is left alone for {}", seconds(wait)),
        None => "; it is tried again later".to_owned(),
    }
}

/// Whole seconds, rounded up; milliseconds below two seconds.
fn seconds(time: Duration) -> String {
    match time {
        short if short < Duration::from_secs(2) => format!("{} ms", short.as_millis()),
        long => format!("{} s", long.as_secs() + u64::from(long.subsec_nanos() > 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_error() -> Vec<FetchError> {
        let host = || "feeds.example".to_owned();
        let wait = Some(Duration::from_millis(89_001));
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        let short = Duration::from_millis(300);
        let long = Duration::from_secs(15);
        let mut all = vec![
            FetchError::Blocked { host: host(), status: 403, by: Some("Cloudflare") },
            FetchError::Gone { host: host() },
            FetchError::Busy { host: host(), status: 429, retry_after: wait },
            FetchError::Busy { host: host(), status: 503, retry_after: None },
            FetchError::Bomb { host: host(), ratio: 200 },
            FetchError::TimedOut { host: host(), phase: Phase::Connect, after: short },
            FetchError::Refused { host: host(), reason: Refusal::PrivateAddress(address) },
            FetchError::Refused { host: host(), reason: Refusal::Port(25) },
            FetchError::Interrupted { host: host(), received: 12 },
            FetchError::Decode { host: host(), detail: "it is damaged or cut short".to_owned() },
            FetchError::Robots { host: host(), reason: super::super::robots::Refused::Unread(500) },
        ];
        all.extend([200, 304, 300, 404, 418, 500].map(|status| FetchError::Status { host: host(), status }));
        all.extend([Phase::Headers, Phase::Idle, Phase::Total].map(|phase| FetchError::TimedOut {
            host: host(),
            phase,
            after: long,
        }));
        all.extend(
            [Excess::Headers(65_536), Excess::Sent(9), Excess::Decoded(9)]
                .map(|excess| FetchError::TooLarge { host: host(), excess }),
        );
        let tls = Unreachable::Tls("its certificate has expired".to_owned());
        all.extend(
            [Unreachable::Dns, Unreachable::Refused, Unreachable::NotHttp, Unreachable::Closed, tls]
                .map(|reason| FetchError::Unreachable { host: host(), reason }),
        );
        all.extend(
            [RedirectFault::TooMany(5), RedirectFault::Loop, RedirectFault::NoLocation, RedirectFault::Downgrade]
                .map(|fault| FetchError::Redirect { host: host(), fault }),
        );
        all
    }

    #[test]
    fn every_sentence_is_one_line_names_the_host_and_has_no_full_stop() {
        for error in every_error() {
            let sentence = error.sentence();
            assert!(sentence.contains("feeds.example"), "{sentence}");
            assert!(!sentence.contains(['\n', '\t']) && !sentence.contains("  "), "{sentence}");
            assert!(!sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn only_patience_has_a_time_to_come_back() {
        let waits: Vec<_> = every_error().iter().filter_map(FetchError::retry_after).collect();
        assert_eq!(waits, [Duration::from_millis(89_001)]);
    }
}
