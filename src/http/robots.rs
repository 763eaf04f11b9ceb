//! `robots.txt` (RFC 9309): what a publisher asks programs not to read.
//!
//! It is asked for pages made for people and not for feeds. A host without one (4xx) allows everything; one that cannot
//! say (5xx) forbids everything until it can (sections 2.3.1.3 and 2.3.1.4). Answers are kept for at most a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::{Client, FetchError, Fetched, Request, place};

/// Our name in `User-agent` lines (section 2.2.1).
const TOKEN: &str = "rattlewatch";
/// How much of the file is read, in bytes: the least that section 2.5 allows.
const READ_MAX: usize = 500 * 1024;
/// How long an answer is believed (section 2.4).
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Most hosts whose rules are kept.
const HOSTS_MAX: usize = 256;
/// Longest path that is shown, in characters.
const SHOWN_MAX: usize = 120;

/// Why `robots.txt` keeps us away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It says so of this path.
    #[error("asks not to read {0}; ask the publisher or switch the source off")]
    Disallowed(String),
    /// It cannot be read, with this status, which forbids everything.
    #[error("cannot be read (status {0}), which forbids all other pages until it can; it is tried again")]
    Unread(u16),
}

/// The rules of hosts, by origin.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, (Instant, Arc<Rules>)>>);

impl Known {
    fn get(&self, origin: &str) -> Option<Arc<Rules>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(origin).filter(|(until, _)| *until > Instant::now()).map(|(_, rules)| Arc::clone(rules))
    }

    fn keep(&self, origin: String, rules: &Arc<Rules>, time: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|_, (until, _)| *until > now);
        if known.len() < HOSTS_MAX {
            known.insert(origin, (now + time.min(KEPT), Arc::clone(rules)));
        }
    }
}

impl Client {
    /// Whether the `robots.txt` beside `url` lets a program read it. It is asked for as `request` asks.
    ///
    /// # Errors
    /// [`FetchError::Robots`] where it does not; any other error where the host asks for patience or cannot be reached.
    pub async fn robots_admit(&self, request: &Request, url: &Url) -> Result<(), FetchError> {
        let origin = url.origin().ascii_serialization();
        let rules = match self.0.robots.get(&origin) {
            Some(rules) => rules,
            None => self.robots_of(request, url, origin).await?,
        };
        if rules.allow(&path_of(url)) {
            return Ok(());
        }
        let path = crate::model::text::truncate(url.path(), SHOWN_MAX);
        Err(FetchError::Robots { host: place(url), reason: Refused::Disallowed(path) })
    }

    async fn robots_of(&self, request: &Request, url: &Url, origin: String) -> Result<Arc<Rules>, FetchError> {
        let mut file = url.clone();
        file.set_path("/robots.txt");
        file.set_query(None);
        file.set_fragment(None);
        let asked = Request {
            user_agent: request.user_agent.clone(),
            accept_encoding: request.accept_encoding.clone(),
            ..Request::new(file)
        };
        let (rules, kept) = match self.get(&asked).await {
            Ok(Fetched::Page(page)) => (Rules::parse(&page.body), page.meta.max_age.unwrap_or(KEPT)),
            Ok(Fetched::NotModified(_)) => (Rules::default(), Duration::ZERO),
            Err(FetchError::Gone { .. } | FetchError::Redirect { .. }) => (Rules::default(), KEPT),
            Err(FetchError::Status { status: 400..=499, .. } | FetchError::Blocked { status: 200..=499, .. }) => {
                (Rules::default(), KEPT)
            }
            Err(FetchError::Status { status, .. } | FetchError::Blocked { status, .. }) => {
                return Err(FetchError::Robots { host: place(url), reason: Refused::Unread(status) });
            }
            Err(other) => return Err(other),
        };
        let rules = Arc::new(rules);
        self.0.robots.keep(origin, &rules, kept);
        Ok(rules)
    }
}

/// The path with its query, as rules see it.
fn path_of(url: &Url) -> Vec<u8> {
    let whole = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    normal(whole.as_bytes())
}

/// The rules that hold for us.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// Normalized; may hold `*`, and end in `$`.
    pattern: Vec<u8>,
}

/// Whom the group that is being read is for.
#[derive(Clone, Copy, Default)]
struct Group {
    ours: bool,
    all: bool,
    /// A rule has been read, so that the next `User-agent` begins another group.
    closed: bool,
}

impl Rules {
    /// Reads a file. Every group for our token counts as one; those for `*` count where there is none (section 2.2.1).
    fn parse(file: &[u8]) -> Self {
        let file = &file[..file.len().min(READ_MAX)];
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let (mut ours, mut all, mut named) = (Vec::new(), Vec::new(), false);
        let mut group = Group::default();
        for line in file.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (key, value) = (line[..colon].trim_ascii().to_ascii_lowercase(), line[colon + 1..].trim_ascii());
            match key.as_slice() {
                b"user-agent" => {
                    if group.closed {
                        group = Group::default();
                    }
                    group.all |= value == b"*";
                    group.ours |= is_token(value);
                    named |= group.ours;
                }
                b"allow" | b"disallow" => {
                    group.closed = true;
                    // An empty pattern matches nothing.
                    if value.is_empty() {
                        continue;
                    }
                    let rule = || Rule { allow: key == b"allow", pattern: normal(value) };
                    if group.ours {
                        ours.push(rule());
                    }
                    if group.all {
                        all.push(rule());
                    }
                }
                _ => {}
            }
        }
        Self(if named { ours } else { all })
    }

    /// Whether `path` may be read: the longest pattern that matches decides, and of two as long `Allow` (section 2.2.2).
    fn allow(&self, path: &[u8]) -> bool {
        if path == b"/robots.txt" {
            return true;
        }
        let matching = self.0.iter().filter(|rule| matches(&rule.pattern, path));
        matching.map(|rule| (rule.pattern.len(), rule.allow)).max().is_none_or(|(_, allow)| allow)
    }
}

/// Whether a `User-agent` line names us: the product token that it begins with, in any case.
fn is_token(value: &[u8]) -> bool {
    let end = value.iter().position(|byte| !(byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-')));
    value[..end.unwrap_or(value.len())].eq_ignore_ascii_case(TOKEN.as_bytes())
}

/// Whether `pattern` matches the beginning of `path`, or all of it where it ends in `$`. `*` is any number of octets.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, anchored) = match pattern.strip_suffix(b"$") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = path.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&[u8]> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return !anchored || rest.is_empty() };
    for piece in middle {
        let Some(at) = memchr::memmem::find(rest, piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    if anchored { rest.ends_with(last) } else { memchr::memmem::find(rest, last).is_some() }
}

/// `octets` with the percent-encoding that section 2.2.2 compares by: unreserved characters plain, others as they are,
/// those outside ASCII encoded.
fn normal(octets: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&byte) = octets.get(at) {
        at += 1;
        let encoded = match (byte, hex(octets.get(at)), hex(octets.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                Some(high << 4 | low)
            }
            (128.., _, _) => Some(byte),
            _ => None,
        };
        match encoded {
            Some(plain) if plain.is_ascii_alphanumeric() || matches!(plain, b'-' | b'.' | b'_' | b'~') => {
                out.push(plain)
            }
            Some(other) => out.extend(format!("%{other:02X}").bytes()),
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(file: &str, path: &str) -> bool {
        let url = Url::parse("https://vendor.example").and_then(|url| url.join(path)).expect("an address");
        Rules::parse(file.as_bytes()).allow(&path_of(&url))
    }

    #[test]
    fn our_group_counts_else_the_one_for_all() {
        let file = "User-agent: *\nDisallow: /\n\nUser-Agent: other\nUser-agent: RattleWatch/1.0 # us\nDisallow: /private\n\
                    Crawl-delay: 5\nUser-agent: rattlewatch\nDisallow: /drafts\n";
        assert!(allowed(file, "/advisories"));
        assert!(!allowed(file, "/private/a") && !allowed(file, "/drafts"));
        let others = "User-agent: other\nDisallow: /\n";
        assert!(allowed(others, "/a"));
        assert!(!allowed("user-agent:*\r\ndisallow:/x\r\n", "/x"));
        assert!(allowed("User-agent: rattlewatchdog\nDisallow: /\n", "/x"));
        // A group for us without rules is a group for us.
        assert!(allowed("User-agent: rattlewatch\nDisallow:\n\nUser-agent: *\nDisallow: /\n", "/x"));
    }

    #[test]
    fn the_longest_pattern_decides_and_allow_wins_a_tie() {
        let file = "User-agent: *\nDisallow: /trust\nAllow: /trust/bulletins\nDisallow: /trust/bulletins/old\nAllow: /same\nDisallow: /same\n";
        for (path, expected) in [
            ("/trust", false),
            ("/trust/bulletins/1", true),
            ("/trust/bulletins/old/1", false),
            ("/same", true),
            ("/", true),
        ] {
            assert_eq!(allowed(file, path), expected, "{path}");
        }
        assert!(allowed("User-agent: *\nDisallow: /\n", "/robots.txt"));
    }

    #[test]
    fn wildcards_anchors_and_encodings_are_followed() {
        let table = [
            ("/*.php$", "/a/b.php", true),
            ("/*.php$", "/a.php?x", false),
            ("/fish*", "/fishheads", true),
            ("*/x*y$", "/a/x1y2y", true),
            ("/a$", "/a/", false),
            ("/a%3cd", "/a%3Cd", true),
            ("/%61b", "/ab", true),
            ("/caf\u{e9}", "/caf%C3%A9", true),
            ("/?q=*&p", "/?q=1&p=2", true),
            ("/***a***b", "/xaxb", true),
            ("$", "/", false),
            ("/%", "/%", true),
        ];
        for (pattern, path, hit) in table {
            assert_eq!(allowed(&format!("User-agent: *\nDisallow: {pattern}"), path), !hit, "{pattern} {path}");
        }
    }

    #[test]
    fn hostile_files_are_read_in_bounded_time() {
        let begun = std::time::Instant::now();
        let path = format!("/{}", "a".repeat(4_000));
        for line in ["Disallow: *a*a*a*a*a*b$\n", "User-agent: rattlewatch\n", ":\n", "\u{0}"] {
            let file = format!("User-agent: *\n{}", line.repeat(3 * READ_MAX / line.len()));
            let _ = allowed(&file, &path);
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
        // What stands behind the part that is read does not count.
        let long = format!("User-agent: *\n{}Disallow: /\n", "#\n".repeat(READ_MAX / 2));
        assert!(allowed(&long, "/x"));
    }
}
