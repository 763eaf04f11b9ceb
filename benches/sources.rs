//! Two hundred sources of twenty items from loopback, read and stored for the first time: wall time, processor time and
//! the most memory that the program held (Linux).

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::http_server::{HttpServer, Reply};
use support::program::Program;

const SOURCES: usize = 200;
const ITEMS: usize = 20;
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let web = HttpServer::start().await;
        publish(&web);
        let mut rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| run(&web)).collect();
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (wall, _) = rounds[ROUNDS / 2];
        let memory = rounds.iter().map(|round| round.1).fold(0.0, f64::max);
        println!("{SOURCES} sources of {ITEMS} items: {wall:.2} s wall (median of {ROUNDS}), at most {memory:.0} MiB resident");
    });
}

/// Seconds on the wall, and MiB at the highest.
fn run(web: &HttpServer) -> (f64, f64) {
    let mut program = Program::new();
    let named: Vec<(String, String)> =
        (0..SOURCES).map(|source| (format!("source-{source}"), web.url(&format!("/{source}")))).collect();
    let listed: Vec<(&str, &str, &str)> = named.iter().map(|(id, url)| (id.as_str(), "feed", url.as_str())).collect();
    program.sources(&listed);
    let begun = Instant::now();
    let report = program.folder().join("report.json");
    let mut command = program.prepared(&["run", "--all", "--json"]);
    let mut child = command.stdout(File::create(&report).unwrap()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut highest = 0.0_f64;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|word| word.parse::<f64>().ok());
        highest = highest.max(kilobytes.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(Duration::from_millis(5));
    }
    let wall = begun.elapsed().as_secs_f64();
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["new_advisories"], SOURCES * ITEMS, "every item is stored");
    (wall, highest)
}

fn publish(web: &HttpServer) {
    let words =
        "The vendor published a security update for its remote access product, which managed service providers run. "
            .repeat(12);
    for source in 0..SOURCES {
        let items: String = (0..ITEMS)
            .map(|item| {
                format!(
                    "<item><guid isPermaLink=\"false\">{source}-{item}</guid><title>Advisory {item} of source {source}: flaw in FortiGate (CVE-2099-{})</title>\
                     <link>https://cert.example/{source}/{item}</link><description>&lt;p&gt;{words}&lt;/p&gt;</description><pubDate>Mon, 16 Nov 2026 08:{item:02}:00 GMT</pubDate></item>",
                    10_000 + source * 100 + item
                )
            })
            .collect();
        let document = format!(
            "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Source {source}</title><link>https://cert.example/</link><description>d</description>{items}</channel></rss>"
        );
        web.route(&format!("/{source}"), Reply::ok("application/rss+xml", document));
    }
}
