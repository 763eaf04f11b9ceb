//! Any list of advisories in JSON, read by the pointers (RFC 6901) of its source.
//!
//! Such an answer changes without notice, so each source states a canary as a page does: how many items there must be.
//! A list that is not where the rules say, or too short, is [`ParseError::Changed`].

mod salvage;

use regex::Regex;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::byte_serialize;

pub use salvage::salvage;

use super::{Format, Origin, ParseError, dates, draft, loose};
use crate::config::sources::JsonRules;
use crate::model::item::{Item, Parsed};

/// A list in JSON.
pub const JSON: Format = Format { name: "json", parse, walk: None };

const EXPECTED: &str = "a list of advisories in JSON";

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let rules = origin.json.ok_or_else(|| ParseError::unreadable("the source has no rules for its JSON"))?;
    let keep = rules.keep.as_deref().map(Regex::new).transpose();
    let keep = keep.map_err(|fault| ParseError::unreadable(format!("its rules are wrong: {fault}")))?;
    let (document, mut parsed) = loose::document(bytes, origin, EXPECTED)?;
    let entries: Vec<&Value> = match document.pointer(&rules.items) {
        Some(Value::Array(list)) => list.iter().collect(),
        // Some publishers key their entries by id.
        Some(Value::Object(entries)) => entries.values().collect(),
        other => return Err(changed(format!("{} at '{}', where the list should be", kind(other), rules.items))),
    };
    let listed = entries.len();
    for entry in entries {
        match item(entry, rules, origin.url) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    check_canary(rules, &parsed, listed)?;
    if let Some(keep) = &keep {
        parsed.items.retain(|item| keep.is_match(&item.title));
    }
    draft::cap(&mut parsed);
    Ok(parsed)
}

fn changed(reason: String) -> ParseError {
    ParseError::Changed { reason }
}

fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "there is nothing",
        Some(Value::Null) => "there is null",
        Some(Value::Bool(_)) => "there is true or false",
        Some(Value::Number(_)) => "there is a number",
        Some(Value::String(_)) => "there is text",
        Some(Value::Array(_)) => "there is a list",
        Some(Value::Object(_)) => "there is an object",
    }
}

fn check_canary(rules: &JsonRules, parsed: &Parsed, listed: usize) -> Result<(), ParseError> {
    if listed < rules.min_items {
        return Err(changed(format!("{listed} items were found, and there should be {} or more", rules.min_items)));
    }
    if listed > 0 && parsed.items.is_empty() {
        return Err(changed(format!("none of {listed} items has anything at '{}'", rules.title)));
    }
    let dated = parsed.items.iter().any(|item| item.published.is_some());
    if let (Some(pointer), false, true) = (&rules.date, dated, listed > 0) {
        return Err(changed(format!("none of {listed} items has a date at '{pointer}'")));
    }
    Ok(())
}

/// One item; absent where it has no title, or a TLP label that is not known.
fn item(entry: &Value, rules: &JsonRules, base: &Url) -> Option<Item> {
    let at = |pointer: &str| entry.pointer(pointer).map(loose::scalar).unwrap_or_default();
    let part = |pointer: &Option<String>| pointer.as_deref().map(at).unwrap_or_default();
    let title = at(&rules.title);
    if title.is_empty() {
        return None;
    }
    let id = part(&rules.id);
    let link = match &rules.link {
        Some(pointer) => at(pointer),
        None if rules.link_prefix.is_some() => id.clone(),
        None => String::new(),
    };
    let tlp = match &rules.tlp {
        // An unknown label may be a strict one.
        Some(pointer) => at(pointer).parse().ok()?,
        None => Default::default(),
    };
    Some(Item {
        native_id: draft::native_id(&id),
        url: address(&link, rules.link_prefix.as_deref(), base),
        title: draft::title(&title, ""),
        text: draft::body(&part(&rules.text)),
        published: dates::parse(&part(&rules.date)),
        tlp,
        ..Item::default()
    })
}

/// The link as it stands, or what the prefix makes of it.
fn address(link: &str, prefix: Option<&str>, base: &Url) -> Option<String> {
    match prefix {
        Some(_) if link.is_empty() => None,
        Some(prefix) => {
            let encoded: String = link
                .split('/')
                .map(|part| byte_serialize(part.as_bytes()).collect::<String>())
                .collect::<Vec<_>>()
                .join("/");
            draft::link(&format!("{prefix}{encoded}"), base)
        }
        None => draft::link(link, base),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> JsonRules {
        JsonRules {
            items: "/articles".to_owned(),
            title: "/title".to_owned(),
            link: Some("/html_url".to_owned()),
            id: Some("/id".to_owned()),
            date: Some("/updated_at".to_owned()),
            text: Some("/body".to_owned()),
            min_items: 1,
            ..JsonRules::default()
        }
    }

    fn read(document: &Value, rules: &JsonRules) -> Result<Parsed, ParseError> {
        read_text(&document.to_string(), rules)
    }

    fn read_text(document: &str, rules: &JsonRules) -> Result<Parsed, ParseError> {
        let url = Url::parse("https://support.vendor.example/api/articles.json").expect("an address");
        parse(document.as_bytes(), &Origin { json: Some(rules), ..Origin::of(&url, None) })
    }

    fn article(n: usize) -> Value {
        json!({"id": n, "title": format!("Article {n}"), "html_url": format!("/hc/{n}"), "updated_at": "2099-01-02T03:04:05Z", "body": "<p>Text</p>"})
    }

    #[test]
    fn items_are_read_by_the_pointers() {
        let parsed = read(&json!({"articles": [article(1), article(2)]}), &rules()).expect("a list");
        let first = &parsed.items[0];
        assert_eq!(
            (first.native_id.as_deref(), first.title.as_str(), first.text.as_str()),
            (Some("1"), "Article 1", "Text")
        );
        assert_eq!(first.url.as_deref(), Some("https://support.vendor.example/hc/1"));
        assert_eq!(first.published.map(|at| at.to_string()).as_deref(), Some("2099-01-02T03:04:05Z"));
    }

    #[test]
    fn a_prefix_makes_a_link_of_an_id_and_cannot_be_left() {
        let rules = JsonRules { link: None, link_prefix: Some("https://hub.example/posts/".to_owned()), ..rules() };
        let odd = json!({"articles": [{"id": "a b?c#d", "title": "One", "updated_at": "2099-01-02"}]});
        let parsed = read(&odd, &rules).expect("a list");
        assert_eq!(parsed.items[0].url.as_deref(), Some("https://hub.example/posts/a+b%3Fc%23d"));
    }

    #[test]
    fn only_kept_titles_are_taken_and_tlp_is_kept_or_costs_the_item() {
        let rules =
            JsonRules { keep: Some("(?i)security".to_owned()), tlp: Some("/tlp".to_owned()), date: None, ..rules() };
        let list = json!({"articles": [
            {"title": "Security one", "tlp": "Clear"}, {"title": "Security two", "tlp": "amber"},
            {"title": "Security three", "tlp": "pink"}, {"title": "Picnic", "tlp": "CLEAR"}]});
        let parsed = read(&list, &rules).expect("a list");
        let labels: Vec<_> = parsed.items.iter().map(|item| item.tlp.as_str()).collect();
        assert_eq!((labels, parsed.dropped), (vec!["CLEAR", "AMBER"], 1));
    }

    #[test]
    fn a_list_that_is_gone_short_or_laid_out_anew_is_a_change_with_figures() {
        let few = JsonRules { min_items: 3, ..rules() };
        let cases = [
            (json!({"results": []}), rules(), "there is nothing at '/articles'"),
            (json!({"articles": null}), rules(), "there is null at '/articles'"),
            (json!({"articles": []}), rules(), "0 items were found, and there should be 1 or more"),
            (json!({"articles": [article(1)]}), few, "1 items were found, and there should be 3 or more"),
            (json!({"articles": [{"name": "x"}, null, 4]}), rules(), "none of 3 items has anything at '/title'"),
            (
                json!({"articles": [{"title": "x", "date": "2099-01-01"}]}),
                rules(),
                "none of 1 items has a date at '/updated_at'",
            ),
        ];
        for (document, rules, told) in cases {
            match read(&document, &rules) {
                Err(ParseError::Changed { reason }) => assert!(reason.contains(told), "{reason}"),
                other => panic!("{document}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_page_or_deep_json_is_refused_and_long_lists_are_cut() {
        assert!(matches!(
            read_text("<!doctype html><input type=\"password\">", &rules()),
            Err(ParseError::NotThis { .. })
        ));
        let deep = format!("{{\"articles\":{}", "[".repeat(100_000));
        assert!(matches!(read_text(&deep, &rules()), Err(ParseError::TooDeep { .. })));
        let long = json!({"articles": (0..10_001).map(article).collect::<Vec<_>>()});
        let parsed = read(&long, &rules()).expect("a list");
        assert_eq!((parsed.items.len(), parsed.repairs.len()), (10_000, 1));
    }
}
