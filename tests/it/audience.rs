//! Organizations, groups of platforms, limits, lists from spreadsheets, and people who do not want to be mailed.

use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

fn subscribers(program: &Program) -> Vec<Value> {
    serde_json::from_str(&program.ok(&["subscriber", "list", "--json"])).expect("JSON")
}

/// Who got a mail since `before`, with how many.
fn told(smtp: &SmtpServer, before: usize) -> Vec<String> {
    let mut to: Vec<String> = smtp.messages().iter().skip(before).flat_map(|message| message.to.clone()).collect();
    to.sort();
    to
}

/// A program with one source that has been read once, so that what comes next is news.
async fn watching(program: Program) -> (Program, HttpServer, SmtpServer) {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let mut program = program.with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/cert"))]);
    web.route("/cert", Reply::ok("application/rss+xml", rss(&[("old", "An old flaw in FooBar", "Old.")])));
    program.run();
    (program, web, smtp)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_stack_hears_of_what_joins_it_and_of_nothing_that_has_left_it() {
    for engine in engines() {
        let name = engine.name;
        let (program, web, smtp) = watching(Program::on(engine)).await;
        program.ok(&["organization", "add", "Harbor IT", "--platform", "veeam-vbr"]);
        program.ok(&["organization", "add-client", "Harbor IT", "Contoso", "--platform", "screenconnect"]);
        program.ok(&["organization", "add-client", "Harbor IT", "Fabrikam"]);
        program.ok(&["organization", "add-member", "Harbor IT", "tech@harbor.example", "--name", "Kim"]);
        program.ok(&["subscriber", "add", "it@contoso.example", "--stack", "Harbor IT/Contoso", "--no-topics"]);
        program.ok(&["subscriber", "add", "rmm@msp.example", "--category", "rmm", "--no-topics"]);
        program.ok(&["subscriber", "add", "fort@msp.example", "--vendor", "fortinet", "--no-topics"]);
        let first = [
            ("a", "CVE-2099-1001: flaw in ScreenConnect", "A flaw."),
            ("b", "CVE-2099-1002: flaw in Veeam Backup & Replication", "A flaw."),
            ("c", "CVE-2099-1003: flaw in FortiGate", "A flaw."),
            ("d", "CVE-2099-1004: flaw in Datto RMM", "A flaw."),
        ];
        web.route("/cert", Reply::ok("application/rss+xml", rss(&first)));
        program.run();
        assert_eq!(
            told(&smtp, 0),
            ["fort@msp.example", "it@contoso.example", "rmm@msp.example", "tech@harbor.example", "tech@harbor.example"],
            "{name}"
        );
        let before = smtp.message_count();
        program.ok(&["organization", "stack", "Harbor IT/Fabrikam", "--add", "fortigate"]);
        program.ok(&["organization", "stack", "Harbor IT/Contoso", "--remove", "screenconnect", "--add", "datto-rmm"]);
        let second = [
            ("e", "CVE-2099-2001: new flaw in ScreenConnect", "A flaw."),
            ("f", "CVE-2099-2002: new flaw in FortiGate", "A flaw."),
            ("g", "CVE-2099-2003: new flaw in Datto RMM", "A flaw."),
        ];
        web.route("/cert", Reply::ok("application/rss+xml", rss(&second)));
        program.run();
        assert_eq!(
            told(&smtp, before),
            ["fort@msp.example", "it@contoso.example", "rmm@msp.example", "tech@harbor.example", "tech@harbor.example"],
            "{name}"
        );
        let texts: Vec<String> = smtp
            .messages()
            .iter()
            .skip(before)
            .filter(|message| message.to.iter().any(|to| to == "tech@harbor.example"))
            .map(|message| message.text())
            .collect();
        assert!(texts.iter().all(|text| !text.contains("2099-2001")), "{name}: Contoso runs it no more");
        // The mail says at whose site it is.
        assert!(texts.iter().any(|text| text.contains("Contoso")), "{name}: {texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_some_publishers_or_countries_only_is_told_nothing_by_others() {
    let (mut program, web, smtp) = watching(Program::new()).await;
    program.sources(&[("cert", "feed", &web.url("/cert")), ("other", "feed", &web.url("/other"))]);
    web.route("/other", Reply::ok("application/rss+xml", rss(&[("old", "An old flaw in FooBar", "Old.")])));
    program.run();
    program.ok(&["subscriber", "add", "cert@msp.example", "--everything", "--publisher", "CERT"]);
    program.ok(&["subscriber", "add", "us@msp.example", "--everything", "--region", "us"]);
    assert!(
        program
            .refused(&["subscriber", "add", "x@msp.example", "--everything", "--publisher", "certt"], 2)
            .contains("did you mean 'cert'")
    );
    assert!(
        program.refused(&["subscriber", "add", "x@msp.example", "--everything", "--region", "DE"], 2).contains("US")
    );
    web.route("/other", Reply::ok("application/rss+xml", rss(&[("a", "CVE-2099-3001: flaw in Veeam", "A flaw.")])));
    program.run();
    assert_eq!(told(&smtp, 0), ["us@msp.example"]);
    // The same event, now said by the publisher too.
    web.route("/cert", Reply::ok("application/rss+xml", rss(&[("b", "CVE-2099-3002: flaw in Veeam", "A flaw.")])));
    program.run();
    assert_eq!(told(&smtp, 1), ["cert@msp.example", "us@msp.example"]);
}

#[test]
fn a_spreadsheet_goes_out_and_comes_back_and_runs_nothing() {
    let program = Program::new();
    program.ok(&["organization", "add", "Harbor, IT", "--platform", "veeam-vbr"]);
    program.ok(&[
        "subscriber",
        "add",
        "=cmd|x@msp.example",
        "--platform",
        "screenconnect",
        "--quiet",
        "22:00-06:00",
        "--no-pierce",
        "--region",
        "US",
        "--topic",
        "ransomware",
        "--topic",
        "backup",
        "--floor",
        "high",
        "--digest",
        "daily",
        "--at",
        "06:15",
        "--timezone",
        "Europe/Berlin",
        "--all-clear",
    ]);
    program.ok(&["subscriber", "add", "s@msp.example", "--stack", "Harbor, IT", "--organization", "Harbor, IT"]);
    program.ok(&["subscriber", "add", "all@msp.example", "--everything", "--no-instant", "--no-topics"]);
    let before = subscribers(&program);
    let path = program.folder().join("people.csv").display().to_string();
    program.ok(&["subscriber", "export", &path]);
    let text = std::fs::read_to_string(&path).expect("the file");
    assert!(text.contains("\n'=cmd|x@msp.example,"), "{text}");
    let other = Program::new();
    other.ok(&["organization", "add", "Harbor, IT", "--platform", "veeam-vbr"]);
    assert!(other.ok(&["subscriber", "import", "--dry-run", &path]).contains("3 recipients would be added"));
    assert!(subscribers(&other).is_empty());
    other.ok(&["subscriber", "import", &path]);
    let same = |all: Vec<Value>| -> Vec<Value> {
        let blank = |mut one: Value| {
            for field in ["id", "consent", "consent_at", "created_at"] {
                one[field] = Value::Null;
            }
            one
        };
        let mut all: Vec<Value> = all.into_iter().map(blank).collect();
        all.sort_by_key(|one| one["email"].to_string());
        all
    };
    assert_eq!(same(subscribers(&other)), same(before));
    let wrong = program.file("wrong.csv", "email,platform\na@msp.example,screenconnect\n").display().to_string();
    assert!(program.refused(&["subscriber", "import", &wrong], 2).contains("did you mean 'platforms'"));
}

#[test]
fn an_operators_list_does_not_outweigh_a_no() {
    let program = Program::new();
    program.ok(&["subscriber", "add", "ann@msp.example", "--everything"]);
    program.ok(&["suppression", "add", "Ann@MSP.example", "--because", "she called"]);
    assert!(subscribers(&program).is_empty());
    assert!(program.refused(&["subscriber", "add", "ann@msp.example", "--everything"], 1).contains("she called"));
    let csv = program.file("people.csv", "email,platforms\nANN@msp.example,*\nben@msp.example,*\n");
    let output = program.output(&["subscriber", "import", &csv.display().to_string()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("people.csv:2: skipped"), "{output:?}");
    assert!(program.ok(&["suppression", "list"]).contains("she called"));
    program.ok(&["suppression", "lift", "ann@msp.example"]);
    program.ok(&["subscriber", "add", "ann@msp.example", "--everything"]);
    assert_eq!(subscribers(&program).len(), 2);
}

#[test]
fn who_asks_to_be_forgotten_leaves_nothing_but_a_hash() {
    let program = Program::new();
    program.ok(&["organization", "add", "Harbor IT"]);
    program.ok(&["organization", "add-member", "Harbor IT", "ann.secret@msp.example"]);
    program.ok(&["subscriber", "add", "ann.secret@msp.example", "--everything"]);
    let hook = ["--channel", "webhook", "--to", "https://hooks.example/rattlewatch"];
    program.ok(&[&["subscriber", "add", "ann.secret@msp.example", "--everything"][..], &hook].concat());
    program.ok(&["subscriber", "erase", "ann.secret@msp.example"]);
    assert!(!program.ok(&["suppression", "list", "--json"]).contains("secret@"));
    assert!(!program.ok(&["organization", "members", "Harbor IT"]).contains("secret@"));
    assert!(program.refused(&["subscriber", "add", "Ann.Secret@msp.example", "--everything"], 1).contains("forgotten"));
    let database = rusqlite::Connection::open(program.folder().join("data/rattlewatch.db")).expect("the database");
    let mut tables = database
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")
        .expect("SQL");
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    assert!(tables.iter().any(|table| table == "subscriptions") && tables.len() > 20, "{tables:?}");
    for table in tables {
        let mut rows = database.prepare(&format!("SELECT * FROM {table}")).expect("SQL");
        let columns = rows.column_count();
        let mut rows = rows.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                let text = row.get::<_, String>(column).unwrap_or_default();
                assert!(!text.to_lowercase().contains("secret@"), "{table}: {text}");
            }
        }
    }
}
