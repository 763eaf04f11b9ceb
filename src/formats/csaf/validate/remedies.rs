//! Tests of remediations and flags.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Fault;
use super::facts::{Facts, list, text};
use super::products::{AFFECTED, FIXED, NOT_AFFECTED, statuses};

/// 6.1.29: a remediation is for some product.
pub fn remediation_products(facts: &Facts<'_>) -> Option<Fault> {
    without_products(facts, "remediations")
}

/// 6.1.32: a flag is for some product.
pub fn flag_products(facts: &Facts<'_>) -> Option<Fault> {
    without_products(facts, "flags")
}

fn without_products(facts: &Facts<'_>, name: &'static str) -> Option<Fault> {
    let named = |item: &Value| item.get("product_ids").is_some() || item.get("group_ids").is_some();
    let (spot, _) = facts.each(name).find(|(_, item)| !named(item))?;
    Some(spot.fault("neither products nor groups are named"))
}

/// 6.1.33: no product has two flags in one vulnerability. All labels of flags are justifications of VEX.
pub fn flags_once(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let mut seen = HashSet::new();
        list(vulnerability, "flags").iter().enumerate().find_map(|(at, flag)| {
            // A product may be in a group and beside it.
            let members: HashSet<_> = facts.members(flag)?.into_iter().collect();
            let again = members.into_iter().filter(|product| !seen.insert(*product)).count();
            (again > 0).then(|| Fault::here("a product that has another flag").below(at).below("flags"))
        })
    })
}

/// The categories of remediations, each with a bit of its own.
fn bit(category: &str) -> u8 {
    match category {
        "workaround" => 1,
        "mitigation" => 2,
        "vendor_fix" => 4,
        "optional_patch" => 8,
        "none_available" => 16,
        "fix_planned" => 32,
        "no_fix_planned" => 64,
        _ => 0,
    }
}

/// Go with no other category.
const ALONE: u8 = 8 | 16;
/// Go not with one another: there is a fix, there will be one, there will be none.
const FIXES: u8 = 4 | 32 | 64;

/// The categories of remediations of each product of a vulnerability.
fn categories<'a>(facts: &Facts<'a>, vulnerability: &'a Value) -> Option<HashMap<u32, u8>> {
    let mut found: HashMap<u32, u8> = HashMap::new();
    for remediation in list(vulnerability, "remediations") {
        let bit = bit(text(remediation, "category"));
        for product in facts.members(remediation)? {
            *found.entry(product).or_default() |= bit;
        }
    }
    Some(found)
}

/// 6.1.35: the remediations of a product do not contradict each other.
pub fn contradictions(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let contradict = |bits: u8| (bits & FIXES).count_ones() > 1 || (bits & ALONE > 0 && bits.count_ones() > 1);
        let found = categories(facts, vulnerability)?;
        let bad = found.values().any(|bits| contradict(*bits));
        bad.then(|| Fault::here("remediations of one product contradict each other").below("remediations"))
    })
}

/// Kinds of status, and the categories of remediations that contradict them.
const AGAINST: &[(u8, u8)] = &[(AFFECTED, 8), (NOT_AFFECTED, 1 | 2 | 4 | 16), (FIXED, 1 | 2 | 4 | 16 | 32 | 64)];

/// 6.1.36: the remediations of a product do not contradict its status.
pub fn against_status(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let (found, statuses) = (categories(facts, vulnerability)?, statuses(facts, vulnerability));
        let bad = found.iter().any(|(product, bits)| {
            let status = statuses.get(product).copied().unwrap_or_default();
            AGAINST.iter().any(|(kind, against)| status & kind > 0 && bits & against > 0)
        });
        bad.then(|| Fault::here("a remediation contradicts the status of its product").below("remediations"))
    })
}
