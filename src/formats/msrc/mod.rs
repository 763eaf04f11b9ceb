//! Microsoft's Security Response Center: a month of updates as a CVRF document (JSON or XML), or the list of the update
//! guide. Either way each vulnerability is an item of its own.
//!
//! KB numbers stand in what to do and in the text, and never among the aliases: one KB fixes many vulnerabilities, and
//! a shared alias makes one advisory of two.

mod cvrf;
mod guide;
mod walk;
mod xml;

use serde_json::Value;

use super::{Format, Origin, ParseError, decode, draft, loose, pages};
use crate::model::cve::CveId;
use crate::model::item::Parsed;

/// The list of months, then the document of each month that is new or has changed; or the list of the update guide.
pub const MSRC: Format = Format { name: "msrc", parse, walk: Some(walk::begin) };

const EXPECTED: &str = "a month of Microsoft's security updates";
/// Where vulnerabilities stand on the web, by their id.
const PAGE: &str = "https://msrc.microsoft.com/update-guide/vulnerability/";
const VENDOR: &str = "Microsoft";

/// A month, or the list of the update guide.
fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (document, mut parsed) = document(bytes, origin)?;
    if document.get("Vulnerability").is_some() || document.get("DocumentTracking").is_some() {
        cvrf::read(&document, &mut parsed);
    } else if let Some(Value::Array(entries)) = document.get("value") {
        guide::read(entries, &mut parsed);
    } else {
        return Err(loose::other_json(EXPECTED));
    }
    if parsed.items.is_empty() && parsed.dropped > 0 {
        return Err(loose::other_json(EXPECTED));
    }
    draft::cap(&mut parsed);
    Ok(parsed)
}

/// The document, XML in the shape of the JSON.
fn document(bytes: &[u8], origin: &Origin<'_>) -> Result<(Value, Parsed), ParseError> {
    if !bytes.trim_ascii_start().strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start().starts_with(b"<") {
        return loose::document(bytes, origin, EXPECTED);
    }
    let decoded = decode::decode(bytes, origin.content_type);
    if let Some(found) = pages::recognize(&decoded.text) {
        return Err(ParseError::NotThis { expected: EXPECTED, found });
    }
    let document = xml::document(&decoded.text)?;
    Ok((document, Parsed { repairs: decoded.repair.into_iter().collect(), ..Parsed::default() }))
}

/// The id of a vulnerability or an advisory (`ADV240001`); absent for anything else.
fn id_of(id: &str) -> Option<String> {
    let advisory =
        id.strip_prefix("ADV").is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_digit()));
    if advisory { Some(id.to_owned()) } else { id.parse::<CveId>().ok().map(|cve| cve.to_string()) }
}

/// `name (id)`; the id alone says which of two vulnerabilities of one name is meant.
fn title(name: &str, id: &str) -> String {
    draft::title(&format!("{} ({id})", name.trim()), "")
}

#[cfg(test)]
mod tests;
