//! The public pages and feeds: what they show, to whom, and what hostile requests get.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::smtp_server::SmtpServer;

/// Pages that anybody may read, each with words that stand on it.
const PAGES: [(&str, &str); 8] = [
    ("/", "What is burning now"),
    ("/advisories", "flaw in Veeam Backup"),
    ("/advisories?exploited=yes", "flaw in FortiGate"),
    ("/advisories/RW-1", "What it comes to"),
    ("/platforms", "ConnectWise ScreenConnect"),
    ("/platforms/screenconnect", "role=\"img\""),
    ("/sources", "Can we see?"),
    ("/subscribe", "Hear of attacks on what you run"),
];

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

/// How many bytes an answer has on its way to a browser.
fn weight(site: &Site, path: &str) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).expect("it answers");
    let fields = "Host: localhost\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: close";
    write!(stream, "GET {path} HTTP/1.1\r\n{fields}\r\n\r\n").expect("sent");
    std::io::copy(&mut stream, &mut std::io::sink())
        .ok()
        .and_then(|sent| usize::try_from(sent).ok())
        .expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_what_it_should_and_runs_nothing_but_our_own_files() {
    let site = Site::open().await;
    for (path, words) in PAGES {
        let page = site.get(path);
        assert_eq!(status(&page), "200", "{path}: {page}");
        assert!(page.contains(words), "{path}: {page}");
        let policy = header(&page, "content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(header(&page, name), Some(value), "{path}");
        }
        let body = page.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        for inline in ["<style", " style=\"", "onclick=", "onload=", "javascript:", "<script>"] {
            assert!(!body.contains(inline), "{path} has {inline}");
        }
        assert!(!body.contains("src=\"http") && body.contains("<main id=\"main\">"), "{path}");
        // What a page needs comes with it, small, and stays in the browser's keeping.
        let mut total = weight(&site, path);
        for asset in body.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = site.get(&format!("/assets/{asset}"));
            assert_eq!(
                (status(&file), header(&file, "cache-control").is_some_and(|kept| kept.contains("immutable"))),
                ("200", true)
            );
            total += weight(&site, &format!("/assets/{asset}"));
        }
        assert!(total < 30_000, "{path} takes {total} bytes at first");
        assert!(body.len() < 80_000, "{path} takes {} bytes before it is compressed", body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_shows_what_burns_by_platform_and_nothing_else_there() {
    let site = Site::open().await;
    let page = site.get("/");
    let (burning, latest) = page.split_once("Latest advisories").expect("both parts");
    assert!(burning.contains("Fortinet FortiOS") && burning.contains("flaw in FortiGate"), "{page}");
    assert!(!burning.contains("flaw in Veeam"), "it is neither exploited nor critical: {page}");
    assert!(latest.contains("flaw in Veeam") && latest.contains("1 of 1 sources can be read"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_can_be_narrowed_paged_and_shared() {
    let site = Site::open().await;
    for (query, found, left_out) in [
        ("q=fortigate", "flaw in FortiGate", "flaw in Veeam"),
        ("q=CVE-2099-1003", "flaw in Veeam", "flaw in FortiGate"),
        ("platform=screenconnect", "flaw in ScreenConnect", "flaw in Veeam"),
        ("exploited=yes", "flaw in FortiGate", "flaw in ScreenConnect"),
        ("source=cert", "flaw in Veeam", "Nothing found"),
        ("since=2020-01-01", "flaw in Veeam", "Nothing found"),
        ("q=flaw&after=2", "flaw in ScreenConnect", "flaw in Veeam"),
        ("q=nothingofthiskind", "Nothing found", "flaw in"),
    ] {
        let page = site.get(&format!("/advisories?{query}"));
        assert!(page.contains(found) && !page.contains(left_out), "{query}: {page}");
    }
    for (query, said) in [
        ("platform=screenconect", "Did you mean screenconnect?"),
        ("severity=awful", "there are low, medium, high and critical"),
        ("since=yesterday", "no date such as"),
        ("topic=cats", "cats"),
    ] {
        let page = site.get(&format!("/advisories?{query}"));
        assert!(status(&page) == "422" && page.contains(said), "{query}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_has_is_not_sent_again() {
    let site = Site::open().await;
    for path in ["/advisories/RW-2", "/advisories.atom", "/advisories?q=flaw"] {
        let tag = header(&site.get(path), "etag").expect("a tag").to_owned();
        let again = site.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"
        ));
        assert!(status(&again) == "304" && again.ends_with("\r\n\r\n"), "{path}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_are_read_by_a_feed_reader_and_follow_the_search() {
    let site = Site::open().await;
    for (room, type_) in [("/advisories.atom", "application/atom+xml"), ("/advisories.json", "application/feed+json")] {
        for (query, count) in [("", 3), ("?platform=fortigate", 1), ("?q=veeam", 1), ("?q=nothingofthiskind", 0)] {
            let answer = site.get(&format!("{room}{query}"));
            assert!(header(&answer, "content-type").is_some_and(|kind| kind.starts_with(type_)), "{answer}");
            let body = answer.split_once("\r\n\r\n").expect("a body").1;
            let feed = feed_rs::parser::parse(body.as_bytes())
                .unwrap_or_else(|error| panic!("{room}{query}: {error}: {body}"));
            assert_eq!(feed.entries.len(), count, "{room}{query}: {body}");
            for entry in feed.entries {
                assert!(entry.title.is_some_and(|title| title.content.contains("flaw in")));
                assert!(entry.links[0].href.contains("/advisories/RW-"), "{body}");
                assert!(entry.updated.is_some() && entry.published.is_some());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_a_clear_answer_and_no_page_of_theirs() {
    let site = Site::open().await;
    let long = "x".repeat(6_000);
    for (path, expected) in [
        ("/advisories?q=%3Cscript%3Ealert(1)%3C/script%3E", "200"),
        ("/advisories?q='%20OR%201=1--&platform='%20OR%201=1--", "422"),
        ("/advisories?q=%00%01%1b%7f&after=-9223372036854775808", "200"),
        ("/advisories?after=99999999999999999999999&exploited=maybe&q=a&q=b", "200"),
        ("/advisories?q=%ff%fe%fd", "200"),
        ("/advisories/RW-99999", "404"),
        ("/advisories/..%2f..%2fetc%2fpasswd", "404"),
        ("/advisories/%00", "404"),
        ("/platforms/%3Cscript%3E", "404"),
        ("/assets/..%2f..%2fCargo.toml", "404"),
        ("/nowhere", "404"),
        (&format!("/advisories?q={long}"), "200"),
    ] {
        let page = site.get(path);
        assert_eq!(status(&page), expected, "{path}: {page}");
        assert!(!page.contains("<script>") && !page.to_lowercase().contains("sqlite"), "{path}: {page}");
    }
    for method in ["POST", "PUT", "DELETE", "TRACE"] {
        let answer = site.exchange(&format!(
            "{method} /advisories HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(status(&answer), "405", "{method}");
    }
    let big = site.exchange(
        "POST /subscribe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(status(&big), "413", "{big}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_does_nothing_and_who_posts_too_often_waits() {
    let site = Site::open().await;
    let body = "email=eve%40evil.example&platform=screenconnect&floor=all&instant=yes&digest=none&day=monday&at=07:30&timezone=UTC";
    let post = |fields: &str| {
        site.exchange(&format!(
            "POST /subscribe HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    };
    for foreign in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
    ] {
        let answer = post(foreign);
        assert!(status(&answer) == "403" && answer.contains("came from another site"), "{foreign}: {answer}");
    }
    assert_eq!(site.smtp.message_count(), 0, "nobody was asked");
    assert_eq!(status(&post("Sec-Fetch-Site: same-origin\r\n")), "200");
    let answers: Vec<String> = (0..60).map(|_| post("X-Forwarded-For: 198.51.100.1\r\n")).collect();
    let refused = answers.iter().find(|answer| status(answer) == "429").expect("nobody may post without end");
    assert!(
        header(refused, "retry-after")
            .is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| (1..60).contains(&s)))
    );
    assert_eq!(status(&site.get("/")), "200", "who only reads is not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_sent_drop_by_drop_is_cut_off_and_others_are_served_meanwhile() {
    let site = Site::open().await;
    let mut slow = TcpStream::connect(("127.0.0.1", site.port)).expect("it answers");
    slow.write_all(b"POST /subscribe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n").expect("a head");
    slow.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let begun = Instant::now();
    let mut answer = Vec::new();
    while answer.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is cut off in time");
        let _ = slow.write_all(b"a");
        assert_eq!(status(&site.get("/livez")), "200");
        let mut buffer = [0; 4_096];
        match slow.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(_) => {}
        }
    }
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

/// Connections from an address of loopback, each with the beginning of a request that does not go on.
async fn hold(port: u16, from: [u8; 4], count: usize) -> Vec<tokio::net::TcpStream> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((std::net::IpAddr::from(from), 0).into()).expect("an address");
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.expect("it answers");
        // Who has too many is cut off at once.
        let _ = stream.try_write(b"GET / HTTP/1.1\r\n");
        held.push(stream);
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_say_nothing_keep_nobody_out() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("as many files as there may be");
    let room = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or_default()).saturating_sub(2_000);
    if room < 10_000 {
        eprintln!("!!! SKIPPED: the system lets a program have {:?} files, and this takes 12,000", limit.maximum);
        return;
    }
    let site = Site::open().await;
    let greedy = hold(site.port, [127, 0, 0, 2], 10_000).await;
    assert_eq!(status(&site.get("/")), "200", "10,000 of one client");
    drop(greedy);
    let mut many = Vec::new();
    for last in 10..40 {
        many.extend(hold(site.port, [127, 0, 0, last], 250).await);
    }
    assert_eq!(status(&site.get("/")), "200", "7,500 of thirty clients");
    site.publish("CVE-2099-3003: Veeam news");
    let begun = Instant::now();
    while !site.get("/advisories?q=news").contains("Veeam news") {
        assert!(begun.elapsed() < Duration::from_secs(20), "sources are read meanwhile");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // They are not waited for without end.
    let begun = Instant::now();
    let mut buffer = [0; 1_024];
    while many[0].try_read(&mut buffer).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
        assert!(begun.elapsed() < Duration::from_secs(60), "a head that does not come ends the connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_closed_and_links_from_mails_go_on_working() {
    let smtp = SmtpServer::start().await;
    let program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()).with("RATTLEWATCH_PUBLIC_PAGES", "no");
    let site = Site::with(program, smtp).await;
    assert!(site.get("/").contains("is not public"));
    for path in
        ["/advisories", "/advisories.atom", "/advisories/RW-1", "/platforms", "/platforms/screenconnect", "/sources"]
    {
        let page = site.get(path);
        assert!(status(&page) == "403" && !page.contains("flaw in"), "{path}: {page}");
    }
    assert_eq!((status(&site.get("/subscribe")), status(&site.get("/livez"))), ("200", "200"));
}
