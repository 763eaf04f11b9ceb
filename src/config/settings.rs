//! `rattlewatch.toml`, environment and flags.
//!
//! Rule: `options` states every setting and its default once; nobody else reads the environment, and there is no global:
//! who needs a setting is given it.

mod layers;
mod mail;
mod options;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use url::Url;

pub use layers::Origin;
pub use mail::{MailFlow, SmtpAuth};
pub use options::{FILE_DEFAULT, FILE_VARIABLE, Kind, PREFIX, Preset, SETTINGS, Setting, by_key, reference};
pub(in crate::config) use values::percent_decoded;

use super::fault::{ConfigError, Fault};
use layers::{Given, Raw};

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who hears that all is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// A URL that is called.
    Call(Url),
    /// An address that is mailed.
    Mail(String),
}

/// Where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(Secret),
}

/// How the connection to the relay is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    Plain,
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS, or no mail.
    StartTls,
}

/// The mail relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// A host name in ASCII, or an IP address (IPv6 without brackets).
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Who signs in; absent where nobody does.
    pub user: Option<String>,
    /// Present when `user` is, unless a token is read from [`MailFlow::token_file`].
    pub password: Option<Secret>,
    /// A PEM file with the certificates to trust; absent: the public authorities.
    pub ca: Option<PathBuf>,
}

/// A mail address and the name shown with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name shown, in one line and without quotation marks.
    pub name: Option<String>,
    /// `local@domain`, the domain in lowercase ASCII.
    pub address: String,
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// How it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One setting as `config show` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its key in the settings file.
    pub key: &'static str,
    /// What holds, passwords hidden; absent where nothing is set.
    pub value: Option<String>,
    /// Which layer gave it.
    pub origin: Origin,
}

/// Settings given on the command line.
#[derive(Clone, Default)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// Overrides the setting `key` (as in the settings file) where a value is given.
    pub fn set(&mut self, key: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.0.push((key.to_owned(), value.into()));
        }
    }
}

/// All settings, checked. Its `Debug` output holds no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the database and of mail that is not sent. It may not exist yet.
    pub data_dir: PathBuf,
    /// Where everything is kept.
    pub database: Database,
    /// A PEM file with the certificates to trust for PostgreSQL; absent: the public authorities.
    pub database_ca: Option<PathBuf>,
    /// Where the web pages are served.
    pub listen: SocketAddr,
    /// Where people reach them; ends in a slash, so that paths can be joined to it.
    pub public_url: Url,
    /// The mail relay; absent: mail is written to files in the folder `outbox` of `data_dir`.
    pub smtp: Option<Smtp>,
    /// Most connections to the relay at a time, 1 to 64.
    pub smtp_connections: usize,
    /// Most alerts that one recipient gets one by one within an hour.
    pub burst: usize,
    /// Who may do what on the pages.
    pub web: WebRules,
    /// The sender of mails.
    pub mail_from: Mailbox,
    /// Where answers go; absent: to the sender.
    pub reply_to: Option<Mailbox>,
    /// Selectors and PEM files of the keys that sign mails.
    pub dkim_keys: Vec<(String, PathBuf)>,
    /// Sign-in by token, rates, and where bounces come back to.
    pub mail_flow: MailFlow,
    /// The file to use in place of [`super::sources::BUILT_IN`].
    pub sources: Option<PathBuf>,
    /// Ids and sets of sources to switch on.
    pub sources_on: Vec<String>,
    /// Ids and sets of sources to switch off; it wins.
    pub sources_off: Vec<String>,
    /// API keys by the name that sources give them.
    pub api_keys: BTreeMap<String, Secret>,
    /// Who is told of sources that cannot be read.
    pub operator: Option<Mailbox>,
    /// Told once a day when a test advisory has come through.
    pub heartbeat: Option<Heartbeat>,
    /// The file to use in place of the built-in platforms.
    pub platforms: Option<PathBuf>,
    /// Most sources fetched at a time, 1 to 64.
    pub fetch_concurrency: usize,
    /// Networks of private addresses that may be fetched from.
    pub allow_networks: Vec<IpNet>,
    /// A web address or `mailto:` address for publishers.
    pub contact: String,
    /// A filter in the syntax of [`tracing_subscriber::EnvFilter`].
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    shown: Vec<Shown>,
}

/// Who may do what on the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebRules {
    /// Anybody may ask on a page to be mailed.
    pub signup: bool,
    /// Anybody may read what is known.
    pub public_pages: bool,
    /// Networks of proxies whose word on a client's address counts.
    pub trusted_proxies: Vec<IpNet>,
}

impl Settings {
    /// Reads default < file < environment < flags. Without `file` it is the one that [`FILE_VARIABLE`] names, else
    /// [`FILE_DEFAULT`] in the working directory if it exists. For `environment` see [`process_environment`].
    ///
    /// # Errors
    /// Every fault in them, each with its file and line, variable or flag.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let given = layers::gather(file, environment, &overrides.0, &mut faults);
        let mut reader = Reader { given, faults, shown: Vec::new() };
        let settings = reader.read();
        match settings {
            Some(settings) if reader.faults.is_empty() => Ok(Self { shown: reader.shown, ..settings }),
            _ => Err(ConfigError(reader.faults)),
        }
    }

    /// What holds and where it comes from, in the order of [`SETTINGS`], passwords hidden.
    #[must_use]
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The `User-Agent` of the program: its version and the contact (RFC 9110 section 10.1.5).
    #[must_use]
    pub fn user_agent(&self) -> String {
        format!("Rattlewatch/{} (+{})", env!("CARGO_PKG_VERSION"), self.contact)
    }
}

/// The program's own variables in the environment of this process, for [`Settings::load`].
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    // `std::env::vars` would panic at a foreign variable that is not Unicode.
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(PREFIX))
        // No setting: it makes a build for tests stop at a commit (`store/driver/stop.rs`).
        .filter(|(name, _)| !cfg!(debug_assertions) || name != "RATTLEWATCH_STOP_AT")
}

/// Turns what was given into values, in the order of [`SETTINGS`], and notes what to show.
struct Reader {
    given: Given,
    faults: Vec<Fault>,
    shown: Vec<Shown>,
}

impl Reader {
    fn read(&mut self) -> Option<Settings> {
        let data_dir = self.value("data_dir", None, values::directory);
        let folder = data_dir.as_ref().map(|path| path.display().to_string());
        let database = self.value("database_url", folder, values::database);
        let database_ca = self.value("database_ca", None, values::file);
        let listen = self.value("listen", None, values::listen);
        let reachable = listen.map(|listen| values::reachable(listen).to_string());
        let public_url = self.value("public_url", reachable, values::public_url);
        let smtp = self.value("smtp_url", None, values::smtp);
        let smtp_ca = self.value("smtp_ca", None, values::file);
        let smtp_connections = self.value("smtp_connections", None, values::at_once);
        let mail_from = self.value("mail_from", None, values::mailbox);
        let reply_to = self.value("reply_to", None, values::mailbox);
        let burst = self.value("burst", None, values::count);
        let web = self.web();
        let dkim_keys = self.value("dkim_keys", None, values::named_files);
        let mail_flow = self.mail_flow(smtp.as_ref());
        let sources = self.value("sources", None, values::file);
        let sources_on = self.value("sources_on", None, values::names);
        let sources_off = self.value("sources_off", None, values::names);
        let api_keys = self.value("api_keys", None, values::keys);
        let operator = self.value("operator", None, values::mailbox);
        let heartbeat = self.value("heartbeat", None, values::heartbeat);
        let platforms = self.value("platforms", None, values::file);
        let fetch_concurrency = self.value("fetch_concurrency", None, values::at_once);
        let allow_networks = self.value("allow_networks", None, values::networks);
        let home = public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        let contact = self.value("contact", home, values::contact);
        let log = self.value("log", None, values::log);
        let log_format = self.value("log_format", None, values::log_format);
        Some(Settings {
            data_dir: data_dir?,
            database: database?,
            database_ca,
            listen: listen?,
            public_url: public_url?,
            smtp: smtp.map(|smtp| Smtp { ca: smtp_ca, ..smtp }),
            smtp_connections: smtp_connections?,
            burst: burst?,
            web: web?,
            mail_from: mail_from?,
            reply_to,
            dkim_keys: dkim_keys.unwrap_or_default(),
            mail_flow: mail_flow?,
            sources,
            sources_on: sources_on?,
            sources_off: sources_off?,
            api_keys: api_keys.unwrap_or_default(),
            operator,
            heartbeat,
            platforms,
            fetch_concurrency: fetch_concurrency?,
            allow_networks: allow_networks?,
            contact: contact?,
            log: log?,
            log_format: log_format?,
            shown: Vec::new(),
        })
    }

    fn web(&mut self) -> Option<WebRules> {
        let signup = self.value("signup", None, values::yes);
        let public_pages = self.value("public_pages", None, values::yes);
        let trusted_proxies = self.value("trusted_proxies", None, values::networks);
        Some(WebRules { signup: signup?, public_pages: public_pages?, trusted_proxies: trusted_proxies? })
    }

    /// The value of the setting `key`. `stands_for` is what the braces in its default stand for; a default that needs
    /// it and has it not (for it is itself faulty) gives no value and no second fault.
    fn value<T>(
        &mut self,
        key: &'static str,
        stands_for: Option<String>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let setting = by_key(key).expect("every key read here is in the table");
        let raw = match (self.given.get(key), setting.preset) {
            (Some(raw), _) => raw.clone(),
            (None, Preset::Value(preset)) => {
                Raw::new(filled(preset, stands_for)?, Origin::Default, "default", 0, setting.key)
            }
            (None, Preset::Absent(_)) => {
                self.shown.push(Shown { key, value: None, origin: Origin::Default });
                return None;
            }
        };
        let empty = raw.text.trim().is_empty() && setting.kind != Kind::List;
        let value = if empty { Err("is empty; leave it out or give it a value".to_owned()) } else { read(&raw.text) };
        if value.is_ok() {
            let text = if setting.secret { values::redacted(key, &raw.text) } else { raw.text.clone() };
            self.shown.push(Shown { key, value: Some(text), origin: raw.origin });
        }
        value.map_err(|message| self.faults.push(raw.fault(message))).ok()
    }
}

/// A default with the part in braces replaced.
fn filled(preset: &str, stands_for: Option<String>) -> Option<String> {
    let Some((before, rest)) = preset.split_once('{') else { return Some(preset.to_owned()) };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    Some(format!("{before}{}{after}", stands_for?))
}
