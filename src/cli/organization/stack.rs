//! `rattlewatch organization stack`: what an organization or a client runs.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use crate::cli::subscriber::owner;
use crate::cli::{Failure, Outcome, output, start};
use crate::config::settings::Settings;
use crate::jobs::audience;
use crate::model::audience::Owner;
use crate::model::platform::PlatformId;
use crate::store::{Store, organizations};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// ORGANIZATION, or ORGANIZATION/CLIENT
    owner: String,
    /// A platform that it runs now (repeatable)
    #[arg(long, value_name = "ID")]
    add: Vec<String>,
    /// A platform that it runs no more (repeatable)
    #[arg(long, value_name = "ID")]
    remove: Vec<String>,
}

/// The platforms with these ids.
pub(super) fn platforms(settings: &Settings, ids: &[String]) -> Result<BTreeSet<PlatformId>, Failure> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let catalog = start::catalog(settings)?;
    ids.iter().map(|id| start::platform(&catalog, id)).collect()
}

pub(super) async fn main(settings: &Settings, store: &Store, arguments: &Arguments) -> Outcome {
    let (added, removed) = (platforms(settings, &arguments.add)?, platforms(settings, &arguments.remove)?);
    let written = arguments.owner.clone();
    let (found, mut stack, whose) = store
        .read(move |tx| {
            let found = owner(tx, &written)?;
            let stack = match &found {
                Ok(owner) => organizations::stack(tx, owner)?,
                Err(_) => Vec::new(),
            };
            let whose = match &found {
                Ok(owner) => organizations::organization_of(tx, owner)?,
                Err(_) => None,
            };
            Ok((found, stack.into_iter().collect::<BTreeSet<_>>(), whose))
        })
        .await?;
    let owner = found.map_err(Failure::Usage)?;
    stack.extend(added);
    stack.retain(|id| !removed.contains(id));
    let shown = stack.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
    if !arguments.add.is_empty() || !arguments.remove.is_empty() {
        set(settings, store, &owner.0, whose.as_ref().map_or(&owner.0, |whose| &whose.0), stack).await?;
    }
    let shown = if shown.is_empty() { "nothing that is known here".to_owned() } else { shown };
    output::line(&format!("{} runs {shown}", arguments.owner));
    Ok(ExitCode::SUCCESS)
}

/// Makes `stack` what `owner` runs, and writes its followers anew.
pub(super) async fn set(
    settings: &Settings,
    store: &Store,
    owner: &str,
    organization: &str,
    stack: BTreeSet<PlatformId>,
) -> Result<(), Failure> {
    let catalog = start::catalog(settings)?;
    let (owner, organization) = (Owner(owner.to_owned()), Owner(organization.to_owned()));
    store
        .write(move |tx| {
            organizations::set_stack(tx, &owner, &stack)?;
            audience::stack_changed(tx, &catalog, &owner, (organization != owner).then_some(&organization))
        })
        .await?;
    Ok(())
}

pub(super) async fn remove_client(settings: &Settings, store: &Store, organization: &str, client: &str) -> Outcome {
    let organization = super::find(store, organization).await?;
    let (id, wanted) = (organization.id.clone(), client.to_owned());
    let found = store.read(move |tx| organizations::find_client(tx, &id, &wanted)).await?;
    let Some(found) = found else {
        return Err(Failure::Usage(format!("{} has no client called '{client}'", organization.name)));
    };
    let (catalog, client) = (start::catalog(settings)?, found.clone());
    store.write(move |tx| audience::remove_client(tx, &catalog, &client)).await?;
    output::line(&format!("Removed {} from {}", found.name, organization.name));
    Ok(ExitCode::SUCCESS)
}
