//! One round: a program with subscribers and news, killed and started again until everything is quiet.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rand08::Rng;
use rand08::rngs::StdRng;
use serde_json::Value;

use super::Tally;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::Engine;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Act, Phase, Received, Rule, Script, SmtpServer};

/// Everybody, and the platform that they hear of; the first one hears everything.
pub const PEOPLE: [(&str, &str); 7] = [
    ("all@msp.example", ""),
    ("one@msp.example", "screenconnect"),
    ("two@msp.example", "screenconnect"),
    ("veeam@msp.example", "veeam-vbr"),
    (REFUSED, "screenconnect"),
    ("leaver-1@msp.example", "screenconnect"),
    ("leaver-2@msp.example", "screenconnect"),
];

/// An address that the relay does not know.
pub const REFUSED: &str = "refused@msp.example";

/// Steps of the dialog at which the program is killed.
const STEPS: [Phase; 9] = [
    Phase::Connect,
    Phase::Greeting,
    Phase::Ehlo,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Body,
    Phase::Dot,
    Phase::Answered,
];

/// Starts after which it must be quiet, however many letters were put off.
const STARTS_MAX: usize = 14;

/// The end of a start.
#[derive(Clone, Debug)]
enum Kill {
    After(Duration),
    At(Phase, usize),
    Commit(&'static str, u64),
}

/// A round under way.
pub struct Round {
    pub what: String,
    pub program: Program,
    pub smtp: SmtpServer,
    /// The news: CVE id and whether it is of ScreenConnect.
    pub news: Vec<(String, bool)>,
    /// Who left, and when that was acknowledged.
    pub left: Arc<Mutex<Vec<(String, SystemTime)>>>,
    url: String,
    web: HttpServer,
    random: StdRng,
    /// The program runs as a service, and people leave by the link in their mail.
    serves: bool,
    port: u16,
    whole: Duration,
    /// The step of the first kill: one after the other, so that a few rounds meet them all.
    first: Phase,
}

impl Round {
    /// A program that has read its feed once, and news that wait to be read.
    pub async fn begin(engine: Engine, mut random: StdRng, seed: u64, what: String) -> Self {
        let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
        let (url, serves) = (engine.url.clone(), random.gen_bool(0.2));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut program = Program::on(engine)
            .with("RATTLEWATCH_SMTP_URL", &smtp.url())
            .with("RATTLEWATCH_BURST", "1000")
            .with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
        program.sources(&[("cert", "feed", &web.url("/feed"))]);
        if serves {
            let each_second = std::fs::read_to_string(program.folder().join("sources.toml")).unwrap();
            program.file("sources.toml", &each_second.replace("0 0 3 * * *", "* * * * * *"));
        }
        let mut people = String::from("email,platforms,topics,digest\n");
        for (address, platform) in &PEOPLE[1..] {
            people.push_str(&format!("{address},{platform},none,none\n"));
        }
        let path = program.file("people.csv", &people);
        program.ok(&["subscriber", "import", path.to_str().unwrap(), "--consent-by", "a test"]);
        program.ok(&["subscriber", "add", PEOPLE[0].0, "--everything", "--digest", "none"]);
        web.route("/feed", Reply::ok("application/rss+xml", rss(&[("old", "An old flaw in Veeam Backup", "Old.")])));
        program.run();
        assert_eq!(smtp.message_count(), 0, "{what}: history is mailed to nobody");
        let news = (0..random.gen_range(4..14)).map(|n| (format!("CVE-2099-{}", 10_000 + n), random.gen_bool(0.7)));
        let news = news.collect();
        let (left, whole) = (Arc::default(), Duration::from_millis(700));
        let first = STEPS[(seed % STEPS.len() as u64) as usize];
        Self { what, program, smtp, news, left, url, web, random, serves, port, whole, first }
    }

    /// Publishes the first `count` of the news.
    fn publish(&self, count: usize) {
        let product = |of_screenconnect: bool| if of_screenconnect { "ScreenConnect" } else { "Veeam Backup" };
        let titles: Vec<(&str, String)> = self.news[..count]
            .iter()
            .map(|(cve, of_screenconnect)| (cve.as_str(), format!("{cve}: new flaw in {}", product(*of_screenconnect))))
            .collect();
        let items: Vec<(&str, &str, &str)> =
            titles.iter().map(|(cve, title)| (*cve, title.as_str(), "Upgrade to version 99.")).collect();
        self.web.route("/feed", Reply::ok("application/rss+xml", rss(&items)));
    }

    /// Kills it up to four times, each time with another relay, while people leave.
    pub async fn play(&mut self, tally: &mut Tally) {
        let early = self.random.gen_range(1..=self.news.len());
        self.publish(early);
        let kills = self.random.gen_range(1..=4);
        let mut leaving = Vec::new();
        for number in 0..kills {
            if number + 1 == kills {
                self.publish(self.news.len());
            }
            let nth = self.random.gen_range(1..4);
            let kill = if number == 0 { self.at(self.first, nth) } else { self.kill() };
            for who in 1..=2 {
                if self.random.gen_bool(0.35) {
                    leaving.push(self.leaves(&format!("leaver-{who}@msp.example")));
                }
            }
            let struck = self.start_and_kill(&kill);
            tally.starts += 1;
            if struck {
                let aim = match kill {
                    Kill::After(_) => "at random".to_owned(),
                    Kill::At(phase, _) => format!("{phase:?}"),
                    Kill::Commit(side, _) => format!("{side} a commit"),
                };
                *tally.kills.entry(aim).or_default() += 1;
            }
            self.time_passes();
        }
        for leaves in leaving {
            leaves.join().unwrap();
        }
        tally.left += self.left.lock().unwrap().len() as u64;
    }

    fn kill(&mut self) -> Kill {
        let nth = self.random.gen_range(1..12);
        match self.random.gen_range(0..10) {
            0..=2 => {
                let most = if self.serves { Duration::from_secs(3) } else { self.whole };
                Kill::After(most.mul_f64(self.random.gen_range(0.05..1.0)))
            }
            3..=5 if cfg!(debug_assertions) => {
                let side = if self.random.gen_bool(0.5) { "before" } else { "after" };
                Kill::Commit(side, self.random.gen_range(1..40))
            }
            _ => {
                let phase = STEPS[self.random.gen_range(0..STEPS.len())];
                self.at(phase, nth)
            }
        }
    }

    /// At that step of the `nth` mail from now, or of one of the next connections.
    fn at(&self, phase: Phase, nth: usize) -> Kill {
        let of_connection = matches!(phase, Phase::Connect | Phase::Greeting | Phase::Ehlo);
        let (begun, nth) = if of_connection { (self.smtp.connections(), nth.min(3)) } else { (self.smtp.mails(), nth) };
        Kill::At(phase, begun + nth)
    }

    /// A relay that takes everything but one recipient, and misbehaves in one or two of many ways.
    fn relay(&mut self, first: Option<Rule>) -> Script {
        let mut script = Script::default();
        if self.random.gen_bool(0.5) {
            script.extensions.retain(|word| word != "PIPELINING");
        }
        script.rules.extend(first);
        let mail = self.smtp.mails() + self.random.gen_range(1..20);
        let random = &mut self.random;
        let times = random.gen_range(1..4);
        script.rules.extend(match random.gen_range(0..9) {
            0 => Some(Rule::at(Phase::Rcpt, Act::say("450 4.2.1 try later")).times(times)),
            1 => Some(Rule::at(Phase::Dot, Act::say("451 4.3.0 try later")).mail(mail)),
            2 => Some(Rule::at(Phase::Mail, Act::say_and_close("421 4.3.2 closing")).mail(mail)),
            3 => Some(Rule::at(Phase::Dot, Act::DropAccepted).mail(mail)),
            4 => Some(Rule::at(Phase::Dot, Act::Drop).mail(mail)),
            5 => Some(Rule::at(STEPS[random.gen_range(3..8)], Act::Drop).mail(mail)),
            _ => None,
        });
        if random.gen_bool(0.25) {
            script.close_after = Some(random.gen_range(1..6));
        }
        script.rules.push(Rule::at(Phase::Rcpt, Act::say("550 5.7.1 not from you")).recipient(REFUSED));
        if random.gen_bool(0.5) {
            script.rules.push(Rule::at(Phase::Dot, Act::Wait(Duration::from_millis(random.gen_range(1..15)))));
        }
        script
    }

    /// Starts it and ends it as `kill` says; false where it had ended by itself.
    fn start_and_kill(&mut self, kill: &Kill) -> bool {
        let place: Arc<Mutex<Option<Child>>> = Arc::default();
        let aim = match kill {
            Kill::At(phase, nth) => {
                let place = Arc::clone(&place);
                // Before the relay says another word, the program is dead.
                let strike = Act::call(move || {
                    if let Some(child) = place.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                        let _ = child.kill();
                    }
                });
                let rule = Rule::at(*phase, strike).times(1);
                let of_connection = matches!(phase, Phase::Connect | Phase::Greeting | Phase::Ehlo);
                Some(if of_connection { rule.connection(*nth) } else { rule.mail(*nth) })
            }
            _ => None,
        };
        let script = self.relay(aim);
        self.smtp.script(script);
        let mut command = self.program.prepared(if self.serves { &["serve"] } else { &["run", "--all", "--json"] });
        if let Kill::Commit(side, number) = kill {
            command.env("RATTLEWATCH_STOP_AT", format!("{side}:{number}"));
        }
        let mut held = place.lock().unwrap();
        *held = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        drop(held);
        let limit = match kill {
            Kill::After(time) => *time,
            _ if self.serves => Duration::from_secs(4),
            _ => Duration::from_secs(60),
        };
        let begun = Instant::now();
        let mut ended = None;
        while ended.is_none() && begun.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(2));
            ended = place.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
        }
        let mut child = place.lock().unwrap().take().unwrap();
        let _ = child.kill();
        let status = ended.unwrap_or_else(|| child.wait().unwrap());
        status.code().is_none()
    }

    /// Somebody leaves about now: by the link in a mail where the program serves, else by a word to the operator.
    fn leaves(&mut self, address: &str) -> std::thread::JoinHandle<()> {
        let pause = self.whole.mul_f64(self.random.gen_range(0.0..2.0));
        let (address, left, port) = (address.to_owned(), Arc::clone(&self.left), self.port);
        let by_link = self.serves.then(|| self.smtp.messages().into_iter().find(|mail| mail.to == [address.as_str()]));
        let mut removal = self.program.prepared(&["subscriber", "remove", &address]);
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            let acknowledged = match by_link {
                Some(mail) => mail.is_some_and(|mail| clicked(&mail, port)),
                None => removal.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(),
            };
            if acknowledged {
                left.lock().unwrap().push((address, SystemTime::now()));
            }
        })
    }

    /// What was put off is due.
    fn time_passes(&self) {
        let sql = "UPDATE deliveries SET due_at = 0 WHERE state = 'queued'";
        if self.url.starts_with("postgres") {
            let url = self.url.clone();
            let done = std::thread::spawn(move || postgres::Client::connect(&url, postgres::NoTls)?.batch_execute(sql));
            done.join().unwrap().unwrap();
        } else {
            let database = rusqlite::Connection::open(&self.url).unwrap();
            database.busy_timeout(Duration::from_secs(10)).unwrap();
            database.execute(sql, []).unwrap();
        }
    }

    /// Left alone, it sends what is left. Nobody helps but time.
    pub async fn end(&mut self, tally: &mut Tally) {
        for _ in 0..STARTS_MAX {
            let script = self.relay(None);
            self.smtp.script(script);
            self.time_passes();
            let output = self.program.output(&["run", "--all", "--json"]);
            tally.starts += 1;
            let (said, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
            let pass: Result<Value, _> = serde_json::from_slice(said);
            assert!(pass.is_ok(), "{}: it gets up by itself: {err}", self.what);
            let all: Value = serde_json::from_str(&self.program.ok(&["outbox", "list", "--json"])).unwrap();
            let counts = &all["counts"];
            if counts["queued"] == 0 && counts["sending"] == 0 && pass.unwrap()["events"] == 0 {
                return;
            }
        }
        panic!("{}: it is not quiet after {STARTS_MAX} starts", self.what);
    }

    /// The rows of a query, as text.
    pub fn rows(&self, sql: &'static str) -> Vec<Vec<String>> {
        if self.url.starts_with("postgres") {
            let url = self.url.clone();
            let read = std::thread::spawn(move || {
                let rows = postgres::Client::connect(&url, postgres::NoTls)?.simple_query(sql)?;
                let cells = |row: &postgres::SimpleQueryRow| {
                    (0..row.len()).map(|cell| row.get(cell).unwrap_or_default().to_owned()).collect()
                };
                Ok::<_, postgres::Error>(
                    rows.iter()
                        .filter_map(|row| match row {
                            postgres::SimpleQueryMessage::Row(row) => Some(cells(row)),
                            _ => None,
                        })
                        .collect(),
                )
            });
            return read.join().unwrap().unwrap();
        }
        let database = rusqlite::Connection::open(&self.url).unwrap();
        let mut statement = database.prepare(sql).unwrap();
        let columns = statement.column_count();
        let cell = |row: &rusqlite::Row<'_>, at: usize| {
            Ok(match row.get_ref(at)? {
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                _ => String::new(),
            })
        };
        let rows = statement.query_map([], |row| (0..columns).map(|at| cell(row, at)).collect()).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

/// A mail program's one click (RFC 8058), repeated until the server answers or is gone for good.
fn clicked(mail: &Received, port: u16) -> bool {
    let text = mail.text();
    let at = text.find("/u/").expect("a mail says how to leave");
    let path: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/.-".contains(*c)).collect();
    let body = "List-Unsubscribe=One-Click";
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        let mut answer = String::new();
        let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        if asked.is_ok() && answer.starts_with("HTTP/1.1 200") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
