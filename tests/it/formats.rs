//! Formats: every fixture of every format read, and read again damaged; and the recorded corpora, where they are.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rattlewatch::config::sources::{HtmlRules, JsonRules};
use rattlewatch::formats::{FORMATS, Format, Origin, ParseError, by_name};
use rattlewatch::model::item::Parsed;
use url::Url;

mod vendors;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn fixtures(format: &Format) -> Vec<PathBuf> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format.name))
}

/// The rules of the pages among the fixtures, by the start of their file name.
fn rules(path: &Path) -> Option<HtmlRules> {
    let name = path.file_name()?.to_str()?;
    let blank = HtmlRules { min_items: 3, ..HtmlRules::default() };
    if name.starts_with("usss") {
        let item = "a[href*=\"/newsroom/releases/20\"]".to_owned();
        let keep = Some("(?i)cyber|ransomware|skimming|crypto|business email compromise".to_owned());
        return Some(HtmlRules { item, keep, page_title: Some("Secret Service".to_owned()), ..blank });
    }
    if name.starts_with("scattered") {
        let item = "a[href]".to_owned();
        let link_pattern = Some("/security/bulletins/[a-z-]+[0-9-]+$".to_owned());
        let date_pattern = Some(r"(?<month>\d\d)-(?<day>\d\d)-(?<year>\d{4})$".to_owned());
        return Some(HtmlRules { item, link_pattern, date_pattern, ..blank });
    }
    name.starts_with("connectwise").then(|| HtmlRules {
        item: "a[href*=\"/company/trust/security-bulletins/\"]".to_owned(),
        title: Some("h3".to_owned()),
        summary: Some("p".to_owned()),
        page_title: Some("Security Bulletins".to_owned()),
        ..blank
    })
}

/// The rules of the lists in JSON among the fixtures, by the start of their file name.
fn json_rules(path: &Path) -> Option<JsonRules> {
    let name = path.file_name()?.to_str()?;
    let at = |pointer: &str| Some(pointer.to_owned());
    if name.starts_with("zendesk") {
        return Some(JsonRules {
            items: "/articles".to_owned(),
            title: "/title".to_owned(),
            link: at("/html_url"),
            id: at("/id"),
            date: at("/updated_at"),
            text: at("/body"),
            keep: at("(?i)security|vulnerab"),
            min_items: 2,
            ..JsonRules::default()
        });
    }
    name.starts_with("hub").then(|| JsonRules {
        items: "/items".to_owned(),
        title: "/title".to_owned(),
        link_prefix: at("https://hub.example/#/posts/"),
        id: at("/id"),
        date: at("/created"),
        tlp: at("/tlpStatus"),
        min_items: 1,
        ..JsonRules::default()
    })
}

fn read(format: &Format, path: &Path, bytes: &[u8]) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://www.publisher.example/list/").unwrap();
    let (rules, json) = (rules(path), json_rules(path));
    (format.parse)(bytes, &Origin { html: rules.as_ref(), json: json.as_ref(), ..Origin::of(&url, None) })
}

#[test]
fn every_fixture_gives_its_items() {
    for format in FORMATS {
        let fixtures = fixtures(format);
        assert!(!fixtures.is_empty(), "{} has no fixture", format.name);
        for path in fixtures {
            let parsed =
                read(format, &path, &std::fs::read(&path).unwrap()).unwrap_or_else(|fault| panic!("{path:?}: {fault}"));
            let stem = path.file_stem().unwrap().to_str().unwrap();
            assert_eq!(stem.starts_with("damaged"), parsed.degraded(), "{path:?}: {:?}", parsed.repairs);
            let name = format!("{}__{stem}", format.name);
            insta::assert_snapshot!(name, serde_json::to_string_pretty(&parsed).unwrap());
        }
    }
}

#[test]
fn no_damage_to_a_fixture_makes_a_format_panic() {
    for format in FORMATS {
        for path in fixtures(format) {
            let bytes = std::fs::read(&path).unwrap();
            for step in 0..40 {
                let at = bytes.len() * step / 40;
                let _ = read(format, &path, &bytes[..at]);
                for flip in [0x01, 0x04, 0x20, 0x80] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= flip;
                    let _ = read(format, &path, &damaged);
                }
            }
        }
    }
}

/// Damage within one item, at every byte of it, leaves all others as they were.
#[test]
fn one_damaged_item_leaves_all_others() {
    let (kev, feed) = (by_name("kev").unwrap(), by_name("feed").unwrap());
    for (format, name, start, end) in [
        (feed, "feed/ncsc-uk.xml", "<item>", "</item>"),
        (feed, "feed/cccs.atom", "<entry>", "</entry>"),
        (feed, "feed/jpcert.rdf", "<item ", "</item>"),
        (feed, "feed/sonicwall.xml", "<item>", "</item>"),
        (kev, "kev/catalog.json", "{\n      \"cveID\"", "}"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let source = std::fs::read_to_string(&path).unwrap();
        let whole = read(format, &path, source.as_bytes()).unwrap();
        let from = source.find(start).unwrap();
        let to = from + source[from..].find(end).unwrap() + end.len();
        for at in from..to {
            for flip in [0x02, 0x10] {
                let mut damaged = source.as_bytes().to_vec();
                damaged[at] ^= flip;
                let parsed = read(format, &path, &damaged);
                let parsed = parsed.unwrap_or_else(|fault| panic!("{name} at {at}, {flip}: {fault}"));
                for other in &whole.items[1..] {
                    let kept = parsed.items.iter().any(|item| item.title == other.title && item.url == other.url);
                    assert!(kept, "{name} at {at}, {flip}: lost {:?} of {parsed:#?}", other.title);
                }
            }
        }
    }
}

fn corpus(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(part);
    if !path.exists() {
        eprintln!("SKIPPED: the recorded corpus {} is absent", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn recorded_cisa_feeds_are_read_clean_and_whole() {
    let Some(folder) = corpus("cisa-feed") else { return };
    let mut count = 0;
    for path in files(&folder).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "xml")) {
        let source = std::fs::read_to_string(&path).unwrap();
        let parsed = read(by_name("feed").unwrap(), &path, source.as_bytes()).unwrap();
        assert!(!parsed.degraded(), "{path:?}: {:?}", parsed.repairs);
        assert_eq!(parsed.items.len(), source.matches("<item>").count(), "{path:?}");
        assert!(parsed.items.iter().all(|item| item.published.is_some() && item.native_id.is_some()), "{path:?}");
        count += 1;
    }
    assert!(count >= 75, "{count} recordings");
}

#[test]
fn the_recorded_kev_catalog_is_read_clean_and_whole() {
    let Some(path) = corpus("kev/known_exploited_vulnerabilities.json") else { return };
    let parsed = read(by_name("kev").unwrap(), &path, &std::fs::read(&path).unwrap()).unwrap();
    assert!(!parsed.degraded(), "{:?}", parsed.repairs);
    assert_eq!(parsed.items.len(), 1_404);
    assert!(parsed.items.iter().all(|item| item.published.is_some() && !item.text.is_empty()));
}

#[test]
fn the_test_inputs_of_other_parsers_are_read_without_panic_and_in_time() {
    let Some(folder) = corpus("feed-cases") else { return };
    let (mut count, mut readable, mut items, mut degraded) = (0, 0, 0, 0);
    for path in files(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| read(by_name("feed").unwrap(), &path, &bytes)));
        let took = started.elapsed();
        let result = result.unwrap_or_else(|_| panic!("{path:?} made it panic"));
        assert!(took < Duration::from_secs(120), "{path:?} took {took:?}");
        count += 1;
        if let Ok(parsed) = result {
            readable += usize::from(!parsed.items.is_empty());
            items += parsed.items.len();
            degraded += usize::from(parsed.degraded());
        }
    }
    println!("{count} files: {readable} with items, {items} items, {degraded} degraded");
    // The other entries hold one element that an advisory has no use for, and are blank without it.
    assert!(readable >= 1_800 && items >= 2_000, "{readable} of {count} files gave {items} items");
}
