//! Feeds to mail, end to end: 28 feeds of 50 items from loopback, one subscriber to everything, a mail sink on
//! loopback, everything stored durably. With `R2E=path/to/r2e` the same feeds go through rss2email beside it.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::http_server::{HttpServer, Reply};
use support::program::Program;
use support::smtp_server::SmtpServer;

const FEEDS: usize = 28;
const ITEMS: usize = 50;
const ROUNDS: usize = 5;

/// Seconds of one run: on the wall, and of processor time.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    cpu: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let web = HttpServer::start().await;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(rattlewatch(&web).await);
            if let Ok(r2e) = std::env::var("R2E") {
                theirs.push(rss2email(&web, &r2e).await);
            }
        }
        let ours = median("rattlewatch", &ours);
        match theirs.is_empty() {
            true => println!("rss2email     not measured: set R2E to its program (see benches/README.md)"),
            false => {
                let theirs = median("rss2email", &theirs);
                println!(
                    "ratio         rss2email takes {:.1} times the wall time and {:.1} times the CPU time",
                    theirs.wall / ours.wall,
                    theirs.cpu / ours.cpu
                );
            }
        }
    });
}

fn median(name: &str, rounds: &[Took]) -> Took {
    let middle = |value: fn(&Took) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(value).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let took = Took { wall: middle(|took| took.wall), cpu: middle(|took| took.cpu) };
    println!(
        "{name:<13} {} mails: {:.3} s wall, {:.3} s CPU (median of {} rounds)",
        FEEDS * ITEMS,
        took.wall,
        took.cpu,
        rounds.len()
    );
    took
}

async fn rattlewatch(web: &HttpServer) -> Took {
    let smtp = SmtpServer::start().await;
    // Each event in a mail of its own, however many there are.
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_BURST", "1000000");
    let named: Vec<(String, String)> =
        (0..FEEDS).map(|feed| (format!("feed-{feed}"), web.url(&format!("/{feed}")))).collect();
    let sources: Vec<(&str, &str, &str)> = named.iter().map(|(id, url)| (id.as_str(), "feed", url.as_str())).collect();
    program.sources(&sources);
    publish(web, 0);
    program.ok(&["subscriber", "add", "sink@msp.example", "--everything"]);
    program.ok(&["run", "--all"]);
    publish(web, ITEMS);
    let took = timed(&program.prepared(&["run", "--all"]));
    assert_eq!(smtp.message_count(), FEEDS * ITEMS, "every item is mailed once");
    took
}

async fn rss2email(web: &HttpServer, r2e: &str) -> Took {
    let smtp = SmtpServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(r2e);
        command
            .args(arguments)
            .env("HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path());
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    publish(web, ITEMS);
    assert!(run(&["new", "sink@msp.example"]).status().unwrap().success());
    for feed in 0..FEEDS {
        assert!(run(&["add", &format!("feed-{feed}"), &web.url(&format!("/{feed}"))]).status().unwrap().success());
    }
    smtp_settings(&folder.path().join("rss2email.cfg"), smtp.port());
    let took = timed(&run(&["run"]));
    assert_eq!(smtp.message_count(), FEEDS * ITEMS, "every item is mailed once");
    took
}

fn smtp_settings(path: &Path, port: u16) {
    let text = std::fs::read_to_string(path).unwrap();
    let text: String = text
        .lines()
        .map(|line| match line.split(" = ").next() {
            Some("email-protocol") => "email-protocol = smtp\n".to_owned(),
            Some("smtp-server") => format!("smtp-server = 127.0.0.1:{port}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::write(path, text).unwrap();
}

/// Runs a command and takes the time of it and of all that it starts, as the shell counts it.
fn timed(command: &Command) -> Took {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "\"$@\" >/dev/null 2>&1 || exit 1; times", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    let begun = Instant::now();
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let wall = begun.elapsed().as_secs_f64();
    assert!(output.status.success(), "the measured command succeeds");
    let text = String::from_utf8(output.stdout).unwrap();
    let cpu = text.lines().last().unwrap().split_whitespace().map(seconds).sum();
    Took { wall, cpu }
}

/// `0m1.23s` as the shell prints it.
fn seconds(text: &str) -> f64 {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}

fn publish(web: &HttpServer, items: usize) {
    for feed in 0..FEEDS {
        let items: String = (0..items)
            .map(|item| {
                let words = "The vendor published a security update for its remote access product, which managed service providers run. ".repeat(6);
                format!(
                    "<item><guid isPermaLink=\"false\">{feed}-{item}</guid><title>Advisory {item} of feed {feed}: flaw in ScreenConnect and FortiGate (CVE-2099-{})</title>\
                     <link>https://cert.example/{feed}/{item}</link><description>&lt;p&gt;{words}&lt;/p&gt;</description><pubDate>Mon, 16 Nov 2026 08:{item:02}:00 GMT</pubDate></item>",
                    10_000 + feed * 100 + item
                )
            })
            .collect();
        let document = format!(
            "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Feed {feed}</title><link>https://cert.example/</link><description>d</description>{items}</channel></rss>"
        );
        web.route(&format!("/{feed}"), Reply::ok("application/rss+xml", document));
    }
}
