//! The table of settings: each with its key, default and meaning, once. Everything else is derived from it: the names
//! of environment variables and flags, suggestions, `config show` and the reference.

use std::fmt::Write as _;

/// What every environment variable of the program begins with.
pub const PREFIX: &str = "RATTLEWATCH_";
/// Names the settings file; the only variable beside the settings.
pub const FILE_VARIABLE: &str = "RATTLEWATCH_CONFIG";
/// The settings file that is read where none is named, if it exists.
pub const FILE_DEFAULT: &str = "rattlewatch.toml";

/// How a setting is written in the settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text in quotation marks.
    Text,
    /// A whole number.
    Number,
    /// A list of texts; separated by commas elsewhere.
    List,
}

/// What holds where a setting is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// This, as if it were written. `{key}` stands for the value of another setting.
    Value(&'static str),
    /// Nothing; the words say what that means.
    Absent(&'static str),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the settings file.
    pub key: &'static str,
    /// How it is written there.
    pub kind: Kind,
    /// What holds where it is not given.
    pub preset: Preset,
    /// Whether it may hold a password. It is never shown whole then, and can be read from a file.
    pub secret: bool,
    /// What it means, in Markdown.
    pub doc: &'static str,
}

impl Setting {
    const fn text(key: &'static str, preset: Preset, doc: &'static str) -> Self {
        Self { key, kind: Kind::Text, preset, secret: false, doc }
    }

    const fn secret(key: &'static str, preset: Preset, doc: &'static str) -> Self {
        Self { key, kind: Kind::Text, preset, secret: true, doc }
    }

    const fn number(key: &'static str, preset: Preset, doc: &'static str) -> Self {
        Self { key, kind: Kind::Number, preset, secret: false, doc }
    }

    const fn list(key: &'static str, preset: Preset, doc: &'static str) -> Self {
        Self { key, kind: Kind::List, preset, secret: false, doc }
    }

    /// Its environment variable, such as `RATTLEWATCH_SMTP_URL`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.to_ascii_uppercase())
    }

    /// The variable that names a file with its value, where it is a secret.
    #[must_use]
    pub fn file_variable(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.variable()))
    }

    /// Its flag, such as `--smtp-url`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }
}

use Preset::{Absent, Value};

/// Every setting, in the order in which people meet them.
pub const SETTINGS: [Setting; 34] = [
    Setting::text("data_dir", Value("data"), "The folder of the database and of mail that is not sent."),
    Setting::secret(
        "database_url",
        Value("{data_dir}/rattlewatch.db"),
        "Where everything is kept: a path or `sqlite:PATH` for SQLite, or `postgres://USER:PASSWORD@HOST/NAME`.",
    ),
    Setting::text(
        "database_ca",
        Absent("the public certificate authorities"),
        "A PEM file with the certificates to trust when connecting to PostgreSQL over TLS.",
    ),
    Setting::text(
        "listen",
        Value("127.0.0.1:8080"),
        "The IP address and port of the web pages. Put a proxy with TLS before them to show them to others.",
    ),
    Setting::text(
        "public_url",
        Value("http://{listen}"),
        "The address at which people reach the web pages: the links in mails begin with it.",
    ),
    Setting::secret(
        "smtp_url",
        Absent("mail is written to `<data_dir>/outbox` and not sent"),
        "The mail relay. `smtps://` is TLS from the first byte (port 465), `smtp+starttls://` requires STARTTLS (587), \
         `smtp://` is without TLS (25) and takes a password for this machine only. Write `USER:PASSWORD@` before the \
         host, percent-encoded.",
    ),
    Setting::text(
        "smtp_ca",
        Absent("the public certificate authorities"),
        "A PEM file with the certificates to trust when connecting to the mail relay.",
    ),
    Setting::number("smtp_connections", Value("4"), "Most connections to the mail relay at a time, 1 to 64."),
    Setting::text(
        "mail_from",
        Value("Rattlewatch <rattlewatch@localhost>"),
        "The sender of mails: `ADDRESS` or `NAME <ADDRESS>`.",
    ),
    Setting::text(
        "reply_to",
        Absent("answers go to the sender"),
        "Where answers to mails go: `ADDRESS` or `NAME <ADDRESS>`.",
    ),
    Setting::number(
        "burst",
        Value("10"),
        "Most alerts that one recipient gets one by one within an hour. What comes beyond that is told in one mail; \
         nothing is left out.",
    ),
    Setting::text(
        "signup",
        Value("yes"),
        "Whether `/subscribe` lets anybody ask to be mailed: `yes` or `no`. Nobody is mailed alerts before the mailbox's \
         owner has said yes through a mailed link.",
    ),
    Setting::text(
        "public_pages",
        Value("yes"),
        "Whether anybody may read the pages and feeds of advisories, platforms and sources: `yes` or `no`. The pages behind \
         mailed links, probes and metrics stay.",
    ),
    Setting::list(
        "trusted_proxies",
        Value(""),
        "Networks of the reverse proxies in front of the pages, such as `172.18.0.0/16`. Only from them `X-Forwarded-For` is \
         believed when it says whose request it is.",
    ),
    Setting::list(
        "dkim_keys",
        Absent("mails are not signed here; the relay may do it"),
        "Keys that sign each mail for the domain of `mail_from`, each as `SELECTOR=PATH` of a PEM file (Ed25519, or RSA of \
         2048 bits, which every mailbox provider checks). `rattlewatch config dkim` says which DNS records they need.",
    ),
    Setting::text(
        "smtp_auth",
        Value("password"),
        "How the user of `smtp_url` signs in: `password` (PLAIN or LOGIN), or `xoauth2` with a token, which Google and \
         Microsoft ask for. A token goes over TLS only.",
    ),
    Setting::text(
        "smtp_token_file",
        Absent("the password of `smtp_url` is the token"),
        "The file that holds the token for `xoauth2`, read again at each connection: tokens expire within the hour, and \
         another program writes new ones.",
    ),
    Setting::number(
        "smtp_rate",
        Absent("no limit"),
        "Most mails a minute to the relay, by this process. What is beyond waits its turn in the outbox.",
    ),
    Setting::number(
        "smtp_domain_rate",
        Absent("no limit"),
        "Most mails a minute to the recipients of one domain, by this process.",
    ),
    Setting::text(
        "bounce_address",
        Absent("bounces go to the address of `mail_from`, and nobody here reads them"),
        "Where undeliverable mail comes back to, such as `bounces@alerts.msp.example`. Each mail's envelope sender is that \
         address with a plus sign and a token that only this installation can make.",
    ),
    Setting::text(
        "bounce_mailbox",
        Absent("bounces are not read"),
        "Where mail to `bounce_address` arrives: `imaps://USER@HOST/FOLDER`, `imap+starttls://USER@HOST/FOLDER` or \
         `file:///DIRECTORY`, as for mailbox sources. It is read every five minutes and never changed.",
    ),
    Setting::secret(
        "bounce_mailbox_password",
        Absent("`bounce_mailbox` must be a directory"),
        "The password of `bounce_mailbox`.",
    ),
    Setting::text(
        "sources",
        Absent("the list that ships with the program"),
        "The file to use in place of the built-in `sources.toml`.",
    ),
    Setting::list(
        "sources_on",
        Value(""),
        "Sources to switch on that are off in the list: their ids, or the names of sets, such as `databases`.",
    ),
    Setting::list(
        "sources_off",
        Value(""),
        "Sources to switch off: their ids, or the names of sets. It wins over `sources_on`.",
    ),
    Setting::secret(
        "api_keys",
        Absent("sources that need a key stay off, and those that only like one are read slowly"),
        "API keys for sources, as `NAME=KEY`, separated by commas or line ends; a source's `key` says which name it uses.",
    ),
    Setting::text(
        "operator",
        Absent("nobody is mailed"),
        "The address that is told when a source can no longer be read, and when it can be again.",
    ),
    Setting::secret(
        "heartbeat",
        Absent("nobody is told that all is well"),
        "A web or mail address of a service that raises the alarm when it hears nothing for a day: once a day a test \
         advisory goes through the whole pipeline, and when it has come through, the address is called or mailed.",
    ),
    Setting::text(
        "platforms",
        Absent("the catalog that ships with the program"),
        "The file to use in place of the built-in `platforms.toml`.",
    ),
    Setting::number("fetch_concurrency", Value("8"), "Most sources fetched at a time, 1 to 64."),
    Setting::list(
        "allow_networks",
        Value(""),
        "Networks with private addresses that sources may be fetched from, such as `10.1.0.0/16` or `192.0.2.7`. All \
         other private addresses are refused.",
    ),
    Setting::text(
        "contact",
        Value("{public_url}"),
        "A web or mail address for publishers whose sources are fetched, sent in the `User-Agent` header.",
    ),
    Setting::text(
        "log",
        Value("info"),
        "What is logged: `error`, `warn`, `info`, `debug` or `trace`, also by part, such as `info,rattlewatch::http=debug`.",
    ),
    Setting::text(
        "log_format",
        Value("auto"),
        "How it is logged: `text`, `json`, or `auto`: text on a terminal, JSON elsewhere.",
    ),
];

/// The setting with this key.
#[must_use]
pub fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Every setting with its environment variable, default and meaning, in Markdown: the text of `docs/SETTINGS.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = format!(
        "# Settings\n\n\
         Everything has a default that works. A setting is taken from the first of these that gives it:\n\n\
         1. the flag on the command line, where the command has it (`listen` is `--listen`),\n\
         2. the environment variable; an empty one counts as not set,\n\
         3. the settings file: the one named by `--config` or `{FILE_VARIABLE}`, else `{FILE_DEFAULT}` in the working\n   \
            directory if it exists,\n\
         4. the default.\n\n\
         A key or a `{PREFIX}` variable that is not in this table is an error. Relative paths start from the working\n\
         directory. `rattlewatch config show` prints what holds and where it comes from.\n\n\
         | setting | environment | default | meaning |\n| --- | --- | --- | --- |\n"
    );
    for setting in &SETTINGS {
        let preset = match setting.preset {
            Value("") => "none".to_owned(),
            Value(value) => format!("`{}`", value.replace('{', "<").replace('}', ">")),
            Absent(words) => words.to_owned(),
        };
        let file = setting.file_variable().map_or_else(String::new, |name| format!(" or `{name}`"));
        let Setting { key, doc, .. } = setting;
        let _ = writeln!(text, "| `{key}` | `{}`{file} | {preset} | {doc} |", setting.variable());
    }
    text.push_str(
        "\nA variable that ends in `_FILE` names a file that holds the value, as container secrets do. To set it and\n\
         the variable itself is an error. In the settings file a list is written `[\"a\", \"b\"]`, in the environment `a,b`.\n\n\
         ```toml\n\
         # rattlewatch.toml\n\
         listen = \"127.0.0.1:8080\"\n\
         public_url = \"https://alerts.msp.example\"\n\
         mail_from = \"MSP alerts <alerts@msp.example>\"\n\
         smtp_url = \"smtp+starttls://alerts%40msp.example:PASSWORD@relay.msp.example\"\n\
         ```\n",
    );
    text
}
