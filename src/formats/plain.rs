//! HTML to plain text, without a tree.
//!
//! Bodies of feeds are HTML of any quality. A tree builder takes quadratic time for deep nesting, so this reader
//! walks the text once: block elements become line breaks, list items get a dash, scripts, styles and comments go,
//! entities are decoded. What only looks like a tag (`versions < 3`, `https://<host>/`) stays. Time is linear in the
//! input whatever it holds, and the output is bounded.

use super::elements::{Class, class};
use super::entities;
use crate::model::item::TEXT_MAX;
use crate::model::text;

/// Plain paragraphs of an HTML fragment, at most [`TEXT_MAX`] bytes. A fragment that was escaped twice is read twice.
#[must_use]
pub fn paragraphs(html: &str) -> String {
    let once = strip(html, is_known);
    let text = if looks_escaped_twice(&once) { strip(&once, is_known) } else { once };
    bounded(&text::paragraphs(&text), TEXT_MAX)
}

/// One plain line of a title. Only inline markup is removed: a title may speak of `<script>`.
#[must_use]
pub fn line(html: &str) -> String {
    let once = strip(html, is_inline);
    let again = once.contains("&amp;") || once.contains("&#") || once.contains("&quot;");
    text::one_line(&if again { strip(&once, is_inline) } else { once })
}

/// At most `max` bytes of `text`, cut between characters; what is cut is marked with an ellipsis.
#[must_use]
pub fn bounded(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut kept = text[..text.floor_char_boundary(max.saturating_sub('…'.len_utf8()))].trim_end().to_owned();
    kept.push('…');
    kept
}

fn is_known(tag: &Tag) -> bool {
    tag.class != Class::Unknown
}

/// Markup that shows that the author made lines by markup.
const BREAKING: &[&str] =
    &["<p>", "<p ", "<P>", "<br", "<BR", "<li", "<LI", "<div", "<DIV", "<tr", "<TR", "<h1", "<h2", "<h3", "<h4"];

/// Whether an element may stand within a title.
fn is_inline(tag: &Tag) -> bool {
    tag.class == Class::Inline || matches!(tag.name.as_str(), "br" | "p")
}

/// Whether text that has been stripped once still closes elements as only HTML does.
fn looks_escaped_twice(text: &str) -> bool {
    ["</p>", "</div>", "</a>", "</li>", "</strong>", "</span>", "</td>", "</h2>", "</h3>", "<br>", "<br/>", "<br />"]
        .iter()
        .any(|tag| text.contains(tag))
}

/// Removes the markup of elements that `known` accepts and decodes entities.
fn strip(html: &str, known: fn(&Tag) -> bool) -> String {
    let wraps = BREAKING.iter().any(|tag| html.contains(tag)) && !html.contains("<pre");
    let mut stripper = Stripper { rest: html, wraps, out: String::new(), lasting: Lasting::default(), known };
    stripper.run();
    stripper.out
}

/// Searches that failed once and would fail again: they keep the time linear.
#[derive(Default)]
struct Lasting {
    no_comment_end: bool,
    no_cdata_end: bool,
    no_quoted_end: bool,
    no_tag_end: bool,
    /// Hidden elements that are not closed any more.
    endless: Vec<String>,
}

struct Stripper<'a> {
    rest: &'a str,
    /// Line breaks of the source are mere spaces, as the text has markup for lines.
    wraps: bool,
    out: String,
    lasting: Lasting,
    known: fn(&Tag) -> bool,
}

/// A tag as written.
struct Tag {
    name: String,
    class: Class,
    closes: bool,
    empty: bool,
    len: usize,
}

impl Stripper<'_> {
    fn run(&mut self) {
        // Whitespace is tidied later, so the raw text may be longer than what is kept of it.
        while !self.rest.is_empty() && self.out.len() < 2 * TEXT_MAX {
            match self.rest.find(['<', '&']) {
                None => return self.text(self.rest.len()),
                Some(0) => self.special(),
                Some(at) => self.text(at),
            }
        }
    }

    fn text(&mut self, len: usize) {
        let (text, rest) = self.rest.split_at(len);
        self.rest = rest;
        if self.wraps {
            for (at, line) in text.split(['\n', '\r']).enumerate() {
                self.out.push_str(if at == 0 { "" } else { " " });
                self.out.push_str(line);
            }
        } else {
            self.out.push_str(text);
        }
    }

    /// At `<` or `&`.
    fn special(&mut self) {
        if self.rest.starts_with('&') {
            let (decoded, len) = entities::decode(self.rest).unwrap_or_else(|| ("&".to_owned(), 1));
            self.rest = &self.rest[len..];
            self.out.push_str(&decoded);
        } else if self.rest.starts_with("<!--") {
            self.skip_past("-->", 4, |lasting| &mut lasting.no_comment_end);
        } else if self.rest.starts_with("<![CDATA[") {
            self.cdata();
        } else if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
            self.skip_past(">", 2, |lasting| &mut lasting.no_tag_end);
        } else {
            match self.tag() {
                Some(tag) => self.markup(&tag),
                None => self.text(1),
            }
        }
    }

    fn skip_past(&mut self, end: &str, from: usize, failed: fn(&mut Lasting) -> &mut bool) {
        let failed = failed(&mut self.lasting);
        let found = if *failed { None } else { self.rest[from..].find(end) };
        *failed = found.is_none();
        self.rest = &self.rest[found.map_or(from, |at| from + at + end.len())..];
    }

    /// XML's way to quote text: its content is HTML again.
    fn cdata(&mut self) {
        const OPEN: usize = "<![CDATA[".len();
        if self.lasting.no_cdata_end {
            self.rest = &self.rest[OPEN..];
            return;
        }
        match self.rest.find("]]>") {
            Some(end) => {
                let inner = strip(&self.rest[OPEN..end], self.known);
                self.rest = &self.rest[end + 3..];
                self.out.push_str(&inner);
            }
            None => {
                self.lasting.no_cdata_end = true;
                self.rest = &self.rest[OPEN..];
            }
        }
    }

    fn tag(&mut self) -> Option<Tag> {
        let bytes = self.rest.as_bytes();
        let closes = bytes.get(1) == Some(&b'/');
        let start = 1 + usize::from(closes);
        let first = bytes.get(start)?;
        if !first.is_ascii_alphabetic() {
            return None;
        }
        let name_end = bytes[start..]
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_')))
            .map_or(bytes.len(), |at| start + at);
        let end = self.tag_end(name_end)?;
        let name = self.rest[start..name_end].to_ascii_lowercase();
        Some(Tag { class: class(&name), name, closes, empty: bytes[end - 1] == b'/', len: end + 1 })
    }

    /// The `>` that ends a tag: outside of quotes where they are closed, else the first one.
    fn tag_end(&mut self, from: usize) -> Option<usize> {
        let bytes = self.rest.as_bytes();
        if self.lasting.no_tag_end {
            return None;
        }
        if !self.lasting.no_quoted_end {
            let mut quote = None;
            for (at, byte) in bytes.iter().enumerate().skip(from) {
                match (quote, byte) {
                    (None, b'>') => return Some(at),
                    // A quote opens a value only after an equals sign; elsewhere it is a stray one.
                    (None, b'"' | b'\'') if follows_equals(&bytes[from..at]) => quote = Some(*byte),
                    (Some(open), byte) if open == *byte => quote = None,
                    _ => {}
                }
            }
            self.lasting.no_quoted_end = true;
        }
        let end = bytes[from..].iter().position(|byte| *byte == b'>').map(|at| from + at);
        self.lasting.no_tag_end = end.is_none();
        end
    }

    fn markup(&mut self, tag: &Tag) {
        if !(self.known)(tag) {
            return self.text(1);
        }
        self.rest = &self.rest[tag.len..];
        match tag.name.as_str() {
            "li" => self.out.push_str(if tag.closes { "" } else { "\n- " }),
            "p" | "ul" | "ol" | "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" => {
                self.out.push_str("\n\n");
            }
            "td" | "th" => self.out.push(' '),
            name => match tag.class {
                Class::Block => self.out.push('\n'),
                Class::Hidden if !tag.closes && !tag.empty => self.skip_content(name),
                _ => {}
            },
        }
    }

    /// Goes on at the end tag of the hidden element `name`; stays where it has none.
    fn skip_content(&mut self, name: &str) {
        if self.lasting.endless.iter().any(|known| known == name) {
            return;
        }
        let bytes = self.rest.as_bytes();
        let mut from = 0;
        while let Some(at) = self.rest[from..].find("</") {
            let named = bytes[from + at + 2..].get(..name.len());
            if named.is_some_and(|named| named.eq_ignore_ascii_case(name.as_bytes())) {
                self.rest = &self.rest[from + at..];
                return;
            }
            from += at + 2;
        }
        self.lasting.endless.push(name.to_owned());
    }
}

fn follows_equals(before: &[u8]) -> bool {
    before.iter().rev().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'=')
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn markup_becomes_paragraphs_lists_and_plain_characters() {
        let table = [
            ("<p>One<br/>two</p><p>three</p>", "One\ntwo\n\nthree"),
            ("<ul><li>a</li><li><b>b</b>c</li></ul>", "- a\n- bc"),
            ("a<script>if (a < b) { x(\"</p>\") }</script>b<style>p{}</style>c", "abc"),
            ("a<!-- <p>hidden</p> -->b", "ab"),
            (
                "AT&amp;T &lt;tag&gt; &eacute;&#233;&#xE9;&nbsp;&hellip; &#150; &unknown; &",
                "AT&T <tag> ééé … – &unknown; &",
            ),
            ("&lt;p&gt;Twice&lt;/p&gt;&lt;p&gt;&amp;amp; escaped&lt;/p&gt;", "Twice\n\n& escaped"),
            ("versions < 3.2 and > 3.0, https://<host>/x", "versions < 3.2 and > 3.0, https://<host>/x"),
            ("<a href=\"x>y\" title='a>b'>link</a>", "link"),
            ("<a href=\"broken>link</a> end", "link end"),
            ("<p>a\nb</p>\n\n<ul>\n<li>c</li>\n<li>d</li></ul>", "a b\n\n- c\n- d"),
            ("plain\nlines\n\nstay", "plain\nlines\n\nstay"),
            ("<![CDATA[<b>quoted</b> &amp; kept]]>", "quoted & kept"),
            ("<o:p>office</o:p><my-tag>custom</my-tag>", "officecustom"),
            ("a<script>never closed", "anever closed"),
            ("<p title=\"unclosed", "<p title=\"unclosed"),
        ];
        for (html, expected) in table {
            assert_eq!(paragraphs(html), expected, "{html}");
        }
    }

    #[test]
    fn titles_lose_inline_markup_and_keep_what_they_speak_of() {
        assert_eq!(line("XSS via <script> in <b>Foo</b> &amp;amp; Bar\n\t2"), "XSS via <script> in Foo & Bar 2");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_marked() {
        let text = paragraphs(&"ä".repeat(TEXT_MAX));
        assert!(text.len() <= TEXT_MAX && text.ends_with('…'));
        assert_eq!(bounded("abc", 3), "abc");
    }

    #[test]
    fn hostile_shapes_take_linear_time() {
        let shapes =
            ["<", "<div>", "<a \"", "<a b='", "<!--", "<![CDATA[", "&", "&#", "<script>", "</", "<svg></s", "<a ="];
        for shape in shapes {
            let html = shape.repeat(2 * 1024 * 1024 / shape.len());
            let started = Instant::now();
            assert!(paragraphs(&html).len() <= TEXT_MAX);
            assert!(started.elapsed() < Duration::from_secs(120), "{shape} took {:?}", started.elapsed());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(html in "([<>&;/!'\"=# a-z\\-\\[\\]é]|<p>|</p>|<!--|-->|<!\\[CDATA\\[|\\]\\]>|&amp;|<script>|</script>){0,60}") {
            let _ = (paragraphs(&html), line(&html));
        }
    }
}
