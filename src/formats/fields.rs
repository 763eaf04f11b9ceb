//! Fields of JSON records: what is absent or of another type reads as empty, so that one odd field costs only itself.

use serde_json::Value;

use super::{ParseError, dates, decode, pages};
use crate::model::clock::Timestamp;
use crate::model::text as plain;

/// Most entries of one list within a record that are looked at.
pub const LIST_MAX: usize = 1_000;
/// Most CWE ids kept.
const WEAKNESSES: usize = 20;

static NULL: Value = Value::Null;

/// The field `name`; null where there is none.
pub fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&NULL)
}

/// The text in the field `name`, trimmed; empty where there is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    field(value, name).as_str().map(str::trim).unwrap_or_default()
}

/// The list in the field `name`, at most [`LIST_MAX`] entries of it; empty where there is none.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let all = field(value, name).as_array().map(Vec::as_slice).unwrap_or_default();
    &all[..all.len().min(LIST_MAX)]
}

/// The number in the field `name`, written as a number or as text.
pub fn number(value: &Value, name: &str) -> Option<f64> {
    let found = field(value, name);
    found.as_f64().or_else(|| found.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
}

/// The instant in the field `name`.
pub fn time(value: &Value, name: &str) -> Option<Timestamp> {
    dates::parse(text(value, name))
}

/// Of `texts` (objects with `lang` and `value`) the English one, else the first.
pub fn english(texts: &[Value]) -> &str {
    let speaks = |entry: &&Value| text(entry, "lang").get(..2).is_some_and(|lang| lang.eq_ignore_ascii_case("en"));
    texts.iter().find(speaks).or_else(|| texts.first()).map(|entry| text(entry, "value")).unwrap_or_default()
}

/// The CWE ids among `stated`, each once, at most twenty.
pub fn weaknesses<'a>(stated: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for cwe in stated.map(plain::one_line) {
        let number = cwe.strip_prefix("CWE-").unwrap_or_default();
        let named = !number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
        if named && found.len() < WEAKNESSES && !found.contains(&cwe) {
            found.push(cwe);
        }
    }
    found
}

/// The JSON document in `bytes`, and what had to be repaired to read it. `expected` names it, such as `a CVE record`.
///
/// # Errors
/// Where it is something else: a web page, an empty document, text that is not JSON.
pub fn document(
    bytes: &[u8],
    content_type: Option<&str>,
    expected: &'static str,
) -> Result<(Value, Vec<String>), ParseError> {
    let decoded = decode::decode(bytes, content_type);
    let source = decoded.text.trim();
    if source.is_empty() {
        return Err(ParseError::Empty);
    }
    if let Some(found) = pages::recognize(source) {
        return Err(ParseError::NotThis { expected, found });
    }
    let value = serde_json::from_str(source).map_err(|fault| {
        ParseError::unreadable(format!("{expected} was expected, and the JSON is damaged: {fault}"))
    })?;
    Ok((value, decoded.repair.into_iter().collect()))
}

/// The error for JSON that is not what was expected.
pub fn other_json(expected: &'static str) -> ParseError {
    ParseError::NotThis { expected, found: "JSON of another kind".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_of_another_type_reads_as_empty() {
        let value = json!({"a": 7, "b": " x ", "c": "7.5", "d": {"e": []}, "f": "NaN"});
        assert_eq!((text(&value, "a"), text(&value, "b"), text(&value, "z")), ("", "x", ""));
        assert_eq!((number(&value, "a"), number(&value, "c"), number(&value, "f")), (Some(7.0), Some(7.5), None));
        assert!(list(&value, "d").is_empty() && list(field(&value, "d"), "e").is_empty());
    }

    #[test]
    fn the_english_text_is_taken_and_else_the_first() {
        let texts = json!([{"lang": "es", "value": "uno"}, {"lang": "en-US", "value": "one"}]);
        assert_eq!(english(texts.as_array().expect("a list")), "one");
        assert_eq!(english(&[json!({"lang": "fr", "value": "un"})]), "un");
        assert_eq!(english(&[]), "");
    }

    #[test]
    fn only_cwe_ids_are_weaknesses() {
        let found = weaknesses(["CWE-79", "NVD-CWE-noinfo", "CWE-", "CWE-79", "CWE-1x", " CWE-20 "].into_iter());
        assert_eq!(found, ["CWE-79", "CWE-20"]);
    }
}
