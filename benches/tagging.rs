//! Nanoseconds for tagging one advisory against the whole catalog, beside a bare walk of Aho-Corasick.
//!
//! `cargo bench --bench tagging`: a plain timing loop of the standard library; the best of several rounds counts,
//! since everything above it is other work of the machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aho_corasick::AhoCorasick;
use rattlewatch::platforms::{Catalog, Matcher, TagInput};

const ROUNDS: usize = 2_000;
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
    let names: Vec<String> =
        catalog.iter().flat_map(|platform| platform.aliases.iter().chain(&platform.former)).cloned().collect();
    println!("catalog: {} platforms, parsed in {parsed:?}; matcher built in {built:?}", catalog.len());

    let text = PARAGRAPH.repeat(3);
    let short = &PARAGRAPH[..PARAGRAPH.len() / 3];
    let bare = AhoCorasick::builder().ascii_case_insensitive(true).build(&names).expect("names build");
    let average = best(|| {
        black_box(matcher.tag(&TagInput { title: TITLE, text: black_box(&text), ..TagInput::default() }));
    });
    let walk = best(|| {
        black_box(bare.find_overlapping_iter(black_box(&text)).count());
    });
    let cve = best(|| {
        black_box(matcher.tag(&TagInput { title: "", text: black_box(short), ..TagInput::default() }));
    });
    println!("tag an advisory of {} bytes: {average} ns", TITLE.len() + text.len());
    println!("tag a short text of {} bytes: {cve} ns", short.len());
    println!("bare Aho-Corasick over {} names, {} bytes: {walk} ns", names.len(), text.len());
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
