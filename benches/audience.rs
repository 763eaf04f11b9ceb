//! Many recipients: one event among a million subscriptions, letters that differ by their recipient only, and the weekly
//! digests of ten thousand people.
//!
//! `cargo bench --bench audience`. Beside the fan-out stands the bare `INSERT ... SELECT` of as many rows into a copy of the
//! same table by the same SQLite library, in one transaction.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

mod postfix;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use rattlewatch::model::advisory::{AdvisoryId, Content, Event, EventKind, Reference};
use rattlewatch::model::audience::Wish;
use rattlewatch::model::channel::ChannelKind;
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::platform::{Evidence, Field, PlatformId, Role, Tag};
use rattlewatch::model::severity::Severity;
use rattlewatch::pipeline::compose::{Alert, Composer, Envelope, Sites};
use rattlewatch::store::{Location, Store, Tx, advisories, counters, events};
use support::http_server::{HttpServer, Reply};
use support::program::{Program, rss};

const SUBSCRIPTIONS: usize = 1_000_000;
const FEW: usize = 1_000;
const MANY: usize = 500_000;
const READERS: usize = 10_000;
const EVENTS: usize = 500;
const PLATFORMS: usize = 50;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fan_out());
    letters();
    digests(&runtime);
}

fn now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}

fn content(number: usize, platform: &str) -> Content {
    let evidence =
        vec![Evidence { field: Field::Title, matched: platform.to_owned(), alias: platform.to_owned(), offset: 0 }];
    let platform = PlatformId(platform.to_owned());
    let tags = vec![Tag { platform, role: Role::Affected, under: None, confidence: 0.9, evidence }];
    let reference = Reference {
        source: "cert".to_owned(),
        name: "The CERT".to_owned(),
        url: format!("https://cert.example/advisories/{number}"),
        publisher: "CERT".to_owned(),
        region: "US".to_owned(),
        ..Reference::default()
    };
    Content {
        title: format!("Flaw {number} lets anyone who reaches the server run commands on it"),
        summary: "An attacker who reaches the management port can run commands. ".repeat(8),
        severity: if number.is_multiple_of(3) { Severity::Critical } else { Severity::High },
        tags,
        references: vec![reference],
        first_seen: now(),
        ..Content::default()
    }
}

fn publish(tx: &mut Tx<'_>, content: &Content) -> Result<i64, rattlewatch::store::StoreError> {
    let number = counters::next(tx, counters::Counter::Advisory)?;
    let advisory = advisories::open(tx, number, now(), content)?;
    let seq = counters::next(tx, counters::Counter::Event)?;
    let event = Event { seq, advisory, revision: 1, kind: EventKind::Published, reasons: Vec::new(), at: now() };
    events::insert(tx, &event, content)?;
    Ok(seq)
}

/// Subscriptions `sub-1` to `sub-count`, each of platform `name(n)`.
fn subscribe(count: usize, columns: &str, platform: &str) -> [String; 2] {
    let numbers = format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})");
    [
        format!(
            "INSERT INTO subscriptions (id, email, email_key, active, everything, floor, instant, digest, digest_day,
             digest_at, timezone, consent, consent_at, created_at, start_seq, digest_cut, digest_due, digest_period)
             {numbers} SELECT 'sub-' || n, 'p' || n || '@msp.example', 'p' || n || '@msp.example', TRUE, FALSE, 0, {columns} FROM n"
        ),
        format!("INSERT INTO subscription_platforms (platform, subscription) {numbers} SELECT {platform}, 'sub-' || n FROM n"),
    ]
}

async fn fan_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.db");
    let store = Store::open(&Location::Sqlite(path.clone())).await.unwrap();
    // One in a thousand runs the rare platform, every other of them the common one.
    let step = SUBSCRIPTIONS / FEW;
    let statements = subscribe(
        SUBSCRIPTIONS,
        "TRUE, 'none', 'monday', '07:30', 'UTC', 'bench', 0, 0, 0, 0, NULL, NULL",
        &format!("CASE WHEN n % {step} = 1 THEN 'rare' WHEN n % 2 = 0 THEN 'common' ELSE 'other-' || (n % 60) END"),
    );
    store.write(move |tx| statements.iter().try_for_each(|sql| tx.execute(sql, &[]).map(drop))).await.unwrap();
    let mut few = Vec::new();
    for number in 0..20 {
        store.write(move |tx| publish(tx, &content(number, "rare"))).await.unwrap();
        let begun = Instant::now();
        assert_eq!(fanned(&store).await, FEW as u64);
        few.push(begun.elapsed());
    }
    few.sort_unstable();
    println!("{FEW} matches among {SUBSCRIPTIONS}: {:.1} ms, {:.1} at most of 20", ms(few[10]), ms(few[19]));
    store.write(move |tx| publish(tx, &content(99, "common"))).await.unwrap();
    let begun = Instant::now();
    assert_eq!(fanned(&store).await, MANY as u64);
    let ours = begun.elapsed();
    let theirs = bare(&path);
    println!(
        "{MANY} matches: {:.2} s, {:.0} deliveries a second; bare INSERT ... SELECT {:.2} s: {:.2} times",
        ours.as_secs_f64(),
        MANY as f64 / ours.as_secs_f64(),
        theirs.as_secs_f64(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    store.close().await;
}

async fn fanned(store: &Store) -> u64 {
    let mut queued = 0;
    loop {
        let fanned = store.write(|tx| events::fan_out(tx, 500, 10_000, now())).await.unwrap();
        queued += fanned.queued;
        if !fanned.more {
            return queued;
        }
    }
}

/// The same rows into the same table with the same indexes, without any of our rules.
fn bare(path: &std::path::Path) -> Duration {
    let bare = rusqlite::Connection::open(path).unwrap();
    bare.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    let sql =
        "INSERT INTO deliveries (id, subscription, channel, kind, event_seq, why, payload, state, attempts, ambiguous,
         due_at, fence, created_at, detail)
         SELECT 'bare-1-' || subscription, subscription, 'email', 'alert', 1, platform, '', 'queued', 0, 0, 0, 0, 0, ''
         FROM subscription_platforms WHERE platform = 'common'";
    let begun = Instant::now();
    assert_eq!(bare.execute(sql, []).unwrap(), MANY);
    begun.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn envelope<'a>(key: &'a str, to: &'a str, subscription: &'a str) -> Envelope<'a> {
    let link = |room| format!("https://watch.example/{room}/{subscription}.0123456789abcdef0123456789abcdef01234567");
    Envelope {
        key,
        to,
        subscription,
        channel: ChannelKind::Email,
        created_at: now(),
        from_domain: "watch.example",
        secret: "secret",
        public_url: "https://watch.example",
        unsubscribe: Some(link("u")),
        preferences: Some(link("p")),
    }
}

/// Letters of one revision to many recipients.
fn letters() {
    const LETTERS: usize = 20_000;
    let composer = Composer::new().unwrap();
    let content = content(7, "screenconnect");
    let wish = Wish { platforms: vec![PlatformId("screenconnect".to_owned())], instant: true, ..Wish::default() };
    let event = Event {
        seq: 1,
        advisory: AdvisoryId("RW-1".to_owned()),
        revision: 1,
        kind: EventKind::Published,
        reasons: Vec::new(),
        at: now(),
    };
    let sites = Sites::new();
    let id = |n: usize| (format!("alert-1-sub-{n}"), format!("p{n}@msp.example"), format!("sub-{n}"));
    let (key, to, subscription) = id(0);
    let alert = Alert {
        envelope: envelope(&key, &to, &subscription),
        event: &event,
        content: &content,
        first: &content,
        wish: &wish,
        sites: &sites,
        name: &|id| id.0.clone(),
    };
    let begun = Instant::now();
    let form = composer.form(&alert).unwrap();
    let first = begun.elapsed();
    let begun = Instant::now();
    let mut bytes = 0;
    for n in 0..LETTERS {
        let (key, to, subscription) = id(n);
        let letter = form.fill(&envelope(&key, &to, &subscription), &event.advisory);
        bytes += letter.html.len() + letter.text.len();
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / LETTERS as f64;
    println!(
        "letters of {} bytes: the first {:.0} µs, each further one {each:.1} µs",
        bytes / LETTERS,
        ms(first) * 1e3
    );
}

/// The weekly digests of many people: cut, composed and sent to postfix's `smtp-sink`, or into files where there is none.
fn digests(runtime: &tokio::runtime::Runtime) {
    let web = runtime.block_on(HttpServer::start());
    web.route("/feed", Reply::ok("application/rss+xml", rss(&[("1", "Nothing", "Nothing.")])));
    let mut program = Program::new();
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    let sink = postfix::folder().map(|folder| postfix::Sink::start(&folder));
    if let Some(sink) = &sink {
        program.set("RATTLEWATCH_SMTP_URL", &format!("smtp://127.0.0.1:{}", sink.port));
    }
    program.run();
    let location = Location::Sqlite(program.folder().join("data/rattlewatch.db"));
    runtime.block_on(async {
        let store = Store::open(&location).await.unwrap();
        let mut statements = Vec::from(subscribe(
            READERS,
            "FALSE, 'weekly', 'monday', '07:30', 'UTC', 'bench', 0, 0, 0, 0, 1, '2026-W47'",
            &format!("'platform-' || (n % {PLATFORMS})"),
        ));
        for other in 1..5 {
            let [_, more] = subscribe(READERS, "", &format!("'platform-' || ((n + {other} * 7) % {PLATFORMS})"));
            statements.push(more);
        }
        let work = move |tx: &mut Tx<'_>| {
            for sql in &statements {
                tx.execute(sql, &[])?;
            }
            for number in 0..EVENTS {
                publish(tx, &content(number, &format!("platform-{}", number % PLATFORMS)))?;
            }
            tx.execute("UPDATE events SET fanned_out = TRUE", &[]).map(drop)
        };
        store.write(work).await.unwrap();
        store.close().await;
    });
    let before = postfix::children_cpu();
    let begun = Instant::now();
    let said = program.run();
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), postfix::children_cpu() - before);
    assert_eq!(said["mails"]["sent"], READERS, "{said}");
    println!(
        "{READERS} digests over {EVENTS} events, about {} each, into {}: {cpu:.1} s CPU, {wall:.1} s; {:.2} ms CPU each",
        EVENTS * 5 / PLATFORMS,
        if sink.is_some() { "smtp-sink" } else { "files" },
        cpu * 1e3 / READERS as f64
    );
}
