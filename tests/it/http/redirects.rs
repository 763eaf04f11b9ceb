//! Redirects: followed, counted, checked on every hop.

use rattlewatch::http::{Client, FetchError, Fetched, Guard, Identity, RedirectFault, Refusal};
use rattlewatch::model::health::Validators;

use super::{client_with, get, loopback, page, request, small};
use crate::support::http_server::{HttpServer, Reply};

/// Tells the refusal that must come.
type Expected = fn(&Refusal) -> bool;

/// Fetches `/0` of a chain that redirects with each of `statuses` in turn.
async fn chain(statuses: &[u16]) -> Result<Fetched, FetchError> {
    let server = HttpServer::start().await;
    for (hop, status) in statuses.iter().enumerate() {
        server.route(&format!("/{hop}"), Reply::redirect(*status, &format!("/{}", hop + 1)));
    }
    server.route(&format!("/{}", statuses.len()), Reply::ok("text/plain", "end").header("ETag", "\"end\""));
    get(&client_with(small()), &server.url("/0")).await
}

#[tokio::test]
async fn only_a_wholly_permanent_chain_says_that_the_source_has_moved() {
    for (statuses, moved) in [
        (&[301][..], true),
        (&[308], true),
        (&[301, 308, 301], true),
        (&[302], false),
        (&[303], false),
        (&[307], false),
        (&[301, 302], false),
        (&[307, 301], false),
    ] {
        let meta = page(chain(statuses).await).meta;
        assert_eq!(meta.final_url.path(), format!("/{}", statuses.len()), "{statuses:?}");
        assert_eq!(meta.moved_to.is_some(), moved, "{statuses:?}");
        assert!(meta.moved_to.is_none_or(|url| url == meta.final_url));
        assert_eq!(meta.validators, Validators::default(), "they belong to the target");
    }
}

#[tokio::test]
async fn five_hops_are_followed_and_six_are_not() {
    assert_eq!(page(chain(&[302; 5]).await).body, b"end");
    let error = chain(&[302; 6]).await.expect_err("must fail");
    assert!(matches!(error, FetchError::Redirect { fault: RedirectFault::TooMany(5), .. }), "{error:?}");
}

#[tokio::test]
async fn a_circle_and_a_missing_target_are_named() {
    let server = HttpServer::start().await;
    server.route("/a", Reply::redirect(302, "/b"));
    server.route("/b", Reply::redirect(302, "/a"));
    server.route("/none", Reply::status(301));
    server.route("/bad", Reply::redirect(301, "http://["));
    let client = client_with(small());
    for (path, expected) in
        [("/a", RedirectFault::Loop), ("/none", RedirectFault::NoLocation), ("/bad", RedirectFault::NoLocation)]
    {
        let error = get(&client, &server.url(path)).await.expect_err("must fail");
        assert!(matches!(&error, FetchError::Redirect { fault, .. } if *fault == expected), "{path}: {error:?}");
    }
    assert_eq!(server.all_requests().len(), 4);
}

#[tokio::test]
async fn every_hop_is_checked_like_the_first() {
    let server = HttpServer::start().await;
    let client = client_with(small());
    let cases: [(&str, Expected); 8] = [
        ("http://169.254.169.254/latest/meta-data/", |why| matches!(why, Refusal::PrivateAddress(_))),
        ("http://10.0.0.1/", |why| matches!(why, Refusal::PrivateAddress(_))),
        ("http://0xa.1/", |why| matches!(why, Refusal::PrivateAddress(_))),
        ("http://[fd00:ec2::254]/", |why| matches!(why, Refusal::PrivateAddress(_))),
        ("//192.168.0.1/x", |why| matches!(why, Refusal::PrivateAddress(_))),
        ("http://1.1.1.1:22/", |why| matches!(why, Refusal::Port(22))),
        ("file:///etc/passwd", |why| matches!(why, Refusal::Scheme(_))),
        ("http://user:pass@127.0.0.1/", |why| matches!(why, Refusal::Userinfo)),
    ];
    for (target, expected) in cases {
        server.route("/x", Reply::redirect(302, target));
        let error = get(&client, &server.url("/x")).await.expect_err("must fail");
        assert!(matches!(&error, FetchError::Refused { reason, .. } if expected(reason)), "{target}: {error:?}");
        assert!(!error.sentence().contains("pass@"), "{error}");
    }
}

#[tokio::test]
async fn a_name_is_checked_by_the_addresses_it_resolves_to() {
    let server = HttpServer::start().await;
    server.route("/x", Reply::ok("text/plain", "local"));
    let url = server.url("/x").replace("127.0.0.1", "localhost");
    let closed = Client::new(&Identity::new(""), Guard::default(), small()).expect("a client");
    let error = get(&closed, &url).await.expect_err("must fail");
    assert!(matches!(&error, FetchError::Refused { reason: Refusal::PrivateAddress(_), .. }), "{error:?}");
    let sentence = error.sentence();
    for words in ["localhost", "private address", "allow_networks", "RATTLEWATCH_ALLOW_NETWORKS"] {
        assert!(sentence.contains(words), "{sentence}");
    }
    let usual_port = get(&closed, "http://localhost:8080/").await.expect_err("must fail");
    assert!(matches!(usual_port, FetchError::Refused { .. }), "{usual_port:?}");
    assert!(server.all_requests().is_empty());
    assert_eq!(server.connections(), 0, "nothing may be dialed");
    assert_eq!(page(get(&client_with(small()), &url).await).body, b"local");
}

#[tokio::test]
async fn one_address_that_is_not_allowed_spoils_a_name() {
    // Where localhost has both families, allowing one of them is not enough.
    let found: Vec<_> = tokio::net::lookup_host(("localhost", 0)).await.expect("localhost resolves").collect();
    let guard = Guard { allow: vec!["127.0.0.0/8".parse().expect("a network")] };
    let client = Client::new(&Identity::new(""), guard.clone(), small()).expect("a client");
    let outcome = get(&client, "http://localhost:1/").await.expect_err("nobody listens on port 1");
    let all_allowed = found.iter().all(|address| guard.permits(address.ip()));
    assert_eq!(!all_allowed, matches!(outcome, FetchError::Refused { .. }), "{found:?}: {outcome:?}");
}

#[tokio::test]
async fn validators_do_not_follow_a_redirect() {
    let server = HttpServer::start().await;
    server.route("/a", Reply::redirect(302, "/b"));
    server.route("/b", Reply::ok("text/plain", "news").with_etag("\"1\""));
    let mut request = request(&server.url("/a"));
    request.validators = Validators { etag: Some("\"1\"".to_owned()), last_modified: Some("then".to_owned()) };
    assert_eq!(page(client_with(small()).get(&request).await).body, b"news");
    assert_eq!(server.requests("/a")[0].header("If-None-Match"), Some("\"1\""));
    let seen = &server.requests("/b")[0];
    assert_eq!((seen.header("If-None-Match"), seen.header("If-Modified-Since")), (None, None));
}

#[tokio::test]
async fn a_literal_address_is_refused_before_it_is_dialed() {
    let server = HttpServer::start().await;
    let closed = Client::new(&Identity::new(""), Guard::default(), small()).expect("a client");
    for url in [server.url("/x"), server.url("/x").replace("127.0.0.1", "[::ffff:127.0.0.1]")] {
        let error = get(&closed, &url).await.expect_err("must fail");
        assert!(matches!(error, FetchError::Refused { reason: Refusal::PrivateAddress(_), .. }), "{error:?}");
    }
    assert_eq!(server.connections(), 0);
    assert!(loopback().permits("127.0.0.1".parse().expect("an address")));
}
