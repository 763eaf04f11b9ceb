//! Statuses and challenge pages: each becomes the decision that it asks for.

use std::time::Duration;

use rattlewatch::http::{Client, ClientError, FetchError, Guard, Identity, Refusal};

use super::{client_with, error_of, get, page, request, small};
use crate::support::http_server::{HttpServer, Reply};

#[tokio::test]
async fn statuses_become_decisions() {
    for status in [400, 404, 405, 418, 500, 502, 504, 204, 206, 300] {
        let error = error_of(small(), Reply::status(status)).await;
        assert!(matches!(error, FetchError::Status { status: found, .. } if found == status), "{error:?}");
        assert!(error.sentence().contains(&status.to_string()), "{error}");
    }
    for status in [401, 403] {
        let error = error_of(small(), Reply::status(status)).await;
        assert!(matches!(error, FetchError::Blocked { by: None, .. }), "{error:?}");
    }
    assert!(matches!(error_of(small(), Reply::status(410)).await, FetchError::Gone { .. }));
}

#[tokio::test]
async fn challenges_are_recognized_behind_any_status() {
    let page =
        "<!DOCTYPE html><html><head><title>Just a moment...</title></head><script>window._cf_chl_opt={};</script>";
    let html = |status| Reply::ok("text/html; charset=UTF-8", page).with_status(status);
    let cases = [
        (html(403), 403, "Cloudflare"),
        (html(503), 503, "Cloudflare"),
        (html(200), 200, "Cloudflare"),
        (Reply::ok("text/html", "<p>wait").with_status(429).header("cf-mitigated", "challenge"), 429, "Cloudflare"),
        (Reply::status(202).header("x-amzn-waf-action", "challenge"), 202, "AWS WAF"),
        (Reply::status(405).header("x-amzn-waf-action", "captcha"), 405, "AWS WAF"),
        (Reply::status(403).header("Server", "AkamaiGHost"), 403, "Akamai"),
        (Reply::gzip("text/html", b"<html>Incapsula incident ID: 7-8").with_status(200), 200, "Imperva"),
    ];
    for (reply, status, who) in cases {
        let error = error_of(small(), reply.clone()).await;
        let expected =
            matches!(error, FetchError::Blocked { by: Some(by), status: found, .. } if by == who && found == status);
        assert!(expected, "{reply:?}: {error:?}");
        assert!(error.sentence().contains(who), "{error}");
    }
}

#[tokio::test]
async fn a_feed_that_speaks_of_challenges_is_a_feed() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("application/xml", "<rss><title>_cf_chl_opt explained</title></rss>"));
    assert!(!page(get(&client_with(small()), &server.url("/x")).await).body.is_empty());
}

#[tokio::test]
async fn the_page_of_a_refusal_is_bounded_too() {
    let error = error_of(small(), Reply::gzip_bomb(8 << 20).with_status(404)).await;
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error:?}");
    let error = error_of(small(), Reply::truncated("text/html", "<html>").with_status(500)).await;
    assert!(matches!(error, FetchError::Status { status: 500, .. }), "{error:?}");
}

#[tokio::test]
async fn errors_show_neither_query_nor_user_name() {
    let server = HttpServer::start().await;
    let error = get(&client_with(small()), &server.url("/feed?apikey=hunter2")).await.expect_err("404");
    assert!(!error.sentence().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn headers_that_cannot_be_sent_are_refused_not_panicked_over() {
    let mut bad = request("http://127.0.0.1:1/");
    bad.user_agent = Some("a\r\nEvil: 1".to_owned());
    let error = client_with(small()).get(&bad).await.expect_err("must fail");
    assert!(matches!(error, FetchError::Refused { reason: Refusal::Header("User-Agent"), .. }), "{error:?}");
    let mut bad = request("http://127.0.0.1:1/");
    bad.validators.etag = Some("\"\n\"".to_owned());
    let error = client_with(small()).get(&bad).await.expect_err("must fail");
    assert!(matches!(error, FetchError::Refused { reason: Refusal::Header("ETag"), .. }), "{error:?}");
    let identity = Identity { user_agent: "a\nb".to_owned() };
    assert!(matches!(Client::new(&identity, Guard::default(), small()), Err(ClientError::UserAgent)));
}

#[tokio::test]
async fn busy_carries_the_time_it_was_given() {
    for (reply, wait) in [
        (Reply::status(429).header("Retry-After", "90"), Some(90)),
        (Reply::status(503).header("Retry-After", "9999999"), Some(86_400)),
        (Reply::status(503), None),
        (Reply::status(429), None),
    ] {
        let error = error_of(small(), reply.clone()).await;
        assert!(matches!(error, FetchError::Busy { .. }), "{reply:?}: {error:?}");
        assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{reply:?}");
    }
}
