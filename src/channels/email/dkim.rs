//! DKIM signatures (RFC 6376; Ed25519 by RFC 8463): the receiver can tell that a mail is ours and unaltered.
//!
//! Rule: the same mail gets the same signature on every try, so its time is the mail's own date. Both parts are
//! canonicalized `relaxed`, since relays fold headers and trim lines. The headers of one-click unsubscription are signed
//! (RFC 8058 section 4), and those that people read are signed once more than they occur, so that none can be added.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// The headers that are signed where a mail has them, in the order of the signature.
const SIGNED: [&str; 17] = [
    "from",
    "reply-to",
    "to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
    "precedence",
    "feedback-id",
];

/// Those that must not be added on the way.
const ONCE: [&str; 5] = ["from", "reply-to", "to", "subject", "date"];

/// Octets of base64 in a line of the header.
const LINE: usize = 68;

/// The smallest RSA key that mailbox providers take (RFC 8301 section 3.2), in bits.
const RSA_MIN_BITS: usize = 1024;

/// A key that signs for a domain under a selector.
pub struct Dkim {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Ed25519(Box<Ed25519KeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// Without the key.
impl fmt::Debug for Dkim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dkim").field("record", &self.record_name()).field("algorithm", &self.algorithm()).finish()
    }
}

impl Dkim {
    /// The key in `pem` (PKCS #8, or PKCS #1 for RSA), which signs for `domain` under `selector`.
    ///
    /// # Errors
    /// Says what is wrong with the key, the domain or the selector.
    pub fn new(domain: &str, selector: &str, pem: &[u8]) -> Result<Self, String> {
        for (what, name) in [("domain", domain), ("selector", selector)] {
            if !is_name(name) {
                return Err(format!("DKIM {what} '{}' is not a domain name", name.escape_debug()));
            }
        }
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("the DKIM key is no PEM key: {error}"))?;
        let refused = "the DKIM key is neither Ed25519 nor RSA of 1024 to 8192 bits; make one with \
                       `openssl genpkey -algorithm ed25519` or `openssl genrsa 2048`";
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
                .map(|key| Key::Ed25519(Box::new(key)))
                .or_else(|_| RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map(|key| Key::Rsa(Box::new(key)))),
            PrivateKeyDer::Pkcs1(der) => {
                RsaKeyPair::from_der(der.secret_pkcs1_der()).map(|key| Key::Rsa(Box::new(key)))
            }
            _ => return Err(refused.to_owned()),
        };
        let key = key.map_err(|error| format!("{refused} ({error})"))?;
        if let Key::Rsa(key) = &key
            && key.public().modulus_len() * 8 < RSA_MIN_BITS
        {
            return Err(refused.to_owned());
        }
        Ok(Self { domain: domain.to_lowercase(), selector: selector.to_lowercase(), key })
    }

    /// The name of the TXT record that holds the public key.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// What that record has to say (RFC 6376 section 3.6.1; RFC 8463 section 4).
    #[must_use]
    pub fn record(&self) -> String {
        match &self.key {
            Key::Ed25519(key) => format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key.public_key())),
            Key::Rsa(key) => format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(rsa_public_key_info(key))),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.key {
            Key::Ed25519(_) => "ed25519-sha256",
            Key::Rsa(_) => "rsa-sha256",
        }
    }

    /// The `DKIM-Signature` header of `mail` as of `seconds` after 1970, its line end included.
    ///
    /// # Errors
    /// Says that `mail` has no header's end, or that the key cannot sign.
    pub fn sign(&self, mail: &[u8], seconds: i64) -> Result<Vec<u8>, String> {
        let (head, body) = split(mail).ok_or("the mail has no end of its headers")?;
        let headers = headers(head);
        let (names, mut canonical) = chosen(&headers);
        let mut value = format!(
            "v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; t={};\r\n h={};\r\n bh={};\r\n b=",
            self.algorithm(),
            self.domain,
            self.selector,
            seconds.max(0),
            names.join(":\r\n  "),
            STANDARD.encode(body_hash(body)),
        );
        relaxed("dkim-signature", value.as_bytes(), &mut canonical);
        // The signature's own header is signed without a line end (RFC 6376 section 3.7).
        canonical.truncate(canonical.len() - 2);
        let signature = STANDARD.encode(self.sign_octets(&canonical)?);
        for (at, line) in signature.as_bytes().chunks(LINE).enumerate() {
            value.push_str(if at == 0 { "" } else { "\r\n  " });
            value.extend(line.iter().map(|byte| char::from(*byte)));
        }
        Ok(format!("DKIM-Signature: {value}\r\n").into_bytes())
    }

    fn sign_octets(&self, octets: &[u8]) -> Result<Vec<u8>, String> {
        match &self.key {
            // RFC 8463 section 3 signs the hash.
            Key::Ed25519(key) => Ok(key.sign(&Sha256::digest(octets)).as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), octets, &mut signature)
                    .map_err(|_| "the RSA key cannot sign".to_owned())?;
                Ok(signature)
            }
        }
    }
}

/// Signs `mail` by each of `keys`, the signatures before its headers.
///
/// # Errors
/// As [`Dkim::sign`].
pub fn signed(keys: &[Dkim], mail: Vec<u8>, seconds: i64) -> Result<Vec<u8>, String> {
    if keys.is_empty() {
        return Ok(mail);
    }
    let mut all = Vec::with_capacity(mail.len() + keys.len() * 1_024);
    for key in keys {
        all.extend(key.sign(&mail, seconds)?);
    }
    all.extend(mail);
    Ok(all)
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Headers with the empty line's first CRLF cut off, and the body.
fn split(mail: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = mail.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((&mail[..end + 2], &mail[end + 4..]))
}

/// Each header's lowercase name and raw value, folds included.
fn headers(head: &[u8]) -> Vec<(String, &[u8])> {
    let mut headers = Vec::new();
    let mut start = 0;
    while start < head.len() {
        let mut end = start;
        // A line that begins with white space continues the one before.
        loop {
            end += head[end..].iter().position(|byte| *byte == b'\n').map_or(head.len() - end, |at| at + 1);
            if !matches!(head.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let line = &head[start..end];
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let name = String::from_utf8_lossy(&line[..colon]).trim().to_lowercase();
            headers.push((name, line[colon + 1..].trim_ascii_end()));
        }
        start = end;
    }
    headers
}

/// The names for `h=`, and the signed headers in canonical form.
fn chosen(headers: &[(String, &[u8])]) -> (Vec<&'static str>, Vec<u8>) {
    let (mut names, mut canonical) = (Vec::new(), Vec::new());
    for name in SIGNED {
        // From the last to the first (RFC 6376 section 5.4.2).
        for (_, value) in headers.iter().rev().filter(|(known, _)| known == name) {
            names.push(name);
            relaxed(name, value, &mut canonical);
        }
        if ONCE.contains(&name) {
            names.push(name);
        }
    }
    (names, canonical)
}

/// A header by the relaxed rule (RFC 6376 section 3.4.2), `name` in lowercase.
fn relaxed(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.as_bytes());
    out.push(b':');
    let start = out.len();
    for &byte in value {
        if !byte.is_ascii_whitespace() {
            out.push(byte);
        } else if out.len() > start && out.last() != Some(&b' ') {
            out.push(b' ');
        }
    }
    if out.len() > start && out.last() == Some(&b' ') {
        out.pop();
    }
    out.extend(b"\r\n");
}

/// The hash of a body by the relaxed rule (RFC 6376 section 3.4.4).
fn body_hash(body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut empty = 0_usize;
    let mut line = Vec::with_capacity(1_024);
    for written in body.split_inclusive(|byte| *byte == b'\n') {
        line.clear();
        for &byte in written.strip_suffix(b"\n").unwrap_or(written) {
            match byte {
                b' ' | b'\t' if line.last() == Some(&b' ') => {}
                b' ' | b'\t' => line.push(b' '),
                b'\r' => {}
                _ => line.push(byte),
            }
        }
        if line.last() == Some(&b' ') {
            line.pop();
        }
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            hash.update(b"\r\n");
        }
        hash.update(&line);
        hash.update(b"\r\n");
    }
    hash.finalize().into()
}

/// The key as a `SubjectPublicKeyInfo` (RFC 5280 section 4.1), which is what records hold.
fn rsa_public_key_info(key: &RsaKeyPair) -> Vec<u8> {
    /// AlgorithmIdentifier of rsaEncryption, with its NULL.
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let mut bits = vec![0];
    bits.extend(key.public_key().as_ref());
    let mut info = ALGORITHM.to_vec();
    info.extend(tagged(0x03, &bits));
    tagged(0x30, &info)
}

/// A value of DER with its tag and length.
fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()) {
        Ok(length @ 0..=0x7f) => out.push(length),
        _ => {
            let length = value.len().to_be_bytes();
            let first = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
            let octets = &length[first..];
            out.push(0x80 | u8::try_from(octets.len()).unwrap_or(0x7f));
            out.extend(octets);
        }
    }
    out.extend(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_bodies_are_canonicalized_as_the_standard_shows() {
        // RFC 6376 section 3.4.5.
        let head = b"A: X\r\nB : Y\t\r\n\tZ  \r\n";
        let mut out = Vec::new();
        for (name, value) in headers(head) {
            relaxed(&name, value, &mut out);
        }
        assert_eq!(out, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(body_hash(b" C \r\nD \t E\r\n\r\n\r\n"), <[u8; 32]>::from(Sha256::digest(b" C\r\nD E\r\n")));
        assert_eq!(body_hash(b""), <[u8; 32]>::from(Sha256::digest(b"")));
        assert_eq!(body_hash(b"a\r\n\r\nb"), <[u8; 32]>::from(Sha256::digest(b"a\r\n\r\nb\r\n")));
    }

    #[test]
    fn what_is_no_key_or_no_name_is_refused() {
        for (domain, selector, pem) in
            [("a.example", "s", "no key"), ("a b", "s", ""), ("a.example", "", ""), ("a.example", "s;t", "")]
        {
            assert!(Dkim::new(domain, selector, pem.as_bytes()).is_err(), "{domain} {selector}");
        }
    }
}
