//! `rattlewatch advisories`: what is stored, for people and for programs.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::model::advisory::{Advisory, AdvisoryId, Event};
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::text;
use crate::store::{advisories, events, items};

/// Advisories read from the database at once during an export.
const PAGE: i64 = 500;

/// `advisories` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest advisories
    List(List),
    /// One advisory with its sources, platforms, revisions and events
    Show(Show),
    /// Every advisory with its items, one JSON object a line
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct List {
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
    /// Only what is known to be exploited
    #[arg(long)]
    exploited: bool,
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
    fn filter(&self, global: &Global) -> Result<advisories::Filter, Failure> {
        let platform = match &self.platform {
            None => None,
            Some(id) => {
                let catalog = start::catalog(&start::settings(global)?)?;
                Some(start::platform(&catalog, id)?.0)
            }
        };
        Ok(advisories::Filter {
            since: self.since,
            platform,
            exploited: self.exploited,
            ..advisories::Filter::default()
        })
    }
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        match command {
            Command::List(arguments) => list(global, arguments).await,
            Command::Show(arguments) => show(global, arguments).await,
            Command::Export(arguments) => export(global, arguments).await,
        }
    })
}

async fn list(global: &Global, arguments: &List) -> Outcome {
    let filter = arguments.chosen.filter(global)?;
    let store = start::store(&start::settings(global)?).await?;
    let limit = arguments.limit;
    let found = store.read(move |tx| advisories::select(tx, &filter, limit)).await?;
    if arguments.json {
        output::json(&found.iter().map(brief).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        output::line("No advisories yet. `rattlewatch run --all` reads every source now.");
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

async fn show(global: &Global, arguments: &Show) -> Outcome {
    let store = start::store(&start::settings(global)?).await?;
    let id = AdvisoryId(arguments.id.to_uppercase());
    let wanted = id.clone();
    let found = store
        .read(move |tx| {
            let Some(advisory) = advisories::get(tx, &wanted)? else { return Ok(None) };
            Ok(Some((
                advisory,
                items::of_advisory(tx, &wanted)?,
                advisories::revisions(tx, &wanted)?,
                events::of_advisory(tx, &wanted)?,
            )))
        })
        .await?;
    let Some((advisory, items, revisions, events)) = found else {
        return Err(Failure::Failed(anyhow::anyhow!(
            "there is no advisory {id}; `rattlewatch advisories list` shows what there is"
        )));
    };
    if arguments.json {
        let mut value = exported(&advisory, &items);
        value["summary"] = json!(advisory.content.summary);
        value["action"] = json!(advisory.content.action);
        value["exploitation"] = json!(advisory.content.exploitation);
        value["tags"] = json!(advisory.content.tags);
        value["revision"] = json!(advisory.revision);
        value["events"] = events.iter().map(|event| json!({"seq": event.seq, "kind": event.kind, "at": event.at.to_string(), "reasons": event.reasons})).collect();
        output::json(&value)?;
    } else {
        output::raw(&described(&advisory, &items, &revisions, &events));
    }
    Ok(ExitCode::SUCCESS)
}

fn described(advisory: &Advisory, items: &[Draft], revisions: &[(i64, Timestamp)], events: &[Event]) -> String {
    let content = &advisory.content;
    let exploitation = &content.exploitation;
    let mut lines = vec![format!("{}  {}", advisory.id, content.title), String::new()];
    lines.push(format!("severity    {}", content.severity));
    lines.push(match (exploitation.exploited, &exploitation.kev) {
        (true, Some(kev)) => {
            format!("exploited   yes, in CISA's KEV since {}, US agencies must act by {}", kev.added, kev.due)
        }
        (true, None) => format!("exploited   yes, according to {}", exploitation.according_to),
        (false, _) => "exploited   no source says so".to_owned(),
    });
    if !content.cves.is_empty() {
        lines.push(format!(
            "CVE         {}",
            content.cves.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
    }
    if !content.action.is_empty() {
        lines.push(format!("to do       {}", content.action));
    }
    for tag in &content.tags {
        let why = tag
            .evidence
            .first()
            .map(|piece| format!(" ('{}' in the {:?})", piece.matched, piece.field).to_lowercase())
            .unwrap_or_default();
        lines.push(format!("touches     {} {:.2}{why}", tag.platform, tag.confidence));
    }
    lines.push(String::new());
    for draft in items {
        lines.push(format!("source      {}: {}", draft.source_name, draft.item.title));
        lines.push(format!("            {}", draft.item.url.as_deref().unwrap_or("(no page)")));
    }
    lines.push(String::new());
    for (number, at) in revisions {
        let told: Vec<String> = events
            .iter()
            .filter(|event| event.revision == *number)
            .map(|event| {
                std::iter::once(event.kind.to_string()).chain(event.reasons.clone()).collect::<Vec<_>>().join("; ")
            })
            .collect();
        lines.push(format!("revision {number}  {at}  {}", told.join(" / ")));
    }
    lines.push(String::new());
    lines.push(content.summary.clone());
    lines.join("\n") + "\n"
}

async fn export(global: &Global, arguments: &Export) -> Outcome {
    if !arguments.jsonl {
        return Err(Failure::Usage("say in which form: advisories export --jsonl".to_owned()));
    }
    let mut filter = advisories::Filter { oldest_first: true, ..arguments.chosen.filter(global)? };
    let store = start::store(&start::settings(global)?).await?;
    loop {
        let asked = filter.clone();
        let page = store
            .read(move |tx| {
                let found = advisories::select(tx, &asked, PAGE)?;
                found
                    .into_iter()
                    .map(|advisory| items::of_advisory(tx, &advisory.id).map(|items| (advisory, items)))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for (advisory, items) in &page {
            output::line(&exported(advisory, items).to_string());
        }
        let Some((last, _)) = page.last() else { return Ok(ExitCode::SUCCESS) };
        filter.after = last.id.0.strip_prefix("RW-").and_then(|number| number.parse().ok());
    }
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
