//! `robots.txt`: asked for once, followed where it speaks, and a clear refusal where it says no.

use rattlewatch::http::{Client, FetchError, RobotsRefused};
use url::Url;

use super::{client_with, request, small};
use crate::support::http_server::{HttpServer, Reply};

async fn admitted(client: &Client, url: &str) -> Result<(), FetchError> {
    client.robots_admit(&request(url), &Url::parse(url).expect("a URL")).await
}

#[tokio::test]
async fn a_path_is_refused_in_a_sentence_and_the_file_is_asked_for_once() {
    let server = HttpServer::start().await;
    server.route("/robots.txt", Reply::ok("text/plain", "User-agent: rattlewatch\nDisallow: /private\n"));
    let client = client_with(small());
    admitted(&client, &server.url("/news")).await.expect("it is not forbidden");
    let refused = admitted(&client, &server.url("/private/list?key=s3cret")).await.expect_err("it is forbidden");
    let host = server.address();
    let told =
        format!("robots.txt of {host} asks not to read /private/list; ask the publisher or switch the source off");
    assert_eq!(refused.sentence(), told);
    assert_eq!(server.requests("/robots.txt").len(), 1, "the answer is kept");
}

#[tokio::test]
async fn a_host_without_the_file_allows_all_and_one_that_fails_forbids_all_until_it_answers() {
    let cases = [
        (Reply::status(404), true),
        (Reply::status(410), true),
        (Reply::status(403), true),
        (Reply::status(401), true),
        (Reply::redirect(302, "/robots.txt"), true),
        (Reply::ok("text/html", "<html><title>Not found</title>"), true),
        (Reply::status(500), false),
        (Reply::status(502), false),
    ];
    for (reply, expected) in cases {
        let server = HttpServer::start().await;
        server.route("/robots.txt", reply.clone());
        let result = admitted(&client_with(small()), &server.url("/news")).await;
        assert_eq!(result.is_ok(), expected, "{reply:?}: {result:?}");
        if let Err(error) = result {
            assert!(matches!(error, FetchError::Robots { reason: RobotsRefused::Unread(500 | 502), .. }), "{error:?}");
        }
    }
    let server = HttpServer::start().await;
    server.sequence("/robots.txt", vec![Reply::status(500), Reply::status(404)]);
    let client = client_with(small());
    admitted(&client, &server.url("/news")).await.expect_err("it fails");
    admitted(&client, &server.url("/news")).await.expect("a failure is not kept");
}

#[tokio::test]
async fn a_host_that_asks_for_patience_or_is_not_there_says_so_itself() {
    let server = HttpServer::start().await;
    server.route("/robots.txt", Reply::status(429).header("Retry-After", "60"));
    let busy = admitted(&client_with(small()), &server.url("/news")).await.expect_err("busy");
    assert!(matches!(busy, FetchError::Busy { .. }), "{busy:?}");
    let gone = admitted(&client_with(small()), "http://127.0.0.1:9/news").await.expect_err("nobody listens");
    assert!(matches!(gone, FetchError::Unreachable { .. } | FetchError::Refused { .. }), "{gone:?}");
}

#[tokio::test]
async fn the_file_is_followed_to_where_it_is_and_believed_for_as_long_as_it_says() {
    let server = HttpServer::start().await;
    server.route("/robots.txt", Reply::redirect(301, "/elsewhere.txt"));
    let forbids = Reply::ok("text/plain", "User-agent: *\nDisallow: /\n").header("Cache-Control", "max-age=0");
    server.route("/elsewhere.txt", forbids);
    let client = client_with(small());
    for count in 1..=2 {
        admitted(&client, &server.url("/news")).await.expect_err("all is forbidden");
        assert_eq!(server.requests("/elsewhere.txt").len(), count);
    }
}
