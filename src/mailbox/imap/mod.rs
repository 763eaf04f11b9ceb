//! A folder on a mail server, by IMAP4rev1 (RFC 3501; RFC 9051 says the same of what is used here).
//!
//! The folder is opened by EXAMINE and messages are read by BODY.PEEK, so nothing in it changes, not even what counts
//! as read. The sender and the size of each message are asked for before its text. The cursor is the folder's
//! UIDVALIDITY with the last UID; where the former has changed, UIDs mean nothing and the reading begins anew.

mod connection;
mod response;
mod utf7;

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::{BATCH_BYTES, Client, MailError, Takes, too_long};
use crate::config::sources::MailTls;
use crate::model::clock::Timestamp;
use crate::model::mail::{MESSAGE_MAX, Mail, Message, NEWEST, Wanted};
use connection::{Connection, Reply, Room, SMALL, shown};
use response::{Fetched, Response, Status};

/// Messages whose senders and sizes are asked for at once.
const CHUNK: usize = 20;
/// Most messages of one reading; what is beyond is read by the next.
const UIDS_MAX: usize = 100_000;
/// Room for the answer to a search.
const SEARCH: Room = Room { answer: 4 * 1024 * 1024, literal: 0 };
/// Room for the senders of a chunk.
const SENDERS: Room = Room { answer: 2 * 1024 * 1024, literal: 256 * 1024 };
/// Room for one message, with some for how servers count line ends.
const MESSAGE: Room = Room { answer: MESSAGE_MAX + 512 * 1024, literal: MESSAGE_MAX + 256 * 1024 };

/// Whose folder, and how to it.
pub(super) struct Account<'a> {
    pub tls: MailTls,
    pub host: &'a str,
    pub port: u16,
    pub user: &'a str,
    pub password: &'a str,
    pub folder: &'a str,
}

/// Where a reading ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    validity: u32,
    uid: u32,
}

/// A folder being read.
pub(super) struct Reading {
    connection: Connection,
    cursor: Cursor,
    waiting: VecDeque<u32>,
    all: u64,
    batch: std::time::Duration,
}

impl Reading {
    pub(super) async fn open(client: &Client, account: &Account<'_>, wanted: &Wanted) -> Result<Self, MailError> {
        let limit = client.limits.open;
        timeout(limit, begin(client, account, wanted)).await.unwrap_or_else(|_| {
            let place = format!("{}:{}", account.host, account.port);
            Err(MailError::Failed(format!("{place} does not open the folder within {limit:?}")))
        })
    }

    pub(super) async fn next(&mut self, takes: &Takes<'_>) -> Result<Mail, MailError> {
        let until = Instant::now() + self.batch;
        let mut mail = Mail::default();
        let chunk: Vec<u32> = self.waiting.iter().take(CHUNK).copied().collect();
        let heads = if chunk.is_empty() { HashMap::new() } else { self.heads(&chunk).await? };
        let mut bytes = 0;
        for uid in chunk {
            if bytes > BATCH_BYTES || Instant::now() > until {
                break;
            }
            // What is gone by now was deleted meanwhile.
            match heads.get(&uid) {
                None => {}
                Some(head) if !takes(head.body.as_deref().unwrap_or_default()) => mail.strangers += 1,
                Some(head) => match self.message(uid, head).await? {
                    Some(Ok(message)) => {
                        bytes += message.bytes.len();
                        mail.messages.push(message);
                    }
                    Some(Err(why)) => mail.left_out.push(why),
                    None => {}
                },
            }
            self.waiting.pop_front();
            self.cursor.uid = uid;
        }
        mail.cursor = serde_json::to_string(&self.cursor).unwrap_or_default();
        mail.progress = (self.all.saturating_sub(self.waiting.len() as u64), self.all);
        mail.last = self.waiting.is_empty();
        if mail.last {
            // Good manners; the messages are here whether it is answered or not.
            let _ = self.connection.command("LOGOUT", "LOGOUT", None, SMALL).await;
        }
        Ok(mail)
    }

    /// Senders and sizes.
    async fn heads(&mut self, uids: &[u32]) -> Result<HashMap<u32, Fetched>, MailError> {
        let list: Vec<String> = uids.iter().map(u32::to_string).collect();
        let line = format!("UID FETCH {} (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM)])", list.join(","));
        let reply = self.connection.command("the list of messages", &line, None, SENDERS).await?;
        let answers = done(&self.connection, "the list of messages", reply)?;
        let found = answers.iter().filter_map(Response::fetched);
        Ok(found.filter(|found| found.body.is_some()).filter_map(|found| Some((found.uid?, found))).collect())
    }

    /// One message; absent where it is gone, a sentence where it is too long.
    async fn message(&mut self, uid: u32, head: &Fetched) -> Result<Option<Result<Message, String>>, MailError> {
        let name = format!("message {uid}");
        if let Some(size) = head.size.filter(|size| *size > MESSAGE_MAX as u64) {
            return Ok(Some(Err(too_long(&name, size))));
        }
        let line = format!("UID FETCH {uid} (UID BODY.PEEK[])");
        let reply = self.connection.command(&name, &line, None, MESSAGE).await?;
        let answers = done(&self.connection, &name, reply)?;
        let found = answers.iter().filter_map(Response::fetched).find(|found| found.uid == Some(uid));
        Ok(found.and_then(|found| found.body).map(|bytes| match bytes.len() {
            length if length > MESSAGE_MAX => Err(too_long(&name, length as u64)),
            _ => Ok(Message { name, bytes }),
        }))
    }
}

/// Everything up to an open folder and the list of what is wanted of it.
async fn begin(client: &Client, account: &Account<'_>, wanted: &Wanted) -> Result<Reading, MailError> {
    let mut connection = connect(client, account).await?;
    let folder = quoted(&utf7::encode(account.folder));
    let reply = connection.command("EXAMINE", &format!("EXAMINE {folder}"), None, SMALL).await?;
    if reply.status != Status::Ok {
        let what = format!("does not open the folder '{}': '{}'", account.folder, shown(&reply.text));
        return Err(connection.failed(&format!("{what}; check the folder in the source's url")));
    }
    let exists = reply.answers.iter().rev().find_map(Response::exists).unwrap_or_default();
    let validity = reply.answers.iter().find_map(Response::uid_validity).unwrap_or_default();
    let kept: Option<Cursor> = wanted.cursor.as_deref().and_then(|cursor| serde_json::from_str(cursor).ok());
    let kept = kept.filter(|kept| kept.validity == validity && validity != 0);
    let cursor = kept.unwrap_or(Cursor { validity, uid: 0 });
    let mut uids = Vec::new();
    if let Some(criteria) = criteria(kept, exists, wanted.since) {
        let reply = connection.command("the search", &format!("UID SEARCH {criteria}"), None, SEARCH).await?;
        let answers = done(&connection, "the search", reply)?;
        let listed = answers.iter().filter_map(|answer| answer.untagged("SEARCH"));
        uids.extend(listed.flat_map(|list| list.split(' ').filter_map(|uid| uid.parse().ok()).collect::<Vec<u32>>()));
    }
    // `n:*` names the newest message even where its UID is less than n (RFC 9051 section 9).
    uids.retain(|uid| *uid > cursor.uid);
    uids.sort_unstable();
    uids.dedup();
    if kept.is_none() && wanted.since.is_none() {
        uids.drain(..uids.len().saturating_sub(NEWEST));
    }
    uids.truncate(UIDS_MAX);
    let all = uids.len() as u64;
    Ok(Reading { connection, cursor, waiting: uids.into(), all, batch: client.limits.batch })
}

/// What to search for; absent where there can be nothing.
fn criteria(kept: Option<Cursor>, exists: u32, since: Option<Timestamp>) -> Option<String> {
    if exists == 0 {
        return None;
    }
    // Servers compare days in their own zone.
    let since = since.map(|since| since.minus(std::time::Duration::from_secs(24 * 3_600)).to_jiff());
    let since = since.map_or_else(String::new, |day| format!("SINCE {} ", day.strftime("%-d-%b-%Y")));
    match kept {
        Some(kept) => Some(format!("{since}UID {}:*", kept.uid.checked_add(1)?)),
        None if since.is_empty() => {
            let newest = u32::try_from(NEWEST).unwrap_or(u32::MAX);
            Some(format!("{}:*", exists.saturating_sub(newest) + 1))
        }
        None => Some(since.trim_end().to_owned()),
    }
}

/// A connection that is secured and signed in.
async fn connect(client: &Client, account: &Account<'_>) -> Result<Connection, MailError> {
    let Client { guard, limits, extra_ca_pem } = client;
    let mut connection = Connection::dial(account.host, account.port, guard, limits).await?;
    if account.tls == MailTls::Implicit {
        connection = connection.secure(account.host, limits, extra_ca_pem.as_deref()).await?;
    }
    let mut signed_in = connection.greeting().await?;
    let mut offers = capabilities(&mut connection).await?;
    if account.tls == MailTls::StartTls {
        // A server that counts us as signed in cannot begin TLS any more: whoever sits between could make use of that.
        if signed_in || !offers.iter().any(|offer| offer == "STARTTLS") {
            let what = "does not offer STARTTLS, and a password is not sent without; use imaps:// where it can, or check \
                that nobody strips it on the way";
            return Err(connection.failed(what));
        }
        let reply = connection.command("STARTTLS", "STARTTLS", None, SMALL).await?;
        done(&connection, "STARTTLS", reply)?;
        connection = connection.secure(account.host, limits, extra_ca_pem.as_deref()).await?;
        offers = capabilities(&mut connection).await?;
        signed_in = false;
    }
    if !signed_in {
        sign_in(&mut connection, &offers, account).await?;
    }
    Ok(connection)
}

/// What the server can do, in capitals.
async fn capabilities(connection: &mut Connection) -> Result<Vec<String>, MailError> {
    let reply = connection.command("CAPABILITY", "CAPABILITY", None, SMALL).await?;
    let answers = done(connection, "CAPABILITY", reply)?;
    let listed = answers.iter().filter_map(|answer| answer.untagged("CAPABILITY"));
    Ok(listed.flat_map(|list| list.split(' ').map(str::to_ascii_uppercase).collect::<Vec<_>>()).collect())
}

/// AUTHENTICATE PLAIN (RFC 4616), with its answer at once where that is offered (RFC 4959), else LOGIN.
async fn sign_in(connection: &mut Connection, offers: &[String], account: &Account<'_>) -> Result<(), MailError> {
    let offered = |what: &str| offers.iter().any(|offer| offer == what);
    let Account { user, password, .. } = account;
    let plain_text = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let secret = STANDARD.encode(format!("\0{user}\0{password}"));
    let (line, more) = if offered("AUTH=PLAIN") && offered("SASL-IR") {
        (format!("AUTHENTICATE PLAIN {secret}"), None)
    } else if offered("AUTH=PLAIN") {
        ("AUTHENTICATE PLAIN".to_owned(), Some(secret.as_str()))
    } else if !offered("LOGINDISABLED") && plain_text(user) && plain_text(password) {
        (format!("LOGIN {} {}", quoted(user), quoted(password)), None)
    } else {
        let what = "offers no login with a user and a password (PLAIN or LOGIN); an app password, or a rule that \
            forwards to another mailbox, may help";
        return Err(connection.refused(what));
    };
    let reply = connection.command("the login", &line, more, SMALL).await?;
    if reply.status == Status::Ok {
        return Ok(());
    }
    let said = shown(&reply.text);
    // RFC 5530: these say nothing about the password.
    let passing = ["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"];
    if passing.iter().any(|code| reply.text.to_ascii_uppercase().starts_with(code)) {
        return Err(connection.failed(&format!("cannot let us in for now: '{said}'")));
    }
    let what = format!("refuses the login: '{said}'; check the user in the source's url and its password in api_keys");
    Err(connection.refused(&what))
}

/// The answers to a command that must succeed.
fn done(connection: &Connection, what: &str, reply: Reply) -> Result<Vec<Response>, MailError> {
    match reply.status {
        Status::Ok => Ok(reply.answers),
        Status::No | Status::Bad => {
            Err(connection.failed(&format!("answers '{}' to {what}, which is no success", shown(&reply.text))))
        }
    }
}

/// A quoted string (RFC 9051 section 4.3); its text holds no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_follows_from_what_is_known() {
        let kept = Some(Cursor { validity: 1, uid: 41 });
        let since = Some(Timestamp::from_seconds(1_795_419_000));
        assert_eq!(criteria(None, 0, None), None);
        assert_eq!(criteria(None, 7, None).as_deref(), Some("1:*"));
        assert_eq!(criteria(None, 1_000, None).as_deref(), Some("801:*"));
        assert_eq!(criteria(kept, 7, None).as_deref(), Some("UID 42:*"));
        assert_eq!(criteria(None, 7, since).as_deref(), Some("SINCE 22-Nov-2026"));
        assert_eq!(criteria(kept, 7, since).as_deref(), Some("SINCE 22-Nov-2026 UID 42:*"));
        assert_eq!(criteria(Some(Cursor { validity: 1, uid: u32::MAX }), 7, None), None);
    }

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quoted("a\" \\ b"), "\"a\\\" \\\\ b\"");
    }
}
