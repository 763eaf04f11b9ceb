//! From an event with many recipients to a mail sink: postfix's `smtp-sink` on loopback, each try durably recorded before and
//! after, beside postfix's `smtp-source`, which stores nothing and composes nothing.
//!
//! `cargo bench --bench outbox` looks for both programs in `/usr/sbin` and `PATH`; `POSTFIX` names another folder, and
//! `RECIPIENTS` another number than 20,000.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

mod postfix;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postfix::{Sink, children_cpu};
use support::http_server::{HttpServer, Reply};
use support::program::{Program, rss};

const CONNECTIONS: usize = 16;

/// What sending took: seconds on the wall and of processor time, and the most resident memory in KiB.
struct Took {
    wall: f64,
    cpu: f64,
    memory: u64,
}

fn main() {
    let Some(postfix) = postfix::folder() else {
        println!(
            "SKIPPED: no smtp-sink and smtp-source; install postfix's programs, or name their folder with POSTFIX"
        );
        return;
    };
    let recipients = std::env::var("RECIPIENTS").map_or(20_000, |count| count.parse().unwrap());
    let (web, sink) = (HttpServer::start_blocking(), Sink::start(&postfix));
    let ours = rattlewatch(recipients, &web, &sink);
    println!(
        "rattlewatch  {recipients} mails over {CONNECTIONS} connections: {:.0} a second, {:.2} s CPU, {} MiB",
        rate(recipients, &ours),
        ours.cpu,
        ours.memory / 1024
    );
    let theirs = source(recipients, &postfix, &sink);
    println!(
        "smtp-source  {recipients} mails over {CONNECTIONS} connections: {:.0} a second, {:.2} s CPU",
        rate(recipients, &theirs),
        theirs.cpu
    );
    println!(
        "ratio        {:.2} of its rate with {:.1} times its CPU",
        rate(recipients, &ours) / rate(recipients, &theirs),
        ours.cpu / theirs.cpu
    );
}

fn rate(recipients: u32, took: &Took) -> f64 {
    f64::from(recipients) / took.wall
}

/// One event for everybody: stored, fanned out, composed and sent.
fn rattlewatch(recipients: u32, web: &HttpServer, sink: &Sink) -> Took {
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
    let mut program = Program::new()
        .with("RATTLEWATCH_SMTP_URL", &format!("smtp://127.0.0.1:{}", sink.port))
        .with("RATTLEWATCH_SMTP_CONNECTIONS", &CONNECTIONS.to_string())
        .with("RATTLEWATCH_LOG", "error");
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.run();
    let mut people = String::from("email,platforms\n");
    for number in 0..recipients {
        let _ = writeln!(people, "person-{number}@msp.example,screenconnect");
    }
    let path = program.file("people.csv", &people);
    program.ok(&["subscriber", "import", path.to_str().unwrap(), "--consent-by", "a measurement"]);
    let item = ("1", "Critical authentication bypass in ScreenConnect", "Exploited. Upgrade to version 99.");
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[item])));
    let took = timed(program.prepared(&["run", "--all", "--json"]));
    let sent: serde_json::Value = serde_json::from_str(&program.ok(&["outbox", "list", "--json"])).unwrap();
    assert_eq!(sent["counts"]["sent"], recipients, "everybody is mailed");
    took
}

fn source(recipients: u32, postfix: &Path, sink: &Sink) -> Took {
    let mut command = Command::new(postfix.join("smtp-source"));
    let (sessions, mails) = (CONNECTIONS.to_string(), recipients.to_string());
    command.args(["-d", "-s", &sessions, "-m", &mails, "-l", "8192", "-f", "a@msp.example", "-t", "b@msp.example"]);
    command.arg(format!("127.0.0.1:{}", sink.port));
    timed(command)
}

/// Runs a command to its end; its memory is read while it runs, its processor time after.
fn timed(mut command: Command) -> Took {
    let before = children_cpu();
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut memory = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        memory = memory.max(peak_memory(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "the measured command succeeds");
    Took { wall: begun.elapsed().as_secs_f64(), cpu: children_cpu() - before, memory }
}

fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
