//! Bytes to text: which charset a document is in, decided by us so that no parser has to guess.
//!
//! The order is that of RFC 7303: byte order mark, then the charset of `Content-Type`, then what the document
//! declares, then (for what is not valid UTF-8) a guess. Bytes that are not valid in it become U+FFFD: a damaged
//! character never costs the document.

use std::sync::LazyLock;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use regex::bytes::Regex;

/// How much of the start is searched for a declaration, in bytes.
const DECLARATION_WITHIN: usize = 1_024;

/// A document as text.
pub struct Decoded {
    /// The text, without a byte order mark.
    pub text: String,
    /// What could not be decoded, as a sentence; absent where everything could.
    pub repair: Option<String>,
}

static XML_ENCODING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']\s*([A-Za-z0-9._:-]{1,40})"#)
        .expect("the pattern is a constant")
});

static META_CHARSET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})"#)
        .expect("the pattern is a constant")
});

/// Text of `bytes`, which came with `content_type`.
#[must_use]
pub fn decode(bytes: &[u8], content_type: Option<&str>) -> Decoded {
    if let Some((wide, big_endian)) = utf_32(bytes) {
        return decode_utf_32(&bytes[if wide { 4 } else { 0 }..], big_endian);
    }
    let encoding = Encoding::for_bom(bytes)
        .map(|(encoding, _)| encoding)
        .or_else(|| content_type.and_then(charset_parameter))
        .or_else(|| unmarked_utf_16(bytes))
        .or_else(|| declared(bytes))
        .unwrap_or_else(|| guess(bytes));
    let (text, encoding, damaged) = encoding.decode(bytes);
    let count = if damaged { text.matches(char::REPLACEMENT_CHARACTER).count() } else { 0 };
    let repair =
        (count > 0).then(|| format!("characters that were not valid {} and were replaced: {count}", encoding.name()));
    Decoded { text: text.into_owned(), repair }
}

/// The `charset` of a `Content-Type` (RFC 9110 section 8.3.2).
fn charset_parameter(content_type: &str) -> Option<&'static Encoding> {
    let value = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Encoding::for_label(value.trim().trim_matches(['"', '\'']).as_bytes())
}

fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(DECLARATION_WITHIN)];
    let label = XML_ENCODING.captures(start).or_else(|| META_CHARSET.captures(start))?;
    let encoding = Encoding::for_label(&label[1])?;
    // A declaration that we could read is not in UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

fn unmarked_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<' | b'{', 0, next, 0, ..] if *next != 0 => Some(UTF_16LE),
        [0, b'<' | b'{', 0, next, ..] if *next != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether this is UTF-32: with a mark or not, and whether big-endian.
fn utf_32(bytes: &[u8]) -> Option<(bool, bool)> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => Some((true, false)),
        [0, 0, 0xfe, 0xff, ..] => Some((true, true)),
        [b'<' | b'{', 0, 0, 0, ..] => Some((false, false)),
        [0, 0, 0, b'<' | b'{', ..] => Some((false, true)),
        _ => None,
    }
}

fn decode_utf_32(bytes: &[u8], big_endian: bool) -> Decoded {
    let mut damaged = bytes.len() % 4;
    let text = bytes
        .chunks_exact(4)
        .map(|four| {
            let four = [four[0], four[1], four[2], four[3]];
            let code = if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) };
            char::from_u32(code).unwrap_or_else(|| {
                damaged += 1;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    Decoded {
        text,
        repair: (damaged > 0).then(|| format!("characters that were not valid UTF-32 and were replaced: {damaged}")),
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, chardetng::Utf8Detection::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], content_type: Option<&str>) -> String {
        decode(bytes, content_type).text
    }

    #[test]
    fn the_order_is_mark_then_http_then_declaration_then_guess() {
        let latin = b"<?xml version='1.0' encoding='windows-1252'?><a>\xe9</a>";
        assert!(text(latin, None).contains('é'));
        assert!(text(latin, Some("text/xml; charset=\"windows-1251\"")).contains('й'));
        assert!(
            text(
                b"\xef\xbb\xbf<?xml version='1.0' encoding='windows-1251'?><a>\xc3\xa9</a>",
                Some("text/xml; charset=koi8-r")
            )
            .contains('é')
        );
        assert!(text("<a>é</a>".as_bytes(), Some("application/xml")).contains('é'));
        assert!(
            text(b"<rss><title>Alerte de s\xe9curit\xe9 du CERT-FR, mise \xe0 jour</title></rss>", None)
                .contains("sécurité")
        );
        assert!(text(b"<html><meta charset=windows-1251><p>\xe9", None).contains('й'));
    }

    #[test]
    fn wide_encodings_are_read_with_and_without_a_mark() {
        let source = "<a>é\u{1f600}</a>";
        let le: Vec<u8> = source.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = source.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let wide: Vec<u8> = source.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        for bytes in [le.clone(), be.clone(), wide.clone()] {
            assert_eq!(text(&bytes, None), source);
        }
        for (mark, bytes) in [(&[0xff, 0xfe][..], le), (&[0xfe, 0xff], be), (&[0, 0, 0xfe, 0xff], wide)] {
            assert_eq!(text(&[mark, &bytes].concat(), Some("text/xml; charset=utf-8")), source);
        }
    }

    #[test]
    fn what_is_not_valid_is_replaced_and_said() {
        let decoded = decode(b"<?xml version='1.0' encoding='utf-8'?><a>x\xffy</a>", None);
        assert!(decoded.text.contains("x\u{fffd}y"));
        assert_eq!(decoded.repair.as_deref(), Some("characters that were not valid UTF-8 and were replaced: 1"));
        assert!(decode("<a>\u{fffd}</a>".as_bytes(), None).repair.is_none());
    }
}
