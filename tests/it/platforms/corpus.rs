//! Text-only tagging against recorded truth: CPE names of CVE records and the names of the KEV catalog.
//!
//! Floors, not goals: some texts do not name the product at all. Run with `--nocapture` to see the figures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rattlewatch::model::platform::{Product, Role, Tag};
use rattlewatch::platforms::{Catalog, Category, TagInput};

use super::MATCHER;

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::built_in);

/// What was expected and what was said.
#[derive(Default)]
struct Score {
    right: usize,
    wrong: BTreeMap<String, usize>,
    missed: BTreeMap<String, usize>,
}

impl Score {
    fn add(&mut self, expected: &BTreeSet<String>, said: &BTreeSet<String>) {
        self.right += expected.intersection(said).count();
        for id in said.difference(expected) {
            *self.wrong.entry(id.clone()).or_default() += 1;
        }
        for id in expected.difference(said) {
            *self.missed.entry(id.clone()).or_default() += 1;
        }
    }

    /// Precision and recall; prints both and the worst platforms.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn report(&self, name: &str) -> (f64, f64) {
        let ratio = |others: &BTreeMap<String, usize>| {
            let right = self.right as f64;
            right / (right + others.values().sum::<usize>() as f64)
        };
        let worst = |counts: &BTreeMap<String, usize>| {
            let mut counts: Vec<_> = counts.iter().map(|(id, count)| (*count, id.clone())).collect();
            counts.sort_by(|a, b| b.cmp(a));
            counts.truncate(10);
            counts
        };
        let (precision, recall) = (ratio(&self.wrong), ratio(&self.missed));
        println!("{name}: right {}, precision {precision:.4}, recall {recall:.4}", self.right);
        println!("  wrong {:?}\n  missed {:?}", worst(&self.wrong), worst(&self.missed));
        (precision, recall)
    }
}

fn recorded(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(path);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn said(title: &str, text: &str, products: &[Product]) -> BTreeSet<String> {
    let tags = MATCHER.tag(&TagInput { title, text, products, ..TagInput::default() });
    let product = |tag: &Tag| CATALOG.get(&tag.platform.0).is_none_or(|platform| platform.category != Category::Vendor);
    tags.into_iter().filter(|tag| tag.role == Role::Affected && product(tag)).map(|tag| tag.platform.0).collect()
}

#[test]
fn texts_of_cve_records_say_what_their_cpe_names_say() {
    let Some(path) = recorded("cve/cve-2024-with-cpe.jsonl.gz") else { return };
    let Ok(unpacked) = std::process::Command::new("gzip").arg("-dc").arg(&path).output() else {
        eprintln!("SKIPPED: gzip is not installed, {} stays packed", path.display());
        return;
    };
    let mut score = Score::default();
    for line in String::from_utf8(unpacked.stdout).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = record["description"].as_str().unwrap_or_default();
        if text.trim().is_empty() {
            continue;
        }
        let affected = record["cpe"].as_array().unwrap().iter().filter(|cpe| cpe["vulnerable"] == true);
        let product = |cpe: &serde_json::Value| Product {
            cpe: format!("{}:{}", cpe["vendor"].as_str().unwrap(), cpe["product"].as_str().unwrap()),
            ..Product::default()
        };
        let products: Vec<Product> = affected.map(product).collect();
        score.add(&said("", "", &products), &said("", text, &[]));
    }
    let (precision, recall) = score.report("CVE 2024, text only");
    assert!(precision >= 0.95, "precision {precision}");
    assert!(recall >= 0.90, "recall {recall}");
}

#[test]
fn texts_of_the_kev_catalog_say_what_its_products_say() {
    let Some(path) = recorded("kev/known_exploited_vulnerabilities.json") else { return };
    let catalog: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut score = Score::default();
    let mut tagged = 0;
    for entry in catalog["vulnerabilities"].as_array().unwrap() {
        let field = |key: &str| entry[key].as_str().unwrap().to_owned();
        let product = Product {
            vendor: field("vendorProject"),
            product: field("product"),
            cpe: String::new(),
            ..Product::default()
        };
        let expected = said("", "", &[product]);
        tagged += usize::from(!expected.is_empty());
        score.add(&expected, &said(&field("vulnerabilityName"), &field("shortDescription"), &[]));
    }
    let (precision, recall) = score.report("KEV, text only");
    assert!(tagged > 800, "only {tagged} entries name a platform");
    assert!(precision >= 0.85, "precision {precision}: texts that also name a browser or a system");
    assert!(recall >= 0.98, "recall {recall}");
}
