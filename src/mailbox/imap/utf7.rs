//! Modified UTF-7, in which servers name folders (RFC 3501 section 5.1.3).

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

const ENGINE: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// The name of a folder as it goes over the wire.
pub(super) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut wide = String::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            shift(&mut wide, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            wide.push(c);
        }
    }
    shift(&mut wide, &mut out);
    out
}

fn shift(wide: &mut String, out: &mut String) {
    if wide.is_empty() {
        return;
    }
    let bytes: Vec<u8> = wide.encode_utf16().flat_map(u16::to_be_bytes).collect();
    out.push('&');
    out.push_str(&ENGINE.encode(bytes));
    out.push('-');
    wide.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_standard_shows() {
        assert_eq!(encode("INBOX/Vendors"), "INBOX/Vendors");
        assert_eq!(encode("R&D"), "R&-D");
        assert_eq!(encode("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(encode("Zürich"), "Z&APw-rich");
    }
}
