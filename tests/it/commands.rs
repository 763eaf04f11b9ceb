//! The commands: what they print, what they refuse, and with which exit code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

#[test]
fn wrong_usage_ends_with_two_and_says_what_to_write() {
    let program = Program::new();
    assert!(program.refused(&["subscriber", "add", "a@msp.example"], 2).contains("--platform"));
    assert!(program.refused(&["subscriber", "add", "nobody", "--everything"], 2).contains("nobody"));
    let err = program.refused(&["subscriber", "add", "a@msp.example", "--platform", "screenconect"], 2);
    assert!(err.contains("did you mean 'screenconnect'"), "{err}");
    let err = program.refused(&["subscriber", "add", "a@msp.example", "--everything", "--timezone", "Europe/Berln"], 2);
    assert!(err.contains("Europe/Berln"), "{err}");
    let err = program.refused(&["run", "--source", "cisa-kv"], 2);
    assert!(err.contains("did you mean 'cisa-kev'"), "{err}");
    assert!(program.refused(&["--set", "listn=1", "config", "show"], 2).contains("listen"));
    program.refused(&["advisories", "show", "RW-9"], 1);
    program.refused(&["subscriber", "remove", "a@msp.example"], 1);
}

#[test]
fn faults_in_sources_are_named_with_file_line_and_key_before_anything_starts() {
    let mut program = Program::new();
    let path = program.file("mine.toml", "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"government\"\ncountry = \"US\"\nurl = \"ftp://a.example/\"\nformat = \"fed\"\nschedule = \"* * * * *\"\nplatfroms = []\n");
    program.set("RATTLEWATCH_SOURCES", &path.display().to_string());
    for command in [&["sources", "check"][..], &["run"][..], &["serve"][..], &["config", "check"][..]] {
        let err = program.refused(command, 2);
        for expected in ["mine.toml:7:", "mine.toml:8:", "mine.toml:9:", "mine.toml:10:", "did you mean"] {
            assert!(err.contains(expected), "{command:?} says {expected}\n{err}");
        }
    }
    assert!(!program.folder().join("data").exists(), "nothing was started");
}

#[test]
fn the_built_in_sources_and_platforms_are_right() {
    let program = Program::new();
    assert!(program.ok(&["sources", "check"]).contains("sources are right"));
    assert!(program.ok(&["config", "check"]).contains("platforms are right"));
    let shown: Value = serde_json::from_str(&program.ok(&["config", "show", "--json"])).expect("JSON");
    assert_eq!(shown["listen"]["value"], "127.0.0.1:0");
}

#[test]
fn subscribers_are_added_changed_imported_listed_and_removed() {
    let program = Program::new();
    assert!(
        program
            .ok(&[
                "subscriber",
                "add",
                "Ann@MSP.example",
                "--platform",
                "screenconnect",
                "--floor",
                "high",
                "--timezone",
                "Europe/Berlin"
            ])
            .starts_with("Added")
    );
    assert!(
        program
            .ok(&["subscriber", "add", "ann@msp.example", "--everything", "--digest", "none"])
            .starts_with("Changed")
    );
    let csv = program.file("people.csv", "email,platforms,floor,timezone\nben@msp.example,screenconnect;veeam-vbr,critical,America/New_York\nnot an address,screenconnect,,\ncy@msp.example,no-such-platform,,\ndee@msp.example,*,,\n");
    let output = program.output(&["subscriber", "import", &csv.display().to_string()]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("people.csv:3: skipped") && err.contains("people.csv:4: skipped"), "{err}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 recipients added or changed, 2 lines skipped"));
    let all: Value = serde_json::from_str(&program.ok(&["subscriber", "list", "--json"])).expect("JSON");
    let emails: Vec<&str> = all.as_array().expect("a list").iter().filter_map(|one| one["email"].as_str()).collect();
    assert_eq!(emails, ["ann@msp.example", "ben@msp.example", "dee@msp.example"]);
    assert_eq!(all[0]["everything"], true);
    assert_eq!(all[1]["floor"], "critical");
    assert!(all[0]["consent"].as_str().is_some_and(|consent| consent.contains("given outside")), "{all}");
    program.ok(&["subscriber", "remove", "ben@msp.example"]);
    assert!(!program.ok(&["subscriber", "list"]).contains("ben@"));
}

#[test]
fn tag_prints_platforms_with_confidence_and_evidence() {
    let program = Program::new();
    let text = program.file("alert.txt", "Attackers exploit ConnectWise ScreenConnect\nServers are taken over.\n");
    let one: Value = serde_json::from_str(&program.ok(&["tag", &text.display().to_string()])).expect("JSON");
    assert_eq!(one["platforms"][0]["id"], "screenconnect", "{one}");
    assert!(one["platforms"][0]["confidence"].as_f64().is_some_and(|confidence| confidence > 0.5));
    assert!(
        one["platforms"][0]["evidence"][0]["matched"].as_str().is_some_and(|matched| matched.contains("ScreenConnect"))
    );
    let lines = program.file("many.jsonl", "{\"id\":\"a\",\"title\":\"Veeam Backup & Replication flaw\",\"text\":\"\"}\n\n{\"id\":7,\"title\":\"Nothing\",\"text\":\"\",\"products\":[{\"vendor\":\"Fortinet\",\"product\":\"FortiOS\",\"cpe\":\"\"}]}\n");
    let printed = program.ok(&["tag", "--jsonl", &lines.display().to_string()]);
    let many: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((many[0]["id"].as_str(), many[0]["platforms"][0]["id"].as_str()), (Some("a"), Some("veeam-vbr")));
    assert_eq!((many[1]["id"].as_i64(), many[1]["platforms"][0]["id"].as_str()), (Some(7), Some("fortigate")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_test_shows_items_and_stores_nothing() {
    let web = HttpServer::start().await;
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[("1", "A flaw in FortiGate", "Severity: High.")])));
    let program = Program::new();
    let shown = program.ok(&["sources", "test", &web.url("/feed")]);
    assert!(
        shown.contains("A flaw in FortiGate")
            && shown.contains("fortigate")
            && shown.contains("1 items would be taken"),
        "{shown}"
    );
    assert!(!program.folder().join("data/rattlewatch.db").exists());
    program.refused(&["sources", "test", &web.url("/none")], 1);
}

/// The home page of a running server, once it is ready.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

fn post(port: u16, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    write!(stream, "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_watches_mails_answers_and_stops_in_order() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[("1", "Old news", "History.")])));
    let port = free_port();
    let mut program = Program::new()
        .with("RATTLEWATCH_SMTP_URL", &smtp.url())
        .with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    let text = std::fs::read_to_string(program.folder().join("sources.toml"))
        .expect("sources")
        .replace("0 0 3 * * *", "* * * * * *");
    program.file("sources.toml", &text);
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    let mut server = program.spawn(&["serve"]);
    let ready = Instant::now();
    while program.output(&["healthcheck"]).status.code() != Some(0) {
        assert!(ready.elapsed() < Duration::from_secs(20), "ready in time");
        std::thread::sleep(Duration::from_millis(50));
    }
    while program.source("cert")["state"] != "ok" {
        assert!(ready.elapsed() < Duration::from_secs(30), "the baseline is read");
        std::thread::sleep(Duration::from_millis(100));
    }
    web.route(
        "/feed",
        Reply::ok(
            "application/rss+xml",
            rss(&[
                ("2", "Authentication bypass in ConnectWise ScreenConnect", "Upgrade."),
                ("1", "Old news", "History."),
            ]),
        ),
    );
    let mails = smtp.wait_for(1, Duration::from_secs(20)).await;
    assert_eq!(mails[0].to, ["tech@msp.example"]);

    let home = get(port, "/");
    assert!(
        home.contains("Authentication bypass in ConnectWise ScreenConnect") && home.contains("Source cert"),
        "{home}"
    );
    assert!(home.to_ascii_lowercase().contains("content-security-policy: default-src 'none'"));
    assert!(get(port, "/livez").contains("alive") && get(port, "/readyz").contains("ready"));
    // The relay has the mail a moment before its answer is recorded.
    let mut metrics = get(port, "/metrics");
    while !metrics.contains("rattlewatch_deliveries{state=\"sent\"} 1") {
        assert!(ready.elapsed() < Duration::from_secs(120), "{metrics}");
        metrics = get(port, "/metrics");
    }
    assert!(metrics.contains("rattlewatch_source_readable{source=\"cert\"} 1"), "{metrics}");
    assert!(get(port, "/nowhere").starts_with("HTTP/1.1 404"));
    assert!(get(port, "/advisories/RW-2").contains("What changed, newest first"));

    // The stop link asks first; a scanner that follows it ends nothing.
    let letter = mails[0].text().replace("=\r\n", "");
    let at = letter.find("/u/sub-").expect("a stop link");
    let token: String = letter[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/.-".contains(*c)).collect();
    for _ in 0..20 {
        assert!(get(port, &token).starts_with("HTTP/1.1 200"));
    }
    assert!(program.ok(&["subscriber", "list"]).contains("tech@msp.example"));
    for _ in 0..2 {
        assert!(post(port, &token, "List-Unsubscribe=One-Click").starts_with("HTTP/1.1 200"));
    }
    assert!(!program.ok(&["subscriber", "list"]).contains("tech@msp.example"));
    assert!(post(port, "/u/sub-1.0000", "").starts_with("HTTP/1.1 404"));

    let stopping = Instant::now();
    let told = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill runs");
    assert!(told.success());
    let status = server.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(stopping.elapsed() < Duration::from_secs(25));
}

#[test]
fn the_demo_plays_its_week_through_the_real_pipeline() {
    let program = Program::new();
    let mut demo = program.spawn(&["demo", "--pace", "0", "--exit", "--listen", "127.0.0.1:0"]);
    let lines: Vec<String> = BufReader::new(demo.stdout.take().expect("piped")).lines().map_while(Result::ok).collect();
    let status = demo.wait().expect("it ends");
    let shown = lines.join("\n");
    assert_eq!(status.code(), Some(0), "{shown}");
    let mails = lines.iter().filter(|line| line.contains("┌─ mail to")).count();
    // The warning, the second flaw and the escalation to the technician; the escalation to the owner; the digest.
    assert_eq!(mails, 5, "{shown}");
    assert!(!shown.contains("something is wrong"), "{shown}");
    assert!(shown.contains("nobody is told twice") && shown.contains("nothing that you would act on"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_letters_are_files_and_a_digest_can_be_previewed() {
    let web = HttpServer::start().await;
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
    let mut program = Program::new();
    program.sources(&[("cert", "feed", &web.url("/feed")), ("blind", "feed", &web.url("/none"))]);
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "fortigate"]);
    program.run();
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[("1", "A flaw in FortiGate", "Severity: Critical.")])));
    assert_eq!(program.run()["mails"]["sent"], 1);
    let letters: Vec<_> =
        std::fs::read_dir(program.folder().join("data/outbox")).expect("the outbox").flatten().collect();
    assert_eq!(letters.len(), 1);
    let digest = program.ok(&["digest", "tech@msp.example", "--preview"]);
    assert!(
        digest.contains("A flaw in FortiGate") && digest.contains("Source blind"),
        "what could not be read is said too\n{digest}"
    );
    assert!(program.ok(&["digest", "tech@msp.example", "--preview", "--html"]).contains("<html"));
    let listed = program.ok(&["advisories", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed[0]["severity"], "critical");
    assert!(program.ok(&["advisories", "show", "rw-1"]).contains("Platforms       fortigate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_imported_from_the_source_or_a_file_and_nobody_is_mailed() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let items = [("1", "Flaw one in FortiGate", "Text."), ("2", "Flaw two in FortiGate", "Text.")];
    web.route("/feed", Reply::ok("application/rss+xml", rss(&items[..1])));
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
    program.run();

    web.route("/feed", Reply::ok("application/rss+xml", rss(&items)));
    let said = program.ok(&["import", "cert"]);
    assert!(said.contains("2 items read, 1 new advisories") && said.contains("Nobody was mailed"), "{said}");
    let file = program.file("old.xml", &rss(&[("3", "Flaw three in FortiGate", "Text.")]));
    let report: Value =
        serde_json::from_str(&program.ok(&["import", "cert", "--file", &file.display().to_string(), "--json"]))
            .expect("JSON");
    assert_eq!((&report["items"], &report["new_advisories"]), (&json!(1), &json!(1)), "{report}");
    let later = program.ok(&["import", "cert", "--since", "2030-01-01"]);
    assert!(later.contains("0 items read"), "{later}");
    program.run();
    assert_eq!(smtp.message_count(), 0, "what was imported is no news");
    let listed: Value = serde_json::from_str(&program.ok(&["advisories", "list", "--json"])).expect("JSON");
    assert_eq!(listed.as_array().map(Vec::len), Some(3));

    let unknown = program.refused(&["import", "cret"], 2);
    assert!(unknown.contains("did you mean 'cert'?"), "{unknown}");
    let missing = program.refused(&["import", "cert", "--file", "nowhere.xml"], 1);
    assert!(missing.contains("nowhere.xml cannot be read"), "{missing}");
    web.route("/feed", Reply::status(500));
    let failed = program.refused(&["import", "cert"], 1);
    assert!(failed.contains("run the same command again") && failed.contains("status 500"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_switched_by_sets_and_ids() {
    let mut program = Program::new();
    program.sources_with(&[
        ("a", "feed", "https://a.example/", "sets = [\"us-government\"]"),
        ("b", "feed", "https://b.example/", "sets = [\"research\"]\nenabled = false\noff_because = \"Noisy.\""),
        ("c", "feed", "https://c.example/", "needs_key = \"c-key\""),
    ]);
    let states = |program: &Program| {
        ["a", "b", "c"].map(|id| program.source(id)["state"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(states(&program), ["new", "off", "off"]);
    program.set("RATTLEWATCH_SOURCES_ON", "research");
    program.set("RATTLEWATCH_SOURCES_OFF", "us-government");
    program.set("RATTLEWATCH_API_KEYS", "c-key=s3cret");
    assert_eq!(states(&program), ["off", "new", "new"]);
    let shown = program.ok(&["config", "show"]);
    assert!(shown.contains("c-key=***") && !shown.contains("s3cret"), "{shown}");
    program.set("RATTLEWATCH_SOURCES_ON", "reserach");
    let told = program.refused(&["sources", "list"], 2);
    assert!(
        told.contains("'reserach' is neither a source nor a set of sources") && told.contains("research"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_sources_begins_with_trouble_and_ends_with_a_count() {
    let web = HttpServer::start().await;
    web.route("/good", Reply::ok("application/rss+xml", rss(&[("1", "A flaw in FortiGate", "Text.")])));
    let mut program = Program::new();
    program.sources_with(&[
        ("a-good", "feed", &web.url("/good"), "sets = [\"vendors\"]\nsilent_days = 9000"),
        ("b-second", "feed", &web.url("/good"), "sets = [\"vendors\"]\ninstead_of = \"a-good\""),
        ("c-blind", "feed", &web.url("/none"), "sets = [\"governments\", \"vendors\"]"),
        ("d-off", "feed", &web.url("/none"), "sets = [\"news\"]\nenabled = false\noff_because = \"Noisy.\""),
    ]);
    let faulty = program.refused(&["sources", "list"], 2);
    assert!(faulty.contains("silent_days: must be 1 to 3650 days"), "{faulty}");
    program.sources_with(&[
        ("a-good", "feed", &web.url("/good"), "sets = [\"vendors\"]\nsilent_days = 3650"),
        ("b-second", "feed", &web.url("/good"), "sets = [\"vendors\"]\ninstead_of = \"a-good\""),
        ("c-blind", "feed", &web.url("/none"), "sets = [\"governments\", \"vendors\"]"),
        ("d-off", "feed", &web.url("/none"), "sets = [\"news\"]\nenabled = false\noff_because = \"Noisy.\""),
    ]);
    program.run();
    let listed = program.ok(&["sources", "list"]);
    let ids: Vec<&str> = listed.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(ids, ["ID", "c-blind", "a-good", "b-second", "3"], "{listed}");
    let said = "3 sources are watched: 1 cannot be read, 1 well, 1 standing by; 1 are off (--off shows why)";
    assert_eq!(listed.lines().last(), Some(said));
    assert!(listed.contains("for a-good") && listed.contains("governments vendors"), "{listed}");

    let off = program.ok(&["sources", "list", "--off"]);
    assert_eq!(off, "ID     SET   WHY IT IS OFF\nd-off  news  Noisy.\n1 sources are off, 3 are watched\n");
    let one = program.ok(&["sources", "list", "--in", "governments"]);
    assert!(one.contains("c-blind") && !one.contains("a-good") && one.contains("1 sources are watched"), "{one}");
    let unknown = program.refused(&["sources", "list", "--in", "vendor"], 2);
    assert!(unknown.contains("no set of sources is called 'vendor'; did you mean 'vendors'?"), "{unknown}");

    let second = program.source("b-second");
    assert_eq!((&second["instead_of"], &second["stands_by"]), (&json!("a-good"), &json!(true)));
    assert_eq!((&second["sets"], &second["silent_days"]), (&json!(["vendors"]), &json!(30)));
    assert_eq!(program.source("d-off")["off_because"], "Noisy.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_can_be_tried_before_it_is_added() {
    let web = HttpServer::start().await;
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[("1", "Flaw one in FortiGate", "Text.")])));
    web.route("/kev", Reply::ok("application/json", json!({"title": "KEV", "count": 1, "vulnerabilities": [
        {"cveID": "CVE-2099-0001", "vendorProject": "Contoso", "product": "Remote", "vulnerabilityName": "Contoso Remote flaw",
         "dateAdded": "2026-11-19", "shortDescription": "A flaw.", "requiredAction": "Update.", "dueDate": "2026-11-26"}]}).to_string()));
    web.route("/page", Reply::ok("text/html", "<!doctype html><title>Hello</title>".to_owned()));
    let program = Program::new();
    let said = program.ok(&["sources", "test", &web.url("/feed")]);
    assert!(said.contains("1 items would be taken") && said.contains("as feed") && said.contains("Flaw one"), "{said}");
    let said = program.ok(&["sources", "test", &web.url("/kev")]);
    assert!(said.contains("as kev") && said.contains("CVE-2099-0001"), "{said}");
    let refused = program.refused(&["sources", "test", &web.url("/page")], 1);
    assert!(refused.contains("answered with"), "{refused}");
}
