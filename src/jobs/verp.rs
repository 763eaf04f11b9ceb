//! Verp: what is undeliverable comes back to an address that says whose mail it was (variable envelope return paths).
//!
//! `bounces@DOMAIN` becomes `bounces+SUBSCRIPTION-CODE@DOMAIN`. The code is 100 bits of an HMAC-SHA-256 under the
//! installation's secret, so nobody else can make one, and the recipient's address is nowhere in it. Relays may lowercase
//! what stands before the `@`, so the alphabet has no capitals; RFC 5321 section 4.5.3.1.1 leaves 64 octets.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Characters of a code, five bits each.
const CODE: usize = 20;
/// The alphabet of codes (RFC 4648 section 6), in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Octets of what stands before the `@`.
const LOCAL_MAX: usize = 64;
/// Marks the address to which a mail unsubscribes.
const LEAVE: &str = "unsub-";

/// What a tagged address is for. A token for one purpose is none for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Undeliverable mail comes back to it: the envelope's sender.
    Return,
    /// A mail to it unsubscribes.
    Leave,
}

/// The address at `base` that names `subscription` for `purpose`. None where the address would be too long, or where the
/// id has characters that a relay may change: then `base`'s owner has to do without.
#[must_use]
pub fn address(secret: &str, base: &str, purpose: Purpose, subscription: &str) -> Option<String> {
    let (local, domain) = base.rsplit_once('@')?;
    let sturdy = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if subscription.is_empty() || !subscription.chars().all(sturdy) {
        return None;
    }
    let mut tagged = format!("{local}+");
    if purpose == Purpose::Leave {
        tagged.push_str(LEAVE);
    }
    let _ = write!(tagged, "{subscription}-{}", code(secret, purpose, subscription));
    (tagged.len() <= LOCAL_MAX).then(|| format!("{tagged}@{domain}"))
}

/// What the tagged `address` is for and which subscription it names, if this installation made its token. The domain and
/// what stands before the plus sign may have been rewritten on the way; only the token counts.
#[must_use]
pub fn verified(secret: &str, address: &str) -> Option<(Purpose, String)> {
    let (local, _) = address.rsplit_once('@')?;
    let (_, tag) = local.split_once('+')?;
    if tag.len() > LOCAL_MAX {
        return None;
    }
    let tag = tag.to_ascii_lowercase();
    let (purpose, token) = match tag.strip_prefix(LEAVE) {
        Some(token) => (Purpose::Leave, token),
        None => (Purpose::Return, tag.as_str()),
    };
    let (subscription, given) = token.rsplit_once('-')?;
    let expected = code(secret, purpose, subscription);
    // Every byte is compared, so that the time taken tells nothing about where they differ.
    let same =
        given.len() == expected.len() && given.bytes().zip(expected.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0;
    same.then(|| (purpose, subscription.to_owned()))
}

fn code(secret: &str, purpose: Purpose, subscription: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(match purpose {
        Purpose::Return => b"envelope sender|",
        Purpose::Leave => b"unsubscribe mail|",
    });
    mac.update(subscription.as_bytes());
    let digest = mac.finalize().into_bytes();
    let mut code = String::with_capacity(CODE);
    // Each five bytes are eight characters.
    for group in digest.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        code.extend((0..8).rev().map(|place| char::from(BASE32[(bits >> (5 * place)) as usize & 31])));
    }
    code.truncate(CODE);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "bounces@alerts.msp.example";

    fn made(purpose: Purpose, subscription: &str) -> String {
        address("secret", BASE, purpose, subscription).expect("an address")
    }

    #[test]
    fn an_address_comes_back_as_what_it_was_made_for_even_in_capitals_and_at_another_domain() {
        for purpose in [Purpose::Return, Purpose::Leave] {
            for id in ["sub-7", "sub-123456789012", "operator", "heartbeat"] {
                let made = made(purpose, id);
                assert!(made.split('@').next().is_some_and(|local| local.len() <= LOCAL_MAX), "{made}");
                assert!(made.ends_with("@alerts.msp.example") && made.starts_with("bounces+"));
                let expected = Some((purpose, id.to_owned()));
                assert_eq!(verified("secret", &made), expected);
                assert_eq!(verified("secret", &made.to_ascii_uppercase()), expected);
                assert_eq!(verified("secret", &made.replace("bounces+", "pool+").replace("alerts.", "mx.")), expected);
            }
        }
    }

    #[test]
    fn no_token_but_our_own_is_taken_nor_one_for_another_purpose_or_recipient() {
        let ours = made(Purpose::Return, "sub-7");
        assert_eq!(verified("another", &ours), None);
        let token = ours.split(['+', '@']).nth(1).expect("a token").to_owned();
        for index in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[index] = if wrong[index] == b'a' { b'b' } else { b'a' };
            let wrong = format!("bounces+{}@alerts.msp.example", String::from_utf8_lossy(&wrong));
            assert_eq!(verified("secret", &wrong), None, "{wrong}");
        }
        assert_eq!(verified("secret", &ours.replace("sub-7", "sub-8")), None);
        assert_eq!(verified("secret", &ours.replace("bounces+", "bounces+unsub-")), None);
        let leave = made(Purpose::Leave, "sub-7");
        assert_eq!(verified("secret", &leave.replace("unsub-", "")), None);
        for foreign in [
            "",
            "@",
            "bounces@alerts.msp.example",
            "bounces+@x",
            "bounces+-@x",
            "b+sub-7-@x",
            "b+sub-7@x",
            "b+unsub-@x",
        ] {
            assert_eq!(verified("secret", foreign), None, "{foreign}");
        }
        assert_eq!(verified("secret", &format!("b+{}@x", "-".repeat(100_000))), None);
    }

    #[test]
    fn what_would_be_too_long_or_could_be_changed_on_the_way_has_no_address() {
        let long = "s".repeat(60);
        for id in ["", "Sub-7", "sub 7", "ada@msp.example", long.as_str()] {
            assert_eq!(address("secret", BASE, Purpose::Return, id), None, "{id}");
        }
    }
}
