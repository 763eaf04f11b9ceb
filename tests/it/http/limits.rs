//! Size and time: each bound holds, and names itself.

use std::time::Duration;

use rattlewatch::http::{Excess, FetchError, Limits, Phase, Unreachable};

use super::{client_with, error_of, get, page, small, timed};
use crate::support::http_server::{HttpServer, Reply};

const SHORT: Duration = Duration::from_millis(300);

fn phase(error: &FetchError) -> Phase {
    match error {
        FetchError::TimedOut { phase, after, .. } => {
            assert_eq!(*after, SHORT);
            *phase
        }
        other => panic!("not a timeout: {other:?}"),
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let server = HttpServer::start().await;
    let client = client_with(small());
    server.route("/fits", Reply::ok("text/plain", vec![b'x'; 100_000]));
    assert_eq!(page(get(&client, &server.url("/fits")).await).body.len(), 100_000);
    let excess = Excess::Sent(100_000);
    for reply in [
        Reply::ok("text/plain", vec![b'x'; 100_001]),
        Reply::chunked("text/plain", vec![b'x'; 100_001], 7_000),
        Reply::endless("for ever "),
    ] {
        server.route("/more", reply);
        let error = get(&client, &server.url("/more")).await.expect_err("must fail");
        assert!(matches!(&error, FetchError::TooLarge { excess: found, .. } if *found == excess), "{error:?}");
    }
}

#[tokio::test]
async fn a_stated_length_beyond_the_limit_is_refused_before_the_body() {
    let limits = Limits { idle: Duration::from_secs(60), ..small() };
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n";
    let error = error_of(limits, Reply::raw(head)).await;
    assert!(matches!(error, FetchError::TooLarge { excess: Excess::Sent(_), .. }), "{error:?}");
}

#[tokio::test]
async fn headers_are_bounded() {
    let long = Reply::ok("text/plain", "x").header("X-Long", &"a".repeat(70_000));
    let error = error_of(small(), long).await;
    assert!(matches!(error, FetchError::TooLarge { excess: Excess::Headers(65_536), .. }), "{error:?}");
    let endless = Reply::raw(format!("HTTP/1.1 200 OK\r\nX-Long: {}", "a".repeat(2_000_000)));
    let error = error_of(small(), endless).await;
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    let many = (0..5000).fold(Reply::ok("text/plain", "x"), |reply, n| reply.header(&format!("X-{n}"), "v"));
    let error = error_of(small(), many).await;
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let limits = Limits { headers: SHORT, ..small() };
    let (error, took) = timed(error_of(limits, Reply::silence())).await;
    assert_eq!(phase(&error), Phase::Headers);
    assert!(took >= SHORT && took < Duration::from_secs(5), "{took:?}");
    assert!(error.sentence().contains("does not begin to answer within 300 ms"), "{error}");
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let limits = Limits { idle: SHORT, ..small() };
    let error = error_of(limits, Reply::stalled("some of it")).await;
    assert_eq!(phase(&error), Phase::Idle);
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_when_the_whole_takes_too_long() {
    let limits = Limits { total: SHORT, ..small() };
    let drops = Reply::dripping(vec![b'x'; 1000], Duration::from_millis(20));
    let (error, took) = timed(error_of(limits, drops)).await;
    assert_eq!(phase(&error), Phase::Total);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn redirects_do_not_renew_the_total_time() {
    let server = HttpServer::start().await;
    for n in 0..5 {
        let reply = Reply::redirect(302, &format!("/{}", n + 1)).after(Duration::from_millis(120));
        server.route(&format!("/{n}"), reply);
    }
    let client = client_with(Limits { total: SHORT, ..small() });
    let error = get(&client, &server.url("/0")).await.expect_err("must fail");
    assert_eq!(phase(&error), Phase::Total);
    assert!(server.all_requests().len() <= 3);
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_an_empty_document() {
    let error = error_of(small(), Reply::truncated("text/plain", "half of ")).await;
    assert!(matches!(error, FetchError::Interrupted { received: 8, .. }), "{error:?}");
    let error = error_of(small(), Reply::hang_up()).await;
    assert!(matches!(error, FetchError::Unreachable { reason: Unreachable::Closed, .. }), "{error:?}");
    let error = error_of(small(), Reply::raw("SSH-2.0-OpenSSH_9.9\r\n\r\n")).await;
    assert!(matches!(error, FetchError::Unreachable { reason: Unreachable::NotHttp, .. }), "{error:?}");
    let cut = Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let error = error_of(small(), cut).await;
    assert!(matches!(error, FetchError::Interrupted { received: 5, .. }), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_told_apart() {
    let url = HttpServer::start().await.url("/gone");
    // The server has been dropped, so nobody listens there. Its thread may take a moment to give the port back.
    let client = client_with(small());
    let mut reason = None;
    for _ in 0..50 {
        match get(&client, &url).await {
            Err(FetchError::Unreachable { reason: Unreachable::Refused, .. }) => {
                reason = Some(Unreachable::Refused);
                break;
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    assert_eq!(reason, Some(Unreachable::Refused));
    // RFC 6761: names under .invalid never resolve; without DNS the lookup fails all the same.
    let error = get(&client, "http://no-such-host.invalid/").await.expect_err("must fail");
    assert!(matches!(error, FetchError::Unreachable { reason: Unreachable::Dns, .. }), "{error:?}");
}
