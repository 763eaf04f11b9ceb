//! A month of updates: CVRF 1.1 in Microsoft's JSON, where kinds are numbers in the order of the schema's words.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{PAGE, VENDOR, id_of, title};
use crate::formats::{dates, draft, loose};
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Parsed, Score};
use crate::model::platform::{Product, ProductStatus};
use crate::model::severity::Severity;

/// Most products of one vulnerability, and most names in a product tree.
const PRODUCTS_MAX: usize = 1_000;
const TREE_MAX: usize = 100_000;
/// Most ratings of one vulnerability.
const SCORES_MAX: usize = 5;
/// KB numbers, and fixed builds, that are named in what to do.
const FIXES_NAMED: usize = 12;

/// The items of `document`, one for each vulnerability.
pub fn read(document: &Value, parsed: &mut Parsed) {
    let names = product_names(document);
    let tracking = document.get("DocumentTracking").unwrap_or(&Value::Null);
    let month = Month {
        names,
        released: dates::parse(&loose::field(tracking, "InitialReleaseDate")),
        changed: dates::parse(&loose::field(tracking, "CurrentReleaseDate")),
    };
    let mut unknown = 0;
    for entry in loose::list(document, "Vulnerability") {
        match month.item(entry, &mut unknown) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    if unknown > 0 {
        parsed.repairs.push(format!("{unknown} products are not in the document's product tree and were left out"));
    }
}

/// What the whole document says.
struct Month {
    /// By product id: the name and the CPE name.
    names: BTreeMap<String, (String, String)>,
    released: Option<Timestamp>,
    changed: Option<Timestamp>,
}

/// Every product of the tree, wherever in it.
fn product_names(document: &Value) -> BTreeMap<String, (String, String)> {
    let mut names = BTreeMap::new();
    let mut open: Vec<&Value> = document.get("ProductTree").into_iter().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(fields_of) => {
                let (id, name) = (loose::field(value, "ProductID"), loose::name(value, "Value"));
                if !id.is_empty() && !name.is_empty() && names.len() < TREE_MAX {
                    // A product stands in its family, and once more beside it with its CPE name.
                    let known = names.entry(id).or_insert_with(|| (name, String::new()));
                    if known.1.is_empty() {
                        known.1 = loose::name(value, "CPE");
                    }
                }
                open.extend(fields_of.values().filter(|value| value.is_object() || value.is_array()));
            }
            _ => {}
        }
    }
    names
}

/// Whether the `Type` of `entry` is the one that JSON numbers and XML names.
fn is(entry: &Value, number: &str, word: &str) -> bool {
    let kind = loose::field(entry, "Type");
    kind == number || kind.eq_ignore_ascii_case(word)
}

/// What the entries of that type under `key` say, in one line each.
fn said<'a>(entry: &'a Value, key: &str, number: &'a str, word: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let of_type = loose::list(entry, key).iter().filter(move |one| is(one, number, word));
    of_type.map(|one| loose::name(one, "Description")).filter(|text| !text.is_empty())
}

impl Month {
    /// One vulnerability; absent where it has no id.
    fn item(&self, entry: &Value, unknown: &mut usize) -> Option<Item> {
        let id = id_of(&loose::field(entry, "CVE"))?;
        let threats = |number, word| said(entry, "Threats", number, word);
        let status: Vec<String> = threats("1", "Exploit Status").collect();
        let fixes = Fixes::of(entry);
        let changes = loose::list(entry, "RevisionHistory").iter();
        let changes: Vec<Timestamp> =
            changes.filter_map(|change| dates::parse(&loose::field(change, "Date"))).collect();
        let name = match loose::field(entry, "Title") {
            name if name.is_empty() => note(entry, "7", "Tag").unwrap_or_else(|| "Microsoft vulnerability".to_owned()),
            name => name,
        };
        Some(Item {
            url: Some(format!("{PAGE}{id}")),
            title: title(&name, &id),
            text: text(entry, &status, &fixes),
            published: changes.iter().min().copied().or(self.released),
            updated: changes.iter().max().copied().or(self.changed),
            cves: id.parse().into_iter().collect(),
            products: self.products(entry, &fixes, unknown),
            severity: threats("3", "Severity")
                .filter_map(|word| word.parse().ok())
                .filter(|rated| *rated != Severity::Unknown)
                .max(),
            scores: scores(entry),
            weaknesses: loose::weaknesses(loose::list(entry, "CWE").iter().map(|cwe| loose::field(cwe, "ID"))),
            action: fixes.action(entry, &self.names),
            exploited: status.iter().any(|status| is_exploited(status)),
            native_id: Some(id),
            ..Item::default()
        })
    }

    fn products(&self, entry: &Value, fixes: &Fixes, unknown: &mut usize) -> Vec<Product> {
        let mut products: Vec<Product> = Vec::new();
        for group in loose::list(entry, "ProductStatuses") {
            let kind = loose::field(group, "Type").to_ascii_lowercase();
            let status = match kind.as_str() {
                "4" | "known not affected" => ProductStatus::NotAffected,
                "1" | "2" | "6" | "first fixed" | "fixed" | "recommended" => ProductStatus::Fixed,
                _ => ProductStatus::Affected,
            };
            for id in loose::texts(group, "ProductID").take(PRODUCTS_MAX.saturating_sub(products.len())) {
                let Some((name, cpe)) = self.names.get(&id) else {
                    *unknown += 1;
                    continue;
                };
                let build = fixes.builds.get(&id).filter(|_| status == ProductStatus::Affected);
                products.push(Product {
                    vendor: VENDOR.to_owned(),
                    product: name.clone(),
                    cpe: cpe.clone(),
                    versions: build.map(|build| format!("before {build}")).unwrap_or_default(),
                    status,
                });
            }
        }
        products
    }
}

/// `Publicly Disclosed:No;Exploited:Yes;...`
fn is_exploited(status: &str) -> bool {
    status
        .split(';')
        .filter_map(|part| part.split_once(':'))
        .any(|(key, value)| key.trim().eq_ignore_ascii_case("exploited") && value.trim().eq_ignore_ascii_case("yes"))
}

/// The first note of that type that says something, as plain text.
fn note(entry: &Value, number: &str, word: &str) -> Option<String> {
    let notes = loose::list(entry, "Notes").iter().filter(|note| is(note, number, word));
    notes.map(|note| draft::body(&loose::field(note, "Value"))).find(|text| !text.is_empty())
}

/// The description, else the first question and answer; then impact, exploitation and the updates.
fn text(entry: &Value, status: &[String], fixes: &Fixes) -> String {
    let mut paragraphs: Vec<String> =
        note(entry, "2", "Description").or_else(|| note(entry, "4", "FAQ")).into_iter().collect();
    if let Some(impact) = said(entry, "Threats", "0", "Impact").next() {
        paragraphs.push(format!("Impact: {impact}."));
    }
    if let Some(status) = status.first() {
        let parts = status.split(';').filter_map(|part| part.split_once(':'));
        let said: Vec<String> = parts.map(|(key, value)| format!("{}: {}", key.trim(), value.trim())).collect();
        paragraphs.push(said.join(". "));
    }
    if !fixes.kbs.is_empty() {
        paragraphs.push(format!("Updates: {}", fixes.kbs.join(", ")));
    }
    draft::plain_body(&paragraphs.join("\n\n"))
}

/// The highest ratings, each once.
fn scores(entry: &Value) -> Vec<Score> {
    let mut scores: Vec<Score> = Vec::new();
    for set in loose::list(entry, "CVSSScoreSets").iter().take(PRODUCTS_MAX) {
        let score = loose::score(&loose::field(set, "Vector"), loose::number(set, "BaseScore"), "");
        scores.extend(score.filter(|score| !scores.contains(score)));
    }
    scores.sort_by(|a, b| b.base.total_cmp(&a.base));
    scores.truncate(SCORES_MAX);
    scores
}

/// What the vendor fixes are.
#[derive(Default)]
struct Fixes {
    /// `KB5035853`, each once, in order.
    kbs: Vec<String>,
    /// The first build with the fix, by product id.
    builds: BTreeMap<String, String>,
    /// Whether any asks for a restart.
    restart: bool,
}

impl Fixes {
    fn of(entry: &Value) -> Self {
        let mut fixes = Self::default();
        let vendor = loose::list(entry, "Remediations").iter().filter(|fix| is(fix, "2", "Vendor Fix"));
        for fix in vendor.take(PRODUCTS_MAX) {
            let name = loose::name(fix, "Description");
            let digits = name.strip_prefix("KB").unwrap_or(&name);
            if (6..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                let kb = format!("KB{digits}");
                if !fixes.kbs.contains(&kb) {
                    fixes.kbs.push(kb);
                }
            }
            // Some name a page in place of a build.
            let build = Some(loose::name(fix, "FixedBuild")).filter(|build| !build.is_empty() && !build.contains("//"));
            if let Some(build) = build {
                for id in loose::texts(fix, "ProductID").take(PRODUCTS_MAX) {
                    fixes.builds.entry(id).or_insert_with(|| build.clone());
                }
            }
            fixes.restart |= loose::field(fix, "RestartRequired").eq_ignore_ascii_case("yes");
        }
        fixes
    }

    /// The updates to install; the builds where there are no updates by number; else a mitigation or a workaround.
    fn action(&self, entry: &Value, names: &BTreeMap<String, (String, String)>) -> Option<String> {
        let more = |count: usize| {
            if count > FIXES_NAMED { format!(" and {} more", count - FIXES_NAMED) } else { String::new() }
        };
        let restart = if self.restart { "; a restart is needed" } else { "" };
        if !self.kbs.is_empty() {
            let named = &self.kbs[..self.kbs.len().min(FIXES_NAMED)];
            return Some(format!("Install {}{}{restart}", named.join(", "), more(self.kbs.len())));
        }
        let builds: Vec<String> =
            self.builds.iter().filter_map(|(id, build)| Some(format!("{} to {build}", names.get(id)?.0))).collect();
        if !builds.is_empty() {
            let named = &builds[..builds.len().min(FIXES_NAMED)];
            return Some(format!("Update {}{}{restart}", named.join(", "), more(builds.len())));
        }
        let other = [("1", "Mitigation"), ("0", "Workaround"), ("3", "None Available"), ("4", "Will Not Fix")];
        let other = other.iter().flat_map(|(number, word)| {
            loose::list(entry, "Remediations").iter().filter(move |one| is(one, number, word))
        });
        other.map(|one| draft::body(&loose::field(one, "Description"))).find(|text| !text.is_empty())
    }
}
