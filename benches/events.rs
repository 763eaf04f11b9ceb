//! Which recorded items become one advisory, beside labels that say which speak of one event: precision and recall over
//! pairs.
//!
//! `cargo bench --bench events`. `CORPUS=folder` names the recordings, `LABELS=file` other labels of the same form,
//! `LIST=1` shows every pair that is wrong. The items come in several orders, and the advisories have to be the same.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rattlewatch::config::sources::{self, Known, Source};
use rattlewatch::formats::{self, Origin};
use rattlewatch::jobs::{evaluate, ingest};
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::draft::Draft;
use rattlewatch::pipeline::{normalize, tag};
use rattlewatch::platforms::{Catalog, Matcher};
use rattlewatch::store::{Location, Store, items};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;
/// 2025-08-25, the day of the catalog's recording, in microseconds UTC.
const START: i64 = 20_325 * DAY;
/// CVE records of one document.
const RECORDS: usize = 500;

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::env::var_os("CORPUS").map_or(here.join("../shared/corpus"), PathBuf::from);
    if !corpus.is_dir() {
        println!("SKIPPED: there is no folder {}; name one with CORPUS", corpus.display());
        return;
    }
    let labels = std::env::var_os("LABELS").map_or(here.join("benches/events/labels.tsv"), PathBuf::from);
    let labels = evaluate::labels(&std::fs::read_to_string(labels).unwrap()).unwrap();
    let reader = Reader::new();
    let documents = [reader.records(&corpus), reader.catalog(&corpus), reader.csaf(&corpus), reader.feed(&corpus)];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]];
    let mut first: Option<BTreeSet<BTreeSet<String>>> = None;
    for order in orders {
        let begun = Instant::now();
        let all: Vec<Vec<Draft>> = order.iter().flat_map(|source| documents[*source].clone()).collect();
        let count: usize = all.iter().map(Vec::len).sum();
        let (agreement, made) = stored(all, labels.clone());
        println!(
            "order {order:?}: {count} items in {:.1} s, {} advisories; {} labels stored, {} not",
            begun.elapsed().as_secs_f64(),
            made.len(),
            agreement.found,
            agreement.missing.len()
        );
        println!(
            "  pairs: {} right, {} wrongly joined, {} wrongly parted; precision {:.4}, recall {:.4}",
            agreement.right,
            agreement.wrong.len(),
            agreement.parted.len(),
            agreement.precision(),
            agreement.recall()
        );
        match &first {
            None => {
                show(&agreement);
                first = Some(made);
            }
            Some(first) => {
                println!("  {} of its advisories are not those of the first order", made.difference(first).count())
            }
        }
    }
}

fn show(agreement: &evaluate::Agreement) {
    if std::env::var_os("LIST").is_none() {
        return;
    }
    for (what, pairs) in [("joined", &agreement.wrong), ("parted", &agreement.parted)] {
        for (one, two) in pairs {
            println!("  wrongly {what}: {one} / {two}");
        }
    }
    for item in &agreement.missing {
        println!("  not stored: {item}");
    }
}

/// Stores the documents one after the other, and tells how they agree with the labels and which items came together.
fn stored(documents: Vec<Vec<Draft>>, labels: evaluate::Labels) -> (evaluate::Agreement, BTreeSet<BTreeSet<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(folder.path().join("events.db"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&location).await.unwrap();
        for (number, drafts) in documents.into_iter().enumerate() {
            let now = Timestamp(START + i64::try_from(number).unwrap());
            store.write(move |tx| ingest::drafts(tx, &drafts, false, now, &|id| id.0.clone())).await.unwrap();
        }
        let agreement = store.read(move |tx| evaluate::agreement(tx, &labels)).await.unwrap();
        let all = store.read(|tx| items::page(tx, 0, 1_000_000)).await.unwrap();
        let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, advisory, draft) in all {
            made.entry(advisory.0).or_default().insert(format!("{} {}", draft.source, draft.keys[0]));
        }
        (agreement, made.into_values().collect())
    })
}

struct Reader {
    sources: BTreeMap<String, Source>,
    matcher: Matcher,
}

impl Reader {
    fn new() -> Self {
        let entry = |id: &str, publisher: &str, format: &str| {
            format!(
                "[[source]]\nid = \"{id}\"\nname = \"{publisher}\"\npublisher = \"{publisher}\"\nkind = \"government\"\ncountry = \"US\"\n\
                 url = \"https://www.cisa.gov/{id}\"\nformat = \"{format}\"\nschedule = \"0 0 0 * * *\"\n"
            )
        };
        let list =
            [("cisa", "CISA", "feed"), ("kev", "CISA", "kev"), ("cve", "CVE Program", "cve"), ("csaf", "CISA", "csaf")];
        let names: Vec<&str> = list.iter().map(|(.., format)| *format).collect();
        let text: String = list.iter().map(|(id, publisher, format)| entry(id, publisher, format)).collect();
        let known = Known { formats: &names, platforms: None, check_selector: &|_| Ok(()) };
        let sources = sources::parse(&text, "the measurement", &known).unwrap();
        let sources = sources.into_iter().map(|source| (source.id.clone(), source)).collect();
        Self { sources, matcher: Matcher::new(&Catalog::built_in()) }
    }

    fn drafts(&self, id: &str, bytes: &[u8], day: i64) -> Vec<Draft> {
        let source = &self.sources[id];
        let Some(format) = formats::by_name(&source.format) else { return Vec::new() };
        let parsed = (format.parse)(bytes, &Origin::of(&source.url, None)).unwrap();
        let mut drafts = normalize::drafts(source, parsed.items, Timestamp(START + day * DAY));
        tag::all(&self.matcher, source, &mut drafts);
        drafts
    }

    /// The recorded CVE texts, as the records that they were cut from.
    fn records(&self, corpus: &Path) -> Vec<Vec<Draft>> {
        let packed = std::fs::read(corpus.join("cve/cve-2024-with-cpe.jsonl.gz")).unwrap();
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        let records = text.lines().map(|line| record(&serde_json::from_str(line).unwrap()));
        let drafts: Vec<Draft> =
            records.flat_map(|record| self.drafts("cve", record.to_string().as_bytes(), 0)).collect();
        drafts.chunks(RECORDS).map(<[Draft]>::to_vec).collect()
    }

    fn catalog(&self, corpus: &Path) -> Vec<Vec<Draft>> {
        vec![self.drafts("kev", &std::fs::read(corpus.join("kev/known_exploited_vulnerabilities.json")).unwrap(), 0)]
    }

    fn csaf(&self, corpus: &Path) -> Vec<Vec<Draft>> {
        let mut paths = Vec::new();
        collect(&corpus.join("csaf-cisa"), &mut paths);
        paths.retain(|path| {
            path.extension().is_some_and(|kind| kind == "json") && path.to_string_lossy().contains("icsa-")
        });
        paths.iter().map(|path| self.drafts("csaf", &std::fs::read(path).unwrap(), 0)).collect()
    }

    /// The feed as it was on each day.
    fn feed(&self, corpus: &Path) -> Vec<Vec<Draft>> {
        let mut paths = Vec::new();
        collect(&corpus.join("cisa-feed/daily"), &mut paths);
        let days = paths.iter().zip(2..);
        days.map(|(path, day)| self.drafts("cisa", &std::fs::read(path).unwrap(), day)).collect()
    }
}

fn record(recorded: &Value) -> Value {
    let affected: Vec<Value> = recorded["cpe"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|cpe| json!({"vendor": cpe["vendor"], "product": cpe["product"]}))
        .collect();
    let references: Vec<Value> =
        recorded["references"].as_array().into_iter().flatten().map(|url| json!({"url": url})).collect();
    json!({
        "dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {"cveId": recorded["cve"], "state": "PUBLISHED", "datePublished": recorded["published"],
            "dateUpdated": recorded["modified"], "assignerShortName": recorded["cna"]},
        "containers": {"cna": {"providerMetadata": {"shortName": recorded["cna"]}, "references": references, "affected": affected,
            "descriptions": [{"lang": "en", "value": recorded["description"]}]}},
    })
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() { collect(&entry.path(), paths) } else { paths.push(entry.path()) }
    }
    paths.sort();
}
