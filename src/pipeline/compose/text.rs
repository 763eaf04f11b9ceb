//! Text of letters: wrapping, cutting, dates and lists in words, and which links may stand in a mail.
//! Every function is total: hostile text gives ugly text, never a panic.

use jiff::tz::TimeZone;
use unicode_normalization::char::is_combining_mark;
use url::Url;

use crate::model::clock::Timestamp;
use crate::model::text::{is_bidi_control, one_line};

/// Columns of the plain part.
pub const WIDTH: usize = 78;

/// `text` with each line wrapped at [`WIDTH`] characters. A continued line is indented to where the text of
/// its list item starts and repeats the mark of a quotation. A single word longer than that stays whole.
pub fn wrap(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut blank = 0;
    for line in text.lines().map(str::trim_end) {
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank < 2 {
            wrap_line(line, &mut out);
        }
    }
    out
}

fn wrap_line(line: &str, out: &mut String) {
    if line.len() <= WIDTH {
        out.push_str(line);
        out.push('\n');
        return;
    }
    let mark = mark_of(line);
    let (first, body) = line.split_at(mark);
    let rest: String = if first.starts_with('>') { first.to_owned() } else { " ".repeat(first.len()) };
    out.push_str(first);
    let mut column = first.len();
    let mut empty = true;
    for word in body.split_whitespace() {
        let length = word.chars().count();
        if !empty && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&rest);
            column = rest.len();
        } else if !empty {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        empty = false;
    }
    out.push('\n');
}

/// Bytes of leading spaces and of the mark `- `, `> ` or `12. ` after them.
fn mark_of(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let body = &line[indent..];
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    if body.starts_with("- ") || body.starts_with("> ") {
        indent + 2
    } else if (1..=3).contains(&digits) && body[digits..].starts_with(". ") {
        indent + digits + 2
    } else {
        indent
    }
}

/// At most `max` characters of `text` in one line. A cut falls between words where one is near,
/// never inside a character that several code points make up, and is marked with an ellipsis.
pub fn cut(text: &str, max: usize) -> String {
    shorten(&one_line(text), max)
}

/// As [`cut`], but keeps paragraphs; the text must be tidy.
pub fn shorten(text: &str, max: usize) -> String {
    let Some((limit, _)) = text.char_indices().nth(max.saturating_sub(1)) else { return text.to_owned() };
    if text[limit..].chars().nth(1).is_none() {
        return text.to_owned();
    }
    let mut end = limit;
    while let Some(last) = text[..end].chars().next_back() {
        let next = text[end..].chars().next().unwrap_or(' ');
        if !extends(next) && !matches!(last, '\u{200d}') {
            break;
        }
        end -= last.len_utf8();
    }
    if let Some(space) = text[..end].rfind([' ', '\n']).filter(|space| end - space < 24 && *space > end / 2) {
        end = space;
    }
    format!("{}…", text[..end].trim_end_matches([' ', '\n', ',', ';', ':', '-']))
}

/// Code points that belong to the character before them.
fn extends(c: char) -> bool {
    is_combining_mark(c) || matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// One line that is safe in a header: no look-alike of an encoded-word (RFC 2047 section 2).
pub fn header(text: &str, max: usize) -> String {
    let plain: String = one_line(text).chars().filter(|c| !is_bidi_control(*c)).collect();
    shorten(&plain.replace("=?", "= ?").replace("?=", "? ="), max)
}

/// `text` without the marks of answers and forwards at its start: mail programs overlook them when they compare subjects.
pub fn unanswered(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some((mark, after)) = rest.split_once(':') {
        if !["re", "fw", "fwd"].iter().any(|known| known.eq_ignore_ascii_case(mark.trim())) {
            break;
        }
        rest = after.trim();
    }
    rest
}

/// An absolute http or https address that a reader may follow, with its host; `None` for anything else.
pub fn link(address: &str) -> Option<(String, String)> {
    let url = Url::parse(address.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
    let address = String::from(url).replace('\'', "%27");
    (address.len() <= 2_000).then_some((address, host))
}

/// `a`, `a and b`, `a, b and c`; beyond `most`, `a, b and 3 more`.
pub fn list(names: &[String], most: usize) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        many if many.len() > most => format!("{} and {} more", many[..most].join(", "), many.len() - most),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

/// `1 advisory`, `3 advisories`.
pub fn count(number: i64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// The zone named `name`; UTC where there is none.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// An instant in `zone` by a strftime `format`.
pub fn at(instant: Timestamp, zone: &TimeZone, format: &str) -> String {
    instant.to_jiff().to_zoned(zone.clone()).strftime(format).to_string()
}

/// `17 Nov 2026` for an ISO date; what is no date stays as it is, cut short.
pub fn day(date: &str) -> String {
    date.trim().parse::<jiff::civil::Date>().map_or_else(|_| cut(date, 30), |day| day.strftime("%-d %b %Y").to_string())
}

/// The days from `from` to the one before `to` ends: `16 to 22 Nov`, `28 Dec to 3 Jan`, `17 Nov`.
pub fn days(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    // A window that ends in the morning is named by the day before.
    let end = Timestamp(to.0.saturating_sub(12 * 3_600 * 1_000_000)).max(from);
    let last = at(end, zone, "%-d %b");
    let first = at(from, zone, "%-d %b");
    match (first.split_once(' '), last.split_once(' ')) {
        _ if from.0 <= 0 => format!("until {last}"),
        _ if first == last => last,
        (Some((day, month)), Some((_, same))) if month == same => format!("{day} to {last}"),
        _ => format!("{first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_under_the_text_of_their_item() {
        let text = wrap(&format!("12. {}\n> {}", "word ".repeat(30), "cited ".repeat(20)));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("    word")), "{text}");
        assert!(text.lines().last().is_some_and(|line| line.starts_with("> cited")), "{text}");
    }

    #[test]
    fn an_address_is_never_broken_and_the_next_word_starts_a_line() {
        let address = format!("https://example.com/{}", "x".repeat(100));
        assert_eq!(wrap(&format!("   {address}")), format!("   {address}\n"));
    }

    #[test]
    fn a_cut_never_parts_a_character_from_its_marks() {
        assert_eq!(shorten("abcde\u{301}f", 6), "abcd…");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("the quick brown fox", 12), "the quick…");
        assert_eq!(shorten("\u{301}\u{301}\u{301}", 2), "…");
    }

    #[test]
    fn only_web_addresses_without_credentials_are_links() {
        assert_eq!(link("https://EXAMPLE.com/a"), Some(("https://example.com/a".into(), "example.com".into())));
        for wrong in
            ["javascript:alert(1)", "data:text/html,x", "https://cisa.gov@evil.example/", "/a", "", "mailto:a@b.c"]
        {
            assert_eq!(link(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_window_is_named_by_the_days_in_it() {
        let utc = TimeZone::UTC;
        let monday = Timestamp::from_seconds(1_794_814_200); // 2026-11-16T07:30:00Z
        let after = |days: i64| Timestamp::from_seconds(monday.seconds() + days * 86_400);
        assert_eq!(days(monday, after(7), &utc), "16 to 22 Nov");
        assert_eq!(days(monday, after(1), &utc), "16 Nov");
        assert_eq!(days(monday, after(21), &utc), "16 Nov to 6 Dec");
        assert_eq!(days(Timestamp(0), monday, &utc), "until 15 Nov");
    }

    #[test]
    fn an_encoded_word_look_alike_is_broken_up() {
        assert_eq!(header("a =?utf-8?q?x?= \r\nBcc: b", 150), "a = ?utf-8?q?x? = Bcc: b");
    }
}
