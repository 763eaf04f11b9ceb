//! What the outgoing client fetches, and what it refuses to pay for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rattlewatch::http::{Client, FetchError, Fetched, Guard, Identity, Limits, Page, Request};
use rattlewatch::model::health::Validators;
use url::Url;

use crate::support::http_server::{HttpServer, Reply};

mod decoding;
mod downloads;
mod limits;
mod politeness;
mod redirects;
mod refusals;
mod robots;
mod tls;

/// Small enough that no test waits long, wide enough that a busy machine does not trip over them.
fn small() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        headers: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        total: Duration::from_secs(20),
        compressed: 100_000,
        decompressed: 300_000,
        ratio_floor: 50_000,
        host_gap: Duration::from_millis(150),
        ..Limits::default()
    }
}

/// A guard that lets loopback through.
fn loopback() -> Guard {
    Guard { allow: ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network")).to_vec() }
}

fn client_with(limits: Limits) -> Client {
    Client::new(&Identity::new("https://example.org/contact"), loopback(), limits).expect("a client")
}

fn request(url: &str) -> Request {
    Request::new(Url::parse(url).expect("a URL"))
}

async fn get(client: &Client, url: &str) -> Result<Fetched, FetchError> {
    client.get(&request(url)).await
}

fn page(fetched: Result<Fetched, FetchError>) -> Page {
    match fetched {
        Ok(Fetched::Page(page)) => page,
        other => panic!("not a page: {other:?}"),
    }
}

/// Fetches `reply` with `limits` and returns the error that must come of it.
async fn error_of(limits: Limits, reply: Reply) -> FetchError {
    let server = HttpServer::start().await;
    server.route("/x", reply);
    get(&client_with(limits), &server.url("/x")).await.expect_err("must fail")
}

#[tokio::test]
async fn a_document_comes_with_its_type_validators_and_freshness() {
    let server = HttpServer::start().await;
    let reply = Reply::ok("application/rss+xml; charset=utf-8", "<rss/>")
        .header("ETag", "W/\"a b\"")
        .header("Last-Modified", "Mon, 23 Nov 2026 07:30:00 GMT")
        .header("Cache-Control", "public, max-age=900");
    server.route("/feed.xml", reply);
    let page = page(get(&client_with(small()), &server.url("/feed.xml")).await);
    assert_eq!(page.body, b"<rss/>");
    assert_eq!(page.content_type.as_deref(), Some("application/rss+xml; charset=utf-8"));
    assert_eq!(page.meta.validators.etag.as_deref(), Some("W/\"a b\""));
    assert_eq!(page.meta.validators.last_modified.as_deref(), Some("Mon, 23 Nov 2026 07:30:00 GMT"));
    assert_eq!(page.meta.max_age, Some(Duration::from_secs(900)));
    assert_eq!((page.meta.final_url.as_str(), page.meta.moved_to), (server.url("/feed.xml").as_str(), None));
}

#[tokio::test]
async fn a_request_names_the_program_and_carries_nothing_that_tracks_or_refers() {
    let server = HttpServer::start().await;
    server.route("/a", Reply::redirect(302, "/b").header("Set-Cookie", "id=1"));
    server.route("/b", Reply::ok("text/plain", "b").header("Set-Cookie", "id=2"));
    let client = client_with(small());
    page(get(&client, &server.url("/a")).await);
    page(get(&client, &server.url("/b")).await);
    for seen in server.all_requests() {
        let name = format!("Rattlewatch/{} (+https://example.org/contact)", env!("CARGO_PKG_VERSION"));
        assert_eq!(seen.header("User-Agent"), Some(name.as_str()));
        assert_eq!(seen.header("Accept-Encoding"), Some("gzip, br"));
        for kind in ["application/rss+xml", "application/atom+xml", "application/json", "text/html"] {
            assert!(seen.header("Accept").is_some_and(|accept| accept.contains(kind)), "{kind}");
        }
        assert_eq!((seen.header("Cookie"), seen.header("Referer")), (None, None));
        assert_eq!(seen.header("If-None-Match").or(seen.header("If-Modified-Since")), None);
    }
}

#[tokio::test]
async fn a_source_may_name_its_own_user_agent_and_encodings() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "x"));
    let mut request = request(&server.url("/x"));
    request.user_agent = Some("Special/1".to_owned());
    request.accept_encoding = Some("gzip".to_owned());
    page(client_with(small()).get(&request).await);
    let seen = &server.requests("/x")[0];
    assert_eq!((seen.header("User-Agent"), seen.header("Accept-Encoding")), (Some("Special/1"), Some("gzip")));
}

#[tokio::test]
async fn validators_travel_byte_for_byte_and_304_is_no_failure() {
    let odd = "W/\"käse; \t'1'\"";
    let date = "mon, 23 nov 2026 7:30:00 +0000";
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "x").with_etag(odd).header("Last-Modified", date));
    let client = client_with(small());
    let first = page(get(&client, &server.url("/x")).await).meta.validators;
    assert_eq!(first, Validators { etag: Some(odd.to_owned()), last_modified: Some(date.to_owned()) });
    let mut again = request(&server.url("/x"));
    again.validators = first.clone();
    let Ok(Fetched::NotModified(meta)) = client.get(&again).await else { panic!("expected 304") };
    assert_eq!(meta.validators, first);
    let seen = &server.requests("/x")[1];
    assert_eq!((seen.header("If-None-Match"), seen.header("If-Modified-Since")), (Some(odd), Some(date)));
}

#[tokio::test]
async fn a_304_renews_validators_and_keeps_those_it_does_not_name() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::status(304).header("ETag", "\"new\"").header("Cache-Control", "max-age=5"));
    let mut request = request(&server.url("/x"));
    request.validators = Validators { etag: Some("\"old\"".to_owned()), last_modified: Some("then".to_owned()) };
    let Ok(Fetched::NotModified(meta)) = client_with(small()).get(&request).await else { panic!("expected 304") };
    let renewed = Validators { etag: Some("\"new\"".to_owned()), last_modified: Some("then".to_owned()) };
    assert_eq!((meta.validators, meta.max_age), (renewed, Some(Duration::from_secs(5))));
}

#[tokio::test]
async fn a_304_to_an_unconditional_request_is_not_taken_for_no_news() {
    let error = error_of(small(), Reply::status(304)).await;
    assert!(matches!(error, FetchError::Status { status: 304, .. }), "{error:?}");
}

#[tokio::test]
async fn connections_are_kept_and_clones_share_them() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "x"));
    let client = client_with(small());
    for _ in 0..3 {
        page(get(&client.clone(), &server.url("/x")).await);
    }
    assert_eq!(server.connections(), 1);
}

/// Sends `request` on a connection of its own and returns all that comes back.
fn exchange(server: &HttpServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers and closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_scripted_server_answers_in_turn_and_remembers_requests() {
    let server = HttpServer::start_blocking();
    server.sequence("/turns", vec![Reply::raw("first"), Reply::raw("second")]);
    let request = "POST /turns?page=2 HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody";
    let answers: Vec<String> = (0..3).map(|_| exchange(&server, request)).collect();
    assert_eq!(answers, ["first", "second", "second"]);
    let seen = &server.requests("/turns")[0];
    assert_eq!((seen.method.as_str(), seen.query.as_str(), seen.body.as_slice()), ("POST", "page=2", &b"body"[..]));
    assert_eq!(seen.header("HOST"), Some("test"));
}

/// Runs `work` and says how long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let result = work.await;
    (result, started.elapsed())
}
