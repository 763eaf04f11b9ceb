//! What members and operators do on their pages: the board, clients, people, channels, and the installation itself.

use std::time::{Duration, Instant};

use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::smtp_server::SmtpServer;

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// A person who is signed in, as a browser.
struct Browser<'s> {
    site: &'s Site,
    cookie: String,
    csrf: String,
}

impl<'s> Browser<'s> {
    async fn open(site: &'s Site, email: &str) -> Self {
        let cookie = site.sign_in(email).await;
        let csrf = Site::csrf(&site.get_as("/me", &cookie));
        Self { site, cookie, csrf }
    }

    fn get(&self, path: &str) -> String {
        let page = self.site.get_as(path, &self.cookie);
        assert_eq!(status(&page), 200, "{path}: {page}");
        page
    }

    /// Posts a form, and gives the answer's status and text.
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", &self.csrf).extend_pairs(fields);
        let answer = self.site.post_as(path, &body.finish(), &self.cookie);
        (status(&answer), answer)
    }

    fn done(&self, path: &str, fields: &[(&str, &str)]) {
        let (status, answer) = self.post(path, fields);
        assert!(matches!(status, 200 | 303), "{path}: {answer}");
    }

    fn refused(&self, path: &str, fields: &[(&str, &str)], why: &str) {
        let (status, answer) = self.post(path, fields);
        assert!(status == 422 && answer.contains(why), "{path}: {answer}");
    }
}

async fn site() -> Site {
    let site = Site::open().await;
    for arguments in [
        &["operator", "add", "root@watch.example"][..],
        &["organization", "add", "Acme"],
        &["organization", "add-client", "Acme", "Dentist", "--platform", "screenconnect", "--platform", "fortigate"],
        &["organization", "add-client", "Acme", "Baker", "--platform", "fortigate"],
        &["organization", "add-member", "Acme", "owner@acme.example", "--role", "owner", "--no-mail"],
        &["organization", "add-member", "Acme", "tech@acme.example"],
    ] {
        site.program.ok(arguments);
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_goes_from_new_to_done_and_keeps_the_record() {
    let site = site().await;
    let tech = Browser::open(&site, "tech@acme.example").await;
    let board = tech.get("/o/org-1?least=all");
    assert!(board.contains("flaw in FortiGate") && board.contains("flaw in ScreenConnect"), "{board}");
    assert!(!board.contains("flaw in Veeam"), "nobody there runs it");
    assert!(board.contains("Runs at Baker, Dentist") || board.contains("Runs at Dentist, Baker"), "{board}");

    tech.done("/o/org-1/advisories/RW-2/respond", &[("state", "acknowledged"), ("from", "board")]);
    assert!(!tech.get("/o/org-1?least=all").contains("flaw in FortiGate"));
    assert!(tech.get("/o/org-1?least=all&show=acknowledged").contains("acknowledged by tech@acme.example"));
    let for_one = [("state", "mitigated"), ("owner", "client-1"), ("note", "patched\r\nto 7.4.9 <b>")];
    tech.done("/o/org-1/advisories/RW-2/respond", &for_one);
    assert!(tech.get("/o/org-1?least=all&show=acknowledged").contains("flaw in FortiGate"), "one of two is not all");
    tech.done("/o/org-1/advisories/RW-2/respond", &[("state", "not_affected"), ("owner", "client-2")]);
    assert!(tech.get("/o/org-1?least=all&show=done").contains("flaw in FortiGate"));
    let page = tech.get("/o/org-1/advisories/RW-2");
    assert!(page.contains("patched to 7.4.9 &#60;b&#62;") && page.contains("The record"), "{page}");
    // What is not theirs, or nothing that can be done.
    assert_eq!(
        tech.post("/o/org-1/advisories/RW-2/respond", &[("state", "acknowledged"), ("owner", "client-9")]).0,
        404
    );
    assert_eq!(tech.post("/o/org-1/advisories/RW-99/respond", &[("state", "acknowledged")]).0, 404);
    tech.refused("/o/org-1/advisories/RW-2/respond", &[("state", "gone fishing")], "is no response");
    tech.done("/o/org-1/advisories/RW-2/respond", &[("state", "reopened")]);
    assert!(tech.get("/o/org-1?least=all").contains("flaw in FortiGate"), "reopened");
    // Who is told is told, and it stands there.
    site.publish("CVE-2099-3001: FortiGate lets anyone in, exploited in the wild");
    let (begun, page) = (Instant::now(), "/o/org-1/advisories/RW-4");
    while !site.get_as(page, &tech.cookie).contains("tech@acme.example</td><td>alert</td><td>sent") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", site.get_as(page, &tech.cookie));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(tech.get("/o/org-1/deliveries?state=sent").contains("lets anyone in"));
    tokio::time::sleep(Duration::from_millis(1_100)).await; // a public page is kept for a second
    let sources = site.get("/sources");
    assert!(sources.contains("first message accepted:") && sources.contains("over 1 advisory"), "{sources}");
    assert!(site.get("/").contains("4 advisories in 26 weeks"), "{}", site.get("/"));
    // An owner reads who did what.
    let owner = Browser::open(&site, "owner@acme.example").await;
    let log = owner.get("/o/org-1/audit");
    assert!(log.contains("responded") && log.contains("RW-2: mitigated, patched to 7.4.9"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_settles_clients_people_and_channels() {
    let site = site().await;
    let owner = Browser::open(&site, "owner@acme.example").await;
    owner.done("/o/org-1/clients", &[("name", "=Florist()")]);
    owner.refused("/o/org-1/clients", &[("name", "=Florist()")], "already");
    owner.refused("/o/org-1/clients", &[("name", "a/b")], "1 to 120");
    owner.done("/o/org-1/clients/client-3", &[("platform", "veeam"), ("platform", "fortigate")]);
    owner.refused("/o/org-1/clients/client-3", &[("platform", "fortigatte")], "fortigate");
    let list = owner.get("/o/org-1/clients.csv");
    assert!(list.contains("'=Florist(),fortigate veeam"), "{list}");
    // What went out comes back the same, and a list with a fault changes nothing.
    let body = list.split_once("\r\n\r\n").expect("a body").1.to_owned();
    owner.done("/o/org-1/clients/import", &[("list", &body)]);
    assert_eq!(owner.get("/o/org-1/clients.csv").split_once("\r\n\r\n").expect("a body").1, body);
    let faulty = "client,platforms\nButcher,veeam\nSmith,nonsense-platform\n";
    owner.refused("/o/org-1/clients/import", &[("list", faulty)], "line 3");
    assert!(!owner.get("/o/org-1/clients").contains("Butcher"));
    owner.done(
        "/o/org-1/clients/import",
        &[(
            "list",
            "client,platforms
Butcher,veeam;n-central
",
        )],
    );
    assert!(owner.get("/o/org-1/clients").contains("Butcher"));
    owner.done("/o/org-1/clients/client-1/remove", &[]);
    assert!(!owner.get("/o/org-1/clients").contains("Dentist"));

    owner.done("/o/org-1/people", &[("email", "new@acme.example"), ("role", "viewer"), ("mailed", "yes")]);
    assert!(owner.get("/o/org-1/people").contains("new@acme.example"));
    owner.refused("/o/org-1/people", &[("email", "owner@acme.example"), ("role", "viewer")], "last owner");
    owner.refused("/o/org-1/people/remove", &[("email", "owner@acme.example")], "last owner");
    owner.done("/o/org-1/people/remove", &[("email", "tech@acme.example")]);
    let told: Vec<String> =
        site.subscribers().iter().filter_map(|one| one["email"].as_str().map(str::to_owned)).collect();
    assert_eq!(told, ["new@acme.example"], "mail follows membership");

    owner.refused("/o/org-1/mail", &[("channel", "slack"), ("email", "owner@acme.example")], "address");
    let (code, page) = owner.post(
        "/o/org-1/mail",
        &[
            ("channel", "webhook"),
            ("email", "owner@acme.example"),
            ("floor", "high"),
            ("to", "https://hooks.acme.example/secret-path"),
        ],
    );
    assert!(code == 200 && page.contains("whsec_"), "{page}");
    let page = owner.get("/o/org-1/mail");
    assert!(
        page.contains("https://hooks.acme.example") && !page.contains("secret-path") && !page.contains("whsec_"),
        "{page}"
    );
    let mine = page.split("/o/org-1/mail/").filter_map(|rest| rest.split_once("/test").map(|(id, _)| id)).next();
    let before = site.smtp.messages().len();
    owner.done(&format!("/o/org-1/mail/{}/test", mine.expect("one")), &[]);
    let mails = site.mails(before + 1).await;
    assert!(mails.iter().any(|mail| mail.to == ["new@acme.example"] && mail.text().contains("This is a test")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_lets_a_program_in_and_out_again() {
    let site = site().await;
    let owner = Browser::open(&site, "owner@acme.example").await;
    assert!(owner.get("/o/org-1/tokens").contains("No program acts for Acme yet"));
    let fields = [("name", "our <b>tickets</b>"), ("scope", "write"), ("days", "30")];
    let (code, page) = owner.post("/o/org-1/tokens", &fields);
    let text: String = page
        .split_once("rwt_")
        .map(|(_, rest)| rest)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    assert!(code == 200 && page.contains("our &#60;b&#62;tickets") && page.contains("read and write"), "{page}");
    let rest: String = page.split_once(&format!("rwt_{text}_")).expect("a token").1.chars().take(64).collect();
    let token = format!("rwt_{text}_{rest}");
    let ask = |token: &str| {
        let request = format!(
            "GET /api/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        site.exchange(&request)
    };
    assert!(ask(&token).contains("Dentist"));
    assert!(!owner.get("/o/org-1/tokens").contains(&rest), "it is shown once");
    owner.refused("/o/org-1/tokens", &[("name", " "), ("scope", "read"), ("days", "30")], "1 to 80");
    owner.refused("/o/org-1/tokens", &[("name", "x"), ("scope", "read"), ("days", "9999")], "1 to 730 days");
    owner.refused("/o/org-1/tokens", &[("name", "x"), ("scope", "everything"), ("days", "30")], "is not a scope");
    owner.refused("/o/org-1/tokens", &[("name", "x"), ("scope", "read"), ("days", "soon")], "a number");
    owner.done("/o/org-1/tokens/token-1/revoke", &[]);
    assert_eq!(status(&ask(&token)), 401);
    assert_eq!(owner.post("/o/org-1/tokens/token-1/revoke", &[]).0, 404, "it holds no more");
    assert!(owner.get("/o/org-1/tokens").contains("revoked"));
    let log = owner.get("/o/org-1/audit");
    assert!(log.contains("token made") && log.contains("token revoked"), "{log}");
    let tech = Browser::open(&site, "tech@acme.example").await;
    assert!(!tech.get("/o/org-1").contains("/tokens"), "what is not for them is not in their way");
    assert_eq!(status(&site.get_as("/o/org-1/tokens", &tech.cookie)), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_looks_after_the_installation() {
    let site = site().await;
    let root = Browser::open(&site, "root@watch.example").await;
    assert!(root.get("/operator").contains("Source cert"));
    root.done("/operator/sources/cert/pause", &[]);
    let page = root.get("/operator/sources/cert");
    assert!(page.contains("Of the newest 3 items that tell their hour"), "{page}");
    assert!(page.contains("paused by root@watch.example") && page.contains("flaw in FortiGate"), "{page}");
    assert!(site.get("/").contains("1 of 1 sources cannot be read"), "what is paused is not seen");
    site.publish("CVE-2099-3002: Veeam news");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!site.get("/advisories?q=news").contains("Veeam news"), "it is not read");
    root.done("/operator/sources/cert/resume", &[]);
    let begun = Instant::now();
    while !site.get("/advisories?q=news").contains("Veeam news") {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is read again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // A wrong match goes from the page of a member to the operator's, and the tag with it.
    let tech = Browser::open(&site, "tech@acme.example").await;
    tech.done("/o/org-1/advisories/RW-1/wrong-match", &[("platform", "screenconnect"), ("note", "another one")]);
    assert!(root.get("/operator/wrong-matches").contains("another one"));
    root.done("/operator/wrong-matches", &[("id", "1"), ("decision", "accept")]);
    root.refused("/operator/wrong-matches", &[("id", "1"), ("decision", "accept")], "accepted before");
    assert!(!tech.get("/o/org-1?least=all").contains("flaw in ScreenConnect"));

    root.done("/operator/advisories/merge", &[("one", "RW-1"), ("other", "rw-3")]);
    let page = root.get("/operator/advisories?id=RW-3");
    let item = page.split("name=\"item\" value=\"").nth(2).and_then(|rest| rest.split('"').next()).expect("two items");
    root.done("/operator/advisories/split", &[("id", "RW-1"), ("item", item)]);
    root.refused("/operator/advisories/merge", &[("one", "RW-1"), ("other", "RW-1")], "already");

    root.done("/operator/suppression", &[("email", "gone@else.example"), ("because", "asked by telephone")]);
    assert!(root.get("/operator/suppression").contains("asked by telephone"));
    root.done("/operator/suppression", &[("email", "gone@else.example"), ("do", "lift")]);
    root.refused("/operator/suppression", &[("email", "gone@else.example"), ("do", "lift")], "not suppressed");
    root.done("/operator/organizations", &[("name", "Gamma"), ("owner", "boss@gamma.example")]);
    root.refused("/operator/operators", &[("email", "root@watch.example"), ("do", "remove")], "last operator");
    let boss = Browser::open(&site, "boss@gamma.example").await;
    assert!(boss.get("/o/org-2").contains("Nobody here runs anything yet"));
    root.refused("/operator/outbox/requeue", &[("id", "nothing")], "no such dead letter");
    assert!(root.get("/operator/outbox").contains("sign-in"));

    assert!(root.get("/operator/audit").contains("each as it was written"));
    assert!(site.program.ok(&["operator", "audit"]).contains("each as it was written"));
    let database = site.program.folder().join("data/rattlewatch.db");
    let store = rusqlite::Connection::open(database).expect("the database");
    store.execute("UPDATE audit SET detail = 'nothing' WHERE action = 'source paused'", []).expect("a row");
    assert!(root.get("/operator/audit").contains("is not as it was written"));
    assert!(site.program.refused(&["operator", "audit"], 1).contains("is not as it was written"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_prints_a_link_that_works_once() {
    let program = Program::new();
    let log = program.folder().join("log");
    let file = std::fs::File::create(&log).expect("a file");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    drop(listener);
    let mut program = program.with("RATTLEWATCH_LISTEN", &format!("127.0.0.1:{port}"));
    program.sources(&[("cert", "feed", "http://127.0.0.1:9/cert")]);
    let mut child = program.prepared(&["serve"]).stderr(file).spawn().expect("it starts");
    let begun = Instant::now();
    let link = loop {
        let text = std::fs::read_to_string(&log).expect("a log");
        if let Some(at) = text.find("/set-up/") {
            break text[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "/-".contains(*c))
                .collect::<String>();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{text}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let ask = |request: String| crate::support::site::exchange(port, &request);
    let get = |path: &str| ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    let post = |path: &str, body: &str| {
        ask(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    };
    assert_eq!(status(&get("/set-up/0123456789")), 410);
    assert_eq!(status(&post("/set-up/0123456789", "email=evil%40else.example")), 410);
    assert!(get(&link).contains("Make me the operator"));
    assert_eq!(status(&post(&link, "email=nonsense")), 422, "a slip does not use it up");
    let made = post(&link, "email=root%40watch.example");
    assert!(status(&made) == 303 && made.contains("set-cookie: rattlewatch="), "{made}");
    assert_eq!(status(&post(&link, "email=other%40watch.example")), 410);
    assert_eq!(program.ok(&["operator", "list"]).trim(), "root@watch.example");
    let _ = child.kill();
    let _ = child.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_closed_open_to_members() {
    let smtp = SmtpServer::start().await;
    let program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_PUBLIC_PAGES", "no");
    let site = Site::with(program, smtp).await;
    assert!(site.get("/advisories/RW-1").contains("not public"));
    site.program.ok(&["operator", "add", "root@watch.example"]);
    let root = Browser::open(&site, "root@watch.example").await;
    assert!(root.get("/advisories/RW-1").contains("What it comes to"));
    assert!(root.get("/platforms").contains("ScreenConnect"));
}
