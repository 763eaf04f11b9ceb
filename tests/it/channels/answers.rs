//! What answers mean, and what is refused before any is asked for.

use std::time::Instant;

use rattlewatch::channels::checked;
use ring::hmac;

use super::*;

/// What follows from an outcome.
#[derive(Debug, PartialEq)]
enum Next {
    Sent,
    Later(Option<u64>),
    Never,
    Gone,
}

fn next(outcome: &Outcome) -> Next {
    match outcome {
        Outcome::Sent { .. } => Next::Sent,
        Outcome::Later { relay_down: false, wait, .. } => Next::Later(wait.map(|wait| wait.as_secs())),
        Outcome::Never { .. } => Next::Never,
        Outcome::Gone { .. } => Next::Gone,
        other => panic!("an endpoint's failure is nobody else's: {other:?}"),
    }
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Sent { reply } => reply,
        Outcome::Later { reason, .. }
        | Outcome::Never { reason }
        | Outcome::Gone { reason }
        | Outcome::Ambiguous { reason } => reason,
    }
}

#[tokio::test]
async fn a_webhook_is_signed_so_that_an_independent_computation_agrees() {
    let server = HttpServer::start().await;
    server.route("/hook", Reply::status(204));
    let folder = tempfile::tempdir().unwrap();
    let channels = channels(folder.path(), loopback());
    let other = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
    let message = message(alert(), &server.url("/hook"), Some(&format!("{SECRET} {other}")));
    for _ in 0..2 {
        let outcome = channels.get(ChannelKind::Webhook).send(&message).await;
        assert_eq!(next(&outcome), Next::Sent, "{outcome:?}");
    }
    let seen = server.requests("/hook");
    assert_eq!(seen[0].body, seen[1].body);
    let (id, stamp) = (seen[0].header("webhook-id").unwrap(), seen[0].header("webhook-timestamp").unwrap());
    assert_eq!((id, stamp), ("alert-7-sub-3", "1795419000"));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    // By another library than the channel's.
    let keys = [&SECRET[6..], &other[6..]].map(|key| {
        use base64::Engine as _;
        hmac::Key::new(hmac::HMAC_SHA256, &base64::prelude::BASE64_STANDARD.decode(key).unwrap())
    });
    let mut signed = format!("{id}.{stamp}.").into_bytes();
    signed.extend_from_slice(&seen[0].body);
    let given: Vec<&str> = seen[0].header("webhook-signature").unwrap().split(' ').collect();
    assert_eq!(given.len(), 2);
    for (key, given) in keys.iter().zip(given) {
        use base64::Engine as _;
        let tag = base64::prelude::BASE64_STANDARD.decode(given.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(key, &signed, &tag).unwrap();
    }
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!((&body["type"], &body["timestamp"]), (&"advisory.escalated".into(), &"2026-11-23T07:30:00Z".into()));
}

#[tokio::test]
async fn each_status_means_what_to_do_next() {
    let text = |status, body: &str| Reply::ok("text/plain", body).with_status(status);
    let later = Next::Later(None);
    use ChannelKind::{Ntfy, Slack, Teams, Webhook};
    let cases = [
        (Webhook, Reply::status(200), Next::Sent),
        (Webhook, Reply::status(202), Next::Sent),
        (Webhook, Reply::status(410), Next::Gone),
        (Webhook, Reply::status(429).header("Retry-After", "120"), Next::Later(Some(120))),
        (Webhook, Reply::status(503).header("Retry-After", "9999999"), Next::Later(Some(86_400))),
        (Webhook, Reply::status(500), Next::Later(None)),
        (Webhook, Reply::status(408), Next::Later(None)),
        (Webhook, Reply::status(400), Next::Later(None)),
        (Webhook, Reply::status(404), Next::Later(None)),
        (Webhook, Reply::status(304), Next::Later(None)),
        (Webhook, Reply::hang_up(), Next::Later(None)),
        (Webhook, Reply::raw("not HTTP\r\n\r\n"), Next::Later(None)),
        (Slack, text(200, "ok"), Next::Sent),
        (Slack, text(404, "no_service"), Next::Gone),
        (Slack, text(404, "channel_not_found"), Next::Gone),
        (Slack, text(410, "channel_is_archived"), Next::Gone),
        (Slack, text(403, "invalid_token"), Next::Gone),
        (Slack, text(403, "action_prohibited"), Next::Later(None)),
        (Slack, text(404, "<html>a proxy's own page"), Next::Later(None)),
        (Slack, text(400, "invalid_payload"), Next::Never),
        (Slack, text(500, "rollup_error"), Next::Later(None)),
        (Slack, text(429, "rate_limited").header("Retry-After", "30"), Next::Later(Some(30))),
        (Teams, Reply::status(202), Next::Sent),
        (Teams, text(200, "1"), Next::Sent),
        (Teams, text(200, "Microsoft Teams endpoint returned HTTP error 429 with ContextId 1"), Next::Later(None)),
        (Teams, text(404, "{\"error\":{\"code\":\"WorkflowNotFound\"}}"), later),
        (Teams, Reply::status(410), Next::Gone),
        (Ntfy, Reply::ok("application/json", "{\"id\":\"x\"}"), Next::Sent),
        (Ntfy, text(403, "{\"code\":40301,\"error\":\"forbidden\"}"), Next::Later(None)),
        (Ntfy, text(429, "{\"code\":42901}").header("Retry-After", "60"), Next::Later(Some(60))),
    ];
    for (kind, reply, expected) in cases {
        let (outcome, server) = tried(kind, reply.clone()).await;
        assert_eq!(next(&outcome), expected, "{kind} {reply:?}: {outcome:?}");
        assert_eq!(server.all_requests().len(), 1, "{kind} {reply:?}: nothing is repeated behind our back");
        assert!(!reason(&outcome).contains("/hook"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_retry_after_may_be_a_date() {
    let reply = Reply::status(503)
        .header("Date", "Mon, 23 Nov 2026 07:30:00 GMT")
        .header("Retry-After", "Mon, 23 Nov 2026 07:40:00 GMT");
    assert_eq!(next(&tried(ChannelKind::Webhook, reply).await.0), Next::Later(Some(600)));
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let elsewhere = HttpServer::start().await;
    elsewhere.route("/new/secret-token", Reply::status(200));
    let to = elsewhere.url("/new/secret-token");
    for status in [301, 302, 303, 307, 308] {
        let (outcome, _) = tried(ChannelKind::Webhook, Reply::redirect(status, &to)).await;
        assert_eq!(next(&outcome), Next::Later(None));
        let said = reason(&outcome);
        assert!(said.contains(&elsewhere.url("")) && said.contains("enter the final address"), "{said}");
        assert!(!said.contains("secret-token"), "{said}");
    }
    assert!(elsewhere.all_requests().is_empty());
}

#[tokio::test]
async fn an_answer_is_shown_without_the_token_that_it_repeats() {
    let server = HttpServer::start().await;
    let path = "/services/T024/B024/sEcReTtOkEn99";
    let echo = format!("<nothing here> no hook at {path}\r\nsee {path}");
    server.route(path, Reply::ok("text/plain", &echo[15..]).with_status(403));
    let folder = tempfile::tempdir().unwrap();
    let outcome = channels(folder.path(), loopback())
        .get(ChannelKind::Slack)
        .send(&message(alert(), &server.url(path), None))
        .await;
    let said = reason(&outcome);
    assert!(said.contains("no hook at") && !said.contains("sEcReTtOkEn99") && !said.contains('\n'), "{said}");
    assert!(said.contains(&server.url("")), "{said}");
}

#[tokio::test]
async fn who_never_answers_or_never_ends_costs_a_bounded_time() {
    let drip = Reply::dripping(vec![b'a'; 10_000], Duration::from_millis(50));
    let cases = [
        (Reply::silence(), Next::Later(None)),
        (Reply::endless("more and more "), Next::Sent),
        (Reply::endless("more and more ").with_status(500), Next::Later(None)),
        (drip, Next::Sent),
        (Reply::stalled("well"), Next::Sent),
        (Reply::gzip_bomb(64 << 20), Next::Sent),
        (Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(3_000_000))), Next::Later(None)),
    ];
    for (reply, expected) in cases {
        let begun = Instant::now();
        let (outcome, _server) = tried(ChannelKind::Webhook, reply).await;
        assert_eq!(next(&outcome), expected, "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{outcome:?} took {:?}", begun.elapsed());
        assert!(reason(&outcome).chars().count() < 500);
    }
}

#[tokio::test]
async fn private_addresses_are_refused_as_they_stand_and_as_names_are_dialed() {
    let server = HttpServer::start().await;
    server.route("/hook", Reply::status(200));
    let folder = tempfile::tempdir().unwrap();
    let channels = channels(folder.path(), Guard::default());
    let port = server.address().port();
    let closed = [
        format!("https://127.0.0.1:{port}/hook"),
        format!("https://localhost:{port}/hook"),
        "https://localhost/hook".to_owned(),
        "https://[::1]/hook".to_owned(),
        "https://10.0.0.1/hook".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://0x7f000001/hook".to_owned(),
        "https://user:pass@hooks.example/hook".to_owned(),
        "https://8.8.8.8:25/hook".to_owned(),
    ];
    for url in closed.iter().chain(&[server.url("/hook"), format!("http://localhost:{port}/hook")]) {
        let outcome = channels.get(ChannelKind::Webhook).send(&message(alert(), url, Some(SECRET))).await;
        assert_eq!(next(&outcome), Next::Never, "{url}: {outcome:?}");
        assert!(reason(&outcome).contains("is not posted to"), "{outcome:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn plain_http_goes_to_the_operators_own_networks_alone() {
    let folder = tempfile::tempdir().unwrap();
    let channels = channels(folder.path(), loopback());
    let outcome = channels.get(ChannelKind::Slack).send(&message(alert(), "http://8.8.8.8/hook", None)).await;
    assert_eq!(next(&outcome), Next::Never);
    assert!(reason(&outcome).contains("https://"), "{outcome:?}");
    // By name as well as by number.
    let server = HttpServer::start().await;
    server.route("/hook", Reply::status(200));
    let named = format!("http://localhost:{}/hook", server.address().port());
    let outcome = channels.get(ChannelKind::Slack).send(&message(alert(), &named, None)).await;
    assert_eq!(next(&outcome), Next::Sent, "{outcome:?}");
}

#[tokio::test]
async fn a_message_that_cannot_be_addressed_or_signed_is_given_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let channels = channels(folder.path(), loopback());
    let no_brief = Message { brief: None, ..message(alert(), "https://hooks.example/x", Some(SECRET)) };
    let no_endpoint = Message { endpoint: None, ..message(alert(), "https://hooks.example/x", None) };
    let cases = [
        (ChannelKind::Webhook, message(alert(), "https://hooks.example/x", None), "no secret"),
        (ChannelKind::Webhook, message(alert(), "https://hooks.example/x", Some("hunter2hunter2")), "whsec_"),
        (ChannelKind::Webhook, message(alert(), "not an address", Some(SECRET)), "cannot be read"),
        (ChannelKind::Slack, message(alert(), "file:///etc/passwd", None), "https://"),
        (ChannelKind::Ntfy, message(alert(), "https://ntfy.example/", None), "topic"),
        (ChannelKind::Ntfy, message(alert(), "http://127.0.0.1:1/noc", Some("a\r\nb")), "Authorization"),
        (ChannelKind::Teams, no_brief, "no form"),
        (ChannelKind::Teams, no_endpoint, "no address"),
    ];
    for (kind, message, words) in cases {
        let outcome = channels.get(kind).send(&message).await;
        assert_eq!(next(&outcome), Next::Never, "{outcome:?}");
        let said = reason(&outcome).to_lowercase();
        assert!(said.contains(&words.to_lowercase()) && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn ntfy_is_published_to_the_root_of_the_server_with_the_token() {
    let server = HttpServer::start().await;
    server.route("/", Reply::ok("application/json", "{}"));
    let folder = tempfile::tempdir().unwrap();
    let message = message(alert(), &server.url("/noc-alerts"), Some("tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"));
    let outcome = channels(folder.path(), loopback()).get(ChannelKind::Ntfy).send(&message).await;
    assert_eq!(next(&outcome), Next::Sent);
    let seen = &server.requests("/")[0];
    assert_eq!(seen.header("authorization"), Some("Bearer tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!((&body["topic"], &body["priority"]), (&"noc-alerts".into(), &5.into()));
}

#[test]
fn urgency_becomes_priority() {
    let of = |exploited, severity: &str, kind: &str| {
        let brief = Brief { exploited, severity: severity.to_owned(), kind: kind.to_owned(), ..alert() };
        let body: Value = serde_json::from_slice(&ntfy::body(&brief, "noc")).unwrap();
        body["priority"].as_i64().unwrap()
    };
    let told = "advisory.published";
    let got = [of(true, "critical", told), of(true, "low", told), of(false, "critical", told), of(false, "high", told)];
    assert_eq!(got, [5, 4, 4, 4]);
    assert_eq!([of(false, "medium", told), of(false, "unknown", told), of(true, "critical", "digest")], [3, 3, 3]);
}

#[test]
fn an_endpoint_is_checked_when_it_is_entered() {
    let endpoint =
        |url: &str, secret: Option<&str>| Endpoint { url: url.to_owned(), secret: secret.map(str::to_owned) };
    let written = checked(ChannelKind::Slack, endpoint("HTTPS://Hooks.Slack.com", None)).unwrap();
    assert_eq!(written.url, "https://hooks.slack.com/");
    assert!(checked(ChannelKind::Webhook, endpoint("https://x.example/h", Some(SECRET))).is_ok());
    assert!(checked(ChannelKind::Webhook, endpoint("https://x.example/h", None)).is_ok());
    assert!(checked(ChannelKind::Ntfy, endpoint("https://ntfy.example/noc", Some("tk_AgQdq7mVBoFD37zQVN29"))).is_ok());
    let long = format!("https://hooks.example/{}", "a".repeat(2_000));
    for (kind, url, secret) in [
        (ChannelKind::Webhook, "https://x.example/h", Some("hunter2")),
        (ChannelKind::Ntfy, "https://ntfy.example/", None),
        (ChannelKind::Teams, "mailto:a@b.example", None),
        (ChannelKind::Teams, "x.example/h", None),
        (ChannelKind::Slack, "https://user:hunter2@hooks.example/h", None),
        (ChannelKind::Slack, long.as_str(), None),
        (ChannelKind::Ntfy, "https://ntfy.example/noc?auth=hunter2", None),
        (ChannelKind::Ntfy, "https://ntfy.example/noc", Some("tk_hunter2\nX: y")),
    ] {
        let said = checked(kind, endpoint(url, secret)).unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
