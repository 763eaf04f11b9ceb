//! `sources.toml`: where to look, in which format, how often.

use std::fmt;

use url::Url;

use crate::model::platform::PlatformId;

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
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} {})", self.id, self.url)
    }
}

/// How to read items from a page: CSS selectors, relative to the item, and a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtmlRules {
    /// Selects each item.
    pub item: String,
    /// Selects the title in it; the item's own text where absent.
    pub title: Option<String>,
    /// Selects the link in it; the item itself where absent.
    pub link: Option<String>,
    /// Selects the date in it (its `datetime` attribute, else its text); absent: a date in the link's path is used.
    pub date: Option<String>,
    /// Selects the summary in it.
    pub summary: Option<String>,
    /// A regular expression that an item's title must match to be taken; others are passed over.
    pub keep: Option<String>,
    /// Fewer items than this (before `keep`) mean that the page has changed.
    pub min_items: usize,
    /// A regular expression that the page's `<title>` must match, else the page has changed.
    pub page_title: Option<String>,
}
