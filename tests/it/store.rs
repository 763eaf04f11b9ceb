//! The store keeps its promises on both engines.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rattlewatch::model::advisory::{Content, Event, EventKind, Reference};
use rattlewatch::model::audience::{DigestEvery, DigestSchedule, Floor, Only, Wish};
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::delivery::DeliveryState;
use rattlewatch::model::platform::{PlatformId, Role, Tag};
use rattlewatch::model::severity::Severity;
use rattlewatch::model::tlp::Tlp;
use rattlewatch::model::topic::{About, Topic};
use rattlewatch::pipeline::audience;
use rattlewatch::store::deliveries::{Begun, Finished};
use rattlewatch::store::subscriptions::{Change, Ended, NextDigest, Recipient};
use rattlewatch::store::{
    Location, Store, StoreError, Value, advisories, counters, deliveries, events, list, subscriptions,
};

use crate::support::postgres::{engines, sqlite};

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

async fn open(location: &Location) -> Store {
    Store::open(location).await.expect("the database opens")
}

fn wish(floor: Floor, platforms: &[&str]) -> Wish {
    Wish {
        everything: platforms.is_empty(),
        platforms: platforms.iter().map(|id| PlatformId((*id).to_owned())).collect(),
        topics: vec![Topic::Msp],
        floor,
        instant: true,
        digest: DigestSchedule { every: DigestEvery::Weekly, ..DigestSchedule::default() },
        ..Wish::default()
    }
}

fn only(publishers: &[&str], regions: &[&str]) -> Only {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Only { publishers: owned(publishers), regions: owned(regions) }
}

async fn subscribe(store: &Store, email: &'static str, wish: Wish) -> String {
    let work = move |tx: &mut rattlewatch::store::Tx<'_>| {
        let next = NextDigest { due: Some(NOW.plus(Duration::from_secs(60))), period: Some("2026-11-23".to_owned()) };
        let recipient = &Recipient::mailbox(email, email);
        let change = Change { recipient, wish: &wish, consent: "test", next: &next, now: NOW };
        subscriptions::upsert(tx, &change).map(|(id, _)| id)
    };
    store.write(work).await.expect("a subscription is stored")
}

/// An authority, or a vendor, which belongs to no country.
fn said_by(severity: Severity) -> Vec<Reference> {
    let (publisher, region) = match severity {
        Severity::High => ("CISA", "US"),
        Severity::Medium => ("CERT-Bund", "DE"),
        _ => ("Veeam", ""),
    };
    vec![Reference { publisher: publisher.to_owned(), region: region.to_owned(), ..Reference::default() }]
}

/// Topics by their keys, and platforms.
fn sorted(names: &[&str]) -> (Vec<Topic>, Vec<PlatformId>) {
    let topics = names.iter().filter_map(|name| Topic::of_key(name)).collect();
    let platforms = names.iter().filter(|name| Topic::of_key(name).is_none());
    (topics, platforms.map(|id| PlatformId((*id).to_owned())).collect())
}

async fn publish(store: &Store, severity: Severity, exploited: bool, platforms: &[&str]) -> i64 {
    publish_as(store, Tlp::Clear, severity, exploited, platforms).await
}

async fn publish_as(store: &Store, tlp: Tlp, severity: Severity, exploited: bool, platforms: &[&str]) -> i64 {
    let (topics, platforms) = sorted(platforms);
    let tags = platforms.into_iter().map(|platform| Tag {
        platform,
        role: Role::Affected,
        under: None,
        confidence: 0.9,
        evidence: Vec::new(),
    });
    let topics = topics.into_iter().map(|topic| About { topic, because: String::new() }).collect();
    let mut content =
        Content { title: "A flaw".to_owned(), severity, tlp, tags: tags.collect(), topics, ..Content::default() };
    content.exploitation.exploited = exploited;
    content.references = said_by(severity);
    let work = move |tx: &mut rattlewatch::store::Tx<'_>| {
        let number = counters::next(tx, counters::Counter::Advisory)?;
        let advisory = advisories::open(tx, number, NOW, &content)?;
        let seq = counters::next(tx, counters::Counter::Event)?;
        let event = Event { seq, advisory, revision: 1, kind: EventKind::Published, reasons: Vec::new(), at: NOW };
        events::insert(tx, &event, &content)?;
        Ok(seq)
    };
    store.write(work).await.expect("an event is stored")
}

async fn fan_out(store: &Store, page: i64) -> u64 {
    let mut queued = 0;
    loop {
        let fanned = store.write(move |tx| events::fan_out(tx, 100, page, NOW)).await.expect("fan-out");
        queued += fanned.queued;
        if !fanned.more {
            return queued;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_survive_a_round_trip_and_parameters_may_repeat_in_any_order() {
    for engine in engines() {
        let store = open(&engine.location).await;
        let rows = store
            .write(|tx| {
                tx.execute(
                    "CREATE TABLE probe (t TEXT, i BIGINT, b BOOLEAN, r DOUBLE PRECISION, y BYTEA, n TEXT)",
                    &[],
                )?;
                let args: [Value; 6] = [
                    true.into(),
                    "ü'; --".into(),
                    i64::MIN.into(),
                    vec![0_u8, 255].into(),
                    0.1.into(),
                    None::<String>.into(),
                ];
                tx.execute("INSERT INTO probe (t, i, b, r, y, n) VALUES ($2, $3, $1, $5, $4, $6)", &args)?;
                tx.query(
                    "SELECT t, i, b, r, y, n FROM probe WHERE t = $2 OR t = $1 || $2",
                    &["x".into(), "ü'; --".into()],
                )
            })
            .await
            .expect(engine.name);
        let row = &rows[0];
        assert_eq!(row.text(0).expect("text"), "ü'; --", "{}", engine.name);
        assert_eq!(row.int(1).expect("int"), i64::MIN);
        assert!(row.bool(2).expect("bool"));
        assert!((row.real(3).expect("real") - 0.1).abs() < f64::EPSILON);
        assert_eq!(row.bytes(4).expect("bytes"), [0, 255]);
        assert_eq!(row.opt_text(5).expect("null"), None);
        assert!(row.int(0).is_err() && row.text(5).is_err());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_or_a_panic_undoes_its_own_work_and_no_other() {
    for engine in engines() {
        let store = open(&engine.location).await;
        let failed: Result<(), _> = store
            .write(|tx| {
                counters::next(tx, counters::Counter::Item)?;
                Err(StoreError::custom("changed my mind"))
            })
            .await;
        assert_eq!(failed.expect_err("it fails").to_string(), "changed my mind");
        let panicked: Result<(), _> = store
            .write(|tx| {
                counters::next(tx, counters::Counter::Item)?;
                panic!("as asked")
            })
            .await;
        assert!(panicked.is_err());
        assert_eq!(
            store.read(|tx| counters::current(tx, counters::Counter::Item)).await.expect("read"),
            0,
            "{}",
            engine.name
        );
        assert_eq!(
            store.write(|tx| counters::next(tx, counters::Counter::Item)).await.expect("write"),
            1,
            "{}",
            engine.name
        );
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_together_share_a_commit() {
    let engine = sqlite();
    let store = open(&engine.location).await;
    let before = store.commits();
    // The first write holds the writer while the others queue up behind it.
    let slow = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .write(|tx| {
                    std::thread::sleep(Duration::from_millis(200));
                    counters::next(tx, counters::Counter::Item)
                })
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let many: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.write(|tx| counters::next(tx, counters::Counter::Item)).await })
        })
        .collect();
    slow.await.expect("joined").expect("written");
    for one in many {
        one.await.expect("joined").expect("written");
    }
    assert_eq!(store.read(|tx| counters::current(tx, counters::Counter::Item)).await.expect("read"), 101);
    assert!(store.commits() - before <= 20, "{} commits for 101 writes", store.commits() - before);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_claimers_never_hold_one_delivery_twice() {
    for engine in engines() {
        let store = open(&engine.location).await;
        subscribe(&store, "a@msp.example", wish(Floor::All, &[])).await;
        store
            .write(|tx| {
                for number in 0..2_000 {
                    deliveries::queue_digest(tx, "sub-1", &format!("p{number}"), "{}", NOW)?;
                }
                Ok(())
            })
            .await
            .expect("queued");
        let claimed = Arc::new(AtomicUsize::new(0));
        let mut ids = Vec::new();
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let (store, claimed) = (store.clone(), Arc::clone(&claimed));
                tokio::spawn(async move {
                    let mut mine = Vec::new();
                    loop {
                        let holder = format!("w{worker}");
                        let some = store
                            .write(move |tx| deliveries::claim(tx, &holder, NOW, Duration::from_secs(600), 20))
                            .await
                            .expect("claim");
                        if some.is_empty() && claimed.load(Ordering::SeqCst) >= 2_000 {
                            return mine;
                        }
                        claimed.fetch_add(some.len(), Ordering::SeqCst);
                        mine.extend(some.into_iter().map(|claim| claim.id));
                    }
                })
            })
            .collect();
        for worker in workers {
            ids.extend(tokio::time::timeout(Duration::from_secs(60), worker).await.expect("in time").expect("joined"));
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!((all, ids.len()), (2_000, 2_000), "{}", engine.name);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_goes_from_queued_to_sent_and_a_stale_sender_changes_nothing() {
    for engine in engines() {
        let store = open(&engine.location).await;
        subscribe(&store, "a@msp.example", wish(Floor::All, &[])).await;
        publish(&store, Severity::High, false, &["veeam-vbr"]).await;
        assert_eq!(fan_out(&store, 10).await, 1, "{}", engine.name);
        assert_eq!(fan_out(&store, 10).await, 0, "a second fan-out queues nothing");
        let lease = Duration::from_secs(60);
        let claim = |at: Timestamp| store.write(move |tx| deliveries::claim(tx, "x", at, lease, 10));
        let first = claim(NOW).await.expect("claim").remove(0);
        assert!(claim(NOW).await.expect("claim").is_empty(), "a lease keeps others away");
        let begin = |claimed: deliveries::Claimed, at: Timestamp| {
            store.write(move |tx| deliveries::begin(tx, &claimed, at, lease))
        };
        assert_eq!(begin(first.clone(), NOW).await.expect("begin"), Begun::Go { attempt: 1, after_lost_try: false });
        let later = NOW.plus(Duration::from_secs(3_600));
        let second = claim(later).await.expect("claim").remove(0);
        assert_eq!(
            begin(second.clone(), later).await.expect("begin"),
            Begun::Go { attempt: 2, after_lost_try: true },
            "{}",
            engine.name
        );
        let end = |claimed: deliveries::Claimed, attempt: i64| {
            let end = Finished {
                uncounted: false,
                attempt,
                outcome: "sent",
                detail: "250 ok".into(),
                state: DeliveryState::Sent,
                due: later,
                ambiguous: 0,
            };
            store.write(move |tx| deliveries::finish(tx, &claimed, &end, later))
        };
        assert!(!end(first.clone(), 1).await.expect("finish"), "the first sender's fence is stale");
        assert_eq!(begin(first, later).await.expect("begin"), Begun::Stop);
        assert!(end(second, 2).await.expect("finish"));
        let outbox = store.read(deliveries::outbox).await.expect("outbox");
        assert_eq!((outbox.sent, outbox.queued, outbox.sending), (1, 0, 0));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_after_an_unsubscribe() {
    for engine in engines() {
        let store = open(&engine.location).await;
        let id = subscribe(&store, "a@msp.example", wish(Floor::All, &[])).await;
        publish(&store, Severity::High, false, &[]).await;
        publish(&store, Severity::High, false, &[]).await;
        fan_out(&store, 10).await;
        let claimed = store
            .write(|tx| deliveries::claim(tx, "x", NOW, Duration::from_secs(60), 1))
            .await
            .expect("claim")
            .remove(0);
        let leaver = id.clone();
        assert!(store.write(move |tx| subscriptions::end(tx, &leaver, Ended::Unsubscribed, NOW)).await.expect("end"));
        let begun =
            store.write(move |tx| deliveries::begin(tx, &claimed, NOW, Duration::from_secs(60))).await.expect("begin");
        assert_eq!(begun, Begun::Stop, "{}", engine.name);
        let outbox = store.read(deliveries::outbox).await.expect("outbox");
        assert_eq!((outbox.suppressed, outbox.queued, outbox.sending), (2, 0, 0), "{}", engine.name);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_everybody_is_not_for_strangers() {
    for engine in engines() {
        let store = open(&engine.location).await;
        let known = subscribe(&store, "known@msp.example", wish(Floor::All, &["fortigate"])).await;
        let stranger = subscribe(&store, "stranger@else.example", wish(Floor::All, &["fortigate"])).await;
        let id = stranger.clone();
        store.write(move |tx| subscriptions::set_stranger(tx, &id, true)).await.expect("a mark");
        for tlp in Tlp::ALL {
            let seq = publish_as(&store, tlp, Severity::High, true, &["fortigate"]).await;
            fan_out(&store, 10).await;
            for (id, is_stranger) in [(known.clone(), false), (stranger.clone(), true)] {
                let (alert, reader) = (format!("alert-{seq}-{id}"), id.clone());
                let (alerted, read, open) = store
                    .read(move |tx| {
                        let alerted = deliveries::one(tx, &alert)?.is_some();
                        let read = !events::in_window(tx, &reader, seq - 1, seq)?.is_empty();
                        let open = advisories::open_for(tx, &reader, Timestamp(0), NOW, 10)?;
                        Ok((alerted, read, open.iter().any(|(_, content)| content.tlp == tlp)))
                    })
                    .await
                    .expect("a look");
                let may = audience::may_read(is_stranger, tlp);
                assert_eq!((alerted, read, open), (may, may, may), "{}: TLP:{tlp} to {id}", engine.name);
            }
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_by_sets_is_the_rule_of_the_audience() {
    let wishes: Vec<(&'static str, Wish)> = vec![
        ("a@msp.example", wish(Floor::All, &["veeam-vbr"])),
        ("b@msp.example", wish(Floor::Medium, &["veeam-vbr", "fortigate"])),
        ("c@msp.example", wish(Floor::High, &["fortigate"])),
        ("d@msp.example", wish(Floor::Critical, &[])),
        ("e@msp.example", wish(Floor::Exploited, &["veeam-vbr"])),
        ("f@msp.example", Wish { instant: false, ..wish(Floor::All, &[]) }),
        ("g@msp.example", wish(Floor::High, &[])),
        ("h@msp.example", Wish { only: only(&["cisa"], &[]), ..wish(Floor::All, &[]) }),
        ("i@msp.example", Wish { only: only(&[], &["DE"]), ..wish(Floor::All, &["veeam-vbr", "fortigate"]) }),
        ("j@msp.example", Wish { only: only(&["cisa", "veeam"], &["US"]), ..wish(Floor::All, &[]) }),
        ("k@msp.example", Wish { only: only(&["cert-bund"], &["US"]), ..wish(Floor::All, &[]) }),
    ];
    let severities = [Severity::Unknown, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let touched: [&[&str]; 6] = [
        &[],
        &["veeam-vbr"],
        &["fortigate"],
        &["fortigate", "veeam-vbr"],
        &["topic:msp"],
        &["fortigate", "topic:backup"],
    ];
    for engine in engines() {
        let store = open(&engine.location).await;
        for (email, wish) in &wishes {
            subscribe(&store, email, wish.clone()).await;
        }
        for severity in severities {
            for exploited in [false, true] {
                for platforms in touched {
                    let seq = publish(&store, severity, exploited, platforms).await;
                    // Pages smaller than the number of matches: the cursor must leave nobody out.
                    fan_out(&store, 2).await;
                    let (topics, ids) = sorted(platforms);
                    let origins = Content { references: said_by(severity), ..Content::default() }.origins();
                    let content = audience::Touched { platforms: &ids, topics: &topics, origins: Some(&origins) };
                    let expected: Vec<&str> = wishes
                        .iter()
                        .filter(|(_, wish)| audience::hears_at_once(wish, severity, exploited, &content))
                        .map(|(email, _)| *email)
                        .collect();
                    let told = store
                        .read(move |tx| {
                            let rows = tx.query("SELECT s.email FROM deliveries d JOIN subscriptions s ON s.id = d.subscription WHERE d.event_seq = $1 ORDER BY s.email", &[seq.into()])?;
                            rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()
                        })
                        .await
                        .expect("told");
                    assert_eq!(told, expected, "{}: {severity} {exploited} {platforms:?}", engine.name);
                    for (index, (email, wish)) in wishes.iter().enumerate() {
                        let id = format!("sub-{}", index + 1);
                        let reads =
                            store.read(move |tx| events::in_window(tx, &id, seq - 1, seq)).await.expect("window").len()
                                == 1;
                        assert_eq!(
                            reads,
                            audience::reads_in_digest(wish, severity, exploited, &content),
                            "{}: digest of {email}",
                            engine.name
                        );
                    }
                }
            }
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_subscribers_get_no_history() {
    for engine in engines() {
        let store = open(&engine.location).await;
        publish(&store, Severity::Critical, true, &[]).await;
        let id = subscribe(&store, "late@msp.example", wish(Floor::All, &[])).await;
        assert_eq!(fan_out(&store, 10).await, 0, "{}", engine.name);
        assert!(store.read(move |tx| events::in_window(tx, &id, 0, 10)).await.expect("window").is_empty());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_program_or_a_newer_one_is_refused() {
    for engine in engines() {
        let store = open(&engine.location).await;
        let newer = "INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'from the future', 0)";
        store.write(move |tx| tx.execute(newer, &[])).await.expect("written");
        assert!(store.healthy().await.is_err());
        store.close().await;
        let refused = Store::open(&engine.location).await.err().expect("refused").to_string();
        assert!(refused.contains("newer Rattlewatch"), "{refused}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).expect("a file");
    other.execute_batch("CREATE TABLE theirs (x)").expect("a table");
    drop(other);
    let refused = Store::open(&Location::Sqlite(path)).await.err().expect("refused").to_string();
    assert!(refused.contains("another program"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_after_reopening_and_the_file_is_set_up_for_power_cuts() {
    for engine in engines() {
        let store = open(&engine.location).await;
        store.write(|tx| counters::next(tx, counters::Counter::Advisory)).await.expect("written");
        store.close().await;
        let again = open(&engine.location).await;
        assert_eq!(again.read(|tx| counters::current(tx, counters::Counter::Advisory)).await.expect("read"), 1);
        again.healthy().await.expect("healthy");
        if engine.name == "SQLite" {
            for (pragma, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
                let row = again
                    .write(move |tx| tx.query_one(&format!("PRAGMA {pragma}"), &[]))
                    .await
                    .expect("pragma")
                    .expect("a row");
                assert_eq!(
                    row.text(0).or_else(|_| row.int(0).map(|int| int.to_string())).expect("a value"),
                    expected,
                    "{pragma}"
                );
            }
        }
        again.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_that_passes() {
    let engine = sqlite();
    let store = open(&engine.location).await;
    let pages =
        store.write(|tx| tx.query_one("PRAGMA page_count", &[])?.map_or(Ok(0), |row| row.int(0))).await.expect("pages");
    store.write(move |tx| tx.query(&format!("PRAGMA max_page_count = {}", pages + 2), &[])).await.expect("set");
    let fill = |store: &Store| {
        let store = store.clone();
        async move {
            store
                .write(|tx| {
                    tx.execute("INSERT INTO meta (key, value) VALUES ('big', $1)", &["x".repeat(200_000).into()])
                })
                .await
        }
    };
    let full = fill(&store).await.expect_err("no room");
    assert!(matches!(full, StoreError::Unavailable(_)), "{full}");
    assert_eq!(store.write(|tx| counters::next(tx, counters::Counter::Item)).await.expect("small writes go on"), 1);
    store.write(|tx| tx.query("PRAGMA max_page_count = 1000000", &[])).await.expect("room again");
    fill(&store).await.expect("it recovers");
    store.close().await;
}

#[test]
fn lists_expand_to_placeholders() {
    assert_eq!(list(2, 3), "$3, $4");
}
