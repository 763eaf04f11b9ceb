//! Tickets: mail that ticket systems sort by rules.

use mail_parser::{MessageParser, MimeHeaders};

use super::*;

/// The one mail in `folder`.
fn only(folder: &std::path::Path) -> Vec<u8> {
    let mails: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(mails.len(), 1);
    std::fs::read(&mails[0]).unwrap()
}

async fn written(message: &Message) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let outcome = channels(folder.path(), Guard::default()).get(ChannelKind::Ticket).send(message).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    only(folder.path())
}

#[tokio::test]
async fn a_ticket_is_one_plain_part_with_keys_before_its_text() {
    let mail = written(&Message { endpoint: None, ..message(alert(), "", None) }).await;
    insta::assert_snapshot!("ticket_alert", String::from_utf8_lossy(&mail).replace("\r\n", "\n"));
    let parsed = MessageParser::default().parse(&mail).unwrap();
    assert_eq!(parsed.parts.len(), 1);
    assert!(parsed.parts[0].is_content_type("text", "plain"));
    assert_eq!(parsed.subject(), Some("[RW-1234] ScreenConnect: Authentication bypass"));
    assert_eq!(parsed.message_id(), Some("d7@watch.example"));
    assert_eq!(parsed.references().as_text_list().map(<[_]>::to_vec), Some(vec!["root1234@watch.example".into()]));
    let text = parsed.body_text(0).unwrap();
    assert!(
        text.contains("Severity: critical") && text.contains("Exploited: yes") && text.contains("Upgrade to 99.4.")
    );
}

#[tokio::test]
async fn the_subject_is_the_same_whatever_becomes_of_severity_and_title() {
    let mut seen = Vec::new();
    for (severity, title) in [("high", "A title"), ("critical", "Another title")] {
        let brief = Brief { severity: severity.to_owned(), title: title.to_owned(), ..alert() };
        let mail = written(&message(brief, "", None)).await;
        seen.push(MessageParser::default().parse(&mail).unwrap().subject().unwrap().to_owned());
    }
    assert_eq!(seen[0], seen[1]);
    let digest = Message { subject: "3 advisories this week".to_owned(), ..message(digest(3), "", None) };
    let mail = written(&digest).await;
    assert_eq!(MessageParser::default().parse(&mail).unwrap().subject(), Some("3 advisories this week"));
}

#[tokio::test]
async fn no_name_of_a_source_writes_a_key_of_its_own() {
    let brief = Brief {
        severity: "low".to_owned(),
        platforms: vec!["X\r\nSeverity: critical\nExploited: no".to_owned()],
        cves: vec!["\u{2028}Page: https://evil.example".to_owned()],
        ..alert()
    };
    let mail = written(&message(brief, "", None)).await;
    let text = MessageParser::default().parse(&mail).unwrap().body_text(0).unwrap().into_owned();
    for key in ["Severity: ", "Exploited: ", "Page: "] {
        assert_eq!(text.lines().filter(|line| line.starts_with(key)).count(), 1, "{text}");
    }
}
