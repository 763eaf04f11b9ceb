//! `sources.toml`: where to look, in which format, how often.
//!
//! [`parse`] is the only door: what was written is read by `written`, what it means is judged by `check`, and every
//! fault of a file is told at once.

mod check;
mod mailbox;
mod rules;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use url::Url;

use super::fault::{ConfigError, Faults, quoted, suggestion};
use super::written::read_file;
use crate::model::platform::PlatformId;

pub use mailbox::{MailPlace, MailTls, MailboxRules, Senders};

/// The sources that ship with the program, used where the settings name no file.
pub const BUILT_IN: &str = include_str!("../../sources.toml");

/// What messages call [`BUILT_IN`].
pub const BUILT_IN_NAME: &str = "sources.toml (built in)";

/// What the caller knows and this room may not import.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The names of the formats.
    pub formats: &'a [&'a str],
    /// The ids of the platforms; absent where they are not to be checked.
    pub platforms: Option<&'a BTreeSet<String>>,
    /// Says what is wrong with a CSS selector.
    pub check_selector: &'a dyn Fn(&str) -> Result<(), String>,
}

/// What the address of a mailbox (`imaps://`, `imap+starttls://` or `file:///`) means.
///
/// # Errors
/// Says what to write instead.
pub fn mail_place(text: &str) -> Result<MailPlace, String> {
    mailbox::address(text).map(|(_, place)| place)
}

/// The sources in `text`, which the user calls `file`, in the order of the file.
///
/// # Errors
/// Every fault in it, each with its line and key.
pub fn parse(text: &str, file: &str, known: &Known<'_>) -> Result<Vec<Source>, ConfigError> {
    let mut faults = Faults::new(file, text);
    let written = written::read(text, &mut faults);
    refuse_repeated_ids(&written, &mut faults);
    refuse_dangling_routes(&written, &mut faults);
    let sources: Vec<Source> = written.iter().filter_map(|source| check::check(source, known, &mut faults)).collect();
    if written.is_empty() && faults.is_empty() {
        faults.add(1, "source", "no [[source]] in this file: nothing would be watched; add one");
    }
    faults.finish(sources)
}

/// The sources in the file at `path`; those built in where there is no path.
///
/// # Errors
/// Where the file cannot be read, and every fault in it.
pub fn load(path: Option<&Path>, known: &Known<'_>) -> Result<Vec<Source>, ConfigError> {
    match path {
        None => parse(BUILT_IN, BUILT_IN_NAME, known),
        Some(path) => parse(&read_file(path)?, &path.display().to_string(), known),
    }
}

fn refuse_repeated_ids(written: &[written::WrittenSource], faults: &mut Faults<'_>) {
    let mut lines = BTreeMap::new();
    for id in written.iter().filter_map(|source| source.id.as_ref()) {
        if let Some(first) = lines.get(&id.value) {
            let message = format!("is also the id of the source on line {first}; every source needs its own");
            faults.add(id.line, format!("source {}: id", id.value), message);
        } else {
            lines.insert(&id.value, id.line);
        }
    }
}

/// `instead_of` names another source of the file, and one that stands in for nothing itself.
fn refuse_dangling_routes(written: &[written::WrittenSource], faults: &mut Faults<'_>) {
    let ids: BTreeMap<&str, &written::WrittenSource> =
        written.iter().filter_map(|source| Some((source.id.as_ref()?.value.as_str(), source))).collect();
    for source in written {
        let Some(other) = &source.instead_of else { continue };
        let message = match ids.get(other.value.as_str()) {
            None => {
                format!("no source is called {}{}", quoted(&other.value), suggestion(&other.value, ids.keys().copied()))
            }
            Some(named) if named.instead_of.is_some() || std::ptr::eq(*named, source) => {
                format!("{} stands in for another itself; name the first of them", quoted(&other.value))
            }
            Some(_) => continue,
        };
        faults.add(other.line, format!("{}: instead_of", source.label), message);
    }
}

/// Who speaks: it weighs in what people are told, and groups sources on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// An agency or national CERT.
    Government,
    /// The maker of the products.
    Vendor,
    /// A catalog of vulnerabilities.
    Database,
    /// Independent researchers.
    Research,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Government, Self::Vendor, Self::Database, Self::Research];

    /// The word used in files, JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Government => "government",
            Self::Vendor => "vendor",
            Self::Database => "database",
            Self::Research => "research",
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A source, checked: everything in it can be used as it stands.
#[derive(Clone)]
pub struct Source {
    /// Unique, lowercase letters, digits and hyphens.
    pub id: String,
    /// As shown to people.
    pub name: String,
    /// Who publishes it.
    pub publisher: String,
    /// Who speaks.
    pub kind: SourceKind,
    /// ISO 3166 two-letter code, or `EU`, or `INT`.
    pub country: String,
    /// Where to look.
    pub url: Url,
    /// The name of a format in [`crate::formats`].
    pub format: String,
    /// When to look, in UTC.
    pub schedule: cron::Schedule,
    /// The same, as written.
    pub schedule_text: String,
    /// Whether it is polled.
    pub enabled: bool,
    /// The platforms that it speaks of where it is a vendor's own; empty where it speaks of everything.
    pub platforms: Vec<PlatformId>,
    /// `User-Agent` where the publisher needs its own.
    pub user_agent: Option<String>,
    /// `Accept-Encoding` where the publisher needs its own, such as `gzip`.
    pub accept_encoding: Option<String>,
    /// How to read a page; present exactly when the format is `html`.
    pub html: Option<HtmlRules>,
    /// Where the mail is and whose is taken; present exactly when the format is `mailbox`.
    pub mailbox: Option<MailboxRules>,
    /// How to read a list in JSON; present exactly when the format is `json`.
    pub json: Option<JsonRules>,
    /// The groups that it belongs to, such as `us-government`; they are switched together.
    pub sets: Vec<String>,
    /// Days without news that are normal for it.
    pub silent_days: u32,
    /// Why it is off where it is: what is known to be fragile, or what it needs first.
    pub off_because: Option<String>,
    /// The id of the source that it stands in for: it is read only while that one cannot be.
    pub instead_of: Option<String>,
    /// The name under which the settings hold its API key, where it can do with one.
    pub key: Option<String>,
    /// The same, where it cannot do without.
    pub needs_key: Option<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} {})", self.id, self.url)
    }
}

/// Which sources the settings switch.
#[derive(Clone, Copy, Debug)]
pub struct Switches<'a> {
    /// Ids and sets to switch on.
    pub on: &'a [String],
    /// Ids and sets to switch off; it wins.
    pub off: &'a [String],
}

impl Switches<'_> {
    /// Switches `sources`.
    ///
    /// # Errors
    /// Names a word that is neither the id of a source nor a set.
    pub fn apply(&self, sources: &mut [Source]) -> Result<(), String> {
        let ids: BTreeSet<&str> = sources.iter().map(|source| source.id.as_str()).collect();
        let sets: BTreeSet<&str> = sources.iter().flat_map(|source| source.sets.iter().map(String::as_str)).collect();
        for (setting, words) in [("sources_on", self.on), ("sources_off", self.off)] {
            if let Some(word) = words.iter().find(|word| !ids.contains(word.as_str()) && !sets.contains(word.as_str()))
            {
                let hint = suggestion(word, ids.iter().chain(&sets).copied());
                return Err(format!("{setting}: {} is neither a source nor a set of sources{hint}", quoted(word)));
            }
        }
        for source in sources {
            let named = |words: &[String]| words.iter().any(|word| *word == source.id || source.sets.contains(word));
            if named(self.off) {
                source.enabled = false;
                source.off_because = Some("the settings switch it off (sources_off)".to_owned());
            } else if named(self.on) {
                source.enabled = true;
            }
        }
        Ok(())
    }
}

/// Lets each source that stands in for one that is off take its place: nobody would notice that it has to.
pub fn promote_stand_ins(sources: &mut [Source]) {
    let off: BTreeSet<String> =
        sources.iter().filter(|source| !source.enabled).map(|source| source.id.clone()).collect();
    for source in sources.iter_mut().filter(|source| source.enabled) {
        source.instead_of = source.instead_of.take().filter(|first| !off.contains(first));
    }
}

/// How to read items from a page: CSS selectors, relative to the item, and a canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HtmlRules {
    /// Selects each item; every link where only `link_pattern` is written.
    pub item: String,
    /// Selects the title in it; the item's own text where absent.
    pub title: Option<String>,
    /// Selects the link in it; the item itself where absent.
    pub link: Option<String>,
    /// A regular expression that an item's absolute address must match; what leads elsewhere is no item.
    pub link_pattern: Option<String>,
    /// Selects the date in it (its `datetime` attribute, else its text); absent: a date in the link's path is used.
    pub date: Option<String>,
    /// A regular expression that finds the date in the text of `date`, else in that of the item or in its address: the
    /// groups `year`, `month` and `day`, else the first group, else all that matches.
    pub date_pattern: Option<String>,
    /// Selects the summary in it.
    pub summary: Option<String>,
    /// A regular expression that an item's title must match to be taken; others are passed over.
    pub keep: Option<String>,
    /// Fewer items than this (before `keep`) mean that the page has changed.
    pub min_items: usize,
    /// A regular expression that the page's `<title>` must match, else the page has changed.
    pub page_title: Option<String>,
}

/// How to read items from a list in JSON: pointers (RFC 6901), relative to the item but for `items`, and a canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonRules {
    /// Where the list is in the document; empty where the document is the list.
    pub items: String,
    /// Where the title is.
    pub title: String,
    /// Where the link is; the id where only `link_prefix` is written.
    pub link: Option<String>,
    /// What stands before the link to make an address of it.
    pub link_prefix: Option<String>,
    /// Where the publisher's own id is.
    pub id: Option<String>,
    /// Where the date is.
    pub date: Option<String>,
    /// Where the text is, plain or HTML.
    pub text: Option<String>,
    /// Where the TLP label is; absent where all is public.
    pub tlp: Option<String>,
    /// A regular expression that an item's title must match to be taken; others are passed over.
    pub keep: Option<String>,
    /// Fewer items than this (before `keep`) mean that the list has changed.
    pub min_items: usize,
}
