//! Whatever a publisher does to its names and dates: old items are no news, and news is not lost.

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::Program;
use crate::support::smtp_server::SmtpServer;

/// An item as a feed shows it: guid, link, title, day of publication in RFC 822 form.
struct Entry<'a>(&'a str, &'a str, &'a str, &'a str);

fn feed(entries: &[Entry<'_>]) -> Reply {
    let items: String = entries
        .iter()
        .map(|Entry(guid, link, title, day)| {
            let guid = if guid.is_empty() { String::new() } else { format!("<guid isPermaLink=\"false\">{guid}</guid>") };
            let link = if link.is_empty() { String::new() } else { format!("<link>https://cert.example/{link}</link>") };
            format!("<item>{guid}{link}<title>{title}</title><description>Text.</description><pubDate>{day}</pubDate></item>")
        })
        .collect();
    Reply::ok(
        "application/rss+xml",
        format!(
            "<rss version=\"2.0\"><channel><title>A</title><link>https://cert.example/</link><description>A</description>{items}</channel></rss>"
        ),
    )
}

async fn told(name: &str, program: &Program, events: usize) -> Value {
    let run = program.run();
    assert_eq!(run["events"], json!(events), "{name}: {run}");
    run
}

const OLD: &str = "Mon, 16 Nov 20 08:00:00 GMT";

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_renames_everything_makes_no_news_but_what_is_new_beside_it_does() {
    for engine in engines() {
        let name = engine.name;
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let titles: Vec<String> = (0..9).map(|number| format!("Flaw number {number} in FortiGate")).collect();
        let ids = |prefix: &str| -> Vec<String> { (0..9).map(|number| format!("{prefix}{number}")).collect() };
        let (first, second) = (ids("a"), ids("b"));
        let entries = |guids: &'_ [String], links: &'_ [String]| -> Reply {
            let all: Vec<Entry<'_>> =
                (0..9).map(|number| Entry(&guids[number], &links[number], &titles[number], OLD)).collect();
            feed(&all)
        };
        web.route("/feed", entries(&first, &first));
        let mut program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
        told(name, &program, 0).await;

        // Every guid changes, the links stay: the same items.
        web.route("/feed", entries(&second, &first));
        told(name, &program, 0).await;

        // Both change, as after a move to a new system; one item is of today.
        let third = ids("c");
        let today = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut all: Vec<Entry<'_>> =
            (0..9).map(|number| Entry(&third[number], &third[number], &titles[number], OLD)).collect();
        all.push(Entry("new", "new", "Authentication bypass in ScreenConnect", &today));
        web.route("/feed", feed(&all));
        told(name, &program, 1).await;
        assert_eq!(smtp.message_count(), 1, "{name}");
        assert!(smtp.messages()[0].text().contains("ScreenConnect"), "{name}");
        told(name, &program, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guids_that_are_blank_missing_or_shared_and_dates_of_every_sort_are_survived() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    web.route("/feed", feed(&[]));
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "all@msp.example", "--everything"]);
    told("SQLite", &program, 0).await;

    let entries = [
        Entry("", "", "Flaw one in FortiGate, without any name", OLD),
        Entry("N/A", "two", "Flaw two in FortiGate", "Mon, 16 Nov 26 08:00:00 EST"),
        Entry("N/A", "three", "Flaw three in FortiGate", "not a date"),
        Entry(" ", "four", "Flaw four in FortiGate", "Fri, 01 Jan 2100 00:00:00 GMT"),
        Entry("five", "", "Flaw five in FortiGate", ""),
    ];
    web.route("/feed", feed(&entries));
    told("SQLite", &program, 5).await;
    told("SQLite", &program, 0).await;
    assert_eq!(smtp.message_count(), 5);

    // One is edited in place: the wording is no news, a first rating of "critical" is.
    let edited =
        |title: &'static str| [Entry("five", "", title, ""), Entry("N/A", "two", "Flaw two in FortiGate", OLD)];
    web.route("/feed", feed(&edited("Flaw five in FortiGate devices")));
    told("SQLite", &program, 0).await;
    web.route("/feed", feed(&edited("Critical vulnerability five in FortiGate devices (CVE-2099-0005)")));
    told("SQLite", &program, 1).await;
    assert_eq!(smtp.message_count(), 6, "an item that vanished is not withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_that_fails_never_stops_another() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    let bad = [
        ("empty", Reply::ok("application/rss+xml", String::new())),
        ("html", Reply::ok("application/rss+xml", "<!doctype html><title>Sign in</title>".to_owned())),
        ("gone", Reply::status(410)),
        ("refused", Reply::status(403)),
        ("broken", Reply::status(500)),
        ("deep", Reply::ok("application/rss+xml", "<a>".repeat(100_000))),
    ];
    let mut sources: Vec<(String, String)> = Vec::new();
    for (id, reply) in bad {
        web.route(&format!("/{id}"), reply);
        sources.push((id.to_owned(), web.url(&format!("/{id}"))));
    }
    web.route("/good", feed(&[Entry("1", "1", "Flaw in FortiGate", OLD)]));
    sources.push(("good".to_owned(), web.url("/good")));
    let listed: Vec<(&str, &str, &str)> = sources.iter().map(|(id, url)| (id.as_str(), "feed", url.as_str())).collect();
    program.sources(&listed);
    let run = program.run();
    for polled in run["sources"].as_array().expect("sources") {
        let (id, result) = (&polled["source"], polled["result"].as_str().unwrap_or_default());
        assert_eq!(*id == "good", result == "baseline", "{polled}");
        assert_eq!(*id == "good", polled["detail"] == "", "{polled}");
    }
}
