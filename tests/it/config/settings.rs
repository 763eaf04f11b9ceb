//! `rattlewatch.toml`, environment and flags: which one wins, and what is told about the rest.

use std::path::{Path, PathBuf};

use proptest::prelude::{prop_assert, proptest};
use rattlewatch::config::settings::{
    Database, LogFormat, MailFlow, Origin, Overrides, Preset, SETTINGS, Secret, Settings, SmtpAuth, SmtpTls, reference,
};
use rattlewatch::config::sources::MailPlace;

/// A settings file in a folder of its own.
struct Written(tempfile::TempDir);

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("rattlewatch.toml"), text).expect("a file");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("rattlewatch.toml")
    }
}

fn pairs(environment: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    environment.iter().map(owned).collect::<Vec<_>>().into_iter()
}

/// Settings from a file and the environment, or what people are told, without the folder's name.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let file = Written::new(text);
    Settings::load(Some(&file.path()), pairs(environment), Overrides::default())
        .map_err(|error| error.to_string().replace(&format!("{}/", file.0.path().display()), ""))
}

fn good(text: &str, environment: &[(&str, &str)]) -> Settings {
    load(text, environment).unwrap_or_else(|told| panic!("{told}"))
}

#[track_caller]
fn told(text: &str, environment: &[(&str, &str)], expected: &str) {
    assert_eq!(load(text, environment).map(drop), Err(expected.to_owned()), "\nfor {text} {environment:?}");
}

#[test]
fn with_nothing_given_everything_has_a_default_that_works() {
    let settings = good("", &[]);
    assert_eq!(settings.database, Database::Sqlite(PathBuf::from("data/rattlewatch.db")));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(settings.mail_from.to_string(), "Rattlewatch <rattlewatch@localhost>");
    assert!(settings.smtp.is_none() && settings.reply_to.is_none() && settings.sources.is_none());
    assert_eq!((settings.smtp_connections, settings.fetch_concurrency), (4, 8));
    assert!(settings.allow_networks.is_empty());
    assert_eq!((settings.log.as_str(), settings.log_format), ("info", LogFormat::Auto));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(settings.user_agent(), format!("Rattlewatch/{version} (+http://127.0.0.1:8080)"));
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let file = Written::new("listen = '127.0.0.1:1'\nlog = 'warn'\nsmtp_connections = 2\n");
    let environment = [("RATTLEWATCH_LISTEN", "127.0.0.1:2"), ("RATTLEWATCH_LOG", "error"), ("HOME", "/")];
    let mut flags = Overrides::default();
    flags.set("listen", Some("[::]:3"));
    flags.set("log", None::<String>);
    let settings = Settings::load(Some(&file.path()), pairs(&environment), flags).expect("good");
    assert_eq!(settings.listen.to_string(), "[::]:3");
    assert_eq!(settings.public_url.as_str(), "http://[::1]:3/", "people cannot visit the unspecified address");
    assert_eq!((settings.log.as_str(), settings.smtp_connections), ("error", 2));
    let origin = |key: &str| settings.shown().iter().find(|shown| shown.key == key).map(|shown| shown.origin);
    assert_eq!(origin("listen"), Some(Origin::Flag));
    assert_eq!(origin("log"), Some(Origin::Environment));
    assert_eq!(origin("smtp_connections"), Some(Origin::File));
    assert_eq!(origin("public_url"), Some(Origin::Default));
}

#[test]
fn the_environment_can_name_the_settings_file() {
    let file = Written::new("log = 'warn'\n");
    let path = file.path().display().to_string();
    let settings = Settings::load(None, pairs(&[("RATTLEWATCH_CONFIG", &path)]), Overrides::default());
    assert_eq!(settings.expect("good").log, "warn");
    let missing = Settings::load(Some(Path::new("/nowhere.toml")), pairs(&[]), Overrides::default());
    assert!(missing.expect_err("missing").to_string().starts_with("/nowhere.toml: file: cannot be read ("));
}

#[test]
fn an_empty_variable_counts_as_not_set_and_service_links_are_no_settings() {
    let environment = [
        ("RATTLEWATCH_SMTP_URL", ""),
        ("RATTLEWATCH_PORT", "tcp://10.0.0.1:80"),
        ("RATTLEWATCH_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("RATTLEWATCH_SERVICE_HOST", "10.0.0.1"),
        ("RATTLEWATCH_WEB_SERVICE_PORT_HTTP", "80"),
    ];
    assert!(good("", &environment).smtp.is_none());
    told("", &[("RATTLEWATCH_PORT", "9000")], "environment: RATTLEWATCH_PORT: unknown setting; unset it");
}

#[test]
fn unknown_keys_and_variables_are_told_with_a_suggestion() {
    told(
        "log = 'info'\nlisten_on = 1\nlissten = ':80'\nsmtp_connections = 'four'\n",
        &[("RATTLEWATCH_SMPT_URL", "smtp://relay"), ("RATTLEWATCH_LOG_FORMAT", "jsn")],
        "rattlewatch.toml:2: listen_on: unknown key; known here: data_dir, database_url, database_ca, listen, public_url, \
         smtp_url, smtp_ca, smtp_connections, mail_from, reply_to, burst, signup, public_pages, trusted_proxies, dkim_keys, smtp_auth, smtp_token_file, smtp_rate, \
         smtp_domain_rate, bounce_address, bounce_mailbox, bounce_mailbox_password, sources, sources_on, sources_off, api_keys, \
         operator, heartbeat, platforms, fetch_concurrency, \
         allow_networks, contact, log, log_format\n\
         rattlewatch.toml:3: lissten: unknown key; did you mean 'listen'?\n\
         rattlewatch.toml:4: smtp_connections: must be a whole number that is not negative, not of type string\n\
         environment: RATTLEWATCH_SMPT_URL: unknown setting; did you mean 'RATTLEWATCH_SMTP_URL'?\n\
         environment: RATTLEWATCH_LOG_FORMAT: unknown log format 'jsn' (known: auto, text, json); did you mean 'json'?",
    );
    let mut flags = Overrides::default();
    flags.set("listne", Some("x"));
    flags.set("log_format", Some("xml"));
    let error = Settings::load(None, pairs(&[]), flags).expect_err("unknown").to_string();
    let expected = "command line: listne: unknown setting; did you mean 'listen'?\n\
                    command line: --log-format: unknown log format 'xml' (known: auto, text, json)";
    assert_eq!(error, expected);
}

#[test]
fn each_bad_value_is_told_with_its_line_and_what_to_write() {
    let network = "is not a network, such as 10.1.0.0/16, fd00::/8 or 192.0.2.7";
    let cases = [
        ("listen = '8080'", "listen: '8080' is not an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()),
        ("log = ' '", "log: is empty; leave it out or give it a value".to_owned()),
        ("log = 'inof'", "log: unknown log level 'inof'; did you mean 'info'?".to_owned()),
        ("smtp_connections = 0", "smtp_connections: '0' is not a whole number from 1 to 64".to_owned()),
        ("fetch_concurrency = 65", "fetch_concurrency: '65' is not a whole number from 1 to 64".to_owned()),
        ("allow_networks = ['10.0.0.0/8', 'lan']", format!("allow_networks: 'lan' {network}")),
        ("allow_networks = ['10.1.2.3/8']", "allow_networks: '10.1.2.3/8' has bits after its prefix; did you mean '10.0.0.0/8'?".to_owned()),
        ("mail_from = 'nobody'", "mail_from: 'nobody' is not a sender; write ADDRESS or NAME <ADDRESS>".to_owned()),
        ("reply_to = 'a@[127.0.0.1]'", "reply_to: 'a@[127.0.0.1]' is not a sender; write ADDRESS or NAME <ADDRESS>".to_owned()),
        ("mail_from = \"A\\r\\nBcc: x <a@b.example>\"", "mail_from: 'A Bcc: x <a@b.example>' is not a sender; write ADDRESS or NAME <ADDRESS>".to_owned()),
        ("public_url = 'alerts.example'", "public_url: is not a web address; write it as https://alerts.msp.example, without user name".to_owned()),
        ("public_url = 'https://a.example/?x'", "public_url: 'https://a.example/?x' has a query or a fragment; leave it out".to_owned()),
        ("contact = 'call me'", "contact: 'call me' is neither a web nor a mail address".to_owned()),
        ("sources = '/nowhere.toml'", "sources: there is no file '/nowhere.toml'; check the path".to_owned()),
        ("data_dir = '/dev/null'", "data_dir: '/dev/null' is not a folder".to_owned()),
        ("database_url = 'mysql://a/b'", "database_url: has the unknown scheme 'mysql'; write a path, sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME".to_owned()),
    ];
    for (line, expected) in cases {
        told(&format!("# comment\n\n{line}"), &[], &format!("rattlewatch.toml:3: {expected}"));
    }
}

#[test]
fn databases_are_recognized() {
    let sqlite = |path: &str| Database::Sqlite(PathBuf::from(path));
    for (text, expected) in [
        ("my.db", sqlite("my.db")),
        ("sqlite:my.db", sqlite("my.db")),
        ("sqlite:///var/lib/my.db", sqlite("/var/lib/my.db")),
        (
            "postgres://rw:p%2Fw@db.example:5432/rw?sslmode=require",
            Database::Postgres(Secret::new("postgres://rw:p%2Fw@db.example:5432/rw?sslmode=require")),
        ),
        (
            "postgresql:///rw?host=/run/postgresql",
            Database::Postgres(Secret::new("postgresql:///rw?host=/run/postgresql")),
        ),
    ] {
        assert_eq!(good("", &[("RATTLEWATCH_DATABASE_URL", text)]).database, expected);
    }
    assert_eq!(good("data_dir = '/srv/rw'", &[]).database, sqlite("/srv/rw/rattlewatch.db"));
}

#[test]
fn mail_relays_are_recognized() {
    let smtp = |text: &str| good("", &[("RATTLEWATCH_SMTP_URL", text)]).smtp.expect("a relay");
    for (text, tls, host, port) in [
        ("smtp://relay.example", SmtpTls::Plain, "relay.example", 25),
        ("smtps://relay.example/", SmtpTls::Implicit, "relay.example", 465),
        ("smtp+starttls://relay.example", SmtpTls::StartTls, "relay.example", 587),
        ("smtp://[::1]:2525", SmtpTls::Plain, "::1", 2525),
        ("smtps://Bücher.example", SmtpTls::Implicit, "xn--bcher-kva.example", 465),
    ] {
        let relay = smtp(text);
        assert_eq!((relay.tls, relay.host.as_str(), relay.port), (tls, host, port), "{text}");
        assert!(relay.user.is_none() && relay.password.is_none());
    }
    let relay = smtp("smtps://me%40msp.example:p%2F%C3%A9%23@relay.example:2465");
    assert_eq!(relay.user.as_deref(), Some("me@msp.example"));
    assert_eq!(relay.password.as_ref().map(Secret::expose), Some("p/é#"));
    assert!(smtp("smtp://a:b@127.0.0.1:2525").user.is_some(), "this machine may get a password without TLS");
}

#[test]
fn bad_secrets_are_told_without_being_repeated() {
    for (name, text, expected) in [
        ("SMTP_URL", "smtp://me:hunter2@relay.example", "would send the password without TLS"),
        ("SMTP_URL", "smtps://me:hunter2/@relay.example", "is not the URL of a mail relay"),
        ("SMTP_URL", "smtps://me:hunter2%ZZ@relay.example", "is not percent-encoded"),
        ("SMTP_URL", "smtps://me:hunter2%0d%0a@relay.example", "is not percent-encoded"),
        ("SMTP_URL", "smtps://:hunter2@relay.example", "needs both a user and a password"),
        ("SMTP_URL", "smtps://hunter2@relay.example", "needs both a user and a password"),
        ("SMTP_URL", "smtps://me:hunter2@relay.example/path", "has more than a user"),
        ("SMTP_URL", "https://me:hunter2@relay.example", "does not begin with smtp://"),
        ("SMTP_URL", "me:hunter2@relay.example", "does not begin with smtp://"),
        ("DATABASE_URL", "postgres://me:hunter2/x@db/rw", "percent-encode the characters"),
        ("DATABASE_URL", "postgres://me:hunter2?x@db/rw", "percent-encode the characters"),
        ("DATABASE_URL", "postgres://me:hunter2@x@db/rw", "percent-encode the characters"),
        ("DATABASE_URL", "postgres://me:hunter2@/rw", "lacks the host or the database"),
        ("DATABASE_URL", "sqlite:hunter2.db?mode=memory", "is not the path of a SQLite file"),
    ] {
        let name = format!("RATTLEWATCH_{name}");
        let message = load("", &[(&name, text)]).map(drop).expect_err(text);
        assert!(
            message.starts_with(&format!("environment: {name}: ")) && message.contains(expected),
            "{text}: {message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
    }
}

proptest! {
    #[test]
    fn whatever_stands_in_a_url_its_password_is_never_told(
        scheme in "smtps?|smtp\\+starttls|postgres|postgresql|sqlite|https|x",
        password in "hunter2[/?#@:%&é ]?[a-z0-9/?#@:%é]{0,4}",
        tail in "(@(relay\\.example|\\[::1\\]|127\\.0\\.0\\.1)?)?(:[0-9]{0,6})?(/rw)?(\\?a=b@c)?",
    ) {
        let text = format!("{scheme}://me:{password}{tail}");
        for name in ["RATTLEWATCH_SMTP_URL", "RATTLEWATCH_DATABASE_URL"] {
            // A SQLite file may well be called anything.
            if name.contains("DATABASE") && scheme == "sqlite" {
                continue;
            }
            let told = match load("", &[(name, &text)]) {
                Ok(settings) => format!("{settings:?}"),
                Err(message) => message,
            };
            prop_assert!(!told.contains("hunter2"), "{}: {}", text, told);
        }
    }
}

#[test]
fn a_secret_can_come_from_a_file_but_not_from_two_places() {
    let file = Written::new("smtps://me:hunter2@relay.example\r\n");
    let path = file.path().display().to_string();
    let settings = good("smtp_url = 'smtp://other.example'", &[("RATTLEWATCH_SMTP_URL_FILE", &path)]);
    let smtp = settings.smtp.expect("a relay");
    assert_eq!(smtp.password.expect("a password").expose(), "hunter2");
    assert_eq!(smtp.host, "relay.example");
    told(
        "",
        &[("RATTLEWATCH_SMTP_URL_FILE", &path), ("RATTLEWATCH_SMTP_URL", "smtp://relay.example")],
        "environment: RATTLEWATCH_SMTP_URL_FILE: is set and RATTLEWATCH_SMTP_URL too; set only one of them",
    );
    let empty = Written::new("\n").path().display().to_string();
    let message = load("", &[("RATTLEWATCH_DATABASE_URL_FILE", &empty)]).map(drop).expect_err("gone");
    assert!(message.contains("RATTLEWATCH_DATABASE_URL_FILE: ") && message.contains("cannot be read"), "{message}");
    let message = load("", &[("RATTLEWATCH_LISTEN_FILE", &path)]).map(drop).expect_err("no secret");
    assert!(message.contains("unknown setting"), "{message}");
}

#[test]
fn secrets_are_never_printed() {
    let environment = [
        ("RATTLEWATCH_SMTP_URL", "smtps://me:hunter2@relay.example"),
        ("RATTLEWATCH_DATABASE_URL", "postgres://rw:hunter2@db.example/rw?password=hunter2"),
    ];
    let settings = good("", &environment);
    let printed = format!("{settings:?} {:#?} {:?}", settings, settings.shown());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert_eq!(format!("{0} {0:?}", Secret::new("hunter2")), "*** ***");
    let shown =
        |key: &str| settings.shown().iter().find(|shown| shown.key == key).and_then(|shown| shown.value.clone());
    assert_eq!(shown("smtp_url").as_deref(), Some("smtps://me:***@relay.example"));
    assert_eq!(shown("database_url").as_deref(), Some("postgres://rw:***@db.example/rw?***"));
}

#[test]
fn every_setting_is_shown_in_the_order_of_the_table() {
    let settings = good("", &[]);
    let shown: Vec<_> = settings.shown().iter().map(|shown| shown.key).collect();
    assert_eq!(shown, SETTINGS.map(|setting| setting.key));
    for (shown, setting) in settings.shown().iter().zip(&SETTINGS) {
        assert_eq!(shown.value.is_none(), matches!(setting.preset, Preset::Absent(_)), "{}", setting.key);
        assert_eq!(shown.origin, Origin::Default);
    }
}

#[test]
fn senders_networks_and_contacts_are_recognized() {
    let text = "mail_from = '\"Müller, IT\" <It.Alerts@MSP.example>'\nreply_to = 'help@bücher.example'\n\
                allow_networks = ['10.1.0.0/16', '192.0.2.7', 'fd00::1']\ncontact = 'ops@msp.example'\n\
                public_url = 'https://msp.example/alerts'\nlog_format = 'json'\nlog = 'info,rattlewatch::http=debug'\n";
    let settings = good(text, &[]);
    assert_eq!(settings.mail_from.name.as_deref(), Some("Müller, IT"));
    assert_eq!(settings.mail_from.address, "It.Alerts@msp.example");
    assert_eq!(settings.reply_to.expect("given").address, "help@xn--bcher-kva.example");
    let networks: Vec<_> = settings.allow_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.1.0.0/16", "192.0.2.7/32", "fd00::1/128"]);
    assert_eq!(settings.contact, "mailto:ops@msp.example");
    assert_eq!(settings.public_url.join("u/x").expect("joined").as_str(), "https://msp.example/alerts/u/x");
    assert_eq!(good("", &[("RATTLEWATCH_ALLOW_NETWORKS", "10.1.0.0/16, ::1")]).allow_networks.len(), 2);
}

#[test]
fn how_mail_flows_is_recognized_and_halves_of_it_are_told() {
    let text = "smtp_url = 'smtps://alerts%40msp.example@relay.example'\nsmtp_auth = 'xoauth2'\nsmtp_token_file = '/run/token'\n\
                smtp_rate = 30\nsmtp_domain_rate = 10\nbounce_address = 'bounces@alerts.MSP.example'\n\
                bounce_mailbox = 'imaps://bounces%40msp.example@imap.msp.example'\n";
    let settings = good(text, &[("RATTLEWATCH_BOUNCE_MAILBOX_PASSWORD", "hunter2")]);
    let flow = &settings.mail_flow;
    assert_eq!(flow.auth, SmtpAuth::Xoauth2);
    assert_eq!((flow.rate, flow.domain_rate), (Some(30), Some(10)));
    assert_eq!(flow.bounce_address.as_deref(), Some("bounces@alerts.msp.example"));
    assert!(matches!(&flow.bounce_mailbox, Some(MailPlace::Imap { user, .. }) if user == "bounces@msp.example"));
    assert!(!format!("{settings:?} {:?}", settings.shown()).contains("hunter2"));
    assert_eq!(settings.smtp.expect("a relay").user.as_deref(), Some("alerts@msp.example"));
    assert_eq!(good("", &[]).mail_flow, MailFlow::default());
    let by_password = good("smtp_url = 'smtps://a:b@relay.example'\nsmtp_auth = 'xoauth2'", &[]);
    assert!(by_password.smtp.is_some_and(|smtp| smtp.password.is_some()), "the password is the token");

    for (text, expected) in [
        (
            "smtp_auth = 'xoauth'",
            "smtp_auth: unknown way to sign in 'xoauth' (known: password, xoauth2); did you mean 'xoauth2'?",
        ),
        ("smtp_url = 'smtps://relay.example'\nsmtp_auth = 'xoauth2'", "smtp_auth: needs to know who signs in"),
        ("smtp_url = 'smtps://a@relay.example'\nsmtp_auth = 'xoauth2'", "smtp_url: needs both a user and a password"),
        ("smtp_token_file = '/run/token'", "smtp_token_file: holds a token, which is used with smtp_auth"),
        ("smtp_rate = 0", "smtp_rate: '0' is not a number of mails a minute"),
        ("bounce_address = 'bounces'", "bounce_address: 'bounces' is not an address"),
        ("bounce_address = 'a+b@msp.example'", "no plus sign before the @"),
        ("bounce_address = 'bounces-of-all-our-alerts@msp.example'", "at most 20 characters"),
        ("bounce_mailbox = 'file:///var/bounces'", "bounce_mailbox: is read for what is sent to bounce_address"),
        (
            "bounce_address = 'b@msp.example'\nbounce_mailbox = 'imaps://b@imap.msp.example'",
            "set bounce_mailbox_password",
        ),
        ("bounce_mailbox = 'imaps://b:hunter2@imap.msp.example'", "bounce_mailbox: holds a password"),
    ] {
        let message = load(text, &[]).map(drop).expect_err(text);
        assert!(message.contains(expected) && !message.contains("hunter2"), "{text}: {message}");
    }
}

#[test]
fn the_reference_in_the_documentation_is_the_one_that_the_program_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SETTINGS.md");
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, reference()).expect("written");
    }
    let documented = std::fs::read_to_string(&path).expect("docs/SETTINGS.md");
    assert_eq!(documented, reference(), "run WRITE_DOCS=1 cargo test --test it config::");
}
