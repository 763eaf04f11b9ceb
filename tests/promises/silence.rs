//! P4: "nothing happened", "we could not look" and "we have not looked" never look the same, wherever somebody looks.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::SmtpServer;

/// What each place says of one program.
#[derive(Debug)]
struct Said {
    digest: String,
    page: String,
    metrics: String,
    state: String,
}

/// The program as a service; it ends with this value.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What a digest, the page, the metrics and the list say. The source's schedule is far off, so serving reads nothing new
/// of one that was tried before.
fn said(program: &Program, port: u16) -> Said {
    let digest = program.ok(&["digest", "tech@msp.example", "--preview"]);
    let mut command = program.prepared(&["serve"]);
    let service = Service(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while program.output(&["healthcheck"]).status.code() != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it serves");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (page, metrics) = (get(port, "/"), get(port, "/metrics"));
    drop(service);
    let state = program.source("cert")["state"].as_str().unwrap().to_owned();
    Said { digest, page, metrics, state }
}

/// A program with one source and one recipient, and where it will listen.
fn program(web: &HttpServer, smtp: &SmtpServer) -> (Program, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut program = Program::new()
        .with("RATTLEWATCH_SMTP_URL", &smtp.url())
        .with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    (program, port)
}

fn news() -> Reply {
    Reply::ok("application/rss+xml", rss(&[("1", "Old news", "History.")]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_says_nothing_and_one_that_cannot_be_read_look_different_everywhere() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let (quiet, port) = program(&web, &smtp);
    web.route("/feed", news());
    quiet.run();
    let nothing = said(&quiet, port);
    let (blind, port) = program(&web, &smtp);
    blind.run();
    web.route("/feed", Reply::status(500));
    blind.run();
    let unread = said(&blind, port);
    let readable = |value: u8| format!("rattlewatch_source_readable{{source=\"cert\"}} {value}\n");
    let alarm = "No news from them is not good news";

    assert_eq!(nothing.state, "ok");
    assert!(nothing.digest.contains("Every source that we watch can be read"), "{nothing:?}");
    assert!(!nothing.digest.contains("could not be read") && !nothing.page.contains(alarm), "{nothing:?}");
    assert!(nothing.metrics.contains(&readable(1)), "{nothing:?}");

    assert_eq!(unread.state, "failing");
    assert!(
        unread.digest.contains("1 source could not be read") && unread.digest.contains("Source cert"),
        "{unread:?}"
    );
    assert!(!unread.digest.contains("Every source"), "{unread:?}");
    assert!(
        unread.page.contains("1 of 1 sources cannot be read right now") && unread.page.contains(alarm),
        "{unread:?}"
    );
    assert!(unread.metrics.contains(&readable(0)), "{unread:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_read_is_not_said_to_be_quiet() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let (fresh, _) = program(&web, &smtp);
    let digest = fresh.ok(&["digest", "tech@msp.example", "--preview"]);
    assert!(!digest.contains("Every source"), "nobody has looked yet, and the digest says\n{digest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_last_read_weeks_ago_is_not_said_to_be_quiet() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let (slept, _) = program(&web, &smtp);
    web.route("/feed", news());
    slept.run();
    let weeks_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(21 * 24);
    let database = rusqlite::Connection::open(slept.folder().join("data/rattlewatch.db")).unwrap();
    // As a program that was off for three weeks leaves it: what was to be read then was not.
    let changed = database.execute(
        "UPDATE sources SET last_success = ?1, last_attempt = ?1, next_due = ?1 WHERE id = 'cert'",
        [weeks_ago.as_microsecond()],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(database);
    let digest = slept.ok(&["digest", "tech@msp.example", "--preview"]);
    assert!(!digest.contains("Every source"), "nobody has looked for three weeks, and the digest says\n{digest}");
}
