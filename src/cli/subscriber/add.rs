//! `rattlewatch subscriber add`: one recipient and a wish.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{described, words};
use crate::channels;
use crate::cli::{Failure, Outcome, output, start};
use crate::config::settings::Settings;
use crate::config::sources::Source;
use crate::jobs::audience::{self, Known, Saved, Written};
use crate::jobs::context;
use crate::model::address::EmailAddress;
use crate::model::audience::{Owner, Wish};
use crate::model::channel::{ChannelKind, Endpoint};
use crate::model::clock::Clock;
use crate::platforms::Catalog;
use crate::store::subscriptions::{Recipient, Upserted};
use crate::store::{Store, StoreError, Tx, organizations, subscriptions};

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// The address; for a channel that is no mail, of the person to tell when the channel fails
    email: String,
    /// The organization that the recipient belongs to, by name or id
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// A platform that they run (repeatable); `rattlewatch tag` shows ids
    #[arg(long, value_name = "ID", required_unless_present_any = ["everything", "topic", "category", "vendor", "stack"])]
    platform: Vec<String>,
    /// A category of platforms, such as rmm (repeatable)
    #[arg(long, value_name = "WORD")]
    category: Vec<String>,
    /// Everything by a vendor (repeatable)
    #[arg(long, value_name = "NAME")]
    vendor: Vec<String>,
    /// All that an organization and its clients run, or ORGANIZATION/CLIENT alone (repeatable)
    #[arg(long, value_name = "OWNER")]
    stack: Vec<String>,
    /// What else they hear of, whatever it touches (repeatable): msp (the default), ransomware, supply-chain,
    /// remote-access, identity, email or backup
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,
    /// Nothing but what touches their platforms
    #[arg(long, conflicts_with = "topic")]
    no_topics: bool,
    /// Every advisory, whatever it touches
    #[arg(long, conflicts_with = "platform")]
    everything: bool,
    /// Hear only this publisher (repeatable)
    #[arg(long, value_name = "NAME")]
    publisher: Vec<String>,
    /// Of authorities, hear only those of this country (repeatable): US, DE, EU
    #[arg(long, value_name = "COUNTRY")]
    region: Vec<String>,
    /// How urgent an advisory must be to be mailed at once: all, medium, high, critical or exploited
    #[arg(long, default_value = "all")]
    floor: String,
    /// Mail at once (the default)
    #[arg(long, overrides_with = "no_instant")]
    instant: bool,
    /// Never mail at once; the floor then holds for the digest
    #[arg(long)]
    no_instant: bool,
    /// When alerts wait, by the recipient's clock; what is critical and exploited does not wait
    #[arg(long, value_name = "HH:MM-HH:MM")]
    quiet: Option<String>,
    /// Not even what is critical and exploited breaks the quiet
    #[arg(long, requires = "quiet")]
    no_pierce: bool,
    /// How often the summary comes: none, daily or weekly
    #[arg(long, default_value = "weekly")]
    digest: String,
    /// The weekday of a weekly digest
    #[arg(long, default_value = "monday")]
    day: String,
    /// The local time of the digest
    #[arg(long, default_value = "07:30", value_name = "HH:MM")]
    at: String,
    /// The IANA time zone, such as Europe/Berlin
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    timezone: String,
    /// The digest comes even when there is nothing to say: a sign that somebody has looked
    #[arg(long)]
    all_clear: bool,
    /// By which way: email, ticket, webhook, slack, teams or ntfy
    #[arg(long, default_value = "email")]
    channel: ChannelKind,
    /// Where a channel that is no mail delivers to
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The secret of a webhook (made where none is given) or the token of an ntfy topic
    #[arg(long, value_name = "SECRET", requires = "to")]
    secret: Option<String>,
    /// Who says that they agreed; the operating system's user by default
    #[arg(long, value_name = "WHO")]
    consent_by: Option<String>,
}

/// What is needed to read wishes and to store them.
pub(in crate::cli) struct Book {
    pub(in crate::cli) catalog: Arc<Catalog>,
    pub(in crate::cli) sources: Vec<Source>,
}

/// The platforms and sources by which wishes are read.
pub(in crate::cli) fn book(settings: &Settings) -> Result<Book, Failure> {
    let catalog = start::catalog(settings)?;
    Ok(Book { sources: start::sources(settings, &catalog)?, catalog })
}

impl Book {
    /// The wish that the words say.
    pub(in crate::cli) fn wish(&self, written: &Written) -> Result<Wish, String> {
        written.wish(&Known { catalog: &self.catalog, sources: &self.sources })
    }
}

pub(super) async fn main(settings: &Settings, arguments: &Add) -> Outcome {
    let email = EmailAddress::parse(&arguments.email).map_err(Failure::Usage)?;
    let book = book(settings)?;
    let mut written = written(arguments);
    // What can be wrong without the database is found before it is made.
    if arguments.stack.is_empty() {
        book.wish(&written).map_err(Failure::Usage)?;
    }
    let endpoint = endpoint(arguments)?;
    let store = start::store(settings).await?;
    written.stacks = owners(&store, &arguments.stack).await?;
    let wish = book.wish(&written).map_err(Failure::Usage)?;
    let mut recipient = recipient(&store, arguments, &email, endpoint).await?;
    let fresh = fresh_secret(&store, &mut recipient).await?;
    let consent = words::consent("subscriber add", arguments.consent_by.as_deref());
    let secret = context::secret(&store).await?;
    let (now, shown) = (Clock::system().now(), wish.clone());
    let catalog = Arc::clone(&book.catalog);
    let saved = store.write(move |tx| audience::save(tx, &catalog, &secret, &recipient, &wish, &consent, now)).await?;
    let outcome = match saved {
        Saved::Stored(_, outcome) => outcome,
        Saved::Suppressed(why) => return Err(Failure::Failed(anyhow::anyhow!("{}", words::suppressed(&email, &why)))),
    };
    let verb = if outcome == Upserted::Added { "Added" } else { "Changed" };
    output::line(&format!("{verb} {}: {}", email.as_str(), described(&shown)));
    if let Some(secret) = fresh {
        output::line(&format!("Requests are signed with {secret}\nKeep it: it is not shown again."));
    }
    Ok(ExitCode::SUCCESS)
}

fn written(arguments: &Add) -> Written {
    Written {
        everything: arguments.everything,
        platforms: arguments.platform.clone(),
        categories: arguments.category.clone(),
        vendors: arguments.vendor.clone(),
        stacks: Vec::new(),
        topics: if arguments.no_topics { vec!["none".to_owned()] } else { arguments.topic.clone() },
        publishers: arguments.publisher.clone(),
        regions: arguments.region.clone(),
        floor: arguments.floor.clone(),
        no_instant: arguments.no_instant && !arguments.instant,
        quiet: arguments.quiet.clone().unwrap_or_default(),
        no_pierce: arguments.no_pierce,
        digest: arguments.digest.clone(),
        day: arguments.day.clone(),
        at: arguments.at.clone(),
        timezone: arguments.timezone.clone(),
        all_clear: arguments.all_clear,
    }
}

/// The address of a channel that takes web requests, and its secret as far as one is given.
fn endpoint(arguments: &Add) -> Result<Option<Endpoint>, Failure> {
    let channel = arguments.channel;
    match (&arguments.to, channel.is_mail()) {
        (None, true) => Ok(None),
        (Some(_), true) => Err(Failure::Usage(format!("--to: '{channel}' delivers to the mail address"))),
        (None, false) => Err(Failure::Usage(format!("--to: '{channel}' needs the web address to deliver to"))),
        (Some(to), false) => {
            let endpoint = Endpoint { url: to.clone(), secret: arguments.secret.clone() };
            channels::checked(channel, endpoint).map(Some).map_err(Failure::Usage)
        }
    }
}

/// Makes the secret of a webhook that has none. One that is known keeps its own: its receiver checks by it.
async fn fresh_secret(store: &Store, recipient: &mut Recipient) -> Result<Option<String>, Failure> {
    let unsigned = |endpoint: &Endpoint| endpoint.secret.is_none();
    if recipient.channel != ChannelKind::Webhook || !recipient.endpoint.as_ref().is_some_and(unsigned) {
        return Ok(None);
    }
    let wanted = recipient.clone();
    if store.read(move |tx| subscriptions::has_secret(tx, &wanted)).await? {
        return Ok(None);
    }
    let fresh = audience::webhook_secret()?;
    if let Some(endpoint) = &mut recipient.endpoint {
        endpoint.secret = Some(fresh.clone());
    }
    Ok(Some(fresh))
}

async fn recipient(
    store: &Store,
    arguments: &Add,
    email: &EmailAddress,
    endpoint: Option<Endpoint>,
) -> Result<Recipient, Failure> {
    let organization = match &arguments.organization {
        Some(name) => organization(store, name).await?,
        None => String::new(),
    };
    let key = audience::key(arguments.channel, email, endpoint.as_ref());
    Ok(Recipient { organization, channel: arguments.channel, email: email.as_str().to_owned(), key, endpoint })
}

/// The id of the organization with this name or id.
pub(super) async fn organization(store: &Store, name: &str) -> Result<String, Failure> {
    let wanted = name.to_owned();
    let found = store.read(move |tx| organizations::find(tx, &wanted)).await?;
    found.map(|known| known.id).ok_or_else(|| {
        Failure::Usage(format!("no organization is called '{name}'; `rattlewatch organization list` shows all"))
    })
}

/// The owners of stacks that are written as ORGANIZATION or ORGANIZATION/CLIENT.
async fn owners(store: &Store, written: &[String]) -> Result<Vec<Owner>, Failure> {
    let written = written.to_vec();
    let found = store.read(move |tx| written.iter().map(|name| owner(tx, name)).collect::<Result<Vec<_>, _>>()).await?;
    found.into_iter().map(|owner| owner.map_err(Failure::Usage)).collect()
}

/// The owner of a stack that is written as ORGANIZATION or ORGANIZATION/CLIENT; a sentence where there is none.
pub(in crate::cli) fn owner(tx: &mut Tx<'_>, written: &str) -> Result<Result<Owner, String>, StoreError> {
    if let Some(organization) = organizations::find(tx, written)? {
        return Ok(Ok(Owner(organization.id)));
    }
    let Some((organization, client)) = written.split_once('/') else {
        return Ok(Err(format!(
            "no organization is called '{written}'; `rattlewatch organization list` shows all; write \
             ORGANIZATION/CLIENT for one client"
        )));
    };
    let Some(organization) = organizations::find(tx, organization.trim())? else {
        return Ok(Err(format!(
            "no organization is called '{organization}'; `rattlewatch organization list` shows all"
        )));
    };
    let found = organizations::find_client(tx, &organization.id, client.trim())?;
    Ok(found.map(|client| Owner(client.id)).ok_or_else(|| {
        format!("{} has no client called '{client}'; `rattlewatch client list` shows all", organization.name)
    }))
}
