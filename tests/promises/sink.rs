//! P1, P2 and P5 against a relay that is not ours: postfix's `smtp-sink`, which keeps each mail that it takes as a file.
//!
//! The program is killed at random while the sink refuses, drops or closes; left alone with an honest sink, everybody has
//! each of their mails, and a second copy only where the database counts a try as ambiguous. `POSTFIX` names the folder of
//! `smtp-sink` where it is not on `PATH` or in `/usr/sbin`.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand08::rngs::StdRng;
use rand08::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::sqlite;
use crate::support::program::{Program, rss};

/// Rounds where `RATTLEWATCH_ROUNDS` says nothing.
const ROUNDS: u64 = 6;
const PEOPLE: usize = 4;
const NEWS: usize = 8;
/// Starts after which it must be quiet.
const STARTS_MAX: usize = 10;

/// What the sink does wrong. None of these takes a mail and says that it did not, but for the last one: it drops the
/// connection after the final dot.
const FAULTS: [&[&str]; 7] =
    [&[], &["-p"], &["-r", "rcpt"], &["-Q", "mail"], &["-q", "rcpt"], &["-q", "data"], &["-q", "."]];

fn postfix() -> Option<PathBuf> {
    let named = std::env::var_os("POSTFIX").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = named.into_iter().chain([PathBuf::from("/usr/sbin")]).chain(std::env::split_paths(&path));
    places.map(|folder| folder.join("smtp-sink")).find(|program| program.is_file())
}

/// A running `smtp-sink`; it ends with this value.
struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        // What it holds of connections that are gone is put away first.
        std::thread::sleep(Duration::from_millis(100));
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sink {
    fn start(program: &Path, port: u16, folder: &Path, faults: &[&str]) -> Self {
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let template = format!("{}/mail.", folder.display());
        let address = format!("127.0.0.1:{port}");
        command.args(faults).args(["-d", &template, &address, "128"]);
        let sink = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "smtp-sink does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        sink
    }
}

/// What the sink took: recipient and CVE id, with the text of each copy.
fn taken(folder: &Path, what: &str) -> BTreeMap<(String, String), Vec<String>> {
    let mut taken: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = String::from_utf8(std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        // Three lines of the sink's own `Received` end what differs from copy to copy.
        let (ours, to) = (text.find("\nFrom: ").or_else(|| text.find("\nDate: ")), text.find("X-Rcpt-Args: <"));
        let (Some(_), Some(to)) = (ours, to) else { panic!("{what}: this is no mail of ours\n{text}") };
        let to: String = text[to + 14..].chars().take_while(|c| *c != '>').collect();
        let received = text.find("\nReceived: ").unwrap();
        let mail = text[received + 1..].lines().skip(3).collect::<Vec<_>>().join("\n");
        let parsed = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
        let subject = parsed.subject().unwrap_or_default();
        let at = subject.find("CVE-2099-").unwrap_or_else(|| panic!("{what}: no CVE in '{subject}'"));
        taken.entry((to, subject[at..at + 14].to_owned())).or_default().push(mail);
    }
    taken
}

/// What repeats the random choices of a run: `RATTLEWATCH_SEED`, else the clock.
fn seed() -> u64 {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    std::env::var("RATTLEWATCH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now)
}

fn person(number: usize) -> String {
    format!("person-{number}@msp.example")
}

/// What was put off is due.
fn time_passes(url: &str) {
    let database = rusqlite::Connection::open(url).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.execute("UPDATE deliveries SET due_at = 0 WHERE state = 'queued'", []).unwrap();
    // A relay that was down is tried again.
    database.execute("DELETE FROM meta WHERE key = 'relay_down'", []).unwrap();
}

#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    starts: u64,
    mails: usize,
    copies: usize,
    ambiguous: i64,
}

fn one_round(sink: &Path, web: &HttpServer, random: &mut StdRng, what: &str, tally: &mut Tally) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let engine = sqlite();
    let url = engine.url.clone();
    let mut program = Program::on(engine)
        .with("RATTLEWATCH_SMTP_URL", &format!("smtp://127.0.0.1:{port}"))
        .with("RATTLEWATCH_BURST", "1000");
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[("old", "An old flaw in Veeam Backup", "Old.")])));
    for number in 0..PEOPLE {
        program.ok(&["subscriber", "add", &person(number), "--platform", "screenconnect", "--digest", "none"]);
    }
    program.run();
    let cves: Vec<String> = (0..NEWS).map(|n| format!("CVE-2099-{}", 10_000 + n)).collect();
    let titles: Vec<String> = cves.iter().map(|cve| format!("{cve}: new flaw in ScreenConnect")).collect();
    let items: Vec<(&str, &str, &str)> =
        cves.iter().zip(&titles).map(|(cve, title)| (cve.as_str(), title.as_str(), "Upgrade to version 99.")).collect();
    web.route("/feed", Reply::ok("application/rss+xml", rss(&items)));
    for _ in 0..random.gen_range(1..=3) {
        let running = Sink::start(sink, port, folder.path(), FAULTS[random.gen_range(0..FAULTS.len())]);
        let mut command = program.prepared(&["run", "--all", "--json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.gen_range(40..500)));
        tally.kills += u64::from(child.try_wait().unwrap().is_none());
        tally.starts += 1;
        // SIGKILL: nothing in the program can see it come.
        let _ = child.kill();
        child.wait().unwrap();
        drop(running);
        time_passes(&url);
    }
    let running = Sink::start(sink, port, folder.path(), &[]);
    let is_quiet = (0..STARTS_MAX).any(|_| {
        time_passes(&url);
        program.run();
        tally.starts += 1;
        let all: Value = serde_json::from_str(&program.ok(&["outbox", "list", "--json"])).unwrap();
        let counts = &all["counts"];
        counts["queued"] == 0 && counts["sending"] == 0 && counts["sent"] == PEOPLE * NEWS
    });
    let state = program.ok(&["outbox", "list", "--json"]);
    assert!(is_quiet, "{what}: it is not quiet after {STARTS_MAX} starts: {state}");
    drop(running);
    check(&taken(folder.path(), what), &ambiguous(&url), &cves, what, tally);
}

/// How many tries of each delivery may have been taken unheard.
fn ambiguous(url: &str) -> BTreeMap<(String, String), i64> {
    let database = rusqlite::Connection::open(url).unwrap();
    let sql = "SELECT s.email, c.cve, d.ambiguous FROM deliveries d JOIN subscriptions s ON s.id = d.subscription
         JOIN events e ON e.seq = d.event_seq JOIN advisory_cves c ON c.advisory = e.advisory";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Everybody has every mail, each copy beside the first is one that was counted, and all copies are the same.
fn check(
    taken: &BTreeMap<(String, String), Vec<String>>,
    ambiguous: &BTreeMap<(String, String), i64>,
    cves: &[String],
    what: &str,
    tally: &mut Tally,
) {
    assert_eq!(taken.len(), PEOPLE * NEWS, "{what}: nobody gets what is not theirs");
    for (number, cve) in (0..PEOPLE).flat_map(|number| cves.iter().map(move |cve| (number, cve))) {
        let pair = (person(number), cve.clone());
        let copies = taken.get(&pair).unwrap_or_else(|| panic!("{what}: {pair:?} never came"));
        assert!(
            copies.iter().all(|copy| *copy == copies[0]),
            "{what}: {pair:?}: a second copy is the same, id included"
        );
        let counted = ambiguous[&pair];
        let beyond = copies.len() as i64 - 1;
        assert!(beyond <= counted, "{what}: {pair:?}: {beyond} second copies, {counted} counted as ambiguous");
        tally.mails += 1;
        tally.copies += copies.len() - 1;
        tally.ambiguous += counted;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_s_own_sink_has_every_mail_and_each_second_copy_was_counted() {
    let Some(sink) = postfix() else {
        println!("SKIPPED: no smtp-sink; install postfix's programs, or name their folder with POSTFIX");
        return;
    };
    let web = HttpServer::start().await;
    let rounds = std::env::var("RATTLEWATCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let (seed, begun, mut tally) = (seed(), Instant::now(), Tally::default());
    for round in 0..rounds {
        let seed = seed.wrapping_add(round);
        let what = format!("RATTLEWATCH_SEED={seed} RATTLEWATCH_ROUNDS=1");
        one_round(&sink, &web, &mut StdRng::seed_from_u64(seed), &what, &mut tally);
    }
    println!("smtp-sink: {rounds} rounds in {:.0} s, {tally:?}", begun.elapsed().as_secs_f64());
}
