//! Fields of foreign JSON, read as they come: publishers send numbers for strings, `null` for lists, `NA` for nothing
//! and one object where there should be a list of them. What does not fit is as if it were not there.

use serde_json::Value;

use super::{Origin, ParseError, decode, pages};
use crate::model::cve::CveId;
use crate::model::item::{Parsed, Score};
use crate::model::text;

/// Deepest nesting of JSON that is read: the bound that `serde_json` keeps.
const JSON_DEPTH: usize = 128;
/// Most CVE ids of one item.
const CVES_MAX: usize = 1_000;
/// Longest word or name kept, in characters.
const NAME_MAX: usize = 200;

/// The document in `bytes`, and what had to be repaired to read it.
///
/// # Errors
/// Where it is blank, a web page, nested too deeply or not JSON; `expected` names what it should be.
pub fn document(bytes: &[u8], origin: &Origin<'_>, expected: &'static str) -> Result<(Value, Parsed), ParseError> {
    let decoded = decode::decode(bytes, origin.content_type);
    let source = decoded.text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if source.is_empty() {
        return Err(ParseError::Empty);
    }
    if let Some(found) = pages::recognize(source) {
        return Err(ParseError::NotThis { expected, found });
    }
    if !source.starts_with(['{', '[']) {
        return Err(ParseError::NotThis { expected, found: "text that is no JSON".to_owned() });
    }
    let value = serde_json::from_str(source).map_err(|fault| {
        let fault = fault.to_string();
        if fault.starts_with("recursion limit") {
            return ParseError::TooDeep { limit: JSON_DEPTH };
        }
        ParseError::unreadable(format!("it is not the JSON of {expected}: {fault}"))
    })?;
    Ok((value, Parsed { repairs: decoded.repair.into_iter().collect(), ..Parsed::default() }))
}

/// JSON, but of another kind than `expected`.
pub fn other_json(expected: &'static str) -> ParseError {
    ParseError::NotThis { expected, found: "JSON of another kind".to_owned() }
}

/// The scalar `value` as text; that of `Value` in an object. Blank for `null`, lists and `NA`.
pub fn scalar(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Object(fields) => match fields.get("Value") {
            Some(Value::String(text)) => text.trim().to_owned(),
            _ => String::new(),
        },
        Value::Null | Value::Array(_) => String::new(),
    };
    if matches!(text.as_str(), "NA" | "N/A") { String::new() } else { text }
}

/// The text under `key`; blank where there is none.
pub fn field(object: &Value, key: &str) -> String {
    object.get(key).map(scalar).unwrap_or_default()
}

/// The name under `key`, in one line of at most 200 characters.
pub fn name(object: &Value, key: &str) -> String {
    short(&field(object, key))
}

/// `words` in one line of at most 200 characters.
pub fn short(words: &str) -> String {
    text::truncate(&text::one_line(words), NAME_MAX)
}

/// What is listed under `key`: the elements of a list, or the one thing that stands in its place.
pub fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    match object.get(key) {
        Some(Value::Array(list)) => list,
        None | Some(Value::Null) => &[],
        Some(one) => std::slice::from_ref(one),
    }
}

/// The texts listed under `key` that say something, in one line each.
pub fn texts(object: &Value, key: &str) -> impl Iterator<Item = String> {
    list(object, key).iter().map(|value| short(&scalar(value))).filter(|text| !text.is_empty())
}

/// The number under `key`, also where it is written as text.
pub fn number(object: &Value, key: &str) -> Option<f64> {
    match object.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// The CVE ids among `texts`, each once, in order.
pub fn cves(texts: impl Iterator<Item = String>) -> Vec<CveId> {
    let mut found: Vec<CveId> = Vec::new();
    for cve in texts.flat_map(|text| CveId::find_all(&text)).take(CVES_MAX) {
        if !found.contains(&cve) {
            found.push(cve);
        }
    }
    found
}

/// A CVSS rating; absent where there is no base score from 0.0 to 10.0. `version` counts where the vector names none.
pub fn score(vector: &str, base: Option<f64>, version: &str) -> Option<Score> {
    let base = base.filter(|base| (0.0..=10.0).contains(base))?;
    let vector = short(vector);
    let named = vector.strip_prefix("CVSS:").and_then(|rest| rest.split('/').next());
    let version = named.unwrap_or(version).to_owned();
    Some(Score { version, vector, base, by: String::new() })
}

/// The CWE ids in `texts`, each once, at most twenty.
pub fn weaknesses(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        let digits = text.strip_prefix("CWE-").map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        let Some(digits @ 1..=5) = digits else { continue };
        let cwe = text[..4 + digits].to_owned();
        if found.len() < 20 && !found.contains(&cwe) {
            found.push(cwe);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::*;

    fn read(source: &str) -> Result<(Value, Parsed), ParseError> {
        let url = Url::parse("https://vendor.example/list").expect("an address");
        document(source.as_bytes(), &Origin::of(&url, None), "a list")
    }

    #[test]
    fn what_is_not_json_is_named() {
        assert!(matches!(read(" \n"), Err(ParseError::Empty)));
        for page in ["<html><title>Sign in</title>", "<Error><Code>AccessDenied</Code></Error>", "Forbidden"] {
            assert!(matches!(read(page), Err(ParseError::NotThis { .. })), "{page}");
        }
        assert!(matches!(read("{\"a\": [1, 2"), Err(ParseError::Unreadable { .. })));
        assert!(read("\u{feff}{}").is_ok());
    }

    #[test]
    fn deep_json_is_refused_at_once() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            assert!(matches!(read(&deep), Err(ParseError::TooDeep { limit: JSON_DEPTH })), "{open}");
        }
    }

    #[test]
    fn wrong_types_are_read_or_passed_over() {
        let wild = json!({"n": 7, "b": true, "null": null, "na": "NA", "v": {"Value": " x "}, "l": [1, null, "a"], "s": "8.5"});
        assert_eq!(
            ["n", "b", "null", "na", "v", "l", "none"].map(|key| field(&wild, key)),
            ["7", "true", "", "", "x", "", ""]
        );
        assert_eq!(texts(&wild, "l").collect::<Vec<_>>(), ["1", "a"]);
        assert_eq!((list(&wild, "null").len(), list(&wild, "s").len(), list(&wild, "none").len()), (0, 1, 0));
        assert_eq!((number(&wild, "s"), number(&wild, "n"), number(&wild, "v")), (Some(8.5), Some(7.0), None));
        assert_eq!(score("CVSS:3.1/AV:N", Some(11.0), ""), None);
        assert_eq!(score("AV:N", Some(5.0), "2.0").map(|score| score.version).as_deref(), Some("2.0"));
        let cwes = ["CWE-79 Cross-site", "CWE-", "79", "CWE-79"].map(str::to_owned);
        assert_eq!(weaknesses(cwes.into_iter()), ["CWE-79"]);
    }
}
