//! `rattlewatch organization`: managed service providers, their clients, what they run, and their people.

mod members;
mod stack;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::config::settings::Settings;
use crate::model::audience::Organization;
use crate::model::clock::Clock;
use crate::model::text;
use crate::store::{Store, organizations};

/// Longest name of an organization, a client or a person, in characters.
const NAME_MAX: usize = 120;

/// `organization` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an organization
    Add {
        /// Its name
        name: String,
        /// A platform that it runs itself (repeatable)
        #[arg(long, value_name = "ID")]
        platform: Vec<String>,
    },
    /// Every organization, with its clients and what they run
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a client of an organization
    AddClient {
        /// The organization, by name or id
        organization: String,
        /// The client's name
        name: String,
        /// A platform that it runs (repeatable)
        #[arg(long, value_name = "ID")]
        platform: Vec<String>,
    },
    /// Remove a client and its stack
    RemoveClient {
        /// The organization, by name or id
        organization: String,
        /// The client, by name or id
        client: String,
    },
    /// Say what an organization or a client runs: whoever follows that stack hears of it from then on
    Stack(stack::Arguments),
    /// Add a person, who from then on follows all that the organization and its clients run
    AddMember(members::Add),
    /// The people of an organization
    Members {
        /// The organization, by name or id
        organization: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a person, and stop mailing it on behalf of the organization
    RemoveMember {
        /// The organization, by name or id
        organization: String,
        /// The address
        email: String,
    },
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        let store = start::store(&settings).await?;
        match command {
            Command::Add { name, platform } => add(&settings, &store, name, platform).await,
            Command::List { json } => list(&store, *json).await,
            Command::AddClient { organization, name, platform } => {
                add_client(&settings, &store, organization, name, platform).await
            }
            Command::RemoveClient { organization, client } => {
                stack::remove_client(&settings, &store, organization, client).await
            }
            Command::Stack(arguments) => stack::main(&settings, &store, arguments).await,
            Command::AddMember(arguments) => members::add(&settings, &store, arguments).await,
            Command::Members { organization, json } => members::list(&store, organization, *json).await,
            Command::RemoveMember { organization, email } => members::remove(&store, organization, email).await,
        }
    })
}

/// A name as it is kept: one line, neither empty nor endless.
fn named(written: &str) -> Result<String, Failure> {
    let name = text::one_line(written);
    if name.is_empty() || name.chars().count() > NAME_MAX || name.contains('/') {
        return Err(Failure::Usage(format!("a name has 1 to {NAME_MAX} characters and no '/'")));
    }
    Ok(name)
}

/// The organization with this name or id.
pub(super) async fn find(store: &Store, name: &str) -> Result<Organization, Failure> {
    let wanted = name.to_owned();
    store.read(move |tx| organizations::find(tx, &wanted)).await?.ok_or_else(|| {
        Failure::Usage(format!("no organization is called '{name}'; `rattlewatch organization list` shows all"))
    })
}

async fn add(settings: &Settings, store: &Store, name: &str, platforms: &[String]) -> Outcome {
    let name = named(name)?;
    let stack = stack::platforms(settings, platforms)?;
    let (wanted, now) = (name.clone(), Clock::system().now());
    let added = store
        .write(move |tx| {
            let added = organizations::add(tx, &wanted, now)?;
            if let Some(added) = &added {
                organizations::set_stack(tx, &crate::model::audience::Owner(added.id.clone()), &stack)?;
            }
            Ok(added)
        })
        .await?;
    match added {
        Some(added) => output::line(&format!("Added {name} as {}", added.id)),
        None => return Err(Failure::Failed(anyhow::anyhow!("there is an organization called '{name}' already"))),
    }
    Ok(ExitCode::SUCCESS)
}

async fn add_client(
    settings: &Settings,
    store: &Store,
    organization: &str,
    name: &str,
    platforms: &[String],
) -> Outcome {
    let (organization, name) = (find(store, organization).await?, named(name)?);
    let (id, wanted, now) = (organization.id.clone(), name.clone(), Clock::system().now());
    let added = store.write(move |tx| organizations::add_client(tx, &id, &wanted, now)).await?;
    let Some(added) = added else {
        let sentence = format!("{} has a client called '{name}' already", organization.name);
        return Err(Failure::Failed(anyhow::anyhow!(sentence)));
    };
    stack::set(settings, store, &added.id, &organization.id, stack::platforms(settings, platforms)?).await?;
    output::line(&format!("Added {name} as {}, a client of {}", added.id, organization.name));
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store, as_json: bool) -> Outcome {
    let all = store
        .read(|tx| {
            let all = organizations::all(tx)?;
            all.into_iter()
                .map(|one| organizations::clients(tx, &one.id).map(|clients| (one, clients)))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    if as_json {
        let shown = all.iter().map(|(one, clients)| json!({"organization": one, "clients": clients}));
        output::json(&shown.collect::<Vec<_>>())?;
    } else if all.is_empty() {
        output::line("There is no organization yet. `rattlewatch organization add NAME` adds one.");
    } else {
        let mut table = Table::new(&["id", "name", "runs"]);
        let runs = |stack: &[crate::model::platform::PlatformId]| {
            stack.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ")
        };
        for (one, clients) in &all {
            table.row([one.id.clone(), one.name.clone(), runs(&one.stack)]);
            for client in clients {
                table.row([client.id.clone(), format!("{}/{}", one.name, client.name), runs(&client.stack)]);
            }
        }
        output::raw(&table.render());
    }
    Ok(ExitCode::SUCCESS)
}
