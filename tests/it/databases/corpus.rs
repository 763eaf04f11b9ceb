//! Recorded answers of the real databases, where they are.

use std::path::{Path, PathBuf};

use rattlewatch::formats::{Origin, by_name};
use rattlewatch::model::item::Parsed;

fn corpus(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(part);
    if !path.exists() {
        eprintln!("SKIPPED: the recorded corpus {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn read(format: &str, path: &Path) -> Parsed {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let url = format!("https://publisher.example/{name}").parse().expect("an address");
    let bytes = std::fs::read(path).expect("it can be read");
    let origin = Origin::of(&url, None);
    let format = by_name(format).expect("it is listed");
    (format.parse)(&bytes, &origin).unwrap_or_else(|fault| panic!("{path:?}: {fault}"))
}

#[test]
fn recorded_cve_records_are_read() {
    let Some(folder) = corpus("formats/cve5") else { return };
    let (mut count, mut products, mut scores) = (0, 0, 0);
    for name in ["CVE-2022-0001", "CVE-2022-0002", "CVE-2023-0001", "CVE-2023-0002"] {
        let parsed = read("cve", &folder.join(format!("{name}.json")));
        let item = &parsed.items[0];
        assert!(!parsed.degraded() && item.native_id.as_deref() == Some(name), "{item:?}");
        assert!(!item.text.is_empty() && item.title.contains(name) && item.published.is_some(), "{item:?}");
        assert!(!item.text.contains("its vector gives"), "{}", item.text);
        (count, products, scores) = (count + 1, products + item.products.len(), scores + item.scores.len());
    }
    println!("cve: {count} records, {products} products, {scores} ratings");
    assert!(products >= 4 && scores >= 2);
}

#[test]
fn recorded_answers_of_the_nvd_are_read() {
    let Some(folder) = corpus("formats/nvd") else { return };
    let mut total = 0;
    for (name, count) in [("3_items-0-3", 3), ("3_pages-0-1", 1), ("empty-0-1", 0), ("ssvc_affected-0-1", 1)] {
        let parsed = read("nvd", &folder.join(format!("{name}.json")));
        assert_eq!((parsed.items.len(), parsed.degraded()), (count, false), "{name}");
        assert!(parsed.items.iter().all(|item| item.published.is_some() && !item.text.is_empty()), "{name}");
        assert!(parsed.items.iter().all(|item| !item.text.contains("its vector gives")), "{name}");
        total += count;
    }
    let log4j = read("nvd", &folder.join("ssvc_affected-0-1.json"));
    let item = &log4j.items[0];
    println!("nvd: {total} records; the largest has {} products, {} ratings", item.products.len(), item.scores.len());
    assert_eq!(item.scores.iter().map(|score| score.by.as_str()).collect::<Vec<_>>(), ["NVD", "ADP", "NVD"]);
    assert!(item.products.len() > 30 && item.exploited, "{}", item.products.len());
}

#[test]
fn recorded_epss_files_of_both_old_kinds_are_read() {
    let Some(folder) = corpus("formats/epss") else { return };
    for (day, whole) in [("2021-04-14", false), ("2021-09-01", true)] {
        let parsed = read("epss", &folder.join(format!("epss_scores-{day}.csv.gz")));
        let (stated, scores) = parsed.epss.expect("scores");
        println!("epss: {day}: {} scores, {} dropped, {:?}", scores.len(), parsed.dropped, parsed.repairs);
        assert_eq!((stated.as_str(), scores.len(), parsed.dropped, parsed.repairs.is_empty()), (day, 2, 0, whole));
    }
}

#[test]
fn recorded_answers_of_the_euvd_are_read() {
    let Some(folder) = corpus("formats/euvd") else { return };
    let search = read("euvd", &folder.join("0_100.json"));
    let single = read("euvd", &folder.join("EUVD-2025-0001.json"));
    let listed = read("eukev", &folder.join("eukev.json"));
    let products: usize = search.items.iter().map(|item| item.products.len()).sum();
    println!(
        "euvd: {} of a search with {products} products, {} single; eukev: {}",
        search.items.len(),
        single.items.len(),
        listed.items.len()
    );
    assert!(!search.items.is_empty() && !search.degraded() && !single.degraded() && !listed.degraded());
    assert!(search.items.iter().all(|item| item.updated.is_some() && !item.cves.is_empty()));
    assert_eq!(single.items[0].aliases, ["EUVD-2025-0001", "PYSEC-2025-1"]);
    assert_eq!(single.items[0].cves[0].as_str(), "CVE-2024-56374");
    assert_eq!(listed.items[0].published.map(|at| at.to_string()).as_deref(), Some("2025-01-17T00:00:00Z"));
}
