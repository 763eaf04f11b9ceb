//! What proves a document: its hash file (section 7.1.18 of CSAF 2.0) and its signature (7.1.19), both looked at before
//! the document itself.

use std::fmt::Write;

use sha2::{Digest, Sha256, Sha512};

use super::keys::Keys;
use crate::model::clock::Timestamp;
use crate::model::item::Proof;

/// Longest hash file that is looked at, in bytes: one line, or those of a whole directory by mistake.
const HASH_FILE_MAX: usize = 64 * 1024;

/// What `document` is worth, given its hash file and its detached signature, as far as it has them. Where the
/// provider names no keys, a signature proves nothing.
///
/// # Errors
/// Says why the document is to be rejected: its hash is another, or its signature is not good.
pub fn of(
    document: &[u8],
    hash: Option<&[u8]>,
    signature: Option<&[u8]>,
    keys: &Keys,
    now: Timestamp,
) -> Result<Proof, String> {
    if let Some(file) = hash {
        check_hash(document, file)?;
    }
    if let Some(signature) = signature.filter(|_| !keys.is_empty()) {
        keys.verify(document, signature, now)?;
        return Ok(Proof::Signed);
    }
    Ok(if hash.is_some() { Proof::Hashed } else { Proof::Unsigned })
}

/// The first word of a hash file is the hash in hexadecimal digits: SHA-512 by its length, or SHA-256.
fn check_hash(document: &[u8], file: &[u8]) -> Result<(), String> {
    let start = String::from_utf8_lossy(&file[..file.len().min(HASH_FILE_MAX)]);
    let stated =
        start.trim_start_matches('\u{feff}').split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let actual = match stated.len() {
        128 => hex(&Sha512::digest(document)),
        64 => hex(&Sha256::digest(document)),
        _ => return Err("its hash file holds neither a SHA-512 nor a SHA-256".to_owned()),
    };
    if stated == actual {
        return Ok(());
    }
    Err(format!(
        "its hash is {}..., its hash file says {}...",
        &actual[..16],
        &stated.chars().take(16).collect::<String>()
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prove(hash: Option<&str>) -> Result<Proof, String> {
        of(b"abc", hash.map(str::as_bytes), Some(b"unread without keys"), &Keys::default(), Timestamp(0))
    }

    #[test]
    fn hashes_are_checked_and_only_the_strong_ones_count() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(prove(Some(&format!("{sha256}  abc.json\n"))), Ok(Proof::Hashed));
        assert_eq!(prove(Some(&sha256.to_uppercase())), Ok(Proof::Hashed));
        assert_eq!(prove(Some(&hex(&Sha512::digest(b"abc")))), Ok(Proof::Hashed));
        assert_eq!(prove(None), Ok(Proof::Unsigned));
        let wrong = sha256.replace('b', "c");
        assert!(prove(Some(&wrong)).is_err_and(|reason| reason.contains("ba7816bf8f01cfea")));
        for nothing in ["", "900150983cd24fb0d6963f7d28e17f72  abc.json", "<html>not found</html>", "ä"] {
            assert!(prove(Some(nothing)).is_err(), "{nothing}");
        }
    }
}
