//! Signatures: a verifier that is not ours accepts them, and nothing that was altered.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use rattlewatch::channels::Channel;
use rattlewatch::channels::email::Phases;
use rattlewatch::channels::email::dkim::Dkim;

use super::{assert_sent, email, message};
use crate::support::smtp_server::SmtpServer;

pub(crate) const RSA: &str = include_str!("../../fixtures/dkim/rsa.pem");
const RSA_PKCS1: &str = include_str!("../../fixtures/dkim/rsa-pkcs1.pem");
pub(crate) const ED25519: &str = include_str!("../../fixtures/dkim/ed25519.pem");

/// The records that the keys ask for, in place of a DNS server.
struct Records(Vec<(String, String)>);

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let known = |(record, _): &&(String, String)| {
            let names = [record.clone(), format!("{record}.")].map(String::into_boxed_str);
            names.iter().any(|known| <Box<str> as Borrow<Q>>::borrow(known) == name)
        };
        let (_, record) = self.0.iter().find(known)?;
        DomainKey::parse(record.as_bytes()).ok().map(Txt::from)
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

fn keys() -> Vec<Dkim> {
    [("rw1", RSA), ("rw2", ED25519)]
        .map(|(selector, pem)| Dkim::new("example.test", selector, pem.as_bytes()).unwrap())
        .into()
}

/// What the verifier says of each signature, and the headers that it covers.
pub(crate) async fn verified(mail: &[u8]) -> Vec<(bool, Vec<String>)> {
    let records = Records(keys().iter().map(|key| (key.record_name(), key.record())).collect());
    let resolver = MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).unwrap();
    let mail = AuthenticatedMessage::parse(mail).unwrap();
    let results = resolver.verify_dkim(Parameters::new(&mail).with_txt_cache(&records)).await;
    let outcome = |one: &mail_auth::DkimOutput<'_>| {
        let covered = one.signature().map(|signature| signature.h.clone()).unwrap_or_default();
        (one.result() == &DkimResult::Pass, covered)
    };
    results.iter().map(outcome).collect()
}

async fn sent() -> Vec<u8> {
    let server = SmtpServer::start().await;
    let email = email(&server, Phases::default()).signed_by(keys());
    let mut mail = message("one", "ada@example.test");
    mail.returns.unsubscribe = Some("bounces+unsub-sub-7-abc@example.test".to_owned());
    assert_sent(&email.send(&mail).await);
    assert_sent(&email.send(&mail).await);
    let messages = server.messages();
    assert_eq!(messages[0].data, messages[1].data, "a second try is the same mail");
    messages[0].data.clone()
}

#[tokio::test]
async fn both_signatures_hold_and_cover_the_headers_of_unsubscription() {
    let mail = sent().await;
    let found = verified(&mail).await;
    assert_eq!(found.len(), 2);
    for (holds, covered) in found {
        assert!(holds, "{}", String::from_utf8_lossy(&mail));
        for header in [
            "from",
            "to",
            "subject",
            "date",
            "message-id",
            "list-unsubscribe",
            "list-unsubscribe-post",
            "list-id",
            "feedback-id",
        ] {
            assert!(covered.iter().any(|name| name.eq_ignore_ascii_case(header)), "{header}: {covered:?}");
        }
    }
    assert!(mail.split(|byte| *byte == b'\n').all(|line| line.len() <= 79), "no line of a signature is long");
}

#[tokio::test]
async fn what_relays_do_is_borne_and_what_forgers_do_is_not() {
    let mail = String::from_utf8(sent().await).unwrap();
    let passes = async |mail: String| verified(mail.as_bytes()).await.iter().all(|(holds, _)| *holds);
    assert!(passes(mail.replacen("Subject: ", "SUBJECT:   ", 1)).await, "a header may be written anew");
    assert!(passes(format!("Received: from relay\r\n{mail}\r\n\r\n")).await, "lines may be added before and after");
    assert!(!passes(mail.replacen("Update to 4.3", "Update to 4.2", 1)).await, "the text");
    assert!(!passes(mail.replacen("Subject: ", "Subject: not ", 1)).await, "the subject");
    assert!(!passes(format!("Subject: another\r\n{mail}")).await, "a second subject");
    assert!(!passes(mail.replacen("/u/one", "/u/two", 1)).await, "the way to unsubscribe");
    assert!(!passes(mail.replacen("unsub-sub-7", "unsub-sub-8", 1)).await, "the other way");
}

#[test]
fn a_key_is_the_same_in_either_form_and_its_record_can_be_published() {
    let [pkcs8, pkcs1] = [RSA, RSA_PKCS1].map(|pem| Dkim::new("Example.test", "rw1", pem.as_bytes()).unwrap());
    assert_eq!(pkcs8.record(), pkcs1.record());
    assert_eq!(pkcs8.record_name(), "rw1._domainkey.example.test");
    assert!(pkcs8.record().starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), "{}", pkcs8.record());
    assert!(!format!("{pkcs8:?}").contains("PRIVATE"));
}
