//! Cisco's security advisories in JSON: what the openVuln API gives (`advisories`, a list), and what the public listing
//! gives (a list with `identifier`). A field that says nothing says `NA`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Format, Origin, ParseError, dates, draft, loose};
use crate::model::item::{Item, Parsed};
use crate::model::platform::Product;
use crate::model::severity::Severity;

/// `advisories` of openVuln, or the public listing.
pub const CISCO: Format = Format { name: "cisco", parse, walk: None };

const EXPECTED: &str = "Cisco's list of advisories in JSON";
/// Where advisories stand on the web, by their id.
const PAGE: &str = "https://sec.cloudapps.cisco.com/security/center/content/CiscoSecurityAdvisory/";
/// Most product names of one advisory that are looked at; a name with each of its releases takes thousands.
const NAMES_MAX: usize = 20_000;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (document, mut parsed) = loose::document(bytes, origin, EXPECTED)?;
    let entries = match (&document, document.get("advisories")) {
        (Value::Array(entries), _) | (_, Some(Value::Array(entries))) => entries,
        _ => return Err(loose::other_json(EXPECTED)),
    };
    for entry in entries {
        match item(entry, origin) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    if parsed.items.is_empty() && parsed.dropped > 0 {
        return Err(loose::other_json(EXPECTED));
    }
    draft::cap(&mut parsed);
    Ok(parsed)
}

/// One advisory; absent where it has no id.
fn item(entry: &Value, origin: &Origin<'_>) -> Option<Item> {
    let either = |key: &str, other: &str| {
        Some(loose::field(entry, key)).filter(|text| !text.is_empty()).unwrap_or_else(|| loose::field(entry, other))
    };
    let id = draft::native_id(&either("advisoryId", "identifier"))?;
    let text = draft::body(&loose::field(entry, "summary"));
    let url = draft::link(&either("publicationUrl", "url"), origin.url)
        .or_else(|| draft::link(&format!("{PAGE}{id}"), origin.url));
    // openVuln lists ids and products; the public listing joins ids with commas and names no products.
    let cves = loose::cves(loose::texts(entry, "cves").chain(std::iter::once(loose::field(entry, "cve"))));
    let cwes = loose::field(entry, "cwe");
    let cwes: Vec<String> = cwes.split(',').map(loose::short).chain(loose::texts(entry, "cwe")).collect();
    Some(Item {
        title: draft::title(&either("advisoryTitle", "title"), &text),
        published: dates::parse(&loose::field(entry, "firstPublished")),
        updated: dates::parse(&either("lastUpdated", "lastPublished")),
        products: products(entry),
        // "Informational" is a rating too, but not one of ours.
        severity: either("sir", "severity").parse().ok().filter(|rated| *rated != Severity::Unknown),
        scores: loose::score("", loose::number(entry, "cvssBaseScore"), "").into_iter().collect(),
        weaknesses: loose::weaknesses(cwes.into_iter()),
        aliases: vec![id.clone()],
        native_id: Some(id),
        url,
        text,
        cves,
        ..Item::default()
    })
}

/// Names with their releases taken off and listed together: `Cisco IOS 15.2(4)M1` is a release of `Cisco IOS`.
fn products(entry: &Value) -> Vec<Product> {
    let mut releases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in loose::texts(entry, "productNames").take(NAMES_MAX) {
        match name.rsplit_once(' ') {
            Some((name, release)) if is_release(release) => {
                releases.entry(name.to_owned()).or_default().push(release.to_owned());
            }
            _ => {
                releases.entry(name).or_default();
            }
        }
    }
    let product = |(name, releases): (String, Vec<String>)| Product {
        vendor: "Cisco".to_owned(),
        product: name,
        versions: loose::short(&releases.join(", ")),
        ..Product::default()
    };
    releases.into_iter().map(product).collect()
}

fn is_release(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(['.', '('])
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::*;

    fn read(document: &Value) -> Result<Parsed, ParseError> {
        let url = Url::parse("https://vendor.example/advisories").expect("an address");
        parse(document.to_string().as_bytes(), &Origin::of(&url, Some("application/json")))
    }

    #[test]
    fn wrong_types_cost_only_themselves() {
        let document = json!({"advisories": [
            {"advisoryId": "cisco-sa-one", "advisoryTitle": 7, "cves": null, "cvssBaseScore": [1], "productNames": {"x": 1}, "sir": 3, "firstPublished": 5, "summary": ["x"]},
            {"advisoryId": null, "advisoryTitle": "No id"},
            null, "text", 4, [],
        ]});
        let parsed = read(&document).expect("one is whole");
        assert_eq!((parsed.items.len(), parsed.dropped), (1, 5));
        assert_eq!((parsed.items[0].title.as_str(), parsed.items[0].severity), ("7", None));
        assert!(parsed.items[0].products.is_empty() && parsed.items[0].scores.is_empty());
    }

    #[test]
    fn releases_of_a_product_are_one_product() {
        let names = ["Cisco IOS 15.2(4)M1", "Cisco IOS 15.2(4)M2", "Cisco ASA 5505", "Cisco Webex App 44.1 ", "NA"];
        let parsed = read(&json!([{"identifier": "cisco-sa-one", "productNames": names}])).expect("a list");
        let products: Vec<_> =
            parsed.items[0].products.iter().map(|it| (it.product.as_str(), it.versions.as_str())).collect();
        let expected = [("Cisco ASA 5505", ""), ("Cisco IOS", "15.2(4)M1, 15.2(4)M2"), ("Cisco Webex App", "44.1")];
        assert_eq!(products, expected);
    }

    #[test]
    fn an_empty_list_is_no_news_and_another_document_is_not_the_list() {
        assert_eq!(read(&json!({"advisories": []})).expect("a list"), Parsed::default());
        assert_eq!(read(&json!([])).expect("a list"), Parsed::default());
        for other in [json!({}), json!({"advisories": null}), json!({"errorCode": "INVALID_TOKEN"}), json!([{"id": 1}])]
        {
            assert!(matches!(read(&other), Err(ParseError::NotThis { .. })), "{other}");
        }
    }

    #[test]
    fn of_too_many_advisories_the_newest_are_read() {
        let entry = |n: i64| json!({"advisoryId": format!("cisco-sa-{n}"), "firstPublished": format!("20{:02}-01-01T00:00:00", n % 90)});
        let parsed = read(&Value::Array((0..10_001).map(entry).collect())).expect("a list");
        assert_eq!((parsed.items.len(), parsed.repairs.len()), (10_000, 1));
    }
}
