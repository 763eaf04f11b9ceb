//! `rattlewatch advisories`: what is stored, for people and for programs.

mod by_hand;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::model::advisory::{Advisory, Event};
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::search::Query;
use crate::model::severity::Severity;
use crate::model::text;
use crate::model::topic::Topic;
use crate::store::{StoreError, Tx, advisories, events, items, listing};

/// Advisories read from the database at once during an export.
const PAGE: i64 = 500;

/// `advisories` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest advisories
    List(List),
    /// One advisory: what it comes to, its sources, and its history as a diff
    Show(Show),
    /// Every advisory with its items, one JSON object a line
    Export(Export),
    /// Make one advisory of two; whatever comes later, they stay together
    Merge {
        /// One of them, such as RW-12
        one: String,
        /// The other
        other: String,
    },
    /// Take one item out of an advisory, into one of its own; it stays there
    Split {
        /// The advisory, such as RW-12
        id: String,
        /// The item's number, as `advisories show` gives it
        #[arg(long)]
        item: i64,
    },
    /// Compare what is stored with labels that say which items speak of one event
    Evaluate {
        /// A file of lines: item (address, advisory id or `SOURCE ID`), tab, event
        labels: std::path::PathBuf,
        /// Name every pair that is wrong
        #[arg(long)]
        list: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// What to look for: words that must all be there, "words in order", begin*, -word
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id, such as RW-12
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// One JSON object a line (the only form so far)
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(Debug, Args)]
struct Chosen {
    /// Only what was new or revised on or after this date or time (2026-11-01 or 2026-11-01T08:00:00Z)
    #[arg(long, value_name = "DATE", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// Only what touches this platform
    #[arg(long, value_name = "ID")]
    platform: Option<String>,
    /// With --platform: also what merely mentions it
    #[arg(long, requires = "platform")]
    mentioned: bool,
    /// Only what is about this beside products: msp, ransomware, supply-chain, remote-access, identity, email or backup
    #[arg(long, value_name = "TOPIC")]
    topic: Option<Topic>,
    /// Only what is known to be exploited
    #[arg(long)]
    exploited: bool,
    /// Only what is rated so or higher (low, medium, high, critical)
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<Severity>,
    /// Only what this source (its id) or publisher speaks of
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only what was first seen before this date or time
    #[arg(long, value_name = "DATE", value_parser = parse_since)]
    until: Option<Timestamp>,
}

pub(super) fn parse_since(text: &str) -> Result<Timestamp, String> {
    let moment = text.parse::<jiff::Timestamp>().ok();
    let day =
        || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp());
    moment
        .or_else(day)
        .map(Timestamp::from)
        .ok_or_else(|| format!("'{text}' is not a date such as 2026-11-01 or 2026-11-01T08:00:00Z"))
}

impl Chosen {
    fn filter(&self, global: &Global) -> Result<listing::Filter, Failure> {
        let platform = match &self.platform {
            None => None,
            Some(id) => {
                let catalog = start::catalog(&start::settings(global)?)?;
                Some(start::platform(&catalog, id)?.0)
            }
        };
        Ok(listing::Filter {
            since: self.since,
            platform,
            mentioned: self.mentioned,
            topic: self.topic,
            exploited: self.exploited,
            severity: self.severity,
            source: self.source.clone(),
            until: self.until,
            ..listing::Filter::default()
        })
    }
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        match command {
            Command::List(arguments) => list(global, arguments).await,
            Command::Show(arguments) => show::show(global, arguments).await,
            Command::Export(arguments) => export(global, arguments).await,
            Command::Merge { one, other } => by_hand::merge(global, one, other).await,
            Command::Split { id, item } => by_hand::split(global, id, *item).await,
            Command::Evaluate { labels, list } => by_hand::evaluate(global, labels, *list).await,
        }
    })
}

async fn list(global: &Global, arguments: &List) -> Outcome {
    let query = Query::parse(&arguments.words.join(" "));
    if !arguments.words.is_empty() && !query.asks() {
        return Err(Failure::Usage("say at least one word to look for; -word only leaves out".to_owned()));
    }
    let filter = listing::Filter { query, ..arguments.chosen.filter(global)? };
    let asks = filter != listing::Filter::default();
    let store = start::store(&start::settings(global)?).await?;
    let limit = arguments.limit;
    let found = store.read(move |tx| listing::select(tx, &filter, limit)).await?;
    if arguments.json {
        output::json(&found.iter().map(brief).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        output::line(match asks {
            true => "No advisory is like that. Fewer words or filters find more.",
            false => "No advisories yet. `rattlewatch run --all` reads every source now.",
        });
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["id", "revised", "severity", "exploited", "platforms", "title"]);
    for advisory in &found {
        let content = &advisory.content;
        let platforms: Vec<&str> = content.platforms().map(|id| id.0.as_str()).collect();
        table.row([
            advisory.id.0.clone(),
            advisory.revised_at.to_string()[..10].to_owned(),
            content.severity.to_string(),
            if content.exploitation.exploited { "yes".to_owned() } else { "-".to_owned() },
            if platforms.is_empty() { "-".to_owned() } else { text::truncate(&platforms.join(" "), 40) },
            text::truncate(&content.title, 100),
        ]);
    }
    output::raw(&table.render());
    Ok(ExitCode::SUCCESS)
}

async fn export(global: &Global, arguments: &Export) -> Outcome {
    if !arguments.jsonl {
        return Err(Failure::Usage("say in which form: advisories export --jsonl".to_owned()));
    }
    let mut filter = listing::Filter { oldest_first: true, ..arguments.chosen.filter(global)? };
    let store = start::store(&start::settings(global)?).await?;
    loop {
        let asked = filter.clone();
        let page = store
            .read(move |tx| {
                let found = listing::select(tx, &asked, PAGE)?;
                found.into_iter().map(|advisory| whole(tx, advisory)).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for (_, line) in &page {
            output::line(&line.to_string());
        }
        let Some((last, _)) = page.last() else { return Ok(ExitCode::SUCCESS) };
        filter.after = last.id.0.strip_prefix("RW-").and_then(|number| number.parse().ok());
    }
}

/// An advisory with everything that its history holds.
fn whole(tx: &mut Tx<'_>, advisory: Advisory) -> Result<(Advisory, Value), StoreError> {
    let items = items::of_advisory(tx, &advisory.id)?;
    let mut value = exported(&advisory, &items);
    for (item, draft) in value["items"].as_array_mut().into_iter().flatten().zip(&items) {
        item["text"] = json!(draft.item.text);
    }
    value["facts"] = json!(advisory.content.facts);
    value["revisions"] = advisories::revisions(tx, &advisory.id)?.iter().map(|(number, _)| json!(number)).collect();
    value["events"] = events::of_advisory(tx, &advisory.id)?.iter().map(told).collect();
    Ok((advisory, value))
}

fn told(event: &Event) -> Value {
    json!({"seq": event.seq, "kind": event.kind, "at": event.at.to_string(), "reasons": event.reasons})
}

fn brief(advisory: &Advisory) -> Value {
    let content = &advisory.content;
    json!({
        "id": advisory.id,
        "title": content.title,
        "kind": content.kind,
        "severity": content.severity,
        "cves": content.cves,
        "platforms": content.platforms().collect::<Vec<_>>(),
        "topics": content.topics.iter().map(|about| about.topic).collect::<Vec<_>>(),
        "exploited": content.exploitation.exploited,
        "first_seen": content.first_seen.to_string(),
        "revised_at": advisory.revised_at.to_string(),
    })
}

fn exported(advisory: &Advisory, items: &[Draft]) -> Value {
    let mut value = brief(advisory);
    value["items"] = items
        .iter()
        .map(|draft| {
            json!({
                "source": draft.source,
                "url": draft.item.url,
                "native_id": draft.item.native_id,
                "published": draft.item.published.map(|at| at.to_string()),
                "title": draft.item.title,
            })
        })
        .collect();
    value
}
