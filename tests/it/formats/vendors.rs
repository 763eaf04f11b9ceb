//! Vendors' own formats against recorded answers, where they are.

use std::path::Path;

use rattlewatch::config::sources::{HtmlRules, JsonRules};
use rattlewatch::formats::{Origin, ParseError, by_name};
use rattlewatch::model::item::Parsed;
use rattlewatch::model::platform::ProductStatus;
use rattlewatch::model::severity::Severity;
use url::Url;

use super::corpus;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::Program;

/// What `format` makes of a recording; prints the figures.
fn recorded(format: &str, part: &str) -> Option<Result<Parsed, ParseError>> {
    let path = corpus(&format!("formats/{part}"))?;
    let bytes = std::fs::read(&path).unwrap();
    let url = Url::parse("https://www.publisher.example/list/").unwrap();
    let read = (by_name(format).unwrap().parse)(&bytes, &Origin::of(&url, None));
    if let Ok(parsed) = &read {
        let sum = |count: fn(&rattlewatch::model::item::Item) -> usize| parsed.items.iter().map(count).sum::<usize>();
        println!(
            "{part}: {} items, {} dropped, {} repairs, {} CVEs, {} products, {} ratings, {} severities, {} actions",
            parsed.items.len(),
            parsed.dropped,
            parsed.repairs.len(),
            sum(|item| item.cves.len()),
            sum(|item| item.products.len()),
            sum(|item| item.scores.len()),
            sum(|item| usize::from(item.severity.is_some())),
            sum(|item| usize::from(item.action.is_some())),
        );
    }
    Some(read)
}

fn clean(format: &str, part: &str) -> Option<Parsed> {
    let parsed = recorded(format, part)?.unwrap_or_else(|fault| panic!("{part}: {fault}"));
    assert!(!parsed.degraded(), "{part}: {:?}", parsed.repairs);
    assert!(parsed.items.iter().all(|item| item.native_id.is_some() && item.url.is_some() && item.published.is_some()));
    Some(parsed)
}

#[test]
fn a_recorded_month_of_microsoft_updates_is_read_whole() {
    let Some(month) = clean("msrc", "microsoft/2024-Mar") else { return };
    assert_eq!(month.items.len(), 1);
    let item = &month.items[0];
    assert_eq!(item.native_id.as_deref(), Some("CVE-2024-21392"));
    assert_eq!((item.severity, item.exploited, item.scores.len()), (Some(Severity::High), false, 1));
    assert_eq!(item.products.len(), 6);
    assert!(item.products.iter().all(|product| product.versions.starts_with("before ")), "{:?}", item.products);
    assert_eq!(item.weaknesses, ["CWE-400"]);

    let guide = clean("msrc", "microsoft/0.json").unwrap();
    assert_eq!(guide.items.len(), 2);
    assert!(guide.items.iter().all(|item| item.severity == Some(Severity::Critical) && item.scores.len() == 1));
    // The list of months holds no advisories: the walk goes on from it.
    let months = recorded("msrc", "microsoft/updates").unwrap();
    assert!(matches!(months, Err(ParseError::NotThis { .. })), "{months:?}");
}

#[test]
fn recorded_palo_alto_lists_and_records_are_read_whole() {
    let Some(list) = clean("paloalto", "paloalto-list/page1.json") else { return };
    assert_eq!(list.items.len(), 3);
    let affected = |status| list.items[0].products.iter().filter(|product| product.status == status).count();
    assert_eq!((affected(ProductStatus::Affected), affected(ProductStatus::NotAffected)), (4, 2));
    assert_eq!(list.items[0].severity, Some(Severity::Low));
    assert!(clean("paloalto", "paloalto-list/page2.json").unwrap().items.is_empty(), "the page after the last");

    let record = clean("paloalto", "paloalto-json/CVE-2025-0114").unwrap().items.remove(0);
    assert_eq!((record.severity, record.exploited), (Some(Severity::Medium), false));
    assert_eq!(record.products[0].versions, "11.0.0 before 11.0.2, 10.2.0 before 10.2.5, 10.1.0 before 10.1.14-h11");
    let update = clean("paloalto", "paloalto-json/PAN-SA-2025-0007").unwrap().items.remove(0);
    println!("PAN-SA-2025-0007: {} CVEs in its solution", update.cves.len());
    assert!(update.cves.len() >= 10 && update.native_id.as_deref() == Some("PAN-SA-2025-0007"));
}

#[test]
fn recorded_cisco_advisories_are_read_whole() {
    let Some(all) = clean("cisco", "cisco/all.json") else { return };
    assert_eq!(all.items.len(), 3);
    let item = &all.items[0];
    assert_eq!((item.severity, item.cves.len(), item.scores.len()), (Some(Severity::High), 1, 1));
    assert_eq!(item.aliases, ["cisco-sa-ios-xr-verii-bypass-HhPwQRvx"]);
    assert_eq!(all.items[1].severity, None, "informational is no rating, and NA says nothing");
    assert!(all.items[1].products.is_empty() && all.items[1].cves.is_empty() && all.items[1].scores.is_empty());
}

#[test]
fn recorded_lists_of_others_are_read_by_pointers_and_a_recorded_page_by_its_links() {
    let url = Url::parse("https://www.publisher.example/list/").unwrap();
    let at = |pointer: &str| Some(pointer.to_owned());
    let Some(path) = corpus("formats/cisco/all.json") else { return };
    let rules = JsonRules {
        items: "/advisories".to_owned(),
        title: "/advisoryTitle".to_owned(),
        link: at("/publicationUrl"),
        id: at("/advisoryId"),
        date: at("/lastUpdated"),
        text: at("/summary"),
        min_items: 3,
        ..JsonRules::default()
    };
    let origin = Origin { json: Some(&rules), ..Origin::of(&url, None) };
    let parsed = (by_name("json").unwrap().parse)(&std::fs::read(path).unwrap(), &origin).unwrap();
    assert_eq!((parsed.items.len(), parsed.dropped), (3, 0));
    assert!(parsed.items.iter().all(|item| item.published.is_some() && !item.text.is_empty() && item.url.is_some()));

    let page = corpus("formats/jvn/at210050.html").unwrap();
    let rules = HtmlRules {
        item: "a[href]".to_owned(),
        link_pattern: at("/at/20[0-9]{2}/at[0-9]+\\.html|cve\\.org|nvd\\.nist|jvn\\.jp"),
        page_title: at("Log4j"),
        min_items: 1,
        ..HtmlRules::default()
    };
    let origin = Origin { html: Some(&rules), ..Origin::of(&url, None) };
    let parsed = (by_name("html").unwrap().parse)(&std::fs::read(page).unwrap(), &origin).unwrap();
    println!("jvn/at210050.html: {} links of the pattern", parsed.items.len());
    assert_eq!(parsed.items.len(), 3);
    assert!(parsed.items.iter().all(|item| item.url.is_some()));
}

/// A program that reads one source, with `rules` in its entry.
fn program(format: &str, url: &str, rules: &str) -> Program {
    let mut program = Program::new();
    let source = format!(
        "[[source]]\nid = 'one'\nname = 'One'\npublisher = 'One'\nkind = 'vendor'\ncountry = 'US'\nurl = '{url}'\n\
         format = '{format}'\nschedule = '0 0 3 * * *'\n{rules}"
    );
    let path = program.file("sources.toml", &source).display().to_string();
    program.set("RATTLEWATCH_SOURCES", &path);
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_updates_gives_an_advisory_for_each_vulnerability_and_only_news_after_that() {
    let web = HttpServer::start().await;
    let fixture = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/msrc").join(name)).unwrap()
    };
    let list = |changed: &str| {
        let months =
            [("2099-Jan", "2099-01-20T08:00:00Z"), ("2099-Feb", changed), ("2098-Dec", "2098-12-08T08:00:00Z")];
        let entry = |(id, changed): &(&str, &str)| serde_json::json!({"ID": id, "InitialReleaseDate": changed, "CurrentReleaseDate": changed});
        let list = serde_json::json!({"value": months.iter().map(entry).collect::<Vec<_>>()});
        Reply::ok("application/json", list.to_string())
    };
    web.route("/cvrf/v3.0/updates", list("2099-02-10T08:00:00Z"));
    // Both vulnerabilities of January would share this update.
    let january = fixture("2099-Jan.json").replace("Release Notes", "9900101");
    web.route("/cvrf/v3.0/cvrf/2099-Jan", Reply::ok("application/json", january));
    web.route("/cvrf/v3.0/cvrf/2099-Feb", Reply::ok("application/xml", fixture("2099-Feb.xml")));
    let program = program("msrc", &web.url("/cvrf/v3.0/updates"), "");
    let first = program.run();
    assert_eq!((&first["new_advisories"], &first["events"]), (&4.into(), &0.into()), "{first}");
    assert_eq!(first["sources"][0]["result"], "baseline", "{first}");

    program.run();
    assert_eq!(web.requests("/cvrf/v3.0/cvrf/2099-Feb").len(), 1, "an unchanged month is not read again");
    web.route("/cvrf/v3.0/updates", list("2099-02-12T08:00:00Z"));
    let exploited = fixture("2099-Feb.xml").replace("Exploited:No", "Exploited:Yes");
    web.route("/cvrf/v3.0/cvrf/2099-Feb", Reply::ok("application/xml", exploited));
    let later = program.run();
    assert_eq!((&later["new_advisories"], &later["events"]), (&0.into(), &1.into()), "it escalates: {later}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_robots_txt_forbids_is_not_read_and_its_source_is_blocked() {
    let web = HttpServer::start().await;
    let page = "<title>Advisories</title><a href='/adv/1'>Advisory of a flaw</a>";
    web.route("/private/list", Reply::ok("text/html", page));
    web.route("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /private/\n"));
    let program = program("html", &web.url("/private/list"), "[source.html]\nlink_pattern = '/adv/'\n");
    let run = program.run();
    assert_eq!(run["sources"][0]["result"], "blocked", "{run}");
    let told = format!(
        "robots.txt of {} asks not to read /private/list; ask the publisher or switch the source off",
        web.address()
    );
    assert_eq!(run["sources"][0]["detail"], told.as_str());
    assert!(web.requests("/private/list").is_empty());
    program.refused(&["import", "one"], 1);
    assert!(web.requests("/private/list").is_empty(), "an import asks first too");

    web.remove("/robots.txt");
    assert_eq!(program.run()["new_advisories"], 1);
    let feed = program_of_feed(&web);
    feed.run();
    assert_eq!(web.requests("/robots.txt").len(), 3, "feeds are made for programs");
}

fn program_of_feed(web: &HttpServer) -> Program {
    web.route("/feed", Reply::ok("application/rss+xml", crate::support::program::rss(&[("1", "One", "Text.")])));
    program("feed", &web.url("/feed"), "")
}
