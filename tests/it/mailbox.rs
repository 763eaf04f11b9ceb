//! Mailboxes: a folder on a server, a directory of files, and servers that mean harm.
#![allow(clippy::unwrap_used)]

mod directory;
mod hostile;
mod server;
mod story;

use std::time::{Duration, Instant};

use rattlewatch::config::sources::{MailPlace, MailTls};
use rattlewatch::http::Guard;
use rattlewatch::mailbox::{Client, Limits, MailError};
use rattlewatch::model::mail::{Mail, Wanted};

use crate::support::imap_server::ImapServer;

/// A mail of a vendor.
fn mail(id: &str, subject: &str, text: &str) -> Vec<u8> {
    from("Vendor PSIRT <psirt@vendor.example>", id, subject, text)
}

fn from(sender: &str, id: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: {sender}\r\nTo: alerts@msp.example\r\nSubject: {subject}\r\nDate: Mon, 16 Nov 2099 08:00:00 +0000\r\n\
         Message-ID: <{id}@vendor.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

/// Limits with so long a wait for each answer.
fn limits(command: Duration) -> Limits {
    let long = Duration::from_secs(20);
    Limits { connect: Duration::from_secs(10), command, open: long, batch: long }
}

/// A client that may dial loopback and trusts the server's certificate.
fn client(server: &ImapServer) -> Client {
    impatient(server, Duration::from_secs(15))
}

fn impatient(server: &ImapServer, command: Duration) -> Client {
    let guard = Guard { allow: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()] };
    Client::new(guard).with(limits(command), Some(server.ca_pem().as_bytes().to_vec()))
}

fn place(server: &ImapServer, tls: MailTls) -> MailPlace {
    MailPlace::Imap {
        tls,
        host: "localhost".to_owned(),
        port: server.port(),
        user: "alerts@msp.example".to_owned(),
        folder: "INBOX".to_owned(),
    }
}

const PASSWORD: &str = "pass \"word\"";

/// Everything in the mailbox that comes from its PSIRT, and where it ended.
async fn read_all(client: &Client, place: &MailPlace, wanted: &Wanted) -> Result<Mail, MailError> {
    let mut mailbox = client.open(place, Some(PASSWORD), wanted).await?;
    let takes = |header: &[u8]| String::from_utf8_lossy(header).contains("<psirt@vendor.example>");
    let mut all = Mail::default();
    loop {
        let mail = mailbox.next(&takes).await?;
        all.messages.extend(mail.messages);
        all.left_out.extend(mail.left_out);
        all.strangers += mail.strangers;
        (all.cursor, all.progress) = (mail.cursor, mail.progress);
        if mail.last {
            return Ok(all);
        }
    }
}

fn after(mail: &Mail) -> Wanted {
    Wanted { cursor: Some(mail.cursor.clone()), since: None }
}

/// The subjects of what was read.
fn subjects(mail: &Mail) -> Vec<String> {
    let subject = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap_or_default()
    };
    mail.messages.iter().map(|message| subject(&message.bytes)).collect()
}

/// Fails unless `work` ends in time.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = tokio::time::timeout(Duration::from_secs(60), work).await.expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    done
}
