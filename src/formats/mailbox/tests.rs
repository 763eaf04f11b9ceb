use url::Url;

use super::*;
use crate::config::sources::{self, Known, Source};
use crate::model::mail::Message;

/// A source that takes mail of one address and one domain.
fn source(more: &str) -> Source {
    let text = format!(
        "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"vendor\"\ncountry = \"US\"\n\
         url = \"file:///var/mail-drop\"\nformat = \"mailbox\"\nschedule = \"0 0 * * * *\"\n[source.mailbox]\n\
         from = [\"psirt@vendor.example\", \"@maker.example\"]\n{more}"
    );
    let known = Known { formats: &["mailbox"], platforms: None, check_selector: &|_| Ok(()) };
    sources::parse(&text, "sources.toml", &known).expect("a good source").remove(0)
}

fn walk(source: &Source) -> Box<dyn Walk> {
    let start = Start { source, key: None, cursor: None, since: None, now: Timestamp(0) };
    begin(&start).expect("a walk")
}

fn mail(from: &str, more: &str, body: &str) -> Vec<u8> {
    format!("{more}From: {from}\r\nSubject: A notice\r\nMessage-ID: <1@vendor.example>\r\n\r\n{body}\r\n").into_bytes()
}

fn one(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let url = Url::parse("file:///var/mail-drop").expect("an address");
    parse(bytes, &Origin { url: &url, content_type: None, html: None, json: None })
}

/// What the walk stores of these messages.
fn stored(source: &Source, messages: &[Vec<u8>]) -> Parsed {
    let mut walk = walk(source);
    assert!(matches!(walk.next(Answer::Begin), Ok(Step::Messages(_))));
    let messages = messages.iter().enumerate();
    let messages = messages.map(|(n, bytes)| Message { name: format!("message {n}"), bytes: bytes.clone() }).collect();
    let mail = Mail { messages, cursor: "here".to_owned(), last: true, ..Mail::default() };
    let Ok(Step::Store(batch)) = walk.next(Answer::Messages(Box::new(mail))) else { panic!("nothing to store") };
    assert_eq!(batch.cursor.as_deref(), Some("here"));
    assert!(matches!(walk.next(Answer::Stored), Ok(Step::Done)));
    batch.parsed
}

#[test]
fn only_listed_senders_are_read_and_others_are_no_fault() {
    let strangers = [
        "eve@evil.example",
        "\"psirt@vendor.example\" <eve@evil.example>",
        "psirt@vendor.example, eve@evil.example",
        "psirt@vendor.example\r\nFrom: eve@evil.example",
        "psirt@vendor.example.evil.example",
        "a@sub.maker.example",
        "",
    ];
    let messages: Vec<_> = strangers.iter().map(|from| mail(from, "", "text")).collect();
    let parsed = stored(&source(""), &messages);
    assert!(parsed.items.is_empty() && !parsed.degraded(), "{parsed:?}");
    let known = ["psirt@vendor.example", "PSIRT <PSIRT@VENDOR.EXAMPLE>", "=?utf-8?q?M=C3=BC?= <any@maker.example>"];
    let messages: Vec<_> = known.iter().map(|from| mail(from, "", "text")).collect();
    assert_eq!(stored(&source(""), &messages).items.len(), 3);
}

#[test]
fn mail_is_private_unless_the_source_says_otherwise_and_a_label_only_tightens() {
    let label = |more: &str, subject: &str| {
        let from = format!("psirt@vendor.example\r\nSubject: {subject}");
        stored(&source(more), &[mail(&from, "", "text")]).items[0].tlp
    };
    assert_eq!(label("", "x"), Tlp::Amber);
    assert_eq!(label("tlp = \"CLEAR\"", "x"), Tlp::Clear);
    let headers = |subject: &str, body: &str| {
        let bytes = format!("From: psirt@vendor.example\r\nSubject: {subject}\r\n\r\n{body}\r\n").into_bytes();
        stored(&source("tlp = \"GREEN\""), &[bytes]).items[0].tlp
    };
    assert_eq!(headers("[TLP:RED] Notice", "text"), Tlp::Red);
    assert_eq!(headers("Notice TLP:CLEAR", "text"), Tlp::Green);
    assert_eq!(headers("Notice", "TLP:AMBER+STRICT\r\n\r\ntext"), Tlp::AmberStrict);
    assert_eq!(
        headers("Notice", "text\r\nMore\r\n\r\nWhat labels mean:\r\nTLP:RED is for the eyes of one"),
        Tlp::Green
    );
}

#[test]
fn unsigned_mail_is_left_out_and_said_where_signatures_are_required() {
    let rules = "require_dkim = true\ntrust_results_of = \"mx.msp.example\"";
    let signed = "Authentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\n";
    let messages = [mail("psirt@vendor.example", signed, "good"), mail("psirt@vendor.example", "", "forged")];
    let parsed = stored(&source(rules), &messages);
    assert_eq!(parsed.items.iter().map(|item| item.proof).collect::<Vec<_>>(), [Some(Proof::Signed)]);
    let said = "messages without a valid DKIM signature of their sender's domain were left out (require_dkim): 1";
    assert_eq!(parsed.repairs, [said]);
    let parsed = stored(&source(""), &messages);
    assert!(parsed.items.iter().all(|item| item.proof == Some(Proof::Unsigned)) && !parsed.degraded());
}

#[test]
fn a_message_that_cannot_be_read_costs_only_itself_and_is_named() {
    let deep: String =
        (0..100).map(|n| format!("Content-Type: multipart/mixed; boundary=\"b{n}\"\r\n\r\n--b{n}\r\n")).collect();
    let deep = format!("From: psirt@vendor.example\r\nSubject: Deep\r\n{deep}\r\ntext\r\n").into_bytes();
    let parsed = stored(&source(""), &[deep, mail("psirt@vendor.example", "", "text")]);
    assert_eq!((parsed.items.len(), parsed.dropped), (1, 1));
    assert!(parsed.repairs[0].starts_with("message 0: ") && parsed.repairs[0].contains("levels deep"), "{parsed:?}");
}

#[test]
fn what_costs_too_much_is_refused_in_time() {
    let started = std::time::Instant::now();
    let head = "From: a@vendor.example\r\nMIME-Version: 1.0\r\n";
    let nested: String =
        (0..60).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
    for message in [
        "x".repeat(MESSAGE_MAX + 1),
        format!("{head}{}\r\n", "X: y\r\n".repeat(3_000)),
        format!("{head}X: {}\r\n\r\ntext", "y".repeat(300 * 1024)),
        format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(1_000)),
        format!("{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n".repeat(100_000)),
    ] {
        assert!(one(message.as_bytes()).is_err(), "{}", &message[..80]);
    }
    // Long, but within all bounds: read, or not, in time.
    let (forwarded, digest) =
        ("Content-Type: message/rfc822\r\n\r\n", "Content-Type: multipart/digest; boundary=b\r\n\r\n");
    for message in [
        format!("{head}{}", forwarded.repeat(60_000)),
        format!("{head}{digest}--b\r\n\r\n{}", forwarded.repeat(60_000)),
        format!("{head}C o n t e n t-Type: m(x)essage/(;)rfc822\r\n\r\n{}", forwarded.repeat(60_000)),
        format!("{head}Content-Type: text/plain\r\nContent-Type: message/rfc822\r\n\r\n{}", forwarded.repeat(60_000)),
        format!("{head}Content-Type: message/rfc822\r\nContent-Type: text/plain\r\n\r\n{}", forwarded.repeat(60_000)),
        format!("{head}Content-Type: multipart/mixed\r\n\r\n{}", forwarded.repeat(60_000)),
        format!("{head}Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n{}", forwarded.repeat(60_000)),
        format!("{head}{nested}{}", "--b59\r\nx".repeat(2_000)),
        format!("{head}{nested}{}", "x\r\n".repeat(600_000)),
        format!("{head}Content-Type: text/html\r\n\r\n{}", "<div>".repeat(400_000)),
        format!("{head}Content-Type: text/html\r\n\r\n{}", "<a href='".repeat(200_000)),
        format!("{head}\r\n{}", "https://".repeat(250_000)),
        format!("{head}Subject: {}\r\n\r\nx", "=?utf-8?q?a?= ".repeat(15_000)),
        format!("{head}To: {}\r\n\r\nx", "(".repeat(200_000)),
    ] {
        let _ = one(message.as_bytes());
        let lap = started.elapsed();
        assert!(lap < std::time::Duration::from_secs(120), "{lap:?} after {}", &message[..120]);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(120), "{:?}", started.elapsed());
}

#[test]
fn a_stub_of_plain_text_does_not_hide_the_message() {
    let body = "<p>Severity: Critical. Update the gateway to 7.4.2.</p>".repeat(10);
    let message = format!(
        "From: a@vendor.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n\
         {body}\r\n--b\r\n\r\nYou are on our list.\r\n--b--\r\n"
    );
    let parsed = one(message.as_bytes()).expect("a message");
    assert!(parsed.items[0].text.contains("7.4.2") && !parsed.items[0].text.contains('<'), "{parsed:?}");
}

#[test]
fn of_alternatives_only_plain_text_and_html_are_read() {
    let message = "From: a@vendor.example\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nIn plain words.\r\n--b\r\n\
                   Content-Type: text/x-amp-html\r\n\r\n<html amp4email>\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--b--\r\n";
    assert_eq!(one(message.as_bytes()).expect("a message").items[0].text, "In plain words.");
}

#[test]
fn a_forwarded_message_is_not_read_as_the_senders_own_words() {
    let message = "From: a@vendor.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n\
                   Content-Type: message/rfc822\r\n\r\nFrom: c@d.example\r\nSubject: x\r\n\r\nCVE-2099-1\r\n--b--\r\n";
    assert_eq!(one(message.as_bytes()).expect("a message").items[0].text, "See below.");
}

#[test]
fn a_message_without_an_id_is_named_by_what_it_is() {
    let read = |bytes: &[u8]| one(bytes).expect("a message").items.remove(0).native_id.expect("a name");
    let first = read(b"From: a@vendor.example\r\nSubject: x\r\n\r\ntext");
    assert!(first.starts_with("sha256:") && first.len() == 71, "{first}");
    assert_eq!(first, read(b"From: a@vendor.example\r\nSubject: x\r\n\r\ntext"));
    assert_ne!(first, read(b"From: a@vendor.example\r\nSubject: x\r\n\r\nother"));
}

#[test]
fn an_import_takes_one_file_of_a_listed_sender() {
    use std::io::{Seek, Write};
    let file = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("bytes");
        file.rewind().expect("its start");
        Answer::File(file)
    };
    let source = source("");
    let Ok(Step::Store(batch)) = walk(&source).next(file(&mail("psirt@vendor.example", "", "text"))) else {
        panic!("not stored")
    };
    assert_eq!(batch.parsed.items.len(), 1);
    assert!(walk(&source).next(file(&mail("eve@evil.example", "", "text"))).is_err());
}

proptest::proptest! {
    #[test]
    fn no_message_makes_it_panic(
        message in "((From|Date|Subject|Content-Type|Message-ID|MIME-Version): [ -~]{0,30}\r\n|--b(--)?\r\n|Content-Type: multipart/(mixed|digest|alternative); boundary=b\r\n|Content-Type: message/rfc822\r\n|Content-Transfer-Encoding: (base64|quoted-printable)\r\n|\r\n|[ -~]{0,20}\r\n){0,30}"
    ) {
        let _ = one(message.as_bytes());
        let _ = message::sender(message.as_bytes());
    }
}
