//! Header values from text that others wrote: whatever goes in, one valid header comes out.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use url::Url;

use crate::model::text;

/// Characters of a subject.
const MAX_SUBJECT: usize = 150;
/// Columns of a header line, where there is a place to fold (RFC 5322 section 2.1.1).
const FOLD: usize = 76;
/// Octets of an unsubscribe URL; with its header's name it stays below 998.
const MAX_URL: usize = 900;

/// A subject as people read it: one line without controls, at most 150 characters, cut between what they see as
/// characters.
pub(super) fn subject(title: &str) -> String {
    // A title of a megabyte is read only as far as it can be shown; invisible characters cannot fill that.
    let start: String = title.chars().take(MAX_SUBJECT * 20).collect();
    cut(&text::one_line(&start), MAX_SUBJECT)
}

/// A display name for an address: one line, at most 80 characters, nothing that a reader could decode.
pub(super) fn display_name(name: &str) -> Option<String> {
    let start: String = name.chars().take(1_000).collect();
    let name = cut(&text::one_line(&start), 80).replace("=?", "= ?");
    (!name.is_empty()).then_some(name)
}

/// At most `max` characters, ending in an ellipsis where something was cut, never inside an emoji or an accent.
fn cut(line: &str, max: usize) -> String {
    let chars: Vec<char> = line.chars().collect();
    if chars.len() <= max {
        return line.to_owned();
    }
    let mut end = max - 1;
    while end > 0 && (extends(chars[end]) || chars[end - 1] == '\u{200d}') {
        end -= 1;
    }
    // Flags are pairs of regional indicators; an odd run before the cut would lose its second half.
    let is_flag = |c: &char| ('\u{1f1e6}'..='\u{1f1ff}').contains(c);
    if chars.get(end).is_some_and(is_flag) && chars[..end].iter().rev().take_while(|c| is_flag(c)).count() % 2 == 1 {
        end -= 1;
    }
    let kept: String = chars[..end].iter().collect();
    format!("{}…", kept.trim_end())
}

/// Whether `c` belongs to the character before it.
fn extends(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
        || matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
}

/// The wire form of one line of text as the value of the header `name`: folded where it is plain ASCII, else as
/// encoded words (RFC 2047). Text that looks like an encoded word is encoded, so that nobody decodes it.
pub(super) fn unstructured(name: &str, line: &str) -> String {
    let plain = line.is_ascii() && !line.contains("=?") && line.split(' ').all(|word| word.len() < FOLD - name.len());
    if !plain {
        return encoded_words(line);
    }
    let mut value = String::with_capacity(line.len() + 8);
    let mut column = name.len() + 1;
    for word in line.split(' ') {
        if !value.is_empty() {
            value.push_str(if column + 1 + word.len() > FOLD { "\r\n " } else { " " });
        }
        if column + 1 + word.len() > FOLD {
            column = 0;
        }
        column += 1 + word.len();
        value.push_str(word);
    }
    value
}

/// Encoded words in the Q encoding, each at most 75 characters and of whole characters (RFC 2047 sections 2, 5).
fn encoded_words(line: &str) -> String {
    const START: &str = "=?utf-8?Q?";
    // 75 less the frame of 12, less the longest header name used here ("Subject: ").
    const ROOM: usize = 75 - 12 - 9;
    let mut value = String::from(START);
    let mut used = 0;
    for c in line.chars() {
        let mut coded = String::new();
        match c {
            ' ' => coded.push('_'),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '!' | '*' | '+' | '-' | '/' => coded.push(c),
            other => {
                for byte in other.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(coded, "={byte:02X}");
                }
            }
        }
        if used + coded.len() > ROOM {
            value.push_str("?=\r\n ");
            value.push_str(START);
            used = 0;
        }
        used += coded.len();
        value.push_str(&coded);
    }
    value.push_str("?=");
    value
}

/// A `Message-ID` without brackets that is valid (RFC 5322 section 3.6.4): `id` itself where it is, else a digest
/// of it at `domain`. The same input gives the same id.
pub(super) fn message_id(id: &str, domain: &str) -> String {
    valid_id(id).unwrap_or_else(|| format!("{}@{domain}", digest(id)))
}

/// `id` without its angle brackets, where it is a valid one.
pub(super) fn valid_id(id: &str) -> Option<String> {
    let id = id.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(id);
    let (left, right) = id.split_once('@')?;
    (id.len() <= 250 && is_dot_atom(left) && is_dot_atom(right)).then(|| id.to_owned())
}

/// A `List-Id` without brackets (RFC 2919 section 3): what is valid of `id`, if anything.
pub(super) fn list_id(id: &str) -> Option<String> {
    let kept: String = id.chars().take(1_000).filter(|c| *c == '.' || is_atext(*c)).collect();
    (kept.len() <= 255 && is_dot_atom(&kept)).then_some(kept)
}

/// An absolute http or https URL in ASCII, and whether it is https.
pub(super) fn web_url(text: &str) -> Option<(String, bool)> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    let https = url.scheme() == "https";
    let url = String::from(url);
    let clean = url.len() <= MAX_URL && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,".contains(&byte));
    clean.then_some((url, https))
}

/// The URL of a mail to `address` that asks to unsubscribe (RFC 6068), where the address can stand in one as it is.
pub(super) fn mail_url(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
    let clean = address.len() <= 254 && !local.is_empty() && local.chars().all(plain) && is_dot_atom(domain);
    clean.then(|| format!("mailto:{address}?subject=unsubscribe"))
}

/// 40 hexadecimal digits that stand for `text`.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(20).fold(String::with_capacity(40), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn is_dot_atom(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_of_at_most_150_characters() {
        assert_eq!(subject("a\r\nBcc: b@c.test\0 \u{202e}d"), "a Bcc: b@c.test d");
        let cut = subject(&"ü".repeat(1_000_000));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (150, true));
    }

    #[test]
    fn a_cut_does_not_split_what_people_see_as_one_character() {
        let family = "👩\u{200d}👧";
        let title = format!("{}{family}{}", "a".repeat(147), "b".repeat(9));
        assert_eq!(subject(&title), format!("{}…", "a".repeat(147)));
        let accent = format!("{}e\u{301}{}", "a".repeat(148), "b".repeat(9));
        assert_eq!(subject(&accent), format!("{}…", "a".repeat(148)));
        let flags = format!("{}🇩🇪🇫🇷", "a".repeat(148));
        assert_eq!(subject(&flags), format!("{}…", "a".repeat(148)));
    }

    #[test]
    fn text_that_looks_encoded_is_encoded() {
        assert_eq!(unstructured("Subject", "=?utf-8?q?x?="), "=?utf-8?Q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=");
        assert_eq!(unstructured("Subject", "plain text"), "plain text");
    }

    #[test]
    fn an_id_that_is_not_valid_becomes_a_digest() {
        assert_eq!(message_id("a.b@c.test", "d.test"), "a.b@c.test");
        assert_eq!(message_id("<a.b@c.test>", "d.test"), "a.b@c.test");
        let made = message_id("a@c>\r\nBcc: x", "d.test");
        assert!(made.ends_with("@d.test") && made.len() == 40 + 7, "{made}");
    }

    #[test]
    fn only_a_clean_address_may_unsubscribe() {
        let url = "mailto:bounces+unsub-sub-7-abc@alerts.test?subject=unsubscribe";
        assert_eq!(mail_url("bounces+unsub-sub-7-abc@alerts.test").as_deref(), Some(url));
        for bad in ["", "a", "@b.test", "a?cc=x@b.test", "a@b.test?cc=x@c.test", "a>\r\nBcc: x@b.test", "a%40c@b.test"]
        {
            assert_eq!(mail_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_clean_web_urls_may_unsubscribe() {
        assert_eq!(web_url("https://a.test/u/x"), Some(("https://a.test/u/x".to_owned(), true)));
        assert_eq!(web_url("http://a.test"), Some(("http://a.test/".to_owned(), false)));
        for bad in ["javascript:alert(1)", "mailto:a@b.test", "/u/x", "https://a.test/,<http://b.test>"] {
            assert_eq!(web_url(bad), None, "{bad}");
        }
    }
}
