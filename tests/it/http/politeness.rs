//! Politeness: few at once, spaced out, and quiet when asked for it.

use std::time::{Duration, Instant};

use rattlewatch::http::{FetchError, Limits};

use super::{client_with, get, page, small};
use crate::support::http_server::{HttpServer, Reply};

#[tokio::test]
async fn a_host_that_asked_for_quiet_is_not_called_again_in_that_time() {
    let server = HttpServer::start().await;
    server.route("/a", Reply::status(429).header("Retry-After", "1"));
    server.route("/b", Reply::ok("text/plain", "b"));
    let client = client_with(small());
    get(&client, &server.url("/a")).await.expect_err("busy");
    let error = get(&client, &server.url("/b")).await.expect_err("still busy, on every path");
    assert!(matches!(error, FetchError::Busy { status: 429, .. }), "{error:?}");
    let left = error.retry_after().expect("the rest of the time");
    assert!(left <= Duration::from_secs(1), "{left:?}");
    assert!(server.requests("/b").is_empty(), "the network must not be touched");
    tokio::time::sleep(left + Duration::from_millis(20)).await;
    assert_eq!(page(get(&client, &server.url("/b")).await).body, b"b");
}

#[tokio::test]
async fn those_who_wait_for_a_turn_hear_that_the_host_wants_quiet() {
    let server = HttpServer::start().await;
    let busy = Reply::status(503).header("Retry-After", "60").after(Duration::from_millis(100));
    server.route("/x", busy);
    let client = client_with(Limits { host_concurrency: 1, ..small() });
    let url = server.url("/x");
    let (first, second) = tokio::join!(get(&client, &url), get(&client, &url));
    assert!(matches!((first, second), (Err(FetchError::Busy { .. }), Err(FetchError::Busy { .. }))));
    assert_eq!(server.requests("/x").len(), 1);
}

#[tokio::test]
async fn a_host_gets_two_requests_at_once_and_no_more() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "x").after(Duration::from_millis(50)));
    let client = client_with(small());
    let url = server.url("/x");
    let all = futures_util::future::join_all((0..8).map(|_| get(&client, &url))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.peak(), 2);
}

#[tokio::test]
async fn the_operators_own_hosts_are_not_spaced_out() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "x"));
    let client = client_with(Limits { host_gap: Duration::from_secs(600), ..small() });
    for host in ["127.0.0.1", "localhost"] {
        let url = server.url("/x").replace("127.0.0.1", host);
        for _ in 0..3 {
            let started = Instant::now();
            page(get(&client, &url).await);
            assert!(started.elapsed() < Duration::from_secs(60));
        }
    }
}

#[tokio::test]
async fn waiting_for_a_turn_does_not_count_against_the_time_of_a_request() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "x").after(Duration::from_millis(300)));
    let total = Duration::from_millis(700);
    let client = client_with(Limits { host_concurrency: 1, total, ..small() });
    let url = server.url("/x");
    let started = Instant::now();
    let all = futures_util::future::join_all((0..4).map(|_| get(&client, &url))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert!(started.elapsed() > total);
}
