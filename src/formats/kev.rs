//! CISA's catalog of Known Exploited Vulnerabilities, in JSON.
//!
//! Each entry is an item whose id is its CVE id. Entries change in place (the ransomware flag, the due date), so an
//! item carries all of what the catalog says. A malformed entry costs only itself; a catalog cut short gives what
//! arrived, and says so.

use serde_json::Value;

use super::{Format, Origin, ParseError, dates, decode, draft, json, pages};
use crate::model::cve::CveId;
use crate::model::item::{Item, KevFacts, Parsed};
use crate::model::platform::Product;
use crate::model::text;

/// The catalog: `catalogVersion`, `dateReleased`, `count`, `vulnerabilities`.
pub const KEV: Format = Format { name: "kev", parse, walk: None };

const EXPECTED: &str = "the KEV catalog in JSON";
/// The catalog on the web, showing one CVE.
const PAGE: &str = "https://www.cisa.gov/known-exploited-vulnerabilities-catalog?search_api_fulltext=";
/// Longest vendor or product name kept, in characters.
const NAME_MAX: usize = 200;

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
    let entries = entries(source, &mut parsed)?;
    for entry in &entries {
        match item(entry) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    if parsed.items.is_empty() && parsed.dropped > 0 {
        return Err(ParseError::unreadable(format!("none of {} catalog entries could be read", parsed.dropped)));
    }
    draft::cap(&mut parsed);
    Ok(parsed)
}

/// The catalog's entries, whole ones only where the document is damaged.
fn entries(source: &str, parsed: &mut Parsed) -> Result<Vec<Value>, ParseError> {
    match serde_json::from_str::<Value>(source) {
        Ok(mut catalog) => {
            let stated = catalog.get("count").and_then(Value::as_u64);
            let Some(Value::Array(entries)) = catalog.get_mut("vulnerabilities").map(Value::take) else {
                return Err(ParseError::NotThis { expected: EXPECTED, found: "JSON of another kind".to_owned() });
            };
            let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            if let Some(stated) = stated.filter(|stated| *stated != count) {
                parsed.repairs.push(format!("the catalog states {stated} entries and has {count}"));
            }
            Ok(entries)
        }
        Err(fault) => {
            let found = json::salvage(source, "vulnerabilities")
                .ok_or_else(|| ParseError::unreadable(format!("not the JSON of the KEV catalog: {fault}")))?;
            parsed.dropped += found.dropped;
            parsed.repairs.push(format!("the JSON is damaged ({fault}): its complete entries were read"));
            Ok(found.elements)
        }
    }
}

/// One entry; absent where it does not name a CVE.
fn item(entry: &Value) -> Option<Item> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let cve: CveId = field("cveID").parse().ok()?;
    let product = Product {
        vendor: text::truncate(&text::one_line(field("vendorProject")), NAME_MAX),
        product: text::truncate(&text::one_line(field("product")), NAME_MAX),
        ..Product::default()
    };
    let name = match text::one_line(field("vulnerabilityName")) {
        name if name.is_empty() => format!("{} {} vulnerability", product.vendor, product.product),
        name => name,
    };
    let action = draft::plain_body(field("requiredAction"));
    let paragraphs = [draft::plain_body(field("shortDescription")), action.clone()];
    Some(Item {
        native_id: Some(cve.to_string()),
        url: Some(format!("{PAGE}{cve}")),
        title: draft::title(&format!("{} ({cve})", name.trim()), ""),
        text: paragraphs.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n\n"),
        published: dates::parse(field("dateAdded")),
        products: if product.vendor.is_empty() && product.product.is_empty() { Vec::new() } else { vec![product] },
        kev: Some(KevFacts {
            added: day(field("dateAdded")),
            due: day(field("dueDate")),
            ransomware: field("knownRansomwareCampaignUse").eq_ignore_ascii_case("known"),
            action,
        }),
        weaknesses: weaknesses(entry),
        cves: vec![cve],
        ..Item::default()
    })
}

/// Its `cwes`, at most twenty.
fn weaknesses(entry: &Value) -> Vec<String> {
    let listed = entry.get("cwes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    listed.map(text::one_line).filter(|cwe| cwe.starts_with("CWE-") && cwe.len() < 12).take(20).collect()
}

/// A day as `YYYY-MM-DD`; empty for what is none.
fn day(written: &str) -> String {
    dates::parse(written).map(|at| at.to_jiff().strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn read(source: &str) -> Result<Parsed, ParseError> {
        let url = Url::parse("https://www.cisa.gov/feeds/known_exploited_vulnerabilities.json").expect("an address");
        parse(source.as_bytes(), &Origin::of(&url, Some("application/json")))
    }

    fn entry(cve: &str) -> String {
        format!(
            r#"{{"cveID": "{cve}", "vendorProject": "Acme ", "product": " Tunnel", "vulnerabilityName": "Acme Tunnel Flaw",
            "dateAdded": "2026-01-05", "shortDescription": "It leaks.", "requiredAction": "Patch it.", "dueDate": "2026-01-26",
            "knownRansomwareCampaignUse": "Known", "notes": "", "cwes": []}}"#
        )
    }

    fn catalog(count: usize, entries: &[String]) -> String {
        format!(r#"{{"count": {count}, "vulnerabilities": [{}]}}"#, entries.join(", "))
    }

    #[test]
    fn an_entry_carries_what_the_catalog_says() {
        let parsed = read(&catalog(1, &[entry("CVE-2026-0001")])).expect("a catalog");
        let item = &parsed.items[0];
        assert!(!parsed.degraded());
        assert_eq!(item.title, "Acme Tunnel Flaw (CVE-2026-0001)");
        assert_eq!(item.text, "It leaks.\n\nPatch it.");
        assert_eq!((item.products[0].vendor.as_str(), item.products[0].product.as_str()), ("Acme", "Tunnel"));
        let kev = item.kev.clone().expect("facts");
        assert_eq!((kev.added.as_str(), kev.due.as_str(), kev.ransomware), ("2026-01-05", "2026-01-26", true));
        assert_eq!(item.published.map(|at| at.to_string()).as_deref(), Some("2026-01-05T00:00:00Z"));
    }

    #[test]
    fn a_malformed_entry_costs_only_itself_and_a_wrong_count_is_said() {
        let entries = [entry("CVE-2026-0001"), r#"{"cveID": 7}"#.to_owned(), entry("CVE-2026-0003")];
        let parsed = read(&catalog(9, &entries)).expect("a catalog");
        assert_eq!((parsed.items.len(), parsed.dropped), (2, 1));
        assert_eq!(parsed.repairs, ["the catalog states 9 entries and has 3"]);
    }

    #[test]
    fn a_catalog_cut_short_gives_its_complete_entries() {
        let whole = catalog(3, &[entry("CVE-2026-0001"), entry("CVE-2026-0002"), entry("CVE-2026-0003")]);
        let parsed = read(&whole[..whole.len() - 40]).expect("what arrived");
        assert_eq!((parsed.items.len(), parsed.dropped), (2, 1));
        assert!(parsed.degraded());
    }

    #[test]
    fn a_web_page_or_other_json_is_not_the_catalog() {
        assert!(matches!(read("<html><title>Access Denied</title>"), Err(ParseError::NotThis { .. })));
        assert!(matches!(read("{}"), Err(ParseError::NotThis { .. })));
        assert_eq!(read(" \n"), Err(ParseError::Empty));
        assert!(matches!(read("{\"vulnerabilities\": [{\"cveID\""), Err(ParseError::Unreadable { .. })));
    }
}
