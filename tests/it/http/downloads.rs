//! Downloads: documents too large for memory go to a file, within their own bound.

#![allow(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use std::io::Read;

use rattlewatch::http::{Excess, FetchError, Limits};

use super::{client_with, request};
use crate::support::http_server::{HttpServer, Reply};

#[tokio::test]
async fn a_document_goes_to_a_nameless_file_as_it_was_sent() {
    let (web, folder) = (HttpServer::start().await, tempfile::tempdir().unwrap());
    let body = "0123456789".repeat(50_000);
    web.route("/big", Reply::ok("application/zip", body.clone()));
    // The bound on what is held in memory does not apply.
    let client = client_with(Limits { compressed: 1_000, decompressed: 1_000, ..Limits::default() });
    let download = client.download(&request(&web.url("/big")), folder.path(), 1_000_000).await.unwrap();
    let mut read = String::new();
    download.file.expect("a file").read_to_string(&mut read).unwrap();
    assert!(read == body);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
    assert_eq!(web.requests("/big")[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_download_has_a_bound_of_its_own() {
    let (web, folder) = (HttpServer::start().await, tempfile::tempdir().unwrap());
    web.route("/big", Reply::ok("application/zip", "x".repeat(5_000)));
    let client = client_with(Limits::default());
    let error = client.download(&request(&web.url("/big")), folder.path(), 4_999).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { excess: Excess::Sent(4_999), .. }), "{error}");
    let nowhere = folder.path().join("a-file");
    std::fs::write(&nowhere, "x").unwrap();
    let error = client.download(&request(&web.url("/big")), &nowhere, 10_000).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written to the data folder"), "{error}");
    let later = folder.path().join("made/when/needed");
    assert!(client.download(&request(&web.url("/big")), &later, 10_000).await.unwrap().file.is_some());
}

#[tokio::test]
async fn a_key_goes_to_its_own_origin_and_not_along_a_redirect() {
    let (web, other) = (HttpServer::start().await, HttpServer::start().await);
    other.route("/there", Reply::ok("application/json", "{}".to_owned()));
    web.route("/here", Reply::redirect(302, &other.url("/there")));
    let mut request = request(&web.url("/here"));
    request.headers.push(("apikey", "s3cret".to_owned()));
    client_with(Limits::default()).get(&request).await.unwrap();
    assert_eq!(web.requests("/here")[0].header("apikey"), Some("s3cret"));
    assert_eq!(other.requests("/there")[0].header("apikey"), None);
}
