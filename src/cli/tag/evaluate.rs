//! `rattlewatch tag --evaluate`: how the tags agree with labels.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::table::Table;
use super::super::{Failure, Outcome, output};
use super::each_line;
use crate::model::platform::{Product, Tag};
use crate::platforms::evaluation::{Evaluation, Given, Labeled, Score, evaluate as compare};
use crate::platforms::{Catalog, Matcher};

/// Platforms of the table where not all are asked for.
const WORST: usize = 10;

/// One line of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    id: Value,
    title: String,
    text: String,
    products: Vec<Named>,
    #[serde(alias = "platforms")]
    expected: Option<BTreeSet<String>>,
    expected_text: Option<BTreeSet<String>>,
}

/// A product, or its `vendor:product` or `Vendor/Product` alone.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Pair(String),
    Whole(Product),
}

impl From<Named> for Product {
    fn from(named: Named) -> Self {
        match named {
            Named::Whole(product) => product,
            Named::Pair(pair) => match pair.split_once('/') {
                Some((vendor, product)) if !pair.starts_with("cpe:") && !vendor.contains(':') => {
                    Self { vendor: vendor.to_owned(), product: product.to_owned(), ..Self::default() }
                }
                _ => Self { cpe: pair, ..Self::default() },
            },
        }
    }
}

pub(super) fn evaluate(catalog: &Catalog, matcher: &Matcher, path: &Path, all: bool, as_json: bool) -> Outcome {
    let file = File::open(path).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
    let mut records = Vec::new();
    each_line(BufReader::new(file), |line: Line| {
        let Some(expected) = line.expected else {
            let id = line.id;
            return Err(Failure::Usage(format!("the record {id} says nothing of what is \"expected\"; [] is none")));
        };
        let id = line.id.as_str().map_or_else(|| line.id.to_string(), str::to_owned);
        let products = line.products.into_iter().map(Product::from).collect();
        let (title, text, expected_of_text) = (line.title, line.text, line.expected_text);
        records.push(Labeled { id, title, text, products, expected, expected_of_text });
        Ok(())
    })?;
    let given = [("text alone", Given::Text), ("with products", Given::All)];
    let found = given.map(|(name, given)| (name, compare(matcher, catalog, &records, given)));
    if as_json {
        output::json(&found.iter().map(|(name, found)| described(name, found)).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, found) in &found {
        show(name, found, all);
    }
    for (id, times) in &found[0].1.unknown {
        output::line(&format!("the catalog has no platform '{id}', which {times} labels name; they count as missed"));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, found: &Evaluation, all: bool) {
    let Score { right, missed, wrong } = found.overall;
    output::line(&format!(
        "{name}: {} records, {} of them without a platform; {right} tags right, {missed} missed, {wrong} false",
        found.records, found.without
    ));
    let (precision, recall, f1) = (found.overall.precision(), found.overall.recall(), found.overall.f1());
    output::line(&format!("  precision {precision:.4}, recall {recall:.4}, F1 {f1:.4}"));
    let mut table = Table::new(&["platform", "right", "missed", "false", "precision", "recall", "f1"]);
    let rows: Vec<(&str, Score)> = match all {
        true => found.platforms.iter().map(|(id, score)| (id.as_str(), *score)).collect(),
        false => found.worst().into_iter().take(WORST).collect(),
    };
    for (id, score) in &rows {
        table.row([
            (*id).to_owned(),
            score.right.to_string(),
            score.missed.to_string(),
            score.wrong.to_string(),
            format!("{:.3}", score.precision()),
            format!("{:.3}", score.recall()),
            format!("{:.3}", score.f1()),
        ]);
    }
    if !rows.is_empty() {
        output::raw(&table.render());
    }
    for fault in &found.faults {
        output::line(&match &fault.tag {
            None => format!("  missed {}: {}", fault.platform, fault.id),
            Some(tag) => format!("  false  {}: {} ({})", fault.platform, fault.id, why(tag)),
        });
    }
}

fn why(tag: &Tag) -> String {
    let said = |field| format!("{field:?}").to_lowercase();
    tag.evidence
        .first()
        .map(|piece| format!("'{}' in the {}, as '{}'", piece.matched, said(piece.field), piece.alias))
        .unwrap_or_default()
}

fn described(name: &str, found: &Evaluation) -> Value {
    let score = |score: &Score| {
        json!({"right": score.right, "missed": score.missed, "false": score.wrong,
            "precision": score.precision(), "recall": score.recall(), "f1": score.f1()})
    };
    let fault = |fault: &crate::platforms::evaluation::Fault| {
        let what = if fault.tag.is_some() { "false" } else { "missed" };
        json!({"id": fault.id, "platform": fault.platform, "fault": what, "evidence": fault.tag.as_ref().map(|tag| &tag.evidence)})
    };
    json!({
        "given": name, "records": found.records, "without": found.without, "overall": score(&found.overall),
        "platforms": found.platforms.iter().map(|(id, one)| (id.clone(), score(one))).collect::<serde_json::Map<_, _>>(),
        "faults": found.faults.iter().map(fault).collect::<Vec<_>>(), "unknown": found.unknown,
    })
}
