//! Signing up, saying yes, changing and leaving: over HTTP, as a browser and as a mail scanner do it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Received, SmtpServer};

/// A running program, its relay and its source.
pub(crate) struct Site {
    pub(crate) program: Program,
    server: Child,
    port: u16,
    pub(crate) smtp: SmtpServer,
    web: HttpServer,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Site {
    async fn open() -> Self {
        let smtp = SmtpServer::start().await;
        Self::with(Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()), smtp).await
    }

    /// `program`, whose mail ends in `smtp`, with one source that it has read once and reads every second.
    pub(crate) async fn with(program: Program, smtp: SmtpServer) -> Self {
        let web = HttpServer::start().await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        drop(listener);
        let mut program = program.with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
        program.sources(&[("cert", "feed", &web.url("/cert"))]);
        let sources = std::fs::read_to_string(program.folder().join("sources.toml")).expect("sources");
        program.file("sources.toml", &sources.replace("0 0 3 * * *", "* * * * * *"));
        let today =
            jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let known = rss(&[
            ("1", "CVE-2099-1001: flaw in ScreenConnect", "A flaw."),
            ("2", "CVE-2099-1002: flaw in FortiGate, exploited in the wild", "Attackers exploit it."),
            ("3", "CVE-2099-1003: flaw in Veeam Backup", "A flaw."),
        ]);
        web.route("/cert", Reply::ok("application/rss+xml", known.replace("Mon, 16 Nov 2026 08:00:00 GMT", &today)));
        program.run();
        let server = program.spawn(&["serve"]);
        let begun = Instant::now();
        while program.output(&["healthcheck"]).status.code() != Some(0) {
            assert!(begun.elapsed() < Duration::from_secs(20), "ready in time");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { program, server, port, smtp, web }
    }

    /// Serves news of this title.
    pub(crate) fn publish(&self, title: &str) {
        self.web.route("/cert", Reply::ok("application/rss+xml", rss(&[(title, title, "A flaw.")])));
    }

    fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it answers");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    pub(crate) async fn mails(&self, count: usize) -> Vec<Received> {
        self.smtp.wait_for(count, Duration::from_secs(30)).await
    }

    pub(crate) fn subscribers(&self) -> Vec<Value> {
        serde_json::from_str(&self.program.ok(&["subscriber", "list", "--json"])).expect("JSON")
    }
}

/// The path of the first link below `room` in a mail.
fn link(mail: &Received, room: &str) -> String {
    let text = mail.text().replace("=\r\n", "");
    let at = text.find(room).unwrap_or_else(|| panic!("no {room} in {text}"));
    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/.-".contains(*c)).collect()
}

const FORM: &str = "platform=screenconnect&platform=fortigate&topic=ransomware&floor=all&instant=yes&digest=none&day=monday&at=07:30&timezone=Europe/Berlin";

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_given_by_a_button_behind_a_mailed_link_and_by_nothing_else() {
    let site = Site::open().await;
    let page = site.get("/subscribe");
    assert!(page.contains("ScreenConnect") && page.contains("name=\"email\""), "{page}");
    let asked = site.post("/subscribe", &format!("email=Kim%40MSP.example&{FORM}"));
    assert!(asked.starts_with("HTTP/1.1 200") && asked.contains("Look into your mailbox"), "{asked}");
    let question = site.mails(1).await.remove(0);
    assert_eq!(question.to, ["Kim@msp.example"]);
    let text = question.text().replace("=\r\n", "");
    assert!(text.contains("ScreenConnect") && !text.contains("CVE-") && !text.contains("List-Unsubscribe"), "{text}");
    let confirm = link(&question, "/confirm/");
    for _ in 0..20 {
        assert!(site.get(&confirm).contains("Yes, mail me"));
    }
    assert!(site.subscribers().is_empty(), "a scanner that follows links says nothing");
    assert!(site.post(&format!("{confirm}0"), "").starts_with("HTTP/1.1 404"));
    for _ in 0..2 {
        assert!(site.post(&confirm, "").contains("You are subscribed"));
    }
    // One welcome: what is open now, exploited first, and nothing of what they do not run.
    let welcome = site.mails(2).await.remove(1);
    let text = welcome.text().replace("=\r\n", "");
    let (fortigate, screenconnect) = (text.find("flaw in FortiGate"), text.find("flaw in ScreenConnect"));
    assert!(fortigate.is_some() && fortigate < screenconnect, "{text}");
    assert!(!text.contains("flaw in Veeam"), "{text}");
    let mine = site.subscribers().remove(0);
    assert_eq!(mine["timezone"], "Europe/Berlin");
    assert!(mine["consent"].as_str().is_some_and(|consent| consent.contains("mailed link")), "{mine}");

    // Preferences, by the link in the mail.
    let preferences = link(&welcome, "/p/sub-");
    let page = site.get(&preferences);
    assert!(page.contains("Kim@msp.example gets") && page.contains("value=\"fortigate\" checked"), "{page}");
    let refused = site.post(&preferences, "platform=no-such-thing&timezone=UTC");
    assert!(refused.starts_with("HTTP/1.1 422") && refused.contains("no platform is called"), "{refused}");
    let saved = site.post(
        &preferences,
        "platform=veeam-vbr&floor=high&instant=yes&quiet_from=22:00&quiet_to=06:00&digest=daily&at=06:00&timezone=UTC",
    );
    assert!(saved.contains("Saved"), "{saved}");
    let changed = site.subscribers().remove(0);
    assert_eq!((&changed["floor"], &changed["quiet"]), (&"high".into(), &"22:00-06:00".into()));
    assert_eq!(changed["consent"], mine["consent"], "the consent stays what it was");
    assert_eq!(changed["consent_at"], mine["consent_at"]);

    // Leaving: a list does not bring them back, their own yes does.
    let stop = link(&welcome, "/u/sub-");
    assert!(site.post(&stop, "List-Unsubscribe=One-Click").starts_with("HTTP/1.1 200"));
    assert!(
        site.program.refused(&["subscriber", "add", "kim@msp.example", "--everything"], 1).contains("unsubscribed")
    );
    assert!(site.get(&preferences).starts_with("HTTP/1.1 410"));
    site.post("/subscribe", &format!("email=kim%40msp.example&{FORM}"));
    let again = site.mails(3).await.remove(2);
    site.post(&link(&again, "/confirm/"), "");
    assert_eq!(site.subscribers().len(), 1);

    // Being forgotten, by the link in the mail.
    let welcome = site.mails(4).await.remove(3);
    let preferences = link(&welcome, "/p/sub-");
    assert!(site.get(&format!("{preferences}/erase")).contains("Delete"));
    assert_eq!(site.subscribers().len(), 1);
    assert!(site.post(&format!("{preferences}/erase"), "").contains("You are forgotten"));
    assert!(site.subscribers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_tells_nobody_who_is_subscribed_and_floods_no_mailbox() {
    let site = Site::open().await;
    site.program.ok(&["subscriber", "add", "known@msp.example", "--everything", "--digest", "none"]);
    site.program.ok(&["suppression", "add", "never@msp.example"]);
    let body = |answer: String| answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    let known = body(site.post("/subscribe", &format!("email=known%40msp.example&{FORM}")));
    let fresh = body(site.post("/subscribe", &format!("email=new%40msp.example&{FORM}")));
    let never = body(site.post("/subscribe", &format!("email=never%40msp.example&{FORM}")));
    assert_eq!(known, fresh);
    assert_eq!(never, fresh);
    for _ in 0..10 {
        assert_eq!(body(site.post("/subscribe", &format!("email=new%40msp.example&{FORM}"))), fresh);
    }
    // Two for the two who may be asked, and two more for the one that was asked again and again.
    site.mails(4).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut to: Vec<String> = site.smtp.messages().iter().flat_map(|mail| mail.to.clone()).collect();
    to.sort();
    assert_eq!(to, ["known@msp.example", "new@msp.example", "new@msp.example", "new@msp.example"]);
    // The known one's wish is what it was until the link is used.
    assert_eq!(site.subscribers()[0]["everything"], true);
    for wrong in [
        "email=&platform=fortigate",
        "email=a%0d%0aBcc%3a%20x%40y.example&platform=fortigate",
        "email=x%40msp.example&topic=none",
    ] {
        assert!(site.post("/subscribe", wrong).starts_with("HTTP/1.1 422"), "{wrong}");
    }
    let long = format!("email=x%40msp.example&{}", "platform=fortigate&".repeat(10_000));
    assert!(site.post("/subscribe", &long).starts_with("HTTP/1.1 413"));
}
