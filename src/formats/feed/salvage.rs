//! Item by item: what is left when a document as a whole cannot be read.
//!
//! Items are cut out by their tags alone, so a fault in one does not reach the next. Each is read as a small document
//! of its own; one that even so cannot be parsed is read field by field. What gives nothing is counted.

use std::sync::LazyLock;

use regex::Regex;
use url::Url;

use super::entry;
use super::scan::{Kind, local, pieces, survey};
use crate::formats::{DEPTH_MAX, dates, draft};
use crate::model::item::Item;

/// Longest item that is read, in bytes.
const ITEM_MAX: usize = 2 * 1024 * 1024;
/// Longest list of root attributes that is carried over to the small documents, in bytes.
const ROOT_MAX: usize = 4 * 1024;

/// Fields that are read from an item that no parser takes.
const FIELDS: &[&str] = &[
    "title",
    "link",
    "guid",
    "id",
    "description",
    "summary",
    "content",
    "encoded",
    "body",
    "fullitem",
    "abstract",
    "pubDate",
    "date",
    "published",
    "updated",
];

static HREF: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\shref\s*=\s*("[^"<]*"|'[^'<]*')"#).expect("the pattern is a constant"));

/// What could be read of a document's items.
#[derive(Debug, Default)]
pub struct Salvage {
    /// The items.
    pub items: Vec<Item>,
    /// How many of them were read field by field.
    pub partial: usize,
    /// How many gave nothing.
    pub dropped: usize,
}

/// The items of `text`, which is mended, read one by one.
pub fn salvage(text: &str, base: &Url) -> Salvage {
    let cut = cut(text);
    let mut salvage = Salvage::default();
    for part in cut.items {
        match whole(&part, cut.root, text, base) {
            Some(item) => salvage.items.push(item),
            None => match fields(&text[part.start..part.end], base) {
                Some(item) => {
                    salvage.partial += 1;
                    salvage.items.push(item);
                }
                None => salvage.dropped += 1,
            },
        }
    }
    salvage
}

/// Fills items that a strict parser found blank: some feeds write their titles and texts in elements of other
/// vocabularies alone (Dublin Core, Media RSS, an XHTML `body`).
pub fn fill_blanks(items: &mut [Item], text: &str, base: &Url) {
    if items.iter().all(draft::worth_keeping) {
        return;
    }
    let cut = cut(text);
    if cut.items.len() != items.len() {
        return;
    }
    for (item, part) in items.iter_mut().zip(&cut.items).filter(|(item, _)| !draft::worth_keeping(item)) {
        let mut read = read_fields(&text[part.start..part.end], base);
        // Markup that was escaped once more says nothing by itself.
        read.text = draft::body(&read.text);
        read.title = draft::title(&draft::body(&read.title), &read.text);
        if draft::worth_keeping(&read) {
            *item = Item { native_id: item.native_id.take().or(read.native_id.clone()), ..read };
        }
    }
}

/// Where an item stands.
struct Part {
    start: usize,
    end: usize,
    atom: bool,
    /// Begun and ended by its own tags.
    complete: bool,
}

struct Cut<'a> {
    /// Attributes of the root: namespaces and `xml:base`.
    root: &'a str,
    items: Vec<Part>,
}

/// Finds the items. One ends at its end tag, or where the next begins, or with the channel.
fn cut(text: &str) -> Cut<'_> {
    let mut cut = Cut { root: "", items: Vec::new() };
    let mut open: Option<(usize, bool)> = None;
    let mut rooted = false;
    let mut last_end = 0;
    for piece in pieces(text) {
        let atom = piece.kind.local() == "entry";
        let is_item = atom || piece.kind.local() == "item";
        match piece.kind {
            Kind::Open(name) if !rooted => {
                rooted = true;
                let attributes = text[piece.start + 1 + name.len()..piece.end - 1].trim_end_matches('/');
                cut.root = if attributes.len() <= ROOT_MAX && !is_item { attributes } else { "" };
                open = is_item.then_some((piece.start, atom));
            }
            Kind::Open(_) if is_item => {
                cut.push(open.replace((piece.start, atom)), piece.start, false);
            }
            Kind::Close(_) if is_item => {
                match open.take() {
                    Some(start) => cut.push(Some(start), piece.end, true),
                    // Its start tag is damaged; what stands before belongs to it.
                    None if !cut.items.is_empty() => cut.push(Some((last_end, atom)), piece.end, false),
                    None => {}
                }
                last_end = piece.end;
            }
            Kind::Close(name) if matches!(local(name), "channel" | "rss" | "feed" | "RDF") => {
                cut.push(open.take(), piece.start, false);
            }
            _ => {}
        }
    }
    cut.push(open, text.len(), false);
    cut
}

impl Cut<'_> {
    fn push(&mut self, start: Option<(usize, bool)>, end: usize, complete: bool) {
        if let Some((start, atom)) = start {
            self.items.push(Part { start, end, atom, complete });
        }
    }
}

/// The item read as a document of its own.
fn whole(part: &Part, root: &str, text: &str, base: &Url) -> Option<Item> {
    let source = &text[part.start..part.end];
    if !part.complete || source.len() > ITEM_MAX || !super::fits(&survey(source), DEPTH_MAX - 2) {
        return None;
    }
    let document = if part.atom {
        format!("<feed {root}>{source}</feed>")
    } else {
        let namespaces = root.replace(" version=", " was=");
        format!("<rss version=\"2.0\" {namespaces}><channel>{source}</channel></rss>")
    };
    let item = entry::items(&document, base).ok()?.into_iter().next()?;
    draft::worth_keeping(&item).then_some(item)
}

/// The item read field by field; absent where it has neither a title nor an address.
fn fields(source: &str, base: &Url) -> Option<Item> {
    let item = read_fields(source, base);
    // What merely looks like an item has a text, but neither of these.
    let named = item.url.is_some() || field_texts(source).iter().any(|(name, _)| *name == "title");
    (named && draft::worth_keeping(&item)).then_some(item)
}

fn read_fields(source: &str, base: &Url) -> Item {
    let source = &source[..source.floor_char_boundary(ITEM_MAX)];
    let mut item = Item::default();
    let (mut title, mut body) = (String::new(), String::new());
    for (name, content) in field_texts(source) {
        match name {
            "title" if title.is_empty() => title = content.to_owned(),
            "link" => item.url = item.url.or_else(|| draft::link(&draft::title(content, ""), base)),
            "guid" | "id" => item.native_id = item.native_id.or_else(|| draft::native_id(&draft::title(content, ""))),
            "pubDate" | "date" | "published" => item.published = item.published.or_else(|| dates::parse(content)),
            "updated" => item.updated = item.updated.or_else(|| dates::parse(content)),
            _ if content.len() > body.len() => body = content.to_owned(),
            _ => {}
        }
    }
    item.text = draft::body(&body);
    item.title = if title.is_empty() { String::new() } else { draft::title(&title, "") };
    let guid = item.native_id.as_deref().filter(|id| id.starts_with("http"));
    item.url = item.url.or_else(|| draft::link(guid?, base));
    item.published = item.published.or_else(|| entry::day_of(item.url.as_deref()));
    item.title = draft::title(&item.title, &item.text);
    item
}

/// The fields of an item with their raw content. A field ends at its end tag, or where the next begins.
fn field_texts(source: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    for piece in pieces(source) {
        let name = match piece.kind {
            Kind::Open(name) | Kind::Empty(name) | Kind::Close(name) => name,
            _ => continue,
        };
        let Some(field) = FIELDS.iter().find(|field| **field == local(name)) else { continue };
        let tag = &source[piece.start..piece.end];
        if let Kind::Open(_) | Kind::Empty(_) = piece.kind
            && *field == "link"
            && let Some(href) = HREF.captures(tag)
        {
            let wanted = !tag.contains("\"self\"") && !tag.contains("\"enclosure\"") && !tag.contains("\"replies\"");
            let href = href.get(1).map(|href| href.range().start + piece.start + 1..href.range().end + piece.start - 1);
            found.extend(href.filter(|_| wanted).map(|href| ("link", &source[href])));
            continue;
        }
        if let Some((name, start)) = open.take() {
            found.push((name, &source[start..piece.start]));
        }
        if let Kind::Open(_) = piece.kind {
            open = Some((field, piece.end));
        }
    }
    // The last field of an item that is cut short: what there is of a text is worth having, of the rest it is not.
    if let Some((name @ ("description" | "summary" | "content" | "encoded"), start)) = open {
        found.push((name, &source[start..]));
    }
    found
}
