//! Pages over 300,000 advisories: how many a second and how quickly, asked by wrk over 8 connections, beside an axum
//! handler that answers the same bytes from memory; and the memory that the program holds meanwhile (Linux).
//!
//! Needs Debian's `wrk`. `ADVISORIES` sets another number. What a browser could take from its own keeping is not asked for
//! conditionally here: each answer is whole.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "each measurement uses a part of it")]
mod cve;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use support::program::Program;
use support::site::exchange;

const CONNECTIONS: &str = "8";
const SECONDS: &str = "8";

/// Products that touch platforms, each in one of so many records.
const PRODUCTS: [(&str, &str); 6] = [
    ("Fortinet", "FortiOS"),
    ("ConnectWise", "ScreenConnect"),
    ("Veeam", "Backup & Replication"),
    ("Kaseya", "VSA"),
    ("N-able", "N-central"),
    ("SonicWall", "SonicOS"),
];
const EVERY: usize = 5;

fn main() {
    if Command::new("wrk").arg("--version").output().is_err() {
        eprintln!("!!! SKIPPED: no wrk in PATH (Debian's package wrk), so nothing was measured");
        return;
    }
    let count = std::env::var("ADVISORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(300_000);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut program = Program::new().with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
    program.sources(&[("cve", "cve", "https://publisher.example/all.zip")]);
    let archive = program.folder().join("all.zip");
    cve::archive_of(&archive, 0..count, |number| match number % EVERY {
        0 => {
            let (vendor, product) = PRODUCTS[number / EVERY % PRODUCTS.len()];
            (vendor.to_owned(), product.to_owned())
        }
        _ => (format!("Vendor {}", number % 900), format!("Relay {number}")),
    });
    let begun = Instant::now();
    program.ok(&["import", "cve", "--file", archive.to_str().unwrap()]);
    println!("{count} advisories stored in {:.0} s", begun.elapsed().as_secs_f64());
    let mut server = serve(&program, port);
    println!("{:<24} {:>9} {:>9} {:>10} {:>9} {:>7}", "page", "p50 ms", "p99 ms", "pages/s", "same/s", "ratio");
    let one = format!(
        "local n = 0\nrequest = function() n = n + 1; return wrk.format('GET', '/advisories/RW-' .. (1 + (n * 7919) % {count})) end"
    );
    let words: Vec<String> = (0..2_000).map(|n| format!("'{}'", cve::word(100 + n))).collect();
    let search = format!(
        "local n = 0\nlocal words = {{{}}}\nrequest = function() n = n + 1; return wrk.format('GET', '/advisories?q=' .. words[1 + n % #words]) end",
        words.join(",")
    );
    for (what, path, script) in [
        ("home", "/", ""),
        ("platforms", "/platforms", ""),
        ("platform", "/platforms/fortigate", ""),
        ("one advisory", "/advisories/RW-1", ""),
        ("advisories, all of them", "/advisories/RW-1", one.as_str()),
        ("newest advisories", "/advisories", ""),
        ("search, 2,000 words", "/advisories?q=x", search.as_str()),
        ("feed", "/advisories.atom", ""),
    ] {
        // Whoever asks first after a start waits for the page to be made; that is not what is measured.
        exchange(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let ours = wrk(port, path, script, program.folder());
        let same = beside(port, path, program.folder());
        println!(
            "{what:<24} {:>9.2} {:>9.2} {:>10.0} {:>9.0} {:>7.2}",
            ours.half,
            ours.most,
            ours.each_second,
            same.each_second,
            same.each_second / ours.each_second
        );
    }
    println!("resident at the end: {:.0} MiB, at most {:.0} MiB", memory(&server, "VmRSS"), memory(&server, "VmHWM"));
    server.kill().unwrap();
    server.wait().unwrap();
}

fn serve(program: &Program, port: u16) -> Child {
    let server = program.prepared(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while program.output(&["healthcheck"]).status.code() != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "ready on {port} in time");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

/// MiB of a line of the process's status.
fn memory(server: &Child, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|found| found.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// What wrk saw.
struct Seen {
    half: f64,
    most: f64,
    each_second: f64,
}

fn wrk(port: u16, path: &str, script: &str, folder: &std::path::Path) -> Seen {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c", CONNECTIONS, "-d", SECONDS, "--latency"]);
    if !script.is_empty() {
        let file = folder.join("ask.lua");
        std::fs::write(&file, script).unwrap();
        command.arg("-s").arg(file);
    }
    let output = command.arg(format!("http://127.0.0.1:{port}{path}")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("Non-2xx"), "{said}");
    let after = |mark: &str| {
        let line = said.lines().find(|line| line.trim_start().starts_with(mark)).unwrap_or_else(|| panic!("{said}"));
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let milliseconds = |text: String| {
        let number = |unit: &str| text.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
        number("us").map(|us| us / 1e3).or_else(|| number("ms")).or_else(|| number("s").map(|s| s * 1e3)).unwrap()
    };
    Seen {
        half: milliseconds(after("50%")),
        most: milliseconds(after("99%")),
        each_second: after("Requests/sec:").parse().unwrap(),
    }
}

/// The same bytes from memory, by the same framework in a process of as many threads.
fn beside(port: u16, path: &str, folder: &std::path::Path) -> Seen {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let body = exchange(port, &request).split_once("\r\n\r\n").unwrap().1.to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = axum::body::Bytes::from(body);
    let answer = move || {
        let body = body.clone();
        async move { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], body) }
    };
    runtime.spawn(async move { axum::serve(listener, Router::new().fallback(get(answer))).await });
    wrk(port, "/", "", folder)
}
