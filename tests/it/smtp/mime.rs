//! The bytes of a mail: standard, the same every time, and deaf to what others write into its fields.

use mail_parser::{Message as Parsed, MessageParser, MimeHeaders};
use proptest::prelude::*;
use rattlewatch::channels::email::{Sender, render};
use rattlewatch::model::address::EmailAddress;
use rattlewatch::model::clock::Timestamp;
use rattlewatch::model::delivery::{Message, Returns};

use super::{message, sender};

/// The headers of every mail, in order.
const ALWAYS: [&str; 5] = ["Date", "From", "To", "Subject", "Message-ID"];

fn rendered(message: &Message) -> String {
    String::from_utf8(render(message, &sender()).unwrap()).unwrap()
}

fn header_names(mail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mail);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

fn parse(mail: &[u8]) -> Parsed<'_> {
    MessageParser::default().parse(mail).expect("a mail that parses")
}

#[test]
fn a_mail_has_the_headers_it_should() {
    let mail = rendered(&message("d1", "ada@example.test"));
    let head = mail.split("\r\n\r\n").next().unwrap();
    for line in [
        "Date: Mon, 23 Nov 2026 07:30:00 +0000",
        "From: Rattlewatch <alerts@example.test>",
        "To: ada@example.test",
        "Subject: Critical: Contoso Remote exploited",
        "Message-ID: <d1.alert@alerts.example.test>",
        "In-Reply-To: <advisory-7.root@alerts.example.test>",
        "References: <advisory-7.root@alerts.example.test>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "List-Id: <alerts.example.test>",
        "List-Unsubscribe: <https://alerts.example.test/u/d1>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Feedback-ID: alerts:rattlewatch:example.test:rw9b263fbcb589",
        "MIME-Version: 1.0",
    ] {
        assert!(head.split("\r\n").any(|found| found == line), "no {line:?} in\n{head}");
    }
    assert!(!head.contains("Precedence") && !head.contains("Reply-To: a"));
}

#[test]
fn a_mail_can_be_unsubscribed_by_page_and_by_mail_the_page_first() {
    let mut mail = message("d1", "ada@example.test");
    let returns = |text: &str| Returns { unsubscribe: Some(text.to_owned()), ..Returns::default() };
    mail.returns = returns("bounces+unsub-sub-7-abc@example.test");
    let both = "\r\nList-Unsubscribe: <https://alerts.example.test/u/d1>,\r\n \
                <mailto:bounces+unsub-sub-7-abc@example.test?subject=unsubscribe>\r\n\
                List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    assert!(rendered(&mail).contains(both), "{}", rendered(&mail));
    mail.returns = returns("x>\r\nBcc: b@example.test");
    assert!(rendered(&mail).contains("\r\nList-Unsubscribe: <https://alerts.example.test/u/d1>\r\n"));
}

#[test]
fn bulk_mail_says_so_and_a_plain_link_promises_no_one_click() {
    let mut digest = message("d1", "ada@example.test");
    digest.bulk = true;
    digest.unsubscribe = Some("http://127.0.0.1:8080/u/x".to_owned());
    let mail = rendered(&digest);
    assert!(mail.contains("\r\nPrecedence: bulk\r\n"));
    assert!(mail.contains("\r\nList-Unsubscribe: <http://127.0.0.1:8080/u/x>\r\n"));
    assert!(!mail.contains("List-Unsubscribe-Post"));
    digest.unsubscribe = None;
    assert!(!rendered(&digest).contains("List-Unsubscribe"));
}

#[test]
fn the_root_of_a_thread_refers_to_nothing() {
    let mut root = message("d1", "ada@example.test");
    root.thread_root = Some(root.message_id.clone());
    let mail = rendered(&root);
    assert!(!mail.contains("References") && !mail.contains("In-Reply-To"));
}

#[test]
fn answers_go_where_the_sender_says() {
    let sender = Sender { reply_to: Some(EmailAddress::parse("help@example.test").unwrap()), ..sender() };
    let mail = render(&message("d1", "ada@example.test"), &sender).unwrap();
    assert_eq!(parse(&mail).reply_to().unwrap().first().unwrap().address(), Some("help@example.test"));
}

#[test]
fn plain_text_comes_before_html_and_both_are_utf_8() {
    let mut mail = message("d1", "ada@example.test");
    mail.text = "Grüße — naïve\n".to_owned();
    mail.html = "<p>Grüße — naïve</p>\n".to_owned();
    let bytes = render(&mail, &sender()).unwrap();
    let parsed = parse(&bytes);
    let kind = parsed.parts[0].content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
    let parts: Vec<_> = parsed.parts[1..]
        .iter()
        .map(|part| {
            let kind = part.content_type().unwrap();
            (kind.subtype().unwrap().to_owned(), kind.attribute("charset").unwrap().to_owned())
        })
        .collect();
    assert_eq!(parts, [("plain".to_owned(), "utf-8".to_owned()), ("html".to_owned(), "utf-8".to_owned())]);
    assert_eq!(parsed.body_text(0).unwrap(), "Grüße — naïve\r\n");
    assert_eq!(parsed.body_html(0).unwrap(), "<p>Grüße — naïve</p>\r\n");
}

#[test]
fn a_title_of_a_megabyte_becomes_a_short_subject() {
    for title in ["A".repeat(1 << 20), "ü".repeat(1 << 20), "A b ".repeat(1 << 18), "\r\n".repeat(1 << 19)] {
        let mut mail = message("d1", "ada@example.test");
        mail.subject = title.clone();
        let bytes = render(&mail, &sender()).unwrap();
        let parsed = parse(&bytes);
        assert!(parsed.subject().unwrap_or_default().chars().count() <= 150);
        assert_lines(&bytes);
    }
}

#[test]
fn a_text_of_a_megabyte_without_a_break_has_short_lines() {
    let mut mail = message("d1", "ada@example.test");
    mail.text = "x".repeat(1 << 20);
    mail.html = format!("<p>{}</p>", "ä".repeat(1 << 19));
    let bytes = render(&mail, &sender()).unwrap();
    assert_lines(&bytes);
    assert_eq!(parse(&bytes).body_text(0).unwrap().trim_end(), mail.text);
}

#[test]
fn a_subject_that_looks_encoded_is_shown_as_written() {
    for title in ["=?utf-8?q?You_won?=", "a =?utf-8?B?WW91IHdvbg==?= b", "=?", "?=", "= ?utf-8?q?x?="] {
        let mut mail = message("d1", "ada@example.test");
        mail.subject = title.to_owned();
        let bytes = render(&mail, &sender()).unwrap();
        assert_eq!(parse(&bytes).subject(), Some(title));
    }
}

#[test]
fn a_senders_name_cannot_break_out_of_its_header() {
    for name in
        ["a\r\nBcc: x@y.test", "a\0b", "=?utf-8?q?x?=", "\"a\" <x@y.test>, b", "Grüße, \u{202e}Ltd", "", "a\u{85}b"]
    {
        let sender = Sender { name: name.to_owned(), ..sender() };
        let bytes = render(&message("d1", "ada@example.test"), &sender).unwrap();
        let parsed = parse(&bytes);
        let from: Vec<_> = parsed.from().unwrap().iter().collect();
        assert_eq!(from.len(), 1, "{name:?}");
        assert_eq!(from[0].address(), Some("alerts@example.test"), "{name:?}");
        assert!(parsed.bcc().is_none());
        assert_lines(&bytes);
    }
}

#[test]
fn a_boundary_that_stands_in_the_text_is_not_used() {
    let first = rendered(&message("d1", "ada@example.test"));
    let boundary = first.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let mut hostile = message("d1", "ada@example.test");
    hostile.text = format!("before\n--{boundary}\nContent-Type: text/html\n\nspoof\n--{boundary}--\nafter");
    let bytes = render(&hostile, &sender()).unwrap();
    let parsed = parse(&bytes);
    assert_eq!(parsed.parts.len(), 3);
    assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), hostile.text);
}

#[track_caller]
fn assert_lines(mail: &[u8]) {
    let text = String::from_utf8_lossy(mail);
    for line in text.split("\r\n") {
        assert!(line.len() <= 998, "a line of {} octets: {:.60}", line.len(), line);
        assert!(!line.contains(['\r', '\n']), "a bare line end: {line:.60}");
    }
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    for word in head.split(['\r', '\n', ' ']).filter(|word| word.starts_with("=?")) {
        assert!(word.len() <= 75 && word.ends_with("?="), "an encoded word that is not one: {word}");
    }
}

/// What a text part must hold: line ends as CRLF, no controls but tabs.
fn expected_body(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    lines.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect::<String>().replace('\n', "\r\n")
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(?s).{0,40}",
        "[ -~]{0,400}",
        "(\\r\\n|\\r|\\n|\\u{2028}|\\u{85}|\\x00)?(Bcc|To|Subject|Content-Type): (x@y\\.test|<a@b\\.test>)(\\r\\n\\r\\n.{0,20})?",
        "(=\\?utf-8\\?[qQbB]\\?[A-Za-z0-9=_]{0,20}\\?=[ ]?){1,4}",
        "(\\.\\r\\n|\\r\\n\\.\\r\\n|From |--|\\t| ){0,20}",
        "[a-zäßé漢\\u{1f600}\\u{200d}\\u{301}]{0,300}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_of_others_becomes_a_header_and_none_is_lost(
        (subject, text, html, id, root, list, link, key) in
            (hostile(), hostile(), hostile(), hostile(), proptest::option::of(hostile()), hostile(), proptest::option::of(hostile()), hostile()),
        name in hostile(),
        returns in proptest::option::of(hostile()),
        bulk in any::<bool>(),
        date in any::<i64>(),
    ) {
        let mail = Message {
            key, to: "ada@example.test".to_owned(), subject, text, html, message_id: id, thread_root: root,
            date: Timestamp(date), list_id: list, bulk, unsubscribe: link, brief: None, endpoint: None,
            returns: Returns { envelope_from: returns.clone(), unsubscribe: returns },
        };
        let sender = Sender { name, ..sender() };
        let bytes = render(&mail, &sender).unwrap();
        prop_assert_eq!(&bytes, &render(&mail, &sender).unwrap());
        assert_lines(&bytes);
        prop_assert!(bytes.is_ascii());

        let names = header_names(&bytes);
        for name in ALWAYS {
            prop_assert_eq!(names.iter().filter(|found| *found == name).count(), 1, "{}", name);
        }
        let known = [
            "In-Reply-To", "References", "Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "List-Id",
            "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "MIME-Version", "Content-Type",
        ];
        // Without HTML the mail is one part, and its encoding stands in its own header.
        let single = mail.html.is_empty();
        for (index, name) in names.iter().enumerate() {
            let is_known = ALWAYS.contains(&name.as_str()) || known.contains(&name.as_str());
            prop_assert!(is_known || (single && name == "Content-Transfer-Encoding"), "new header {}", name);
            prop_assert!(!names[..index].contains(name), "{} twice", name);
        }

        let parsed = parse(&bytes);
        let to: Vec<_> = parsed.to().unwrap().iter().filter_map(|who| who.address()).collect();
        prop_assert_eq!(to, ["ada@example.test"]);
        prop_assert_eq!(parsed.from().unwrap().iter().count(), 1);
        prop_assert!(parsed.cc().is_none() && parsed.bcc().is_none());
        prop_assert_eq!(parsed.parts.len(), if single { 1 } else { 3 });
        // The builder ends a single part with a line end of its own.
        let end = if single { "\r\n" } else { "" };
        prop_assert_eq!(parsed.body_text(0).unwrap(), expected_body(&mail.text) + end);
        if !single {
            prop_assert_eq!(parsed.body_html(0).unwrap(), expected_body(&mail.html));
        }
        let shown = parsed.subject().unwrap_or_default().to_owned();
        prop_assert!(shown.chars().count() <= 150);
        let wanted = rattlewatch::model::text::one_line(&mail.subject);
        if wanted.chars().count() <= 150 {
            prop_assert_eq!(shown, wanted);
        }
    }
}
