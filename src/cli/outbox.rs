//! `rattlewatch outbox`: what waits, what was given up and why, and what an operator does about it.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::jobs::breaker::{self, Down};
use crate::model::clock::Clock;
use crate::store::deliveries::{self, Shown};
use crate::store::outbox::{self, Try};

/// `outbox` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest deliveries, and how many there are in each state
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// How many
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One delivery with each of its tries
    Show {
        /// Its id, as `outbox list` shows it
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Queue a dead letter again, or all of them
    Requeue {
        /// Its id
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every dead letter whose recipient has not left
        #[arg(long)]
        all: bool,
    },
    /// Give up a letter that waits or is dead
    Drop {
        /// Its id
        id: String,
    },
}

/// The states, as they are asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum State {
    /// Waits for its time
    Queued,
    /// A sender holds it
    Sending,
    /// Accepted by the relay
    Sent,
    /// Given up
    Dead,
    /// No longer wanted
    Suppressed,
    /// Told in a roll-up
    Rolled,
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let store = start::store(&start::settings(global)?).await?;
        let now = Clock::system().now();
        match command {
            Command::List { state, limit, json } => {
                let state = state.and_then(|state| state.to_possible_value()).map(|value| value.get_name().to_owned());
                let limit = *limit;
                let read = move |tx: &mut crate::store::Tx<'_>| {
                    Ok((deliveries::newest(tx, state.as_deref(), limit)?, deliveries::outbox(tx)?, breaker::down(tx)?))
                };
                let (shown, counts, down) = store.read(read).await?;
                list(&shown, &counts, down.as_ref(), *json)?;
            }
            Command::Show { id, json } => {
                let wanted = id.clone();
                let found = store.read(move |tx| outbox::one(tx, &wanted)).await?;
                let (shown, tries) = found.ok_or_else(|| unknown(id))?;
                show(&shown, &tries, *json)?;
            }
            Command::Requeue { id, .. } => {
                let wanted = id.clone();
                let queued = store.write(move |tx| outbox::requeue(tx, wanted.as_deref(), now)).await?;
                match (queued, id) {
                    (0, Some(id)) => {
                        return Err(refused(&format!("{id} is no dead letter of somebody who is still mailed")));
                    }
                    (0, None) => output::line("There is no dead letter of somebody who is still mailed."),
                    (_, Some(id)) => output::line(&format!("{id} is queued again; the next pass sends it.")),
                    (1, None) => output::line("One letter is queued again; the next pass sends it."),
                    (many, None) => {
                        output::line(&format!("{many} letters are queued again; the next pass sends them."))
                    }
                }
            }
            Command::Drop { id } => {
                let (wanted, by) = (id.clone(), start::user().unwrap_or_else(|| "an operator".to_owned()));
                if !store.write(move |tx| outbox::drop_one(tx, &wanted, &by, now)).await? {
                    return Err(refused(&format!("{id} neither waits nor is dead: there is nothing to drop")));
                }
                output::line(&format!("{id} is dropped and will not be sent."));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn unknown(id: &str) -> Failure {
    refused(&format!("there is no delivery {id}; `rattlewatch outbox list` shows the newest"))
}

fn refused(reason: &str) -> Failure {
    Failure::Failed(anyhow::anyhow!("{reason}"))
}

fn list(
    shown: &[Shown],
    counts: &deliveries::Outbox,
    down: Option<&Down>,
    as_json: bool,
) -> Result<(), serde_json::Error> {
    if as_json {
        return output::json(&json!({ "counts": counts, "deliveries": shown, "relay_down": down }));
    }
    if let Some(Down { since, tries, next, reason }) = down {
        output::line(&format!("The relay cannot be used since {since} ({tries} tries), next try {next}: {reason}"));
    }
    let deliveries::Outbox { queued, sending, sent, dead, suppressed, .. } = counts;
    output::line(&format!(
        "{queued} waiting, {sending} being sent, {sent} sent, {dead} given up, {suppressed} no longer wanted"
    ));
    if shown.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["delivery", "to", "kind", "state", "tries", "queued", "what happened last"]);
    for one in shown {
        table.row([
            one.id.clone(),
            one.to.clone(),
            one.kind.clone(),
            one.state.clone(),
            one.attempts.to_string(),
            one.created_at.to_string(),
            crate::model::text::truncate(&one.detail, 100),
        ]);
    }
    output::raw(&table.render());
    if *dead > 0 {
        output::line(
            "`rattlewatch outbox show ID` tells each try; `outbox requeue ID` or `--all` queues dead letters again.",
        );
    }
    Ok(())
}

fn show(shown: &Shown, tries: &[Try], as_json: bool) -> Result<(), serde_json::Error> {
    if as_json {
        return output::json(&json!({ "delivery": shown, "tries": tries }));
    }
    output::line(&format!("{}  {} to {}", shown.id, shown.kind, shown.to));
    output::line(&format!("{:<12}{}", "State", shown.state));
    output::line(&format!("{:<12}{}", "Queued", shown.created_at));
    if shown.state == "queued" {
        output::line(&format!("{:<12}{}", "Next try", shown.due_at));
    }
    let mut table = Table::new(&["try", "began", "ended", "outcome", "what happened"]);
    for one in tries {
        table.row([
            one.number.to_string(),
            one.started_at.to_string(),
            one.finished_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            one.outcome.clone().unwrap_or_else(|| "-".to_owned()),
            one.detail.clone().unwrap_or_default(),
        ]);
    }
    if !tries.is_empty() {
        output::raw(&table.render());
    }
    Ok(())
}
