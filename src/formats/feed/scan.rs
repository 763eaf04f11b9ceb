//! Where the markup is in an XML text, however damaged.
//!
//! A lexical scanner: it knows tags, comments, CDATA and declarations, and nothing of nesting or names. It reads each
//! byte a bounded number of times, and a construct that is never closed costs only its first characters, so that
//! what follows is still found.

/// One piece of markup or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Its first byte.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

/// Kinds of pieces. Names are as written, with their prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `<name ...>`
    Open(&'a str),
    /// `<name ... />`
    Empty(&'a str),
    /// `</name>`
    Close(&'a str),
    /// `<![CDATA[ ... ]]>`
    Cdata,
    /// A comment or an instruction.
    Other,
    /// `<!DOCTYPE ... >` with its internal subset.
    Doctype,
    /// Character data; also a `<` that opens nothing.
    Text,
}

impl Kind<'_> {
    /// The name of a tag without its prefix; empty for what is no tag.
    pub fn local(&self) -> &str {
        match self {
            Kind::Open(name) | Kind::Empty(name) | Kind::Close(name) => local(name),
            _ => "",
        }
    }
}

/// A name without its prefix.
pub fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The pieces of `text`, in order and without gaps.
pub fn pieces(text: &str) -> Pieces<'_> {
    Pieces { text, at: 0, no_cdata_end: false, no_comment_end: false, no_instruction_end: false }
}

/// Iterator over [`Piece`]s.
pub struct Pieces<'a> {
    text: &'a str,
    at: usize,
    no_cdata_end: bool,
    no_comment_end: bool,
    no_instruction_end: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let start = self.at;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let (kind, len) =
            if rest.starts_with('<') { self.markup(rest) } else { (Kind::Text, rest.find('<').unwrap_or(rest.len())) };
        self.at = start + len;
        Some(Piece { kind, start, end: self.at })
    }
}

impl<'a> Pieces<'a> {
    fn markup(&mut self, rest: &'a str) -> (Kind<'a>, usize) {
        let broken = (Kind::Text, 1);
        if rest.starts_with("<!--") {
            return until(rest, "-->", &mut self.no_comment_end).map_or(broken, |len| (Kind::Other, len));
        }
        if rest.starts_with("<![CDATA[") {
            return until(rest, "]]>", &mut self.no_cdata_end)
                .map_or(broken, |len| (Kind::Cdata, cdata_len(rest, len)));
        }
        if rest.starts_with("<?") {
            return until(rest, "?>", &mut self.no_instruction_end).map_or(broken, |len| (Kind::Other, len));
        }
        if rest.starts_with("<!") {
            return doctype(rest).map_or(broken, |len| (Kind::Doctype, len));
        }
        tag(rest).unwrap_or(broken)
    }
}

fn until(rest: &str, end: &str, failed: &mut bool) -> Option<usize> {
    let found = if *failed { None } else { rest.find(end).map(|at| at + end.len()) };
    *failed = found.is_none();
    found
}

/// A CDATA section whose end was damaged runs on into the next item. It is cut where an item ends and one begins.
fn cdata_len(rest: &str, len: usize) -> usize {
    let section = &rest[..len];
    for (item, next) in [("</item>", "<item"), ("</entry>", "<entry")] {
        if let Some(at) = section.find(item).filter(|at| section[at + item.len()..].trim_start().starts_with(next)) {
            return at;
        }
    }
    len
}

/// Length of a declaration with its internal subset; markup that is not DOCTYPE ends at the first `>`.
fn doctype(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if depth == 0 => return Some(at + 1),
            // An item within a declaration: its bracket was never closed.
            b'<' if rest[at..].starts_with("<item") || rest[at..].starts_with("<entry") => return None,
            _ => {}
        }
    }
    None
}

/// A tag. `<` may not occur within one, so a tag that meets it is broken and costs one character.
fn tag(rest: &str) -> Option<(Kind<'_>, usize)> {
    let bytes = rest.as_bytes();
    let closes = bytes.get(1) == Some(&b'/');
    let start = 1 + usize::from(closes);
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.') || *byte >= 0x80;
    let name_len = bytes.get(start..)?.iter().take_while(|byte| is_name(byte)).count();
    if name_len == 0 {
        return None;
    }
    let name = rest.get(start..start + name_len)?;
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate().skip(start + name_len) {
        match (quote, byte) {
            (_, b'<') => break,
            (None, b'>') => {
                let kind = match (closes, bytes[at - 1]) {
                    (true, _) => Kind::Close(name),
                    (false, b'/') => Kind::Empty(name),
                    (false, _) => Kind::Open(name),
                };
                return Some((kind, at + 1));
            }
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

/// What makes a document unfit for a parser that trusts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Deepest nesting of elements.
    pub depth: usize,
    /// Most attributes of one tag (quotes, halved).
    pub attributes: usize,
    /// Namespace declarations in all.
    pub namespaces: usize,
    /// Elements called `item` or `entry`.
    pub items: usize,
}

/// Looks over a whole document.
pub fn survey(text: &str) -> Survey {
    let mut survey = Survey::default();
    let mut depth = 0_usize;
    for piece in pieces(text) {
        let opens = matches!(piece.kind, Kind::Open(_));
        match piece.kind {
            Kind::Open(_) | Kind::Empty(_) => {
                depth += usize::from(opens);
                survey.depth = survey.depth.max(depth);
                survey.items += usize::from(matches!(piece.kind.local(), "item" | "entry"));
                let tag = &text[piece.start..piece.end];
                survey.attributes = survey.attributes.max(tag.bytes().filter(|byte| *byte == b'=').count());
                survey.namespaces += tag.matches("xmlns").count();
            }
            Kind::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    survey
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind<'_>> {
        pieces(text).map(|piece| piece.kind).collect()
    }

    #[test]
    fn markup_is_told_from_text() {
        use Kind::{Cdata, Close, Doctype, Empty, Open, Other, Text};
        assert_eq!(
            kinds("<?x?><!DOCTYPE a [<!ENTITY b \"c\">]><a:b c=\"d>e\">t<![CDATA[<i>]]><!--<j>--><k/></a:b>"),
            [Other, Doctype, Open("a:b"), Text, Cdata, Other, Empty("k"), Close("a:b")]
        );
    }

    #[test]
    fn what_is_never_closed_costs_only_its_first_character() {
        use Kind::{Open, Text};
        assert_eq!(kinds("<!-- <a>"), [Text, Text, Open("a")]);
        assert_eq!(kinds("<a b=\"c <d>"), [Text, Text, Open("d")]);
        assert_eq!(kinds("a < b <c>"), [Text, Text, Text, Open("c")]);
    }

    #[test]
    fn a_quoted_section_does_not_swallow_the_next_item() {
        let text = "<item><d><![CDATA[one]]</d></item> <item><d><![CDATA[two]]></d></item>";
        let items = pieces(text).filter(|piece| piece.kind == Kind::Open("item")).count();
        assert_eq!(items, 2);
    }

    #[test]
    fn pieces_cover_the_text_without_gaps() {
        let text = "<a>é<!--x--><![CDATA[y]]><b c='<'/>&amp;<</a";
        let mut at = 0;
        for piece in pieces(text) {
            assert_eq!(piece.start, at);
            at = piece.end;
        }
        assert_eq!(at, text.len());
    }

    #[test]
    fn a_survey_sees_depth_and_width() {
        let survey = survey("<a xmlns='n' xmlns:m='o'><item><c/></item></a>");
        assert_eq!(survey, Survey { depth: 2, attributes: 2, namespaces: 2, items: 1 });
    }
}
