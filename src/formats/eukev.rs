//! The list of vulnerabilities that the EU's CSIRTs network knows to be exploited (`kev.csv` or JSON, by ENISA).
//!
//! A `-` or `tbc` stands for "not stated". Dates are written day/month/year with two digits each. A malformed row costs
//! only itself.

use serde_json::Value;

use super::fields::{self, text};
use super::{Format, Origin, ParseError, dates, decode, draft, pages};
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::item::{ITEMS_MAX, Item, Parsed};
use crate::model::platform::Product;
use crate::model::text as plain;

/// The list.
pub const EUKEV: Format = Format { name: "eukev", parse, walk: None };

const EXPECTED: &str = "the EU KEV list in CSV or JSON";
/// The record of an entry on the web: the list itself has no page for one.
const PAGE: &str = "https://euvd.enisa.europa.eu/vulnerability/";
/// Longest name kept, in characters.
const NAME_MAX: usize = 200;
/// Most columns of a row.
const COLUMNS: usize = 64;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let decoded = decode::decode(bytes, origin.content_type);
    let source = decoded.text.trim();
    if source.is_empty() {
        return Err(ParseError::Empty);
    }
    if let Some(found) = pages::recognize(source) {
        return Err(ParseError::NotThis { expected: EXPECTED, found });
    }
    let mut parsed = Parsed { repairs: decoded.repair.into_iter().collect(), ..Parsed::default() };
    let rows = if source.starts_with(['[', '{']) { from_json(bytes, origin)? } else { from_csv(source, &mut parsed)? };
    for row in rows.iter().take(ITEMS_MAX) {
        match item(row) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    if parsed.items.is_empty() && parsed.dropped > 0 {
        return Err(ParseError::unreadable(format!("none of {} rows could be read", parsed.dropped)));
    }
    Ok(parsed)
}

fn from_json(bytes: &[u8], origin: &Origin<'_>) -> Result<Vec<Value>, ParseError> {
    match fields::document(bytes, origin.content_type, EXPECTED)?.0 {
        Value::Array(rows) => Ok(rows),
        _ => Err(fields::other_json(EXPECTED)),
    }
}

/// The rows as objects, by the names in the first one.
fn from_csv(source: &str, parsed: &mut Parsed) -> Result<Vec<Value>, ParseError> {
    let (rows, open) = records(source);
    let mut rows = rows.into_iter();
    let names = rows.next().unwrap_or_default();
    if !names.iter().any(|name| name == "cveID") {
        return Err(ParseError::NotThis { expected: EXPECTED, found: "a text without the column cveID".to_owned() });
    }
    if open {
        parsed.repairs.push("the last quoted field is not closed: the list may be cut short".to_owned());
    }
    let object = |row: Vec<String>| {
        let pairs = names.iter().cloned().zip(row.into_iter().map(Value::String));
        Value::Object(pairs.collect())
    };
    Ok(rows.map(object).collect())
}

/// The records of a CSV text (RFC 4180), and whether its last field is left open.
fn records(source: &str) -> (Vec<Vec<String>>, bool) {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            (true, '"') => quoted = false,
            (false, '"') if field.is_empty() => quoted = true,
            (false, ',') if row.len() < COLUMNS => row.push(std::mem::take(&mut field)),
            (false, '\n') => {
                row.push(std::mem::take(&mut field).trim_end_matches('\r').to_owned());
                if row.iter().any(|field| !field.is_empty()) {
                    rows.push(std::mem::take(&mut row));
                }
                row.clear();
            }
            (_, c) => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    (rows, quoted)
}

fn item(row: &Value) -> Option<Item> {
    let stated = |name: &str| match plain::one_line(text(row, name)) {
        none if matches!(none.to_ascii_lowercase().as_str(), "-" | "tbc" | "n/a" | "unknown") => String::new(),
        stated => stated,
    };
    let cve: CveId = text(row, "cveID").parse().ok()?;
    let short = |name: &str| plain::truncate(&stated(name), NAME_MAX);
    let product = Product { vendor: short("vendorProject"), product: short("product"), ..Product::default() };
    let name = match stated("vulnerabilityName") {
        name if name.is_empty() => format!("{} {} vulnerability", product.vendor, product.product),
        name => name,
    };
    let sentence = |name: &str, lead: &str| match stated(name) {
        none if none.is_empty() => String::new(),
        said => format!("{lead}{said}"),
    };
    let paragraphs = [
        stated("shortDescription"),
        "The EU's CSIRTs network knows it to be exploited.".to_owned(),
        sentence("exploitationType", "Exploitation: "),
        sentence("threatActorsExploiting", "Used by: "),
        sentence("patchedSince", "Patched since: "),
        stated("notes"),
    ];
    let euvd = Some(stated("euvdID")).filter(|id| id.starts_with("EUVD-") && id.len() < 40);
    Some(Item {
        native_id: Some(cve.to_string()),
        url: Some(format!("{PAGE}{}", euvd.as_deref().unwrap_or(cve.as_str()))),
        title: draft::title(&format!("{} ({cve})", name.trim()), ""),
        text: draft::plain_body(
            &paragraphs.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n\n"),
        ),
        published: day(&stated("dateReported")),
        products: if product.vendor.is_empty() && product.product.is_empty() { Vec::new() } else { vec![product] },
        aliases: euvd.into_iter().collect(),
        weaknesses: fields::weaknesses(stated("cwes").split([',', ';', ' '])),
        exploited: true,
        cves: vec![cve],
        ..Item::default()
    })
}

/// A day as `17/01/25`; other spellings as everywhere.
fn day(written: &str) -> Option<Timestamp> {
    let parts: Vec<&str> = written.split('/').collect();
    match parts.as_slice() {
        [day, month, year] if year.len() == 2 => dates::parse(&format!("20{year}-{month:0>2}-{day:0>2}")),
        [day, month, year] if year.len() == 4 => dates::parse(&format!("{year}-{month:0>2}-{day:0>2}")),
        _ => dates::parse(written),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_breaks_stay_within_their_field() {
        let (rows, open) = records("a,b\r\n\"x, \"\"y\"\"\nz\",2\n\n,\nlast");
        assert_eq!(rows, [vec!["a", "b"], vec!["x, \"y\"\nz", "2"], vec!["last"]]);
        assert!(!open && records("a,\"b").1);
    }

    #[test]
    fn days_are_read_day_first() {
        assert_eq!(day("04/05/25").map(|at| at.to_string()).as_deref(), Some("2025-05-04T00:00:00Z"));
        assert_eq!(day("-"), None);
    }
}
