//! Feeds: RSS 0.9 to 2.0, RDF, Atom 0.3 and 1.0, JSON Feed.
//!
//! One document that is not well-formed must not cost an alert, so reading is a ladder: as published, mended, item by
//! item. The first rung that gives every item that the document shows is taken, and each step down is said in
//! [`Parsed::repairs`]. The format is told by content and never by `Content-Type`. No DTD is processed, no entity
//! that a document declares is expanded, nothing is fetched.

mod entry;
mod json_feed;
mod repair;
mod salvage;
pub(super) mod scan;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use url::Url;

use self::repair::Mended;
use self::scan::{Kind, Survey, pieces, survey};
use super::{DEPTH_MAX, Format, Origin, ParseError, decode, draft, pages};
use crate::model::item::{Item, Parsed};

/// Any feed.
pub const FEED: Format = Format { name: "feed", parse, walk: None };

const EXPECTED: &str = "a feed";
/// Most attributes of one tag: the parser compares each with each.
const ATTRIBUTES_MAX: usize = 256;
/// Most namespace declarations in a document: the parser searches them for each name.
const NAMESPACES_MAX: usize = 4_096;

static SELF_LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\shref\s*=\s*["']([^"'<]+)["']"#).expect("the pattern is a constant"));

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let decoded = decode::decode(bytes, origin.content_type);
    let text = decoded.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    if text.is_empty() {
        return Err(ParseError::Empty);
    }
    if let Some(found) = pages::recognize(text) {
        return Err(ParseError::NotThis { expected: EXPECTED, found });
    }
    let mut parsed =
        if text.starts_with(['{', '[']) { json_feed::parse(text, origin.url)? } else { xml(text, origin.url)? };
    parsed.repairs.splice(0..0, decoded.repair);
    parsed.fresh_for = ttl(text);
    let before = parsed.items.len();
    parsed.items.retain(draft::worth_keeping);
    parsed.dropped += before - parsed.items.len();
    if parsed.items.is_empty() && parsed.dropped > 0 {
        let reason = format!("none of its {} items has a title, a text or a link", parsed.dropped);
        return Err(ParseError::unreadable(reason));
    }
    draft::cap(&mut parsed);
    Ok(parsed)
}

fn xml(text: &str, address: &Url) -> Result<Parsed, ParseError> {
    let translated = repair::translate(text);
    let survey = survey(&translated.text);
    if survey.items == 0 {
        check_kind(&translated.text)?;
    }
    let base = base(&translated.text, address);
    let fits = fits(&survey, DEPTH_MAX);
    let mut best: Option<(Mended, Vec<Item>)> = None;
    let mut fault = ParseError::TooDeep { limit: DEPTH_MAX };
    if fits {
        match strict(translated, &base) {
            Ok((source, items)) if items.len() >= survey.items => return Ok(told(source, items)),
            Ok(found) => best = Some(found),
            Err(why) => fault = why,
        }
    }
    let mended = repair::mend(text);
    if fits && best.is_none() {
        match strict(mended.clone(), &base) {
            Ok((source, items)) if items.len() >= survey.items => return Ok(told(source, items)),
            Ok(found) => best = Some(found),
            Err(_) => {}
        }
    }
    let salvage = salvage::salvage(&mended.text, &base);
    match best {
        Some((source, items)) if items.len() >= salvage.items.len() => return Ok(told(source, items)),
        None if salvage.items.is_empty() => return Err(fault),
        _ => {}
    }
    let mut parsed = told(mended, salvage.items);
    parsed.dropped = salvage.dropped;
    parsed.repairs.push(format!("the document is damaged ({}): its items were read one by one", reason(&fault, fits)));
    if salvage.partial > 0 {
        parsed.repairs.push(format!("items that are damaged and were read in part: {}", salvage.partial));
    }
    Ok(parsed)
}

/// The channel's `ttl`, in minutes (RSS 2.0).
fn ttl(text: &str) -> Option<Duration> {
    let head = &text[..text.find("<item").unwrap_or(text.len())];
    let (_, rest) = head.split_once("<ttl>")?;
    let minutes: u32 = rest.split_once("</ttl>")?.0.trim().parse().ok()?;
    Some(Duration::from_secs(u64::from(minutes) * 60))
}

fn strict(source: Mended, base: &Url) -> Result<(Mended, Vec<Item>), ParseError> {
    let mut items = entry::items(&source.text, base)?;
    salvage::fill_blanks(&mut items, &source.text, base);
    Ok((source, items))
}

fn told(source: Mended, items: Vec<Item>) -> Parsed {
    Parsed { items, repairs: source.repairs, ..Parsed::default() }
}

fn reason(fault: &ParseError, fits: bool) -> String {
    match fault {
        _ if !fits => "nested or attributed beyond any real feed".to_owned(),
        ParseError::Unreadable { reason } => reason.rsplit(" error: ").next().unwrap_or(reason).to_owned(),
        _ => "items are missing from it".to_owned(),
    }
}

/// Whether a parser that trusts its input may be given the document.
fn fits(survey: &Survey, depth: usize) -> bool {
    survey.depth <= depth && survey.attributes <= ATTRIBUTES_MAX && survey.namespaces <= NAMESPACES_MAX
}

/// Refuses XML that is no feed. A feed without items is one: its root says so.
fn check_kind(text: &str) -> Result<(), ParseError> {
    let root = pieces(text).find(|piece| matches!(piece.kind, Kind::Open(_) | Kind::Empty(_)));
    let found = match root.as_ref().map(|piece| piece.kind.local()) {
        Some("rss" | "RDF" | "feed" | "entry" | "channel" | "item" | "Channel") => return Ok(()),
        Some(name) => format!("an XML document of another kind (<{}>)", draft::title(name, "")),
        None => "something that is neither XML nor JSON".to_owned(),
    };
    Err(ParseError::NotThis { expected: EXPECTED, found })
}

/// What relative links are resolved against, where the document says nothing by `xml:base`: the address that the feed
/// gives as its own, else the one that answered.
fn base(text: &str, address: &Url) -> Url {
    pieces(text)
        .take_while(|piece| !matches!(piece.kind, Kind::Open("item" | "entry")))
        .filter(|piece| matches!(piece.kind, Kind::Open(_) | Kind::Empty(_)) && piece.kind.local() == "link")
        .map(|piece| &text[piece.start..piece.end])
        .filter(|tag| tag.contains("\"self\"") || tag.contains("'self'"))
        .find_map(|tag| Url::parse(&SELF_LINK.captures(tag)?[1]).ok())
        .filter(|own| matches!(own.scheme(), "http" | "https") && own.domain().is_some_and(|name| name.contains('.')))
        .unwrap_or_else(|| address.clone())
}
