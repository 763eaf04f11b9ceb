//! A program that uses the API, and a site for it to use.

use rattlewatch::store::{Location, Store};
use serde_json::Value;

use crate::support::postgres::{Engine, engines};
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::smtp_server::SmtpServer;

/// What a request is answered.
pub struct Reply {
    pub status: u16,
    head: String,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.text))
    }

    /// The ids of the entries of a list.
    pub fn ids(&self) -> Vec<String> {
        let body = self.json();
        let items = body["items"].as_array().unwrap_or_else(|| panic!("{}", self.text)).iter();
        items.map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Asserts a problem of this status, whole and without internals.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.head);
        let body = self.json();
        assert!(body["status"] == status && body["title"].is_string() && body["type"] == "about:blank", "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{body}");
        for inner in ["SELECT", "rusqlite", "postgres", "src/", "panicked", "serde"] {
            assert!(!self.text.contains(inner), "{body}");
        }
        body
    }

    /// Asserts a problem that names this field.
    pub fn names(&self, status: u16, field: &str) {
        let body = self.problem(status);
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{body}"));
        assert!(errors.iter().any(|error| error["field"] == field && error["detail"].is_string()), "{field}: {body}");
    }
}

/// A program with a token, or anybody.
pub struct Client<'s> {
    pub site: &'s Site,
    pub token: Option<String>,
}

impl<'s> Client<'s> {
    pub fn stranger(site: &'s Site) -> Self {
        Self { site, token: None }
    }

    /// One with a new token of an organization.
    pub fn of(site: &'s Site, organization: &str, scope: &str) -> Self {
        let made = site.program.ok(&["token", "add", "test", "--organization", organization, "--scope", scope]);
        let token = made.lines().last().expect("a token").to_owned();
        Self { site, token: Some(token) }
    }

    pub fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let token = self.token.iter().map(|token| ("Authorization", format!("Bearer {token}")));
        let length = (!body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH"))
            .then(|| ("Content-Length", body.len().to_string()));
        let given = fields.iter().map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in token.chain(length).chain(given) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let answer = self.site.exchange(&format!("{head}\r\n{body}"));
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {answer}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Reply { status: status.unwrap_or_else(|| panic!("{head}")), head: head.to_owned(), text: text.to_owned() }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    /// What a request with a JSON body is answered.
    pub fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        self.ask(method, path, &[("Content-Type", "application/json")], body)
    }

    /// A good answer.
    pub fn read(&self, path: &str) -> Reply {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply
    }

    /// Every id of a list, page by page; `between` runs before each page after the first.
    pub fn walk(&self, path: &str, mut between: impl FnMut(usize)) -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for page in 0..200 {
            if page > 0 {
                between(page);
            }
            let reply = self.read(&format!("{path}{cursor}"));
            found.extend(reply.ids());
            match reply.json()["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
        panic!("{path} does not end: {found:?}");
    }
}

/// Two organizations with clients, people and mail.
pub fn furnish(site: &Site) {
    for arguments in [
        &["organization", "add", "Acme", "--platform", "fortigate"][..],
        &["organization", "add-client", "Acme", "Dentist", "--platform", "screenconnect"],
        &["organization", "add-member", "Acme", "tech@acme.example"],
        &["organization", "add-member", "Acme", "night@acme.example"],
        &["organization", "add", "Beta", "--platform", "veeam-vbr"],
        &["organization", "add-client", "Beta", "Baker", "--platform", "screenconnect"],
        &["organization", "add-member", "Beta", "tech@beta.example"],
    ] {
        site.program.ok(arguments);
    }
}

/// A furnished site on each engine that is there, with its database.
pub async fn sites() -> Vec<(Site, Store)> {
    let mut sites = Vec::new();
    for engine in engines() {
        sites.push(on(engine).await);
    }
    sites
}

/// A furnished site on SQLite, with its database.
pub async fn one() -> (Site, Store) {
    on(crate::support::postgres::sqlite()).await
}

async fn on(engine: Engine) -> (Site, Store) {
    let location: Location = engine.location.clone();
    let smtp = SmtpServer::start().await;
    let program = Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url());
    let site = Site::with(program, smtp).await;
    furnish(&site);
    let store = Store::open(&location).await.expect("the database opens");
    (site, store)
}
