//! Recorded documents: CISA's tree of 2024, those of other publishers, and the cases of other validators. Run with
//! `--nocapture` to see the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rattlewatch::config::sources::{self, Known};
use rattlewatch::formats::walk::{self, Answer, Start, Step};
use rattlewatch::formats::{Origin, ParseError, by_name};
use rattlewatch::http::{Meta, Page};
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::health::Validators;
use rattlewatch::model::item::{Item, Parsed, Proof};
use serde_json::Value;
use url::Url;

use super::documents::{Plain, plainly};

fn corpus(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(part);
    if !path.exists() {
        eprintln!("SKIPPED: the recorded corpus {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn read(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://publisher.example/csaf/a.json").expect("an address");
    let format = by_name("csaf").expect("it is listed");
    let result = catch_unwind(AssertUnwindSafe(|| (format.parse)(bytes, &Origin::of(&url, None))));
    result.expect("a document made it panic")
}

/// What we made of a document, in the shape of the plain reading.
fn ours(item: &Item) -> Plain {
    let mut plain = Plain { cves: item.cves.iter().map(ToString::to_string).collect(), products: BTreeMap::new() };
    for product in &item.products {
        let status = serde_json::to_value(product.status).expect("a word").as_str().unwrap_or_default().to_owned();
        let versions: BTreeSet<String> =
            product.versions.split("; ").filter(|version| !version.is_empty()).map(str::to_owned).collect();
        plain.products.insert((product.vendor.clone(), product.product.clone(), status), versions);
    }
    plain
}

fn assert_alike(path: &Path, item: &Item, value: &Value) -> usize {
    let (found, plain) = (ours(item), plainly(value));
    assert_eq!(found.cves, plain.cves, "{path:?}");
    // The plain reading does not follow relationships.
    if value["product_tree"]["relationships"].is_array() {
        return 0;
    }
    let keys = |plain: &Plain| plain.products.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&plain), "{path:?}");
    for (told, versions) in &plain.products {
        if versions.len() <= 20 && !versions.iter().any(|version| version.contains("; ") || version.len() > 190) {
            assert_eq!(&found.products[told], versions, "{path:?} {told:?}");
        }
    }
    plain.products.len()
}

/// All of CISA's documents through a walk over its recorded `changes.csv`, each proved by its recorded hash.
#[test]
fn recorded_documents_of_cisa_are_proved_read_clean_and_as_a_plain_reading_finds_them() {
    let Some(root) = corpus("csaf-cisa") else { return };
    let mut items: Vec<Item> = Vec::new();
    for (part, count) in [("OT", 344), ("IT", 4)] {
        let host = "https://cisa.example/develop/csaf_files";
        let parsed = walked(&format!("{host}/{part}/white/changes.csv"), &|url| {
            let path = url.strip_prefix(host)?.trim_start_matches('/').to_owned();
            std::fs::read(root.join(path)).ok()
        });
        assert_eq!((parsed.items.len(), parsed.dropped), (count, 0), "{part}: {:?}", parsed.repairs);
        assert_eq!(parsed.repairs, Vec::<String>::new(), "{part}");
        items.extend(parsed.items);
    }
    let by_id: BTreeMap<&str, &Item> =
        items.iter().map(|item| (item.native_id.as_deref().expect("an id"), item)).collect();
    let (mut documents, mut compared, mut products, mut rated, mut linked) = (0, 0, 0, 0, 0);
    for path in files(&root).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")) {
        let value: Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
        let Some(id) = value["document"]["tracking"]["id"].as_str() else { continue };
        let item = by_id[id];
        assert_eq!(item.proof, Some(Proof::Hashed), "{path:?}");
        assert!(item.updated.is_some() && item.published.is_some() && !item.text.is_empty(), "{path:?}");
        let alike = assert_alike(&path, item, &value);
        products += alike;
        compared += usize::from(alike > 0);
        rated += usize::from(!item.scores.is_empty());
        linked += usize::from(item.url.as_deref().is_some_and(|url| url.starts_with("https://www.cisa.gov/")));
        documents += 1;
    }
    println!(
        "CISA: {documents} documents, {compared} compared, {products} products with status, {rated} rated, {linked} with CISA's own page"
    );
    assert_eq!(documents, 348);
    assert!(compared >= 330 && products >= 348 && rated >= 340 && linked >= 340, "{products} {rated} {linked}");
}

/// Walks all of `url`, answered by `file`.
fn walked(url: &str, file: &dyn Fn(&str) -> Option<Vec<u8>>) -> Parsed {
    let known = Known { formats: &["csaf"], platforms: None, check_selector: &|_| Ok(()) };
    let text = format!(
        "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"vendor\"\ncountry = \"US\"\nurl = \"{url}\"\nformat = \"csaf\"\nschedule = \"0 0 * * * *\"\n"
    );
    let source = sources::parse(&text, "test", &known).expect("a good source").remove(0);
    let now = Timestamp::from_seconds(1_790_000_000);
    let start = Start { source: &source, key: None, cursor: None, since: Some(Timestamp(0)), now };
    let mut walk = walk::begin(&start).expect("a walk");
    let (mut all, mut answer) = (Parsed::default(), Answer::Begin);
    loop {
        answer = match walk.next(answer).unwrap_or_else(|fault| panic!("{url}: {fault}")) {
            Step::Fetch(request) | Step::Try(request) => match file(request.url.as_str()) {
                None => Answer::Missing,
                Some(body) => {
                    let meta = Meta {
                        final_url: request.url,
                        moved_to: None,
                        validators: Validators::default(),
                        max_age: None,
                        next: None,
                    };
                    Answer::Page(Box::new(Page { body, content_type: None, meta }))
                }
            },
            Step::Store(batch) => {
                all.items.extend(batch.parsed.items);
                all.repairs.extend(batch.parsed.repairs);
                all.dropped += batch.parsed.dropped;
                Answer::Stored
            }
            Step::Done => return all,
            other => panic!("an unexpected step: {other:?}"),
        };
    }
}

#[test]
fn recorded_documents_of_other_publishers_are_read() {
    let Some(root) = corpus("formats") else { return };
    let mut read_count = 0;
    for folder in ["cert-bund", "cisco", "fortinet", "microsoft", "ncsc-csaf", "paloalto-csaf", "siemens-csaf"] {
        for path in files(&root.join(folder)) {
            let bytes = std::fs::read(&path).expect("a file");
            let Ok(value) = serde_json::from_slice::<Value>(&bytes) else { continue };
            if value["document"]["csaf_version"].is_null() {
                continue;
            }
            let parsed = read(&bytes).unwrap_or_else(|fault| panic!("{path:?}: {fault}"));
            let item = &parsed.items[0];
            for repair in &parsed.repairs {
                println!("  {repair}");
            }
            println!(
                "{}: {:?} {} CVEs, {} products, {} ratings, exploited {}, {:?}, {} repairs",
                path.strip_prefix(&root).expect("below it").display(),
                item.url,
                item.cves.len(),
                item.products.len(),
                item.scores.len(),
                item.exploited,
                item.action.as_deref().map(|action| action.chars().take(60).collect::<String>()),
                parsed.repairs.len()
            );
            assert!(item.native_id.is_some() && !item.title.is_empty(), "{path:?}");
            assert!(!item.products.is_empty() && item.updated.is_some(), "{path:?}");
            read_count += 1;
        }
    }
    assert!(read_count >= 9, "{read_count}");
}

/// What a case is there to show: the test that it fails, or keeps.
struct Case {
    test: String,
    path: PathBuf,
    sound: bool,
}

fn cases(root: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for version in ["2.0", "2.1"] {
        let folder = root.join(format!("csaf-rs/type-generator/assets/tests/csaf_{version}"));
        let Ok(bytes) = std::fs::read(folder.join("testcases.json")) else { continue };
        let list: Value = serde_json::from_slice(&bytes).expect("a list of cases");
        for test in list["tests"].as_array().into_iter().flatten().filter(|test| test["group"] == "mandatory") {
            for (kind, sound) in [("failures", false), ("valid", true)] {
                for case in test[kind].as_array().into_iter().flatten() {
                    let path = folder.join(case["name"].as_str().expect("a name"));
                    cases.push(Case { test: test["id"].as_str().expect("an id").to_owned(), path, sound });
                }
            }
        }
    }
    for path in files(&root.join("csaf-validator-lib/tests")) {
        let shown = path.display().to_string();
        let Some((_, rest)) = shown.split_once("mandatoryTest_") else { continue };
        let test = rest.split('/').next().expect("a name").replace('_', ".");
        let sound = rest.contains("/valid/");
        cases.push(Case { test, path, sound });
    }
    cases.retain(|case| case.path.exists());
    cases
}

/// Cases that keep their own test and break other rules: their names end so, and these are told.
const BREAK_OTHERS: &[(&str, &[&str])] = &[
    ("2_0-6-1-14-s11.json", &["6.1.21", "6.1.30"]),
    ("2_0-6-1-17-s13.json", &["6.1.19"]),
    ("2_0-6-1-17-s15.json", &["schema"]),
    ("2_0-6-1-21-s11.json", &["schema"]),
    ("2_0-6-1-21-s13.json", &["6.1.16", "6.1.30"]),
    ("2_0-6-1-27-07-s11.json", &["6.1.27.5", "6.1.27.8", "6.1.27.9", "6.1.27.10"]),
    ("2_0-6-1-27-08-s11.json", &["schema", "6.1.27.4", "6.1.27.5", "6.1.27.7"]),
    ("2_0-6-1-27-10-s11.json", &["6.1.27.5"]),
    ("2_0-6-1-27-10-s12.json", &["6.1.27.5"]),
    ("2_0-6-1-27-11-s12.json", &["6.1.27.5", "6.1.27.7"]),
    ("2_0-6-1-30-s11.json", &["6.1.16"]),
    ("2_1-6-1-14-s11.json", &["6.1.21", "6.1.30"]),
    ("2_1-6-1-14-s12.json", &["schema"]),
    ("2_1-6-1-17-s13.json", &["6.1.19"]),
    ("2_1-6-1-17-s15.json", &["schema"]),
    ("2_1-6-1-21-s11.json", &["schema"]),
    ("2_1-6-1-21-s13.json", &["6.1.16", "6.1.30"]),
    ("2_1-6-1-27-07-s11.json", &["6.1.27.5", "6.1.27.8", "6.1.27.9", "6.1.27.10"]),
    ("2_1-6-1-27-08-s11.json", &["6.1.27.4", "6.1.27.5", "6.1.27.7"]),
    ("2_1-6-1-27-10-s11.json", &["6.1.27.5"]),
    ("2_1-6-1-27-10-s12.json", &["6.1.27.5"]),
    ("2_1-6-1-27-11-s12.json", &["6.1.27.5", "6.1.27.7"]),
    ("2_1-6-1-27-19-s11.json", &["6.1.27.4", "6.1.27.11"]),
    ("2_1-6-1-30-s11.json", &["6.1.16"]),
    ("2_1-6-1-35-s11.json", &["6.1.36"]),
    ("valid-01.json", &["6.1.19"]),
    ("empty-relationships.json", &["schema"]),
];

/// Cases whose fault the schema has named before their test could.
const NAMED_BY_SCHEMA: &[&str] = &["2_0-6-1-24-s02.json", "2_1-6-1-24-s02.json"];

/// The rules that a document breaks: `schema`, and the numbers of tests.
fn broken(parsed: &Parsed) -> Vec<&str> {
    let told = parsed.repairs.iter().filter_map(|repair| repair.strip_prefix("not valid CSAF "));
    let rules = told.filter_map(|rest| rest.split_once(": ")?.1.split_once(',')).map(|(rule, _)| rule);
    rules.map(|rule| rule.trim_start_matches("test ")).collect()
}

/// Every case is read, sound or not. Each that fails a mandatory test is named, by that test; of the others none is but
/// those listed. The tests that the validator leaves out have no cases here.
#[test]
fn the_cases_of_other_validators_are_read_and_unsound_ones_named() {
    let Some(root) = corpus("csaf-cases") else { return };
    let (mut sound, mut unsound, mut listed) = (0, 0, 0);
    let mut faults = Vec::new();
    for case in cases(&root) {
        let parsed = read(&std::fs::read(&case.path).expect("a file"))
            .unwrap_or_else(|fault| panic!("{:?}: {fault}", case.path));
        let file = case.path.file_name().expect("a name").to_string_lossy();
        let told = broken(&parsed);
        let others = BREAK_OTHERS.iter().find(|(name, _)| file.ends_with(name));
        // A fault has the number of its test, or that of one below it, as 6.1.27 has.
        let hit = told.iter().any(|rule| *rule == case.test || rule.starts_with(&format!("{}.", case.test)));
        let good = match (case.sound, others) {
            (true, None) => told.is_empty(),
            (true, Some((_, rules))) => told == *rules,
            (false, _) => hit || (told == ["schema"] && NAMED_BY_SCHEMA.iter().any(|name| file.ends_with(name))),
        };
        sound += usize::from(case.sound && good);
        unsound += usize::from(!case.sound && good);
        listed += usize::from(case.sound && others.is_some());
        if !good {
            faults.push(format!("{file} (test {}, sound {}): {:?}", case.test, case.sound, parsed.repairs));
        }
    }
    let mut all = 0;
    for path in files(&root).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")) {
        all += usize::from(read(&std::fs::read(&path).expect("a file")).is_ok());
    }
    println!(
        "cases: {sound} sound for their test, {listed} of them broken otherwise; {unsound} unsound; {all} documents read in all"
    );
    assert!(faults.is_empty(), "{} cases:\n{}", faults.len(), faults.join("\n"));
    assert!(sound >= 89 && unsound >= 120 && listed == BREAK_OTHERS.len(), "{sound} {unsound} {listed}");
}
