#![allow(clippy::unwrap_used)]

use url::Url;

use super::*;

fn rules(item: &str) -> HtmlRules {
    HtmlRules {
        item: item.to_owned(),
        title: None,
        link: None,
        date: None,
        summary: None,
        keep: None,
        min_items: 1,
        page_title: None,
    }
}

fn read(page: &str, rules: &HtmlRules) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://vendor.example/trust/bulletins").unwrap();
    parse(page.as_bytes(), &Origin { url: &url, content_type: Some("text/html; charset=utf-8"), html: Some(rules) })
}

const ROWS: &str = "<title>Bulletins</title><div class=row><h3><a href='/b/2026/01/05/one'>One<br>line</a></h3>
    <time datetime='2026-01-05T10:00:00Z'>today</time><p>First.</p><script>x</script></div>
    <div class=row><h3><a href='two'>Two</a></h3><span class=date>January 6, 2026</span></div>
    <div class=row><i></i></div>";

#[test]
fn items_are_read_by_the_selectors() {
    let rules = HtmlRules {
        title: Some("h3".to_owned()),
        link: Some("a[href]".to_owned()),
        date: Some("time, .date".to_owned()),
        summary: Some("p".to_owned()),
        page_title: Some("^Bulletins".to_owned()),
        ..rules(".row")
    };
    let parsed = read(ROWS, &rules).unwrap();
    assert_eq!((parsed.items.len(), parsed.dropped), (2, 1));
    assert_eq!(parsed.items[0].title, "One line");
    assert_eq!(parsed.items[0].text, "First.");
    assert_eq!(parsed.items[0].published.unwrap().to_string(), "2026-01-05T10:00:00Z");
    assert_eq!(parsed.items[1].url.as_deref(), Some("https://vendor.example/trust/two"));
    assert_eq!(parsed.items[1].published.unwrap().to_string(), "2026-01-06T00:00:00Z");
}

#[test]
fn the_item_itself_is_title_and_link_where_no_selector_says_otherwise() {
    let parsed = read(ROWS, &rules("a")).unwrap();
    assert_eq!(parsed.items[0].url.as_deref(), Some("https://vendor.example/b/2026/01/05/one"));
    assert_eq!(parsed.items[0].published.unwrap().to_string(), "2026-01-05T00:00:00Z");
}

#[test]
fn links_to_one_address_are_one_item_with_the_longest_title() {
    let parsed =
        read("<a href=/x>Bulletin of May</a><a href=/x>More</a><a href='javascript:y'>Z</a>", &rules("a")).unwrap();
    let titles: Vec<_> = parsed.items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles, ["Bulletin of May", "Z"]);
    assert_eq!(parsed.items[1].url, None);
}

#[test]
fn only_items_that_the_filter_keeps_are_taken_and_the_canary_counts_all() {
    let rules = HtmlRules { keep: Some("(?i)cyber|skimming".to_owned()), min_items: 2, ..rules("a") };
    let parsed = read("<a href=/1>Cyber crime</a><a href=/2>New agent</a>", &rules).unwrap();
    assert_eq!(parsed.items.len(), 1);
}

#[test]
fn a_page_that_changed_is_told_from_one_without_news() {
    let few = HtmlRules { min_items: 4, ..rules(".row") };
    assert!(matches!(read(ROWS, &few), Err(ParseError::Changed { .. })));
    let renamed = HtmlRules { page_title: Some("^Advisories".to_owned()), ..rules("a") };
    let fault = read(ROWS, &renamed).unwrap_err();
    assert!(fault.to_string().contains("titled \"Bulletins\""), "{fault}");
    assert!(matches!(read("<ul></ul>", &rules("a")), Err(ParseError::Changed { .. })));
    assert_eq!(read(" ", &rules("a")), Err(ParseError::Empty));
}

#[test]
fn a_login_or_a_challenge_is_named() {
    for (page, name) in [
        ("<title>Just a moment...</title>", "Cloudflare"),
        ("<title>Access Denied</title>", "refuses"),
        ("<form><input type=\"password\"></form>", "login"),
    ] {
        let fault = read(page, &rules("a")).unwrap_err();
        assert!(matches!(&fault, ParseError::NotThis { found, .. } if found.contains(name)), "{fault}");
    }
    // A page with its items stays a page, although it has a login form.
    assert!(read("<input type=\"password\"><a href=/1>One</a>", &rules("a")).is_ok());
}

#[test]
fn selectors_are_checked_with_their_text() {
    assert_eq!(check_selector("a[href*=\"/bulletins/\"]"), Ok(()));
    assert!(check_selector("a[[").unwrap_err().contains("'a[['"));
}

#[test]
fn nested_items_do_not_multiply_the_text() {
    let page = format!("{}<p>{}", "<div>".repeat(480), "x".repeat(1024 * 1024));
    let started = std::time::Instant::now();
    let parsed = read(&page, &rules("div")).unwrap();
    assert!(!parsed.items.is_empty());
    assert!(started.elapsed() < std::time::Duration::from_secs(120), "{:?}", started.elapsed());
}
