//! Starting: from settings to a working [`Context`], the same way for every command.

use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::{Failure, Global, Outcome};
use crate::channels::email::dkim::Dkim;
use crate::channels::email::{Email, Phases, Sender, SignIn, SmtpRelay, TlsMode};
use crate::channels::{Channel, Channels, file::Outbox};
use crate::config::settings::{self, Database, LogFormat, MailFlow, Overrides, Settings, Smtp, SmtpAuth, SmtpTls};
use crate::config::sources::{self, Known, Source};
use crate::formats;
use crate::http::{Client, Guard, Identity, Limits};
use crate::jobs::context::{self, Context, Parts};
use crate::jobs::{audience, holder, letters};
use crate::mailbox;
use crate::model::address::EmailAddress;
use crate::model::clock::Clock;
use crate::model::platform::PlatformId;
use crate::pipeline::compose::Composer;
use crate::platforms::{Catalog, Matcher};
use crate::store::{Location, Store, wrong_matches};

/// How much a command says of its work on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logging {
    /// What the settings ask for.
    Configured,
    /// Only what the settings ask for explicitly; the command prints its own result.
    Quiet,
}

/// Runs a command's work on its own runtime.
pub(super) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // Threads that still wait for a foreign server do not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}

/// The checked settings.
pub(super) fn settings(global: &Global) -> Result<Settings, Failure> {
    let mut overrides = Overrides::default();
    for pair in &global.set {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failure::Usage(format!("--set {pair}: write KEY=VALUE, such as --set listen=127.0.0.1:9000")));
        };
        overrides.set(key.trim(), Some(value));
    }
    Ok(Settings::load(global.config.as_deref(), settings::process_environment(), overrides)?)
}

/// The platforms: built in, or from the file that the settings name.
pub(super) fn catalog(settings: &Settings) -> Result<Arc<Catalog>, Failure> {
    Ok(Arc::new(Catalog::load(settings.platforms.as_deref())?))
}

/// The sources: built in, or from the file that the settings name.
pub(super) fn sources(settings: &Settings, catalog: &Catalog) -> Result<Vec<Source>, Failure> {
    let formats = formats::names();
    let platforms = catalog.ids();
    let known = Known { formats: &formats, platforms: Some(&platforms), check_selector: &formats::check_selector };
    let mut sources = sources::load(settings.sources.as_deref(), &known)?;
    let switches = sources::Switches { on: &settings.sources_on, off: &settings.sources_off };
    switches.apply(&mut sources).map_err(Failure::Usage)?;
    for source in &mut sources {
        if let (true, Some(key)) = (source.enabled, &source.needs_key)
            && !settings.api_keys.contains_key(key)
        {
            source.enabled = false;
            source.off_because = Some(format!("it needs the API key '{key}'; set api_keys"));
        }
    }
    sources::promote_stand_ins(&mut sources);
    Ok(sources)
}

/// Sources from a text in the form of sources.toml, without regard to platforms.
pub(super) fn parse_sources(text: &str, name: &str) -> Result<Vec<Source>, Failure> {
    let formats = formats::names();
    Ok(sources::parse(
        text,
        name,
        &Known { formats: &formats, platforms: None, check_selector: &formats::check_selector },
    )?)
}

/// The id under which advisories are tagged with the platform `id`: another one where it is a second name.
pub(super) fn platform(catalog: &Catalog, id: &str) -> Result<PlatformId, Failure> {
    audience::platform(catalog, id).map_err(Failure::Usage)
}

/// The database, opened and migrated.
pub(super) async fn store(settings: &Settings) -> Result<Store, Failure> {
    let location = match &settings.database {
        Database::Sqlite(path) => Location::Sqlite(path.clone()),
        Database::Postgres(url) => {
            let ca_pem = settings.database_ca.as_deref().map(std::fs::read).transpose()?;
            Location::Postgres { url: url.expose().to_owned(), ca_pem }
        }
    };
    Ok(Store::open(&location).await?)
}

/// The outgoing HTTP client.
pub(super) fn client(settings: &Settings) -> Result<Client, Failure> {
    let identity = Identity { user_agent: settings.user_agent() };
    Ok(Client::new(&identity, Guard { allow: settings.allow_networks.clone() }, Limits::default())?)
}

/// What opens mailboxes.
pub(super) fn mail_client(settings: &Settings) -> mailbox::Client {
    mailbox::Client::new(Guard { allow: settings.allow_networks.clone() })
}

/// Where mail goes: the relay that the settings name, or files.
pub(super) fn channel(settings: &Settings) -> Result<Arc<dyn Channel>, Failure> {
    let sender = sender(settings)?;
    let Some(smtp) = &settings.smtp else {
        return Ok(Arc::new(Outbox::new(settings.data_dir.join("outbox"), sender)));
    };
    let email = Email::new(relay(smtp, &settings.mail_flow)?, sender, Phases::default(), settings.smtp_connections);
    let email = email.map_err(|reason| Failure::Usage(format!("smtp_url: {reason}")))?;
    let (rate, domain_rate) = (settings.mail_flow.rate, settings.mail_flow.domain_rate);
    Ok(Arc::new(email.signed_by(dkim_keys(settings)?).paced(rate, domain_rate)))
}

/// The keys that sign mails.
pub(super) fn dkim_keys(settings: &Settings) -> Result<Vec<Dkim>, Failure> {
    let domain = sender(settings)?.address.domain().to_owned();
    let mut keys = Vec::new();
    for (selector, path) in &settings.dkim_keys {
        let refuse = |reason: String| Failure::Usage(format!("dkim_keys: {}: {reason}", path.display()));
        let pem = std::fs::read(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        keys.push(Dkim::new(&domain, selector, &pem).map_err(refuse)?);
    }
    Ok(keys)
}

/// Who letters are from.
pub(super) fn sender(settings: &Settings) -> Result<Sender, Failure> {
    let parse =
        |key: &str, text: &str| EmailAddress::parse(text).map_err(|reason| Failure::Usage(format!("{key}: {reason}")));
    Ok(Sender {
        name: settings.mail_from.name.clone().unwrap_or_default(),
        address: parse("mail_from", &settings.mail_from.address)?,
        reply_to: settings.reply_to.as_ref().map(|reply_to| parse("reply_to", &reply_to.address)).transpose()?,
    })
}

/// The relay, and how to sign in to it.
pub(super) fn relay(smtp: &Smtp, flow: &MailFlow) -> Result<SmtpRelay, Failure> {
    let tls = match smtp.tls {
        SmtpTls::Plain => TlsMode::Plain,
        SmtpTls::Implicit => TlsMode::Implicit,
        SmtpTls::StartTls => TlsMode::StartTls,
    };
    let password = smtp.password.as_ref().map(|password| password.expose().to_owned());
    // Where a token is read from a file, the user stands alone.
    let credentials = smtp.user.clone().map(|user| (user, password.unwrap_or_default()));
    let sign_in = match flow.auth {
        SmtpAuth::Password => SignIn::Password,
        SmtpAuth::Xoauth2 => SignIn::Token { file: flow.token_file.clone() },
    };
    let extra_ca_pem = smtp.ca.as_deref().map(std::fs::read).transpose()?;
    Ok(SmtpRelay { host: smtp.host.clone(), port: smtp.port, tls, credentials, sign_in, extra_ca_pem })
}

/// Everything that jobs work with.
pub(super) async fn context(global: &Global, logging: Logging) -> Result<Context, Failure> {
    let settings = settings(global)?;
    log(&settings, logging);
    let catalog = catalog(&settings)?;
    let sources = sources(&settings, &catalog)?;
    let channel = channel(&settings)?;
    let client = client(&settings)?;
    let store = store(&settings).await?;
    join(&settings, store, client, sources, catalog, channel, Clock::system()).await
}

/// Joins the parts that a command has made.
pub(super) async fn join(
    settings: &Settings,
    store: Store,
    client: Client,
    sources: Vec<Source>,
    catalog: Arc<Catalog>,
    channel: Arc<dyn Channel>,
    clock: Clock,
) -> Result<Context, Failure> {
    let address = &settings.mail_from.address;
    holder::inherit(&store).await?;
    audience::catalog_changed(&store, &catalog).await?;
    let from_domain = address.rsplit('@').next().unwrap_or("localhost").to_owned();
    Ok(Context::new(Parts {
        secret: context::secret(&store).await?,
        holder: holder::name(),
        matcher: Matcher::new(&catalog.with_rules(&store.read(wrong_matches::rules).await?)),
        composer: Composer::new()?,
        forms: letters::Forms::default(),
        public_url: settings.public_url.as_str().trim_end_matches('/').to_owned(),
        fetch_concurrency: settings.fetch_concurrency,
        send_concurrency: settings.smtp_connections,
        queued: Arc::default(),
        burst: settings.burst,
        web: settings.web.clone(),
        keys: settings.api_keys.iter().map(|(name, key)| (name.clone(), key.expose().to_owned())).collect(),
        operator: settings.operator.as_ref().map(|operator| operator.address.clone()),
        heartbeat: settings.heartbeat.clone(),
        data_dir: settings.data_dir.clone(),
        mail_flow: settings.mail_flow.clone(),
        mail_client: mail_client(settings),
        channels: Channels::new(channel, &client, &clock),
        from_domain,
        store,
        clock,
        client,
        sources,
        catalog,
    }))
}

/// Sets up logging to standard error. A second call changes nothing.
pub(super) fn log(settings: &Settings, logging: Logging) {
    let filter = if logging == Logging::Quiet && settings.log == "info" { "error" } else { settings.log.as_str() };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let set = match settings.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Auto if terminal => builder.with_ansi(true).try_init(),
        LogFormat::Auto => builder.with_ansi(false).try_init(),
    };
    // It fails only where a test or an embedding program has set up its own.
    drop(set);
}

/// The operating system's user, for records of consent.
pub(super) fn user() -> Option<String> {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty())
}
