//! Message to RFC 5322 bytes: the same message gives the same bytes, and no text of others becomes a header.
//!
//! lettre's builder writes the structure. What it would choose at random (boundary, date, id) is given, and what
//! it does not guard (RFC 2047 look-alikes, long words, controls in names) is settled in [`header`](super::header).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message as Mail, MessageBuilder, MultiPart, MultiPartKind, SinglePart};

use super::{Sender, header, quoted};
use crate::model::address::EmailAddress;
use crate::model::clock::Timestamp;
use crate::model::delivery::Message;

/// 9999-12-31T23:59:59Z, the last second that a `Date` header can write.
const LAST_SECOND: i64 = 253_402_300_799;

/// The bytes of `message`, lines ended by CRLF, none longer than 998 octets.
///
/// # Errors
///
/// Says why the recipient or the sender is not a mail address.
pub fn render(message: &Message, sender: &Sender) -> Result<Vec<u8>, String> {
    // lettre has panicked on names before; one mail must not take the program with it.
    catch_unwind(AssertUnwindSafe(|| write(message, sender)))
        .unwrap_or_else(|_| Err(format!("mail '{}' cannot be written: its text upsets the builder", message.key)))
}

fn write(message: &Message, sender: &Sender) -> Result<Vec<u8>, String> {
    let to = EmailAddress::parse(&message.to)?;
    let id = header::message_id(&message.message_id, sender.address.domain());
    let from_address = lettre_address(&sender.address)?;
    let envelope = Envelope::new(Some(from_address.clone()), vec![lettre_address(&to)?])
        .map_err(|error| format!("'{to}' cannot be a recipient: {error}"))?;
    let subject = header::subject(&message.subject);

    let mut builder = Mail::builder()
        .date(date(message.date))
        .from(Mailbox::new(header::display_name(&sender.name), from_address))
        .raw_header(raw("To", to.as_str()))
        .raw_header(HeaderValue::dangerous_new_pre_encoded(
            HeaderName::new_from_ascii_str("Subject"),
            subject.clone(),
            header::unstructured("Subject", &subject),
        ))
        .raw_header(raw("Message-ID", &format!("<{id}>")))
        .envelope(envelope);
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.raw_header(raw("Reply-To", reply_to.as_str()));
    }
    builder = thread(builder, message, &id);
    builder = list(builder, message).raw_header(raw("Feedback-ID", &feedback_id(message, sender.address.domain())));
    let text = quoted::encode(&message.text);
    let mail = if message.html.is_empty() {
        builder.singlepart(part(ContentType::TEXT_PLAIN, text))
    } else {
        builder.multipart(alternatives(text, quoted::encode(&message.html), &id))
    };
    Ok(mail.map_err(|error| format!("mail to '{to}' cannot be written: {error}"))?.formatted())
}

/// References to the thread's root (RFC 5322 section 3.6.4); the root itself has none.
fn thread(builder: MessageBuilder, message: &Message, id: &str) -> MessageBuilder {
    let root = message.thread_root.as_deref().and_then(header::valid_id).filter(|root| root != id);
    match root {
        Some(root) => {
            let root = format!("<{root}>");
            builder.raw_header(raw("In-Reply-To", &root)).raw_header(raw("References", &root))
        }
        None => builder,
    }
}

/// What tells machines that a machine wrote it, and how to get off the list (RFC 2369, 2919, 3834, 8058).
fn list(builder: MessageBuilder, message: &Message) -> MessageBuilder {
    let mut builder =
        builder.raw_header(raw("Auto-Submitted", "auto-generated")).raw_header(raw("X-Auto-Response-Suppress", "All"));
    if message.bulk {
        builder = builder.raw_header(raw("Precedence", "bulk"));
    }
    if let Some(list_id) = header::list_id(&message.list_id) {
        builder = builder.raw_header(raw("List-Id", &format!("<{list_id}>")));
    }
    let url = message.unsubscribe.as_deref().and_then(header::web_url);
    if url.is_none() && message.unsubscribe.is_some() {
        tracing::warn!(key = %message.key, "unsubscribe address left out: it is not an http or https URL");
    }
    // The page first: RFC 8058 section 3.1 wants one https URI, and some readers of mail take only the address.
    let page = url.as_ref().map(|(url, _)| format!("<{url}>"));
    let address = message.returns.unsubscribe.as_deref().and_then(header::mail_url).map(|url| format!("<{url}>"));
    let ways: Vec<String> = page.into_iter().chain(address).collect();
    if !ways.is_empty() {
        builder = builder.raw_header(raw("List-Unsubscribe", &ways.join(",\r\n ")));
    }
    if url.is_some_and(|(_, https)| https) {
        builder = builder.raw_header(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }
    builder
}

/// What mailbox providers count complaints by: the kind of mail, and who sends it. Nothing in it is of one reader.
fn feedback_id(message: &Message, domain: &str) -> String {
    let kind: String = message.list_id.chars().take_while(char::is_ascii_alphanumeric).take(20).collect();
    let kind = if kind.is_empty() { "mail" } else { kind.as_str() };
    // The sender's id has 5 to 15 characters.
    format!("{kind}:rattlewatch:{domain}:rw{}", &header::digest(domain)[..12])
}

/// Plain text first, HTML last (RFC 2046 section 5.1.4), behind a boundary that neither can contain: in encoded text,
/// `=` is followed by hexadecimal digits or the line's end.
fn alternatives(text: Vec<u8>, html: Vec<u8>, id: &str) -> MultiPart {
    MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(format!("=_{}", header::digest(id)))
        .singlepart(part(ContentType::TEXT_PLAIN, text))
        .singlepart(part(ContentType::TEXT_HTML, html))
}

fn part(kind: ContentType, encoded: Vec<u8>) -> SinglePart {
    let body = Body::dangerous_pre_encoded(encoded, ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body)
}

fn date(instant: Timestamp) -> SystemTime {
    let seconds = u64::try_from(instant.seconds().clamp(0, LAST_SECOND)).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn lettre_address(address: &EmailAddress) -> Result<Address, String> {
    Address::new(address.local(), address.domain())
        .map_err(|error| format!("'{address}' is not a mail address: {error}"))
}

/// A header whose value is already clean: no line break, nothing to encode.
fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.to_owned(), value.to_owned())
}
