//! Foreign strings to the fields of an item: plain, bounded, and absent where they say nothing.

use url::Url;

use super::plain;
use crate::model::item::{ID_MAX, ITEMS_MAX, Item, Parsed, TEXT_MAX, TITLE_MAX, URL_MAX};
use crate::model::text;

/// Length of a title that is made of the text, in characters.
const TITLE_FROM_TEXT: usize = 120;

/// A title in one line. Where it is blank, the first words of `body`.
pub fn title(title: &str, body: &str) -> String {
    let title = text::truncate(&plain::line(head(title, 8 * TITLE_MAX)), TITLE_MAX);
    if title.is_empty() {
        return text::truncate(&text::one_line(body.lines().next().unwrap_or_default()), TITLE_FROM_TEXT);
    }
    title
}

/// A publisher's own id as published, trimmed; absent where it is blank.
pub fn native_id(id: &str) -> Option<String> {
    let id = text::one_line(id);
    (!id.is_empty()).then(|| text::truncate(&id, ID_MAX))
}

/// An absolute http or https address without a fragment's or a user's part changed; absent for anything else.
pub fn link(link: &str, base: &Url) -> Option<String> {
    let link = link.trim();
    if link.is_empty() || link.len() > URL_MAX {
        return None;
    }
    let url = base.join(link).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.as_str().len() <= URL_MAX;
    fits.then(|| url.into())
}

/// Plain paragraphs of what is HTML, or may be.
pub fn body(html: &str) -> String {
    plain::paragraphs(html)
}

/// Plain paragraphs of what is known not to be HTML.
pub fn plain_body(source: &str) -> String {
    plain::bounded(&text::paragraphs(head(source, 2 * TEXT_MAX)), TEXT_MAX)
}

/// An item that says something: a title, a text or an address.
pub fn worth_keeping(item: &Item) -> bool {
    !item.title.is_empty() || !item.text.is_empty() || item.url.is_some()
}

/// The newest [`ITEMS_MAX`] items, in their order; what is left out is said.
pub fn cap(parsed: &mut Parsed) {
    let count = parsed.items.len();
    if count <= ITEMS_MAX {
        return;
    }
    // Some publishers put the oldest first, so the place in the document does not tell what is new.
    let mut by_age: Vec<usize> = (0..count).collect();
    by_age.sort_by_key(|&at| std::cmp::Reverse(parsed.items[at].published.or(parsed.items[at].updated)));
    let mut kept = by_age[..ITEMS_MAX].to_vec();
    kept.sort_unstable();
    let mut kept = kept.into_iter().peekable();
    let mut at = 0;
    parsed.items.retain(|_| {
        let keep = kept.next_if_eq(&at).is_some();
        at += 1;
        keep
    });
    parsed.repairs.push(format!("{count} items in one document: the newest {ITEMS_MAX} were read"));
}

fn head(source: &str, max: usize) -> &str {
    &source[..source.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;

    #[test]
    fn only_web_addresses_are_links() {
        let base = Url::parse("https://vendor.example/feeds/all.xml").expect("an address");
        assert_eq!(link(" /a?b#c ", &base).as_deref(), Some("https://vendor.example/a?b#c"));
        assert_eq!(link("//other.example/x", &base).as_deref(), Some("https://other.example/x"));
        for wrong in
            ["", "javascript:alert(1)", "mailto:a@b.example", "data:text/html,x", "ftp://a.example/", "http://"]
        {
            assert_eq!(link(wrong, &base), None, "{wrong}");
        }
        assert_eq!(link(&format!("/{}", "x".repeat(URL_MAX)), &base), None);
    }

    #[test]
    fn a_blank_title_is_made_of_the_text() {
        assert_eq!(title("  ", "First words.\n\nMore"), "First words.");
        assert_eq!(title(&"x".repeat(5_000), "").chars().count(), TITLE_MAX);
    }

    #[test]
    fn of_too_many_items_the_newest_stay_in_their_order() {
        let item =
            |n: i64| Item { title: n.to_string(), published: Some(Timestamp::from_seconds(n)), ..Item::default() };
        let mut parsed = Parsed { items: (0..ITEMS_MAX as i64 + 5).map(item).collect(), ..Parsed::default() };
        cap(&mut parsed);
        assert_eq!(parsed.items.len(), ITEMS_MAX);
        assert_eq!(parsed.items[0].title, "5");
        assert!(parsed.degraded());
    }
}
