//! One record of the NVD as an item.

use serde_json::Value;

use crate::formats::fields::{english, field, list, number, text, time, weaknesses};
use crate::formats::{cve, draft, score};
use crate::model::cve::CveId;
use crate::model::item::{Item, Score};
use crate::model::platform::Product;
use crate::model::text as plain;

/// The record on the web.
const PAGE: &str = "https://nvd.nist.gov/vuln/detail/";
/// Most products kept of one record, and longest list of versions of one, in characters.
const PRODUCTS: usize = 500;
const VERSIONS_MAX: usize = 300;
/// Longest part of the description in the title, in characters.
const TITLE: usize = 160;
/// Who is believed first about severity.
const LADDER: &[&str] = &["CNA", "ADP", "NVD"];
const METRICS: &[&str] = &["cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2"];

/// The item of a record; absent where it names no CVE.
pub fn item(record: &Value) -> Option<Item> {
    let cve: CveId = text(record, "id").parse().ok()?;
    let description = draft::plain_body(english(list(record, "descriptions")));
    // "Rejected", and any spelling of the other states (Received, Analyzed, Deferred, Not Scheduled), which judge NIST's
    // own work and not the flaw.
    let withdrawn = text(record, "vulnStatus").eq_ignore_ascii_case("Rejected");
    let mut notes = Vec::new();
    let scores = scores(record, &mut notes);
    let products = products(record, &mut notes);
    let body = std::iter::once(description.clone()).chain(notes).filter(|part| !part.is_empty());
    let kinds = list(record, "weaknesses").iter().flat_map(|kind| list(kind, "description"));
    Some(Item {
        native_id: Some(cve.to_string()),
        url: Some(format!("{PAGE}{cve}")),
        title: title(&cve, &description),
        text: draft::plain_body(&body.collect::<Vec<_>>().join("\n\n")),
        published: time(record, "published"),
        updated: time(record, "lastModified"),
        products,
        severity: (!scores.is_empty()).then(|| score::ladder(&scores, LADDER)).flatten(),
        scores,
        weaknesses: weaknesses(kinds.map(|kind| text(kind, "value"))),
        exploited: !text(record, "cisaExploitAdd").is_empty(),
        action: Some(plain::one_line(text(record, "cisaRequiredAction"))).filter(|action| !action.is_empty()),
        withdrawn,
        cves: vec![cve],
        ..Item::default()
    })
}

/// The NVD gives no titles: the id and the first words of the description.
fn title(cve: &CveId, description: &str) -> String {
    let first = description.lines().next().unwrap_or_default();
    let sentence = first.split_inclusive(". ").next().unwrap_or_default().trim_end_matches([' ', '.']);
    match sentence {
        "" => cve.to_string(),
        sentence => format!("{cve}: {}", plain::truncate(&plain::one_line(sentence), TITLE)),
    }
}

/// The ratings; whoever assigned the CVE is its CNA, NIST is `NVD`, and anybody else is an authorized publisher.
fn scores(record: &Value, notes: &mut Vec<String>) -> Vec<Score> {
    let assigner = text(record, "sourceIdentifier");
    let mut scores = Vec::new();
    for metric in METRICS.iter().flat_map(|version| list(field(record, "metrics"), version)) {
        let by = match text(metric, "source") {
            "nvd@nist.gov" => "NVD",
            source if !source.is_empty() && source == assigner => "CNA",
            _ => "ADP",
        };
        let data = field(metric, "cvssData");
        score::add(&mut scores, notes, score::rate(text(data, "vectorString"), number(data, "baseScore"), by));
    }
    scores
}

/// The vulnerable products of the CPE configurations, each once with all its versions; where there are none yet, those
/// that the CNA names.
fn products(record: &Value, notes: &mut Vec<String>) -> Vec<Product> {
    let nodes = list(record, "configurations").iter().flat_map(|one| list(one, "nodes"));
    let mut products: Vec<Product> = Vec::new();
    let mut left = 0;
    for matched in nodes.flat_map(|node| list(node, "cpeMatch")) {
        let vulnerable = field(matched, "vulnerable").as_bool().unwrap_or(true);
        let Some(found) = vulnerable.then(|| product(matched)).flatten() else { continue };
        let known = products.iter().position(|known| known.vendor == found.vendor && known.product == found.product);
        match known {
            Some(at) => merge(&mut products[at].versions, &found.versions),
            None if products.len() < PRODUCTS => products.push(found),
            None => left += 1,
        }
    }
    if left > 0 {
        notes.push(format!("The NVD names more products: {left} further criteria were not read."));
    }
    if products.is_empty() {
        let stated = list(record, "affected").iter().flat_map(|one| cve::products(list(one, "affectedData")));
        products.extend(stated.take(PRODUCTS));
    }
    products
}

/// Adds versions to those that are known of a product.
fn merge(known: &mut String, versions: &str) {
    if known.is_empty() {
        versions.clone_into(known);
    } else if !known.contains(versions) {
        *known = plain::truncate(&format!("{known}, {versions}"), VERSIONS_MAX);
    }
}

/// A CPE match criterion: the product and the versions that it stands for.
fn product(matched: &Value) -> Option<Product> {
    let cpe = text(matched, "criteria");
    let parts = parts(cpe.strip_prefix("cpe:2.3:").filter(|_| cpe.len() <= 300)?);
    let [_, vendor, product, version, ..] = parts.as_slice() else { return None };
    let bound = |name: &str, word: &str| match plain::one_line(text(matched, name)) {
        none if none.is_empty() => None,
        bound => Some(format!("{word} {}", plain::truncate(&bound, 60))),
    };
    let bounds = [
        bound("versionStartIncluding", "from"),
        bound("versionStartExcluding", "after"),
        bound("versionEndExcluding", "before"),
        bound("versionEndIncluding", "through"),
    ];
    let range = bounds.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let exact = if matches!(version.as_str(), "*" | "-") { String::new() } else { version.clone() };
    Some(Product {
        vendor: vendor.replace('_', " "),
        product: product.replace('_', " "),
        cpe: cpe.to_owned(),
        versions: if range.is_empty() { exact } else { range },
        ..Product::default()
    })
}

/// The parts of a CPE 2.3 name after its prefix, unescaped (NISTIR 7695 section 6.2: a backslash quotes).
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in name.chars() {
        match c {
            '\\' if !quoted => {
                quoted = true;
                continue;
            }
            ':' if !quoted => parts.push(String::new()),
            c => parts.last_mut().expect("there is always a last part").push(c),
        }
        quoted = false;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_colon_parts_no_name() {
        assert_eq!(parts(r"a:acme:c\:drive:1\.0:*"), ["a", "acme", "c:drive", "1.0", "*"]);
    }

    #[test]
    fn a_title_is_the_id_and_the_first_sentence() {
        let cve: CveId = "CVE-2099-0001".parse().expect("an id");
        assert_eq!(title(&cve, "Acme 1.2 leaks. More."), "CVE-2099-0001: Acme 1.2 leaks");
        assert_eq!(title(&cve, ""), "CVE-2099-0001");
    }
}
