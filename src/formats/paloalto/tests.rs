#![allow(clippy::unwrap_used)]

use serde_json::json;
use url::Url;

use super::*;
use crate::formats::walk::{Answer, Batch, Start, Step, Walk};
use crate::http::{Meta, Page};
use crate::model::clock::Timestamp;
use crate::model::health::Validators;

fn read(document: &Value) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://vendor.example/json").unwrap();
    parse(document.to_string().as_bytes(), &Origin::of(&url, Some("application/json")))
}

fn entry(id: &str, updated: &str) -> Value {
    json!({"ID": id, "title": format!("Flaw {id}"), "date": "2099-01-01T16:00:00Z", "updated": updated, "severity": "HIGH", "product": ["PAN-OS"],
        "version": ["PAN-OS 99.1"], "affected": ["< 99.1.5"], "problem": [{"value": "A flaw."}]})
}

fn record_of(id: &str) -> Value {
    json!({"cveMetadata": {"cveId": id, "state": "PUBLISHED"}, "containers": {"cna": {"title": format!("Record {id}"), "descriptions": [{"value": "More."}]}}})
}

#[test]
fn wrong_types_cost_only_themselves() {
    let wild = json!([{"ID": "CVE-2099-0001", "title": 7, "product": null, "version": {"a": 1}, "affected": "x", "baseScore": "9.9.9",
        "problem": "text", "solution": [[]], "severity": 4, "date": 20_990_101}, {"ID": 5}, null, [], "x"]);
    let parsed = read(&wild).unwrap();
    assert_eq!((parsed.items.len(), parsed.dropped), (1, 4));
    assert_eq!((parsed.items[0].title.as_str(), parsed.items[0].severity), ("7", None));
    let wild = json!({"cveMetadata": {"cveId": "CVE-2099-0001"}, "containers": {"cna": {"affected": [null, {"product": 3, "versions": "all"}],
        "metrics": {"cvssV3_1": []}, "solutions": {"value": 4}, "problemTypes": [7], "timeline": null}}});
    let item = &read(&wild).unwrap().items[0];
    assert_eq!((item.products[0].product.as_str(), item.action.as_deref()), ("3", Some("4")));
}

#[test]
fn other_documents_are_not_the_list() {
    for other in [
        json!({}),
        json!({"cveMetadata": {}}),
        json!([{"id": "CVE-2099-0001"}]),
        json!({"cveMetadata": {"cveId": "../../x"}, "containers": {"cna": {}}}),
    ] {
        assert!(matches!(read(&other), Err(ParseError::NotThis { .. })), "{other}");
    }
    assert_eq!(read(&json!([])), Ok(Parsed::default()));
    let long: Vec<Value> = (0..10_001).map(|n| entry(&format!("CVE-2099-{n:05}"), "2099-01-01T16:00:00Z")).collect();
    assert_eq!(read(&Value::Array(long)).unwrap().items.len(), 10_000);
}

fn page(body: &Value) -> Answer {
    let meta = Meta {
        final_url: Url::parse("https://vendor.example/json").unwrap(),
        moved_to: None,
        validators: Validators::default(),
        max_age: None,
        next: None,
    };
    Answer::Page(Box::new(Page { body: body.to_string().into_bytes(), content_type: None, meta }))
}

/// Runs a walk; `answer` is asked for each path and query. What was asked for, and the batches.
fn run(
    cursor: Option<&str>,
    since: Option<i64>,
    answer: &dyn Fn(&str) -> Answer,
) -> Result<(Vec<String>, Vec<Batch>), ParseError> {
    let source = crate::formats::walk::tests::source("paloalto", "https://vendor.example/json?sort=-updated");
    let since = since.map(Timestamp::from_seconds);
    let mut walk: Box<dyn Walk> =
        walk::begin(&Start { source: &source, key: None, cursor, since, now: Timestamp::from_seconds(4_100_000_000) })?;
    let (mut asked, mut batches) = (Vec::new(), Vec::new());
    let mut next = Answer::Begin;
    for _ in 0..5_000 {
        next = match walk.next(next)? {
            Step::Fetch(request) => {
                let path = request.url.as_str().trim_start_matches("https://vendor.example").to_owned();
                asked.push(path.clone());
                answer(&path)
            }
            Step::Store(batch) => {
                batches.push(batch);
                Answer::Stored
            }
            Step::Done => return Ok((asked, batches)),
            Step::Download(..) | Step::Pause(_) | Step::Messages(_) | Step::Try(_) => {
                panic!("nothing is downloaded, and no rest is due")
            }
        };
    }
    panic!("the walk does not end");
}

fn titles(batches: &[Batch]) -> Vec<String> {
    batches.iter().flat_map(|batch| &batch.parsed.items).map(|item| item.title.clone()).collect()
}

#[test]
fn the_first_walk_reads_one_page_and_the_next_one_what_has_changed() {
    let first = json!([entry("CVE-2099-0002", "2099-02-02T00:00:00Z"), entry("CVE-2099-0001", "2099-01-01T00:00:00Z")]);
    let answer = |path: &str| match path.strip_prefix("/json/") {
        Some(id) => page(&record_of(id)),
        None => page(&first),
    };
    let (asked, batches) = run(None, None, &answer).unwrap();
    assert_eq!(asked, ["/json?sort=-updated", "/json/CVE-2099-0001", "/json/CVE-2099-0002"]);
    assert_eq!(titles(&batches), ["Record CVE-2099-0001", "Record CVE-2099-0002"]);
    // The list knows when it was last changed, and how severe the vendor finds it.
    assert!(batches[0].parsed.items.iter().all(|item| item.updated.is_some() && item.severity.is_some()));
    let cursor = batches.last().unwrap().cursor.clone().unwrap();

    let (asked, batches) = run(Some(&cursor), None, &answer).unwrap();
    assert_eq!((asked.len(), batches.len()), (1, 0), "nothing has changed");

    let newer = json!([entry("CVE-2099-0001", "2099-03-03T00:00:00Z"), entry("CVE-2099-0002", "2099-02-02T00:00:00Z")]);
    let answer = |path: &str| match path.strip_prefix("/json/") {
        Some("CVE-2099-0001") => Answer::Missing,
        Some(_) => panic!("{path} was read before"),
        None => page(&newer),
    };
    let (_, batches) = run(Some(&cursor), None, &answer).unwrap();
    assert_eq!(titles(&batches), ["Flaw CVE-2099-0001"], "the list's own words, where there is no record");
}

#[test]
fn an_import_turns_pages_until_all_is_older() {
    let answer = |path: &str| match path {
        "/json?sort=-updated" => page(&json!([entry("CVE-2099-0003", "2099-03-01T00:00:00Z")])),
        "/json?sort=-updated&page=2" => page(&json!([entry("CVE-2099-0002", "2099-02-01T00:00:00Z")])),
        "/json?sort=-updated&page=3" => page(&json!([entry("CVE-2099-0001", "1999-01-01T00:00:00Z")])),
        path => page(&record_of(path.strip_prefix("/json/").unwrap())),
    };
    let (asked, batches) = run(None, Some(4_000_000_000), &answer).unwrap();
    assert_eq!(asked.len(), 5, "{asked:?}");
    assert_eq!(titles(&batches), ["Record CVE-2099-0002", "Record CVE-2099-0003"]);
    assert!(batches.iter().all(|batch| batch.cursor.is_none()));
}

#[test]
fn history_that_comes_into_view_is_not_news() {
    let list: Vec<Value> = (0..250)
        .map(|n| entry(&format!("CVE-2098-{n:04}"), &format!("2098-01-01T{:02}:{:02}:00Z", n / 60, n % 60)))
        .collect();
    let answer = |path: &str| path.strip_prefix("/json/").map_or_else(|| page(&json!(list)), |id| page(&record_of(id)));
    let (_, batches) = run(None, None, &answer).unwrap();
    assert_eq!(titles(&batches).len(), 200, "the newest of a long page");
    assert!(batches.iter().all(|batch| batch.parsed.repairs.is_empty()));
    let cursor = batches.last().unwrap().cursor.clone().unwrap();
    let (asked, _) = run(Some(&cursor), None, &answer).unwrap();
    assert_eq!(asked.len(), 1, "what the first walk left out stays history");

    // One advisory is taken off the list, so that an older one moves up.
    let mut shifted = list[1..].to_vec();
    shifted.push(entry("CVE-2097-0001", "2097-01-01T00:00:00Z"));
    let answer = |path: &str| if path.starts_with("/json/") { panic!("{path}") } else { page(&json!(shifted)) };
    assert!(run(Some(&cursor), None, &answer).unwrap().1.is_empty());
}

#[test]
fn endless_pages_end_and_bad_records_are_told() {
    let answer = |path: &str| match path.strip_prefix("/json/") {
        Some(_) => page(&json!("<html>")),
        None => {
            let number = path.rsplit_once("page=").map_or("1", |(_, number)| number);
            let entries = (0..60).map(|n| entry(&format!("CVE-2099-{number:0>2}{n:02}"), "2099-01-01T00:00:00Z"));
            page(&Value::Array(entries.collect()))
        }
    };
    let (asked, batches) = run(Some("{\"CVE-2098-0001\": \"x\"}"), None, &answer).unwrap();
    assert_eq!(asked.iter().filter(|path| path.contains("sort")).count(), 8);
    assert_eq!(titles(&batches).len(), 200);
    assert!(batches.iter().all(|batch| batch.parsed.items.len() <= 25 && !batch.parsed.repairs.is_empty()));
    assert!(matches!(run(None, None, &|_| page(&json!([]))), Err(ParseError::Changed { .. })));
    assert!(matches!(run(None, None, &|_| page(&json!({"error": 1}))), Err(ParseError::NotThis { .. })));
}
