//! What the receiving server found of a message's DKIM signature (RFC 6376), from its `Authentication-Results`
//! (RFC 8601).
//!
//! The verdict is the server's and not our own: it saw the message when it came, with the keys of that day, while a
//! key may be gone from the DNS by the time that a mailbox is read. It is believed for one server, which the source
//! names; that server must remove such headers from what comes in under its own name (RFC 8601 section 5). Servers
//! add theirs at the top, so of several the topmost that speaks of DKIM counts.

use super::message;
use crate::formats::contained;
use crate::model::item::Proof;

/// Most results of one header.
const RESULTS_MAX: usize = 100;

/// The proof of a message. Where nobody's verdict is believed, there is none.
pub(super) fn of(bytes: &[u8], trusted: Option<&str>) -> Proof {
    let Some(trusted) = trusted else { return Proof::Unsigned };
    let sender = contained("mail", || Ok(message::sender(bytes))).ok().flatten();
    let Some(domain) = sender.as_deref().and_then(|sender| sender.rsplit('@').next()) else { return Proof::Unsigned };
    let results = fields(message::header(bytes)).into_iter().filter_map(|value| results(&value, trusted));
    let dkim: Option<Vec<Outcome>> = results.map(dkim).find(|found| !found.is_empty());
    match dkim.unwrap_or_default().iter().any(|found| found.passed && aligned(&found.domain, domain)) {
        true => Proof::Signed,
        false => Proof::Unsigned,
    }
}

/// The values of `Authentication-Results`, unfolded, from the top.
fn fields(header: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(header);
    let mut found: Vec<String> = Vec::new();
    let mut within = false;
    for line in text.split('\n') {
        if line.starts_with([' ', '\t']) {
            if let (true, Some(value)) = (within, found.last_mut()) {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        within = name.trim_end().eq_ignore_ascii_case("Authentication-Results");
        if within {
            found.push(value.trim().to_owned());
        }
    }
    found
}

/// The results in a header of the server called `trusted`, each as its words; absent for another server's.
fn results(value: &str, trusted: &str) -> Option<Vec<Vec<String>>> {
    let mut parts = split(value).into_iter();
    let server = parts.next()?;
    let ours = server.first().is_some_and(|name| name.eq_ignore_ascii_case(trusted));
    ours.then(|| parts.take(RESULTS_MAX).collect())
}

struct Outcome {
    passed: bool,
    domain: String,
}

/// The results that speak of DKIM.
fn dkim(results: Vec<Vec<String>>) -> Vec<Outcome> {
    let property = |words: &[String], name: &str| {
        words.iter().find_map(|word| {
            let (key, value) = word.split_once('=')?;
            key.eq_ignore_ascii_case(name).then(|| value.to_ascii_lowercase())
        })
    };
    let outcome = |words: Vec<String>| {
        let (method, verdict) = words.first()?.split_once('=')?;
        // `dkim/1=pass` names the method's version too.
        let is_dkim = method.split('/').next()?.trim().eq_ignore_ascii_case("dkim");
        // The signing domain, or that of the identity which it vouches for (some servers write only this).
        let identity = || property(&words, "header.i").and_then(|id| Some(id.rsplit_once('@')?.1.to_owned()));
        let domain = property(&words, "header.d").or_else(identity).unwrap_or_default();
        is_dkim.then(|| Outcome { passed: verdict.eq_ignore_ascii_case("pass"), domain })
    };
    results.into_iter().filter_map(outcome).collect()
}

/// Relaxed alignment (RFC 7489 section 3.1.1) without a list of public suffixes: one domain is the other's, or above it.
fn aligned(signer: &str, sender: &str) -> bool {
    let (signer, sender) = (signer.to_ascii_lowercase(), sender.to_ascii_lowercase());
    let below = |low: &str, high: &str| low.strip_suffix(high).is_some_and(|rest| rest.ends_with('.'));
    signer.contains('.')
        && sender.contains('.')
        && (signer == sender || below(&sender, &signer) || below(&signer, &sender))
}

/// A header's value by its semicolons, and each part by its blanks. What is quoted or in parentheses parts nothing:
/// the local part of an address, which its sender chooses, may hold both.
fn split(value: &str) -> Vec<Vec<String>> {
    let mut parts = vec![vec![String::new()]];
    let (mut quoted, mut depth) = (false, 0_usize);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let Some(part) = parts.last_mut() else { break };
        match c {
            '\\' if quoted || depth > 0 => drop(chars.next()),
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            ';' if !quoted => parts.push(vec![String::new()]),
            c if c.is_whitespace() && !quoted => part.push(String::new()),
            // A quoted blank or semicolon stays within its word.
            c => part.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    for part in &mut parts {
        part.retain(|word| !word.is_empty());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(headers: &str) -> Proof {
        let message = format!("{headers}From: PSIRT <psirt@vendor.example>\r\nSubject: x\r\n\r\ntext\r\n");
        of(message.as_bytes(), Some("mx.msp.example"))
    }

    #[test]
    fn a_pass_of_the_trusted_server_for_the_senders_domain_is_a_signature() {
        for headers in [
            "Authentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\n",
            "authentication-results: MX.msp.example 1;\r\n\tspf=pass smtp.mailfrom=x@y.example;\r\n\tdkim=PASS (2048-bit; key) header.i=@Vendor.example header.s=k\r\n",
            "Authentication-Results: mx.msp.example; dkim=fail header.d=x.example; dkim=pass header.d=mail.vendor.example\r\n",
            "Authentication-Results: mx.msp.example; dmarc=pass header.from=vendor.example\r\nAuthentication-Results: mx.msp.example; dkim/1=pass header.d=vendor.example\r\n",
        ] {
            assert_eq!(proof(headers), Proof::Signed, "{headers}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for headers in [
            "",
            "Authentication-Results: mx.other.example; dkim=pass header.d=vendor.example\r\n",
            "Authentication-Results: mx.msp.example.evil.example; dkim=pass header.d=vendor.example\r\n",
            "Authentication-Results: mx.msp.example; dkim=pass header.d=evil.example\r\n",
            "Authentication-Results: mx.msp.example; dkim=pass header.d=evilvendor.example\r\n",
            "Authentication-Results: mx.msp.example; dkim=pass header.d=example\r\n",
            "Authentication-Results: mx.msp.example; dkim=fail header.d=vendor.example\r\n",
            "Authentication-Results: mx.msp.example; dkim=pass\r\n",
            "Authentication-Results: mx.msp.example; spf=pass header.d=vendor.example\r\n",
            // A forged one beneath the server's own.
            "Authentication-Results: mx.msp.example; dkim=none\r\nAuthentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\n",
            // An address that its sender chose.
            "Authentication-Results: mx.msp.example; spf=pass smtp.mailfrom=\"x; dkim=pass header.d=vendor.example\"@y.example\r\n",
            "Authentication-Results: mx.msp.example; spf=pass (x; dkim=pass header.d=vendor.example)\r\n",
            "X-Authentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\n",
            "Subject: a\r\n Authentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\n",
        ] {
            assert_eq!(proof(headers), Proof::Unsigned, "{headers}");
        }
        let body = b"From: psirt@vendor.example\r\n\r\nAuthentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\n";
        assert_eq!(of(body, Some("mx.msp.example")), Proof::Unsigned);
        let right = b"Authentication-Results: mx.msp.example; dkim=pass header.d=vendor.example\r\nFrom: psirt@vendor.example\r\n\r\n";
        assert_eq!(of(right, None), Proof::Unsigned);
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "\\PC{0,80}") {
            let _ = proof(&format!("Authentication-Results: mx.msp.example; {value}\r\n"));
        }
    }
}
