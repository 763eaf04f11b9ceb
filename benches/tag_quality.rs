//! How surely platforms are tagged: recorded items beside labels of what each touches, by text alone and with products.
//!
//! `cargo bench --bench tag_quality` prints precision, recall and F1 and the worst platforms. `LIST=1` names each miss and
//! each false hit. The joined records are left in `target/tag-labels.jsonl` for `rattlewatch tag --evaluate`.

#[path = "../tests/support/labels.rs"]
mod labels;

use std::fmt::Write as _;
use std::path::Path;

use rattlewatch::platforms::evaluation::{Given, Labeled, evaluate};
use rattlewatch::platforms::{Catalog, Matcher};
use serde_json::json;

fn main() {
    let Some(corpus) = labels::corpus() else { return };
    let records = labels::labeled(&corpus);
    let catalog = Catalog::built_in();
    let matcher = Matcher::new(&catalog);
    for (name, given) in [("text alone", Given::Text), ("with products", Given::All)] {
        let found = evaluate(&matcher, &catalog, &records, given);
        let all = found.overall;
        println!(
            "{name}: {} records, {} of them without a platform; {} tags right, {} missed, {} false; precision {:.4}, recall {:.4}, F1 {:.4}",
            found.records,
            found.without,
            all.right,
            all.missed,
            all.wrong,
            all.precision(),
            all.recall(),
            all.f1()
        );
        for (id, score) in found.worst().into_iter().take(10) {
            println!("  {id:<28} {} right, {} missed, {} false", score.right, score.missed, score.wrong);
        }
        for fault in found.faults.iter().filter(|_| std::env::var_os("LIST").is_some()) {
            let piece = fault.tag.as_ref().and_then(|tag| tag.evidence.first());
            let why = piece.map(|piece| format!("'{}' as '{}'", piece.matched, piece.alias)).unwrap_or_default();
            println!(
                "  {} {}: {} {why}",
                if fault.tag.is_some() { "false " } else { "missed" },
                fault.platform,
                fault.id
            );
        }
    }
    keep(&records);
}

fn keep(records: &[Labeled]) {
    let mut lines = String::new();
    for record in records {
        let line = json!({
            "id": record.id, "title": record.title, "text": record.text, "products": record.products,
            "expected": record.expected, "expected_text": record.expected_of_text,
        });
        writeln!(lines, "{line}").expect("a string takes what it is given");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tag-labels.jsonl");
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, lines));
    match written {
        Ok(()) => println!("the records: target/tag-labels.jsonl"),
        Err(error) => println!("the records could not be kept: {error}"),
    }
}
