//! Entries as `feed-rs` gives them, to items.

use feed_rs::model::{Entry, Link};
use feed_rs::parser::{Builder, Parser};
use url::Url;

use crate::formats::{ParseError, contained, dates, draft};
use crate::model::clock::Timestamp;
use crate::model::item::Item;

/// A parser that resolves links against `base`, reads dates as we do, and makes up no ids: `feed-rs` gives a new
/// random one at each reading where a feed has none. One serves for one document: after a failure it panics.
fn parser(base: &Url) -> Parser {
    Builder::new()
        .base_uri(Some(base.as_str()))
        .id_generator(|_, _, _| String::new())
        .sanitize_content(false)
        .timestamp_parser(|text| chrono::DateTime::from_timestamp_micros(dates::parse(text)?.0))
        .build()
}

/// The items of a document that is well-formed.
pub fn items(document: &str, base: &Url) -> Result<Vec<Item>, ParseError> {
    let feed = contained("feed", || {
        parser(base).parse(document.as_bytes()).map_err(|fault| ParseError::unreadable(fault.to_string()))
    })?;
    Ok(feed.entries.into_iter().map(|entry| item(entry, base)).collect())
}

fn item(entry: Entry, base: &Url) -> Item {
    let native_id = draft::native_id(&entry.id);
    let summary = entry.summary.as_ref().map(|text| body(&text.content, text.content_type.as_ref()));
    let content =
        entry.content.as_ref().and_then(|content| Some(body(content.body.as_deref()?, content.content_type.as_ref())));
    let (summary, content) = (summary.unwrap_or_default(), content.unwrap_or_default());
    let text = if content.chars().count() > summary.chars().count() { content } else { summary };
    let elsewhere = entry.content.and_then(|content| content.src).map(|link| link.href);
    let url = page(&entry.links, base)
        .or_else(|| draft::link(elsewhere.as_deref()?, base))
        // A guid that is an address is one that leads to the item (RSS 2.0, `isPermaLink`).
        .or_else(|| draft::link(native_id.as_deref().filter(|id| id.starts_with("http"))?, base));
    let published = entry.published.map(|at| Timestamp(at.timestamp_micros())).or_else(|| day_of(url.as_deref()));
    let updated = entry.updated.map(|at| Timestamp(at.timestamp_micros())).filter(|at| Some(*at) != published);
    Item {
        title: draft::title(entry.title.as_ref().map_or("", |title| &title.content), &text),
        native_id,
        url,
        text,
        published,
        updated,
        ..Item::default()
    }
}

/// The day that an item's address names.
pub fn day_of(url: Option<&str>) -> Option<Timestamp> {
    dates::from_path(&Url::parse(url?).ok()?)
}

/// Plain text of a body. Publishers put HTML into what they call text, so its looks decide.
fn body(source: &str, content_type: &str) -> String {
    let escaped = source.contains('&') && source.contains(';');
    let marked = source.contains("</") || source.contains("/>") || source.contains("<br") || source.contains("<p");
    if content_type == "text/plain" && !escaped && !marked { draft::plain_body(source) } else { draft::body(source) }
}

/// The page of an item: its alternate link, and not its comments, enclosures or the feed itself.
fn page(links: &[Link], base: &Url) -> Option<String> {
    let is_page = |link: &&Link| {
        let html = link.media_type.as_deref().is_none_or(|kind| kind.contains("html"));
        link.target.is_none() && html && matches!(link.rel.as_deref(), None | Some("alternate"))
    };
    let is_other = |link: &&Link| {
        link.target.is_none() && matches!(link.rel.as_deref(), None | Some("alternate" | "related" | "via"))
    };
    let of = |link: &Link| draft::link(&link.href, base);
    links.iter().filter(is_page).find_map(of).or_else(|| links.iter().filter(is_other).find_map(of))
}
