//! What one request may cost, in one place.

use std::time::Duration;

/// Bounds of a request. The defaults suit feeds and advisories; tests make them small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Looking the host up, connecting and the TLS handshake: 10 seconds.
    pub connect: Duration,
    /// From the start of a request to the last of its answer's headers, connecting included: 15 seconds.
    pub headers: Duration,
    /// Between two pieces of a body: 15 seconds.
    pub idle: Duration,
    /// All of it, redirects included, without the time that politeness makes us wait: 60 seconds.
    pub total: Duration,
    /// A post, from its first byte to the end of its answer: 20 seconds.
    pub post: Duration,
    /// Redirects followed: 5.
    pub redirects: usize,
    /// Bytes of an answer's headers: 64 KiB.
    pub header_bytes: usize,
    /// Bytes of a body as sent: 10 MiB.
    pub compressed: usize,
    /// Bytes of a body after decompression: 20 MiB.
    pub decompressed: usize,
    /// How many times larger decompression may make a body, once it is past [`Limits::ratio_floor`]: 200.
    pub ratio: usize,
    /// Decompressed bytes up to which any ratio is fine: 1 MiB.
    pub ratio_floor: usize,
    /// Requests to one host at the same time: 2.
    pub host_concurrency: usize,
    /// Least time between two request starts to one host: 1 second. Hosts that the allow-list names are spared.
    pub host_gap: Duration,
    /// The longest `Retry-After` that is believed: 24 hours.
    pub retry_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(15),
            idle: Duration::from_secs(15),
            total: Duration::from_secs(60),
            post: Duration::from_secs(20),
            redirects: 5,
            header_bytes: 64 * 1024,
            compressed: 10 * 1024 * 1024,
            decompressed: 20 * 1024 * 1024,
            ratio: 200,
            ratio_floor: 1024 * 1024,
            host_concurrency: 2,
            host_gap: Duration::from_secs(1),
            retry_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}
