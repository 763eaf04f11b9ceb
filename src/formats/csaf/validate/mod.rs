//! Whether a document keeps to the standard: the essentials of its schema and the mandatory tests (section 6.1).
//!
//! Documents are hostile: every test takes time in proportion to the document, what is counted out has bounds, and
//! nothing here panics. A document that breaks a rule is read all the same; the first fault of each test is told.

mod circles;
mod document;
mod facts;
mod history;
mod products;
mod profiles;
mod ratings;
mod remedies;
mod schema;
mod structure;
mod times;
mod words;

use std::fmt::Display;

use serde_json::Value;

use self::Versions::{Both, TwoOne};
use self::facts::Facts;
use super::notes::Notes;
use super::text_at;
use crate::formats::contained;
use crate::model::text;

/// Longest reason told, in characters.
const REASON_MAX: usize = 160;

/// Which versions of the standard something is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// CSAF 2.0.
    Two,
    /// CSAF 2.1.
    TwoOne,
    /// Either.
    Both,
}

impl Versions {
    fn holds(self, version: Self) -> bool {
        self == Both || self == version
    }
}

/// What breaks a rule, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The way to it, the last step first.
    path: Vec<String>,
    why: String,
}

impl Fault {
    /// A fault of the value that is looked at.
    pub fn here(why: impl Into<String>) -> Self {
        Self { path: Vec::new(), why: why.into() }
    }

    /// A fault at a JSON pointer.
    pub fn at(pointer: &str, why: impl Into<String>) -> Self {
        let steps = pointer.rsplit('/').filter(|step| !step.is_empty());
        Self { path: steps.map(str::to_owned).collect(), why: why.into() }
    }

    /// The same, seen from what holds the value as `step`.
    pub fn below(mut self, step: impl Display) -> Self {
        self.path.push(step.to_string());
        self
    }

    fn told(&self) -> String {
        let pointer: String = self.path.iter().rev().map(|step| format!("/{step}")).collect();
        format!("{} at {}", text::truncate(&self.why, REASON_MAX), if pointer.is_empty() { "/" } else { &pointer })
    }
}

/// A test: its first fault.
type Rule = fn(&Facts<'_>) -> Option<Fault>;

/// The mandatory tests.
///
/// Not here are, of 6.1.11, the name of a weakness, for which its list would be needed; and of the draft 2.1, tests
/// 6.1.27.13 (which version corresponds to which), 6.1.46 to 6.1.50 (SSVC, ranges), 6.1.54 and 6.1.59 and 6.1.60 (license
/// expressions, single versions as ranges, extensions), and those that its newest drafts added from 6.1.64 on.
const RULES: &[(&str, Versions, Rule)] = &[
    ("6.1.1", Both, products::defined),
    ("6.1.2", Both, products::defined_once),
    ("6.1.3", Both, circles::circles),
    ("6.1.4", Both, products::groups_defined),
    ("6.1.5", Both, products::groups_defined_once),
    ("6.1.6", Both, products::contradictions),
    ("6.1.7", Both, ratings::once),
    ("6.1.8", Both, ratings::sound),
    ("6.1.9", Both, ratings::computed),
    ("6.1.10", Both, ratings::consistent),
    ("6.1.12", Both, document::languages),
    ("6.1.13", Both, products::packages),
    ("6.1.14", Both, history::sorted),
    ("6.1.15", Both, document::translator),
    ("6.1.16", Both, history::latest),
    ("6.1.17", Both, history::draft),
    ("6.1.18", Both, history::released),
    ("6.1.19", Both, history::no_pre_release),
    ("6.1.20", Both, history::released_version),
    ("6.1.21", Both, history::gaps),
    ("6.1.22", Both, history::twice),
    ("6.1.23", Both, document::cves_once),
    ("6.1.24", Both, document::involvements_once),
    ("6.1.25", Both, products::algorithms_once),
    ("6.1.26", Both, profiles::category),
    ("6.1.27.1", Both, profiles::notes),
    ("6.1.27.2", Both, profiles::references),
    ("6.1.27.3", Both, profiles::no_vulnerabilities),
    ("6.1.27.4", Both, profiles::product_tree),
    ("6.1.27.5", Both, profiles::vulnerability_notes),
    ("6.1.27.6", Both, profiles::product_status),
    ("6.1.27.7", Both, profiles::vex_status),
    ("6.1.27.8", Both, profiles::vex_id),
    ("6.1.27.9", Both, profiles::impact),
    ("6.1.27.10", Both, profiles::action),
    ("6.1.27.11", Both, profiles::vulnerabilities),
    ("6.1.27.12", TwoOne, profiles::affected),
    ("6.1.27.14", TwoOne, profiles::taken_back_notes),
    ("6.1.27.15", TwoOne, profiles::taken_back_tree),
    ("6.1.27.16", TwoOne, profiles::taken_back_history),
    ("6.1.27.17", TwoOne, profiles::withdrawal),
    ("6.1.27.18", TwoOne, profiles::supersession),
    ("6.1.27.19", TwoOne, profiles::successor),
    ("6.1.28", Both, document::translation),
    ("6.1.29", Both, remedies::remediation_products),
    ("6.1.30", Both, history::mixed),
    ("6.1.31", Both, products::ranges),
    ("6.1.32", Both, remedies::flag_products),
    ("6.1.33", Both, remedies::flags_once),
    ("6.1.34", TwoOne, products::depth),
    ("6.1.35", TwoOne, remedies::contradictions),
    ("6.1.36", TwoOne, remedies::against_status),
    ("6.1.37", TwoOne, times::notation),
    ("6.1.38", TwoOne, document::greatest_group),
    ("6.1.39", TwoOne, document::public_group),
    ("6.1.40", TwoOne, document::group_name),
    ("6.1.41", TwoOne, document::group_of_name),
    ("6.1.42", TwoOne, products::packages_alike),
    ("6.1.43", TwoOne, products::model_stars),
    ("6.1.44", TwoOne, products::serial_stars),
    ("6.1.45", TwoOne, times::disclosure),
    ("6.1.51", TwoOne, times::epss),
    ("6.1.52", TwoOne, times::exploitation),
    ("6.1.53", TwoOne, times::exploitation_order),
    ("6.1.55", TwoOne, document::license),
    ("6.1.56", TwoOne, ratings::one_kind),
    ("6.1.57", TwoOne, products::stacked),
    ("6.1.58", TwoOne, products::version_and_range),
    ("6.1.61", TwoOne, products::unit_stars),
    ("6.1.62", TwoOne, times::discovery),
    ("6.1.63", TwoOne, products::hash_lengths),
];

/// Looks at a document of whatever version; what it breaks goes to `notes`, the first fault of each test.
pub fn check(document: &Value, notes: &mut Notes) {
    let name = text_at(document, "/document/csaf_version");
    let version = match name {
        "2.0" => Versions::Two,
        "2.1" => TwoOne,
        other => {
            let other = text::truncate(other, 20);
            notes.add(format!("its csaf_version is '{other}', not 2.0 or 2.1; it was read as far as it is alike"));
            return;
        }
    };
    let outcome = contained("CSAF", || Ok(faults(document, version)));
    for fault in outcome.unwrap_or_else(|_| vec!["the validator gave up on it".to_owned()]) {
        notes.add(format!("not valid CSAF {name}: {fault}"));
    }
}

/// The first fault of the schema, and of each test that fails.
fn faults(document: &Value, version: Versions) -> Vec<String> {
    let shape = structure::check(document, &schema::DOCUMENT, version).map(|fault| format!("schema, {}", fault.told()));
    let facts = Facts::new(document, version);
    let rules = RULES.iter().filter(|(_, versions, _)| versions.holds(version));
    let told = rules.filter_map(|(id, _, rule)| Some(format!("test {id}, {}", rule(&facts)?.told())));
    shape.into_iter().chain(told).collect()
}

/// Whether this is a `tracking.version` that comes before another: whole numbers, or semantic versions (section
/// 3.1.11). Absent where they are not of one kind (test 6.1.30 forbids to mix them). More lenient than the schema: vendors
/// write leading zeros.
pub fn older(version: &str, than: &str) -> Option<bool> {
    let number = |text: &str| (text.len() < 19).then(|| text.parse::<u64>().ok()).flatten();
    if let (Some(a), Some(b)) = (number(version), number(than)) {
        return Some(a < b);
    }
    let semantic = |text: &str| -> Option<([u64; 3], bool)> {
        let without_build = text.split('+').next()?;
        let (core, pre) = without_build.split_once('-').map_or((without_build, None), |(core, pre)| (core, Some(pre)));
        let mut parts = core.split('.');
        let core = [number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?];
        // A pre-release comes before its release; two of them are not compared.
        parts.next().is_none().then_some((core, pre.is_none()))
    };
    Some(semantic(version)? < semantic(than)?)
}

#[cfg(test)]
mod tests;
