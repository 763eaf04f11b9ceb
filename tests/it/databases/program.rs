//! The databases through the program itself: downloads, cursors, keys, imports.

use serde_json::{Value, json};

use super::{archive, record, records};
use crate::support::http_server::reply::gzip;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::Program;

const KEY: &str = "s3cret-of-the-operator";

fn program(format: &str, url: &str, key: bool) -> Program {
    let mut program = Program::new();
    let text = format!(
        "[[source]]\nid = \"db\"\nname = \"Database\"\npublisher = \"P\"\nkind = \"database\"\ncountry = \"US\"\nurl = \"{url}\"\n\
         format = \"{format}\"\nschedule = \"0 0 3 * * *\"\nkey = \"db\"\n"
    );
    let path = program.file("sources.toml", &text);
    program.set("RATTLEWATCH_SOURCES", &path.display().to_string());
    if key {
        program.set("RATTLEWATCH_API_KEYS", &format!("db={KEY}"));
    }
    program
}

fn result(ran: &Value) -> &str {
    ran["sources"][0]["result"].as_str().unwrap_or_default()
}

/// The scores in the database: how many, and the newest day.
fn scores(program: &Program) -> (i64, String) {
    let database = rusqlite::Connection::open(program.folder().join("data/rattlewatch.db")).expect("the database");
    let select = "SELECT COUNT(*), COALESCE(MAX(day), '') FROM epss";
    database.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("an answer")
}

fn epss(day: &str, rows: usize) -> Vec<u8> {
    let rows: String = (0..rows).map(|n| format!("CVE-2099-{},0.{n:05},0.5\n", 10_000 + n)).collect();
    gzip(format!("#model_version:v1,score_date:{day}T00:00:00+0000\ncve,epss,percentile\n{rows}").as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_epss_is_stored_once_and_a_file_cut_short_is_told() {
    let web = HttpServer::start().await;
    let program = program("epss", &web.url("/epss_scores-current.csv.gz"), false);
    let serve = |bytes: Vec<u8>| web.route("/epss_scores-current.csv.gz", Reply::ok("application/gzip", bytes));
    serve(epss("2099-11-21", 5_000));
    assert_eq!(result(&program.run()), "baseline");
    assert_eq!(scores(&program), (5_000, "2099-11-21".to_owned()));
    assert_eq!(result(&program.run()), "unchanged", "the same day");
    let whole = epss("2099-11-22", 9_000);
    serve(whole[..whole.len() / 2].to_vec());
    let cut = program.run();
    assert_eq!(result(&cut), "failing", "{cut}");
    assert!(cut["sources"][0]["detail"].as_str().is_some_and(|said| said.contains("cut short")), "{cut}");
    serve(whole);
    assert_eq!(result(&program.run()), "ok");
    assert_eq!(scores(&program), (9_000, "2099-11-22".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_changed_cve_records_is_read_newest_first_and_not_twice() {
    let web = HttpServer::start().await;
    let change = |n: usize, at: &str| json!({"cveId": format!("CVE-2099-{n}"), "githubLink": "http://elsewhere.example/x", "dateUpdated": at});
    let log = |entries: Vec<Value>| {
        let log = json!([{"fetchTime": "2099-11-22T00:00:00Z", "numberOfChanges": entries.len(), "new": entries, "updated": [], "error": []}]);
        web.route("/cves/deltaLog.json", Reply::ok("text/plain", log.to_string()));
    };
    for n in [1_001, 1_002, 12_345] {
        let path = format!("/cves/2099/{}xxx/CVE-2099-{n}.json", n / 1_000);
        web.route(&path, Reply::ok("text/plain", record(n, 0)));
    }
    let program = program("cve", &web.url("/cves/deltaLog.json"), false);
    log(vec![change(1_001, "2099-11-20T01:00:00.5"), change(1_002, "2099-11-21T01:00:00")]);
    let first = program.run();
    assert_eq!((result(&first), &first["new_advisories"]), ("baseline", &json!(2)), "{first}");
    let asked: Vec<String> = web.all_requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(asked[1..], ["/cves/2099/1xxx/CVE-2099-1002.json", "/cves/2099/1xxx/CVE-2099-1001.json"]);
    log(vec![
        change(1_001, "2099-11-20T01:00:00.5"),
        change(1_002, "2099-11-21T01:00:00"),
        change(12_345, "2099-11-22T01:00:00"),
        change(7_777, "2099-11-22T02:00:00"),
    ]);
    let second = program.run();
    assert_eq!((result(&second), &second["events"]), ("degraded", &json!(1)), "{second}");
    assert!(
        second["sources"][0]["detail"].as_str().is_some_and(|said| said.contains("CVE-2099-7777: it is not there"))
    );
    let before = web.all_requests().len();
    assert_eq!(result(&program.run()), "unchanged");
    assert_eq!(web.all_requests().len(), before + 1, "the list alone is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nvd_is_given_its_key_which_is_shown_nowhere_and_a_refusal_keeps_the_place() {
    let web = HttpServer::start().await;
    let page = |total: usize| {
        let body = json!({"totalResults": total, "timestamp": "2026-11-23T00:00:05.123", "vulnerabilities": [{"cve": {"id": "CVE-2099-0001", "descriptions": [{"lang": "en", "value": "A flaw."}]}}]});
        Reply::ok("application/json", body.to_string())
    };
    let program = program("nvd", &web.url("/nvd"), true).with("RATTLEWATCH_LOG", "trace");
    for (status, state) in [(403, "blocked"), (503, "blocked")] {
        web.sequence("/nvd", vec![page(3), Reply::status(status).header("Retry-After", "1")]);
        let output = program.output(&["run", "--all", "--json"]);
        let said = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
        assert!(said.contains(&format!("\"{state}\"")), "{said}");
        assert!(!said.contains(KEY), "{said}");
    }
    let seen = web.requests("/nvd");
    assert!(seen.iter().all(|seen| seen.header("apiKey") == Some(KEY)));
    assert!(seen[1].query.contains("startIndex=1") && seen[2].query.contains("startIndex=1"), "the place is kept");
    assert!(seen[1].at - seen[0].at >= std::time::Duration::from_millis(590), "the pause between requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn advisories_of_github_are_read_over_the_links_of_their_answers() {
    let web = HttpServer::start().await;
    let page =
        |id: &str| json!([{"ghsa_id": id, "summary": "A flaw", "updated_at": "2099-11-20T00:00:00Z"}]).to_string();
    let next = format!("<{}>; rel=\"next\"", web.url("/more?after=Y%3D"));
    web.route("/advisories", Reply::ok("application/json", page("GHSA-aaaa-0001-aaaa")).header("Link", &next));
    web.route("/more", Reply::ok("application/json", page("GHSA-aaaa-0002-aaaa")));
    let program = program("ghsa", &web.url("/advisories"), true);
    let ran = program.run();
    assert_eq!((result(&ran), &ran["new_advisories"]), ("baseline", &json!(2)), "{ran}");
    let more = web.requests("/more");
    assert_eq!(
        (more[0].query.as_str(), more[0].header("authorization")),
        ("after=Y%3D", Some(&*format!("Bearer {KEY}")))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_imported_in_silence_whatever_they_turn_out_to_be() {
    let import = |program: &Program, name: &str, bytes: &[u8]| -> Value {
        let path = program.folder().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let said = program.ok(&["import", "db", "--file", &path.display().to_string(), "--json"]);
        serde_json::from_str(&said).expect("JSON")
    };
    let cve = program("cve", "http://127.0.0.1:9/cves/deltaLog.json", false);
    let zip = import(&cve, "all.zip", &archive(records(450), true));
    assert_eq!(
        (&zip["items"], &zip["new_advisories"], &zip["dropped"]),
        (&json!(450), &json!(450), &json!(0)),
        "{zip}"
    );
    let one = import(&cve, "one.json", record(4_711, 0).as_bytes());
    assert_eq!((&one["items"], &one["new_advisories"]), (&json!(1), &json!(1)), "{one}");
    let path = cve.folder().join("broken.zip");
    std::fs::write(&path, &archive(records(9), true)[..800]).expect("a file");
    let said = cve.refused(&["import", "db", "--file", &path.display().to_string()], 1);
    assert!(said.contains("cut short"), "{said}");
    let scored = program("epss", "http://127.0.0.1:9/epss.csv.gz", false);
    assert_eq!(import(&scored, "epss.csv.gz", &epss("2099-11-21", 4_001))["items"], 4_001);
    assert_eq!(scores(&scored).0, 4_001);
    let packages = program("osv", "http://127.0.0.1:9/all.zip", false);
    let osv = |n: usize| {
        (
            format!("OSV-2099-{n}.json"),
            json!({"id": format!("OSV-2099-{n}"), "modified": "2099-01-01T00:00:00Z", "summary": format!("Flaw {n}")})
                .to_string(),
        )
    };
    assert_eq!(import(&packages, "all.zip", &archive((0..300).map(osv), true))["items"], 300);
}
