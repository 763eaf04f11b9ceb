//! The header fields and parts of a mail, as far as reports need them: bounded in size and depth, and blind to what is
//! attached or forwarded.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

/// Longest header that is read, in bytes, and most fields of it.
const HEADER_MAX: usize = 256 * 1024;
const FIELDS_MAX: usize = 1_000;
/// Longest value of a field, in bytes.
const VALUE_MAX: usize = 4_000;
/// Deepest nesting of multiparts, and most parts in all.
const DEPTH_MAX: usize = 4;
const PARTS_MAX: usize = 50;
/// Longest body of a part that is decoded, in bytes.
const BODY_MAX: usize = 128 * 1024;

/// Base64 as mail has it: with the padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Header fields, or fields of a report: names in lower case, values in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields at the start of `bytes`, up to the first empty line.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in head(bytes).split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut().filter(|(_, value)| value.len() < VALUE_MAX) {
                    value.push(' ');
                    push(value, line.trim());
                }
            } else if let Some((name, rest)) = line.split_once(':')
                && fields.len() < FIELDS_MAX
            {
                let mut value = String::new();
                push(&mut value, rest.trim());
                fields.push((name.trim().to_ascii_lowercase(), value));
            }
        }
        Self(fields)
    }

    /// The first field called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every field called `name`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The kind of the part that these fields head, in lower case.
    pub(super) fn kind(&self) -> String {
        let value = self.get("content-type").unwrap_or("text/plain");
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// A parameter of the content type.
    fn parameter(&self, wanted: &str) -> Option<String> {
        let mut rest = self.get("content-type")?;
        while let Some(at) = rest.find(';') {
            rest = rest[at + 1..].trim_start();
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let (value, left) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => after.split_at(after.find(|c: char| c == ';' || c.is_whitespace()).unwrap_or(after.len())),
            };
            if name.trim().eq_ignore_ascii_case(wanted) {
                return Some(value.to_owned());
            }
            rest = left;
        }
        None
    }
}

fn push(value: &mut String, text: &str) {
    let room = VALUE_MAX.saturating_sub(value.len());
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    value.push_str(&text[..end]);
}

/// A part that has no parts.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub kind: String,
    fields: Fields,
    body: &'a [u8],
}

impl Part<'_> {
    /// What it holds, its transfer encoding undone, at most the first [`BODY_MAX`] bytes.
    pub(super) fn text(&self) -> Vec<u8> {
        let body = &self.body[..self.body.len().min(BODY_MAX)];
        let encoding = self.fields.get("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
        let decoded = match encoding.trim() {
            "base64" => {
                let packed: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                LENIENT.decode(&packed).ok()
            }
            "quoted-printable" => quoted_printable_decode(body),
            _ => None,
        };
        decoded.unwrap_or_else(|| body.to_vec())
    }
}

/// The parts of a mail in their order, those of multiparts taken apart. A mail in one part is its own part.
pub(super) fn parts(mail: &[u8]) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    gather(mail, 0, &mut found);
    found
}

fn gather<'a>(bytes: &'a [u8], depth: usize, found: &mut Vec<Part<'a>>) {
    if found.len() >= PARTS_MAX {
        return;
    }
    let fields = Fields::read(bytes);
    let (kind, body) = (fields.kind(), body(bytes));
    match fields.parameter("boundary") {
        Some(boundary) if kind.starts_with("multipart/") && depth < DEPTH_MAX => {
            for inner in split(body, boundary.as_bytes()) {
                gather(inner, depth + 1, found);
            }
        }
        _ => found.push(Part { kind, fields, body }),
    }
}

/// What stands before the first empty line, as far as it is read.
fn head(bytes: &[u8]) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(HEADER_MAX)];
    &bytes[..end_of_head(bytes).0]
}

/// What follows the first empty line.
pub(super) fn body(bytes: &[u8]) -> &[u8] {
    &bytes[end_of_head(bytes).1..]
}

/// Where the header ends, and where the body begins.
fn end_of_head(bytes: &[u8]) -> (usize, usize) {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if matches!(&bytes[from..end], b"" | b"\r") {
            return (from, end + 1);
        }
        from = end + 1;
    }
    (bytes.len(), bytes.len())
}

/// The parts of a multipart's body (RFC 2046 section 5.1.1). One that is not closed runs to the end.
fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let (mut begun, mut from): (Option<usize>, usize) = (None, 0);
    while !boundary.is_empty() && from < body.len() && parts.len() < PARTS_MAX {
        let end = memchr::memchr(b'\n', &body[from..]).map_or(body.len(), |at| from + at + 1);
        let after = body[from..end].strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary));
        if let Some(after @ (b"" | b"--")) = after.map(<[u8]>::trim_ascii_end) {
            parts.extend(begun.take().map(|start| &body[start..from]));
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

    #[test]
    fn fields_are_unfolded_and_bounded() {
        let fields = Fields::read(b"A: one\r\n two\r\nb : three\nno field\r\nA: four\r\n\r\nC: body\r\n");
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["one two", "four"]);
        assert_eq!((fields.get("b"), fields.get("c")), (Some("three"), None));
        let long = format!("A: {}\r\n", "ü".repeat(1_000_000));
        assert!(Fields::read(long.as_bytes()).get("a").is_some_and(|value| value.len() <= VALUE_MAX));
        let many = "A: b\r\n".repeat(100_000);
        assert_eq!(Fields::read(many.as_bytes()).0.len(), FIELDS_MAX);
    }

    #[test]
    fn parameters_are_read_quoted_or_not() {
        for value in ["a/b; boundary=x1", "a/b;Boundary=\"x1\"", "a/b; c=\"d;e\"; BOUNDARY = x1 ; f=g"] {
            let fields = Fields::read(format!("Content-Type: {value}\r\n").as_bytes());
            assert_eq!(fields.parameter("boundary").as_deref(), Some("x1"), "{value}");
            assert_eq!(fields.kind(), "a/b");
        }
        assert_eq!(Fields::read(b"Content-Type: a/b; boundary").parameter("boundary"), None);
    }

    #[test]
    fn multiparts_are_taken_apart_to_a_depth() {
        let mut mail = b"Content-Type: text/plain\r\n\r\ndeep\r\n".to_vec();
        for level in 0..20 {
            let head = format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n");
            mail = [head.as_bytes(), &mail, format!("\r\n--b{level}--\r\n").as_bytes()].concat();
        }
        let found = parts(&mail);
        assert_eq!((found.len(), found[0].kind.as_str()), (1, "multipart/mixed"));
        let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(10_000));
        assert_eq!(parts(many.as_bytes()).len(), PARTS_MAX);
    }
}
