//! Mail addresses: what a person may type, in the one form that we keep, compare and put on the wire.
//!
//! An [`EmailAddress`] never holds a control character, a space or an angle bracket, so it can stand in an SMTP
//! command and in a header as it is.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use url::Host;

use super::text;

/// Octets of a whole path, without its angle brackets (RFC 5321 section 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;
/// Octets of a local part (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// A checked address: the local part as typed (NFC), the domain in lowercase A-labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    text: String,
    at: usize,
}

impl EmailAddress {
    /// Reads an address as a person types it: spaces around it are ignored and its domain is brought to
    /// lowercase A-labels (`A@Bücher.example` becomes `A@xn--bcher-kva.example`).
    ///
    /// # Errors
    ///
    /// Says what is wrong with it: display names, source routes, quoted local parts, domain literals, IP
    /// addresses, controls and domains of one label (except `localhost`) are refused.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let trimmed = typed.trim();
        let shown = text::truncate(&text::one_line(trimmed), 80);
        let fault = |what: &str| format!("'{shown}' is not a mail address: {what}");
        if trimmed.len() > 4 * MAX_ADDRESS {
            return Err(fault("it is too long"));
        }
        let Some((local, domain)) = trimmed.rsplit_once('@') else {
            return Err(fault("it has no @"));
        };
        let local: String = local.nfc().collect();
        check_local(&local).map_err(fault)?;
        let domain = canonical_domain(domain).map_err(|what| fault(&what))?;
        let text = format!("{local}@{domain}");
        if text.len() > MAX_ADDRESS {
            return Err(fault("it is longer than 254 octets"));
        }
        Ok(Self { at: local.len(), text })
    }

    /// The address as it goes on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`: lowercase A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// What two spellings of one mailbox have in common: the local part case-folded, then the domain.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}@{}", text::fold(self.local()), self.domain())
    }

    /// Whether the local part has characters beyond ASCII, so that a relay must know SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn is_international(&self) -> bool {
        !self.text.is_ascii()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for EmailAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A dot-atom (RFC 5322 section 3.2.3), with letters beyond ASCII allowed (RFC 6532).
fn check_local(local: &str) -> Result<(), &'static str> {
    if local.is_empty() {
        return Err("nothing stands before the @");
    }
    if local.len() > MAX_LOCAL {
        return Err("more than 64 octets stand before the @");
    }
    if local.starts_with('"') {
        return Err("a quoted part before the @ is not supported");
    }
    if local.starts_with('@') {
        return Err("a source route is not accepted; write only the last address");
    }
    if local.contains('<') {
        return Err("write it without a name and angle brackets");
    }
    if local.split('.').any(str::is_empty) {
        return Err("a dot before the @ stands at an end or beside another dot");
    }
    if !local.chars().all(|c| c == '.' || is_atext(c)) {
        return Err("a character before the @ is not allowed");
    }
    Ok(())
}

fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
    }
}

fn canonical_domain(typed: &str) -> Result<String, String> {
    let typed = typed.strip_suffix('.').unwrap_or(typed);
    if typed.is_empty() {
        return Err("nothing stands after the @".to_owned());
    }
    if typed.starts_with('[') {
        return Err("an address literal in brackets is not accepted; write a domain name".to_owned());
    }
    if typed.contains('%') {
        return Err("its domain has a character that is not allowed".to_owned());
    }
    let domain = match Host::parse(typed) {
        Ok(Host::Domain(domain)) => domain,
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) => return Err("its domain is an IP address; write a name".to_owned()),
        Err(_) => return Err("its domain is not a valid name".to_owned()),
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() > 253 || !domain.split('.').all(is_label) {
        return Err("its domain is not a valid name".to_owned());
    }
    if !domain.contains('.') && domain != "localhost" {
        return Err(format!("its domain '{domain}' has no dot; write it in full"));
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        EmailAddress::parse(text).map_or_else(|why| why, |address| address.to_string())
    }

    #[test]
    fn an_address_is_trimmed_and_its_domain_canonical() {
        assert_eq!(parsed("  Ada.L+alerts@EXAMPLE.com. \n"), "Ada.L+alerts@example.com");
        assert_eq!(parsed("a@Bücher.example"), "a@xn--bcher-kva.example");
        assert_eq!(parsed("a@localhost"), "a@localhost");
        assert_eq!(parsed("o'hara@mail.localhost"), "o'hara@mail.localhost");
        assert_eq!(parsed("jürgen@example.test"), "jürgen@example.test");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (typed, reason) in [
            ("", "no @"),
            ("example.com", "no @"),
            ("@example.com", "nothing stands before"),
            ("a@", "nothing stands after"),
            ("a@[127.0.0.1]", "literal"),
            ("a@127.0.0.1", "IP address"),
            ("a@0x7f.1", "IP address"),
            ("a@intranet", "no dot"),
            ("a@exa%6dple.com", "not allowed"),
            ("a@exa_mple.com", "not a valid name"),
            ("a@-b.example", "not a valid name"),
            ("a@b..example", "not a valid name"),
            ("@relay.example,@b.example:c@d.example", "source route"),
            ("Ada <ada@example.com>", "angle brackets"),
            ("\"a b\"@example.com", "quoted"),
            ("a b@example.com", "not allowed"),
            ("a\r\nBcc: x@y.example", "not allowed"),
            ("a\0@example.com", "not allowed"),
            ("a\u{202e}b@example.com", "not allowed"),
            ("a@b@example.com", "not allowed"),
            (".a@example.com", "dot"),
            ("a..b@example.com", "dot"),
            ("a,b@example.com", "not allowed"),
        ] {
            let got = EmailAddress::parse(typed);
            assert!(got.as_ref().is_err_and(|why| why.contains(reason)), "{typed:?} gave {got:?}, not {reason:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(EmailAddress::parse(&format!("a@{}example.com", "a.".repeat(130))).is_err());
    }

    #[test]
    fn two_spellings_of_one_mailbox_have_one_key() -> Result<(), String> {
        let one = EmailAddress::parse("Ada@BÜCHER.example")?;
        let other = EmailAddress::parse("ada@xn--bcher-kva.example")?;
        assert_eq!(one.key(), other.key());
        assert_ne!(one, other);
        Ok(())
    }
}
