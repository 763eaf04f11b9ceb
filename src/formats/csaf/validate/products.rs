//! Tests of the product tree, and of what refers to it.

use std::collections::HashMap;

use serde_json::Value;

use super::Fault;
use super::facts::{Branch, Facts, Product, list, text};
use super::words;

/// Lists of a vulnerability whose items refer to products, and by which property.
const REFERRING: &[(&str, &str)] = &[
    ("remediations", "product_ids"),
    ("threats", "product_ids"),
    ("flags", "product_ids"),
    ("scores", "products"),
    ("metrics", "products"),
    ("notes", "product_ids"),
    ("ids", "product_ids"),
    ("involvements", "product_ids"),
    ("first_known_exploitation_dates", "product_ids"),
];

/// Most branches above one another (section 5.5).
const DEPTH_MAX: usize = 30;

/// 6.1.1: every product id that is referred to is defined.
pub fn defined(facts: &Facts<'_>) -> Option<Fault> {
    let missing = |holder: &Value, name: &'static str| {
        let ids = list(holder, name).iter().enumerate();
        let mut missing = ids.filter_map(|(at, id)| Some((at, id.as_str()?)));
        let (at, id) = missing.find(|(_, id)| facts.product(id).is_none())?;
        Some(Fault::here(format!("the product '{id}' is not defined")).below(at).below(name))
    };
    let in_tree = || {
        let groups = list(facts.tree(), "product_groups").iter().enumerate();
        let mut groups =
            groups.filter_map(|(at, group)| Some(missing(group, "product_ids")?.below(at).below("product_groups")));
        groups.next().or_else(|| made_of(facts)).map(|fault| fault.below("product_tree"))
    };
    let in_notes = || {
        let mut notes = list(facts.head(), "notes").iter().enumerate();
        notes.find_map(|(at, note)| Some(missing(note, "product_ids")?.below(at).below("notes").below("document")))
    };
    let in_lists = |vulnerability| {
        REFERRING.iter().find_map(|(name, ids)| {
            let mut items = list(vulnerability, name).iter().enumerate();
            items.find_map(|(at, item)| Some(missing(item, ids)?.below(at).below(name)))
        })
    };
    let in_status = |vulnerability: &Value| {
        STATUSES
            .iter()
            .find_map(|(name, _)| missing(vulnerability.get("product_status")?, name))
            .map(|fault| fault.below("product_status"))
    };
    in_tree().or_else(in_notes).or_else(|| facts.in_vulnerabilities(|one| in_status(one).or_else(|| in_lists(one))))
}

/// The first made product of which a part is not defined.
fn made_of(facts: &Facts<'_>) -> Option<Fault> {
    let missing = |holder: &Value, name: &'static str| {
        let id = holder.get(name).and_then(Value::as_str)?;
        facts.product(id).is_none().then(|| Fault::here(format!("the product '{id}' is not defined")).below(name))
    };
    let mut relationships = list(facts.tree(), "relationships").iter().enumerate();
    let in_relationships = relationships.find_map(|(at, made)| {
        let fault = missing(made, "product_reference").or_else(|| missing(made, "relates_to_product_reference"))?;
        Some(fault.below(at).below("relationships"))
    });
    let mut paths = list(facts.tree(), "product_paths").iter().enumerate();
    let mut in_paths = || {
        paths.find_map(|(at, path)| {
            let mut steps = list(path, "subpaths").iter().enumerate();
            let step = |(at, step)| Some(missing(step, "next_product_reference")?.below(at).below("subpaths"));
            let fault = missing(path, "beginning_product_reference").or_else(|| steps.find_map(step))?;
            Some(fault.below(at).below("product_paths"))
        })
    };
    in_relationships.or_else(&mut in_paths)
}

/// 6.1.2: no product id is defined twice.
pub fn defined_once(facts: &Facts<'_>) -> Option<Fault> {
    let mut seen = vec![false; facts.names.len()];
    facts.names.iter().find_map(|named| {
        let id = text(named.value, "product_id");
        let slot = seen.get_mut(facts.product(id)? as usize)?;
        let again = std::mem::replace(slot, true);
        again.then(|| facts.at_name(named, Fault::here(format!("the product '{id}' is defined again"))))
    })
}

/// 6.1.4: every group id that is referred to is defined.
pub fn groups_defined(facts: &Facts<'_>) -> Option<Fault> {
    let missing = |holder: &Value| {
        let mut ids = list(holder, "group_ids").iter().filter_map(Value::as_str);
        let id = ids.find(|id| facts.group(id).is_none())?;
        Some(Fault::here(format!("the group '{id}' is not defined")).below("group_ids"))
    };
    let mut notes = list(facts.head(), "notes").iter().enumerate();
    let in_notes = notes.find_map(|(at, note)| Some(missing(note)?.below(at).below("notes").below("document")));
    in_notes.or_else(|| {
        facts.in_vulnerabilities(|vulnerability| {
            REFERRING.iter().find_map(|(name, _)| {
                let mut items = list(vulnerability, name).iter().enumerate();
                items.find_map(|(at, item)| Some(missing(item)?.below(at).below(name)))
            })
        })
    })
}

/// 6.1.5: no group id is defined twice.
pub fn groups_defined_once(facts: &Facts<'_>) -> Option<Fault> {
    let ids = list(facts.tree(), "product_groups").iter().map(|group| text(group, "group_id"));
    let (at, id) = first_twice(ids.filter(|id| !id.is_empty()))?;
    Some(
        Fault::here(format!("the group '{id}' is defined again"))
            .below(at)
            .below("product_groups")
            .below("product_tree"),
    )
}

/// The first text that was there before, and where.
pub fn first_twice<'a>(texts: impl Iterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    let mut seen = std::collections::HashSet::new();
    texts.enumerate().find(|(_, text)| !seen.insert(*text))
}

/// The lists of `product_status`, and of which kind each is; `recommended` may hold products of any.
pub const STATUSES: &[(&str, u8)] = &[
    ("first_affected", AFFECTED),
    ("known_affected", AFFECTED),
    ("last_affected", AFFECTED),
    ("known_not_affected", NOT_AFFECTED),
    ("first_fixed", FIXED),
    ("fixed", FIXED),
    ("under_investigation", 8),
    ("unknown", 16),
    ("recommended", 0),
];
/// See [`STATUSES`].
pub const AFFECTED: u8 = 1;
/// See [`STATUSES`].
pub const NOT_AFFECTED: u8 = 2;
/// See [`STATUSES`].
pub const FIXED: u8 = 4;

/// The kinds of status of each product of a vulnerability.
pub fn statuses<'a>(facts: &Facts<'a>, vulnerability: &'a Value) -> HashMap<Product, u8> {
    let mut found: HashMap<Product, u8> = HashMap::new();
    let Some(status) = vulnerability.get("product_status") else { return found };
    for (name, kind) in STATUSES.iter().filter(|(_, kind)| *kind > 0) {
        for product in facts.products(status, name) {
            *found.entry(product).or_default() |= kind;
        }
    }
    found
}

/// 6.1.6: no product has statuses of two kinds in one vulnerability.
pub fn contradictions(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let status = vulnerability.get("product_status")?;
        let kinds = STATUSES.iter().filter(|(name, kind)| *kind > 0 && status.get(*name).is_some());
        // Most vulnerabilities have one kind alone.
        if kinds.fold(0, |all, (_, kind)| all | kind).count_ones() < 2 {
            return None;
        }
        let found = statuses(facts, vulnerability);
        let (product, _) = found.iter().filter(|(_, kinds)| kinds.count_ones() > 1).min()?;
        let id = facts
            .names
            .iter()
            .map(|named| text(named.value, "product_id"))
            .find(|id| facts.product(id) == Some(*product));
        let id = id.unwrap_or_default();
        Some(Fault::here(format!("the statuses of product '{id}' contradict each other")).below("product_status"))
    })
}

/// The first full product name that a function finds a fault with in its `product_identification_helper`.
fn in_helpers<'a>(facts: &Facts<'a>, fault: impl Fn(&'a Value) -> Option<Fault>) -> Option<Fault> {
    facts.names.iter().find_map(|named| {
        let fault = fault(named.value.get(HELPER)?)?;
        Some(facts.at_name(named, fault.below(HELPER)))
    })
}

const HELPER: &str = "product_identification_helper";

/// Types of package URLs that have no namespace.
const WITHOUT_NAMESPACE: &[&str] =
    &["bitnami", "cargo", "conda", "cran", "gem", "hackage", "nuget", "oci", "pub", "pypi"];

/// 6.1.13: a package URL has the parts that it needs.
pub fn packages(facts: &Facts<'_>) -> Option<Fault> {
    in_helpers(facts, |helper| {
        let one = helper.get("purl").and_then(Value::as_str).into_iter();
        let all = one.chain(list(helper, "purls").iter().filter_map(Value::as_str));
        all.filter(|url| !is_sound_package(url)).map(|url| Fault::here(format!("'{url}' is not a package URL"))).next()
    })
}

fn is_sound_package(url: &str) -> bool {
    let Some((kind, rest)) = url.strip_prefix("pkg:").and_then(|rest| rest.split_once('/')) else { return false };
    let path = without_qualifiers(rest);
    // The version comes behind the last `@`; one in the namespace is written `%40`, yet many write it plainly.
    let path = path.rsplit_once('@').map_or(path, |(path, version)| if version.contains('/') { rest } else { path });
    let mut parts = path.trim_matches('/').rsplit('/');
    let name = parts.next().unwrap_or_default();
    let lonely = WITHOUT_NAMESPACE.iter().any(|one| one.eq_ignore_ascii_case(kind));
    words::is_package(url) && !name.is_empty() && !(lonely && parts.next().is_some())
}

/// A package URL without its qualifiers and what is below.
fn without_qualifiers(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// 6.1.42: the package URLs of one product differ in their qualifiers alone.
pub fn packages_alike(facts: &Facts<'_>) -> Option<Fault> {
    in_helpers(facts, |helper| {
        let mut urls = list(helper, "purls").iter().filter_map(Value::as_str).map(without_qualifiers);
        let first = urls.next()?;
        urls.any(|url| url != first).then(|| Fault::here("package URLs of different packages").below("purls"))
    })
}

/// 6.1.25: each file has one hash by each algorithm.
pub fn algorithms_once(facts: &Facts<'_>) -> Option<Fault> {
    in_helpers(facts, |helper| {
        let mut files = list(helper, "hashes").iter().enumerate();
        files.find_map(|(at, file)| {
            let names = list(file, "file_hashes").iter().map(|hash| text(hash, "algorithm").to_ascii_lowercase());
            let names: Vec<String> = names.collect();
            let (_, name) = first_twice(names.iter().map(String::as_str))?;
            Some(Fault::here(format!("two hashes by {name}")).below("file_hashes").below(at).below("hashes"))
        })
    })
}

/// Algorithms and the length of their hashes in hexadecimal digits.
const LENGTHS: &[(&str, usize)] = &[
    ("md5", 32),
    ("sha1", 40),
    ("sha224", 56),
    ("sha256", 64),
    ("sha384", 96),
    ("sha512", 128),
    ("sha3-224", 56),
    ("sha3-256", 64),
    ("sha3-384", 96),
    ("sha3-512", 128),
];

/// 6.1.63: a hash is as long as its algorithm makes it; of those that we know.
pub fn hash_lengths(facts: &Facts<'_>) -> Option<Fault> {
    in_helpers(facts, |helper| {
        let hashes = list(helper, "hashes").iter().flat_map(|file| list(file, "file_hashes"));
        let mut pairs = hashes.map(|hash| (text(hash, "algorithm"), text(hash, "value").len()));
        let (name, length) =
            pairs.find(|(name, length)| LENGTHS.iter().any(|(known, right)| known == name && right != length))?;
        Some(Fault::here(format!("a hash by {name} of {length} digits")).below("hashes"))
    })
}

/// 6.1.43: a model number has one star at most.
pub fn model_stars(facts: &Facts<'_>) -> Option<Fault> {
    stars(facts, "model_numbers")
}

/// 6.1.44: a serial number has one star at most.
pub fn serial_stars(facts: &Facts<'_>) -> Option<Fault> {
    stars(facts, "serial_numbers")
}

/// 6.1.61: a stock keeping unit has one star at most.
pub fn unit_stars(facts: &Facts<'_>) -> Option<Fault> {
    stars(facts, "skus")
}

fn stars(facts: &Facts<'_>, name: &'static str) -> Option<Fault> {
    in_helpers(facts, |helper| {
        let mut texts = list(helper, name).iter().enumerate().filter_map(|(at, text)| Some((at, text.as_str()?)));
        let (at, text) = texts.find(|(_, text)| unescaped_stars(text) > 1)?;
        Some(Fault::here(format!("'{text}' has more than one star")).below(at).below(name))
    })
}

fn unescaped_stars(text: &str) -> usize {
    let (mut count, mut escaped) = (0, false);
    for c in text.chars() {
        count += usize::from(c == '*' && !escaped);
        escaped = c == '\\' && !escaped;
    }
    count
}

/// The first branch that a function finds a fault with.
fn in_branches<'a>(facts: &Facts<'a>, fault: impl Fn(usize, &Branch<'a>) -> Option<Fault>) -> Option<Fault> {
    let mut branches = facts.branches.iter().enumerate();
    branches.find_map(|(at, branch)| Some(facts.at_branch(at, fault(at, branch)?)))
}

/// Words of a range.
const RANGE_WORDS: &[&str] = &["after", "all", "before", "earlier", "later", "prior", "versions"];

/// 6.1.31: what is called a version is not a range.
pub fn ranges(facts: &Facts<'_>) -> Option<Fault> {
    in_branches(facts, |_, branch| {
        let name = text(branch.value, "name");
        let in_words =
            || name.split_whitespace().any(|word| RANGE_WORDS.iter().any(|one| one.eq_ignore_ascii_case(word)));
        let is_range = text(branch.value, "category") == "product_version" && (name.contains(['<', '>']) || in_words());
        is_range.then(|| Fault::here(format!("the version '{name}' is a range")).below("name"))
    })
}

/// 6.1.34: branches are not nested too deeply.
pub fn depth(facts: &Facts<'_>) -> Option<Fault> {
    in_branches(facts, |_, branch| {
        (branch.depth > DEPTH_MAX).then(|| Fault::here(format!("more than {DEPTH_MAX} branches above one another")))
    })
}

/// 6.1.57: on the way to a product each category comes once, but for families.
pub fn stacked(facts: &Facts<'_>) -> Option<Fault> {
    let again = |facts: &Facts<'_>, branch: &Branch<'_>| {
        let categories = ways(facts, branch).filter(|category| *category != "product_family");
        first_twice(categories).map(|(_, category)| category.to_owned())
    };
    in_branches(facts, |_, branch| {
        branch.value.get("product")?;
        Some(Fault::here(format!("more than one '{}' on the way to it", again(facts, branch)?)))
    })
}

/// 6.1.58: a version and a range of versions are not on the way to the same product.
pub fn version_and_range(facts: &Facts<'_>) -> Option<Fault> {
    in_branches(facts, |_, branch| {
        branch.value.get("product")?;
        let has = |wanted: &str| ways(facts, branch).any(|category| category == wanted);
        (has("product_version") && has("product_version_range"))
            .then(|| Fault::here("a version and a range of versions on the way to it"))
    })
}

/// The categories of a branch and of those above it: as many as JSON is deep at most.
fn ways<'a>(facts: &Facts<'a>, branch: &Branch<'a>) -> impl Iterator<Item = &'a str> {
    let mut next = Some((branch.value, branch.above));
    std::iter::from_fn(move || {
        let (value, above) = next?;
        next = above.map(|at| (facts.branches[at].value, facts.branches[at].above));
        Some(text(value, "category"))
    })
}
