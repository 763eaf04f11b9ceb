//! The OpenPGP keys that a provider names, and the signatures made with them (RFC 9580).
//!
//! A key counts where its fingerprint is the one in the provider's metadata, its own signatures bind what it says of
//! itself, and it is not revoked. Every use of the `pgp` crate is contained: what it reads is hostile.

use std::io::Cursor;
use std::time::Duration;

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, Signature};
use pgp::types::{KeyDetails, Tag};

use crate::formats::{ParseError, contained};
use crate::model::clock::Timestamp;

/// Longest key and longest signature that are read, in bytes.
const KEY_MAX: usize = 512 * 1024;
const SIGNATURE_MAX: usize = 64 * 1024;
/// Most keys of a provider, parts of a key, signatures on a part, and signatures of a document that are looked at.
const KEYS_MAX: usize = 20;
const PARTS_MAX: usize = 20;
const CERTIFICATIONS_MAX: usize = 200;
const SIGNATURES_MAX: usize = 4;
/// How far ahead of ours a signer's clock may be.
const AHEAD: Duration = Duration::from_secs(24 * 3_600);
/// Days before its end from which a key is spoken of (section 7.1.19 of CSAF 2.0 and requirement 19).
const SOON: Duration = Duration::from_secs(90 * 24 * 3_600);
const VERY_SOON: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The keys of a provider.
#[derive(Default)]
pub struct Keys {
    signers: Vec<Signer>,
    read: usize,
}

/// A key, or a part of one, that may sign.
struct Signer {
    key: Part,
    fingerprint: String,
    expires: Option<Timestamp>,
}

enum Part {
    Primary(Box<PublicKey>),
    Sub(Box<PublicSubkey>),
}

impl Signer {
    fn verify(&self, signature: &DetachedSignature, document: &[u8]) -> bool {
        match &self.key {
            Part::Primary(key) => signature.verify(key.as_ref(), document).is_ok(),
            Part::Sub(key) => signature.verify(key.as_ref(), document).is_ok(),
        }
    }

    fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

impl Keys {
    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signers.is_empty()
    }

    /// Whether no key can sign any more.
    #[must_use]
    pub fn all_expired(&self, now: Timestamp) -> bool {
        !self.is_empty() && self.signers.iter().all(|signer| signer.expired(now))
    }

    /// Reads a key file, armored or not. `fingerprint` is what the provider's metadata says of it; a key with another
    /// one does not count.
    ///
    /// # Errors
    /// Says why it does not count.
    pub fn add(&mut self, file: &[u8], fingerprint: Option<&str>) -> Result<(), String> {
        if file.len() > KEY_MAX || self.read >= KEYS_MAX {
            return Err(format!("it is larger than {} KiB, or more than {KEYS_MAX} keys are named", KEY_MAX >> 10));
        }
        self.read += 1;
        let wanted = fingerprint.map(normal).filter(|wanted| !wanted.is_empty());
        let found = contained("OpenPGP", || Ok(signers(file, wanted.as_deref())));
        self.signers.extend(found.map_err(|error| error.to_string())??);
        Ok(())
    }

    /// What is to be said of keys that end soon.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let soon = self.signers.iter().filter_map(|signer| Some((signer, signer.expires?)));
        soon.filter(|(_, end)| *end < now.plus(SOON))
            .map(|(signer, end)| {
                let key = &signer.fingerprint;
                if end <= now {
                    return format!("the provider's OpenPGP key {key} expired at {end}; what it signs is rejected until the provider renews it");
                }
                let word = if end < now.plus(VERY_SOON) { "within 30 days, which is an error" } else { "within 90 days" };
                format!("the provider's OpenPGP key {key} expires {word} (section 7.1.19), at {end}; the provider should renew it")
            })
            .collect()
    }

    /// Checks the detached signatures in `file` over `document`: one good one is enough.
    ///
    /// # Errors
    /// Says why none is good.
    pub fn verify(&self, document: &[u8], file: &[u8], now: Timestamp) -> Result<(), String> {
        if file.len() > SIGNATURE_MAX {
            return Err(format!("its signature is larger than {} KiB", SIGNATURE_MAX >> 10));
        }
        let outcome = contained("OpenPGP", || Ok(self.good(document, file, now)));
        outcome.unwrap_or_else(|error: ParseError| Err(error.to_string()))
    }

    fn good(&self, document: &[u8], file: &[u8], now: Timestamp) -> Result<(), String> {
        let (signatures, _) = DetachedSignature::from_reader_many(Cursor::new(file))
            .map_err(|fault| format!("its signature cannot be read ({fault})"))?;
        let mut reason = "its signature file holds no signature".to_owned();
        for signature in signatures.take(SIGNATURES_MAX) {
            match signature {
                Err(fault) => reason = format!("its signature cannot be read ({fault})"),
                Ok(signature) => match self.judge(&signature, document, now) {
                    Ok(()) => return Ok(()),
                    Err(why) => reason = why,
                },
            }
        }
        Err(reason)
    }

    fn judge(&self, signature: &DetachedSignature, document: &[u8], now: Timestamp) -> Result<(), String> {
        let packet = &signature.signature;
        if !packet.hash_alg().is_some_and(is_strong) {
            return Err("its signature is made over a weak hash".to_owned());
        }
        let made = packet.created().map(|at| Timestamp::from_seconds(i64::from(at.as_secs())));
        let Some(made) = made.filter(|made| *made <= now.plus(AHEAD)) else {
            return Err("its signature is of no time, or of the future".to_owned());
        };
        if let Some(lasts) = lasts(packet.signature_expiration_time())
            && made.plus(lasts) <= now
        {
            return Err("its signature has expired".to_owned());
        }
        let Some(signer) = self.signers.iter().find(|signer| signer.verify(signature, document)) else {
            return Err("its signature is not good for any key that the provider names".to_owned());
        };
        if signer.expired(now) {
            return Err(format!("it is signed by the key {}, which has expired", signer.fingerprint));
        }
        Ok(())
    }
}

/// Upper-case hexadecimal digits without what people put between them.
fn normal(fingerprint: &str) -> String {
    fingerprint.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_uppercase()
}

fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// How long a key or a signature lasts; absent: for ever, which is written as nothing or as 0.
fn lasts(written: Option<pgp::types::Duration>) -> Option<Duration> {
    written
        .map(|lasts| lasts.as_secs())
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.into()))
}

/// What may sign of the keys in `file`.
fn signers(file: &[u8], wanted: Option<&str>) -> Result<Vec<Signer>, String> {
    let (keys, _) =
        SignedPublicKey::from_reader_many(Cursor::new(file)).map_err(|fault| format!("it cannot be read ({fault})"))?;
    let mut reason = "it holds no public key".to_owned();
    for key in keys.take(KEYS_MAX) {
        let key = match key {
            Ok(key) => key,
            Err(fault) => {
                reason = format!("it cannot be read ({fault})");
                continue;
            }
        };
        let fingerprint = normal(&key.fingerprint().to_string());
        if wanted.is_some_and(|wanted| wanted != fingerprint) {
            reason = format!("its fingerprint is {fingerprint}, not the one that the metadata states");
            continue;
        }
        return parts(&key, &fingerprint);
    }
    Err(reason)
}

/// The parts of `key` that may sign, each with its end.
fn parts(key: &SignedPublicKey, fingerprint: &str) -> Result<Vec<Signer>, String> {
    use pgp::packet::SignatureType::CertRevocation;
    let primary = &key.primary_key;
    if key
        .details
        .revocation_signatures
        .iter()
        .take(CERTIFICATIONS_MAX)
        .any(|revoked| revoked.verify_key(primary).is_ok())
    {
        return Err(format!("the key {fingerprint} is revoked"));
    }
    let direct = key.details.direct_signatures.iter().filter(|own| own.verify_key(primary).is_ok());
    let users = key.details.users.iter().take(PARTS_MAX).flat_map(|user| {
        let own = user.signatures.iter().take(CERTIFICATIONS_MAX);
        let own = own.filter(|own| own.typ() != Some(CertRevocation));
        own.filter(|own| own.verify_certification(primary, Tag::UserId, &user.id).is_ok())
    });
    let newest = direct.take(CERTIFICATIONS_MAX).chain(users).max_by_key(|own| own.created());
    let Some(newest) = newest else {
        return Err(format!("nothing binds the key {fingerprint} to its owner"));
    };
    let primary_end = end(primary.created_at(), newest);
    let mut signers = Vec::new();
    // A primary key without flags signs, as old software made them.
    if newest.key_flags().sign() || !newest.key_flags().certify() {
        let key = Part::Primary(Box::new(primary.clone()));
        signers.push(Signer { key, fingerprint: fingerprint.to_owned(), expires: primary_end });
    }
    for sub in key.public_subkeys.iter().take(PARTS_MAX) {
        let Some(expires) = binding(&sub.key, &sub.signatures, primary) else { continue };
        // A part does not outlive the whole.
        let expires = [expires, primary_end].into_iter().flatten().min();
        signers.push(Signer {
            key: Part::Sub(Box::new(sub.key.clone())),
            fingerprint: fingerprint.to_owned(),
            expires,
        });
    }
    if signers.is_empty() {
        return Err(format!("no part of the key {fingerprint} may sign"));
    }
    Ok(signers)
}

/// The end of a subkey that its primary key binds for signing, and that binds itself; absent where it may not sign.
#[expect(clippy::option_option, reason = "a subkey that may sign can be without an end")]
fn binding(sub: &PublicSubkey, signatures: &[Signature], primary: &PublicKey) -> Option<Option<Timestamp>> {
    use pgp::packet::SignatureType::{SubkeyBinding, SubkeyRevocation};
    let own =
        || signatures.iter().take(CERTIFICATIONS_MAX).filter(|own| own.verify_subkey_binding(primary, sub).is_ok());
    if own().any(|signature| signature.typ() == Some(SubkeyRevocation)) {
        return None;
    }
    let newest = own().filter(|signature| signature.typ() == Some(SubkeyBinding)).max_by_key(|own| own.created())?;
    let back = newest.embedded_signature().is_some_and(|back| back.verify_primary_key_binding(sub, primary).is_ok());
    (newest.key_flags().sign() && back).then(|| end(sub.created_at(), newest))
}

fn end(created: pgp::types::Timestamp, signature: &Signature) -> Option<Timestamp> {
    lasts(signature.key_expiration_time())
        .map(|lasts| Timestamp::from_seconds(i64::from(created.as_secs())).plus(lasts))
}
