//! Servers that refuse, break or mean harm: each gives one sentence, in time.

use super::*;
use crate::support::imap_server::Fault;

async fn told(server: &ImapServer, tls: MailTls) -> MailError {
    told_to(client(server), server, tls).await
}

async fn told_to(client: Client, server: &ImapServer, tls: MailTls) -> MailError {
    let error =
        in_time(read_all(&client, &place(server, tls), &Wanted::default())).await.expect_err("it cannot be read");
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("localhost:{}", server.port())), "{sentence}");
    assert!(!sentence.contains("word\"") && !sentence.contains('\n'), "{sentence}");
    error
}

async fn fails(fault: Fault, words: &str) {
    let server = ImapServer::start().await;
    server.deliver(1, &mail("1", "Notice", &"text ".repeat(100)));
    server.set(|state| state.fault = fault);
    let error = told(&server, MailTls::Implicit).await;
    assert!(matches!(&error, MailError::Failed(sentence) if sentence.contains(words)), "{fault:?}: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_a_sentence() {
    fails(Fault::TurnsAway, "turns us away: 'too many connections'").await;
    fails(Fault::OtherProtocol, "does not greet as a mail server").await;
    fails(Fault::HugeLiteral, "announces 4294967296 bytes, more than was asked for").await;
    fails(Fault::EndlessLines, "answers without end").await;
    fails(Fault::EndlessLine, "answers without end").await;
    fails(Fault::ByeAtFetch, "ends the session at message 1: 'shutting down'").await;
    fails(Fault::DropsAtFetch, "closes the connection at message 1").await;
    fails(Fault::Unavailable, "cannot let us in for now").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_left_in_time() {
    for (fault, what) in [(Fault::NeverGreets, "the greeting"), (Fault::HangsInLiteral, "message 1")] {
        let server = ImapServer::start().await;
        server.deliver(1, &mail("1", "Notice", &"text ".repeat(100)));
        server.set(|state| state.fault = fault);
        // Long enough for all that is answered, on a busy machine too.
        let client = impatient(&server, Duration::from_secs(3));
        let error = told_to(client, &server, MailTls::Implicit).await.to_string();
        assert!(error.contains(&format!("does not finish {what} within 3s")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_size_gets_a_message_no_further_than_the_limit() {
    let server = ImapServer::start().await;
    server.deliver(1, &mail("1", "Notice", &"text ".repeat(1 << 20)));
    server.set(|state| state.fault = Fault::LiesOfSize);
    let error = told(&server, MailTls::Implicit).await;
    assert!(error.to_string().contains("more than was asked for"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_blocks() {
    let server = ImapServer::start().await;
    server.set(|state| state.password = "another".to_owned());
    let error = told(&server, MailTls::Implicit).await;
    let words = "refuses the login: '[AUTHENTICATIONFAILED] wrong user or password'; check the user";
    assert!(matches!(&error, MailError::Refused(sentence) if sentence.contains(words)), "{error:?}");
    server.set(|state| state.capabilities = "IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2".to_owned());
    let error = told(&server, MailTls::Implicit).await;
    assert!(matches!(&error, MailError::Refused(sentence) if sentence.contains("offers no login")), "{error:?}");
    let nobody = client(&server).open(&place(&server, MailTls::Implicit), None, &Wanted::default()).await;
    assert!(matches!(nobody.err(), Some(MailError::Refused(sentence)) if sentence.contains("set api_keys")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_starttls_no_password_is_sent() {
    let server = ImapServer::start_plain().await;
    for (capabilities, fault) in [
        ("IMAP4rev1 AUTH=PLAIN", Fault::None),
        ("IMAP4rev1 STARTTLS AUTH=PLAIN", Fault::Preauth),
        ("IMAP4rev1 STARTTLS AUTH=PLAIN", Fault::SpeaksBeforeTls),
    ] {
        server.set(|state| (state.capabilities, state.fault) = (capabilities.to_owned(), fault));
        let error = told(&server, MailTls::StartTls).await.to_string();
        assert!(error.contains("does not offer STARTTLS") || error.contains("before TLS has begun"), "{error}");
    }
    let said = server.commands().join("\n");
    assert!(!said.contains("AUTHENTICATE") && !said.contains("LOGIN"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (server, other) = (ImapServer::start().await, ImapServer::start().await);
    let guard = Guard { allow: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()] };
    let client = Client::new(guard).with(limits(Duration::from_secs(15)), Some(other.ca_pem().as_bytes().to_vec()));
    let error = read_all(&client, &place(&server, MailTls::Implicit), &Wanted::default()).await.unwrap_err();
    assert!(error.to_string().contains("fails the TLS handshake"), "{error}");
    assert!(server.commands().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_and_other_ports_are_not_dialed() {
    let server = ImapServer::start().await;
    let open = async |host: &str, port| {
        let MailPlace::Imap { tls, user, folder, .. } = place(&server, MailTls::Implicit) else { unreachable!() };
        let place = MailPlace::Imap { tls, host: host.to_owned(), port, user, folder };
        let opened = Client::new(Guard::default()).open(&place, Some(PASSWORD), &Wanted::default()).await;
        opened.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let error = open("localhost", server.port()).await;
    assert!(error.contains("is a private address") && error.contains("allow_networks"), "{error}");
    let error = open("192.0.2.1", 993).await;
    assert!(error.contains("is a private address"), "{error}");
    let error = open("8.8.8.8", 25).await;
    assert!(error.contains("25 is no port of a mail server"), "{error}");
    assert!(server.commands().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_named() {
    let server = ImapServer::start().await;
    server.set(|state| state.folder = "Elsewhere".to_owned());
    let error = told(&server, MailTls::Implicit).await.to_string();
    assert!(error.contains("does not open the folder 'INBOX'"), "{error}");
}
