//! Snapshots of CISA's catalog, one after the other, through the program: what changed in place, what is gone, and a list
//! that lost too much to be believed.

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::Program;
use crate::support::smtp_server::SmtpServer;

/// The catalog with so many entries; `change` edits them.
fn catalog(change: impl Fn(&mut Vec<Value>)) -> Reply {
    let entry = |n: usize| {
        let (vendor, product) = if n == 0 { ("ConnectWise", "ScreenConnect") } else { ("Acme", "Box") };
        json!({"cveID": format!("CVE-2099-{}", 1_000 + n), "vendorProject": vendor, "product": product, "vulnerabilityName": format!("{vendor} {product} flaw {n}"),
               "dateAdded": "2099-01-01", "shortDescription": "A flaw.", "requiredAction": "Apply updates.", "dueDate": "2099-01-22", "knownRansomwareCampaignUse": "Unknown"})
    };
    let mut entries: Vec<Value> = (0..300).map(entry).collect();
    change(&mut entries);
    let body = json!({"title": "KEV", "catalogVersion": "1", "count": entries.len(), "vulnerabilities": entries});
    Reply::ok("application/json", body.to_string())
}

fn advisory(program: &Program, id: &str) -> Value {
    serde_json::from_str(&program.ok(&["advisories", "show", id, "--json"])).expect("JSON")
}

/// How many advisories are known to be exploited.
fn exploited(program: &Program) -> usize {
    let all = program.ok(&["advisories", "export", "--jsonl"]);
    let all = all.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    all.filter(|advisory| advisory["exploited"] == true).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_snapshot_changes_in_place_or_takes_back_is_told_as_it_should_be() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        web.route("/kev", catalog(|_| ()));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("kev", "kev", &web.url("/kev"))]);
        program.ok(&["subscriber", "add", "owner@msp.example", "--everything"]);
        let step = |change: &dyn Fn(&mut Vec<Value>)| {
            web.route("/kev", catalog(change));
            let ran = program.run();
            (ran["sources"][0]["result"].as_str().unwrap_or_default().to_owned(), ran["events"].as_u64(), ran)
        };
        assert_eq!(step(&|_| ()).0, "baseline", "{name}");
        let first = advisory(&program, "RW-1");

        // A due date that moves makes a revision and no mail.
        let (result, events, _) = step(&|all| all[0]["dueDate"] = json!("2099-01-10"));
        assert_eq!((result.as_str(), events), ("ok", Some(0)), "{name}");
        let moved = advisory(&program, "RW-1");
        assert_eq!(moved["exploitation"]["kev"]["due"], "2099-01-10", "{name}");
        assert_eq!(moved["revision"].as_i64(), first["revision"].as_i64().map(|n| n + 1), "{name}");

        // Ransomware use that becomes known, without any new date, escalates.
        let flip = |all: &mut Vec<Value>| {
            all[0]["dueDate"] = json!("2099-01-10");
            all[0]["knownRansomwareCampaignUse"] = json!("Known");
        };
        let (result, events, ran) = step(&flip);
        assert_eq!((result.as_str(), events, &ran["mails"]["sent"]), ("ok", Some(1), &json!(1)), "{name}: {ran}");
        let told = advisory(&program, "RW-1");
        assert_eq!(told["events"][0]["kind"], "escalated", "{name}");
        assert_eq!(told["events"][0]["reasons"], json!(["Now known to be used in ransomware campaigns"]), "{name}");

        // Whoever was told of an entry hears that it is gone, and of its return. The others of the first reading are no news.
        let (result, events, ran) = step(&|all| {
            flip(all);
            all.remove(1);
        });
        assert_eq!((result.as_str(), events, &ran["mails"]["sent"]), ("ok", Some(1), &json!(1)), "{name}: {ran}");
        let gone = advisory(&program, "RW-2");
        assert_eq!(gone["events"][0]["kind"], "withdrawn", "{name}");
        let said = "CISA has taken CVE-2099-1001 out of its catalog of known exploited vulnerabilities";
        assert_eq!(gone["events"][0]["reasons"], json!([said]), "{name}");
        assert_eq!((&gone["exploited"], &gone["exploitation"]["kev"]), (&json!(false), &Value::Null), "{name}: {gone}");
        assert_eq!(exploited(&program), 299, "{name}");
        let (_, events, _) = step(&flip);
        let back = advisory(&program, "RW-2");
        assert_eq!((events, &back["exploited"]), (Some(1), &json!(true)), "{name}: {back}");
        assert_eq!(back["events"][1]["kind"], "escalated", "{name}");
        assert_eq!(smtp.message_count(), 3, "{name}");

        // A list that lost more than one in a hundred is a fault on the way, until it is whole again.
        let (result, events, ran) = step(&|all| {
            flip(all);
            all.truncate(270);
        });
        assert_eq!((result.as_str(), events), ("degraded", Some(0)), "{name}");
        assert!(ran["sources"][0]["detail"].as_str().is_some_and(|said| said.contains("lost 30 of the 300")), "{ran}");
        assert_eq!((exploited(&program), &program.source("kev")["state"]), (300, &json!("degraded")), "{name}");
        assert_eq!(step(&flip).0, "ok", "{name}");
        assert_eq!(program.source("kev")["state"], "ok", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_whose_count_is_wrong_takes_nothing_back() {
    let web = HttpServer::start().await;
    web.route("/kev", catalog(|_| ()));
    let mut program = Program::new();
    program.sources(&[("kev", "kev", &web.url("/kev"))]);
    program.run();
    let entry = |n: usize| json!({"cveID": format!("CVE-2099-{}", 1_000 + n), "vulnerabilityName": "A flaw", "dueDate": "2099-01-22"});
    let short = json!({"count": 300, "vulnerabilities": (0..299).map(entry).collect::<Vec<_>>()});
    web.route("/kev", Reply::ok("application/json", short.to_string()));
    let ran = program.run();
    assert_eq!(ran["sources"][0]["result"], "degraded", "{ran}");
    assert_eq!(exploited(&program), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_another_source_knows_to_be_exploited_stays_exploited() {
    let web = HttpServer::start().await;
    web.route("/kev", catalog(|_| ()));
    let listed =
        json!([{"cveID": "CVE-2099-1001", "vendorProject": "Acme", "product": "Box", "dateReported": "01/02/99"}]);
    web.route("/eukev", Reply::ok("application/json", listed.to_string()));
    let mut program = Program::new();
    program.sources(&[("kev", "kev", &web.url("/kev")), ("eukev", "eukev", &web.url("/eukev"))]);
    program.run();
    web.route("/kev", catalog(|all| drop(all.remove(1))));
    let ran = program.run();
    assert_eq!(ran["events"], 0, "{ran}");
    let found = program.ok(&["advisories", "export", "--jsonl"]);
    let named = found.lines().find(|line| line.contains("CVE-2099-1001")).expect("it is listed");
    let named: Value = serde_json::from_str(named).expect("JSON");
    let shown = advisory(&program, named["id"].as_str().expect("an id"));
    assert_eq!((&shown["exploited"], &shown["exploitation"]["kev"]), (&json!(true), &Value::Null), "{shown}");
    assert_eq!(shown["exploitation"]["according_to"], "Source eukev");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalog_takes_back_its_copy_does_not_keep() {
    let web = HttpServer::start().await;
    web.route("/kev", Reply::status(403));
    web.route("/copy", catalog(|_| ()));
    let mut program = Program::new();
    let source = |id: &str, path: &str, more: &str| {
        format!(
            "[[source]]\nid = \"{id}\"\nname = \"{id}\"\npublisher = \"P\"\nkind = \"government\"\ncountry = \"US\"\nurl = \"{}\"\nformat = \"kev\"\nschedule = \"0 0 3 * * *\"\n{more}\n",
            web.url(path)
        )
    };
    let text = [source("kev", "/kev", ""), source("copy", "/copy", "instead_of = \"kev\"\n")].concat();
    let path = program.file("sources.toml", &text);
    program.set("RATTLEWATCH_SOURCES", &path.display().to_string());
    // Given up after two tries, so the third run reads the copy.
    for _ in 0..3 {
        program.run();
    }
    assert_eq!(exploited(&program), 300, "the copy stands in");
    web.route("/copy", Reply::status(403));
    web.route("/kev", catalog(|_| ()));
    program.run();
    web.route("/kev", catalog(|all| drop(all.remove(1))));
    let ran = program.run();
    assert_eq!((ran["events"].as_u64(), exploited(&program)), (Some(1), 299), "{ran}");
}
