//! `rattlewatch sources`: what is watched, whether it can be seen, and what one address would give.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::table::Table;
use super::{Global, Outcome, output, start, trial};
use crate::config::fault::closest;
use crate::config::sources::Source;
use crate::model::clock::{Clock, Timestamp};
use crate::model::health::{HealthState, SourceHealth};
use crate::model::text;
use crate::store::sources;

/// `sources` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every source, whether it can be read, since when, and what to do
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check sources.toml and platforms.toml without starting anything
    Check,
    /// Fetch a source, or any address, and show the items that it would give; nothing is stored
    Test {
        /// A source's id, or an http(s) address
        target: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        match command {
            Command::List { json } => list(global, *json).await,
            Command::Check => {
                let settings = start::settings(global)?;
                let catalog = start::catalog(&settings)?;
                let sources = start::sources(&settings, &catalog)?;
                output::line(&format!(
                    "{} sources are right, {} of them enabled",
                    sources.len(),
                    sources.iter().filter(|source| source.enabled).count()
                ));
                Ok(ExitCode::SUCCESS)
            }
            Command::Test { target, json } => trial::main(global, target, *json).await,
        }
    })
}

async fn list(global: &Global, as_json: bool) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let all = start::sources(&settings, &catalog)?;
    let store = start::store(&settings).await?;
    let known = store.read(sources::all).await?;
    let health = |id: &str| known.iter().find(|health| health.source == id).cloned().unwrap_or_default();
    if as_json {
        output::json(&all.iter().map(|source| shown(source, &health(&source.id))).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["id", "state", "last read", "next", "items", "what happened"]);
    for source in &all {
        let health = health(&source.id);
        table.row([
            source.id.clone(),
            state(source, &health).to_owned(),
            when(health.last_success),
            if source.enabled { when(health.next_due) } else { "-".to_owned() },
            health.items.to_string(),
            text::truncate(&health.advice(standing(source, &health), source.silent_days), 120),
        ]);
    }
    output::raw(&table.render());
    Ok(ExitCode::SUCCESS)
}

fn state(source: &Source, health: &SourceHealth) -> &'static str {
    standing(source, health).as_str()
}

fn standing(source: &Source, health: &SourceHealth) -> HealthState {
    health.standing(source.enabled, source.silent_days, Clock::system().now())
}

fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}

fn shown(source: &Source, health: &SourceHealth) -> Value {
    json!({
        "id": source.id,
        "name": source.name,
        "publisher": source.publisher,
        "kind": source.kind,
        "country": source.country,
        "url": source.url,
        "format": source.format,
        "schedule": source.schedule_text,
        "enabled": source.enabled,
        "state": state(source, health),
        "since": health.since.map(|at| at.to_string()),
        "last_attempt": health.last_attempt.map(|at| at.to_string()),
        "last_success": health.last_success.map(|at| at.to_string()),
        "next_due": health.next_due.map(|at| at.to_string()),
        "failures": health.failures,
        "items": health.items,
        "detail": health.advice(standing(source, health), source.silent_days),
        "last_news": health.last_news.map(|at| at.to_string()),
    })
}

/// What to say of an id that no source has.
pub(super) fn unknown<'a>(all: impl Iterator<Item = &'a Source>, id: &str) -> String {
    let ids: Vec<&str> = all.map(|source| source.id.as_str()).collect();
    let hint = closest(id, ids)
        .map_or_else(|| "`rattlewatch sources list` shows them".to_owned(), |near| format!("did you mean '{near}'?"));
    format!("no source is called '{id}'; {hint}")
}
