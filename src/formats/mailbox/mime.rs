//! The texts of a message, out of its MIME parts (RFC 2045, RFC 2046).
//!
//! Parts are found here and not by the parser, which follows forwarded messages into any depth on the stack: a few
//! kilobytes of them would end the program. The parser is asked about one header at a time, and decodes single parts
//! that hold neither parts nor messages, by its own reading of their header.

use mail_parser::{HeaderName, MessageParser, MimeHeaders, PartType};

use super::message;
use crate::formats::ParseError;
use crate::model::item::TEXT_MAX;

/// Deepest nesting of multiparts that is read.
const DEPTH_MAX: usize = 20;
/// Most parts that are read.
const PARTS_MAX: usize = 500;
/// Most plain text that is gathered, in bytes.
const PLAIN_MAX: usize = 2 * TEXT_MAX;

/// What a message says. What is attached or forwarded is left out.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// Its plain texts, one after the other.
    pub plain: String,
    /// The first of its HTML texts.
    pub html: Option<String>,
    parts: usize,
}

/// A parser of the headers that are of use; others are passed over.
pub(super) fn parser() -> MessageParser {
    MessageParser::new()
        .with_mime_headers()
        .header_address(HeaderName::From)
        .header_text(HeaderName::Subject)
        .header_id(HeaderName::MessageId)
        .header_raw(HeaderName::Date)
        .default_header_ignore()
}

/// The texts of a message.
pub(super) fn bodies(message: &[u8]) -> Result<Bodies, ParseError> {
    let mut bodies = Bodies::default();
    part(&parser(), message, 0, &mut bodies)?;
    Ok(bodies)
}

fn part(parser: &MessageParser, bytes: &[u8], depth: usize, bodies: &mut Bodies) -> Result<(), ParseError> {
    bodies.parts += 1;
    if bodies.parts > PARTS_MAX {
        return Err(ParseError::unreadable(format!("it has more than {PARTS_MAX} parts")));
    }
    if depth > DEPTH_MAX {
        return Err(ParseError::TooDeep { limit: DEPTH_MAX });
    }
    // A part without a header begins with its empty line; the parser wants to see some header.
    let headed = [b"Content-Description: none\r\n", bytes].concat();
    let Some(head) = parser.parse_headers(&headed[..]) else { return Ok(()) };
    let attached = head.content_disposition().is_some_and(|how| how.is_attachment());
    let kind = head.content_type();
    match kind.map(|kind| (kind.ctype(), kind.subtype().unwrap_or_default())) {
        Some(("multipart", _)) => {
            let boundary = kind.and_then(|kind| kind.attribute("boundary")).unwrap_or_default();
            for inner in split(message::body(bytes), boundary.as_bytes()) {
                part(parser, inner, depth + 1, bodies)?;
            }
        }
        None | Some(("text", "plain" | "html" | "")) if attached => {}
        // What has a name is a file, unless it is all that there is.
        Some(("text", _)) if depth > 0 && kind.is_some_and(|kind| kind.has_attribute("name")) => {}
        // Other kinds (calendars, enriched text, pages for telephones) repeat what these say.
        None | Some(("text", "plain" | "html" | "")) => leaf(parser, &headed, bodies),
        Some(_) => {}
    }
    Ok(())
}

/// Decodes a part that is text by its header.
fn leaf(parser: &MessageParser, headed: &[u8], bodies: &mut Bodies) {
    let Some(message) = parser.parse(headed) else { return };
    match message.parts.into_iter().next().map(|part| part.body) {
        Some(PartType::Text(text)) if bodies.plain.len() < PLAIN_MAX && !text.trim().is_empty() => {
            if !bodies.plain.is_empty() {
                bodies.plain.push_str("\n\n");
            }
            bodies.plain.push_str(text.trim());
        }
        Some(PartType::Html(html)) if bodies.html.is_none() && !html.trim().is_empty() => {
            bodies.html = Some(html.into_owned());
        }
        _ => {}
    }
}

/// The parts of a multipart's body (RFC 2046 section 5.1.1): what stands before the first delimiter and after the
/// closing one is for nobody. A last part that is not closed runs to the end.
fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    let (mut begun, mut from): (Option<usize>, usize) = (None, 0);
    while from < body.len() && parts.len() <= PARTS_MAX {
        let end = memchr::memchr(b'\n', &body[from..]).map_or(body.len(), |at| from + at + 1);
        let after = body[from..end].strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary));
        let after = after.map(<[u8]>::trim_ascii_end);
        if let Some(after @ (b"" | b"--")) = after {
            if let Some(start) = begun.take() {
                parts.push(&body[start..from]);
            }
            if after == b"--" {
                return parts;
            }
            begun = Some(end);
        }
        from = end;
    }
    parts.extend(begun.map(|start| &body[start..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str) -> Vec<String> {
        let parts = split(body.as_bytes(), b"b");
        parts.into_iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }

    #[test]
    fn parts_stand_between_delimiters() {
        assert_eq!(
            parts("x\r\n--b\r\none\r\n--b  \r\n--bb\r\ntwo\r\n--b--\r\ny\r\n--b\r\n"),
            ["one\r\n", "--bb\r\ntwo\r\n"]
        );
        assert_eq!(parts("--b\none"), ["one"]);
        assert_eq!(parts("--b"), [""]);
        assert!(parts("none").is_empty() && split(b"--\r\nx", b"").is_empty());
    }
}
