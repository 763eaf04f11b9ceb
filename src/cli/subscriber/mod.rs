//! `rattlewatch subscriber`: who is mailed, about what.
//!
//! What an operator adds here rests on consent that was given outside; by whom and when it was entered is recorded.

mod add;
mod csv;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::jobs::{audience, context};
use crate::model::address::EmailAddress;
use crate::model::audience::{Subscription, weekday_name};
use crate::model::clock::Clock;
use crate::store::Store;
use crate::store::subscriptions::{self, Ended};

pub(super) use add::{Book, book, owner};
pub(super) use words::{consent, described, suppressed};

/// `subscriber` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a recipient, or give a known one a new wish
    Add(Box<add::Add>),
    /// Everybody who is mailed
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop mailing an address, in every organization
    Remove {
        /// The address
        email: String,
    },
    /// Forget a person: nothing of the address stays but a hash, by which it is not mailed again
    Erase {
        /// The address
        email: String,
    },
    /// Add recipients from a CSV file with a header line (`subscriber export` shows the columns)
    Import(csv::Import),
    /// Write every recipient as CSV, in the columns that `import` reads
    Export {
        /// The file; standard output where none is named
        file: Option<PathBuf>,
    },
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        match command {
            Command::Add(arguments) => add::main(&settings, arguments).await,
            Command::List { json } => list(&start::store(&settings).await?, *json).await,
            Command::Remove { email } => remove(&start::store(&settings).await?, email).await,
            Command::Erase { email } => erase(&start::store(&settings).await?, email).await,
            Command::Import(arguments) => csv::import(&settings, arguments).await,
            Command::Export { file } => csv::export(&start::store(&settings).await?, file.as_deref()).await,
        }
    })
}

async fn list(store: &Store, as_json: bool) -> Outcome {
    let all = store.read(subscriptions::all).await?;
    if as_json {
        output::json(&all.iter().map(shown).collect::<Vec<Value>>())?;
    } else if all.is_empty() {
        output::line("Nobody is mailed yet. `rattlewatch subscriber add EMAIL --platform ID` adds someone.");
    } else {
        let mut table = Table::new(&["recipient", "what they get"]);
        for subscription in &all {
            table.row([words::recipient(subscription), described(&subscription.wish)]);
        }
        output::raw(&table.render());
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(subscription: &Subscription) -> Value {
    let wish = &subscription.wish;
    json!({
        "id": subscription.id,
        "organization": subscription.organization,
        "channel": subscription.channel,
        "email": subscription.email,
        "everything": wish.everything,
        "platforms": wish.platforms,
        "follows": wish.follows,
        "topics": wish.topics,
        "publishers": wish.only.publishers,
        "regions": wish.only.regions,
        "floor": wish.floor,
        "instant": wish.instant,
        "quiet": wish.quiet.map(|quiet| quiet.to_string()),
        "digest": wish.digest.every,
        "day": weekday_name(wish.digest.day),
        "at": wish.digest.at.strftime("%H:%M").to_string(),
        "timezone": wish.digest.timezone,
        "all_clear": wish.digest.all_clear,
        "consent": subscription.consent,
        "consent_at": subscription.consent_at.to_string(),
        "created_at": subscription.created_at.to_string(),
    })
}

async fn remove(store: &Store, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let (key, now) = (email.key(), Clock::system().now());
    let ended = store
        .write(move |tx| {
            let all = subscriptions::of_address(tx, &key)?;
            for subscription in &all {
                subscriptions::end(tx, &subscription.id, Ended::Removed, now)?;
            }
            Ok(all.len())
        })
        .await?;
    if ended == 0 {
        return Err(Failure::Failed(anyhow::anyhow!(
            "{} is not subscribed; `rattlewatch subscriber list` shows who is",
            email.as_str()
        )));
    }
    output::line(&format!("Removed {}: nothing more is sent there", email.as_str()));
    Ok(ExitCode::SUCCESS)
}

async fn erase(store: &Store, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let secret = context::secret(store).await?;
    let by = start::user().unwrap_or_else(|| "an operator".to_owned());
    let (key, now) = (email.key(), Clock::system().now());
    let blanked = store.write(move |tx| audience::erase(tx, &secret, &key, &by, now)).await?;
    let known = if blanked == 0 { "was not known" } else { "is forgotten" };
    output::line(&format!(
        "{} {known}. A keyed hash is kept, so that no list brings it back; its own request by mail can.",
        email.as_str()
    ));
    Ok(ExitCode::SUCCESS)
}
