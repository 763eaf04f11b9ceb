//! `rattlewatch sources`: what is watched, whether it can be seen, and what one address would give.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start, trial};
use crate::config::fault::closest;
use crate::config::sources::Source;
use crate::jobs::route;
use crate::model::clock::{Clock, Timestamp};
use crate::model::health::{HealthState, SourceHealth};
use crate::model::text;
use crate::store::sources;

/// `sources` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every source that is watched, trouble first: whether it can be read, since when, and what to do
    List(Wanted),
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
            Command::List(wanted) => list(global, wanted).await,
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

async fn list(global: &Global, wanted: &Wanted) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let all = start::sources(&settings, &catalog)?;
    wanted.check(&all)?;
    let store = start::store(&settings).await?;
    let known = store.read(sources::all).await?;
    let mut lines: Vec<Line<'_>> =
        all.iter().filter(|source| wanted.has(source)).map(|source| Line::new(source, &known)).collect();
    if wanted.json {
        lines.retain(|line| !wanted.off || !line.source.enabled);
        output::json(&lines.iter().map(shown).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    // Trouble first, and what only stands by last.
    lines.sort_by_key(|line| (Reverse(line.standing.weight()), line.stands_by, line.source.id.clone()));
    output::raw(&if wanted.off { table_off(&lines) } else { table(&lines) }.render());
    output::line(&count(&lines, wanted.off));
    Ok(ExitCode::SUCCESS)
}

/// Which sources `list` shows, and how.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Only the sources of this set
    #[arg(long = "in", value_name = "SET")]
    within: Option<String>,
    /// The sources that are off, and why
    #[arg(long)]
    off: bool,
    /// Print JSON: every source, watched or not
    #[arg(long)]
    json: bool,
}

impl Wanted {
    /// Refuses a set that no source belongs to.
    fn check(&self, all: &[Source]) -> Result<(), Failure> {
        let Some(wanted) = &self.within else { return Ok(()) };
        let sets: BTreeSet<&str> = all.iter().flat_map(|source| source.sets.iter().map(String::as_str)).collect();
        if sets.contains(wanted.as_str()) {
            return Ok(());
        }
        let sets: Vec<&str> = sets.into_iter().collect();
        let hint = match closest(wanted, sets.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("there are: {}", sets.join(", ")),
        };
        Err(Failure::Usage(format!("no set of sources is called '{wanted}'; {hint}")))
    }

    fn has(&self, source: &Source) -> bool {
        self.within.as_ref().is_none_or(|set| source.sets.contains(set))
    }
}

/// A source and how it stands.
struct Line<'a> {
    source: &'a Source,
    health: SourceHealth,
    standing: HealthState,
    stands_by: bool,
}

impl<'a> Line<'a> {
    fn new(source: &'a Source, known: &[SourceHealth]) -> Self {
        let health = known.iter().find(|health| health.source == source.id).cloned().unwrap_or_default();
        let standing = health.standing(source.enabled, source.silent_days, Clock::system().now());
        let stands_by = source.enabled && route::stands_by(source, known);
        Self { source, health, standing, stands_by }
    }

    fn state(&self) -> &'static str {
        if self.stands_by { "stands by" } else { self.standing.as_str() }
    }

    fn detail(&self) -> String {
        match &self.source.instead_of {
            Some(first) if self.stands_by => format!("for {first}"),
            _ => self.health.advice(self.standing, self.source.silent_days),
        }
    }
}

/// The sources that are watched.
fn table(lines: &[Line<'_>]) -> Table {
    let mut table = Table::new(&["id", "state", "since", "last good", "set", "detail"]);
    for line in lines.iter().filter(|line| line.source.enabled) {
        table.row([
            line.source.id.clone(),
            line.state().to_owned(),
            when(line.health.since),
            when(line.health.last_success),
            line.source.sets.join(" "),
            text::truncate(&line.detail(), 120),
        ]);
    }
    table
}

/// The sources that are not.
fn table_off(lines: &[Line<'_>]) -> Table {
    let mut table = Table::new(&["id", "set", "why it is off"]);
    for source in lines.iter().map(|line| line.source).filter(|source| !source.enabled) {
        let why = source.off_because.clone().unwrap_or_else(|| "no reason is written (off_because)".to_owned());
        table.row([source.id.clone(), source.sets.join(" "), why]);
    }
    table
}

/// How many there are of each kind, in a sentence.
fn count(lines: &[Line<'_>], off_too: bool) -> String {
    let off = lines.iter().filter(|line| !line.source.enabled).count();
    let watched = lines.len() - off;
    if off_too {
        return format!("{off} sources are off, {watched} are watched");
    }
    let among = |fits: fn(&Line<'_>) -> bool| lines.iter().filter(|line| line.source.enabled && fits(line)).count();
    let parts = [
        (among(|line| !line.stands_by && line.standing.weight() == 3), "cannot be read"),
        (among(|line| !line.stands_by && line.standing.weight() == 2), "late"),
        (among(|line| !line.stands_by && line.standing.weight() == 1), "read in part"),
        (among(|line| !line.stands_by && line.standing == HealthState::Ok), "well"),
        (among(|line| !line.stands_by && line.standing == HealthState::New), "not tried yet"),
        (among(|line| line.stands_by), "standing by"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("{watched} sources are watched{parts}; {off} are off (--off shows why)")
}

/// To the minute, in UTC: the table is for people.
fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.to_string().chars().take(16).collect::<String>().replace('T', " "))
}

fn shown(line: &Line<'_>) -> Value {
    let (source, health) = (line.source, &line.health);
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
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
        "off_because": source.off_because.as_ref().filter(|_| !source.enabled),
        "instead_of": source.instead_of,
        "stands_by": line.stands_by,
        "sets": source.sets,
        "silent_days": source.silent_days,
        "platforms": source.platforms,
        "key": source.key,
        "needs_key": source.needs_key,
        "user_agent": source.user_agent,
        "accept_encoding": source.accept_encoding,
        "state": line.standing.as_str(),
        "since": at(health.since),
        "last_attempt": at(health.last_attempt),
        "last_success": at(health.last_success),
        "last_news": at(health.last_news),
        "next_due": at(health.next_due),
        "failures": health.failures,
        "items": health.items,
        "detail": health.advice(line.standing, source.silent_days),
    })
}

/// What to say of an id that no source has.
pub(super) fn unknown<'a>(all: impl Iterator<Item = &'a Source>, id: &str) -> String {
    let ids: Vec<&str> = all.map(|source| source.id.as_str()).collect();
    let hint = closest(id, ids)
        .map_or_else(|| "`rattlewatch sources list` shows them".to_owned(), |near| format!("did you mean '{near}'?"));
    format!("no source is called '{id}'; {hint}")
}
