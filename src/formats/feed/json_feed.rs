//! JSON Feed 1.0 and 1.1 (jsonfeed.org), and what comes near it.
//!
//! A strict reading first. Where it fails, each item is put into the shape of the standard by itself (an id that is a
//! number becomes text, a field of the wrong type goes), and the whole is read again.

use serde_json::{Map, Value, json};
use url::Url;

use super::entry;
use crate::formats::{ParseError, json};
use crate::model::item::Parsed;

/// The string fields of an item that are read.
const FIELDS: &[&str] =
    &["url", "external_url", "title", "content_html", "content_text", "summary", "date_published", "date_modified"];

/// Reads a document that begins with `{`.
pub fn parse(text: &str, base: &Url) -> Result<Parsed, ParseError> {
    if let Ok(items) = entry::items(text, base) {
        return Ok(Parsed { items, ..Parsed::default() });
    }
    let mut parsed = Parsed::default();
    let found = match serde_json::from_str::<Value>(text) {
        Ok(mut document) => match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => {
                parsed.repairs.push("the JSON Feed does not keep to the standard: its items were adapted".to_owned());
                items
            }
            _ => {
                let found = "JSON that is not a JSON Feed".to_owned();
                return Err(ParseError::NotThis { expected: super::EXPECTED, found });
            }
        },
        Err(fault) => {
            let salvage = json::salvage(text, "items").ok_or_else(|| ParseError::unreadable(fault.to_string()))?;
            parsed.dropped += salvage.dropped;
            parsed.repairs.push(format!("the JSON is damaged ({fault}): its complete items were read"));
            salvage.elements
        }
    };
    let adapted: Vec<Value> = found.iter().filter_map(adapt).collect();
    parsed.dropped += found.len() - adapted.len();
    let document = json!({"version": "https://jsonfeed.org/version/1.1", "title": "", "items": adapted});
    parsed.items = entry::items(&document.to_string(), base)?;
    if parsed.items.is_empty() && parsed.dropped > 0 {
        return Err(ParseError::unreadable(format!("none of {} items could be read", parsed.dropped)));
    }
    Ok(parsed)
}

/// An item with the fields that the standard knows, each a text; absent where it is no object.
fn adapt(item: &Value) -> Option<Value> {
    let item = item.as_object()?;
    let mut adapted = Map::new();
    match item.get("id") {
        Some(Value::String(id)) => adapted.insert("id".to_owned(), json!(id)),
        Some(Value::Number(id)) => adapted.insert("id".to_owned(), json!(id.to_string())),
        _ => None,
    };
    for field in FIELDS {
        if let Some(Value::String(text)) = item.get(*field) {
            adapted.insert((*field).to_owned(), json!(text));
        }
    }
    Some(Value::Object(adapted))
}
