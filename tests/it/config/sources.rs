//! `sources.toml`: every fault with its line and key, all at once.

use std::collections::BTreeSet;

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use rattlewatch::config::sources::{BUILT_IN, Known, Source, SourceKind, Switches, load, parse, promote_stand_ins};

/// How much of the built-in list is damaged in tests, in bytes: the whole would take minutes.
const SAMPLE: usize = 12 * 1024;
const FORMATS: [&str; 4] = ["feed", "html", "json", "kev"];

fn check_selector(text: &str) -> Result<(), String> {
    scraper::Selector::parse(text).map(drop).map_err(|error| error.to_string())
}

/// The sources in `text`, or what people are told, one line a fault.
fn read(text: &str) -> Result<Vec<Source>, String> {
    let platforms = BTreeSet::from(["screenconnect".to_owned(), "veeam-vbr".to_owned()]);
    let known = Known { formats: &FORMATS, platforms: Some(&platforms), check_selector: &check_selector };
    parse(text, "my.toml", &known).map_err(|error| error.to_string())
}

const GOOD: &str = r#"[[source]]
id = "one"
name = "One"
publisher = "Publisher"
kind = "vendor"
country = "US"
url = "https://one.example/feed"
format = "feed"
schedule = "0 */15 * * * *"
"#;

/// [`GOOD`] with the line of `key` replaced by `line`.
fn with(key: &str, line: &str) -> String {
    let replaced = |old: &str| if old.starts_with(&format!("{key} =")) { line.to_owned() } else { old.to_owned() };
    GOOD.lines().map(|old| replaced(old) + "\n").collect()
}

#[track_caller]
fn told(text: &str, expected: &str) {
    match read(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(message) => assert_eq!(message, expected, "\nfor:\n{text}"),
    }
}

#[test]
fn a_minimal_source_gets_its_defaults() {
    let source = read(GOOD).expect("good").remove(0);
    assert_eq!((source.id.as_str(), source.kind, source.enabled), ("one", SourceKind::Vendor, true));
    assert_eq!(source.url.as_str(), "https://one.example/feed");
    assert_eq!(source.schedule_text, "0 */15 * * * *");
    assert!(source.platforms.is_empty() && source.user_agent.is_none() && source.html.is_none());
}

#[test]
fn a_full_source_keeps_everything() {
    let more = "enabled = false\nplatforms = ['screenconnect']\nuser_agent = 'Agent/1'\naccept_encoding = 'gzip, br;q=0.5'\n\
                [source.html]\nitem = 'li'\ntitle = 'h2'\nlink = 'a'\ndate = 'time'\nsummary = 'p'\nkeep = '(?i)cyber'\n\
                min_items = 3\npage_title = 'News'\n";
    let text = with("format", "format = 'html'") + more;
    let source = read(&text).expect("good").remove(0);
    assert!(!source.enabled);
    assert_eq!(source.platforms[0].0, "screenconnect");
    assert_eq!(source.user_agent.as_deref(), Some("Agent/1"));
    assert_eq!(source.accept_encoding.as_deref(), Some("gzip, br;q=0.5"));
    let html = source.html.expect("rules");
    assert_eq!((html.item.as_str(), html.min_items), ("li", 3));
    assert_eq!((html.keep.as_deref(), html.page_title.as_deref()), (Some("(?i)cyber"), Some("News")));
}

#[test]
fn each_bad_value_is_told_with_its_line_and_what_to_write() {
    let shape = "second minute hour day-of-month month day-of-week, in UTC";
    let cases = [
        ("id", "id = 'One'", "my.toml:2: source One: id: 'One' is not an id; write at most 64 lowercase letters, digits and hyphens between them".to_owned()),
        ("id", "id = ''", "my.toml:2: source #1: id: '' is not an id; write at most 64 lowercase letters, digits and hyphens between them".to_owned()),
        ("id", "id = 7", "my.toml:2: source #1: id: must be text in quotation marks, not '7'".to_owned()),
        ("name", "name = ' '", "my.toml:3: source one: name: is not a name; write one line of 1 to 200 characters".to_owned()),
        ("publisher", "publisher = \"a\\nb\"", "my.toml:4: source one: publisher: is not a publisher; write one line of 1 to 200 characters".to_owned()),
        ("kind", "kind = 'vendro'", "my.toml:5: source one: kind: unknown kind 'vendro' (known: government, vendor, database, research); did you mean 'vendor'?".to_owned()),
        ("country", "country = 'usa'", "my.toml:6: source one: country: 'usa' is not a country; write two capital letters (ISO 3166), EU or INT".to_owned()),
        ("url", "url = 'one.example/feed'", "my.toml:7: source one: url: 'one.example/feed' is not a URL (relative URL without a base); begin it with https://".to_owned()),
        ("url", "url = 'file:///etc/passwd'", "my.toml:7: source one: url: has the scheme 'file'; only https and http can be fetched".to_owned()),
        ("url", "url = 'https://me:pw@one.example/'", "my.toml:7: source one: url: holds a user name or password; remove it, for this file is no place for secrets".to_owned()),
        ("url", "url = 'https://one.example/#top'", "my.toml:7: source one: url: has a fragment ('#...'), which is never sent to a server; remove it".to_owned()),
        ("format", "format = 'rss'", "my.toml:8: source one: format: unknown format 'rss' (known: feed, html, json, kev)".to_owned()),
        ("format", "format = 'fed'", "my.toml:8: source one: format: unknown format 'fed' (known: feed, html, json, kev); did you mean 'feed'?".to_owned()),
        ("format", "format = 'html'", "my.toml:8: source one: html: missing; the format html needs [source.html] with at least item, a CSS selector".to_owned()),
        ("schedule", "schedule = '*/15 * * * *'", format!("my.toml:9: source one: schedule: has five fields where six are needed, with the seconds first ({shape}); write '0 */15 * * * *'")),
        ("schedule", "schedule = 'hourly'", format!("my.toml:9: source one: schedule: has 1 fields where six are needed ({shape}), such as '0 */15 * * * *'")),
        ("schedule", "schedule = '0 0 9 * * 1-5'", "my.toml:9: source one: schedule: names weekdays by numbers, which programs count differently; write SUN to SAT".to_owned()),
        ("schedule", "schedule = '0 0 0 30 2 *'", "my.toml:9: source one: schedule: '0 0 0 30 2 *' never comes; check the day, the month and the year".to_owned()),
        ("schedule", "schedule = '0 0 0 1 1 * 2020'", "my.toml:9: source one: schedule: '0 0 0 1 1 * 2020' never comes; check the day, the month and the year".to_owned()),
        ("schedule", "enabled = 'yes'\nschedule = '0 0 * * * *'", "my.toml:9: source one: enabled: must be true or false, not of type string".to_owned()),
        ("schedule", "schedule = '0 0 * * * *'\nplatforms = [\n'screenconnect',\n'veeam',\n]", "my.toml:12: source one: platforms: unknown platform 'veeam'; did you mean 'veeam-vbr'?".to_owned()),
        ("schedule", "schedule = '0 0 * * * *'\nplatforms = 'veeam-vbr'", "my.toml:10: source one: platforms: must be a list of texts, such as [\"a\", \"b\"], not of type string".to_owned()),
        ("schedule", "schedule = '0 0 * * * *'\nuser_agent = \"a\\r\\nb: c\"", "my.toml:10: source one: user_agent: is not a header value; write 1 to 256 printable ASCII characters without spaces around them".to_owned()),
        ("schedule", "schedule = '0 0 * * * *'\naccept_encoding = 'gzip, zstd'", "my.toml:10: source one: accept_encoding: unknown content coding 'zstd' (known: gzip, deflate, br, identity)".to_owned()),
        ("schedule", "schedule = '0 0 * * * *'\n[source.html]\nitem = 'li'", "my.toml:10: source one: html: is only for the format html, not 'feed'; remove it".to_owned()),
        ("schedule", "shedule = '0 0 * * * *'", "my.toml:1: source one: schedule: missing; this key is required\nmy.toml:9: source one: shedule: unknown key; did you mean 'schedule'?".to_owned()),
        ("name", "", "my.toml:1: source one: name: missing; this key is required".to_owned()),
    ];
    for (key, line, expected) in cases {
        told(&with(key, line), &expected);
    }
}

#[test]
fn each_bad_rule_for_a_page_is_told_with_its_line() {
    let cases = [
        ("title = 'h2'", "my.toml:10: source one: html: item: missing; this key is required"),
        ("item = 'li'\nitems = 'li'", "my.toml:12: source one: html: items: unknown key; did you mean 'item'?"),
        (
            "item = 'li'\nmin_items = -1",
            "my.toml:12: source one: html: min_items: must be a whole number that is not negative, not '-1'",
        ),
        (
            "item = 'li'\nmin_items = 99999",
            "my.toml:12: source one: html: min_items: is 99999, more than are taken from one page; write 0 to 10000",
        ),
        (
            "item = 'li'\nkeep = '(cyber'",
            "my.toml:12: source one: html: keep: '(cyber' is not a regular expression (unclosed group)",
        ),
    ];
    for (rules, expected) in cases {
        told(&(with("format", "format = 'html'") + "[source.html]\n" + rules), expected);
    }
    let bad = with("format", "format = 'html'") + "[source.html]\nitem = 'li'\nlink = 'a['";
    let message = read(&bad).expect_err("a bad selector");
    assert!(message.starts_with("my.toml:12: source one: html: link: 'a[' is not a CSS selector ("), "{message}");
}

#[test]
fn links_of_a_pattern_need_no_selector() {
    let text =
        with("format", "format = 'html'") + "[source.html]\nlink_pattern = '/adv/[0-9]+'\ndate_pattern = '\\d{4}'\n";
    let html = read(&text).expect("good").remove(0).html.expect("rules");
    assert_eq!((html.item.as_str(), html.link_pattern.as_deref()), ("a[href]", Some("/adv/[0-9]+")));
    assert_eq!(html.date_pattern.as_deref(), Some("\\d{4}"));
}

#[test]
fn rules_for_json_are_read_whole() {
    let more = "[source.json]\nitems = ''\ntitle = '/a~1b/~0c'\nlink = '/u'\nlink_prefix = 'https://one.example/#/'\nid = '/id'\n\
                date = '/d'\ntext = '/t'\ntlp = '/tlp'\nkeep = 'x'\nmin_items = 4\n";
    let source = read(&(with("format", "format = 'json'") + more)).expect("good").remove(0);
    let json = source.json.expect("rules");
    assert_eq!((json.items.as_str(), json.title.as_str(), json.min_items), ("", "/a~1b/~0c", 4));
    assert_eq!(json.link_prefix.as_deref(), Some("https://one.example/#/"));
    let texts = [json.link, json.id, json.date, json.text, json.tlp, json.keep];
    assert_eq!(texts.map(Option::unwrap_or_default), ["/u", "/id", "/d", "/t", "/tlp", "x"]);
}

#[test]
fn each_bad_rule_for_json_is_told_with_its_line() {
    let pointer = "is not a JSON pointer; write names with a slash before each, such as '/data/list'";
    let cases = [
        ("title = '/t'", "my.toml:10: source one: json: items: missing; this key is required".to_owned()),
        ("items = 'list'\ntitle = '/t'", format!("my.toml:11: source one: json: items: 'list' {pointer}")),
        ("items = '/l'\ntitle = '/t~2'", format!("my.toml:12: source one: json: title: '/t~2' {pointer}")),
        ("items = '/l'\ntitle = '/t'\ndate = '~'", format!("my.toml:13: source one: json: date: '~' {pointer}")),
        ("items = '/l'\ntitle = 4", "my.toml:12: source one: json: title: must be text in quotation marks, not '4'".to_owned()),
        ("items = '/l'\ntitle = '/t'\nlinks = '/x'", "my.toml:13: source one: json: links: unknown key; did you mean 'link'?".to_owned()),
        (
            "items = '/l'\ntitle = '/t'\nid = '/i'\nlink_prefix = 'javascript:x'",
            "my.toml:14: source one: json: link_prefix: 'javascript:x' is not the beginning of a web address; begin it with https://".to_owned(),
        ),
        (
            "items = '/l'\ntitle = '/t'\nlink_prefix = 'https://one.example/'",
            "my.toml:13: source one: json: link_prefix: needs link or id, the JSON pointer to what stands behind it".to_owned(),
        ),
        ("items = '/l'\ntitle = '/t'\nkeep = '('", "my.toml:13: source one: json: keep: '(' is not a regular expression (unclosed group)".to_owned()),
        (
            "items = '/l'\ntitle = '/t'\nmin_items = 10001",
            "my.toml:13: source one: json: min_items: is 10001, more than are taken from one page; write 0 to 10000".to_owned(),
        ),
    ];
    for (rules, expected) in cases {
        told(&(with("format", "format = 'json'") + "[source.json]\n" + rules), &expected);
    }
    told(
        &with("format", "format = 'json'"),
        "my.toml:8: source one: json: missing; the format json needs [source.json] with at least items and title, JSON pointers",
    );
    told(
        &(GOOD.to_owned() + "[source.json]\nitems = '/l'\ntitle = '/t'"),
        "my.toml:10: source one: json: is only for the format json, not 'feed'; remove it",
    );
}

#[test]
fn all_faults_of_a_file_are_told_at_once_in_the_order_of_lines() {
    let second = with("kind", "kind = 'x'").replace("https:", "ftp:");
    told(
        &format!("{GOOD}\n{second}"),
        "my.toml:12: source one: id: is also the id of the source on line 2; every source needs its own\n\
         my.toml:15: source one: kind: unknown kind 'x' (known: government, vendor, database, research)\n\
         my.toml:17: source one: url: has the scheme 'ftp'; only https and http can be fetched",
    );
}

#[test]
fn a_file_without_sources_is_refused() {
    told("", "my.toml:1: source: no [[source]] in this file: nothing would be watched; add one");
    told("[[sources]]\nid = 'one'", "my.toml:1: sources: unknown key; did you mean 'source'?");
    told(
        "[source]\nid = 'one'",
        "my.toml:1: source: must be a list of tables: write [[source]] with two brackets, not of type table",
    );
}

#[test]
fn broken_syntax_is_told_with_its_line() {
    for (text, line) in
        [("[[source]]\nid = \"one\nname = \"x\"\n", 2), ("[[source]]\nid = 'a'\nid = 'b'\n", 3), ("[[source\n", 1)]
    {
        let message = read(text).expect_err("broken");
        assert!(message.starts_with(&format!("my.toml:{line}: syntax: ")), "{message}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_fault() {
    let text = format!("\u{feff}{GOOD}").replace('\n', "\r\n");
    assert_eq!(read(&text).expect("good").len(), 1);
}

#[test]
fn hostile_files_are_refused_without_a_panic() {
    for text in
        ["[".repeat(100_000), "a.".repeat(100_000), format!("source = {}", "[".repeat(100_000)), "\0".to_owned()]
    {
        assert!(read(&text).is_err());
    }
    for schedule in
        ["0 0/0 * * * *", "0 4294967295-9 * * * *", "0 99999999999 * * * *", ", , , , , ,", "@reboot", "0 0 0 L * ?"]
    {
        let message = read(&with("schedule", &format!("schedule = '{schedule}'"))).expect_err(schedule);
        assert!(message.starts_with("my.toml:9: source one: schedule: ") && message.lines().count() == 1, "{message}");
    }
    let regex = with("format", "format = 'html'") + "[source.html]\nitem = 'li'\nkeep = '(a{1000}){1000}'";
    assert!(read(&regex).expect_err("a huge regex").contains("keep"));
}

proptest! {
    #[test]
    fn whatever_stands_in_a_file_is_told_and_never_a_panic(
        cut in 0..SAMPLE,
        junk in "[\\[\\]{}=\"'\\\\#,.a-z0-9\\n\\u{0}é-]{0,12}",
        skip in 0..40_usize,
    ) {
        let head = BUILT_IN.get(..cut).unwrap_or_default();
        let tail = BUILT_IN.get(cut + skip..SAMPLE).unwrap_or_default();
        let text = format!("{head}{junk}{tail}");
        if let Err(message) = read(&text) {
            prop_assert!(message.lines().all(|line| line.starts_with("my.toml:")), "{message}");
        }
    }

    #[test]
    fn whatever_stands_in_a_schedule_is_told_and_never_a_panic(schedule in "@?([0-9*/,?A-Z-]{1,5} ?){1,8}") {
        if let Err(message) = read(&with("schedule", &format!("schedule = '{schedule}'"))) {
            prop_assert!(message.starts_with("my.toml:9: source one: schedule: "), "{message}");
            prop_assert_eq!(message.lines().count(), 1);
        }
    }
}

#[test]
fn a_stand_in_takes_the_place_of_a_source_that_is_off() {
    let more = |id: &str, line: &str| GOOD.replace("\"one\"", &format!("\"{id}\"")) + line + "\n";
    let text = format!("{GOOD}{}{}", more("two", "instead_of = 'one'"), more("three", "instead_of = 'one'"));
    let mut sources = read(&text).expect("good");
    promote_stand_ins(&mut sources);
    let routes = |sources: &[Source]| sources.iter().filter(|source| source.instead_of.is_some()).count();
    assert_eq!(routes(&sources), 2, "the first one is read");
    let off = ["one".to_owned(), "three".to_owned()];
    Switches { on: &[], off: &off }.apply(&mut sources).expect("known ids");
    promote_stand_ins(&mut sources);
    assert!(sources[1].enabled && sources[1].instead_of.is_none(), "otherwise nobody would read it");
    assert!(!sources[2].enabled, "what the settings switch off stays off");
}

#[test]
fn a_missing_file_is_told_by_its_path() {
    let known = Known { formats: &FORMATS, platforms: None, check_selector: &check_selector };
    let error = load(Some(std::path::Path::new("/nowhere/my.toml")), &known).expect_err("missing").to_string();
    assert!(error.starts_with("/nowhere/my.toml: file: cannot be read ("), "{error}");
}
