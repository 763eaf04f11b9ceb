//! A world in which time is ours: a real database, the real jobs, letters as files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rattlewatch::channels::email::Sender;
use rattlewatch::channels::{Channels, file::Outbox};
use rattlewatch::config::settings::MailFlow;
use rattlewatch::http::{Client, Guard, Identity, Limits};
use rattlewatch::jobs::context::Parts;
use rattlewatch::jobs::{Context, audience, digest, ingest, letters, send};
use rattlewatch::mailbox;
use rattlewatch::model::address::EmailAddress;
use rattlewatch::model::audience::{DigestSchedule, Wish};
use rattlewatch::model::clock::{Clock, ManualClock, Timestamp};
use rattlewatch::model::draft::Draft;
use rattlewatch::model::item::Item;
use rattlewatch::model::platform::{Evidence, Field, PlatformId, Role, Tag};
use rattlewatch::pipeline::compose::Composer;
use rattlewatch::platforms::{Catalog, Matcher};
use rattlewatch::store::subscriptions::Recipient;
use rattlewatch::store::{Store, counters};
use tokio::sync::watch;

use crate::support::postgres::Engine;

const SECRET: &str = "a secret of this test";

/// A digest as it was cut.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Its period's name.
    pub period: String,
    /// When it was due.
    pub at: Timestamp,
    /// The last event before its window.
    pub after: i64,
    /// The last event in its window.
    pub upto: i64,
}

/// What happened and who is to hear of it, kept apart from the database.
#[derive(Default)]
struct Book {
    /// Events and the platform that each touches.
    events: Vec<(i64, String)>,
    /// Subscriptions: id, address, the one platform or all, the first event's number after which they count.
    people: Vec<(String, String, Option<String>, i64)>,
    starts: usize,
}

/// The world.
pub struct World {
    context: Context,
    hand: ManualClock,
    book: Mutex<Book>,
    engine: Engine,
    folder: tempfile::TempDir,
}

fn context(store: Store, clock: Clock, folder: &std::path::Path, start: usize) -> Context {
    let catalog = Arc::new(Catalog::built_in());
    let address = EmailAddress::parse("watch@msp.example").unwrap();
    let sender = Sender { name: "Rattlewatch".to_owned(), address, reply_to: None };
    let client = Client::new(&Identity::new("tests"), Guard::default(), Limits::default()).unwrap();
    let mail = Arc::new(Outbox::new(folder.join("outbox"), sender));
    Context::new(Parts {
        channels: Channels::new(mail, &client, &clock),
        forms: letters::Forms::default(),
        mail_flow: MailFlow::default(),
        store,
        clock,
        client,
        mail_client: mailbox::Client::default(),
        sources: Vec::new(),
        matcher: Matcher::new(&catalog),
        catalog,
        composer: Composer::new().unwrap(),
        from_domain: "msp.example".to_owned(),
        public_url: "https://watch.example".to_owned(),
        secret: SECRET.to_owned(),
        holder: format!("start-{start}"),
        keys: BTreeMap::new(),
        operator: None,
        heartbeat: None,
        data_dir: folder.to_owned(),
        fetch_concurrency: 1,
        burst: 1_000,
        web: rattlewatch::config::settings::WebRules { signup: false, ..Default::default() },
        send_concurrency: 2,
        queued: std::sync::Arc::default(),
    })
}

impl World {
    /// An empty one at `begin`.
    pub async fn new(engine: Engine, begin: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::manual(begin);
        let store = Store::open(&engine.location).await.unwrap();
        let context = context(store, clock, folder.path(), 0);
        Self { context, hand, book: Mutex::default(), engine, folder }
    }

    /// The program ends where it is and starts anew.
    pub async fn restart(&mut self) {
        let start = {
            let mut book = self.book.lock().unwrap();
            book.starts += 1;
            book.starts
        };
        let store = Store::open(&self.engine.location).await.unwrap();
        self.context = context(store, self.context.clock.clone(), self.folder.path(), start);
    }

    pub fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    pub fn advance(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }

    pub fn set(&self, to: Timestamp) {
        self.hand.set(to);
    }

    pub fn jump(&self, seconds: i64) {
        self.hand.set(Timestamp(self.now().0 + seconds * 1_000_000));
    }

    fn wish(platform: Option<&str>, schedule: &DigestSchedule) -> Wish {
        Wish {
            everything: platform.is_none(),
            platforms: platform.map(|id| PlatformId(id.to_owned())).into_iter().collect(),
            digest: schedule.clone(),
            ..Wish::default()
        }
    }

    /// Somebody who wants digests about one platform or all, and nothing at once. Gives the subscription's id.
    pub async fn subscribe(&self, schedule: &DigestSchedule, platform: Option<&'static str>) -> String {
        let address = format!("person-{}@msp.example", self.book.lock().unwrap().people.len());
        let recipient = Recipient::mailbox(&address, &address);
        let (wish, now, catalog) = (Self::wish(platform, schedule), self.now(), Arc::clone(&self.context.catalog));
        let saved = self.context.store.write(move |tx| {
            let saved = audience::save(tx, &catalog, SECRET, &recipient, &wish, "a test", now)?;
            Ok((saved, counters::current(tx, counters::Counter::Event)?))
        });
        let (audience::Saved::Stored(id, _), start) = saved.await.unwrap() else { panic!("nobody is suppressed") };
        self.book.lock().unwrap().people.push((id.clone(), address, platform.map(str::to_owned), start));
        id
    }

    /// The recipient wants the digest at another time.
    pub async fn change(&self, id: &str, schedule: &DigestSchedule) {
        let platform = self.book.lock().unwrap().people.iter().find(|(known, ..)| known == id).unwrap().2.clone();
        let (wish, now, catalog) =
            (Self::wish(platform.as_deref(), schedule), self.now(), Arc::clone(&self.context.catalog));
        let id = id.to_owned();
        let changed = self.context.store.write(move |tx| audience::change(tx, &catalog, &id, &wish, now));
        assert!(changed.await.unwrap());
    }

    /// A new item, which its publisher dates anywhere in the last year, becomes an event.
    pub async fn ingest(&self, platform: &str) {
        let number = self.book.lock().unwrap().events.len() + 1;
        let now = self.now();
        let draft = draft(number, platform, now);
        let stored = self.context.store.write(move |tx| {
            let given = ingest::drafts(tx, std::slice::from_ref(&draft), false, now, &|id| id.0.clone())?;
            Ok((given.events, counters::current(tx, counters::Counter::Event)?))
        });
        let (events, seq) = stored.await.unwrap();
        assert_eq!(events, 1);
        self.book.lock().unwrap().events.push((seq, platform.to_owned()));
    }

    /// Cuts and sends what is due.
    pub async fn run(&self) {
        digest::run_once(&self.context).await.unwrap();
        let (_never, stop) = watch::channel(false);
        send::run_once(&self.context, &stop).await.unwrap();
    }

    /// The same, dropped after `time`, within sending or before; then the program starts anew.
    pub async fn crash(&mut self, time: Duration, while_cutting: bool) {
        if !while_cutting {
            digest::run_once(&self.context).await.unwrap();
        }
        let _ = tokio::time::timeout(time, self.run()).await;
        self.restart().await;
    }

    /// For each subscription, the events that it is to be told.
    pub fn due(&self) -> BTreeMap<String, Vec<i64>> {
        let book = self.book.lock().unwrap();
        let mut due = BTreeMap::new();
        for (id, _, wanted, start) in &book.people {
            let mine = book
                .events
                .iter()
                .filter(|(seq, platform)| seq > start && wanted.as_ref().is_none_or(|wanted| wanted == platform));
            due.insert(id.clone(), mine.map(|(seq, _)| *seq).collect());
        }
        due
    }

    /// The words by which an event is known in a letter.
    pub fn marker(&self, seq: i64) -> String {
        let book = self.book.lock().unwrap();
        marker(book.events.iter().position(|(known, _)| *known == seq).unwrap() + 1)
    }

    /// The digests of each subscription, in the order of their windows.
    pub async fn cuts(&self) -> BTreeMap<String, Vec<Cut>> {
        let sql = "SELECT id, subscription, payload FROM deliveries WHERE kind = 'digest'";
        let rows = self.context.store.read(move |tx| {
            let rows = tx.query(sql, &[])?;
            rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?))).collect::<Result<Vec<_>, _>>()
        });
        let mut cuts: BTreeMap<String, Vec<Cut>> = BTreeMap::new();
        for (id, subscription, payload) in rows.await.unwrap() {
            let window: digest::Window = serde_json::from_str(&payload).unwrap();
            let period = id["digest-".len()..].strip_suffix(&format!("-{subscription}")).unwrap().to_owned();
            let cut = Cut { period, at: window.to, after: window.after, upto: window.upto };
            cuts.entry(subscription).or_default().push(cut);
        }
        cuts.values_mut().for_each(|mine| mine.sort_by_key(|cut| (cut.after, cut.upto)));
        cuts
    }

    /// When the next digests are due.
    pub async fn planned(&self) -> Vec<Timestamp> {
        let rows = self.context.store.read(|tx| {
            let rows = tx.query("SELECT digest_due FROM subscriptions WHERE active", &[])?;
            rows.iter().map(|row| row.time(0)).collect::<Result<Vec<_>, _>>()
        });
        rows.await.unwrap()
    }

    /// The text of every letter in the outbox, by the subscription of its recipient.
    pub fn letters(&self) -> BTreeMap<String, Vec<String>> {
        let book = self.book.lock().unwrap();
        let mut letters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let Ok(files) = std::fs::read_dir(self.folder.path().join("outbox")) else { return letters };
        for file in files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "eml")) {
            let bytes = std::fs::read(file).unwrap();
            let mail = mail_parser::MessageParser::default().parse(&bytes).unwrap();
            let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap();
            let (id, ..) = book.people.iter().find(|(_, address, ..)| address == to).unwrap();
            letters.entry(id.clone()).or_default().push(mail.body_text(0).unwrap().into_owned());
        }
        letters
    }
}

fn marker(number: usize) -> String {
    format!("CVE-2099-{}", 10_000 + number)
}

fn draft(number: usize, platform: &str, now: Timestamp) -> Draft {
    let title = format!("{}: flaw {number} in a product", marker(number));
    let evidence =
        Evidence { field: Field::Title, matched: platform.to_owned(), alias: platform.to_owned(), offset: 0 };
    let tag = Tag {
        platform: PlatformId(platform.to_owned()),
        role: Role::Affected,
        under: None,
        confidence: 0.9,
        evidence: vec![evidence],
    };
    // What is late comes late: its date says nothing of when we heard.
    let published = now.minus(Duration::from_secs(number as u64 * 7_919_000 % (365 * 86_400)));
    Draft {
        source: "cert".to_owned(),
        source_name: "CERT".to_owned(),
        publisher: "cert".to_owned(),
        item: Item {
            native_id: Some(format!("item-{number}")),
            url: Some(format!("https://cert.example/{number}")),
            title,
            text: "A flaw.".to_owned(),
            published: Some(published),
            ..Item::default()
        },
        keys: vec![format!("guid:item-{number}")],
        cves: [marker(number).parse().unwrap()].into(),
        tags: vec![tag],
        content_hash: format!("{number:064}"),
        first_seen: now,
        ..Draft::default()
    }
}
