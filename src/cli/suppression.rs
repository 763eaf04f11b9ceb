//! `rattlewatch suppression`: addresses that are not mailed, and why.

use std::process::ExitCode;

use clap::Subcommand;
use tracing::info;

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::jobs::{audience, context};
use crate::model::address::EmailAddress;
use crate::model::clock::Clock;
use crate::store::subscriptions::Ended;
use crate::store::{Store, suppressions};

/// Most suppressions that are listed.
const LISTED: i64 = 1_000;

/// `suppression` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest addresses that are not mailed
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Mail an address no more, in any organization
    Add {
        /// The address
        email: String,
        /// Why, for whoever asks later
        #[arg(long, default_value = "an operator decided so")]
        because: String,
    },
    /// Let an address be mailed again; it must be added anew
    Lift {
        /// The address
        email: String,
    },
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        start::log(&settings, start::Logging::Quiet);
        let store = start::store(&settings).await?;
        match command {
            Command::List { json } => list(&store, *json).await,
            Command::Add { email, because } => add(&store, email, because).await,
            Command::Lift { email } => lift(&store, email).await,
        }
    })
}

async fn list(store: &Store, as_json: bool) -> Outcome {
    let all = store.read(|tx| suppressions::newest(tx, LISTED)).await?;
    if as_json {
        output::json(&all)?;
    } else if all.is_empty() {
        output::line("No address is suppressed.");
    } else {
        let mut table = Table::new(&["address", "why", "since", "who said so"]);
        for one in &all {
            let shown = one.email.clone().unwrap_or_else(|| format!("(forgotten) {}", &one.address_hash[..12]));
            table.row([shown, one.detail.clone(), one.at.to_string(), one.said_by.clone()]);
        }
        output::raw(&table.render());
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(store: &Store, email: &str, because: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let secret = context::secret(store).await?;
    let by = start::user().unwrap_or_else(|| "an operator".to_owned());
    let (shown, because, now) = (email.clone(), crate::model::text::one_line(because), Clock::system().now());
    let ended = store
        .write(move |tx| {
            let address = (email.as_str(), email.key());
            audience::suppress(tx, &secret, (address.0, &address.1), (Ended::Removed, &because, &by), now)
        })
        .await?;
    output::line(&format!("{shown} is not mailed any more; {ended} subscriptions ended"));
    Ok(ExitCode::SUCCESS)
}

async fn lift(store: &Store, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let secret = context::secret(store).await?;
    let hash = audience::address_hash(&secret, &email.key());
    let lifted = store.write(move |tx| suppressions::lift(tx, &hash)).await?;
    if !lifted {
        return Err(Failure::Failed(anyhow::anyhow!(
            "{email} is not suppressed; `rattlewatch suppression list` shows all"
        )));
    }
    info!("The suppression of an address was lifted by {}", start::user().as_deref().unwrap_or("an operator"));
    output::line(&format!("{email} may be mailed again; add it with `rattlewatch subscriber add`"));
    Ok(ExitCode::SUCCESS)
}
