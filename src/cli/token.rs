//! `rattlewatch token`: which programs use the API on behalf of an organization.

use std::process::ExitCode;

use clap::Subcommand;

use super::table::Table;
use super::{Failure, Global, Outcome, organization, output, start};
use crate::jobs::api_tokens::{self, Asked, DAYS, DAYS_MAX};
use crate::model::api_token::{ApiToken, Scope};
use crate::model::clock::Clock;
use crate::store::{self, Store};

/// `token` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token; its text is shown once and kept nowhere
    Add {
        /// What it is called: the program that uses it
        name: String,
        /// For which organization it acts, by name or id
        #[arg(long, value_name = "ORG")]
        organization: String,
        /// What it may do: read, or write, which reads too (repeatable)
        #[arg(long, value_name = "SCOPE", default_value = "read")]
        scope: Vec<Scope>,
        /// How long it holds
        #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(u64).range(1..=DAYS_MAX))]
        days: u64,
    },
    /// The tokens of an organization
    List {
        /// The organization, by name or id
        #[arg(long, value_name = "ORG")]
        organization: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a token hold no more
    Revoke {
        /// The token, by its id (`token list` shows it)
        id: String,
        /// The organization, by name or id
        #[arg(long, value_name = "ORG")]
        organization: String,
    },
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        start::log(&settings, start::Logging::Quiet);
        let store = start::store(&settings).await?;
        match command {
            Command::Add { name, organization, scope, days } => add(&store, name, organization, scope, *days).await,
            Command::List { organization, json } => list(&store, organization, *json).await,
            Command::Revoke { id, organization } => revoke(&store, id, organization).await,
        }
    })
}

fn who() -> String {
    format!("{} (on the command line)", start::user().unwrap_or_else(|| "an operator".to_owned()))
}

async fn add(store: &Store, name: &str, organization: &str, scopes: &[Scope], days: u64) -> Outcome {
    let organization = organization::find(store, organization).await?;
    let asked = Asked {
        organization: organization.id.clone(),
        name: name.to_owned(),
        writes: scopes.contains(&Scope::Write),
        days,
        by: who(),
    };
    let now = Clock::system().now();
    let made = store.write(move |tx| api_tokens::make(tx, &asked, now)).await?;
    let (token, written) = made.map_err(Failure::Usage)?;
    output::line(&format!(
        "Made {} for {}, which may {} until {}. Keep its text now; it is not shown again:",
        token.id,
        organization.name,
        words(&token),
        token.expires_at
    ));
    output::line(&written);
    Ok(ExitCode::SUCCESS)
}

fn words(token: &ApiToken) -> String {
    token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" and ")
}

async fn list(store: &Store, organization: &str, as_json: bool) -> Outcome {
    let organization = organization::find(store, organization).await?;
    let id = organization.id.clone();
    let tokens = store.read(move |tx| store::api_tokens::of_organization(tx, &id)).await?;
    if as_json {
        output::json(&tokens)?;
    } else if tokens.is_empty() {
        output::line(&format!("{} has no token. `rattlewatch token add` makes one.", organization.name));
    } else {
        let now = Clock::system().now();
        let mut table = Table::new(&["id", "name", "may", "state", "until", "last used"]);
        for token in &tokens {
            let used = token.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            let state = token.standing(now).to_owned();
            table.row([token.id.clone(), token.name.clone(), words(token), state, token.expires_at.to_string(), used]);
        }
        output::raw(&table.render());
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(store: &Store, id: &str, organization: &str) -> Outcome {
    let organization = organization::find(store, organization).await?;
    let (owner, wanted, by, now) = (organization.id.clone(), id.to_owned(), who(), Clock::system().now());
    if !store.write(move |tx| api_tokens::revoke(tx, &owner, &wanted, &by, now)).await? {
        let sentence = format!("{} has no token {id} that holds", organization.name);
        return Err(Failure::Failed(anyhow::anyhow!(sentence)));
    }
    output::line(&format!("{id} holds no more"));
    Ok(ExitCode::SUCCESS)
}
