//! Damage that can be mended without losing anything, and dialects that mean the same in other words.
//!
//! One pass over the pieces of the document writes a text that a strict parser takes. What was wrong is said, one
//! sentence for each kind; a dialect (an older RSS or Atom) is translated without a word.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::scan::{Kind, Piece, local, pieces};
use crate::formats::entities;

/// Elements whose content is text, and may hold HTML that should have been escaped.
const TEXTS: &[&str] = &["content", "description", "encoded", "summary", "tagline", "title"];

/// Namespaces of the default dialects that the feed parser does not know, and the one that they are read as.
const NAMESPACES: &[(&str, &str)] = &[
    ("http://my.netscape.com/rdf/simple/0.9/", "http://purl.org/rss/1.0/"),
    ("http://channel.netscape.com/rdf/simple/0.9/", "http://purl.org/rss/1.0/"),
    ("http://purl.org/net/rss1.1#", "http://purl.org/rss/1.0/"),
    ("http://backend.userland.com/rss2", "http://purl.org/rss/1.0/"),
    ("http://backend.userland.com/rss", "http://purl.org/rss/1.0/"),
    ("http://blogs.law.harvard.edu/tech/rss", "http://purl.org/rss/1.0/"),
    ("http://purl.org/atom/ns#", "http://www.w3.org/2005/Atom"),
];

static DEFAULT_NAMESPACE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\bxmlns(:[\w.-]+)?\s*=\s*("[^"<]*"|'[^'<]*')"#).expect("the pattern is a constant"));
static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\sversion\s*=\s*("[^"<]*"|'[^'<]*')"#).expect("the pattern is a constant"));
static TYPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\stype\s*=\s*("[^"<]*"|'[^'<]*')"#).expect("the pattern is a constant"));

/// A document that a strict parser takes, as far as it could be mended.
#[derive(Clone, Debug)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// What was wrong, one sentence a kind.
    pub repairs: Vec<String>,
}

/// Translates dialects and removes the declarations that a parser must not act on. Changes nothing that people read.
pub fn translate(text: &str) -> Mended {
    Writer::new(text, false).run()
}

/// Mends what [`translate`] leaves: bare ampersands, HTML entities, characters that XML forbids, stray `<`.
pub fn mend(text: &str) -> Mended {
    Writer::new(text, true).run()
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    repairs: BTreeSet<&'static str>,
    mends: bool,
    /// The root's name, once it was met.
    root: Option<&'a str>,
}

impl<'a> Writer<'a> {
    fn new(text: &'a str, mends: bool) -> Self {
        Self { text, out: String::with_capacity(text.len() + 64), repairs: BTreeSet::new(), mends, root: None }
    }

    fn run(mut self) -> Mended {
        let mut pieces = pieces(self.text).peekable();
        while let Some(piece) = pieces.next() {
            let source = &self.text[piece.start..piece.end];
            match piece.kind {
                // Nothing of a DTD is processed, and no entity that one declares is expanded.
                Kind::Doctype | Kind::Other => {}
                Kind::Text if self.root.is_none() => {
                    if !source.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
                        self.repairs.insert("text before the document was left out");
                    }
                }
                Kind::Text => self.characters(source),
                Kind::Cdata => self.cdata(source),
                Kind::Close(_) => self.tag(source, piece.kind),
                Kind::Open(name) | Kind::Empty(name) => {
                    self.root = self.root.or(Some(name));
                    self.tag(source, piece.kind);
                    if matches!(piece.kind, Kind::Open(_)) && TEXTS.contains(&local(name)) && !is_xhtml(source) {
                        self.element_text(name, piece.end, &mut pieces);
                    }
                }
            }
        }
        Mended { text: self.out, repairs: self.repairs.into_iter().map(str::to_owned).collect() }
    }

    /// The content of a text element. HTML in it that is not escaped is escaped, or the parser would drop it.
    fn element_text(
        &mut self,
        name: &str,
        start: usize,
        pieces: &mut std::iter::Peekable<impl Iterator<Item = Piece<'a>>>,
    ) {
        let mut end = start;
        let mut has_markup = false;
        let mut nested = 0_usize;
        while let Some(piece) = pieces.peek() {
            match piece.kind {
                Kind::Close(closing) if closing == name && nested == 0 => break,
                Kind::Close(closing) if closing == name => nested -= 1,
                Kind::Open(opening) if opening == name => nested += 1,
                // The element is not closed: this belongs to the document again.
                Kind::Open(_) | Kind::Close(_) if matches!(piece.kind.local(), "item" | "entry" | "channel") => break,
                _ => {}
            }
            has_markup |= matches!(piece.kind, Kind::Open(_) | Kind::Close(_) | Kind::Empty(_));
            end = piece.end;
            pieces.next();
        }
        let inner = &self.text[start..end];
        if has_markup {
            for piece in super::scan::pieces(inner) {
                let source = &inner[piece.start..piece.end];
                match piece.kind {
                    Kind::Cdata => self.cdata(source),
                    Kind::Other | Kind::Doctype => {}
                    _ => self.out.push_str(&legal(source).replace('&', "&amp;").replace('<', "&lt;")),
                }
            }
        } else {
            for piece in super::scan::pieces(inner) {
                let source = &inner[piece.start..piece.end];
                match piece.kind {
                    Kind::Cdata => self.cdata(source),
                    Kind::Text => self.characters(source),
                    _ => {}
                }
            }
        }
    }

    fn cdata(&mut self, source: &str) {
        let inner = source.trim_start_matches("<![CDATA[");
        // A section that was cut at an item's end, see the scanner.
        let inner = inner.strip_suffix("]]>").unwrap_or_else(|| {
            self.repairs.insert("a quoted section without its end was closed");
            inner
        });
        self.out.push_str("<![CDATA[");
        let kept = legal(inner);
        if kept.len() != inner.len() {
            self.repairs.insert("control characters were removed");
        }
        self.out.push_str(&kept);
        self.out.push_str("]]>");
    }

    fn characters(&mut self, source: &str) {
        if !self.mends {
            self.out.push_str(source);
            return;
        }
        if source == "<" {
            self.repairs.insert("a bare \"<\" was escaped");
            self.out.push_str("&lt;");
            return;
        }
        let escaped = self.references(&legal(source).replace("]]>", "]]&gt;"));
        if legal(source).len() != source.len() {
            self.repairs.insert("control characters were removed");
        }
        self.out.push_str(&escaped);
    }

    /// Every `&` that is no reference of XML becomes one, and HTML's entities become their characters.
    fn references(&mut self, source: &str) -> String {
        let mut out = String::with_capacity(source.len());
        let mut rest = source;
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let len = reference_len(rest);
            if len > 0 {
                out.push_str(&rest[..len]);
                rest = &rest[len..];
                continue;
            }
            let named =
                entities::decode(rest).filter(|(_, len)| rest[..*len].ends_with(';') && !rest.starts_with("&#"));
            if let Some((decoded, len)) = named {
                self.repairs.insert("HTML entities were decoded");
                out.push_str(&decoded);
                rest = &rest[len..];
            } else {
                self.repairs.insert("a bare \"&\" was escaped");
                out.push_str("&amp;");
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        out
    }

    fn tag(&mut self, source: &str, kind: Kind<'_>) {
        let mut tag = if self.mends { self.references(&legal(source)) } else { source.to_owned() };
        if !matches!(kind, Kind::Close(_)) {
            if tag.contains("xmlns") {
                tag = DEFAULT_NAMESPACE.replace_all(&tag, known_namespace).into_owned();
            }
            if kind.local() == "rss" {
                tag = self.rss_version(&tag);
            }
            if self.root.is_some_and(|root| local(root) == "feed") && TEXTS.contains(&kind.local()) {
                let is_content = kind.local() == "content";
                tag = TYPE.replace(&tag, |found: &Captures<'_>| known_type(found, is_content)).into_owned();
            }
        }
        // Atom 0.3 to 1.0, and names of Dublin Core's terms that mean a date.
        let renamed = match kind.local() {
            "issued" => Some("published"),
            "modified" => Some("updated"),
            _ => None,
        };
        match renamed.filter(|_| self.root.is_some_and(|root| local(root) == "feed")) {
            Some(name) => self.out.push_str(&tag.replacen(kind.local(), name, 1)),
            None => self.out.push_str(&tag),
        }
    }

    /// The parser knows three versions of RSS by name; the others are read as 2.0.
    fn rss_version(&mut self, tag: &str) -> String {
        let version = VERSION.captures(tag).map(|found| found[1].trim_matches(['"', '\'', ' ']).to_owned());
        match version.as_deref() {
            Some("2.0" | "0.91" | "0.92") => tag.to_owned(),
            Some(_) => VERSION.replace(tag, " version=\"2.0\"").into_owned(),
            None => {
                self.repairs.insert("the RSS version is missing: 2.0 was assumed");
                tag.replacen("rss", "rss version=\"2.0\"", 1)
            }
        }
    }
}

fn known_namespace(found: &Captures<'_>) -> String {
    let prefix = found.get(1).map_or("", |prefix| prefix.as_str());
    let written = found[2].trim_matches(['"', '\'']).trim();
    let read_as = NAMESPACES.iter().find(|(from, _)| from.eq_ignore_ascii_case(written)).map(|(_, to)| *to);
    // Mixed case and a missing slash are common slips in the two that carry dates and bodies.
    let slip = [
        "http://purl.org/rss/1.0/",
        "http://purl.org/dc/elements/1.1/",
        "http://purl.org/rss/1.0/modules/content/",
        "http://www.w3.org/2005/Atom",
    ]
    .into_iter()
    .find(|known| known.trim_end_matches('/').eq_ignore_ascii_case(written.trim_end_matches('/')));
    match read_as.or(slip) {
        Some(uri) => format!("xmlns{prefix}=\"{uri}\""),
        // The default namespace of an RSS document is RSS, whatever it is called.
        None => found[0].to_owned(),
    }
}

/// Atom's three types of text; what older and careless publishers write is put into them.
fn known_type(found: &Captures<'_>, is_content: bool) -> String {
    let written = found[1].trim_matches(['"', '\'']).trim().to_ascii_lowercase();
    let known = match written.as_str() {
        "text" | "text/plain" | "" => "text",
        "xhtml" | "application/xhtml+xml" => "xhtml",
        "html" | "text/html" => "html",
        // Only the content of an entry may be of another type.
        _ if is_content => return found[0].to_owned(),
        _ => "text",
    };
    format!(" type=\"{known}\"")
}

fn is_xhtml(tag: &str) -> bool {
    tag.contains("xhtml")
}

/// Length of the character or predefined entity reference that `text` begins with; 0 where it does not.
fn reference_len(text: &str) -> usize {
    for name in ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"] {
        if text.starts_with(name) {
            return name.len();
        }
    }
    let Some(number) = text.strip_prefix("&#") else { return 0 };
    let (radix, digits) = number.strip_prefix('x').map_or((10, number), |hex| (16, hex));
    let len = digits.bytes().take(8).take_while(|byte| char::from(*byte).is_digit(radix)).count();
    let legal = u32::from_str_radix(&digits[..len], radix).ok().and_then(char::from_u32).is_some_and(is_legal);
    if legal && digits[len..].starts_with(';') { text.len() - digits.len() + len + 1 } else { 0 }
}

/// `text` without the characters that XML 1.0 forbids.
fn legal(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().all(is_legal) {
        text.into()
    } else {
        text.chars().filter(|c| is_legal(*c)).collect::<String>().into()
    }
}

/// XML 1.0 section 2.2.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
