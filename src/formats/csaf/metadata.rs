//! How a provider is found and what it says of itself: `security.txt` and provider-metadata.json (sections 7.1 and 7.3
//! of CSAF 2.1; 2.0 alike).

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{list_at, text_at};
use crate::formats::{ParseError, dates};
use crate::model::clock::Timestamp;

/// Where a provider's metadata stand under its domain, and where `security.txt` does (RFC 9116).
pub const WELL_KNOWN: &str = "/.well-known/csaf/provider-metadata.json";
pub const SECURITY_TXT: [&str; 2] = ["/.well-known/security.txt", "/security.txt"];
/// Most feeds, directories and keys of a provider that are read.
const FEEDS_MAX: usize = 50;
const DIRECTORIES_MAX: usize = 20;
const KEYS_MAX: usize = 20;
/// Most `CSAF:` lines of a `security.txt` that are followed.
const LINES_MAX: usize = 5;
/// How long before its end a provider's upkeep is spoken of.
const SOON: Duration = Duration::from_secs(90 * 24 * 3_600);

/// What a provider says of itself, as far as it concerns a reader.
#[derive(Debug, Default)]
pub struct Metadata {
    /// Its ROLIE feeds that anybody may read.
    pub feeds: Vec<Url>,
    /// Its directories; read where it has no feeds.
    pub directories: Vec<Url>,
    /// Its OpenPGP keys: fingerprint and address.
    pub keys: Vec<(String, Url)>,
    /// What is to be said of it.
    pub remarks: Vec<String>,
}

/// Whether this is a provider-metadata.json.
pub fn is_metadata(value: &Value) -> bool {
    value.get("metadata_version").is_some()
        || (value.get("canonical_url").is_some() && value.get("distributions").is_some())
}

/// Reads the metadata that stand at `base`.
///
/// # Errors
/// Where nobody maintains the provider any more, or it offers nothing that we can read.
pub fn read(value: &Value, base: &Url, now: Timestamp) -> Result<Metadata, ParseError> {
    let mut metadata = Metadata::default();
    maintained(value, now, &mut metadata.remarks)?;
    let mut closed = 0;
    for distribution in list_at(value, "/distributions") {
        let rolie = list_at(distribution, "/rolie/feeds").take(FEEDS_MAX.saturating_sub(metadata.feeds.len()));
        for feed in rolie {
            match address(base, text_at(feed, "/url")) {
                Some(url) if is_open(text_at(feed, "/tlp_label")) => metadata.feeds.push(url),
                Some(_) => closed += 1,
                None => {
                    metadata.remarks.push("the provider's metadata name a feed without a proper address".to_owned())
                }
            }
        }
        // 2.0 gives the address alone, 2.1 its label too.
        let label = text_at(distribution, "/directory/tlp_label");
        let directory = [text_at(distribution, "/directory_url"), text_at(distribution, "/directory/url")];
        for url in directory.into_iter().filter_map(|url| address(base, url)) {
            if !is_open(label) {
                closed += 1;
            } else if metadata.directories.len() < DIRECTORIES_MAX {
                metadata.directories.push(folder(url));
            }
        }
    }
    metadata.feeds.dedup();
    metadata.directories.dedup();
    if metadata.feeds.is_empty() && metadata.directories.is_empty() {
        let why = if closed > 0 {
            "all it offers needs credentials"
        } else {
            "it names neither a ROLIE feed nor a directory"
        };
        return Err(ParseError::unreadable(format!("the provider's metadata lead to no documents: {why}")));
    }
    let keys = list_at(value, "/public_openpgp_keys").take(KEYS_MAX);
    metadata.keys = keys
        .filter_map(|key| Some((text_at(key, "/fingerprint").to_owned(), address(base, text_at(key, "/url"))?)))
        .collect();
    Ok(metadata)
}

/// Whether a label lets documents be read without credentials (requirements 4 and 5 of section 7.1). A feed of GREEN
/// may be open, and is left to those to whom it was given.
fn is_open(label: &str) -> bool {
    matches!(label, "" | "CLEAR" | "WHITE" | "UNLABELED")
}

fn maintained(value: &Value, now: Timestamp, remarks: &mut Vec<String>) -> Result<(), ParseError> {
    let date = |pointer| dates::parse(text_at(value, pointer));
    if let Some(from) = date("/maintained_from").filter(|from| *from > now) {
        remarks.push(format!("the provider is maintained from {from} on only"));
    }
    match date("/maintained_until") {
        Some(until) if until <= now => Err(ParseError::unreadable(format!(
            "nobody maintains this provider since {until} (maintained_until); find out where its publisher publishes now"
        ))),
        Some(until) if until < now.plus(SOON) => {
            remarks.push(format!("the provider is maintained until {until} only; find out what comes after it"));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The addresses of a `security.txt`'s `CSAF:` lines (CSAF 2.0 section 7.1.8).
pub fn of_security_txt(text: &str, base: &Url) -> Vec<Url> {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("csaf").then(|| address(base, value.trim()))?
    });
    lines.take(LINES_MAX).collect()
}

/// The address that a provider's domain has for CSAF in the name system (section 7.1.10); absent for an IP address.
pub fn of_domain(base: &Url) -> Option<Url> {
    let domain = base.domain()?;
    Url::parse(&format!("https://csaf.data.security.{}/", domain.trim_end_matches('.'))).ok()
}

/// An absolute address; from a page that came encrypted, an encrypted one.
pub fn address(base: &Url, written: &str) -> Option<Url> {
    let url = Url::parse(written).ok()?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && base.scheme() == "http");
    (safe && url.host().is_some() && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// The same address with a slash at its end, so that names resolve in it.
pub fn folder(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}
