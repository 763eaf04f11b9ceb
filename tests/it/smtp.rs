//! Mail, from message to relay.
#![allow(clippy::unwrap_used)]

mod address;
pub(crate) mod dkim;
mod faults;
mod file;
mod mime;
mod pool;
mod refusals;
mod tls;

use std::time::Duration;

use rattlewatch::channels::Channel;
use rattlewatch::channels::email::{Email, Phases, Sender, SignIn, SmtpRelay, TlsMode};
use rattlewatch::model::address::EmailAddress;
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::delivery::{Message, Outcome, Returns};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::smtp_server::{Script, SmtpServer};

/// A plain alert to `to`.
fn message(key: &str, to: &str) -> Message {
    Message {
        key: key.to_owned(),
        to: to.to_owned(),
        subject: "Critical: Contoso Remote exploited".to_owned(),
        text: "Contoso Remote 4.2 is exploited.\n.\n..\nUpdate to 4.3.\n".to_owned(),
        html: "<p>Contoso Remote 4.2 is exploited.</p>\n<p>Update to 4.3.</p>\n".to_owned(),
        message_id: format!("{key}.alert@alerts.example.test"),
        thread_root: Some("advisory-7.root@alerts.example.test".to_owned()),
        date: Timestamp::from_seconds(1_795_419_000),
        list_id: "alerts.example.test".to_owned(),
        bulk: false,
        unsubscribe: Some(format!("https://alerts.example.test/u/{key}")),
        brief: None,
        endpoint: None,
        returns: Returns::default(),
    }
}

fn sender() -> Sender {
    Sender {
        name: "Rattlewatch".to_owned(),
        address: EmailAddress::parse("alerts@example.test").unwrap(),
        reply_to: None,
    }
}

/// Limits that a test can wait for.
fn short() -> Phases {
    let limit = Duration::from_millis(250);
    Phases {
        connect: limit,
        greeting: limit,
        secure: limit,
        envelope: limit,
        data: limit,
        block: limit,
        dot: limit,
        idle: Duration::from_secs(30),
        turn: Duration::from_secs(30),
    }
}

fn relay(server: &SmtpServer) -> SmtpRelay {
    SmtpRelay {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        tls: TlsMode::Plain,
        credentials: None,
        sign_in: SignIn::Password,
        extra_ca_pem: None,
    }
}

fn email(server: &SmtpServer, phases: Phases) -> Email {
    Email::new(relay(server), sender(), phases, 2).unwrap()
}

/// Sends one mail to a server that follows `script`.
async fn send_once(script: Script) -> (SmtpServer, Outcome) {
    let server = SmtpServer::start_with(script).await;
    let email = email(&server, short());
    let outcome = email.send(&message("one", "ada@example.test")).await;
    (server, outcome)
}

#[track_caller]
fn assert_sent(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
}

#[track_caller]
fn assert_later(outcome: &Outcome, down: bool, words: &str) {
    let Outcome::Later { reason, relay_down, .. } = outcome else { panic!("{outcome:?} is not Later") };
    assert!(*relay_down == down && reason.contains(words), "{outcome:?}, not {down} {words:?}");
}

#[track_caller]
fn assert_never(outcome: &Outcome, words: &str) {
    let (Outcome::Never { reason } | Outcome::Gone { reason }) = outcome else { panic!("{outcome:?} is not Never") };
    assert!(reason.contains(words), "{reason:?}, not {words:?}");
}

#[track_caller]
fn assert_ambiguous(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Ambiguous { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_mail_reaches_the_relay_as_rendered() {
    let (server, outcome) = send_once(Script::default()).await;
    assert_eq!(outcome, Outcome::Sent { reply: "250 2.0.0 queued as 1".to_owned() });
    let mails = server.messages();
    assert_eq!(
        (mails[0].from.as_str(), &mails[0].to[..]),
        ("alerts@example.test", &["ada@example.test".to_owned()][..])
    );
    let rendered = rattlewatch::channels::email::render(&message("one", "ada@example.test"), &sender()).unwrap();
    assert_eq!(mails[0].data, rendered);
    let size = format!("1 MAIL FROM:<alerts@example.test> SIZE={}", rendered.len());
    assert_eq!(server.commands()[..2], ["1 EHLO example.test".to_owned(), size]);
}

#[tokio::test]
async fn a_mail_goes_out_under_the_address_that_its_bounce_is_to_reach() {
    let server = SmtpServer::start().await;
    let email = email(&server, short());
    let mut mail = message("one", "ada@example.test");
    for (from, expected) in [
        ("bounces+sub-7-abc@bounces.example.test", "bounces+sub-7-abc@bounces.example.test"),
        ("x>\r\nRCPT TO:<eve@example.test", "alerts@example.test"),
    ] {
        mail.returns.envelope_from = Some(from.to_owned());
        assert_sent(&email.send(&mail).await);
        let received = server.messages().pop().expect("a mail");
        assert_eq!((received.from.as_str(), received.to.len()), (expected, 1));
        assert!(received.text().contains("\r\nFrom: Rattlewatch <alerts@example.test>\r\n"));
    }
}

#[tokio::test]
async fn the_servers_sink_keeps_a_mail_as_it_was_sent() {
    let server = SmtpServer::start().await;
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap());
    let dialog = "EHLO me.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n..dot\r\n.\r\nQUIT\r\n";
    stream.get_mut().write_all(dialog.as_bytes()).await.unwrap();
    let mut lines = stream.lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        last = line;
    }
    assert_eq!(last, "221 2.0.0 bye");
    let mails = server.wait_for(1, Duration::from_secs(5)).await;
    assert_eq!((mails[0].from.as_str(), mails[0].data.as_slice()), ("a@b.test", b".dot\r\n".as_slice()));
    assert_eq!(mails[0].to, ["c@d.test"]);
    assert_eq!(server.count("MAIL"), 1);
}
