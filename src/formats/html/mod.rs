//! Web pages that list advisories, read by the CSS selectors of their source.
//!
//! A page without a feed changes without notice, so each source states a canary (how many items there must be, what
//! the page is called). A page that fails it, or on which a rule for links or dates finds not one, is
//! [`ParseError::Changed`], and a challenge or a login in its place is [`ParseError::NotThis`]: neither is ever
//! "no news".

mod date;
pub(super) mod guard;

use std::collections::HashMap;

use regex::Regex;
use scraper::{ElementRef, Html, Selector};
use url::Url;

use super::{Format, Origin, ParseError, dates, decode, draft, elements, pages};
use crate::config::sources::HtmlRules;
use crate::model::clock::Timestamp;
use crate::model::item::{ITEMS_MAX, Item, Parsed, TITLE_MAX};
use crate::model::text;

/// A page.
pub const HTML: Format = Format { name: "html", parse, walk: None };

/// Most text that is taken from one element, in bytes.
const ELEMENT_MAX: usize = 8 * TITLE_MAX;
/// Most text that is taken from one page, in bytes.
const PAGE_TEXT_MAX: usize = 8 * 1024 * 1024;

/// Whether `text` is a CSS selector that the format `html` can use.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_selector(text: &str) -> Result<(), String> {
    selector(text).map(|_| ())
}

fn selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text).map_err(|fault| format!("'{text}' is not a CSS selector: {fault}"))
}

/// The rules, ready for use.
struct Rules {
    item: Selector,
    title: Option<Selector>,
    link: Option<Selector>,
    link_pattern: Option<Regex>,
    date: Option<Selector>,
    date_pattern: Option<Regex>,
    summary: Option<Selector>,
    keep: Option<Regex>,
    page_title: Option<Regex>,
    min_items: usize,
}

impl Rules {
    fn new(rules: &HtmlRules) -> Result<Self, ParseError> {
        let fault = |fault: String| ParseError::unreadable(format!("its rules are wrong: {fault}"));
        let one = |text: &Option<String>| text.as_deref().map(selector).transpose().map_err(fault);
        let pattern = |text: &Option<String>| {
            text.as_deref().map(Regex::new).transpose().map_err(|wrong| fault(wrong.to_string()))
        };
        Ok(Self {
            item: selector(&rules.item).map_err(fault)?,
            title: one(&rules.title)?,
            link: one(&rules.link)?,
            link_pattern: pattern(&rules.link_pattern)?,
            date: one(&rules.date)?,
            date_pattern: pattern(&rules.date_pattern)?,
            summary: one(&rules.summary)?,
            keep: pattern(&rules.keep)?,
            page_title: pattern(&rules.page_title)?,
            min_items: rules.min_items,
        })
    }
}

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let rules = origin.html.ok_or_else(|| ParseError::unreadable("the source has no rules for its page"))?;
    let rules = Rules::new(rules)?;
    let decoded = decode::decode(bytes, origin.content_type);
    if decoded.text.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    let page = guard::tree(&decoded.text)?;
    let mut reader = Reader { rules: &rules, base: base(&page, origin.url), budget: PAGE_TEXT_MAX, dated: 0 };
    let mut parsed = Parsed { repairs: decoded.repair.into_iter().collect(), ..Parsed::default() };
    let mut found = reader.items(&page, &mut parsed);
    check_canary(&rules, &page, found.len() + parsed.dropped, &decoded.text)?;
    check_layout(&rules, &found, reader.dated)?;
    if let Some(keep) = &rules.keep {
        found.retain(|item| keep.is_match(&item.title));
    }
    parsed.items = found;
    Ok(parsed)
}

fn check_canary(rules: &Rules, page: &Html, count: usize, source: &str) -> Result<(), ParseError> {
    // Some sites put a sign of a challenge on every page, so only a page without its items is taken for one.
    if count < rules.min_items.max(1)
        && let Some(found) = pages::obstacle(source)
    {
        return Err(ParseError::NotThis { expected: "a list of advisories", found: found.to_owned() });
    }
    if let Some(expected) = &rules.page_title {
        let title = title_of(page);
        if !expected.is_match(&title) {
            let reason = format!("it is titled \"{title}\", and its title should match \"{}\"", expected.as_str());
            return Err(ParseError::Changed { reason });
        }
    }
    if count < rules.min_items {
        let reason = format!("{count} items were found, and there should be {} or more", rules.min_items);
        return Err(ParseError::Changed { reason });
    }
    Ok(())
}

/// A rule that finds nothing in any item belongs to another layout: columns were moved, or links are made by a script.
fn check_layout(rules: &Rules, items: &[Item], dated: usize) -> Result<(), ParseError> {
    let none =
        |what: &str| Err(ParseError::Changed { reason: format!("none of its {} items has {what}", items.len()) });
    if items.is_empty() {
        return Ok(());
    }
    if rules.link.is_some() && items.iter().all(|item| item.url.is_none()) {
        return none("a link where the rules look for it");
    }
    if (rules.date.is_some() || rules.date_pattern.is_some()) && dated == 0 {
        return none("a date where the rules look for it");
    }
    Ok(())
}

fn title_of(page: &Html) -> String {
    let selector = Selector::parse("title").expect("a constant selector");
    page.select(&selector).next().map(|title| draft::title(&text_of(title, ELEMENT_MAX), "")).unwrap_or_default()
}

/// What relative links are resolved against: `<base href>`, else the page's address.
fn base(page: &Html, address: &Url) -> Url {
    let selector = Selector::parse("base[href]").expect("a constant selector");
    let href = page.select(&selector).next().and_then(|base| base.attr("href"));
    href.and_then(|href| address.join(href.trim()).ok()).unwrap_or_else(|| address.clone())
}

struct Reader<'a> {
    rules: &'a Rules,
    base: Url,
    /// Text that may still be taken from the page, in bytes: elements within elements would multiply it.
    budget: usize,
    /// Items whose date the rules found.
    dated: usize,
}

impl Reader<'_> {
    /// The items in order, one for each address: of two with the same, the longer title stays.
    fn items(&mut self, page: &Html, parsed: &mut Parsed) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut by_address: HashMap<String, usize> = HashMap::new();
        let rules = self.rules;
        for element in page.select(&rules.item) {
            if items.len() >= ITEMS_MAX || self.budget == 0 {
                parsed.repairs.push(format!("only the first {} items of the page were read", items.len()));
                break;
            }
            if !self.leads_there(element) {
                continue;
            }
            let Some(item) = self.item(element) else {
                parsed.dropped += 1;
                continue;
            };
            match item.url.clone().map(|url| by_address.entry(url)) {
                Some(std::collections::hash_map::Entry::Occupied(known)) => merge(&mut items[*known.get()], item),
                Some(std::collections::hash_map::Entry::Vacant(new)) => {
                    new.insert(items.len());
                    items.push(item);
                }
                None => items.push(item),
            }
        }
        items
    }

    /// Whether the link of `element` matches the pattern, where there is one.
    fn leads_there(&self, element: ElementRef<'_>) -> bool {
        let Some(pattern) = &self.rules.link_pattern else { return true };
        self.link(element).is_some_and(|address| pattern.is_match(&address))
    }

    fn link(&self, element: ElementRef<'_>) -> Option<String> {
        let link = match &self.rules.link {
            Some(selector) => element.select(selector).next(),
            None => Some(element),
        };
        link.and_then(|link| link.attr("href")).and_then(|href| draft::link(href, &self.base))
    }

    /// One item; absent where it has neither a title nor a link.
    fn item(&mut self, element: ElementRef<'_>) -> Option<Item> {
        let rules = self.rules;
        let part = |selector: &Option<Selector>| selector.as_ref().and_then(|it| element.select(it).next());
        let title = match &rules.title {
            Some(selector) => element.select(selector).next(),
            None => Some(element),
        };
        let url = self.link(element);
        let text = part(&rules.summary).map(|summary| self.text(summary)).unwrap_or_default();
        let title = title.map(|title| self.title(title)).unwrap_or_default();
        let title = draft::title(&title.replace('\n', " "), &text);
        let published = self.date(element, url.as_deref());
        self.dated += usize::from(published.is_some());
        let published = published.or_else(|| dates::from_path(&Url::parse(url.as_deref()?).ok()?));
        (url.is_some() || !title.is_empty()).then(|| Item { title, url, text, published, ..Item::default() })
    }

    /// The words of an element; those that stand in for its picture where it has none.
    fn title(&mut self, element: ElementRef<'_>) -> String {
        let words = self.text(element);
        if !words.is_empty() {
            return words;
        }
        let image = Selector::parse("img[alt]").expect("a constant selector");
        let alt = element.select(&image).next().and_then(|image| image.attr("alt"));
        let named = element.attr("title").or_else(|| element.attr("aria-label")).or(alt).unwrap_or_default();
        self.budget = self.budget.saturating_sub(named.len());
        draft::plain_body(&text::truncate(named, TITLE_MAX))
    }

    /// The date of an item where the rules look for it.
    fn date(&mut self, item: ElementRef<'_>, address: Option<&str>) -> Option<Timestamp> {
        let rules = self.rules;
        let element = match &rules.date {
            Some(selector) => Some(item.select(selector).next()?),
            None => None,
        };
        if let Some(stated) = element.and_then(|element| element.attr("datetime")).and_then(dates::parse) {
            return Some(stated);
        }
        match (element, &rules.date_pattern) {
            (Some(element), None) => dates::parse(&self.text(element).replace('\n', " ")),
            (Some(element), Some(pattern)) => date::find(pattern, &self.text(element).replace('\n', " ")),
            (None, Some(pattern)) => {
                let text = self.text(item).replace('\n', " ");
                date::find(pattern, &text).or_else(|| date::find(pattern, address?))
            }
            (None, None) => None,
        }
    }

    fn text(&mut self, element: ElementRef<'_>) -> String {
        let text = text_of(element, ELEMENT_MAX.min(self.budget));
        self.budget = self.budget.saturating_sub(text.len() + 16);
        draft::plain_body(&text)
    }
}

/// Two listings of one address.
fn merge(known: &mut Item, other: Item) {
    if other.title.chars().count() > known.title.chars().count() {
        known.title = other.title;
    }
    if other.text.len() > known.text.len() {
        known.text = other.text;
    }
    known.published = known.published.or(other.published);
}

/// The text of an element for people, about `max` bytes of it; blocks are lines.
fn text_of(element: ElementRef<'_>, max: usize) -> String {
    let mut out = String::new();
    let mut hidden = 0_usize;
    for edge in element.traverse() {
        let (node, opens) = match edge {
            ego_tree::iter::Edge::Open(node) => (node, true),
            ego_tree::iter::Edge::Close(node) => (node, false),
        };
        if let Some(element) = node.value().as_element() {
            if elements::is_hidden(element.name()) {
                hidden = if opens { hidden + 1 } else { hidden.saturating_sub(1) };
            } else if elements::is_block(element.name()) {
                out.push('\n');
            }
        } else if let Some(text) = node.value().as_text().filter(|_| opens && hidden == 0) {
            // A line break in the source is a space on the page.
            out.extend(text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }));
        }
        if out.len() >= max {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests;
