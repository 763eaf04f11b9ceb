//! The list that ships: sound as a whole, fair to publishers, and documented.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, TimeDelta};
use rattlewatch::config::sources::{BUILT_IN, Known, Source, SourceKind, parse};
use rattlewatch::formats;
use rattlewatch::platforms::{Catalog, Category};

/// Vendors' sources that speak of more than the platforms of the catalog: a single platform would be put on everything.
const SPEAKS_OF_MORE: [&str; 9] = [
    "arista-advisories",
    "asus-advisories",
    "bitdefender-advisories",
    "eset-ca",
    "f5-quarterly",
    "jetbrains-fixed",
    "netapp-advisories",
    "tplink-omada",
    "webroot-opentext",
];
/// Vendors that are known to write to their customers and to nobody else.
const WRITES_TO_CUSTOMERS: [&str; 1] = ["Kaseya"];
/// Sources in this set tell whether a service runs: no route of advisories.
const STATUS: &str = "status-pages";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn catalog() -> Catalog {
    Catalog::load(None).unwrap_or_else(|error| panic!("{error}"))
}

fn shipped() -> Vec<Source> {
    let ids = catalog().ids();
    let known = Known { formats: &formats::names(), platforms: Some(&ids), check_selector: &formats::check_selector };
    parse(BUILT_IN, "sources.toml", &known).unwrap_or_else(|error| panic!("{error}"))
}

fn watched(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.enabled)
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn there_are_two_hundred_sources_and_each_is_in_a_set_and_says_why_it_is_off() {
    let sources = shipped();
    assert!(sources.len() >= 200, "{} sources", sources.len());
    let mut faults = Vec::new();
    for source in &sources {
        if source.sets.is_empty() {
            faults.push(format!("{} is in no set", source.id));
        }
        if source.enabled != source.off_because.is_none() {
            faults.push(format!("{} is off without a reason", source.id));
        }
        if source.off_because.as_ref().is_some_and(|why| !why.ends_with('.')) {
            faults.push(format!("{}: the reason is no sentence", source.id));
        }
        if source.url.scheme() != "https" {
            faults.push(format!("{} is fetched without TLS", source.id));
        }
        if source.enabled && source.needs_key.is_some() {
            faults.push(format!("{} is on and needs a key", source.id));
        }
    }
    none(faults);
    assert!(BUILT_IN.len() < 256 * 1024, "it is read at every start");
}

#[test]
fn what_every_msp_needs_is_on() {
    let sources = shipped();
    let on: BTreeSet<&str> = watched(&sources).map(|source| source.id.as_str()).collect();
    for id in ["cisa-all", "cisa-kev", "ic3-psa", "usss-newsroom", "ncsc-uk", "cccs-alerts", "acsc-alerts", "cert-eu"] {
        assert!(on.contains(id), "{id}");
    }
    for id in ["epss-current", "enisa-cnw-kev", "fortinet-psirt", "veeam-security", "connectwise-bulletins"] {
        assert!(on.contains(id), "{id}");
    }
}

#[test]
fn no_address_is_watched_twice_and_parts_only_stand_in_for_the_whole() {
    let sources = shipped();
    let mut seen = BTreeMap::new();
    let mut faults = Vec::new();
    for source in watched(&sources) {
        if let Some(other) = seen.insert(source.url.as_str(), &source.id) {
            faults.push(format!("{} and {other} watch one address", source.id));
        }
    }
    let of_cisa = watched(&sources).filter(|source| source.publisher == "CISA");
    for source in of_cisa.filter(|source| source.id != "cisa-all" && source.id != "cisa-kev") {
        if source.instead_of.is_none() {
            faults.push(format!("{} repeats a part of cisa-all or cisa-kev", source.id));
        }
    }
    none(faults);
}

#[test]
fn a_stand_in_is_another_route_of_a_source_that_is_on() {
    let sources = shipped();
    let mut faults = Vec::new();
    for source in &sources {
        let Some(first) = &source.instead_of else { continue };
        match sources.iter().find(|other| other.id == *first) {
            Some(other) if other.enabled && source.enabled && other.instead_of.is_none() => {
                if other.publisher != source.publisher || !source.sets.iter().any(|set| other.sets.contains(set)) {
                    faults.push(format!("{} has neither publisher nor set in common with {first}", source.id));
                }
            }
            _ => faults.push(format!("{} stands in for {first}, or is itself off", source.id)),
        }
    }
    none(faults);
}

#[test]
fn starts_are_spread_over_the_day_and_no_publisher_is_pressed() {
    let sources = shipped();
    let begin = DateTime::from_timestamp(1_795_392_000, 0).expect("an instant");
    let end = begin + TimeDelta::days(1);
    let (mut starts, mut minutes, mut faults) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for source in &sources {
        let mut last = None;
        for start in source.schedule.after(&begin).take_while(|start| *start < end) {
            if let Some(other) = starts.insert(start, &source.id) {
                faults.push(format!("{} and {other} both start at {start}", source.id));
            }
            if last.is_some_and(|last| start - last < TimeDelta::minutes(10)) {
                faults.push(format!("{} is asked more than six times an hour", source.id));
            }
            last = Some(start);
            if source.enabled {
                *minutes.entry(start.timestamp() / 60).or_insert(0) += 1;
            }
        }
        if last.is_none() {
            faults.push(format!("{} is not read every day", source.id));
        }
    }
    faults.truncate(20);
    none(faults);
    let most = minutes.values().max().copied().unwrap_or_default();
    assert!(most <= 12, "{most} sources start within one minute");
}

#[test]
fn pages_and_lists_that_are_watched_have_a_canary() {
    let sources = shipped();
    let mut faults = Vec::new();
    for source in watched(&sources) {
        let html = source.html.as_ref().is_none_or(|html| html.page_title.is_some() || html.min_items > 1);
        let json = source.json.as_ref().is_none_or(|json| json.min_items > 0);
        if !html || !json {
            faults.push(format!("{} would not notice that its page has changed", source.id));
        }
    }
    none(faults);
}

#[test]
fn a_vendor_of_the_catalog_names_its_platforms() {
    let (sources, catalog) = (shipped(), catalog());
    let vendors: BTreeSet<&str> = catalog.iter().map(|platform| platform.vendor.as_str()).collect();
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.kind == SourceKind::Vendor) {
        let exempt = SPEAKS_OF_MORE.contains(&source.id.as_str()) || source.id == "redhat-csaf";
        if exempt != source.platforms.is_empty() {
            faults.push(format!("{}: platforms are missing, or it is no exception", source.id));
        }
        let of: BTreeSet<&str> = source
            .platforms
            .iter()
            .filter_map(|id| catalog.get(&id.0))
            .map(|platform| platform.vendor.as_str())
            .collect();
        if vendors.contains(source.publisher.as_str()) && !of.is_empty() && !of.contains(source.publisher.as_str()) {
            faults.push(format!("{}: its platforms are not {}'s", source.id, source.publisher));
        }
    }
    none(faults);
}

/// Whether advisories on products of `vendor` come from `source` by its own word or a database's.
fn is_route(source: &Source, vendor: &str, catalog: &Catalog) -> bool {
    let advises = matches!(source.kind, SourceKind::Vendor | SourceKind::Database);
    let of_vendor = |id: &str| catalog.get(id).is_some_and(|platform| platform.vendor == vendor);
    let by_name = match source.kind {
        SourceKind::Vendor => source.publisher == vendor,
        _ => source.name.contains(&format!(" {vendor} (")),
    };
    advises
        && !source.sets.iter().any(|set| set == STATUS)
        && (by_name || source.platforms.iter().any(|id| of_vendor(&id.0)))
}

/// What the table calls the way that `source` is read.
fn way(source: &Source) -> &'static str {
    match source.format.as_str() {
        "feed" => "feed",
        "html" => "page",
        "csaf" => "CSAF",
        "ghsa" => "GitHub",
        "nvd" => "NVD",
        _ => "JSON",
    }
}

/// A row for each vendor of the catalog.
fn vendor_rows(sources: &[Source], catalog: &Catalog) -> String {
    let mut vendors: BTreeMap<(String, &str), (usize, bool)> = BTreeMap::new();
    for platform in catalog.iter().filter(|platform| platform.category != Category::Vendor) {
        let entry = vendors.entry((platform.vendor.to_lowercase(), &platform.vendor)).or_default();
        entry.0 += 1;
        entry.1 |= !platform.cpes.is_empty() || !platform.kev.is_empty();
    }
    let mut text = String::from("| vendor | platforms | route | sources |\n| --- | ---: | --- | --- |\n");
    for ((_, vendor), (platforms, in_databases)) in vendors {
        let found: Vec<&Source> = sources.iter().filter(|source| is_route(source, vendor, catalog)).collect();
        let mut ways: Vec<&str> = Vec::new();
        for way in found.iter().filter(|source| source.enabled).map(|source| way(source)) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        if WRITES_TO_CUSTOMERS.contains(&vendor) {
            ways.push("mailbox");
        }
        let route = match (ways.is_empty(), in_databases) {
            (false, _) => ways.join(", "),
            (true, true) => "database only".to_owned(),
            (true, false) => "none".to_owned(),
        };
        let named: Vec<String> = found
            .iter()
            .map(|source| match (source.enabled, &source.instead_of) {
                (false, _) => format!("{} (off)", source.id),
                (true, Some(_)) => format!("{} (stands by)", source.id),
                (true, None) => source.id.clone(),
            })
            .collect();
        let _ = writeln!(text, "| {vendor} | {platforms} | {route} | {} |", named.join(", "));
    }
    text
}

/// A row for each set, in the order of the file.
fn set_rows(sources: &[Source]) -> String {
    let mut order: Vec<&str> = Vec::new();
    for set in sources.iter().flat_map(|source| &source.sets) {
        if !order.contains(&set.as_str()) {
            order.push(set);
        }
    }
    let mut text = String::from("| set | sources | on | off |\n| --- | ---: | ---: | ---: |\n");
    let mut row = |name: &str, fits: &dyn Fn(&Source) -> bool| {
        let all = sources.iter().filter(|source| fits(source)).count();
        let on = watched(sources).filter(|source| fits(source)).count();
        let _ = writeln!(text, "| {name} | {all} | {on} | {} |", all - on);
    };
    for set in order {
        row(&format!("`{set}`"), &|source| source.sets.iter().any(|other| other == set));
    }
    row("all", &|_| true);
    text
}

/// `text` with what stands between the marks of `name` replaced.
fn replaced(text: &str, name: &str, with: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: written by a test -->\n"), format!("<!-- end of {name} -->\n"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("docs/SOURCES.md lacks the mark {begin}")) + begin.len();
    let to = text[from..].find(&end).unwrap_or_else(|| panic!("docs/SOURCES.md lacks the mark {end}")) + from;
    format!("{}{with}{}", &text[..from], &text[to..])
}

#[test]
fn docs_sources_md_lists_every_vendor() {
    let (sources, catalog) = (shipped(), catalog());
    let path = folder().join("docs/SOURCES.md");
    let documented = std::fs::read_to_string(&path).expect("docs/SOURCES.md");
    let expected = replaced(&documented, "sets", &set_rows(&sources));
    let expected = replaced(&expected, "vendors", &vendor_rows(&sources, &catalog));
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).expect("written");
    } else {
        assert!(
            documented == expected,
            "docs/SOURCES.md is out of date: run WRITE_DOCS=1 cargo test --test it config::"
        );
    }
}
