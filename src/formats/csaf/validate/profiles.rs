//! Tests of profiles (section 4): what a document of a category has to hold.

use std::collections::HashSet;

use serde_json::Value;

use super::document::is_english;
use super::facts::{Facts, list, text};
use super::{Fault, Versions};

const INCIDENT: &str = "csaf_security_incident_response";
const INFORMATION: &str = "csaf_informational_advisory";
const ADVISORY: &str = "csaf_security_advisory";
const OLD_ADVISORY: &str = "csaf_deprecated_security_advisory";
const VEX: &str = "csaf_vex";
const WITHDRAWN: &str = "csaf_withdrawn";
const SUPERSEDED: &str = "csaf_superseded";

/// The categories of both versions, and those that 2.1 adds.
const CATEGORIES: &[&str] = &["csaf_base", INCIDENT, INFORMATION, ADVISORY, VEX];
const CATEGORIES_21: &[&str] = &[OLD_ADVISORY, WITHDRAWN, SUPERSEDED, "csaf_vulnerability_report"];

/// Whether the document is of one of these categories, as its version has them.
fn is_of(facts: &Facts<'_>, categories: &[&str]) -> bool {
    let known = facts.version == Versions::TwoOne || !CATEGORIES_21.contains(&facts.category);
    known && categories.contains(&facts.category)
}

fn missing(bad: bool, pointer: &str, why: &str) -> Option<Fault> {
    bad.then(|| Fault::at(pointer, why))
}

/// 6.1.26: a category of one's own is not taken for one of the standard.
pub fn category(facts: &Facts<'_>) -> Option<Fault> {
    let own = facts.version == Versions::TwoOne;
    let known = || CATEGORIES.iter().chain(CATEGORIES_21.iter().filter(|_| own));
    if facts.category.is_empty() || known().any(|one| *one == facts.category) {
        return None;
    }
    let dashes = |c: char| c.is_whitespace() || matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{ff3f}');
    let bare = |name: &str| name.replace(dashes, "").to_lowercase();
    let written = bare(facts.category);
    let like =
        known().skip(1).map(|one| bare(one)).any(|one| one == written || one.strip_prefix("csaf") == Some(&written));
    let reserved = facts.category.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("csaf_"));
    let why = format!("the category '{}' looks like one of the standard", facts.category);
    (like || reserved).then(|| Fault::at("/document/category", why))
}

/// 6.1.27.1: an informational advisory, and a response to an incident, say something.
pub fn notes(facts: &Facts<'_>) -> Option<Fault> {
    let telling = |note: &Value| matches!(text(note, "category"), "description" | "details" | "general" | "summary");
    let silent = is_of(facts, &[INFORMATION, INCIDENT]) && !list(facts.head(), "notes").iter().any(telling);
    missing(silent, "/document/notes", "no description, details, general note or summary")
}

/// 6.1.27.2: the same refer to something.
pub fn references(facts: &Facts<'_>) -> Option<Fault> {
    // `external` is what a reference is that does not say (section 3.1.10.1).
    let external = |reference: &Value| text(reference, "category") != "self";
    let bare = is_of(facts, &[INFORMATION, INCIDENT]) && !list(facts.head(), "references").iter().any(external);
    missing(bare, "/document/references", "no external reference")
}

/// 6.1.27.3: an informational advisory has no vulnerabilities, nor has what was taken back.
pub fn no_vulnerabilities(facts: &Facts<'_>) -> Option<Fault> {
    let bad = is_of(facts, &[INFORMATION, WITHDRAWN, SUPERSEDED]) && facts.document.get("vulnerabilities").is_some();
    missing(bad, "/vulnerabilities", "vulnerabilities in a document that has none by its category")
}

/// 6.1.27.4: an advisory names products.
pub fn product_tree(facts: &Facts<'_>) -> Option<Fault> {
    let bare = is_of(facts, &[ADVISORY, VEX, OLD_ADVISORY]) && facts.document.get("product_tree").is_none();
    missing(bare, "/", "no 'product_tree'")
}

/// 6.1.27.11: an advisory names vulnerabilities.
pub fn vulnerabilities(facts: &Facts<'_>) -> Option<Fault> {
    let bare = is_of(facts, &[ADVISORY, VEX, OLD_ADVISORY]) && facts.document.get("vulnerabilities").is_none();
    missing(bare, "/", "no 'vulnerabilities'")
}

/// The first vulnerability of a document of these categories for which a function does not hold.
fn each(facts: &Facts<'_>, categories: &[&str], good: impl Fn(&Value) -> bool, why: &str) -> Option<Fault> {
    if !is_of(facts, categories) {
        return None;
    }
    facts.in_vulnerabilities(|vulnerability| (!good(vulnerability)).then(|| Fault::here(why)))
}

/// 6.1.27.5: each vulnerability of an advisory is described.
pub fn vulnerability_notes(facts: &Facts<'_>) -> Option<Fault> {
    each(facts, &[ADVISORY, VEX, OLD_ADVISORY], |one| one.get("notes").is_some(), "no 'notes'")
}

/// 6.1.27.6: each vulnerability of an advisory says what it affects.
pub fn product_status(facts: &Facts<'_>) -> Option<Fault> {
    each(facts, &[ADVISORY, OLD_ADVISORY], |one| one.get("product_status").is_some(), "no 'product_status'")
}

/// 6.1.27.7: a VEX document says whether products are affected.
pub fn vex_status(facts: &Facts<'_>) -> Option<Fault> {
    let names = ["fixed", "known_affected", "known_not_affected", "under_investigation"];
    let good = |one: &Value| {
        one.get("product_status").is_some_and(|status| names.iter().any(|name| status.get(name).is_some()))
    };
    each(facts, &[VEX], good, "no status of VEX")
}

/// 6.1.27.8: a VEX document names its vulnerabilities.
pub fn vex_id(facts: &Facts<'_>) -> Option<Fault> {
    each(facts, &[VEX], |one| one.get("cve").is_some() || one.get("ids").is_some(), "neither 'cve' nor 'ids'")
}

/// 6.1.27.12: each vulnerability of an advisory affects something.
pub fn affected(facts: &Facts<'_>) -> Option<Fault> {
    let good = |one: &Value| one.pointer("/product_status/known_affected").is_some();
    each(facts, &[ADVISORY], good, "no 'known_affected'")
}

/// 6.1.27.9: a VEX document says why a product is not affected.
pub fn impact(facts: &Facts<'_>) -> Option<Fault> {
    let impact = |threat: &&Value| text(threat, "category") == "impact";
    explained(facts, "known_not_affected", "why it is not affected", |vulnerability| {
        list(vulnerability, "flags").iter().chain(list(vulnerability, "threats").iter().filter(impact)).collect()
    })
}

/// 6.1.27.10: a VEX document says what to do about an affected product.
pub fn action(facts: &Facts<'_>) -> Option<Fault> {
    explained(facts, "known_affected", "what to do", |vulnerability| {
        list(vulnerability, "remediations").iter().collect()
    })
}

/// The first product with a status that no statement names.
fn explained<'a>(
    facts: &Facts<'a>,
    status: &'static str,
    what: &str,
    statements: impl Fn(&'a Value) -> Vec<&'a Value>,
) -> Option<Fault> {
    if !is_of(facts, &[VEX]) {
        return None;
    }
    facts.in_vulnerabilities(|vulnerability| {
        let mut named = HashSet::new();
        for statement in statements(vulnerability) {
            named.extend(facts.members(statement)?);
        }
        let ids = list(vulnerability.get("product_status")?, status).iter().enumerate();
        let mut ids = ids.filter_map(|(at, id)| Some((at, id.as_str()?)));
        // What the tree does not define, test 6.1.1 names.
        let (at, id) = ids.find(|(_, id)| facts.product(id).is_some_and(|product| !named.contains(&product)))?;
        Some(
            Fault::here(format!("of product '{id}' it is not said {what}"))
                .below(at)
                .below(status)
                .below("product_status"),
        )
    })
}

/// 6.1.27.14: what was taken back says why.
pub fn taken_back_notes(facts: &Facts<'_>) -> Option<Fault> {
    let described = list(facts.head(), "notes").iter().any(|note| text(note, "category") == "description");
    missing(is_of(facts, &[WITHDRAWN, SUPERSEDED]) && !described, "/document/notes", "no description")
}

/// 6.1.27.15: what was taken back names no products.
pub fn taken_back_tree(facts: &Facts<'_>) -> Option<Fault> {
    let bad = is_of(facts, &[WITHDRAWN, SUPERSEDED]) && facts.document.get("product_tree").is_some();
    missing(bad, "/product_tree", "products in a document that was taken back")
}

/// 6.1.27.16: what was taken back was there before.
pub fn taken_back_history(facts: &Facts<'_>) -> Option<Fault> {
    let fresh = list(facts.tracking(), "revision_history").len() < 2;
    let bad = is_of(facts, &[WITHDRAWN, SUPERSEDED]) && fresh;
    missing(bad, "/document/tracking/revision_history", "fewer than two revisions of what was taken back")
}

/// 6.1.27.17: an English document that was withdrawn says why in one note.
pub fn withdrawal(facts: &Facts<'_>) -> Option<Fault> {
    reasoning(facts, WITHDRAWN, "Reasoning for Withdrawal")
}

/// 6.1.27.18: the same for one that was replaced.
pub fn supersession(facts: &Facts<'_>) -> Option<Fault> {
    reasoning(facts, SUPERSEDED, "Reasoning for Supersession")
}

fn reasoning(facts: &Facts<'_>, category: &str, title: &str) -> Option<Fault> {
    let notes = list(facts.head(), "notes").iter().filter(|note| text(note, "title") == title);
    let categories: Vec<&str> = notes.map(|note| text(note, "category")).collect();
    let bad = is_of(facts, &[category]) && is_english(facts) && categories != ["description"];
    missing(bad, "/document/notes", &format!("not exactly one description with the title '{title}'"))
}

/// 6.1.27.19: an English document that was replaced says by which.
pub fn successor(facts: &Facts<'_>) -> Option<Fault> {
    let names =
        |one: &Value| text(one, "summary").starts_with("Superseding Document") && text(one, "category") == "external";
    let named = list(facts.head(), "references").iter().any(names);
    let bad = is_of(facts, &[SUPERSEDED]) && is_english(facts) && !named;
    missing(bad, "/document/references", "no external reference to the superseding document")
}
