//! One message to an item.

use mail_parser::{Address, HeaderName, HeaderValue, Message};
use sha2::{Digest, Sha256};

use super::{link, mime};
use crate::formats::{ParseError, contained, dates, draft};
use crate::model::item::Item;
use crate::model::mail::MESSAGE_MAX;
use crate::model::tlp::Tlp;

/// Longest header of a message, in bytes, and most lines of it.
pub(super) const HEADER_MAX: usize = 256 * 1024;
const HEADER_LINES_MAX: usize = 2_000;
/// How many times as long as its plain text the HTML of a message may be before the text counts as a stub.
const STUB_TIMES: usize = 6;

/// The item that a message makes. Its label and its proof are for the caller to set.
pub(super) fn read(bytes: &[u8], repairs: &mut Vec<String>) -> Result<Item, ParseError> {
    check(bytes)?;
    contained("mail", || {
        let parser = mime::parser();
        let message = parser.parse_headers(bytes).filter(|message| !message.headers().is_empty());
        let message = message.ok_or_else(|| ParseError::unreadable("it has no header of a mail"))?;
        let bodies = mime::bodies(bytes)?;
        Ok(item(&message, &bodies, bytes, repairs))
    })
}

/// Refuses what would cost the parser too much.
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    if bytes.len() > MESSAGE_MAX {
        let reason = format!("it has {} bytes, and {MESSAGE_MAX} are read", bytes.len());
        return Err(ParseError::unreadable(reason));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(ParseError::Empty);
    }
    let header = header(bytes);
    if header.len() > HEADER_MAX || memchr::memchr_iter(b'\n', header).count() > HEADER_LINES_MAX {
        let reason = format!("its header is longer than {HEADER_LINES_MAX} lines or {} KiB", HEADER_MAX >> 10);
        return Err(ParseError::unreadable(reason));
    }
    Ok(())
}

/// The header of a message, up to its first empty line.
pub(super) fn header(bytes: &[u8]) -> &[u8] {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if bytes[from..end].trim_ascii_end().is_empty() && from > 0 {
            return &bytes[..from];
        }
        from = end + 1;
    }
    bytes
}

/// What follows the header of a message or part.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    if matches!(bytes, [b'\n', ..] | [b'\r', b'\n', ..]) {
        return bytes;
    }
    &bytes[header(bytes).len()..]
}

/// The address in `From`; absent unless there is exactly one such header with exactly one address (RFC 5322 section
/// 3.6.2 allows more, and forgers make use of it).
pub(super) fn sender(bytes: &[u8]) -> Option<String> {
    let header = header(&bytes[..bytes.len().min(HEADER_MAX)]);
    let parser = mime::parser();
    let message = parser.parse_headers(header)?;
    let mut fields = message.headers().iter().filter(|field| field.name == HeaderName::From);
    let (field, None) = (fields.next()?, fields.next()) else { return None };
    let HeaderValue::Address(Address::List(addresses)) = &field.value else { return None };
    match &addresses[..] {
        [one] => one.address.as_deref().map(|address| address.trim().to_owned()),
        _ => None,
    }
}

fn item(message: &Message<'_>, bodies: &mime::Bodies, bytes: &[u8], repairs: &mut Vec<String>) -> Item {
    let text = text_of(bodies);
    let damaged = text.matches(char::REPLACEMENT_CHARACTER).count();
    if damaged > 0 {
        repairs.push(format!("characters that are not in its charset and were replaced: {damaged}"));
    }
    let published = message.header_raw(HeaderName::Date).and_then(|date| dates::parse(&without_comment(date)));
    Item {
        native_id: Some(name(message, bytes)),
        url: link::of(&text, bodies.html.as_deref()),
        title: draft::title(message.subject().unwrap_or_default(), &text),
        published,
        text,
        ..Item::default()
    }
}

/// Its Message-ID; where it has none, a hash of it, since it must have a name that stays.
fn name(message: &Message<'_>, bytes: &[u8]) -> String {
    if let Some(id) = message.message_id().and_then(draft::native_id) {
        return id;
    }
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |name, byte| name + &format!("{byte:02x}"))
}

/// What it says: its plain text, or that of its HTML where there is none, or next to none (a footer that a mailing
/// list appended, a line that asks for another mail program).
fn text_of(bodies: &mime::Bodies) -> String {
    let plain = draft::plain_body(&bodies.plain);
    match bodies.html.as_deref().map(|html| draft::body(shown(html))) {
        Some(html) if plain.is_empty() || html.len() > STUB_TIMES * plain.len() => html,
        _ => plain,
    }
}

/// A page without its head, whose title would else stand before the text.
fn shown(html: &str) -> &str {
    let start = memchr::memmem::find_iter(html.as_bytes(), b"<")
        .find(|at| html.as_bytes().get(at + 1..at + 5).is_some_and(|name| name.eq_ignore_ascii_case(b"body")));
    start.map_or(html, |at| &html[at..])
}

/// The strictest TLP label in the subject, or in a line of its own at the start of the text: where TLP 2.0 (section 3)
/// asks mail to bear it.
pub(super) fn label(item: &Item) -> Option<Tlp> {
    let start = item.text.lines().take(3).filter(|line| line.trim_start().starts_with("TLP:"));
    std::iter::once(item.title.as_str()).chain(start).flat_map(labels).max()
}

fn labels(line: &str) -> impl Iterator<Item = Tlp> + '_ {
    line.split("TLP:").skip(1).filter_map(|rest| {
        let word = rest.trim_start();
        let end = word.find(|c: char| !c.is_ascii_alphabetic() && c != '+').unwrap_or(word.len());
        word[..end].parse().ok()
    })
}

/// A date without the name of its zone in parentheses.
fn without_comment(date: &str) -> String {
    date.split('(').next().unwrap_or_default().trim().to_owned()
}
