//! Signatures: good, foreign, altered, and of keys that end.

use super::super::keys::Keys;
use super::super::proof;
use super::openpgp::Signer;
use crate::model::clock::{Clock, Timestamp};
use crate::model::item::Proof;

const DOCUMENT: &[u8] = b"{\"document\": {}}";

fn now() -> Timestamp {
    Clock::system().now()
}

fn keys(signer: &Signer) -> Keys {
    let mut keys = Keys::default();
    keys.add(signer.key().as_bytes(), Some(&signer.fingerprint())).expect("a good key");
    keys
}

fn prove(signer: &Signer, keys: &Keys, document: &[u8]) -> Result<Proof, String> {
    proof::of(document, None, Some(signer.sign(DOCUMENT).as_bytes()), keys, now())
}

#[test]
fn a_good_signature_of_a_named_key_proves_a_document() {
    let signer = Signer::lasting();
    assert_eq!(prove(&signer, &keys(&signer), DOCUMENT), Ok(Proof::Signed));
    assert!(keys(&signer).warnings(now()).is_empty());
}

#[test]
fn an_altered_document_and_a_foreign_key_are_rejected() {
    let (signer, other) = (Signer::lasting(), Signer::lasting());
    assert!(
        prove(&signer, &keys(&signer), b"{\"document\": {} }").is_err_and(|why| why.contains("not good for any key"))
    );
    assert!(prove(&other, &keys(&signer), DOCUMENT).is_err());
    for nonsense in ["", "no signature", "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"] {
        assert!(keys(&signer).verify(DOCUMENT, nonsense.as_bytes(), now()).is_err(), "{nonsense}");
    }
}

#[test]
fn a_key_with_another_fingerprint_does_not_count() {
    let (signer, other) = (Signer::lasting(), Signer::lasting());
    let mut keys = Keys::default();
    assert!(
        keys.add(signer.key().as_bytes(), Some(&other.fingerprint())).is_err_and(|why| why.contains("fingerprint"))
    );
    assert!(keys.add(b"<html>", Some(&signer.fingerprint())).is_err());
    assert!(keys.is_empty());
}

#[test]
fn keys_that_end_are_spoken_of_in_time_and_do_not_sign_after_it() {
    for (age, days, expired, word) in [
        (10, 9, true, Some("expired at")),
        (10, 30, false, Some("within 30 days, which is an error")),
        (10, 80, false, Some("within 90 days")),
        (10, 200, false, None),
    ] {
        let signer = Signer::new(age, Some(days));
        let keys = keys(&signer);
        assert_eq!(keys.all_expired(now()), expired, "{days}");
        let warnings = keys.warnings(now());
        assert_eq!(warnings.len(), usize::from(word.is_some()), "{days}: {warnings:?}");
        assert!(word.is_none_or(|word| warnings[0].contains(word)), "{days}: {warnings:?}");
        let proved = prove(&signer, &keys, DOCUMENT);
        assert_eq!(proved.is_ok(), !expired, "{days}: {proved:?}");
        assert!(!expired || proved.is_err_and(|why| why.contains("has expired")));
    }
}

/// Damage to a key or a signature is an error, never a panic and never a proof of something else.
#[test]
fn no_damage_makes_a_signature_good_or_the_reader_panic() {
    let signer = Signer::lasting();
    let (key, signature) = (signer.key().into_bytes(), signer.sign(DOCUMENT).into_bytes());
    let keys = keys(&signer);
    for at in 0..signature.len() {
        let mut damaged = signature.clone();
        damaged[at] ^= 0x04;
        let _ = keys.verify(DOCUMENT, &damaged, now());
        assert!(keys.verify(b"another document", &damaged, now()).is_err());
    }
    for at in 0..key.len() {
        let mut damaged = key.clone();
        damaged[at] ^= 0x04;
        let mut others = Keys::default();
        let _ = others.add(&damaged, Some(&signer.fingerprint()));
    }
}
