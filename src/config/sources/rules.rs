//! What written rules mean: `[source.html]` and `[source.json]`.

use regex::RegexBuilder;
use url::Url;

use super::check::Judge;
use super::written::{WrittenHtml, WrittenJson};
use super::{HtmlRules, JsonRules, Known};
use crate::config::fault::{Faults, quoted};
use crate::config::written::At;
use crate::model::item::{ITEMS_MAX, URL_MAX};

/// What `item` is where only `link_pattern` is written.
const EVERY_LINK: &str = "a[href]";
/// Longest JSON pointer, in bytes.
const POINTER_MAX: usize = 500;
/// Most memory that a compiled regular expression may take, in bytes.
const REGEX_MAX: usize = 1024 * 1024;

/// The checked rules of a page; `None` where they cannot be used.
pub(super) fn html(written: &WrittenHtml, known: &Known<'_>, faults: &mut Faults<'_>) -> Option<HtmlRules> {
    let mut judge = Judge { label: &written.label, faults };
    let selector = |text: &str| match (known.check_selector)(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(why) => Err(format!("{} is not a CSS selector ({why})", quoted(text))),
    };
    let item = match (&written.item, &written.link_pattern) {
        (None, Some(_)) => Some(EVERY_LINK.to_owned()),
        (item, _) => judge.value("item", item.as_ref(), selector),
    };
    let rules = HtmlRules {
        item: item.clone().unwrap_or_default(),
        title: judge.value("title", written.title.as_ref(), selector),
        link: judge.value("link", written.link.as_ref(), selector),
        link_pattern: judge.value("link_pattern", written.link_pattern.as_ref(), pattern),
        date: judge.value("date", written.date.as_ref(), selector),
        date_pattern: judge.value("date_pattern", written.date_pattern.as_ref(), pattern),
        summary: judge.value("summary", written.summary.as_ref(), selector),
        keep: judge.value("keep", written.keep.as_ref(), pattern),
        min_items: least(&mut judge, written.min_items.as_ref()),
        page_title: judge.value("page_title", written.page_title.as_ref(), pattern),
    };
    item.map(|_| rules)
}

/// The checked rules of a list in JSON; `None` where they cannot be used.
pub(super) fn json(written: &WrittenJson, faults: &mut Faults<'_>) -> Option<JsonRules> {
    let mut judge = Judge { label: &written.label, faults };
    let items = judge.value("items", written.items.as_ref(), pointer);
    let title = judge.value("title", written.title.as_ref(), pointer);
    let rules = JsonRules {
        items: items.clone().unwrap_or_default(),
        title: title.clone().unwrap_or_default(),
        link: judge.value("link", written.link.as_ref(), pointer),
        link_prefix: judge.value("link_prefix", written.link_prefix.as_ref(), prefix),
        id: judge.value("id", written.id.as_ref(), pointer),
        date: judge.value("date", written.date.as_ref(), pointer),
        text: judge.value("text", written.text.as_ref(), pointer),
        tlp: judge.value("tlp", written.tlp.as_ref(), pointer),
        keep: judge.value("keep", written.keep.as_ref(), pattern),
        min_items: least(&mut judge, written.min_items.as_ref()),
    };
    if let (Some(prefix), None, None) = (&written.link_prefix, &written.link, &written.id) {
        judge.tell(prefix.line, "link_prefix", "needs link or id, the JSON pointer to what stands behind it");
    }
    items.and(title).map(|_| rules)
}

/// The least number of items; 1 where nothing is written.
fn least(judge: &mut Judge<'_, '_>, written: Option<&At<usize>>) -> usize {
    if let Some(number) = written.filter(|number| number.value > ITEMS_MAX) {
        let message = format!("is {}, more than are taken from one page; write 0 to {ITEMS_MAX}", number.value);
        judge.tell(number.line, "min_items", message);
    }
    written.map_or(1, |number| number.value)
}

/// A JSON pointer (RFC 6901 section 3): empty, or tokens that each begin with `/`, where `~` stands only in `~0` and `~1`.
fn pointer(text: &str) -> Result<String, String> {
    let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if text.len() > POINTER_MAX || !(text.is_empty() || text.starts_with('/')) || !escaped {
        return Err(format!(
            "{} is not a JSON pointer; write names with a slash before each, such as '/data/list'",
            quoted(text)
        ));
    }
    Ok(text.to_owned())
}

/// The beginning of an address; a fragment is fine, since some sites route by it.
fn prefix(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && text.len() <= URL_MAX);
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(text.to_owned()),
        _ => Err(format!("{} is not the beginning of a web address; begin it with https://", quoted(text))),
    }
}

fn pattern(text: &str) -> Result<String, String> {
    RegexBuilder::new(text).size_limit(REGEX_MAX).build().map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        format!("{} is not a regular expression ({why})", quoted(text))
    })?;
    Ok(text.to_owned())
}
