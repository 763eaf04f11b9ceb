//! How quickly `serve` is ready, and how much memory it holds when it has nothing to do (Linux).

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::program::Program;

fn main() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut program = Program::new().with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
    // Every built-in source, none of which is due: what is measured is the program, not its fetches.
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/sources.toml")).unwrap();
    let idle: String = text
        .lines()
        .map(|line| if line.starts_with("enabled") { String::new() } else { format!("{line}\n") })
        .collect::<String>()
        .replace("[[source]]\n", "[[source]]\nenabled = false\n");
    let path = program.file("idle.toml", &idle);
    program.set("RATTLEWATCH_SOURCES", &path.display().to_string());
    let mut ready = Vec::new();
    let mut resident = 0;
    for round in 0..5 {
        let begun = Instant::now();
        let mut server = program.spawn(&["serve"]);
        while !is_ready(port) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it becomes ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        ready.push(begun.elapsed());
        if round == 4 {
            std::thread::sleep(Duration::from_secs(5));
            let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
            resident = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }
    ready.sort();
    println!(
        "start to /readyz: {} ms (median of {}; the first makes the database: {} ms)",
        ready[2].as_millis(),
        ready.len(),
        ready[4].as_millis()
    );
    println!("idle, resident:   {:.1} MiB", f64::from(resident) / 1024.0);
}

fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = write!(stream, "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}
