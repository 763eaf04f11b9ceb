#![allow(clippy::unwrap_used)]

use serde_json::json;
use url::Url;

use super::*;
use crate::formats::walk::{Answer, Batch, Start, Step};
use crate::http::{Meta, Page};
use crate::model::clock::Timestamp;
use crate::model::health::Validators;

fn read_text(document: &str) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://api.vendor.example/cvrf/v3.0/cvrf/2099-Jan").unwrap();
    parse(document.as_bytes(), &Origin::of(&url, None))
}

fn read(document: &Value) -> Result<Parsed, ParseError> {
    read_text(&document.to_string())
}

fn vulnerability(id: &str) -> Value {
    json!({"CVE": id, "Title": {"Value": format!("Flaw {id}")}, "RevisionHistory": [{"Date": "2099-01-13T08:00:00"}]})
}

fn month(ids: &[&str]) -> Value {
    json!({"DocumentTracking": {}, "Vulnerability": ids.iter().map(|id| vulnerability(id)).collect::<Vec<_>>()})
}

#[test]
fn wrong_types_cost_only_themselves() {
    let wild = json!({"DocumentTracking": 4, "ProductTree": {"FullProductName": [7, null, {"ProductID": 1, "Value": "One"}]}, "Vulnerability": [
        {"CVE": "CVE-2099-0001", "Title": 7, "Notes": null, "Threats": {"Type": 1, "Description": "Exploited:yes"},
         "ProductStatuses": [{"ProductID": 1, "Type": "3"}, {"ProductID": ["404"], "Type": 3}], "CVSSScoreSets": [{"BaseScore": "7.5", "Vector": 9}],
         "Remediations": [{"Type": 2, "Description": 9_900_101, "FixedBuild": ["x"]}], "CWE": "CWE-79", "RevisionHistory": ["x"]},
        {"CVE": "CVE-x"}, {"CVE": null}, 7, null]});
    let parsed = read(&wild).unwrap();
    assert_eq!((parsed.items.len(), parsed.dropped), (1, 4));
    assert_eq!(parsed.repairs, ["1 products are not in the document's product tree and were left out"]);
    let item = &parsed.items[0];
    assert!(item.exploited && item.products.len() == 1 && (item.scores[0].base - 7.5).abs() < 1e-9);
    assert_eq!(item.action.as_deref(), Some("Install KB9900101"));
}

#[test]
fn kb_numbers_never_make_one_advisory_of_two() {
    let fix = json!([{"Type": 2, "Description": {"Value": "9900101"}}]);
    let mut both = month(&["CVE-2099-0001", "CVE-2099-0002"]);
    for at in 0..2 {
        both["Vulnerability"][at]["Remediations"] = fix.clone();
    }
    let parsed = read(&both).unwrap();
    assert!(parsed.items.iter().all(|item| item.aliases.is_empty() && item.text.contains("KB9900101")));
    assert!(parsed.items.iter().all(|item| !item.title.contains("KB") && !item.url.as_ref().unwrap().contains("KB")));
    assert_ne!(parsed.items[0].url, parsed.items[1].url);
}

#[test]
fn other_documents_are_not_a_month() {
    assert_eq!(read_text("  "), Err(ParseError::Empty));
    let list = json!({"value": [{"ID": "2099-Jan", "CvrfUrl": "https://api.vendor.example/cvrf/2099-Jan"}]});
    for other in [
        "<!DOCTYPE html><title>Access Denied</title>",
        "{}",
        "[]",
        "{\"error\": \"x\"}",
        &list.to_string(),
        "Too many requests",
    ] {
        assert!(matches!(read_text(other), Err(ParseError::NotThis { .. })), "{other}");
    }
    assert!(matches!(read_text(&"[".repeat(100_000)), Err(ParseError::TooDeep { .. })));
    assert!(matches!(read_text(&"<a>".repeat(100_000)), Err(ParseError::TooDeep { .. })));
    assert!(matches!(read_text("{\"Vulnerability\": [{\"CVE\""), Err(ParseError::Unreadable { .. })));
    assert_eq!(read(&json!({"value": []})), Ok(Parsed::default()));
    assert_eq!(read(&month(&[])), Ok(Parsed::default()));
    let ids: Vec<String> = (0..10_001).map(|n| format!("CVE-2099-{n:05}")).collect();
    assert_eq!(read(&month(&ids.iter().map(String::as_str).collect::<Vec<_>>())).unwrap().items.len(), 10_000);
}

fn page(body: &Value) -> Answer {
    let meta = Meta {
        final_url: Url::parse("https://api.vendor.example/cvrf/v3.0/updates").unwrap(),
        moved_to: None,
        validators: Validators::default(),
        max_age: None,
        next: None,
    };
    Answer::Page(Box::new(Page { body: body.to_string().into_bytes(), content_type: None, meta }))
}

fn months(list: &[(&str, &str, &str)]) -> Value {
    let entry = |(id, released, changed): &(&str, &str, &str)| json!({"ID": id, "InitialReleaseDate": released, "CurrentReleaseDate": changed, "CvrfUrl": "https://elsewhere.example/x"});
    json!({"value": list.iter().map(entry).collect::<Vec<_>>()})
}

/// Runs a walk; what was asked for, and the batches.
fn run(
    cursor: Option<&str>,
    since: Option<i64>,
    answer: &dyn Fn(&str) -> Answer,
) -> Result<(Vec<String>, Vec<Batch>), ParseError> {
    let source = crate::formats::walk::tests::source("msrc", "https://api.vendor.example/cvrf/v3.0/updates");
    let since = since.map(Timestamp::from_seconds);
    let mut walk = walk::begin(&Start { source: &source, key: None, cursor, since, now: Timestamp(0) })?;
    let (mut asked, mut batches) = (Vec::new(), Vec::new());
    let mut next = Answer::Begin;
    for _ in 0..5_000 {
        next = match walk.next(next)? {
            Step::Pause(_) | Step::Messages(_) | Step::Try(_) => {
                panic!("no rest is due, no mail is read, and nothing can be spared")
            }
            Step::Fetch(request) => {
                assert!(request.headers.iter().any(|(name, value)| *name == "accept" && value == "application/json"));
                let path = request.url.as_str().trim_start_matches("https://api.vendor.example/cvrf/v3.0/").to_owned();
                asked.push(path.clone());
                answer(&path)
            }
            Step::Download(request, most) => {
                assert_eq!(most, 64 * 1024 * 1024);
                asked.push(format!("download {}", request.url.path()));
                let mut file = tempfile::tempfile().unwrap();
                std::io::Write::write_all(&mut file, month(&["CVE-2099-0077"]).to_string().as_bytes()).unwrap();
                std::io::Seek::rewind(&mut file).unwrap();
                Answer::File(file)
            }
            Step::Store(batch) => {
                batches.push(batch);
                Answer::Stored
            }
            Step::Done => return Ok((asked, batches)),
        };
    }
    panic!("the walk does not end");
}

fn ids(batches: &[Batch]) -> Vec<String> {
    batches.iter().flat_map(|batch| &batch.parsed.items).filter_map(|item| item.native_id.clone()).collect()
}

const LIST: &[(&str, &str, &str)] = &[
    ("2098-Nov", "2098-11-11T08:00:00Z", "2098-11-12T08:00:00Z"),
    ("2099-Jan", "2099-01-13T08:00:00Z", "2099-01-20T08:00:00Z"),
    ("2098-Dec", "2098-12-09T08:00:00Z", "2099-01-19T08:00:00Z"),
];

#[test]
fn the_first_walk_reads_the_two_newest_months_and_the_next_one_what_has_changed() {
    let answer = |path: &str| match path {
        "updates" => page(&months(LIST)),
        "cvrf/2099-Jan" => page(&month(&["CVE-2099-0001", "CVE-2099-0002"])),
        "cvrf/2098-Dec" => page(&month(&["CVE-2098-0003"])),
        other => panic!("{other} was asked for"),
    };
    let (asked, batches) = run(None, None, &answer).unwrap();
    assert_eq!(asked, ["updates", "cvrf/2099-Jan", "cvrf/2098-Dec"]);
    assert_eq!(ids(&batches), ["CVE-2099-0001", "CVE-2099-0002", "CVE-2098-0003"]);
    assert_eq!(batches[0].progress, Some((1, 2)));
    let cursor = batches.last().unwrap().cursor.clone().unwrap();

    let (asked, batches) = run(Some(&cursor), None, &answer).unwrap();
    assert_eq!((asked.len(), batches.len()), (1, 0), "nothing has changed");

    let mut later = LIST.to_vec();
    later[0].2 = "2099-02-01T08:00:00Z";
    let answer = |path: &str| match path {
        "updates" => page(&months(&later)),
        "cvrf/2098-Nov" => page(&month(&["CVE-2098-0009"])),
        other => panic!("{other} was asked for"),
    };
    assert_eq!(ids(&run(Some(&cursor), None, &answer).unwrap().1), ["CVE-2098-0009"]);

    // Cut short after the first month, the second is still due.
    let first = run(None, None, &|path| match path {
        "updates" => page(&months(LIST)),
        "cvrf/2099-Jan" => page(&month(&["CVE-2099-0001"])),
        _ => Answer::Missing,
    });
    let (_, batches) = first.unwrap();
    assert!(batches[1].parsed.repairs[0].contains("2098-Dec was left out"), "{:?}", batches[1].parsed.repairs);
    let (asked, _) = run(batches[1].cursor.as_deref(), None, &|path| match path {
        "updates" => page(&months(LIST)),
        _ => page(&month(&["CVE-2098-0003"])),
    })
    .unwrap();
    assert_eq!(asked, ["updates", "cvrf/2098-Dec"]);
}

#[test]
fn an_import_reads_every_month_changed_since_and_only_what_is_as_new() {
    let answer = |path: &str| match path {
        "updates" => page(&months(LIST)),
        path => {
            let mut document = month(&["CVE-2099-0001", "CVE-2099-0002"]);
            document["Vulnerability"][1]["RevisionHistory"][0]["Date"] = json!("2001-01-01T00:00:00");
            document["DocumentTitle"] = json!(path);
            page(&document)
        }
    };
    let (asked, batches) = run(None, Some(4_000_000_000), &answer).unwrap();
    assert_eq!(asked.len(), 4);
    assert_eq!(ids(&batches), ["CVE-2099-0001", "CVE-2099-0001", "CVE-2099-0001"]);
    assert!(batches.iter().all(|batch| batch.cursor.is_none()));
}

#[test]
fn a_month_too_large_for_memory_bounds_comes_by_a_file() {
    let answer = |path: &str| match path {
        "updates" => page(&months(&LIST[1..2])),
        _ => Answer::Failed("too large".to_owned()),
    };
    let (asked, batches) = run(None, None, &answer).unwrap();
    assert_eq!(asked[2], "download /cvrf/v3.0/cvrf/2099-Jan");
    assert_eq!(ids(&batches), ["CVE-2099-0077"]);
}

#[test]
fn a_file_of_one_month_can_be_imported() {
    let source = crate::formats::walk::tests::source("msrc", "https://api.vendor.example/cvrf/v3.0/updates");
    let start = Start { source: &source, key: None, cursor: None, since: Some(Timestamp(0)), now: Timestamp(0) };
    let file = |text: String| {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        Answer::File(file)
    };
    let mut walk = walk::begin(&start).unwrap();
    match walk.next(file(month(&["CVE-2099-0001"]).to_string())).unwrap() {
        Step::Store(batch) => assert_eq!(ids(&[batch]), ["CVE-2099-0001"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(walk.next(Answer::Stored), Ok(Step::Done)));
    assert!(walk::begin(&start).unwrap().next(file("<html>".to_owned())).is_err());
}

#[test]
fn large_months_are_stored_in_pieces_and_the_cursor_comes_with_the_last() {
    let many: Vec<String> = (0..600).map(|n| format!("CVE-2099-{n:04}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = |path: &str| match path {
        "updates" => page(&months(&LIST[1..2])),
        _ => page(&month(&many)),
    };
    let (_, batches) = run(None, None, &answer).unwrap();
    let sizes: Vec<(usize, bool)> =
        batches.iter().map(|batch| (batch.parsed.items.len(), batch.cursor.is_some())).collect();
    assert_eq!(sizes, [(250, false), (250, false), (100, true)]);
}

#[test]
fn a_list_that_is_none_or_months_that_are_all_broken_are_an_error() {
    assert!(matches!(run(None, None, &|_| page(&json!({"value": [{"ID": "../x"}]}))), Err(ParseError::Changed { .. })));
    assert!(matches!(run(None, None, &|_| page(&json!({"value": []}))), Err(ParseError::Changed { .. })));
    assert!(matches!(run(None, None, &|_| page(&json!([]))), Err(ParseError::NotThis { .. })));
    let broken = |path: &str| if path == "updates" { page(&months(LIST)) } else { page(&json!({"error": 1})) };
    assert!(matches!(run(None, None, &broken), Err(ParseError::NotThis { .. })));
    let guide = json!({"value": [{"cveNumber": "CVE-2099-0001", "cveTitle": "Flaw"}]});
    assert_eq!(ids(&run(None, None, &|_| page(&guide)).unwrap().1), ["CVE-2099-0001"]);
}

#[test]
fn the_pages_of_the_guide_are_followed_on_its_own_host_and_not_for_ever() {
    let guide =
        |next: &str| json!({"value": [{"cveNumber": "CVE-2099-0001", "cveTitle": "Flaw"}], "@odata.nextLink": next});
    let endless = guide("https://api.vendor.example/cvrf/v3.0/updates?$skip=500");
    let count = |cursor, next: &Value| run(cursor, None, &|_| page(next)).unwrap().0.len();
    assert_eq!(count(None, &endless), 1, "the first walk takes the newest");
    assert_eq!(count(Some("{}"), &endless), 20);
    assert_eq!(count(Some("{}"), &guide("https://elsewhere.example/x")), 1);
}
