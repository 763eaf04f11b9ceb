#![allow(clippy::unwrap_used)]

use url::Url;

use super::*;

fn rules(item: &str) -> HtmlRules {
    HtmlRules { item: item.to_owned(), min_items: 1, ..HtmlRules::default() }
}

fn read(page: &str, rules: &HtmlRules) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://vendor.example/trust/bulletins").unwrap();
    let origin = Origin { html: Some(rules), ..Origin::of(&url, Some("text/html; charset=utf-8")) };
    parse(page.as_bytes(), &origin)
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

const TABLE: &str = "<title>Advisories</title><nav><a href=/about>About</a></nav><table>
    <tr><td>January 5, 2099</td><td><a href='/adv/v-1'>Firewall flaw</a></td></tr>
    <tr><td>January 6, 2099</td><td><a href='/adv/v-2'>Gateway flaw</a></td></tr></table>";

fn table_rules() -> HtmlRules {
    HtmlRules {
        title: Some("td:nth-child(2)".to_owned()),
        link: Some("td:nth-child(2) a".to_owned()),
        date: Some("td:nth-child(1)".to_owned()),
        ..rules("tr")
    }
}

fn change(result: Result<Parsed, ParseError>) -> String {
    match result {
        Err(ParseError::Changed { reason }) => reason,
        other => panic!("not a change: {other:?}"),
    }
}

#[test]
fn links_that_match_a_pattern_are_items_wherever_they_stand() {
    let rules = HtmlRules { link_pattern: Some("/adv/v-[0-9]+$".to_owned()), min_items: 2, ..rules("a[href]") };
    let parsed = read(TABLE, &rules).unwrap();
    let titles: Vec<_> = parsed.items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!((titles, parsed.dropped), (vec!["Firewall flaw", "Gateway flaw"], 0));
    let moved = TABLE.replace("/adv/v-", "/article?id=");
    assert_eq!(change(read(&moved, &rules)), "0 items were found, and there should be 2 or more");
}

#[test]
fn dates_are_found_in_text_and_in_addresses_by_a_pattern() {
    let pattern = |text: &str| HtmlRules { date_pattern: Some(text.to_owned()), ..rules("a") };
    let page = "<a href=/b-02-03-2099>One</a><a href=/c>Two (Published 2099-01-06, high)</a>";
    let parsed = read(page, &pattern(r"(?<month>\d\d)-(?<day>\d\d)-(?<year>\d{4})$")).unwrap();
    assert_eq!(parsed.items[0].published.unwrap().to_string(), "2099-02-03T00:00:00Z");
    let parsed = read(page, &pattern(r"Published ([\d-]+)")).unwrap();
    assert_eq!(parsed.items[1].published.unwrap().to_string(), "2099-01-06T00:00:00Z");
    let fault = change(read(page, &pattern(r"Updated ([\d-]+)")));
    assert_eq!(fault, "none of its 2 items has a date where the rules look for it");
}

#[test]
fn a_picture_is_called_what_stands_in_for_it() {
    let page = "<a href=/1><img alt='Advisory one'></a><a href=/2 title='Advisory two'><img></a><a href=/3 aria-label='Three'></a>";
    let parsed = read(page, &rules("a")).unwrap();
    let titles: Vec<_> = parsed.items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles, ["Advisory one", "Advisory two", "Three"]);
}

#[test]
fn moved_columns_are_a_change() {
    assert_eq!(read(TABLE, &table_rules()).unwrap().items.len(), 2);
    let moved = "<title>Advisories</title><table>
        <tr><td><a href='/adv/v-1'>Firewall flaw</a></td><td>January 5, 2099</td></tr>
        <tr><td><a href='/adv/v-2'>Gateway flaw</a></td><td>January 6, 2099</td></tr></table>";
    assert_eq!(change(read(moved, &table_rules())), "none of its 2 items has a link where the rules look for it");
    let without_links = HtmlRules { link: None, ..table_rules() };
    assert_eq!(change(read(moved, &without_links)), "none of its 2 items has a date where the rules look for it");
}

#[test]
fn a_login_an_empty_list_and_a_challenge_in_place_of_the_page_are_told_with_figures() {
    let rules = HtmlRules { min_items: 2, ..table_rules() };
    let login = "<title>Sign in</title><table><tr><td>User</td><td><input type=\"password\"></td></tr></table>";
    let challenge = "<title>Just a moment...</title><table><tr><td>Checking your browser</td></tr></table>";
    for (page, name) in [(login, "a login page"), (challenge, "a Cloudflare bot challenge")] {
        match read(page, &rules) {
            Err(ParseError::NotThis { found, .. }) => assert_eq!(found, name),
            other => panic!("{page}: {other:?}"),
        }
    }
    let empty = "<title>Advisories</title><table></table>";
    assert_eq!(change(read(empty, &rules)), "0 items were found, and there should be 2 or more");
}

#[test]
fn of_too_many_items_the_first_are_read_and_that_is_said() {
    let page: String = (0..10_001).map(|n| format!("<a href=/{n}>Advisory {n}</a>")).collect();
    let parsed = read(&page, &rules("a")).unwrap();
    assert_eq!(parsed.items.len(), ITEMS_MAX);
    assert_eq!(parsed.repairs, ["only the first 10000 items of the page were read"]);
}
