//! Labels of recorded items: which platforms each has to be tagged with. The labels are here, the texts in the recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use rattlewatch::model::platform::Product;
use rattlewatch::platforms::evaluation::Labeled;
use serde_json::Value;

const LABELS: &str = include_str!("../../benches/tagging/labels.tsv");

/// The recordings; nothing, loudly, where there are none.
pub fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = std::env::var_os("CORPUS").map_or(here, PathBuf::from);
    if !corpus.is_dir() {
        eprintln!("SKIPPED: there is no folder {}; name one with CORPUS", corpus.display());
        return None;
    }
    Some(corpus)
}

/// Every labeled item with its text. Each line of the labels is: id, platforms, platforms that the text alone tells.
pub fn labeled(corpus: &Path) -> Vec<Labeled> {
    let texts = texts(corpus);
    let lines = LABELS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let ids = |cell: &str| -> BTreeSet<String> {
                cell.split(',').filter(|id| !matches!(*id, "" | "-")).map(str::to_owned).collect()
            };
            let expected = ids(cells[1]);
            let expected_of_text = Some(if cells[2] == "=" { expected.clone() } else { ids(cells[2]) });
            let text = texts.get(cells[0]).unwrap_or_else(|| panic!("{} is not in the recordings", cells[0]));
            Labeled { expected, expected_of_text, ..text.clone() }
        })
        .collect()
}

fn texts(corpus: &Path) -> BTreeMap<String, Labeled> {
    let mut texts = BTreeMap::new();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let catalog = std::fs::read(corpus.join("kev/known_exploited_vulnerabilities.json")).expect("the KEV catalog");
    let catalog: Value = serde_json::from_slice(&catalog).expect("JSON");
    for entry in catalog["vulnerabilities"].as_array().into_iter().flatten() {
        let id = format!("KEV {}", text(entry, "cveID"));
        let product =
            Product { vendor: text(entry, "vendorProject"), product: text(entry, "product"), ..Product::default() };
        let (title, body) = (text(entry, "vulnerabilityName"), text(entry, "shortDescription"));
        texts.insert(id.clone(), Labeled { id, title, text: body, products: vec![product], ..Labeled::default() });
    }
    let packed = std::fs::read(corpus.join("cve/cve-2024-with-cpe.jsonl.gz")).expect("the CVE texts");
    let mut lines = String::new();
    flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut lines).expect("gzip");
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let (id, body) = (text(&record, "cve"), text(&record, "description"));
        let cpes = record["cpe"].as_array().into_iter().flatten().filter(|cpe| cpe["vulnerable"] != false);
        let cpe = |cpe: &Value| Product {
            cpe: format!("{}:{}", text(cpe, "vendor"), text(cpe, "product").replace(':', "\\:")),
            ..Product::default()
        };
        let products = cpes.map(cpe).collect();
        texts.insert(id.clone(), Labeled { id, text: body, products, ..Labeled::default() });
    }
    let items = std::fs::read_to_string(corpus.join("cisa-feed/items-2025.jsonl")).expect("the items of CISA");
    for line in items.lines() {
        let item: Value = serde_json::from_str(line).expect("JSON");
        let (id, title, body) = (text(&item, "url"), text(&item, "title"), text(&item, "summary"));
        texts.entry(id.clone()).or_insert(Labeled { id, title, text: body, ..Labeled::default() });
    }
    texts
}
