//! What a letter full of hostile text is to those who read mail: `mail-parser` and Python's `email` agree on its headers and
//! its subject, its HTML does nothing, and its plain part says what its HTML says.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::MessageParser;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rattlewatch::channels::email::{Sender, render};
use rattlewatch::model::address::EmailAddress;
use rattlewatch::pipeline::compose::Question;
use scraper::{Html, Node};
use serde_json::Value;

use super::hostile::{address, advisory, composer, foreign};
use super::*;

/// Worlds of hostile text, with three letters each.
const CASES: u64 = 120;

/// In each mail once.
const ONCE: [&str; 6] = ["date", "from", "message-id", "subject", "mime-version", "to"];

/// What may stand in a mail beside those, once.
const MAY: [&str; 11] = [
    "in-reply-to",
    "references",
    "auto-submitted",
    "x-auto-response-suppress",
    "precedence",
    "list-id",
    "feedback-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "content-type",
    "reply-to",
];

/// Reads one mail a line, in base64, and says what it sees.
const PYTHON: &str = r#"
import sys, json, base64, email, email.policy, email.utils, email.header
for line in sys.stdin:
    raw = base64.b64decode(line)
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    plain = email.message_from_bytes(raw)
    to = [value.encode("utf-8", "surrogateescape").decode("utf-8") for name, value in plain.raw_items() if name.lower() in ("to", "cc", "bcc")]
    defects = [repr(d) for part in mail.walk() for d in part.defects]
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    print(json.dumps({
        "headers": [name.lower() for name in plain.keys()],
        "subject": str(mail["Subject"]),
        "to": [address for _, address in email.utils.getaddresses(to)],
        "parts": [part.get_content_type() for part in mail.walk()],
        "text": text.get_content(), "html": html.get_content(), "defects": defects,
    }))
"#;

/// A mail as it was written, and the letter that it is made from.
struct Written {
    message: Message,
    mail: Vec<u8>,
}

fn recipient() -> impl Strategy<Value = String> {
    let known = [
        "noc@msp.example",
        "jörg@bücher.example",
        "noc@例え.テスト",
        "δοκιμή@παράδειγμα.example",
        "o'brien+alerts/rmm=x@msp.example",
        "x@msp.example\r\nBcc: victim@example.com",
        "a@msp.example, victim@example.com",
        "<victim@example.com> x@msp.example",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => foreign()]
}

/// Text of every sort, and now and then a megabyte of it.
fn long() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => foreign(),
        1 => Just("A".repeat(1_000_000)),
        1 => Just("ünë ".repeat(250_000)),
        1 => Just("https://evil.example/CVE-2026-1 <b>".repeat(28_000)),
        1 => Just(format!("{}\r\nBcc: victim@example.com", "x".repeat(990))),
    ]
}

/// The letters of one world: an alert, a digest and a question. Whoever cannot be a recipient gets none.
fn letters(runner: &mut TestRunner) -> Vec<Written> {
    let mut text = || long().new_tree(runner).unwrap().current();
    let (title, names, zone, sender_name, reason, detail) = (text(), text(), text(), text(), text(), text());
    let (to, stop) = (recipient().new_tree(runner).unwrap().current(), address().new_tree(runner).unwrap().current());
    let mut content = advisory().new_tree(runner).unwrap().current();
    if title.len() > 100 {
        content.title = title;
    }
    let composer = composer();
    let event = Event { reasons: vec![reason.clone()], ..event(EventKind::Escalated, &[]) };
    let mut wish = wish(&[&content.tags[0].platform.0]);
    wish.digest.timezone = zone;
    let name = |_: &PlatformId| names.clone();
    let envelope = |key| Envelope { to: &to, unsubscribe: Some(stop.clone()), ..envelope(key) };
    let sites = Sites::from([(content.tags[0].platform.clone(), vec![names.clone(), detail.clone()])]);
    let alert = Alert {
        envelope: envelope("dlv-1"),
        event: &event,
        content: &content,
        first: &content,
        wish: &wish,
        sites: &sites,
        name: &name,
    };
    let entry = Entry {
        id: &event.advisory,
        content: &content,
        kinds: vec![event.kind],
        reasons: vec![reason],
        alerted_at: Some(TUESDAY),
    };
    let failed = [Failed { name: &names, since: Some(TUESDAY), detail: &detail }];
    let digest = Digest {
        envelope: envelope("dlv-2"),
        occasion: Occasion::Digest,
        entries: &[entry],
        from: later(-7 * DAY),
        to: TUESDAY,
        advisories: 41,
        failed: &failed,
        wish: &wish,
        name: &name,
    };
    // The address of the answer is our own.
    let confirm = "https://watch.example/confirm/t0ken";
    let question = Question { envelope: envelope("dlv-3"), wish: &wish, confirm, name: &name };
    let messages = [composer.alert(&alert), composer.digest(&digest), composer.question(&question)].map(Result::unwrap);
    let address = EmailAddress::parse("alerts@watch.example").unwrap();
    let sender = Sender { name: sender_name, address, reply_to: None };
    messages
        .into_iter()
        .filter_map(|message| match render(&message, &sender) {
            Ok(mail) => Some(Written { message, mail }),
            Err(reason) => {
                assert!(EmailAddress::parse(&to).is_err(), "{to:?}: {reason}");
                None
            }
        })
        .collect()
}

/// What Python's `email` sees in each mail; nothing where there is no Python.
fn seen_by_python(written: &[Written]) -> Option<Vec<Value>> {
    let started = Command::new("python3")
        .args(["-X", "utf8", "-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let Ok(mut python) = started else {
        eprintln!("SKIPPED with Python's `email`: python3 is not there");
        return None;
    };
    let mut input = python.stdin.take().unwrap();
    let lines: String = written.iter().map(|one| STANDARD.encode(&one.mail) + "\n").collect();
    let fed = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    fed.join().unwrap().unwrap();
    assert!(output.status.success(), "Python's `email` reads every mail");
    let seen: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen.len(), written.len());
    Some(seen)
}

/// Names of headers as they stand in the bytes, whatever parsers make of them.
fn header_names(mail: &[u8]) -> Vec<String> {
    let end = mail.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end");
    let head = String::from_utf8_lossy(&mail[..end]).into_owned();
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split_once(':').expect("a name").0.to_lowercase()).collect()
}

fn once_each(names: &[String], what: &str) {
    for name in ONCE {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name} in {what}: {names:?}");
    }
    let all: BTreeSet<&String> = names.iter().collect();
    assert_eq!(all.len(), names.len(), "{what}: none is there twice: {names:?}");
    let strange = names.iter().find(|name| !ONCE.contains(&name.as_str()) && !MAY.contains(&name.as_str()));
    assert!(strange.is_none(), "{what}: {strange:?}");
}

/// No line is too long for a relay, and none ends in half a line end.
fn is_fit_for_relays(mail: &[u8], what: &str) {
    for line in mail.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or_else(|| {
            assert!(line.is_empty(), "{what}: a line ends without CR");
            line
        });
        assert!(line.len() <= 998, "{what}: a line has {} octets", line.len());
        assert!(!line.contains(&b'\r') && !line.contains(&0), "{what}: a bare CR or NUL");
    }
}

/// What HTML shows to click and to look up.
fn does_nothing(html: &str, what: &str) -> BTreeSet<String> {
    let cve = regex::Regex::new(r"CVE-\d{4}-\d{4,}").unwrap();
    let mut shown = BTreeSet::new();
    for node in Html::parse_document(html).tree.nodes() {
        match node.value() {
            Node::Element(element) => {
                let banned =
                    ["script", "iframe", "object", "embed", "form", "input", "svg", "math", "base", "link", "img"];
                assert!(!banned.contains(&element.name()), "{what}: <{}>", element.name());
                for (name, value) in element.attrs() {
                    let lower = value.to_lowercase();
                    assert!(!name.to_lowercase().starts_with("on"), "{what}: {name}");
                    // A label is read out, not run.
                    if name == "aria-label" {
                        continue;
                    }
                    assert!(!lower.contains("javascript:") && !lower.contains("data:"), "{what}: {name}={value}");
                }
                if let Some(href) = element.attr("href") {
                    assert!(href.starts_with("https://") || href.starts_with("http://"), "{what}: {href}");
                    shown.insert(href.to_owned());
                }
            }
            Node::Text(text) => shown.extend(cve.find_iter(text).map(|found| found.as_str().to_owned())),
            _ => {}
        }
    }
    shown
}

#[test]
fn two_parsers_see_in_hostile_letters_what_was_meant_and_nothing_else() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let seed = std::env::var("RATTLEWATCH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    let mut written = Vec::new();
    for case in 0..CASES {
        let mut bytes = [0_u8; 32];
        bytes[..8].copy_from_slice(&seed.wrapping_add(case).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        written.extend(letters(&mut TestRunner::new_with_rng(ProptestConfig::default(), rng)));
    }
    assert!(written.len() > CASES as usize, "most recipients can be written to: {}", written.len());
    let python = seen_by_python(&written);
    for (number, Written { message, mail }) in written.iter().enumerate() {
        let what = format!("letter {number} of RATTLEWATCH_SEED={seed}, '{}'", message.subject);
        is_fit_for_relays(mail, &what);
        once_each(&header_names(mail), &what);
        let parsed = MessageParser::default().parse(mail).expect("it parses");
        once_each(&parsed.headers().iter().map(|header| header.name().to_lowercase()).collect::<Vec<_>>(), &what);
        assert_eq!(parsed.subject(), Some(message.subject.as_str()), "{what}");
        let to = EmailAddress::parse(&message.to).unwrap();
        let recipients: Vec<&str> = parsed.to().unwrap().iter().filter_map(|to| to.address()).collect();
        assert_eq!(recipients, [to.as_str()], "{what}");
        assert!(parsed.cc().is_none() && parsed.bcc().is_none(), "{what}");
        assert_eq!(
            (parsed.text_body_count(), parsed.html_body_count(), parsed.attachment_count()),
            (1, 1, 0),
            "{what}"
        );
        let (text, html) = (parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
        assert!(html.len() < 80_000, "{what}: {} octets of HTML", html.len());
        for shown in does_nothing(&html, &what) {
            assert!(text.contains(&shown), "{what}: only HTML shows {shown}\n{text}");
        }
        let Some(python) = python.as_ref().map(|seen| &seen[number]) else { continue };
        let listed = |key: &str| -> Vec<String> { serde_json::from_value(python[key].clone()).unwrap() };
        once_each(&listed("headers"), &what);
        assert_eq!(python["subject"], message.subject.as_str(), "{what}");
        assert_eq!(listed("to"), [to.as_str()], "{what}");
        assert_eq!(listed("parts"), ["multipart/alternative", "text/plain", "text/html"], "{what}");
        assert!(listed("defects").is_empty(), "{what}: {}", python["defects"]);
        let unix = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
        assert_eq!(python["text"].as_str().map(unix), Some(unix(&text)), "{what}");
        assert_eq!(python["html"].as_str().map(unix), Some(unix(&html)), "{what}");
    }
}
