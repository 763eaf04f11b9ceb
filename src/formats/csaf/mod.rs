//! CSAF 2.0 (OASIS Standard, ISO/IEC 20153) and 2.1: advisories and VEX documents in JSON, and the providers of them.
//!
//! [`parse`] reads one document. A document that breaks the schema or a mandatory test (section 6.1) is read all the
//! same, and says so: vendors publish such documents, and a flawed warning is worth more than none. [`walk`] reads a
//! provider (section 7): it finds the documents, checks hash and signature of each, and only then parses it.

mod cursor;
mod cvss;
mod document;
mod documents;
mod finding;
mod keys;
mod listing;
mod metadata;
mod notes;
mod products;
mod proof;
mod status;
mod validate;
mod vulnerabilities;
mod walk;

use serde_json::Value;
use url::Url;

use self::notes::Notes;
use super::{Format, Origin, ParseError, decode, pages};
use crate::model::item::{Item, Parsed};

/// A CSAF document, or the provider of many.
pub const CSAF: Format = Format { name: "csaf", parse, walk: Some(walk::begin) };

const EXPECTED: &str = "a CSAF document or provider";
/// Largest document that is read, in bytes. Section C.1 of CSAF 2.0 expects at most 15 MB.
const DOCUMENT_MAX: usize = 64 * 1024 * 1024;
/// `serde_json` reads no JSON that is nested more deeply.
const JSON_DEPTH: usize = 128;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let value = json(bytes, origin.content_type)?;
    if !is_document(&value) {
        return Err(ParseError::NotThis { expected: EXPECTED, found: "JSON of another kind".to_owned() });
    }
    let mut notes = Notes::default();
    let item = read(&value, origin.url, &mut notes);
    Ok(Parsed { items: vec![item], repairs: notes.finish(), ..Parsed::default() })
}

/// The item of the document `value`, which came from `url`; what is wrong with it goes to `notes`.
fn read(value: &Value, url: &Url, notes: &mut Notes) -> Item {
    validate::check(value, notes);
    document::item(value, url, notes)
}

/// Whether this is a CSAF document of any version, sound or not.
fn is_document(value: &Value) -> bool {
    value
        .get("document")
        .is_some_and(|document| document.get("csaf_version").is_some() || document.pointer("/tracking/id").is_some())
}

/// `bytes` as JSON, whatever their character set; nesting is bounded by `serde_json`.
fn json(bytes: &[u8], content_type: Option<&str>) -> Result<Value, ParseError> {
    if bytes.len() > DOCUMENT_MAX {
        return Err(ParseError::unreadable(format!("it has more than {} MiB", DOCUMENT_MAX >> 20)));
    }
    let fault = match serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) {
        Ok(value) => return Ok(value),
        Err(fault) => fault,
    };
    if too_deep(&fault) {
        return Err(ParseError::TooDeep { limit: JSON_DEPTH });
    }
    let text = decode::decode(bytes, content_type).text;
    if text.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    if let Some(found) = pages::recognize(&text) {
        return Err(ParseError::NotThis { expected: EXPECTED, found });
    }
    // CSAF is UTF-8; what is not is read as well as its character set can be told.
    serde_json::from_str(&text).map_err(|_| ParseError::unreadable(format!("it is not valid JSON: {fault}")))
}

fn too_deep(fault: &serde_json::Error) -> bool {
    fault.to_string().starts_with("recursion limit")
}

/// The value at a JSON pointer of names alone, without escapes: [`Value::pointer`] makes a copy of each step.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, name| value.get(name))
}

/// The text at a JSON pointer, trimmed; empty where there is none.
fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default().trim()
}

/// The elements of the list at a JSON pointer.
fn list_at<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(value, pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The vulnerabilities of a document, also where a vendor puts their list into a list.
fn vulnerabilities_of(document: &Value) -> impl Iterator<Item = &Value> {
    list_at(document, "/vulnerabilities").flat_map(|one| match one {
        Value::Array(several) => several.as_slice(),
        one => std::slice::from_ref(one),
    })
}

/// The texts of the list at a JSON pointer.
fn texts_at<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    list_at(value, pointer).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests;
