//! `rattlewatch organization add-member`: the people of an organization.

use std::process::ExitCode;

use clap::Args;

use super::{find, named};
use crate::cli::subscriber::{consent, suppressed};
use crate::cli::table::Table;
use crate::cli::{Failure, Outcome, output};
use crate::config::settings::Settings;
use crate::jobs::audience::{self, Saved, Written};
use crate::jobs::context;
use crate::model::address::EmailAddress;
use crate::model::audience::{Owner, Role};
use crate::model::clock::Clock;
use crate::store::subscriptions::{self, Ended, Recipient};
use crate::store::{Store, organizations};

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// The organization, by name or id
    organization: String,
    /// The person's address
    email: String,
    /// The person's name
    #[arg(long, default_value = "")]
    name: String,
    /// What the person may do: owner, technician or viewer
    #[arg(long, default_value = "technician")]
    role: Role,
    /// The person's IANA time zone, such as Europe/Berlin
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    timezone: String,
    /// Mail the person nothing
    #[arg(long)]
    no_mail: bool,
    /// Who says that the person agreed; the operating system's user by default
    #[arg(long, value_name = "WHO")]
    consent_by: Option<String>,
}

pub(super) async fn add(settings: &Settings, store: &Store, arguments: &Add) -> Outcome {
    let organization = find(store, &arguments.organization).await?;
    let email = EmailAddress::parse(&arguments.email).map_err(Failure::Usage)?;
    let name = if arguments.name.trim().is_empty() { String::new() } else { named(&arguments.name)? };
    let book = crate::cli::subscriber::book(settings)?;
    let stacks = vec![Owner(organization.id.clone())];
    let written = Written { stacks, timezone: arguments.timezone.clone(), ..Written::default() };
    let wish = book.wish(&written).map_err(Failure::Usage)?;
    let consent = consent("organization add-member", arguments.consent_by.as_deref());
    let secret = context::secret(store).await?;
    let recipient =
        Recipient { organization: organization.id.clone(), ..Recipient::mailbox(email.as_str(), &email.key()) };
    let (role, mailed, now) = (arguments.role, !arguments.no_mail, Clock::system().now());
    let saved = store
        .write(move |tx| {
            let address = (recipient.email.as_str(), recipient.key.as_str());
            organizations::set_member(tx, &recipient.organization, address, (&name, role), now)?;
            mailed.then(|| audience::save(tx, &book.catalog, &secret, &recipient, &wish, &consent, now)).transpose()
        })
        .await?;
    output::line(&format!("{email} is {} {role} of {}", article(role), organization.name));
    match saved {
        Some(Saved::Suppressed(why)) => output::line(&suppressed(&email, &why)),
        Some(Saved::Stored(..)) => output::line("It hears of all that the organization and its clients run."),
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn article(role: Role) -> &'static str {
    if role == Role::Owner { "an" } else { "a" }
}

pub(super) async fn list(store: &Store, organization: &str, as_json: bool) -> Outcome {
    let organization = find(store, organization).await?;
    let members = store.read(move |tx| organizations::members(tx, &organization.id)).await?;
    if as_json {
        output::json(&members)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["email", "name", "role"]);
    for member in &members {
        table.row([member.email.clone(), member.name.clone(), member.role.to_string()]);
    }
    output::raw(&table.render());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn remove(store: &Store, organization: &str, email: &str) -> Outcome {
    let organization = find(store, organization).await?;
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let (id, key, now) = (organization.id.clone(), email.key(), Clock::system().now());
    let removed = store
        .write(move |tx| {
            for one in subscriptions::of_address(tx, &key)?.iter().filter(|one| one.organization == id) {
                subscriptions::end(tx, &one.id, Ended::Removed, now)?;
            }
            organizations::remove_member(tx, &id, &key)
        })
        .await?;
    if !removed {
        let sentence = format!("{email} is no member of {}", organization.name);
        return Err(Failure::Failed(anyhow::anyhow!(sentence)));
    }
    output::line(&format!("Removed {email} from {}: nothing more is sent there on its behalf", organization.name));
    Ok(ExitCode::SUCCESS)
}
