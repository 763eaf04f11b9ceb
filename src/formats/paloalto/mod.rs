//! Palo Alto Networks' security advisories in JSON: the pages of their list, and each advisory as a CVE record
//! (`PAN-SA-...` ones too, under an id that is no CVE id).
//!
//! The list says enough to alert by; the record adds whether attacks are known, CWE ids and exact ranges.

mod record;
mod walk;

use serde_json::Value;

use super::{Format, Origin, ParseError, dates, draft, loose};
use crate::model::item::{Item, Parsed};
use crate::model::platform::{Product, ProductStatus};
use crate::model::severity::Severity;

/// The list, a page at a time, then the record of each advisory that is new or has changed.
pub const PALOALTO: Format = Format { name: "paloalto", parse, walk: Some(walk::begin) };

const EXPECTED: &str = "Palo Alto Networks' advisories in JSON";
/// Where advisories stand on the web, by their id.
const PAGE: &str = "https://security.paloaltonetworks.com/";
const VENDOR: &str = "Palo Alto Networks";
/// Most products of one advisory.
const PRODUCTS_MAX: usize = 1_000;

/// A page of the list, or one advisory.
fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (document, mut parsed) = loose::document(bytes, origin, EXPECTED)?;
    match &document {
        Value::Array(entries) => {
            for entry in entries {
                match listed(entry) {
                    Some(item) => parsed.items.push(item),
                    None => parsed.dropped += 1,
                }
            }
            if parsed.items.is_empty() && parsed.dropped > 0 {
                return Err(loose::other_json(EXPECTED));
            }
        }
        record => parsed.items.push(record::item(record).ok_or_else(|| loose::other_json(EXPECTED))?),
    }
    draft::cap(&mut parsed);
    Ok(parsed)
}

/// The id of an advisory, as it stands in addresses; absent where it is none.
fn id_of(id: &str) -> Option<String> {
    let known = id.starts_with("CVE-") || id.starts_with("PAN-SA-");
    let fits = id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (known && fits).then(|| id.to_owned())
}

/// An entry of the list; absent where it has no id.
fn listed(entry: &Value) -> Option<Item> {
    let id = id_of(&loose::field(entry, "ID"))?;
    let problem = first_text(entry, "problem");
    let solution = first_text(entry, "solution");
    let workaround = first_text(entry, "work_around");
    let text = draft::plain_body(&paragraphs(&[&problem, &workaround]));
    let severity =
        ["severity", "threatSeverity", "baseSeverity"].iter().find_map(|key| rating(&loose::field(entry, key)));
    Some(Item {
        url: Some(format!("{PAGE}{id}")),
        title: draft::title(&loose::field(entry, "title"), &text),
        published: dates::parse(&loose::field(entry, "date")),
        updated: dates::parse(&loose::field(entry, "updated")),
        cves: loose::cves([id.clone(), solution.clone()].into_iter()),
        products: products(entry),
        severity,
        scores: loose::score("", loose::number(entry, "baseScore"), "").into_iter().collect(),
        action: action(&solution, &workaround),
        workaround: around(&solution, &workaround),
        native_id: Some(id),
        text,
        ..Item::default()
    })
}

/// `version[n]` is affected as `affected[n]` says; `product` has the names without versions.
fn products(entry: &Value) -> Vec<Product> {
    let names: Vec<String> = loose::texts(entry, "product").collect();
    let ranges = loose::list(entry, "affected");
    let releases = loose::list(entry, "version").iter().enumerate().take(PRODUCTS_MAX);
    let mut products: Vec<Product> = Vec::new();
    for (at, release) in releases {
        let release = loose::short(&loose::scalar(release));
        let name = names.iter().filter(|name| release.starts_with(name.as_str())).max_by_key(|name| name.len());
        let range = ranges.get(at).map(loose::scalar).unwrap_or_default();
        let name = name.unwrap_or(&release).clone();
        let unaffected = is_unaffected(&range);
        let versions = match release.strip_prefix(&name).map(str::trim) {
            _ if unaffected => String::new(),
            Some(branch) if !branch.is_empty() && starts_with_word(&range, "all") => format!("{branch}: {range}"),
            _ => range,
        };
        let status = if unaffected { ProductStatus::NotAffected } else { ProductStatus::Affected };
        let vendor = VENDOR.to_owned();
        let product =
            Product { vendor, product: name, versions: loose::short(&versions), status, ..Product::default() };
        if !product.product.is_empty() && !products.contains(&product) {
            products.push(product);
        }
    }
    products
}

/// Nothing, `None`, or `None on` some systems and no range for others.
fn is_unaffected(range: &str) -> bool {
    let a_range = |part: &str| part.trim_start().starts_with(['<', '>', '=']) || starts_with_word(part, "all");
    (range.is_empty() || starts_with_word(range, "none")) && !range.split(',').any(a_range)
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// A rating that says something.
fn rating(word: &str) -> Option<Severity> {
    word.parse().ok().filter(|rated| *rated != Severity::Unknown)
}

/// The first of the texts (`lang`, `value`) under `key`.
fn first_text(object: &Value, key: &str) -> String {
    loose::list(object, key)
        .iter()
        .map(|text| loose::field(text, "value"))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn paragraphs(parts: &[&str]) -> String {
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The solution; the workaround where there is no solution. A table loses the heading of its columns, and its rows are
/// parted by semicolons.
fn action(solution: &str, workaround: &str) -> Option<String> {
    let heading = |line: &str| line.contains(' ') && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
    let text = draft::plain_body(if solution.is_empty() { workaround } else { solution });
    let mut action = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !heading(line)) {
        match action.chars().last() {
            None => {}
            Some('.' | ':' | ';' | '!' | '?') => action.push(' '),
            Some(_) => action.push_str("; "),
        }
        action.push_str(line);
    }
    (!action.is_empty()).then_some(action)
}

/// The workaround, where there is a solution too.
fn around(solution: &str, workaround: &str) -> Option<String> {
    if solution.is_empty() { None } else { action(workaround, "") }
}

#[cfg(test)]
mod tests;
