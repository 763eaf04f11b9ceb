//! `[source.mailbox]`: where a vendor's mail arrives, whose of it is taken, and what is made of it.

use std::path::PathBuf;

use url::{Host, Url};

use super::written::WrittenMailbox;
use crate::config::fault::{Faults, quoted};
use crate::config::settings::percent_decoded;
use crate::config::written::At;
use crate::model::item::URL_MAX;
use crate::model::tlp::Tlp;

/// Most entries of `from`.
const SENDERS_MAX: usize = 100;
/// Longest address, host, user or folder, in bytes.
const WORD_MAX: usize = 255;
/// The forms of a mailbox's address.
const FORMS: &str = "imaps://USER@HOST/FOLDER, imap+starttls://USER@HOST/FOLDER or file:///DIRECTORY, \
    with @ and other special characters of the user percent-encoded (%40)";

/// How a source of the format `mailbox` is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRules {
    /// Where the mail is.
    pub place: MailPlace,
    /// Whose mail is taken.
    pub from: Senders,
    /// Leave out mail that bears no valid DKIM signature of its sender's domain.
    pub require_dkim: bool,
    /// The receiving server whose verdicts are believed: the `authserv-id` of its `Authentication-Results`
    /// (RFC 8601 section 2.5), in lower case.
    pub trust_results_of: Option<String>,
    /// How far what such mail says may travel, unless the mail itself is stricter.
    pub tlp: Tlp,
}

/// Where mail is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailPlace {
    /// A folder on a mail server.
    Imap {
        /// How the connection is secured; there is no way without.
        tls: MailTls,
        /// A host name in lower case, or an address without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// Who signs in.
        user: String,
        /// Which folder, in Unicode.
        folder: String,
    },
    /// A directory of `*.eml` files on this machine.
    Directory(PathBuf),
}

/// How a connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (RFC 8314 section 3.2); port 993 unless another is named.
    Implicit,
    /// By STARTTLS (RFC 9051 section 6.2.1), which is insisted on; port 143 unless another is named.
    StartTls,
}

/// A list of senders: addresses, and domains of which every address is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders(Vec<String>);

impl Senders {
    /// Whether the address (an addr-spec, RFC 5322 section 3.4.1) is listed. Case does not count: in the domain it
    /// never does, and no vendor has two mailboxes that differ in it.
    #[must_use]
    pub fn hold(&self, address: &str) -> bool {
        let Some(at) = address.rfind('@') else { return false };
        self.0.iter().any(|listed| match listed.starts_with('@') {
            true => listed.eq_ignore_ascii_case(&address[at..]) && at > 0,
            false => listed.eq_ignore_ascii_case(address),
        })
    }
}

/// The rules that `written` gives; `None` where a fault was told.
pub(super) fn rules(written: &WrittenMailbox, place: MailPlace, faults: &mut Faults<'_>) -> Option<MailboxRules> {
    let mut tell = |line: usize, key: &str, message: &str| {
        faults.add(line, format!("{}: {key}", written.label), message);
    };
    let mut from = Vec::new();
    for entry in &written.from {
        match sender(&entry.value) {
            Ok(entry) => from.push(entry),
            Err(message) => tell(entry.line, "from", &message),
        }
    }
    if written.from.is_empty() || from.len() > SENDERS_MAX {
        let message = format!("must list 1 to {SENDERS_MAX} senders: anybody can write to a mailbox");
        tell(written.line, "from", &message);
    }
    let trusted = read(written.trust_results_of.as_ref(), host_name, |line, why| tell(line, "trust_results_of", why));
    let tlp = read(written.tlp.as_ref(), str::parse, |line, why| tell(line, "tlp", why));
    if let Some(required) = written.require_dkim.as_ref().filter(|required| required.value)
        && written.trust_results_of.is_none()
    {
        let message = "needs trust_results_of, the name by which your mail server signs its Authentication-Results";
        tell(required.line, "require_dkim", message);
        return None;
    }
    (!from.is_empty()).then(|| MailboxRules {
        place,
        from: Senders(from),
        require_dkim: written.require_dkim.as_ref().is_some_and(|required| required.value),
        trust_results_of: trusted,
        // What a vendor writes to its customers is not public.
        tlp: tlp.unwrap_or(Tlp::Amber),
    })
}

fn read<T>(
    written: Option<&At<String>>,
    read: impl FnOnce(&str) -> Result<T, String>,
    tell: impl FnOnce(usize, &str),
) -> Option<T> {
    let written = written?;
    read(&written.value).map_err(|message| tell(written.line, &message)).ok()
}

/// An address, or `@` and a domain.
fn sender(text: &str) -> Result<String, String> {
    let refusal = || format!("{} is not a sender; write psirt@vendor.example or @vendor.example", quoted(text));
    let (local, domain) = text.rsplit_once('@').ok_or_else(refusal)?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '@');
    if text.len() > WORD_MAX || !local.chars().all(plain) || host_name(domain).is_err() || !domain.contains('.') {
        return Err(refusal());
    }
    Ok(text.to_owned())
}

/// A host name of letters, digits, dots and hyphens, in lower case.
fn host_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.is_empty() || text.len() > WORD_MAX || !text.chars().all(fits) || text.starts_with(['.', '-']) {
        return Err(format!("{} is not a host name; write one such as mx.msp.example", quoted(text)));
    }
    Ok(text.to_ascii_lowercase())
}

/// The address of a mailbox, and what it means.
pub(super) fn address(text: &str) -> Result<(Url, MailPlace), String> {
    let url = Url::parse(text).map_err(|error| format!("{} is not a URL ({error}); write {FORMS}", quoted(text)))?;
    if url.as_str().len() > URL_MAX {
        return Err(format!("is longer than {URL_MAX} characters"));
    }
    if url.password().is_some() {
        return Err(
            "holds a password; remove it and name it with needs_key, for this file is no place for secrets".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has more than a user, a host and a folder; write {FORMS}"));
    }
    let place = match url.scheme() {
        "imaps" => server(&url, MailTls::Implicit, 993)?,
        "imap+starttls" => server(&url, MailTls::StartTls, 143)?,
        "file" => directory(&url)?,
        "imap" => return Err("would send the password without TLS; write imaps:// or imap+starttls://".to_owned()),
        other => return Err(format!("has the scheme {}, which is no mailbox; write {FORMS}", quoted(other))),
    };
    Ok((url, place))
}

fn server(url: &Url, tls: MailTls, usual: u16) -> Result<MailPlace, String> {
    let refusal = |what: &str| format!("{what}; write {FORMS}");
    let host = match url.host() {
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        Some(Host::Domain(name)) => host_name(name).map_err(|_| refusal("has no usable host"))?,
        None => return Err(refusal("has no host")),
    };
    let decoded = |part: &str| percent_decoded(part).filter(|text| text.len() <= WORD_MAX);
    let user = decoded(url.username()).ok_or_else(|| refusal("is not percent-encoded"))?;
    if user.is_empty() {
        return Err(refusal("names no user"));
    }
    let folder = decoded(url.path().trim_start_matches('/')).ok_or_else(|| refusal("is not percent-encoded"))?;
    let folder = if folder.is_empty() { "INBOX".to_owned() } else { folder };
    match url.port() {
        Some(0) => Err("has the port 0; leave it out for the usual one".to_owned()),
        port => Ok(MailPlace::Imap { tls, host, port: port.unwrap_or(usual), user, folder }),
    }
}

fn directory(url: &Url) -> Result<MailPlace, String> {
    match url.to_file_path() {
        Ok(path) if path.parent().is_some() => Ok(MailPlace::Directory(path)),
        _ => Err("is not a directory of this machine; write file:///DIRECTORY".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_the_mail_is() {
        let imap = |text: &str| address(text).expect("a mailbox").1;
        let expected = |tls, port, folder: &str| MailPlace::Imap {
            tls,
            host: "mx.msp.example".to_owned(),
            port,
            user: "alerts@msp.example".to_owned(),
            folder: folder.to_owned(),
        };
        assert_eq!(imap("imaps://alerts%40msp.example@MX.msp.example"), expected(MailTls::Implicit, 993, "INBOX"));
        let starttls = imap("imap+starttls://alerts%40msp.example@mx.msp.example:1143/Vendors/Z%C3%BCrich");
        assert_eq!(starttls, expected(MailTls::StartTls, 1_143, "Vendors/Zürich"));
        assert_eq!(imap("file:///var/mail%20drop"), MailPlace::Directory("/var/mail drop".into()));
    }

    #[test]
    fn what_is_no_mailbox_is_refused_with_what_to_write() {
        for (text, words) in [
            ("imap://a@mx.msp.example/", "without TLS"),
            ("imaps://a:hunter2@mx.msp.example/", "holds a password"),
            ("imaps://mx.msp.example/", "names no user"),
            ("imaps://a@/INBOX", "is not a URL"),
            ("imaps://a@mx.msp.example/x?y", "more than"),
            ("imaps://a%0d@mx.msp.example/x", "percent-encoded"),
            ("imaps://a@m%20x/x", "no usable host"),
            ("imaps://a@mx.msp.example:0/x", "port 0"),
            ("https://mx.msp.example/", "no mailbox"),
            ("file:///", "not a directory"),
            ("file://host/share", "not a directory"),
        ] {
            let told = address(text).expect_err(text);
            assert!(told.contains(words) && !told.contains("hunter2"), "{text}: {told}");
        }
    }

    #[test]
    fn senders_are_compared_whole() {
        let senders = Senders(vec!["psirt@vendor.example".to_owned(), "@maker.example".to_owned()]);
        for address in
            ["psirt@vendor.example", "PSIRT@Vendor.Example", "anybody@MAKER.example", "\"a@b\"@maker.example"]
        {
            assert!(senders.hold(address), "{address}");
        }
        for address in [
            "sales@vendor.example",
            "a@sub.maker.example",
            "a@maker.example.evil.example",
            "@maker.example",
            "maker.example",
            "",
        ] {
            assert!(!senders.hold(address), "{address}");
        }
    }
}
