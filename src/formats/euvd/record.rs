//! One record of the EUVD as an item.

use serde_json::Value;

use crate::formats::fields::{field, list, number, text, time};
use crate::formats::{draft, score};
use crate::model::cve::CveId;
use crate::model::item::Item;
use crate::model::platform::Product;
use crate::model::text as plain;

/// The record on the web.
const PAGE: &str = "https://euvd.enisa.europa.eu/vulnerability/";
/// Most products kept of one record, and longest name and versions of one, in characters.
const PRODUCTS: usize = 200;
const NAME_MAX: usize = 200;
const VERSIONS_MAX: usize = 300;
/// Longest part of the description in the title, in characters.
const TITLE: usize = 160;
/// Most ids taken of the list of aliases.
const ALIASES: usize = 50;

/// The item of a record; absent where it has no EUVD id.
pub fn item(record: &Value) -> Option<Item> {
    let id = plain::one_line(text(record, "id"));
    if !is_id(&id) {
        return None;
    }
    let description = draft::plain_body(text(record, "description"));
    let listed = text(record, "aliases").lines().map(plain::one_line).filter(|alias| !alias.is_empty());
    let (mut cves, mut aliases): (Vec<CveId>, Vec<String>) = (Vec::new(), vec![id.clone()]);
    for alias in listed.take(ALIASES) {
        match alias.parse() {
            Ok(cve) => cves.push(cve),
            Err(_) if alias.len() <= 100 => aliases.push(alias),
            Err(_) => {}
        }
    }
    let (mut scores, mut notes) = (Vec::new(), Vec::new());
    let stated = number(record, "baseScore").filter(|score| *score >= 0.0);
    score::add(&mut scores, &mut notes, score::rate(text(record, "baseScoreVector"), stated, ""));
    for score in scores.iter_mut().filter(|score| score.version.is_empty()) {
        score.version = plain::truncate(&plain::one_line(text(record, "baseScoreVersion")), 5);
    }
    let body = std::iter::once(description.clone()).chain(notes).filter(|part| !part.is_empty());
    Some(Item {
        url: Some(format!("{PAGE}{id}")),
        title: title(&cves, &id, &description),
        text: draft::plain_body(&body.collect::<Vec<_>>().join("\n\n")),
        published: time(record, "datePublished"),
        updated: time(record, "dateUpdated"),
        products: products(record),
        exploited: time(record, "exploitedSince").is_some(),
        native_id: Some(id),
        aliases,
        scores,
        cves,
        ..Item::default()
    })
}

fn is_id(id: &str) -> bool {
    let number = id.strip_prefix("EUVD-").unwrap_or_default();
    (6..=30).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The EUVD gives no titles: the CVE id, or its own, and the first words of the description.
fn title(cves: &[CveId], id: &str, description: &str) -> String {
    let name = cves.first().map_or(id, CveId::as_str);
    let first = description.lines().next().unwrap_or_default();
    match first.split_inclusive(". ").next().unwrap_or_default().trim_end_matches([' ', '.']) {
        "" => name.to_owned(),
        sentence => format!("{name}: {}", plain::truncate(sentence, TITLE)),
    }
}

fn products(record: &Value) -> Vec<Product> {
    let short = |value: &str, max: usize| plain::truncate(&plain::one_line(value), max);
    let vendors: Vec<String> = list(record, "enisaIdVendor")
        .iter()
        .map(|entry| short(text(field(entry, "vendor"), "name"), NAME_MAX))
        .filter(|vendor| !vendor.is_empty() && vendor != "n/a")
        .collect();
    // With several vendors nothing tells which product is whose.
    let vendor = if vendors.len() == 1 { vendors[0].clone() } else { String::new() };
    let mut products: Vec<Product> = Vec::new();
    for entry in list(record, "enisaIdProduct") {
        let name = short(text(field(entry, "product"), "name"), NAME_MAX);
        let versions = short(text(entry, "product_version"), VERSIONS_MAX);
        // Digests of images name no version.
        let versions = if versions.contains("sha256:") { String::new() } else { versions };
        if name.is_empty() || products.len() >= PRODUCTS {
            continue;
        }
        match products.iter_mut().find(|known| known.product == name) {
            Some(known) if versions.is_empty() || known.versions.contains(&versions) => {}
            Some(known) => known.versions = short(&format!("{}, {versions}", known.versions), VERSIONS_MAX),
            None => products.push(Product { vendor: vendor.clone(), product: name, versions, ..Product::default() }),
        }
    }
    products
}
