//! A database that grows: 60,000 CVE records and 2,000 CSAF documents through every stage but mail, then records until
//! 300,000 advisories are stored, at which rate at which size; and what a page of search results takes then, beside the
//! full-text query alone.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

mod cve;
mod provider;

use std::time::{Duration, Instant};

use rattlewatch::model::search::Query;
use rattlewatch::model::severity::Severity;
use rattlewatch::store::listing::Filter;
use rattlewatch::store::{Location, Store, listing};
use support::http_server::{HttpServer, Reply};
use support::program::Program;

const RECORDS: usize = 60_000;
const DOCUMENTS: usize = 2_000;
/// Records stored between two measured steps, and of a measured step.
const BETWEEN: usize = 50_000;
const STEP: usize = 10_000;
const ALL: usize = 300_000;
/// Searches of each kind.
const SEARCHES: usize = 200;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let web = runtime.block_on(HttpServer::start());
    let provider = provider::provider(&web.url(""), DOCUMENTS, None);
    for (url, body) in provider {
        let path = url.strip_prefix(&web.url("")).unwrap().to_owned();
        web.route(&path, Reply::ok("application/json", body));
    }
    let program = || {
        let mut program = Program::new();
        let csaf = web.url("/provider-metadata.json");
        program.sources(&[("cve", "cve", "https://publisher.example/all.zip"), ("csaf", "csaf", &csaf)]);
        program
    };
    let (seconds, _) = records(&program(), 0..STEP);
    println!("{STEP} records into an empty database: {:.0} µs each", seconds * 1e6 / STEP as f64);
    let program = program();
    first(&program);
    grow(&program);
    let path = program.folder().join("data/rattlewatch.db");
    println!("the database has {:.0} MB", path.metadata().unwrap().len() as f64 / 1e6);
    runtime.block_on(search(&path));
}

/// Seconds of an import, and how many items it read.
fn import(program: &Program, arguments: &[&str]) -> (f64, u64) {
    let begun = Instant::now();
    let said = program.ok(&[&["import", "--json"], arguments].concat());
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    (begun.elapsed().as_secs_f64(), said["items"].as_u64().unwrap())
}

fn records(program: &Program, numbers: std::ops::Range<usize>) -> (f64, u64) {
    let path = program.folder().join("some.zip");
    cve::archive(&path, numbers);
    import(program, &["cve", "--file", path.to_str().unwrap()])
}

fn first(program: &Program) {
    let (csaf_seconds, documents) = import(program, &["csaf"]);
    let (cve_seconds, records) = records(program, 0..RECORDS);
    assert_eq!((documents, records), (DOCUMENTS as u64, RECORDS as u64));
    println!(
        "{DOCUMENTS} CSAF documents from loopback, with their hashes: {csaf_seconds:.1} s, {:.0}/s",
        documents as f64 / csaf_seconds
    );
    println!("{RECORDS} CVE records: {cve_seconds:.1} s, {:.0}/s", records as f64 / cve_seconds);
    println!("together: {:.0} items/s", (documents + records) as f64 / (csaf_seconds + cve_seconds));
}

/// The rate of ten thousand records at each size.
fn grow(program: &Program) {
    let mut stored = RECORDS;
    while stored < ALL {
        records(program, stored..stored + BETWEEN);
        stored += BETWEEN;
        let (seconds, _) = records(program, stored..stored + STEP);
        println!("{STEP} records after {stored}: {:.0} µs each", seconds * 1e6 / STEP as f64);
        stored += STEP;
    }
}

async fn search(path: &std::path::Path) {
    let store = Store::open(&Location::Sqlite(path.to_owned())).await.unwrap();
    let bare = rusqlite::Connection::open(path).unwrap();
    for (what, ranks) in [("frequent words", 1..20), ("usual words", 100..2_000), ("rare words", 10_000..29_000)] {
        let words = |n: usize| cve::word(ranks.start + n * (ranks.end - ranks.start) / SEARCHES);
        measure(&store, &bare, what, &words, None).await;
        let two = |n: usize| format!("{} {}", words(n), cve::word(3));
        measure(&store, &bare, &format!("{what} and one more"), &two, None).await;
    }
    let words = |n: usize| cve::word(100 + n);
    measure(&store, &bare, "usual words, rated high", &words, Some(Severity::High)).await;
    measure(&store, &bare, "an id", &|n| format!("CVE-2099-{}", 10_000 + n * 1_300), None).await;
}

/// Pages of fifty advisories; beside them what the shell of SQLite would take for the numbers of as many, and for them with
/// what is stored of each, unread.
async fn measure(
    store: &Store,
    bare: &rusqlite::Connection,
    what: &str,
    words: &dyn Fn(usize) -> String,
    severity: Option<Severity>,
) {
    const NUMBERS: &str = "SELECT rowid FROM advisory_words WHERE advisory_words MATCH ? ORDER BY rowid DESC LIMIT 50";
    let rows = format!(
        "SELECT r.body FROM ({NUMBERS}) f JOIN advisories a ON a.number = f.rowid
         JOIN revisions r ON r.advisory = a.id AND r.number = a.revision"
    );
    let (mut pages, mut numbers, mut bodies, mut found) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for n in 0..SEARCHES {
        let text = words(n);
        let quoted: Vec<String> =
            text.split_whitespace().map(|word| format!("words : \"{}\"", word.replace('-', " "))).collect();
        let quoted = quoted.join(" AND ");
        let filter = Filter { query: Query::parse(&text), severity, ..Filter::default() };
        let begun = Instant::now();
        found += store.read(move |tx| listing::select(tx, &filter, 50)).await.unwrap().len();
        pages.push(begun.elapsed());
        for (sql, times) in [(NUMBERS, &mut numbers), (rows.as_str(), &mut bodies)] {
            let begun = Instant::now();
            let mut query = bare.prepare_cached(sql).unwrap();
            let mut rows = query.query([&quoted]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                std::hint::black_box(row.get_ref(0).unwrap());
            }
            times.push(begun.elapsed());
        }
    }
    let milliseconds = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        [0.5, 0.99].map(|share| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3)
    };
    let [pages, numbers, bodies] = [&mut pages, &mut numbers, &mut bodies].map(milliseconds);
    println!(
        "{what:<32} {:>3} found; page {:.2} ms, {:.2} at the 99th percentile; FTS5 alone {:.2}, {:.2}; with the rows {:.2}, {:.2}",
        found / SEARCHES,
        pages[0],
        pages[1],
        numbers[0],
        numbers[1],
        bodies[0],
        bodies[1]
    );
}
