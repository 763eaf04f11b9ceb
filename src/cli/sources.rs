//! `rattlewatch sources`: what is watched, whether it can be seen, and what one address would give.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::config::fault::closest;
use crate::config::settings::{Secret, Settings};
use crate::config::sources::Source;
use crate::http::{self, Fetched};
use crate::jobs::post;
use crate::model::clock::Timestamp;
use crate::model::health::{SourceHealth, Validators};
use crate::model::item::Parsed;
use crate::model::text;
use crate::pipeline::{fetch, normalize, parse, tag};
use crate::platforms::{Catalog, Matcher};
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
            Command::Test { target, json } => test(global, target, *json).await,
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
            text::truncate(&health.detail, 120),
        ]);
    }
    output::raw(&table.render());
    Ok(ExitCode::SUCCESS)
}

fn state<'a>(source: &Source, health: &'a SourceHealth) -> &'a str {
    if source.enabled { health.state.as_str() } else { "off" }
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
        "detail": health.detail,
    })
}

/// What to say of an id that no source has.
pub(super) fn unknown<'a>(all: impl Iterator<Item = &'a Source>, id: &str) -> String {
    let ids: Vec<&str> = all.map(|source| source.id.as_str()).collect();
    let hint = closest(id, ids)
        .map_or_else(|| "`rattlewatch sources list` shows them".to_owned(), |near| format!("did you mean '{near}'?"));
    format!("no source is called '{id}'; {hint}")
}

/// A source made from a bare address: its format is found out by trying.
fn guessed(url: &str) -> Result<Source, Failure> {
    let text = format!(
        "[[source]]\nid = \"test\"\nname = \"test\"\npublisher = \"test\"\nkind = \"research\"\ncountry = \"INT\"\nurl = {}\nformat = \"feed\"\nschedule = \"0 0 * * * *\"\n",
        toml::Value::String(url.to_owned())
    );
    let found = start::parse_sources(&text, "the address")?;
    found.into_iter().next().ok_or_else(|| Failure::Usage(format!("'{url}' cannot be used as an address")))
}

async fn test(global: &Global, target: &str, as_json: bool) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let all = start::sources(&settings, &catalog)?;
    let mut source = match all.iter().find(|source| source.id == target) {
        Some(source) => source.clone(),
        None if target.contains("://") => guessed(target)?,
        None => return Err(Failure::Usage(unknown(all.iter(), target))),
    };
    let (parsed, place) = match &source.mailbox {
        Some(_) => mail(&settings, &source).await?,
        None => document(&settings, &mut source, target).await?,
    };
    show(&catalog, &source, parsed, &place, as_json)
}

/// What a mailbox would give, and what it is called.
async fn mail(settings: &Settings, source: &Source) -> Result<(Parsed, String), Failure> {
    let key = source.key.as_ref().and_then(|name| settings.api_keys.get(name)).map(Secret::expose);
    let now = crate::model::clock::Clock::system().now();
    let parsed = post::look(&start::mail_client(settings), source, key, now).await?;
    Ok((parsed, http::redact(&source.url)))
}

/// What a document would give, and where it was found.
async fn document(settings: &Settings, source: &mut Source, target: &str) -> Result<(Parsed, String), Failure> {
    let client = start::client(settings)?;
    let page = match fetch::page(&client, source, Validators::default()).await? {
        Fetched::Page(page) => page,
        Fetched::NotModified(_) => {
            return Err(Failure::Failed(anyhow::anyhow!("it answered 304 (not modified) to an unconditional request")));
        }
    };
    if target.contains("://")
        && page.body.trim_ascii_start().starts_with(b"{")
        && page.body.windows(17).take(4_096).any(|bytes| bytes == b"\"vulnerabilities\"")
    {
        "kev".clone_into(&mut source.format);
    }
    Ok((parse::items(source, &page)?, page.meta.final_url.to_string()))
}

fn show(catalog: &Catalog, source: &Source, parsed: Parsed, place: &str, as_json: bool) -> Outcome {
    let (dropped, repairs) = (parsed.dropped, parsed.repairs);
    let mut drafts = normalize::drafts(source, parsed.items, crate::model::clock::Clock::system().now());
    tag::all(&Matcher::new(catalog), source, &mut drafts);
    if as_json {
        output::json(&json!({ "items": drafts, "dropped": dropped, "repairs": repairs }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["published", "severity", "exploited", "platforms", "title"]);
    for draft in &drafts {
        let platforms: Vec<&str> = draft.tags.iter().map(|tag| tag.platform.0.as_str()).collect();
        table.row([
            draft.item.published.map_or_else(|| "-".to_owned(), |at| at.to_string()[..10].to_owned()),
            draft.severity.to_string(),
            if draft.exploited { "yes".to_owned() } else { "-".to_owned() },
            if platforms.is_empty() { "-".to_owned() } else { text::truncate(&platforms.join(" "), 40) },
            text::truncate(&draft.item.title, 100),
        ]);
    }
    output::raw(&table.render());
    output::line(&format!("{} items would be taken from {place}, {dropped} could not be read", drafts.len()));
    for repair in repairs {
        output::line(&format!("repaired: {repair}"));
    }
    Ok(ExitCode::SUCCESS)
}
