//! Sources that are mailboxes: every fault with its line and key.

use rattlewatch::config::sources::{Known, MailPlace, MailTls, Source, parse};
use rattlewatch::model::tlp::Tlp;

fn read(text: &str) -> Result<Vec<Source>, String> {
    let known = Known { formats: &["feed", "mailbox"], platforms: None, check_selector: &|_| Ok(()) };
    parse(text, "my.toml", &known).map_err(|error| error.to_string())
}

/// A source with this address and format; `more` follows.
fn source(url: &str, format: &str, more: &str) -> String {
    format!(
        "[[source]]\nid = \"one\"\nname = \"One\"\npublisher = \"Publisher\"\nkind = \"vendor\"\ncountry = \"US\"\n\
         url = \"{url}\"\nformat = \"{format}\"\nschedule = \"0 */15 * * * *\"\n{more}"
    )
}

const IMAPS: &str = "imaps://alerts%40msp.example@mx.msp.example/INBOX";
const RULES: &str = "[source.mailbox]\nfrom = ['psirt@vendor.example']\n";

#[track_caller]
fn told(text: &str, expected: &str) {
    match read(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(message) => assert_eq!(message, expected, "\nfor:\n{text}"),
    }
}

#[test]
fn a_mailbox_has_its_rules_and_mail_is_private_by_default() {
    let text = source(IMAPS, "mailbox", &format!("needs_key = 'vendor'\n{RULES}"));
    let source = read(&text).expect("good").remove(0);
    let rules = source.mailbox.expect("rules");
    assert!(
        matches!(&rules.place, MailPlace::Imap { tls: MailTls::Implicit, port: 993, user, .. } if user == "alerts@msp.example")
    );
    assert!(rules.from.hold("psirt@vendor.example") && !rules.from.hold("sales@vendor.example"));
    assert_eq!((rules.tlp, rules.require_dkim, rules.trust_results_of), (Tlp::Amber, false, None));
}

#[test]
fn a_full_mailbox_keeps_everything() {
    let more = "[source.mailbox]\nfrom = ['@vendor.example']\nrequire_dkim = true\ntrust_results_of = 'MX.msp.example'\ntlp = 'CLEAR'\n";
    let rules =
        read(&source("file:///var/mail-drop", "mailbox", more)).expect("good").remove(0).mailbox.expect("rules");
    assert_eq!(rules.place, MailPlace::Directory("/var/mail-drop".into()));
    assert_eq!((rules.tlp, rules.require_dkim), (Tlp::Clear, true));
    assert_eq!(rules.trust_results_of.as_deref(), Some("mx.msp.example"));
}

#[test]
fn addresses_of_mailboxes_are_for_mailboxes_only() {
    told(
        &source("file:///etc/passwd", "feed", ""),
        "my.toml:7: source one: url: has the scheme 'file'; only https and http can be fetched",
    );
    told(
        &source(IMAPS, "feed", RULES),
        "my.toml:7: source one: url: has the scheme 'imaps'; only https and http can be fetched\n\
         my.toml:10: source one: mailbox: is only for the format mailbox, not 'feed'; remove it",
    );
    told(
        &source("https://one.example/feed", "mailbox", RULES),
        "my.toml:7: source one: url: has the scheme 'https', which is no mailbox; write imaps://USER@HOST/FOLDER, \
         imap+starttls://USER@HOST/FOLDER or file:///DIRECTORY, with @ and other special characters of the user \
         percent-encoded (%40)",
    );
}

#[test]
fn a_mailbox_without_what_it_needs_is_told() {
    told(
        &source(IMAPS, "mailbox", ""),
        "my.toml:8: source one: mailbox: missing; the format mailbox needs [source.mailbox] with from, a list of senders\n\
         my.toml:8: source one: needs_key: missing; write the name under which api_keys holds the mailbox's password",
    );
    told(
        &source("file:///x/y", "mailbox", "[source.mailbox]\nfrom = []\n"),
        "my.toml:10: source one: mailbox: from: must list 1 to 100 senders: anybody can write to a mailbox",
    );
    told(
        &source(
            "file:///x/y",
            "mailbox",
            "[source.mailbox]\nfrom = ['vendor', '@localhost']\ntlp = 'PINK'\nrequire_dkim = true\n",
        ),
        "my.toml:11: source one: mailbox: from: 'vendor' is not a sender; write psirt@vendor.example or @vendor.example\n\
         my.toml:11: source one: mailbox: from: '@localhost' is not a sender; write psirt@vendor.example or @vendor.example\n\
         my.toml:12: source one: mailbox: tlp: 'PINK' is not a TLP label; write CLEAR, GREEN, AMBER, AMBER+STRICT or RED\n\
         my.toml:13: source one: mailbox: require_dkim: needs trust_results_of, the name by which your mail server signs its \
         Authentication-Results",
    );
}
