//! From an event with many recipients to a mail sink: postfix's `smtp-sink` on loopback, each try durably recorded before and
//! after, beside postfix's `smtp-source`, which stores nothing and composes nothing.
//!
//! `cargo bench --bench outbox` looks for both programs in `/usr/sbin` and `PATH`; `POSTFIX` names another folder.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::http_server::{HttpServer, Reply};
use support::program::{Program, rss};

const RECIPIENTS: usize = 20_000;
const CONNECTIONS: usize = 16;

/// What sending took: seconds on the wall and of processor time, and the most resident memory in KiB.
struct Took {
    wall: f64,
    cpu: f64,
    memory: u64,
}

fn main() {
    let Some(postfix) = postfix() else {
        println!(
            "SKIPPED: no smtp-sink and smtp-source; install postfix's programs, or name their folder with POSTFIX"
        );
        return;
    };
    let (web, sink) = (HttpServer::start_blocking(), Sink::start(&postfix));
    let ours = rattlewatch(&web, &sink);
    println!(
        "rattlewatch  {RECIPIENTS} mails over {CONNECTIONS} connections: {:.0} a second, {:.2} s CPU, {} MiB",
        rate(&ours),
        ours.cpu,
        ours.memory / 1024
    );
    let theirs = source(&postfix, &sink);
    println!(
        "smtp-source  {RECIPIENTS} mails over {CONNECTIONS} connections: {:.0} a second, {:.2} s CPU",
        rate(&theirs),
        theirs.cpu
    );
    println!(
        "ratio        {:.2} of its rate with {:.1} times its CPU",
        rate(&ours) / rate(&theirs),
        ours.cpu / theirs.cpu
    );
}

fn rate(took: &Took) -> f64 {
    f64::from(u32::try_from(RECIPIENTS).unwrap()) / took.wall
}

fn postfix() -> Option<PathBuf> {
    let named = std::env::var_os("POSTFIX").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = named.into_iter().chain([PathBuf::from("/usr/sbin")]).chain(std::env::split_paths(&path));
    places.into_iter().find(|folder| folder.join("smtp-sink").is_file() && folder.join("smtp-source").is_file())
}

/// `smtp-sink` on a free port; it ends when dropped.
struct Sink {
    child: Child,
    port: u16,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sink {
    fn start(postfix: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(postfix.join("smtp-sink"));
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let child = command.args([&format!("127.0.0.1:{port}"), "1024"]).stdout(Stdio::null()).spawn().unwrap();
        let sink = Self { child, port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "smtp-sink does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        sink
    }
}

/// One event for everybody: stored, fanned out, composed and sent.
fn rattlewatch(web: &HttpServer, sink: &Sink) -> Took {
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[])));
    let mut program = Program::new()
        .with("RATTLEWATCH_SMTP_URL", &format!("smtp://127.0.0.1:{}", sink.port))
        .with("RATTLEWATCH_SMTP_CONNECTIONS", &CONNECTIONS.to_string())
        .with("RATTLEWATCH_LOG", "error");
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.run();
    let mut people = String::from("email,platforms\n");
    for number in 0..RECIPIENTS {
        let _ = writeln!(people, "person-{number}@msp.example,screenconnect");
    }
    let path = program.file("people.csv", &people);
    program.ok(&["subscriber", "import", path.to_str().unwrap(), "--consent-by", "a measurement"]);
    let item = ("1", "Critical authentication bypass in ScreenConnect", "Exploited. Upgrade to version 99.");
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[item])));
    let took = timed(program.prepared(&["run", "--all", "--json"]));
    let sent: serde_json::Value = serde_json::from_str(&program.ok(&["outbox", "list", "--json"])).unwrap();
    assert_eq!(sent["counts"]["sent"], RECIPIENTS, "everybody is mailed");
    took
}

fn source(postfix: &Path, sink: &Sink) -> Took {
    let mut command = Command::new(postfix.join("smtp-source"));
    let (sessions, mails) = (CONNECTIONS.to_string(), RECIPIENTS.to_string());
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

/// Seconds of processor time of the children that have ended: fields 16 and 17 of this process's `stat`, in clock ticks.
fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let ticks: f64 = after.split_whitespace().skip(13).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).unwrap())
}

fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
