//! TLS and sign-in: required means required, and no password goes where others can read it.

use rattlewatch::channels::Channel;
use rattlewatch::channels::email::{Email, Phases, SignIn, SmtpRelay, TlsMode};

use super::{assert_later, assert_sent, message, relay, sender};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

fn secured(server: &SmtpServer, tls: TlsMode) -> SmtpRelay {
    SmtpRelay {
        host: "localhost".to_owned(),
        tls,
        extra_ca_pem: Some(server.ca_pem().as_bytes().to_vec()),
        credentials: Some(("ada".to_owned(), "pass word".to_owned())),
        ..relay(server)
    }
}

fn signing_in() -> Script {
    Script { starttls: true, auth: Some(("ada".to_owned(), "pass word".to_owned())), ..Script::default() }
}

async fn send(relay: SmtpRelay) -> rattlewatch::model::delivery::Outcome {
    let email = Email::new(relay, sender(), Phases::default(), 1).unwrap();
    email.send(&message("one", "ada@example.test")).await
}

#[tokio::test]
async fn starttls_secures_the_sign_in_and_the_mail() {
    let server = SmtpServer::start_with(signing_in()).await;
    assert_sent(&send(secured(&server, TlsMode::StartTls)).await);
    let mail = &server.messages()[0];
    assert!(mail.tls);
    assert_eq!(mail.user.as_deref(), Some("ada"));
    let verbs: Vec<String> =
        server.commands().iter().map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(verbs, ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]);
}

#[tokio::test]
async fn implicit_tls_works_from_the_first_byte() {
    let server = SmtpServer::start_implicit_tls(signing_in()).await;
    assert_sent(&send(secured(&server, TlsMode::Implicit)).await);
    assert!(server.messages()[0].tls);
}

#[tokio::test]
async fn a_relay_without_starttls_gets_neither_password_nor_mail() {
    let script = Script { starttls: false, ..signing_in() };
    let server = SmtpServer::start_with(script).await;
    assert_later(&send(secured(&server, TlsMode::StartTls)).await, true, "does not offer STARTTLS");
    assert_eq!((server.count("AUTH"), server.count("MAIL")), (0, 0));
}

#[tokio::test]
async fn a_refused_starttls_is_not_gone_around() {
    for reply in ["454 4.7.0 not now", "502 5.5.1 no"] {
        let script = signing_in().rule(Rule::at(Phase::StartTls, Act::say(reply)));
        let server = SmtpServer::start_with(script).await;
        assert_later(&send(secured(&server, TlsMode::StartTls)).await, true, reply);
        assert_eq!((server.count("AUTH"), server.count("MAIL")), (0, 0));
    }
}

#[tokio::test]
async fn answers_smuggled_in_before_the_handshake_are_not_believed() {
    let smuggled = "220 2.0.0 go ahead\r\n250-mail.test\r\n250 AUTH PLAIN";
    let script = signing_in().rule(Rule::at(Phase::StartTls, Act::say(smuggled)));
    let server = SmtpServer::start_with(script).await;
    assert_later(&send(secured(&server, TlsMode::StartTls)).await, true, "tampering");
    assert_eq!((server.count("AUTH"), server.count("MAIL")), (0, 0));
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_the_reason_says_what_to_do() {
    let server = SmtpServer::start_implicit_tls(signing_in()).await;
    let stranger = SmtpRelay { extra_ca_pem: None, ..secured(&server, TlsMode::Implicit) };
    assert_later(&send(stranger).await, true, "CA file");
    assert_eq!(server.commands().len(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let certificate_names = vec!["mail.example.test".to_owned()];
    let server = SmtpServer::start_implicit_tls(Script { certificate_names, ..signing_in() }).await;
    assert_later(&send(secured(&server, TlsMode::Implicit)).await, true, "TLS handshake");
    assert_eq!(server.commands().len(), 0);
}

#[tokio::test]
async fn a_wrong_password_stops_the_relay_and_is_not_repeated_in_the_reason() {
    let server = SmtpServer::start_with(signing_in()).await;
    let credentials = Some(("ada".to_owned(), "hunter2".to_owned()));
    let relay = SmtpRelay { credentials, ..secured(&server, TlsMode::StartTls) };
    assert!(!format!("{relay:?}").contains("hunter2"));
    let outcome = send(relay).await;
    assert_later(&outcome, true, "check the relay's user and password");
    assert!(!format!("{outcome:?}").contains("hunter2"));
}

#[tokio::test]
async fn login_is_used_where_plain_is_not_offered() {
    let mut script = signing_in();
    script.starttls = false;
    let server = SmtpServer::start_with(script.clone()).await;
    let ehlo = "250-mail.test\r\n250 AUTH LOGIN";
    server.script(script.rule(Rule::at(Phase::Ehlo, Act::say(ehlo))));
    assert_sent(&send(secured(&server, TlsMode::Plain)).await);
    assert_eq!(server.messages()[0].user.as_deref(), Some("ada"));
}

#[tokio::test]
async fn a_relay_that_offers_no_known_sign_in_says_so() {
    let server = SmtpServer::start_with(Script { auth: None, starttls: true, ..Script::default() }).await;
    assert_later(&send(secured(&server, TlsMode::StartTls)).await, true, "PLAIN or LOGIN");
}

#[tokio::test]
async fn settings_that_would_leak_or_cannot_work_are_refused() {
    let server = SmtpServer::start().await;
    let plain = SmtpRelay { host: "mail.example.test".to_owned(), ..secured(&server, TlsMode::Plain) };
    assert!(Email::new(plain, sender(), Phases::default(), 1).unwrap_err().contains("no TLS"));
    for pem in ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let relay = SmtpRelay { extra_ca_pem: Some(pem.into()), ..secured(&server, TlsMode::Implicit) };
        assert!(Email::new(relay, sender(), Phases::default(), 1).unwrap_err().contains("CA file"), "{pem:?}");
    }
    let relay = SmtpRelay { host: "a b\r\n".to_owned(), ..relay(&server) };
    assert!(Email::new(relay, sender(), Phases::default(), 1).is_err());
}

/// A relay that takes `token`, and who signs in to it by the token in `file`.
fn by_token(server: &SmtpServer, file: Option<&std::path::Path>) -> SmtpRelay {
    let password = if file.is_some() { String::new() } else { "token-1".to_owned() };
    SmtpRelay {
        credentials: Some(("alerts@msp.example".to_owned(), password)),
        sign_in: SignIn::Token { file: file.map(std::path::Path::to_owned) },
        ..secured(server, TlsMode::StartTls)
    }
}

fn taking(token: &str) -> Script {
    Script { starttls: true, auth: Some(("alerts@msp.example".to_owned(), token.to_owned())), ..Script::default() }
}

#[tokio::test]
async fn a_token_signs_in_over_tls_and_is_read_again_for_each_connection() {
    let server = SmtpServer::start_with(taking("token-1")).await;
    assert_sent(&send(by_token(&server, None)).await);
    assert_eq!(server.messages()[0].user.as_deref(), Some("alerts@msp.example"));
    assert!(server.messages()[0].tls);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "token-1\n").unwrap();
    let relay = by_token(&server, Some(&file));
    let email = Email::new(relay, sender(), Phases::default(), 1).unwrap();
    assert_sent(&email.send(&message("one", "ada@example.test")).await);
    email.close().await;
    server.script(taking("token-2"));
    std::fs::write(&file, "token-2").unwrap();
    assert_sent(&email.send(&message("two", "ada@example.test")).await);
    assert_eq!((server.message_count(), server.connections()), (3, 3));
}

#[tokio::test]
async fn a_refused_token_is_answered_by_an_empty_line_and_keeps_the_mail() {
    let server = SmtpServer::start_with(taking("another")).await;
    let outcome = send(by_token(&server, None)).await;
    assert_later(
        &outcome,
        true,
        "refuses the token of alerts@msp.example with '535 5.7.8 wrong user or password' (status 401)",
    );
    assert!(format!("{outcome:?}").contains("renewed") && !format!("{outcome:?}").contains("token-1"), "{outcome:?}");
    assert!(server.commands().iter().any(|line| line == "1 answer \"\\r\\n\""), "{:?}", server.commands());
    assert_eq!(server.count("MAIL"), 0);
}

#[tokio::test]
async fn a_token_is_sent_to_no_relay_without_tls_nor_to_one_that_does_not_ask_for_it() {
    let server = SmtpServer::start_with(taking("token-1")).await;
    let plain = SmtpRelay { host: "mail.example.test".to_owned(), tls: TlsMode::Plain, ..by_token(&server, None) };
    assert!(Email::new(plain, sender(), Phases::default(), 1).unwrap_err().contains("no TLS"));
    server.script(
        taking("token-1").rule(Rule::at(Phase::Ehlo, Act::say("250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN"))),
    );
    assert_later(&send(by_token(&server, None)).await, true, "offers no sign-in by XOAUTH2");
    server.script(
        taking("token-1").rule(Rule::at(Phase::Ehlo, Act::say("250-mail.test\r\n250-STARTTLS\r\n250 AUTH XOAUTH2"))),
    );
    assert_later(&send(secured(&server, TlsMode::StartTls)).await, true, "set smtp_auth to xoauth2");
    assert_eq!(server.count("AUTH"), 0);
}

#[tokio::test]
async fn a_token_file_that_holds_none_says_so_without_showing_it() {
    let server = SmtpServer::start_with(taking("token-1")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    assert_later(&send(by_token(&server, Some(&file))).await, true, "cannot be read");
    for text in ["", " \n", "hunter2\nhunter3", "hunter2 hunter3", &"hunter2".repeat(10_000)] {
        std::fs::write(&file, text).unwrap();
        let outcome = send(by_token(&server, Some(&file))).await;
        assert_later(&outcome, true, "holds no token");
        assert!(!format!("{outcome:?}").contains("hunter"));
    }
    assert_eq!(server.count("AUTH"), 0);
}
