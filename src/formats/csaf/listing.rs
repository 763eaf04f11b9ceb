//! Lists of documents: ROLIE feeds (RFC 8322, as JSON), `changes.csv`, `index.txt` and `deletions.csv` (CSAF 2.1
//! sections 7.1.11 to 7.1.15).
//!
//! A list is the publisher's word for which addresses we ask, so each must be safe: a directory's entries stay in it,
//! and a feed leads from `https` to `https` only.

use serde_json::Value;
use url::Url;

use super::{list_at, metadata, text_at};
use crate::formats::dates;
use crate::model::clock::Timestamp;
use crate::model::text;

/// Most entries taken of all lists of a source; more are said, and the newest kept.
pub const ENTRIES_MAX: usize = 50_000;
/// Most lines or entries of one list that are looked at.
const LOOK_MAX: usize = 1_000_000;
/// Longest path of an entry, in bytes.
const PATH_MAX: usize = 1_000;
/// Longest title kept of an entry, in characters.
const TITLE_MAX: usize = 300;

/// A document that a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub url: Url,
    /// The id that a feed gives it; empty for directories.
    pub id: String,
    /// The title that a feed gives it; empty for directories.
    pub title: String,
    /// When it was last changed, or removed; absent in an `index.txt`.
    pub updated: Option<Timestamp>,
    /// Its hash files, the stronger first.
    pub hashes: Vec<Url>,
    /// Its signature.
    pub signature: Option<Url>,
    /// It was removed.
    pub gone: bool,
}

/// The entries of one list, and what was wrong with others.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of the list.
    pub entries: Vec<Entry>,
    /// Entries that were refused.
    pub refused: usize,
    /// The first reason.
    pub reason: Option<String>,
}

impl Listing {
    fn refuse(&mut self, reason: impl FnOnce() -> String) {
        self.refused += 1;
        self.reason.get_or_insert_with(reason);
    }
}

impl Entry {
    /// The document at `url`, with its hash and signature files where a directory has them (7.1.18, 7.1.19).
    #[must_use]
    pub fn at(url: Url, updated: Option<Timestamp>) -> Self {
        let beside = |suffix: &str| {
            let mut beside = url.clone();
            beside.set_path(&format!("{}{suffix}", url.path()));
            beside
        };
        let hashes = vec![beside(".sha512"), beside(".sha256")];
        let signature = Some(beside(".asc"));
        Self { id: String::new(), title: String::new(), updated, hashes, signature, gone: false, url }
    }

    /// Folder and file name: the same document has the same in each list that names it.
    #[must_use]
    pub fn name(&self) -> String {
        let path = self.url.path();
        let folder = path.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
        path[folder..].trim_start_matches('/').to_owned()
    }

    /// The file name.
    #[must_use]
    pub fn file(&self) -> &str {
        self.url.path().rsplit('/').next().unwrap_or_default()
    }
}

/// The entries of a ROLIE feed at `base`.
pub fn rolie(feed: &Value, base: &Url) -> Listing {
    let mut listing = Listing::default();
    for entry in list_at(feed, "/feed/entry").take(LOOK_MAX) {
        let link = |rel: &str| {
            let links = list_at(entry, "/link").filter(|link| text_at(link, "/rel") == rel).collect::<Vec<_>>();
            links.into_iter().filter_map(|link| metadata::address(base, text_at(link, "/href"))).collect::<Vec<_>>()
        };
        let own = link("self").into_iter().next().or_else(|| metadata::address(base, text_at(entry, "/content/src")));
        let id = text::truncate(&text::one_line(text_at(entry, "/id")), PATH_MAX);
        let Some(url) = own else {
            listing.refuse(|| format!("the feed's entry '{}' leads to no safe address", text::truncate(&id, 60)));
            continue;
        };
        let mut hashes = link("hash");
        hashes.sort_by_key(|url| !url.path().ends_with(".sha512"));
        listing.entries.push(Entry {
            url,
            id,
            title: text::truncate(&text::one_line(text_at(entry, "/title")), TITLE_MAX),
            updated: dates::parse(text_at(entry, "/updated")).or_else(|| dates::parse(text_at(entry, "/published"))),
            hashes,
            signature: link("signature").into_iter().next(),
            gone: false,
        });
    }
    listing
}

/// The entries of a `changes.csv` or, where `gone`, of a `deletions.csv` in `directory`: path and time, quoted (2.0) or
/// not (2.1).
pub fn changes(csv: &str, directory: &Url, gone: bool) -> Listing {
    let mut listing = Listing::default();
    for line in csv.lines().take(LOOK_MAX).map(str::trim).filter(|line| !line.is_empty()) {
        let Some((path, time)) = fields(line) else {
            listing.refuse(|| format!("the line '{}' is not a path and a time", text::truncate(line, 80)));
            continue;
        };
        let Some(updated) = dates::parse(&time) else {
            // Section 7.1.13 knows no head line; some publishers do.
            if !listing.entries.is_empty() {
                listing.refuse(|| format!("'{}' is not a time", text::truncate(&time, 40)));
            }
            continue;
        };
        match within(directory, &path) {
            Ok(url) => listing.entries.push(Entry { gone, ..Entry::at(url, Some(updated)) }),
            Err(reason) => listing.refuse(|| reason),
        }
    }
    listing
}

/// The entries of an `index.txt` in `directory`.
pub fn index(list: &str, directory: &Url) -> Listing {
    let mut listing = Listing::default();
    for line in list.lines().take(LOOK_MAX).map(str::trim).filter(|line| !line.is_empty()) {
        match within(directory, line) {
            Ok(url) => listing.entries.push(Entry::at(url, None)),
            Err(reason) => listing.refuse(|| reason),
        }
    }
    listing
}

/// Whether a text is a list of changes (`Some(true)`) or an index (`Some(false)`), by its first lines.
pub fn kind(text: &str) -> Option<bool> {
    let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(2).last()?;
    match fields(line) {
        Some((path, time)) if path.ends_with(".json") && dates::parse(&time).is_some() => Some(true),
        _ if line.len() <= PATH_MAX && line.ends_with(".json") && !line.contains(['<', '{', '"']) => Some(false),
        _ => None,
    }
}

/// The first two fields of a line of CSV (RFC 4180).
fn fields(line: &str) -> Option<(String, String)> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().take(2 * PATH_MAX).peekable();
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    let mut fields = fields.into_iter().map(|field| field.trim().to_owned());
    Some((fields.next()?, fields.next()?))
}

/// The address of a relative path in `directory`, which must stay in it.
fn within(directory: &Url, path: &str) -> Result<Url, String> {
    let shown = || text::truncate(&text::one_line(path), 80);
    let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    let leaves = path.is_empty()
        || path.len() > PATH_MAX
        || decoded.starts_with('/')
        || decoded.contains(['\\', ':', '?', '#'])
        || decoded.chars().any(char::is_control)
        || decoded.split('/').any(|part| part == ".." || part == ".");
    if leaves {
        return Err(format!("the path '{}' does not stay in the directory", shown()));
    }
    let url =
        directory.join(strip_overlap(directory, path)).map_err(|_| format!("the path '{}' is no address", shown()))?;
    let stays = url.origin() == directory.origin()
        && url.path().starts_with(directory.path())
        && url.path() != directory.path();
    if stays { Ok(url) } else { Err(format!("the path '{}' does not stay in the directory", shown())) }
}

/// CISA's lists repeat the end of the directory's own path at the start of each entry; it is taken once.
fn strip_overlap<'a>(directory: &Url, path: &'a str) -> &'a str {
    let own = directory.path();
    let overlaps =
        path.match_indices('/').map(|(at, _)| &path[..=at]).filter(|start| own.ends_with(&format!("/{start}")));
    // One folder alone (`white/`) may well be a folder of that name in it.
    let longest = overlaps.filter(|start| start.matches('/').count() > 1).max_by_key(|start| start.len());
    longest.map_or(path, |start| &path[start.len()..])
}

/// The file name that section 5.1 prescribes for a tracking id.
pub fn file_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len() + 5);
    for c in id.trim().to_lowercase().chars() {
        match c {
            '+' | '-' | 'a'..='z' | '0'..='9' => name.push(c),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name + ".json"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Url {
        Url::parse("https://vendor.example/develop/csaf_files/OT/white/").expect("an address")
    }

    #[test]
    fn entries_stay_in_their_directory() {
        let listing = index("2099/a-1.json\ncsaf_files/OT/white/2099/a-2.json\n", &directory());
        let urls: Vec<_> = listing.entries.iter().map(|entry| entry.url.path()).collect();
        assert_eq!(urls, ["/develop/csaf_files/OT/white/2099/a-1.json", "/develop/csaf_files/OT/white/2099/a-2.json"]);
        for path in [
            "../green/a.json",
            "2099/../../a.json",
            "2099/%2e%2e/%2E%2E/a.json",
            "/etc/a.json",
            "//other.example/a.json",
            "https://other.example/a.json",
            "..%2fa.json",
            "2099\\..\\a.json",
            "a.json?x",
            "./a.json",
            "a\u{1}.json",
            &"x".repeat(2_000),
        ] {
            let listing = index(path, &directory());
            assert_eq!((listing.entries.len(), listing.refused), (0, 1), "{path}");
        }
    }

    #[test]
    fn changes_are_read_quoted_or_not() {
        let csv = "\"2099/a-1.json\",\"2099-02-01T10:00:00Z\"\r\n2099/a-2.json,2099-01-01T10:00:00Z\nrubbish\n2099/a-3.json,soon\n";
        assert_eq!(kind(csv), Some(true));
        let listing = changes(csv, &directory(), false);
        let read: Vec<_> =
            listing.entries.iter().map(|entry| (entry.file(), entry.updated.expect("a time").to_string())).collect();
        assert_eq!(
            read,
            [("a-1.json", "2099-02-01T10:00:00Z".to_owned()), ("a-2.json", "2099-01-01T10:00:00Z".to_owned())]
        );
        assert_eq!(listing.refused, 2);
        assert_eq!(listing.entries[0].hashes[0].path(), "/develop/csaf_files/OT/white/2099/a-1.json.sha512");
        assert_eq!(listing.entries[0].name(), "2099/a-1.json");
        assert_eq!(kind("2099/a-1.json\n2099/a-2.json"), Some(false));
        assert_eq!(kind("<html>"), None);
        assert_eq!(kind(""), None);
    }

    #[test]
    fn feeds_do_not_lead_out_of_encryption() {
        let entry = |href: &str| serde_json::json!({"id": "A-1", "link": [{"rel": "self", "href": href}], "updated": "2099-01-01T00:00:00Z"});
        let feed = serde_json::json!({"feed": {"entry": [entry("https://elsewhere.example/a-1.json"), entry("http://vendor.example/a-1.json"), entry("file:///etc/passwd"), entry("a-1.json")]}});
        let listing = rolie(&feed, &directory());
        assert_eq!((listing.entries.len(), listing.refused), (1, 3));
    }

    #[test]
    fn file_names_follow_section_5_1() {
        for (id, expected) in [
            ("Example Company - 2019-YH3234", "example_company_-_2019-yh3234.json"),
            ("RHBA-2019:0024", "rhba-2019_0024.json"),
            ("2022 #01-A", "2022_01-a.json"),
        ] {
            assert_eq!(file_name(id), expected);
        }
    }
}
