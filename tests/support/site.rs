//! A site: the program at work, with a relay, a source of its own, and pages to ask for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http_server::{HttpServer, Reply};
use super::program::{Program, rss};
use super::smtp_server::{Received, SmtpServer};

/// A running program, its relay and its source.
pub struct Site {
    /// The program's folder and settings.
    pub program: Program,
    server: Child,
    /// Where its pages are, on loopback.
    pub port: u16,
    /// Where its mail ends.
    pub smtp: SmtpServer,
    web: HttpServer,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Site {
    /// A program with a relay of its own.
    pub async fn open() -> Self {
        let smtp = SmtpServer::start().await;
        Self::with(Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()), smtp).await
    }

    /// `program`, whose mail ends in `smtp`, with one source that it has read once and reads every second.
    pub async fn with(program: Program, smtp: SmtpServer) -> Self {
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
    pub fn publish(&self, title: &str) {
        self.web.route("/cert", Reply::ok("application/rss+xml", rss(&[(title, title, "A flaw.")])));
    }

    /// Serves this document as the source's feed.
    pub fn serve(&self, document: &str) {
        self.web.route("/cert", Reply::ok("application/rss+xml", document.to_owned()));
    }

    /// What a whole request is answered, head and body.
    pub fn exchange(&self, request: &str) -> String {
        exchange(self.port, request)
    }

    /// What `GET path` is answered.
    pub fn get(&self, path: &str) -> String {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    /// What a posted form is answered.
    pub fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// What `GET path` is answered to the holder of a cookie.
    pub fn get_as(&self, path: &str, cookie: &str) -> String {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        ))
    }

    /// What a form posted by the holder of a cookie is answered.
    pub fn post_as(&self, path: &str, body: &str, cookie: &str) -> String {
        let length = body.len();
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// The path of the first link below `room` in a mail.
    pub fn link(mail: &Received, room: &str) -> String {
        let text = mail.text().replace("=\r\n", "");
        let at = text.find(room).unwrap_or_else(|| panic!("no {room} in {text}"));
        text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/.-".contains(*c)).collect()
    }

    /// What the forms of a page bear.
    pub fn csrf(page: &str) -> String {
        let mark = "name=\"csrf\" value=\"";
        let at = page.find(mark).unwrap_or_else(|| panic!("no form on {page}"));
        page[at + mark.len()..].split('"').next().unwrap_or_default().to_owned()
    }

    /// Signs somebody in by a mailed link; gives the cookie.
    pub async fn sign_in(&self, email: &str) -> String {
        let before = self.smtp.messages().iter().filter(|mail| mail.to == [email]).count();
        self.post("/sign-in", &format!("email={}", email.replace('@', "%40")));
        let begun = Instant::now();
        let mail = loop {
            let all = self.smtp.messages();
            let mut links = all.into_iter().filter(|mail| mail.to == [email] && mail.text().contains("/sign-in/"));
            match links.next_back() {
                Some(mail) if self.smtp.messages().iter().filter(|one| one.to == [email]).count() > before => {
                    break mail;
                }
                _ => assert!(begun.elapsed() < Duration::from_secs(20), "a link for {email} in time"),
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        };
        let entered = self.post(&Self::link(&mail, "/sign-in/"), "");
        let cookie =
            entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{entered}"));
        cookie.split(';').next().unwrap_or_default().to_owned()
    }

    /// The mails so far, once there are so many.
    pub async fn mails(&self, count: usize) -> Vec<Received> {
        self.smtp.wait_for(count, Duration::from_secs(30)).await
    }

    /// Everybody who is mailed.
    pub fn subscribers(&self) -> Vec<Value> {
        serde_json::from_str(&self.program.ok(&["subscriber", "list", "--json"])).expect("JSON")
    }
}

/// What a whole request to a port on loopback is answered, head and body.
pub fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it answers");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
