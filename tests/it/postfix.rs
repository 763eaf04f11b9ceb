//! Through a real relay: postfix takes the mail and passes it on, both signatures still hold where it arrives, and one
//! click stops it.

use std::time::{Duration, Instant};

use crate::smtp::dkim::{ED25519, RSA, verified};
use crate::support::postfix::Postfix;
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::smtp_server::SmtpServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_relay_takes_signed_mail_and_one_click_stops_it() {
    let inbox = SmtpServer::start().await;
    let Some(relay) = Postfix::start(inbox.port()) else { return };
    let program = Program::new();
    let keys = [("rw1", RSA), ("rw2", ED25519)]
        .map(|(selector, pem)| format!("{selector}={}", program.file(&format!("{selector}.pem"), pem).display()));
    let program = program
        .with("RATTLEWATCH_SMTP_URL", &format!("smtp://127.0.0.1:{}", relay.port))
        .with("RATTLEWATCH_MAIL_FROM", "Alerts <alerts@example.test>")
        // One click is for TLS only (RFC 8058 section 3.1); a proxy would stand here.
        .with("RATTLEWATCH_PUBLIC_URL", "https://watch.example.test")
        .with("RATTLEWATCH_BOUNCE_ADDRESS", "bounces@example.test")
        .with("RATTLEWATCH_DKIM_KEYS", &keys.join(","));
    let site = Site::with(program, inbox).await;
    site.program.ok(&["subscriber", "add", "ada@msp.example", "--platform", "screenconnect", "--digest", "none"]);
    site.publish("CVE-2099-7001: flaw in ScreenConnect");
    let begun = Instant::now();
    while site.smtp.message_count() == 0 {
        let outbox = || site.program.ok(&["outbox", "list"]);
        assert!(begun.elapsed() < Duration::from_secs(30), "it arrives: {}\n{}", outbox(), relay.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mail = site.mails(1).await.remove(0);
    let text = mail.text();
    assert!(text.starts_with("Received: from "), "{text}");
    assert!(mail.from.starts_with("bounces+sub-1-"), "{}", mail.from);
    let found = verified(&mail.data).await;
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(holds, _)| *holds), "{text}");
    let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |name: &str| {
        let line = unfolded.lines().find(|line| line.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase()));
        line.map(|line| line[name.len()..].trim().to_owned()).unwrap_or_else(|| panic!("no {name} in {unfolded}"))
    };
    assert_eq!(header("List-Unsubscribe-Post:"), "List-Unsubscribe=One-Click");
    let page = header("List-Unsubscribe:");
    let page = page.split(['<', '>']).nth(1).expect("an address");
    let path = &page[page.find("/u/").expect("the stop link")..];
    for _ in 0..2 {
        let answer = site.post(path, "List-Unsubscribe=One-Click");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(site.subscribers().is_empty());
    site.publish("CVE-2099-7002: flaw in ScreenConnect");
    let begun = Instant::now();
    while !site.get("/").contains("CVE-2099-7002") {
        assert!(begun.elapsed() < Duration::from_secs(30), "the second is read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(site.smtp.message_count(), 1, "{}", relay.log());
}
