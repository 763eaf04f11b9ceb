//! What tagging costs against the whole catalog, beside a bare walk of Aho-Corasick, and as a catalog grows.
//!
//! `cargo bench --bench tagging`: a plain timing loop of the standard library; the best of several rounds counts,
//! since everything above it is other work of the machine.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aho_corasick::AhoCorasick;
use rattlewatch::platforms::{Catalog, Matcher, Platform, TagInput};

const ROUNDS: usize = 2_000;
/// Catalogs with their matchers, to tell what one holds.
const MORE: usize = 8;
/// Over all recorded texts.
const PASSES: usize = 10;
/// Short, so that some rounds are not interrupted.
const ROUND: Duration = Duration::from_millis(1);

const TITLE: &str = "Critical authentication bypass in ConnectWise ScreenConnect exploited in the wild";

/// A paragraph in the manner of a real advisory: some names, some context, mostly prose.
const PARAGRAPH: &str = "An attacker who can reach the management interface from the internet sends one crafted request and \
    becomes an administrator without a password. Servers hosted by the vendor were updated within two days; self-hosted \
    servers stay vulnerable until their owners install version 23.9.8 or later. According to researchers, ransomware crews \
    scan for the port and install their own remote access tools, among them AnyDesk and Atera, on Windows and macOS clients. \
    Organizations should check the list of users, review the logs of the web server, and rotate every credential that the \
    host could read. Devices such as FortiGate firewalls or Cisco ASA appliances in front of the server do not stop it.\n\n";

fn main() {
    let started = Instant::now();
    let catalog = Catalog::built_in();
    let parsed = started.elapsed();
    let started = Instant::now();
    let matcher = Matcher::new(&catalog);
    let built = started.elapsed();
    // What one more of each takes, since the first leaves room that was needed only to read the file.
    let before = resident();
    let more: Vec<(Catalog, Matcher)> = (0..MORE).map(|_| (catalog.clone(), Matcher::new(&catalog))).collect();
    let held = resident().saturating_sub(before) / more.len();
    drop(more);
    let names: Vec<String> = catalog.iter().flat_map(names_of).cloned().collect();
    println!(
        "catalog: {} platforms, {} names, parsed in {parsed:?}; matcher built in {built:?}; both hold {} KiB",
        catalog.len(),
        names.len(),
        held
    );

    let text = PARAGRAPH.repeat(3);
    let bare = AhoCorasick::builder().ascii_case_insensitive(true).build(&names).expect("names build");
    let average = best(|| {
        black_box(matcher.tag(&TagInput { title: TITLE, text: black_box(&text), ..TagInput::default() }));
    });
    let walk = best(|| {
        black_box(bare.find_overlapping_iter(black_box(&text)).count());
    });
    println!(
        "an advisory of {} bytes: {average} ns; bare Aho-Corasick over its text: {walk} ns",
        TITLE.len() + text.len()
    );
    records(&matcher, &bare);
    growth();
}

fn names_of(platform: &Platform) -> impl Iterator<Item = &String> {
    platform.aliases.iter().chain(&platform.former).chain(&platform.weak)
}

/// Recorded descriptions of CVE records, one after the other.
fn records(matcher: &Matcher, bare: &AhoCorasick) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let path = std::env::var_os("CORPUS").map_or(here, PathBuf::from).join("cve/cve-2024-with-cpe.jsonl.gz");
    let Ok(packed) = std::fs::read(&path) else {
        eprintln!("SKIPPED: there is no {}; name the folder of recordings with CORPUS", path.display());
        return;
    };
    let mut lines = String::new();
    flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut lines).expect("gzip");
    let description = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        record["description"].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let texts: Vec<String> = lines.lines().filter_map(description).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    let over = |mut work: Box<dyn FnMut(&str) + '_>| {
        let mut best = Duration::MAX;
        for _ in 0..PASSES {
            let started = Instant::now();
            texts.iter().for_each(|text| work(black_box(text)));
            best = best.min(started.elapsed());
        }
        best.as_nanos() / texts.len() as u128
    };
    let tagged = over(Box::new(|text| drop(black_box(matcher.tag(&TagInput { text, ..TagInput::default() })))));
    let walked = over(Box::new(|text| {
        black_box(bare.find_overlapping_iter(text).count());
    }));
    println!(
        "{} CVE texts of {} bytes on average: {tagged} ns each; bare Aho-Corasick {walked} ns each",
        texts.len(),
        bytes / texts.len()
    );
}

/// The cost of one text against catalogs of made-up platforms, which it does not name.
fn growth() {
    const SYLLABLES: [&str; 16] =
        ["ba", "co", "di", "fu", "ga", "he", "ji", "ko", "lu", "ma", "ne", "pi", "ro", "su", "ta", "vo"];
    let word = |mut number: usize| {
        let mut word = String::new();
        for _ in 0..5 {
            word.push_str(SYLLABLES[number % SYLLABLES.len()]);
            number /= SYLLABLES.len();
        }
        word
    };
    let text = PARAGRAPH.repeat(3);
    for platforms in [100, 300, 1_000, 10_000] {
        let mut written = String::new();
        for platform in 0..platforms {
            let names: Vec<String> =
                (0..8).map(|name| format!("\"{} {}\"", word(platform), word(7_919 * (platform * 8 + name)))).collect();
            let (id, list) = (format!("made-up-{platform}"), names.join(", "));
            let _ = write!(
                written,
                "[[platform]]\nid = \"{id}\"\nname = \"{id}\"\nvendor = \"{id}\"\ncategory = \"rmm\"\naliases = [{list}]\nhits = [\"x\"]\n"
            );
        }
        let catalog = Catalog::parse(&written, "made up").expect("a good catalog");
        let started = Instant::now();
        let matcher = Matcher::new(&catalog);
        let built = started.elapsed();
        let cost = best(|| {
            black_box(matcher.tag(&TagInput { title: TITLE, text: black_box(&text), ..TagInput::default() }));
        });
        println!("{platforms} made-up platforms of 8 names: {cost} ns for {} bytes; built in {built:?}", text.len());
    }
}

/// Resident memory of this process, KiB; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// The fewest nanoseconds per call among the rounds.
fn best(mut work: impl FnMut()) -> u128 {
    let mut best = u128::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut calls = 0_u128;
        while started.elapsed() < ROUND {
            work();
            calls += 1;
        }
        best = best.min(started.elapsed().as_nanos() / calls.max(1));
    }
    best
}
