//! What a plain reading of a document finds: a second, simple implementation to compare ours with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Vendor, product, status.
pub type Told = (String, String, String);

/// Products by what is said of them, with their versions; and CVE ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plain {
    pub products: BTreeMap<Told, BTreeSet<String>>,
    pub cves: BTreeSet<String>,
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Vendor, product name and version of each product id, by recursion over the branches.
fn branches(list: &Value, above: &[(String, String)], found: &mut BTreeMap<String, (String, String, String)>) {
    for branch in list.as_array().into_iter().flatten() {
        let mut path = above.to_vec();
        path.push((text(branch, "category"), text(branch, "name")));
        if branch["product"].is_object() {
            let of = |categories: &[&str]| {
                let named = path.iter().rev().find(|(category, _)| categories.contains(&category.as_str()));
                named.map(|(_, name)| name.clone()).unwrap_or_default()
            };
            let names = [of(&["product_name"]), of(&["product_family"]), text(&branch["product"], "name")];
            let product = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let versions = of(&["product_version", "product_version_range"]);
            let id = text(&branch["product"], "product_id");
            found.entry(id).or_insert((of(&["vendor"]), product, versions));
        }
        branches(&branch["branches"], &path, found);
    }
}

fn rank(group: &str) -> Option<(u8, &'static str)> {
    match group {
        "first_affected" | "known_affected" | "last_affected" => Some((3, "affected")),
        "under_investigation" | "unknown" => Some((2, "under_investigation")),
        "first_fixed" | "fixed" => Some((1, "fixed")),
        "known_not_affected" => Some((0, "not_affected")),
        _ => None,
    }
}

/// What `document` says, where it has neither relationships nor contradictions.
pub fn plainly(document: &Value) -> Plain {
    let mut names = BTreeMap::new();
    branches(&document["product_tree"]["branches"], &[], &mut names);
    for product in document["product_tree"]["full_product_names"].as_array().into_iter().flatten() {
        names.entry(text(product, "product_id")).or_insert((String::new(), text(product, "name"), String::new()));
    }
    let mut plain = Plain::default();
    let mut statuses: BTreeMap<String, (u8, &str)> = BTreeMap::new();
    for vulnerability in document["vulnerabilities"].as_array().into_iter().flatten() {
        plain.cves.extend(vulnerability["cve"].as_str().map(str::to_owned));
        for (group, ids) in vulnerability["product_status"].as_object().into_iter().flatten() {
            let Some(status) = rank(group) else { continue };
            for id in ids.as_array().into_iter().flatten().filter_map(Value::as_str) {
                let known = statuses.entry(id.to_owned()).or_insert(status);
                *known = (*known).max(status);
            }
        }
    }
    if statuses.is_empty() {
        statuses = names.keys().map(|id| (id.clone(), (3, "affected"))).collect();
    }
    for (id, (_, status)) in statuses {
        let Some((vendor, product, versions)) = names.get(&id) else { continue };
        let versions = shown(versions);
        let told = plain.products.entry((vendor.clone(), product.clone(), status.to_owned())).or_default();
        told.extend(Some(versions).filter(|versions| !versions.is_empty()));
    }
    plain
}

/// A version as people write it.
fn shown(version: &str) -> String {
    let Some((_, constraints)) = version.strip_prefix("vers:").and_then(|rest| rest.split_once('/')) else {
        return version.to_owned();
    };
    if constraints == "*" { "all versions".to_owned() } else { constraints.replace('|', ", ") }
}
