//! `rattlewatch operator`: who runs this installation and signs in as such.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Global, Outcome, output, start};
use crate::model::address::EmailAddress;
use crate::model::clock::Clock;
use crate::store::audit::{self, Deed};
use crate::store::{Store, accounts};

/// `operator` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an address an operator's: it signs in on the page /sign-in by a mailed link
    Add {
        /// The address
        email: String,
    },
    /// Every operator
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take the role away, and end the sign-ins of who has no other
    Remove {
        /// The address
        email: String,
    },
    /// See whether the audit log is as it was written
    Audit,
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        start::log(&settings, start::Logging::Quiet);
        let store = start::store(&settings).await?;
        match command {
            Command::Add { email } => add(&store, email).await,
            Command::List { json } => list(&store, *json).await,
            Command::Remove { email } => remove(&store, email).await,
            Command::Audit => verify(&store).await,
        }
    })
}

async fn add(store: &Store, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let (who, now, shown) = (start::user().unwrap_or_default(), Clock::system().now(), email.clone());
    let added = store
        .write(move |tx| {
            let added = accounts::add_operator(tx, email.as_str(), &email.key(), now)?;
            if added {
                let deed = Deed { who: &who, action: "operator added", object: email.as_str(), ..Deed::default() };
                audit::add(tx, &Deed { detail: "on the command line", ..deed }, now)?;
            }
            Ok(added)
        })
        .await?;
    output::line(&match added {
        true => format!("{shown} is an operator and signs in on the page /sign-in"),
        false => format!("{shown} is an operator already"),
    });
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store, as_json: bool) -> Outcome {
    let all = store.read(accounts::operators).await?;
    if as_json {
        output::json(&all)?;
    } else if all.is_empty() {
        output::line("There is none; `rattlewatch operator add EMAIL` makes one.");
    } else {
        for email in &all {
            output::line(email);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(store: &Store, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let (who, now, shown) = (start::user().unwrap_or_default(), Clock::system().now(), email.clone());
    let removed = store
        .write(move |tx| {
            let key = email.key();
            let removed = accounts::remove_operator(tx, &key)?;
            if removed {
                if accounts::memberships(tx, &key)?.is_empty() {
                    accounts::end_all(tx, &key)?;
                }
                let deed = Deed { who: &who, action: "operator removed", object: email.as_str(), ..Deed::default() };
                audit::add(tx, &Deed { detail: "on the command line", ..deed }, now)?;
            }
            Ok(removed)
        })
        .await?;
    if !removed {
        return Err(Failure::Failed(anyhow::anyhow!("{shown} is no operator; `rattlewatch operator list` shows all")));
    }
    output::line(&format!("{shown} is no operator any more"));
    Ok(ExitCode::SUCCESS)
}

async fn verify(store: &Store) -> Outcome {
    match store.read(audit::verify).await? {
        Ok(count) => output::line(&format!("{count} entries, each as it was written")),
        Err(first) => {
            return Err(Failure::Failed(anyhow::anyhow!(
                "entry {first} of the audit log is not as it was written: the database was changed by hand, or a part of it \
                 restored"
            )));
        }
    }
    Ok(ExitCode::SUCCESS)
}
