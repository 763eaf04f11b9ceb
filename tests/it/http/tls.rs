//! TLS: certificates are checked, and a fault is named.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rattlewatch::http::tls::client_config;
use rattlewatch::http::{Client, FetchError, Identity, RedirectFault, Unreachable};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion, version};

use super::{get, loopback, page, small};

/// Serves `answer` to each TLS client that speaks `versions`; returns the port and the certificate as PEM.
fn serve(
    params: CertificateParams,
    versions: &[&'static SupportedProtocolVersion],
    answer: &'static str,
) -> (u16, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let secret = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .expect("a matching key");
    let config = Arc::new(config);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a valid configuration");
            let mut tls = StreamOwned::new(connection, stream);
            // A client that distrusts us ends the handshake, which is an error here and no concern of ours.
            if tls.read(&mut [0; 4096]).is_ok() {
                let _ = tls.write_all(answer.as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    (port, certificate.pem())
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).expect("a name")
}

fn trusting(pem: &str) -> Client {
    let tls = client_config(Some(pem.as_bytes())).expect("a configuration");
    Client::with_tls(&Identity::new(""), loopback(), small(), &tls).expect("a client")
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

async fn fault(client: &Client, port: u16) -> String {
    match get(client, &format!("https://localhost:{port}/")).await {
        Err(FetchError::Unreachable { reason: Unreachable::Tls(fault), .. }) => fault,
        other => panic!("not a TLS fault: {other:?}"),
    }
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted_and_an_unknown_one_is_explained() {
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        let (port, pem) = serve(named("localhost"), versions, HELLO);
        let url = format!("https://localhost:{port}/");
        assert_eq!(page(get(&trusting(&pem), &url).await).body, b"hello");
        let stranger = Client::new(&Identity::new(""), loopback(), small()).expect("a client");
        let fault = fault(&stranger, port).await;
        assert!(fault.contains("SSL_CERT_FILE"), "{fault}");
    }
}

#[tokio::test]
async fn wrong_names_and_expired_certificates_are_explained() {
    let (port, pem) = serve(named("elsewhere.example"), &[&version::TLS13], HELLO);
    assert_eq!(fault(&trusting(&pem), port).await, "its certificate is for another name");
    let mut old = named("localhost");
    old.not_before = rcgen::date_time_ymd(2020, 1, 1);
    old.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let (port, pem) = serve(old, &[&version::TLS13], HELLO);
    assert_eq!(fault(&trusting(&pem), port).await, "its certificate has expired");
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let down = "HTTP/1.1 301 Moved\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n";
    let (port, pem) = serve(named("localhost"), &[&version::TLS13], down);
    let error = get(&trusting(&pem), &format!("https://localhost:{port}/")).await.expect_err("must fail");
    assert!(matches!(error, FetchError::Redirect { fault: RedirectFault::Downgrade, .. }), "{error:?}");
}

#[tokio::test]
async fn speaking_https_to_an_http_server_is_explained() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let client = Client::new(&Identity::new(""), loopback(), small()).expect("a client");
    let fault = fault(&client, port).await;
    assert!(fault.contains("http rather than https"), "{fault}");
}

/// Tells a test that it runs again in a process of its own, and where it shall fetch from.
const AGAIN: &str = "RATTLEWATCH_TEST_TLS_URL";

/// Runs test `name` of this module again with `SSL_CERT_FILE` naming `roots`; true where it passes.
fn passes_with_roots(name: &str, roots: &Path, url: &str) -> bool {
    let this = std::env::current_exe().expect("the test binary has a path");
    let arguments = ["--exact", &format!("http::tls::{name}"), "--nocapture"];
    let child = Command::new(this).args(arguments).env("SSL_CERT_FILE", roots).env(AGAIN, url).output();
    let output = child.expect("the test binary runs");
    let passed = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    if !passed {
        eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    passed
}

#[tokio::test]
async fn the_roots_of_ssl_cert_file_are_trusted() {
    if let Ok(url) = std::env::var(AGAIN) {
        let client = Client::new(&Identity::new(""), loopback(), small()).expect("a client");
        assert_eq!(page(get(&client, &url).await).body, b"hello");
        return;
    }
    let (port, pem) = serve(named("localhost"), &[&version::TLS13], HELLO);
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, pem).expect("a file");
    assert!(passes_with_roots("the_roots_of_ssl_cert_file_are_trusted", &roots, &format!("https://localhost:{port}/")));
}

#[tokio::test]
async fn a_machine_without_roots_still_gets_a_client_that_checks_certificates() {
    if let Ok(url) = std::env::var(AGAIN) {
        let client = Client::new(&Identity::new(""), loopback(), small()).expect("built-in roots");
        let error = get(&client, &url).await.expect_err("nobody signed it");
        assert!(error.sentence().contains("SSL_CERT_FILE"), "{error}");
        return;
    }
    let (port, _) = serve(named("localhost"), &[&version::TLS13], HELLO);
    let folder = tempfile::tempdir().expect("a folder");
    let name = "a_machine_without_roots_still_gets_a_client_that_checks_certificates";
    assert!(passes_with_roots(name, &folder.path().join("absent.pem"), &format!("https://localhost:{port}/")));
}
