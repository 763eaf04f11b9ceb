//! Bytes to reports: the shapes of many servers, and mail that means harm.

use proptest::prelude::*;
use rattlewatch::mailbox::report::read;
use rattlewatch::model::report::Report;
use rattlewatch::pipeline::bounce::verdict;

use super::{PLACEHOLDER, fixtures};

const MESSAGE_ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0@alerts.msp.example";

/// What is read of each fixture, and what follows from it.
const EXPECTED: [(&str, &str); 53] = [
    ("absence-note", "auto-reply -> unclassified"),
    ("answer-of-a-person", "unknown -> unclassified"),
    ("bad-mailbox-syntax", "failed 5.1.3 -> hard"),
    ("bad-status", "failed - -> soft"),
    ("binary", "unknown -> unclassified"),
    ("complaint-abuse", "complaint abuse -> complaint"),
    ("complaint-forged", "complaint abuse -> complaint"),
    ("complaint-not-spam", "complaint not-spam -> unclassified"),
    ("complaint-opt-out", "complaint opt-out -> complaint"),
    ("content-refused", "failed 5.6.0 -> policy"),
    ("cut-short", "failed 5.1.1 -> hard"),
    ("exchange-not-found", "failed 5.1.10 -> hard"),
    ("exchange-quoted", "failed 5.2.2 -> soft"),
    ("exim-local", "failed 5.0.0 -> soft"),
    ("exim-old-text", "unknown -> unclassified"),
    ("exim-vague-status", "failed 5.1.1 -> hard"),
    ("forged-no-token", "failed 5.1.1 -> hard"),
    ("forged-token", "failed 5.1.1 -> hard"),
    ("forwarded-bounce", "unknown -> unclassified"),
    ("global-status", "failed 5.1.1 -> hard"),
    ("gmail-delay", "delayed 4.4.1 -> late"),
    ("gmail-no-such-user", "failed 5.1.1 -> hard"),
    ("gmail-over-quota", "failed 5.2.2 -> soft"),
    ("gmail-unauthenticated", "failed 5.7.26 -> policy"),
    ("invented-action", "unknown -> unclassified"),
    ("m365-base64", "failed 5.1.1 -> hard"),
    ("m365-policy", "failed 5.7.515 -> policy"),
    ("mailbox-disabled", "failed 5.2.1 -> hard"),
    ("mailbox-moved", "failed 5.1.6 -> hard"),
    ("mixed-not-report", "failed 5.1.1 -> hard"),
    ("no-action", "unknown -> unclassified"),
    ("no-boundary", "unknown -> unclassified"),
    ("no-report-type", "failed 5.1.1 -> hard"),
    ("postfix-delivered", "delivered 2.1.5 -> arrived"),
    ("postfix-expanded", "expanded 2.0.0 -> unclassified"),
    ("postfix-greylist-delayed", "delayed 4.7.1 -> late"),
    ("postfix-headers-only", "failed 5.1.1 -> hard"),
    ("postfix-no-such-domain", "failed 5.4.4 -> soft"),
    ("postfix-no-such-user", "failed 5.1.1 -> hard"),
    ("postfix-relayed", "relayed 2.0.0 -> unclassified"),
    ("postfix-timed-out", "failed 4.4.1 -> soft"),
    ("qmail", "unknown -> unclassified"),
    ("sendmail-host-unknown", "failed 5.1.2 -> hard"),
    ("sendmail-user-unknown", "failed 5.1.1 -> hard"),
    ("sendmail-warning", "delayed 4.2.0 -> late"),
    ("ses-no-such-user", "failed 5.1.1 -> hard"),
    ("ses-suppressed", "failed 5.1.1 -> hard"),
    ("several-recipients", "failed 5.1.1 -> hard"),
    ("spam-refused", "failed 5.7.1 -> policy"),
    ("ticket-note", "auto-reply -> unclassified"),
    ("unsubscribe", "unsubscribe -> asked"),
    ("uppercase-address", "failed 5.1.1 -> hard"),
    ("wrong-boundary", "unknown -> unclassified"),
];

fn told(report: &Report) -> String {
    let said = match report {
        Report::Delivery(delivery) => {
            let status = delivery.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            format!("{} {status}", delivery.action.as_str())
        }
        Report::Complaint(complaint) => format!("complaint {}", complaint.kind),
        Report::AutoReply => "auto-reply".to_owned(),
        Report::Unsubscribe => "unsubscribe".to_owned(),
        Report::Unknown => "unknown".to_owned(),
    };
    format!("{said} -> {}", verdict(report).as_str())
}

#[test]
fn the_reports_of_many_servers_are_read_and_what_is_none_stays_unclassified() {
    let found: Vec<(String, String)> =
        fixtures().into_iter().map(|(name, mail)| (name, told(&read(&mail).report))).collect();
    assert_eq!(found, EXPECTED.map(|(name, told)| (name.to_owned(), told.to_owned())));
}

#[test]
fn a_report_names_the_address_it_came_to_and_the_mail_it_is_about() {
    for (name, mail) in fixtures() {
        let returned = read(&mail);
        let addressed = returned.addressed.iter().any(|address| address.eq_ignore_ascii_case(PLACEHOLDER));
        let elsewhere = ["forged-", "complaint-", "unsubscribe"].iter().any(|start| name.starts_with(start));
        assert_eq!(addressed, !elsewhere, "{name}: {:?}", returned.addressed);
    }
    let all = fixtures();
    let Report::Delivery(found) = read(&all["postfix-no-such-user"]).report else { panic!("no delivery status") };
    assert_eq!(found.original_message_id.as_deref(), Some(MESSAGE_ID));
    assert_eq!(found.final_recipient.as_deref(), Some("tech@client.example"));
    assert_eq!(
        found.diagnostic,
        "550 5.1.1 <tech@client.example>: Recipient address rejected: unknown in the local table"
    );
    let complaint = read(&all["complaint-abuse"]);
    assert!(complaint.about.iter().any(|address| address == PLACEHOLDER), "{complaint:?}");
    assert!(
        matches!(&complaint.report, Report::Complaint(found) if found.original_message_id.as_deref() == Some(MESSAGE_ID))
    );
}

#[test]
fn what_is_huge_or_deep_is_read_in_bounds() {
    let report = String::from_utf8(fixtures().remove("mailbox-disabled").unwrap()).unwrap();
    let long = report.replace("Diagnostic-Code: smtp;", &format!("Diagnostic-Code: smtp; {}", "x ".repeat(500_000)));
    let Report::Delivery(found) = read(long.as_bytes()).report else { panic!("no delivery status") };
    assert!(found.diagnostic.chars().count() <= 300);
    let begun = std::time::Instant::now();
    let _ = read("Content-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(20_000).as_bytes());
    let _ = read(format!("To: {}\r\n\r\n", "a@b.test, ".repeat(200_000)).as_bytes());
    let _ = read("a".repeat(2 << 20).as_bytes());
    let _ = read("\n".repeat(2 << 20).as_bytes());
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

proptest! {
    #[test]
    fn no_damage_makes_reading_panic(index in 0_usize..53, cut in 0_usize..4_000, at in 0_usize..4_000, byte in any::<u8>()) {
        let (_, mut mail) = fixtures().into_iter().nth(index).unwrap();
        if let Some(place) = mail.get_mut(at) {
            *place = byte;
        }
        mail.truncate(cut);
        let _ = read(&mail);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }
}
