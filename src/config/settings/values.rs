//! What the text of a setting means: one function for each kind of value, from text to value or to what to do instead.
//!
//! Rule: a message never repeats a value that may hold a password.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

use super::{Database, Heartbeat, LogFormat, Mailbox, Secret, Smtp, SmtpTls};
use crate::config::fault::{closest, quoted, suggestion};

/// Most connections and fetches at a time.
const AT_ONCE_MAX: usize = 64;
/// Longest mail address, in bytes (RFC 5321 section 4.5.3.1.3, without the angle brackets).
const ADDRESS_MAX: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321 section 4.5.3.1.1).
const LOCAL_PART_MAX: usize = 64;
/// Longest display name, in characters.
const NAME_MAX: usize = 200;

pub(super) fn directory(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.exists() && !path.is_dir() {
        return Err(format!("{} is not a folder", quoted(text)));
    }
    Ok(path)
}

/// A file that must be there.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if path.is_file() { Ok(path.to_owned()) } else { Err(format!("there is no file {}; check the path", quoted(text))) }
}

pub(super) fn database(text: &str) -> Result<Database, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return postgres(text);
    }
    let path = match text.strip_prefix("sqlite:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => text,
    };
    if let Some(scheme) = scheme_of(path) {
        return Err(format!(
            "has the unknown scheme {}; write a path, sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME",
            quoted(scheme)
        ));
    }
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '\0']) || path == ":memory:" {
        return Err("is not the path of a SQLite file; write it without options, such as sqlite:data/rattlewatch.db \
                    (a database in memory would forget everybody)"
            .to_owned());
    }
    Ok(Database::Sqlite(PathBuf::from(path)))
}

/// The scheme of a URL; a drive letter is none.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    ((scheme.len() > 1 || rest.starts_with("//"))
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(fits))
    .then_some(scheme)
}

fn postgres(text: &str) -> Result<Database, String> {
    if cfg!(not(feature = "postgres")) {
        return Err("names a PostgreSQL server, but this program was built without the feature postgres".to_owned());
    }
    let (authority, rest) = split_authority(text);
    if authority.matches('@').count() > 1 || rest.contains('@') || text.contains(char::is_control) {
        return Err("is not of the form postgres://USER:PASSWORD@HOST/NAME; percent-encode the characters / ? # @ % \
                    in the user and the password, such as %2F for /"
            .to_owned());
    }
    let hosted = rest.contains("host=") || !(authority.is_empty() || authority.ends_with('@'));
    if !hosted || !rest.starts_with('/') || rest.len() == 1 || rest.starts_with("/?") {
        return Err("lacks the host or the database; write postgres://USER:PASSWORD@HOST/NAME".to_owned());
    }
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    if !hosts.split(',').all(has_numeric_port) {
        return Err("has a port that is no number; write postgres://USER:PASSWORD@HOST:5432/NAME".to_owned());
    }
    Ok(Database::Postgres(Secret::new(text)))
}

/// Whether what follows the host, if anything does, is a port. Where the `@` was forgotten it is the password.
fn has_numeric_port(host: &str) -> bool {
    let after = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(_, after)| after),
        None => host.find(':').map_or("", |at| &host[at..]),
    };
    after.is_empty() || after.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

/// What follows `://`, parted at the first `/`, `?` or `#`.
fn split_authority(text: &str) -> (&str, &str) {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// The text of a database or relay with its password and options hidden.
pub(super) fn redacted(key: &str, text: &str) -> String {
    if key == "api_keys" {
        let names = text.split([',', '\n']).filter_map(|pair| Some(format!("{}=***", pair.split_once('=')?.0.trim())));
        return names.collect::<Vec<_>>().join(",");
    }
    if key == "bounce_mailbox_password" {
        return "***".to_owned();
    }
    if key == "heartbeat" {
        // Such addresses are secrets as a whole.
        return web_address(text)
            .map_or_else(|_| "***".to_owned(), |url| format!("{}/***", url.origin().ascii_serialization()));
    }
    let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| *scheme != "sqlite") else {
        return text.to_owned();
    };
    let (authority, rest) = split_authority(text);
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{}:***@{host}", user.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let options = if path.len() == rest.len() { "" } else { "?***" };
    format!("{scheme}://{authority}{path}{options}")
}

const SMTP_FORM: &str = "write smtps://USER:PASSWORD@HOST, smtp+starttls://USER:PASSWORD@HOST or smtp://HOST, with \
                         the user and the password percent-encoded";

/// What is told of a user without a password where no token stands in for it.
pub(super) fn both_or_neither() -> String {
    format!("needs both a user and a password, or neither; {SMTP_FORM}")
}

pub(super) fn smtp(text: &str) -> Result<Smtp, String> {
    const FORM: &str = SMTP_FORM;
    let url = Url::parse(text).map_err(|error| format!("is not the URL of a mail relay ({error}); {FORM}"))?;
    let (tls, default_port) = match url.scheme() {
        "smtp" => (SmtpTls::Plain, 25),
        "smtps" => (SmtpTls::Implicit, 465),
        "smtp+starttls" => (SmtpTls::StartTls, 587),
        _ => return Err(format!("does not begin with smtp://, smtps:// or smtp+starttls://; {FORM}")),
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has more than a user, a password, a host and a port; {FORM}"));
    }
    let host = host(url.host_str().unwrap_or_default()).ok_or_else(|| format!("has no usable host; {FORM}"))?;
    let (user, password) = match (url.username(), url.password()) {
        ("", None) => (None, None),
        ("", Some(_)) => return Err(both_or_neither()),
        (user, password) => {
            let decode = |part: &str| percent_decoded(part).ok_or_else(|| format!("is not percent-encoded; {FORM}"));
            (Some(decode(user)?), password.map(decode).transpose()?.map(Secret::new))
        }
    };
    if user.is_some() && tls == SmtpTls::Plain && !is_loopback(&host) {
        return Err("would send the password without TLS; write smtp+starttls:// or smtps://".to_owned());
    }
    match url.port() {
        Some(0) => Err("has the port 0; leave it out for the usual one".to_owned()),
        port => Ok(Smtp { tls, host, port: port.unwrap_or(default_port), user, password, ca: None }),
    }
}

/// A host name in ASCII, or an IP address without brackets.
fn host(text: &str) -> Option<String> {
    match Host::parse(text).ok()? {
        Host::Domain(name) => Some(name),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// RFC 3986 section 2.1; `None` for a broken escape, text that is not UTF-8, or control characters in it.
pub(in crate::config) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let digits = [*rest.next()?, *rest.next()?].map(|digit| char::from(digit).to_digit(16));
            bytes.push(u8::try_from(digits[0]? * 16 + digits[1]?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
}

pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    let refuse = || format!("{} is not a sender; write ADDRESS or NAME <ADDRESS>", quoted(text));
    let trimmed = text.trim();
    let (name, address) = match trimmed.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<').ok_or_else(refuse)?,
        None => ("", trimmed),
    };
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).trim();
    if name.contains(char::is_control) || name.contains(['<', '>', '"']) || name.chars().count() > NAME_MAX {
        return Err(refuse());
    }
    let address = mail_address(address.trim()).ok_or_else(refuse)?;
    Ok(Mailbox { name: Some(name.to_owned()).filter(|name| !name.is_empty()), address })
}

/// A dot-atom, `@` and a host name (RFC 5322 section 3.4.1, without quoted strings), the host in lowercase ASCII.
pub(super) fn mail_address(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dot_atom = local.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return None };
    let labels = domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    });
    let address = format!("{local}@{domain}");
    (dot_atom && labels && local.len() <= LOCAL_PART_MAX && address.len() <= ADDRESS_MAX).then_some(address)
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.trim()
        .parse()
        .map_err(|_| format!("{} is not an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080", quoted(text)))
}

/// The address to which others can connect: loopback for "all addresses".
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (std::net::Ipv4Addr::LOCALHOST, listen.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, listen.port()).into(),
        _ => listen,
    }
}

/// An address to which paths can be joined: it ends in a slash.
pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let mut url = web_address(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{} has a query or a fragment; leave it out", quoted(text)));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    url.ok_or_else(|| "is not a web address; write it as https://alerts.msp.example, without user name".to_owned())
}

/// A web or mail address, in the printable ASCII that a header takes.
pub(super) fn contact(text: &str) -> Result<String, String> {
    if let Some(address) = mail_address(text.trim().trim_start_matches("mailto:")) {
        return Ok(format!("mailto:{address}"));
    }
    match web_address(text) {
        Ok(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        Err(_) => Err(format!("{} is neither a web nor a mail address", quoted(text))),
    }
}

pub(super) fn at_once(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|number| (1..=AT_ONCE_MAX).contains(number));
    number.ok_or_else(|| format!("{} is not a whole number from 1 to {AT_ONCE_MAX}", quoted(text)))
}

/// How many of something, from 1 to a million.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.ok_or_else(|| format!("{} is not a whole number from 1 to 1000000", quoted(text)))
}

/// `yes` or `no`.
pub(super) fn yes(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{} is neither yes nor no", quoted(text))),
    }
}

/// Ids of sources and names of sets.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// `NAME=KEY`, separated by commas or line ends.
pub(super) fn keys(text: &str) -> Result<BTreeMap<String, Secret>, String> {
    let pairs = text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.split_once('=').map(|(name, key)| (name.trim(), key.trim())) {
            // The pair itself is not shown: it may hold the key.
            Some((name, key)) if !name.is_empty() && !key.is_empty() => Ok((name.to_owned(), Secret::new(key))),
            _ => Err("has a part that is not NAME=KEY; write nvd=KEY,github=KEY".to_owned()),
        })
        .collect()
}

/// `NAME=PATH`, separated by commas.
pub(super) fn named_files(text: &str) -> Result<Vec<(String, PathBuf)>, String> {
    names(text)?
        .into_iter()
        .map(|pair| match pair.split_once('=').map(|(name, path)| (name.trim(), path.trim())) {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), file(path)?)),
            _ => Err(format!("{} is not NAME=PATH; write rw1=/etc/rattlewatch/dkim.pem", quoted(&pair))),
        })
        .collect()
}

/// A web or a mail address.
pub(super) fn heartbeat(text: &str) -> Result<Heartbeat, String> {
    if let Some(address) = mail_address(text.trim().trim_start_matches("mailto:")) {
        return Ok(Heartbeat::Mail(address));
    }
    // The text itself is not shown: such addresses are secrets.
    web_address(text).map(Heartbeat::Call).map_err(|_| "is neither a web nor a mail address".to_owned())
}

pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(network).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| format!("{} is not a network, such as 10.1.0.0/16, fd00::/8 or 192.0.2.7", quoted(text)))?;
    if network.trunc() != network {
        return Err(format!("{} has bits after its prefix; did you mean '{}'?", quoted(text), network.trunc()));
    }
    Ok(network)
}

pub(super) fn log(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    EnvFilter::try_new(text).map_err(|_| {
        format!("{} is not a log filter; write a level ({}) or info,rattlewatch=debug", quoted(text), LEVELS.join(", "))
    })?;
    // A misspelled level would silently be taken for the name of a part.
    for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        let level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        if let Some(meant) = closest(word, LEVELS).filter(|_| !level) {
            return Err(format!("unknown log level {}; did you mean '{meant}'?", quoted(word)));
        }
    }
    Ok(text.to_owned())
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => {
            let hint = suggestion(text, ["auto", "text", "json"]);
            Err(format!("unknown log format {} (known: auto, text, json){hint}", quoted(text)))
        }
    }
}
