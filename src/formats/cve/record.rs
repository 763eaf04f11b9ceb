//! One CVE record (CVE Record Format 5.0 to 5.2) as an item.
//!
//! The CNA's container tells what is broken; containers of "authorized data publishers" (ADP) add ratings, and CISA's
//! tells whether attackers use it. Fields that are unknown or of another type are passed over.

use serde_json::Value;

use crate::formats::fields::{english, field, list, number, text, time, weaknesses};
use crate::formats::{ParseError, draft, fields, score};
use crate::model::cve::CveId;
use crate::model::item::{Item, Score, Ssvc, URL_MAX};
use crate::model::platform::{Product, ProductStatus};
use crate::model::text as plain;

const EXPECTED: &str = "a CVE record in JSON";
/// The record on the web.
const PAGE: &str = "https://www.cve.org/CVERecord?id=";
/// Most products kept of one record, and longest name and versions of one, in characters.
const PRODUCTS: usize = 500;
const NAME_MAX: usize = 200;
const VERSIONS_MAX: usize = 300;
/// Longest statement of what to do, in characters.
const TOLD_MAX: usize = 2_000;
/// Most version ranges that are looked at of one product.
const RANGES: usize = 40;
/// Who is believed first about severity.
const LADDER: &[&str] = &["CNA", "ADP"];
/// The names of a metric's rating, by version of CVSS.
const RATINGS: &[&str] = &["cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0"];

/// The item of the record in `bytes`.
///
/// # Errors
/// Where it is no CVE record of version 5.
pub fn read(bytes: &[u8]) -> Result<Item, ParseError> {
    let (record, _) = fields::document(bytes, None, EXPECTED)?;
    item(&record)
}

/// The item of a record.
///
/// # Errors
/// Where it is no CVE record of version 5.
pub fn item(record: &Value) -> Result<Item, ParseError> {
    let meta = field(record, "cveMetadata");
    let cve: CveId = text(meta, "cveId").parse().map_err(|_| fields::other_json(EXPECTED))?;
    let version = text(record, "dataVersion");
    if !(version == "5" || version.starts_with("5.")) {
        let reason = format!("{cve} is a record of version {version:.10}; versions 5.x are read");
        return Err(ParseError::unreadable(reason));
    }
    let cna = field(field(record, "containers"), "cna");
    let withdrawn = text(meta, "state").eq_ignore_ascii_case("REJECTED");
    let described = if withdrawn { list(cna, "rejectedReasons") } else { list(cna, "descriptions") };
    let description = draft::plain_body(english(described));
    let published = time(meta, "datePublished").or_else(|| time(cna, "datePublic"));
    let item = Item {
        native_id: Some(cve.to_string()),
        url: Some(format!("{PAGE}{cve}")),
        title: title(&cve, cna, &description),
        text: description,
        published: published.or_else(|| time(meta, "dateReserved")),
        updated: time(meta, "dateUpdated").or_else(|| time(field(cna, "providerMetadata"), "dateUpdated")),
        cves: vec![cve],
        withdrawn,
        ..Item::default()
    };
    Ok(if withdrawn { item } else { with_facts(item, record, cna) })
}

/// Products, ratings, weaknesses, what to do and whether it is exploited, out of all containers.
fn with_facts(mut item: Item, record: &Value, cna: &Value) -> Item {
    let mut notes = Vec::new();
    rate(&mut item.scores, &mut notes, cna, "CNA");
    item.products = products(list(cna, "affected"));
    for adp in list(field(record, "containers"), "adp") {
        rate(&mut item.scores, &mut notes, adp, "ADP");
        item.products.extend(products(list(adp, "affected")));
        let short = text(field(adp, "providerMetadata"), "shortName");
        let by_cisa = short.eq_ignore_ascii_case("CISA-ADP");
        for metric in list(adp, "metrics") {
            let other = field(metric, "other");
            match text(other, "type") {
                "ssvc" => {
                    let points = points(field(other, "content"));
                    item.exploited |= by_cisa && points.iter().any(|(name, value)| is_active(name, value));
                    item.ssvc = ssvc(if by_cisa { "CISA" } else { short }, points).or(item.ssvc.take());
                }
                // Only that it is listed: the catalog itself knows the due date and the rest.
                "kev" => item.exploited |= by_cisa && !text(field(other, "content"), "dateAdded").is_empty(),
                _ => {}
            }
        }
    }
    let containers = std::iter::once(cna).chain(list(field(record, "containers"), "adp"));
    let kinds = containers.flat_map(|container| list(container, "problemTypes"));
    item.weaknesses = weaknesses(kinds.flat_map(|kind| list(kind, "descriptions")).map(|kind| text(kind, "cweId")));
    item.action = told(cna, "solutions");
    item.workaround = told(cna, "workarounds");
    item.patch = patch(cna);
    item.speaker =
        Some(plain::truncate(&plain::one_line(assigner(record, cna)), NAME_MAX)).filter(|name| !name.is_empty());
    item.severity = (!item.scores.is_empty()).then(|| score::ladder(&item.scores, LADDER)).flatten();
    item.products.dedup();
    if item.products.len() > PRODUCTS {
        notes.push(format!("The record names {} products: the first {PRODUCTS} were read.", item.products.len()));
        item.products.truncate(PRODUCTS);
    }
    for note in notes {
        item.text.push_str("\n\n");
        item.text.push_str(&note);
    }
    item.text = draft::plain_body(&item.text);
    item
}

/// The CNA's own title; else one built of the product and the kind of problem; else the first words of the description.
fn title(cve: &CveId, cna: &Value, description: &str) -> String {
    let stated = plain::one_line(text(cna, "title"));
    let named = list(cna, "affected").iter().map(name).find(|product| !product.product.is_empty());
    let kind = list(cna, "problemTypes").first().map(english_description).unwrap_or_default();
    let built = match named {
        Some(product) if !kind.is_empty() => format!("{} {}: {kind}", product.vendor, product.product),
        _ => String::new(),
    };
    let title = [stated, built].into_iter().find(|title| !title.trim().is_empty()).unwrap_or_default();
    let title = draft::title(title.trim(), description);
    if title.is_empty() {
        return cve.to_string();
    }
    if title.contains(cve.as_str()) { title } else { format!("{title} ({cve})") }
}

fn english_description(kind: &Value) -> String {
    let all = list(kind, "descriptions");
    let speaks = |one: &&Value| text(one, "lang").starts_with("en");
    let found = all.iter().find(speaks).or_else(|| all.first()).map(|one| text(one, "description")).unwrap_or_default();
    match found {
        "n/a" => String::new(),
        found => plain::truncate(&plain::one_line(found), NAME_MAX),
    }
}

fn rate(scores: &mut Vec<Score>, notes: &mut Vec<String>, container: &Value, by: &str) {
    for metric in list(container, "metrics") {
        for rating in RATINGS.iter().map(|version| field(metric, version)).filter(|rating| rating.is_object()) {
            score::add(scores, notes, score::rate(text(rating, "vectorString"), number(rating, "baseScore"), by));
        }
    }
}

/// The decision points of an SSVC assessment: names and values.
fn points(content: &Value) -> Vec<(String, String)> {
    let options = list(content, "options").iter().filter_map(Value::as_object).flatten();
    let short = |value: &str| plain::truncate(&plain::one_line(value), 40);
    options.take(8).filter_map(|(name, value)| Some((short(name), short(value.as_str()?)))).collect()
}

fn is_active(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("Exploitation") && value.eq_ignore_ascii_case("active")
}

/// The decision points as stated, with who states them.
fn ssvc(by: &str, points: Vec<(String, String)>) -> Option<Ssvc> {
    (!points.is_empty()).then(|| Ssvc { by: plain::truncate(&plain::one_line(by), NAME_MAX), points })
}

/// The English text of `solutions` or `workarounds`, in one line.
fn told(cna: &Value, name: &str) -> Option<String> {
    let told = plain::truncate(&plain::one_line(&draft::body(english(list(cna, name)))), TOLD_MAX);
    (!told.is_empty() && !told.eq_ignore_ascii_case("n/a")).then_some(told)
}

/// The first reference that the CNA tags as a patch.
fn patch(cna: &Value) -> Option<String> {
    let is_patch = |tag: &Value| tag.as_str() == Some("patch");
    let tagged = list(cna, "references").iter().filter(|one| list(one, "tags").iter().any(is_patch));
    tagged
        .map(|one| text(one, "url"))
        .find(|url| url.starts_with("https://") && url.len() <= URL_MAX)
        .map(str::to_owned)
}

/// The short name of the CNA.
fn assigner<'a>(record: &'a Value, cna: &'a Value) -> &'a str {
    match text(field(record, "cveMetadata"), "assignerShortName") {
        "" => text(field(cna, "providerMetadata"), "shortName"),
        name => name,
    }
}

/// The products of an `affected` list: one an entry, with the versions that are affected, and one more for each other
/// product that its CPE names tell.
pub fn products(affected: &[Value]) -> Vec<Product> {
    let mut products = Vec::new();
    for entry in affected {
        let (status, versions) = status(entry);
        let product = Product { status, versions, ..name(entry) };
        let mut cpes = list(entry, "cpes").iter().filter_map(Value::as_str).filter(|cpe| is_cpe(cpe));
        let first = cpes.next().map(str::to_owned).unwrap_or_default();
        let core = |cpe: &str| cpe.split(':').skip(3).take(2).map(str::to_owned).collect::<Vec<_>>();
        if product.vendor.is_empty() && product.product.is_empty() && first.is_empty() {
            continue;
        }
        let mut seen = vec![core(&first)];
        products.push(Product { cpe: first, ..product.clone() });
        for other in cpes.take(20) {
            if !seen.contains(&core(other)) {
                seen.push(core(other));
                products.push(Product { cpe: other.to_owned(), ..product.clone() });
            }
        }
    }
    products
}

fn is_cpe(cpe: &str) -> bool {
    (cpe.starts_with("cpe:2.3:") || cpe.starts_with("cpe:/")) && cpe.len() <= 300
}

/// Vendor and product; those of the package URL (5.2) or the package where they are not stated.
fn name(entry: &Value) -> Product {
    let stated = |name: &str| match plain::one_line(text(entry, name)) {
        none if none.eq_ignore_ascii_case("n/a") || none == "-" => String::new(),
        stated => plain::truncate(&stated, NAME_MAX),
    };
    let (mut vendor, mut product) = (stated("vendor"), stated("product"));
    if product.is_empty() {
        product = stated("packageName");
    }
    if product.is_empty()
        && let Some((kind, name)) = text(entry, "packageURL").strip_prefix("pkg:").and_then(|url| url.split_once('/'))
    {
        let name = name.split(['@', '?', '#']).next().unwrap_or_default();
        product = plain::truncate(&plain::one_line(name), NAME_MAX);
        vendor = if vendor.is_empty() { plain::truncate(kind, NAME_MAX) } else { vendor };
    }
    Product { vendor, product, ..Product::default() }
}

/// What an entry says of its product, and of which versions: the affected ones where there are any.
fn status(entry: &Value) -> (ProductStatus, String) {
    let ranges = list(entry, "versions");
    let of = |status: &str| -> Vec<String> {
        let chosen = ranges.iter().filter(|range| text(range, "status") == status);
        chosen.take(RANGES).map(range).filter(|range| !range.is_empty()).collect()
    };
    let any = |status: &str| ranges.iter().any(|range| text(range, "status") == status);
    let joined = |ranges: Vec<String>| plain::truncate(&ranges.join(", "), VERSIONS_MAX);
    if any("affected") || (text(entry, "defaultStatus") == "affected" && !any("unknown")) {
        let mut versions = of("affected");
        if text(entry, "defaultStatus") == "affected" && any("unaffected") {
            versions.push(format!("all but {}", of("unaffected").join(", ")));
        }
        return (ProductStatus::Affected, joined(versions));
    }
    match (any("unknown"), any("unaffected")) {
        (true, _) => (ProductStatus::UnderInvestigation, joined(of("unknown"))),
        (false, true) => (ProductStatus::NotAffected, joined(of("unaffected"))),
        (false, false) if text(entry, "defaultStatus") == "unaffected" => (ProductStatus::NotAffected, String::new()),
        // An entry that says nothing of versions names what is affected.
        (false, false) => (ProductStatus::Affected, String::new()),
    }
}

/// A range in words: `from 7.5 before 7.5.101`.
fn range(range: &Value) -> String {
    let known = |name: &str| match plain::one_line(text(range, name)) {
        none if matches!(none.as_str(), "unspecified" | "n/a" | "*" | "-") => String::new(),
        known => plain::truncate(&known, 60),
    };
    let (from, before, through) = (known("version"), known("lessThan"), known("lessThanOrEqual"));
    let start = if from.is_empty() || from == "0" { String::new() } else { format!("from {from} ") };
    match (before.is_empty(), through.is_empty()) {
        (false, _) => format!("{start}before {before}"),
        (true, false) => format!("{start}through {through}"),
        (true, true) if from == "0" => String::new(),
        (true, true) => from,
    }
}
