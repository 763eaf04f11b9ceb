//! Mail by SMTP: settings, time limits and the [`Email`] channel.
//!
//! ```text
//! Message -> mime (bytes) -> dkim -> smtp (transaction, kept connections) -> connection (limits) -> relay
//!                                    reply (what an answer means) -> Outcome
//! ```
//!
//! Each mail has one recipient, so that each has its own outcome and nobody sees another's address.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Channel, Closing, Sending, Wanted};
use crate::model::address::EmailAddress;
use crate::model::delivery::{Message, Outcome};

mod auth;
mod connection;
pub mod dkim;
mod header;
mod mime;
mod quoted;
mod rate;
mod reply;
mod smtp;
mod tls;

pub use mime::render;

/// How the way to the relay is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Not at all. A password is then sent to loopback only.
    Plain,
    /// TLS from the first byte (port 465, RFC 8314).
    Implicit,
    /// STARTTLS, without which nothing is sent (port 587, RFC 3207).
    StartTls,
}

/// How the relay's user signs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignIn {
    /// By password: PLAIN or LOGIN.
    #[default]
    Password,
    /// By a bearer token: XOAUTH2.
    Token {
        /// Where it stands, read again for each connection; absent: the password is the token.
        file: Option<PathBuf>,
    },
}

/// The relay that takes our mail.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpRelay {
    /// Name or address; with TLS, the name in the relay's certificate.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the way to it is secured.
    pub tls: TlsMode,
    /// User and password (or token), where the relay asks for them.
    pub credentials: Option<(String, String)>,
    /// How they are used.
    pub sign_in: SignIn,
    /// Certificates in PEM to trust beside the public ones.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// Without the password.
impl fmt::Debug for SmtpRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpRelay")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("credentials", &self.credentials.as_ref().map(|_| "(hidden)"))
            .field("sign_in", &self.sign_in)
            .field("extra_ca_pem", &self.extra_ca_pem.as_ref().map(Vec::len))
            .finish()
    }
}

/// Who mail comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The display name; may be empty.
    pub name: String,
    /// `From`; and the envelope's sender, where the message names no other.
    pub address: EmailAddress,
    /// `Reply-To`, where answers go elsewhere.
    pub reply_to: Option<EmailAddress>,
}

/// How long each step may take (RFC 5321 section 4.5.3.2), and how long a connection is kept without use.
///
/// The last wait is long on purpose: a relay that is slow after the final dot has mostly taken the mail, and who
/// gives up early sends it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Name lookup and TCP; and, for implicit TLS, the handshake. 30 s.
    pub connect: Duration,
    /// The greeting; and each EHLO. 60 s.
    pub greeting: Duration,
    /// STARTTLS, its handshake, and each answer of AUTH. 60 s.
    pub secure: Duration,
    /// Each of RSET, MAIL and RCPT. 60 s.
    pub envelope: Duration,
    /// The answer to DATA. 2 min.
    pub data: Duration,
    /// Each block of 32 KiB of the text. 3 min.
    pub block: Duration,
    /// The answer to the final dot. 10 min.
    pub dot: Duration,
    /// How long an idle connection is kept. 30 s.
    pub idle: Duration,
    /// How long a mail waits for a connection of its own. 5 min.
    pub turn: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            greeting: Duration::from_secs(60),
            secure: Duration::from_secs(60),
            envelope: Duration::from_secs(60),
            data: Duration::from_secs(120),
            block: Duration::from_secs(180),
            dot: Duration::from_secs(600),
            idle: Duration::from_secs(30),
            turn: Duration::from_secs(300),
        }
    }
}

impl Phases {
    /// The longest that one mail of `octets` can take once it has a connection to itself: what a lease on a
    /// delivery must outlast. Counts a dead kept connection and a new one.
    #[must_use]
    pub fn longest(&self, octets: usize) -> Duration {
        let blocks = u32::try_from(octets / (32 * 1024) + 2).unwrap_or(u32::MAX);
        let open = self.connect * 2 + self.greeting * 3 + self.secure * 6;
        let transaction = self.envelope * 3 + self.data + self.block.saturating_mul(blocks) + self.dot;
        (self.envelope * 2 + open).saturating_add(transaction)
    }
}

/// The mail channel.
pub struct Email {
    sender: Sender,
    keys: Vec<dkim::Dkim>,
    smtp: Arc<smtp::Smtp>,
    rates: rate::Rates,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("sender", &self.sender).field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Email {
    /// Prepares the channel; nothing is dialed before the first mail. At most `connections` (at least one) are
    /// open at once.
    ///
    /// # Errors
    ///
    /// Says which setting is wrong: a sender beyond ASCII, an unusable CA file or host, a password without TLS.
    pub fn new(relay: SmtpRelay, sender: Sender, phases: Phases, connections: usize) -> Result<Self, String> {
        if relay.host.is_empty() || relay.host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("relay host '{}' is not a name", relay.host.escape_debug()));
        }
        for address in [Some(&sender.address), sender.reply_to.as_ref()].into_iter().flatten() {
            if address.is_international() {
                return Err(format!("sender address '{address}' must be ASCII, since not every relay takes another"));
            }
        }
        let is_local = relay.host == "localhost"
            || relay.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        if relay.tls == TlsMode::Plain && relay.credentials.is_some() && !is_local {
            return Err(format!(
                "relay '{}' has a password but no TLS; use TLS, or remove the user and password",
                relay.host
            ));
        }
        let smtp = smtp::Smtp::new(relay, sender.address.domain(), phases, connections)?;
        Ok(Self { sender, keys: Vec::new(), smtp, rates: rate::Rates::default() })
    }

    /// Signs each mail by all of these keys.
    #[must_use]
    pub fn signed_by(self, keys: Vec<dkim::Dkim>) -> Self {
        Self { keys, ..self }
    }

    /// Gives turns so that no more than `mails` a minute go out, and no more than `to_domain` to one recipient domain.
    #[must_use]
    pub fn paced(self, mails: Option<u32>, to_domain: Option<u32>) -> Self {
        Self { rates: rate::Rates::new(mails, to_domain), ..self }
    }

    /// Connects to the relay and signs in as for a mail, then leaves. Says what was reached.
    ///
    /// # Errors
    /// What the relay refused, or where the connection broke.
    pub async fn sign_in(&self) -> Result<String, String> {
        self.smtp.sign_in().await
    }

    async fn deliver(&self, message: &Message, wanted: Option<&Wanted<'_>>) -> Outcome {
        let never = |reason: String| Outcome::Never { reason };
        let to = match EmailAddress::parse(&message.to) {
            Ok(to) => to,
            Err(reason) => return never(reason),
        };
        let signed = |mail| dkim::signed(&self.keys, mail, message.date.seconds());
        let mail = match render(message, &self.sender).and_then(signed) {
            Ok(mail) => mail,
            Err(reason) => return never(reason),
        };
        let returned = message.returns.envelope_from.as_deref().and_then(|from| EmailAddress::parse(from).ok());
        let from = returned.as_ref().unwrap_or(&self.sender.address);
        self.smtp.deliver(&smtp::Parcel { from, to: &to, mail: &mail, wanted, waited: false }).await
    }
}

impl Channel for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(self.deliver(message, None))
    }

    fn send_while<'a>(&'a self, message: &'a Message, wanted: &'a Wanted<'a>) -> Sending<'a> {
        Box::pin(self.deliver(message, Some(wanted)))
    }

    fn turn(&self, message: &Message) -> Option<Duration> {
        let domain = message.to.rsplit('@').next().unwrap_or_default();
        self.rates.turn(&message.key, domain, Instant::now())
    }

    fn close<'a>(&'a self) -> Closing<'a> {
        Box::pin(self.smtp.close())
    }
}
