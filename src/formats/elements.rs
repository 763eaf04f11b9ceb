//! The elements of HTML: which stand in lines of their own, which within a line, and which are not for people.

use std::sync::LazyLock;

/// Elements that stand in lines of their own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "title",
    "tr",
    "ul",
];

/// Elements that stand within a line, or show nothing.
const INLINES: &[&str] = &[
    "a", "abbr", "acronym", "area", "audio", "b", "base", "bdi", "bdo", "big", "button", "canvas", "cite", "code",
    "col", "colgroup", "data", "datalist", "del", "dfn", "em", "embed", "font", "head", "i", "iframe", "img", "input",
    "ins", "kbd", "label", "link", "map", "mark", "meta", "noscript", "object", "param", "picture", "q", "rp", "rt",
    "ruby", "s", "samp", "script", "select", "slot", "small", "source", "span", "strike", "strong", "style", "sub",
    "sup", "svg", "td", "template", "textarea", "th", "time", "track", "tt", "u", "var", "video", "wbr",
];

/// Elements whose content is not text for people.
const HIDDEN: &[&str] = &["script", "style", "template", "noscript", "iframe", "svg"];

/// What an element is, by its lowercase name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It stands in lines of its own.
    Block,
    /// It stands within a line, or shows nothing.
    Inline,
    /// Its content is not text for people.
    Hidden,
    /// Of another vocabulary: its name holds a colon or a hyphen.
    Foreign,
    /// Not an element of HTML.
    Unknown,
}

/// The elements by their packed names: a document asks for every tag, and comparing numbers is cheap.
static CLASSES: LazyLock<Vec<(u128, Class)>> = LazyLock::new(|| {
    let of = |names: &[&str], class: Class| names.iter().map(|name| (packed(name), class)).collect::<Vec<_>>();
    // What is hidden stands among the inline elements too; the first entry of a name counts.
    let mut all = [of(HIDDEN, Class::Hidden), of(BLOCKS, Class::Block), of(INLINES, Class::Inline)].concat();
    all.sort_by_key(|(name, _)| *name);
    all.dedup_by_key(|(name, _)| *name);
    all
});

/// The first 16 bytes of a name as a number. No element's name is longer, and none holds a zero byte.
fn packed(name: &str) -> u128 {
    let mut bytes = [0; 16];
    let len = name.len().min(16);
    bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
    u128::from_be_bytes(bytes)
}

pub(super) fn class(name: &str) -> Class {
    let listed = CLASSES.binary_search_by_key(&packed(name), |(name, _)| *name).ok().filter(|_| name.len() <= 16);
    match listed {
        Some(at) => CLASSES[at].1,
        None if name.contains([':', '-']) => Class::Foreign,
        None => Class::Unknown,
    }
}

/// Whether the element called `name` (lowercase) begins and ends lines.
#[must_use]
pub(super) fn is_block(name: &str) -> bool {
    class(name) == Class::Block
}

/// Whether the content of the element called `name` (lowercase) is not for people.
#[must_use]
pub(super) fn is_hidden(name: &str) -> bool {
    class(name) == Class::Hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_element_is_found_and_nothing_else() {
        for name in BLOCKS {
            assert_eq!(class(name), Class::Block, "{name}");
        }
        for name in INLINES {
            let expected = if HIDDEN.contains(name) { Class::Hidden } else { Class::Inline };
            assert_eq!(class(name), expected, "{name}");
        }
        assert_eq!(class("media:title"), Class::Foreign);
        assert_eq!(class("host"), Class::Unknown);
        assert_eq!(class("blockquoteblockquote"), Class::Unknown);
    }
}
