//! Tokens: links that only this installation can make. A token names an id and carries a code; it tells no address, and
//! it does not expire.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The token of a subscription's stop link: its id, and a code that only this installation can make. It names no
/// address, and it does not expire.
#[must_use]
pub fn token(secret: &str, subscription: &str) -> String {
    signed(secret, "unsubscribe", subscription)
}

/// The subscription that a stop link's token names, if this installation made it.
#[must_use]
pub fn subscription_of(secret: &str, token: &str) -> Option<String> {
    opened(secret, "unsubscribe", token)
}

/// `id` with a code that only this installation can make, for one purpose.
#[must_use]
pub fn signed(secret: &str, purpose: &str, id: &str) -> String {
    format!("{id}.{}", code(secret, purpose, id))
}

/// The id in a token that this installation made for this purpose.
#[must_use]
pub fn opened(secret: &str, purpose: &str, token: &str) -> Option<String> {
    let (id, given) = token.split_once('.')?;
    let expected = code(secret, purpose, id);
    // Every byte is compared, so that the time taken tells nothing about where they differ.
    let same =
        given.len() == expected.len() && given.bytes().zip(expected.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
    same.then(|| id.to_owned())
}

fn code(secret: &str, purpose: &str, id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.update(b"|");
    mac.update(id.as_bytes());
    hex(&mac.finalize().into_bytes()[..20])
}

pub(in crate::jobs) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_taken() {
        let token = token("secret", "sub-7");
        assert_eq!(subscription_of("secret", &token).as_deref(), Some("sub-7"));
        assert_eq!(subscription_of("another", &token), None);
        for index in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[index] ^= 1;
            let wrong = String::from_utf8_lossy(&wrong).into_owned();
            assert_eq!(subscription_of("secret", &wrong), None, "{wrong}");
        }
        assert_eq!(subscription_of("secret", "sub-7"), None);
    }
}
