//! `rattlewatch sources test`: what a source, or any address, would give. Nothing is stored.

use std::process::ExitCode;

use serde_json::json;

use super::table::Table;
use super::{Failure, Outcome, output, sources, start};
use crate::cli::Global;
use crate::config::sources::Source;
use crate::formats::walk::Start;
use crate::jobs::{post, walk};
use crate::model::clock::Clock;
use crate::model::draft::Draft;
use crate::model::platform::Role;
use crate::model::text;
use crate::pipeline::{normalize, tag};
use crate::platforms::Matcher;

/// Most items shown of a source that is more than one document.
const MOST: usize = 50;

pub(super) async fn main(global: &Global, target: &str, as_json: bool) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let all = start::sources(&settings, &catalog)?;
    let listed = all.iter().find(|source| source.id == target).cloned();
    let candidates = match listed {
        Some(source) => vec![source],
        None if target.contains("://") => guessed(target)?,
        None => return Err(Failure::Usage(sources::unknown(all.iter(), target))),
    };
    let client = start::client(&settings)?;
    let now = Clock::system().now();
    let mut outcome = None;
    for source in candidates {
        let key = source.key.as_ref().and_then(|name| settings.api_keys.get(name)).map(|key| key.expose().to_owned());
        let begin = Start { source: &source, key: key.as_deref(), cursor: None, since: None, now };
        let tried = match source.mailbox {
            Some(_) => post::trial(&start::mail_client(&settings), &begin).await,
            None => walk::trial(&client, &settings.data_dir, &begin, MOST).await,
        };
        // Of a bare address, the format that gives something is the right one; else the first one's reason is told.
        let gave = tried.as_ref().is_ok_and(|parsed| !parsed.items.is_empty());
        if outcome.is_none() || gave {
            outcome = Some((source, tried));
        }
        if gave {
            break;
        }
    }
    let Some((source, tried)) = outcome else { return Err(Failure::Usage("nothing to try".to_owned())) };
    let parsed = tried?;
    let (dropped, repairs) = (parsed.dropped, parsed.repairs);
    let mut drafts = normalize::drafts(&source, parsed.items, now);
    tag::all(&Matcher::new(&catalog), &source, &mut drafts);
    let scores = parsed.epss.map_or(0, |(_, scores)| scores.len());
    if as_json {
        output::json(&json!({
            "format": source.format, "items": drafts, "epss_scores": scores, "dropped": dropped, "repairs": repairs,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::raw(&table(&drafts));
    let scores = if scores > 0 { format!("{scores} EPSS scores and ") } else { String::new() };
    output::line(&format!(
        "{scores}{} items would be taken from {} as {}, {dropped} could not be read",
        drafts.len(),
        source.url,
        source.format
    ));
    for repair in repairs {
        output::line(&format!("repaired: {repair}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(drafts: &[Draft]) -> String {
    let mut table = Table::new(&["published", "severity", "exploited", "platforms", "title"]);
    for draft in drafts {
        let platforms: Vec<&str> =
            draft.tags.iter().filter(|tag| tag.role == Role::Affected).map(|tag| tag.platform.0.as_str()).collect();
        table.row([
            draft.item.published.map_or_else(|| "-".to_owned(), |at| at.to_string()[..10].to_owned()),
            draft.severity.to_string(),
            if draft.exploited { "yes".to_owned() } else { "-".to_owned() },
            if platforms.is_empty() { "-".to_owned() } else { text::truncate(&platforms.join(" "), 40) },
            text::truncate(&draft.item.title, 100),
        ]);
    }
    table.render()
}

/// Sources made from a bare address, one for each format that an address alone can be read as.
fn guessed(url: &str) -> Result<Vec<Source>, Failure> {
    let quoted = toml::Value::String(url.to_owned());
    let mut found = Vec::new();
    // A page needs selectors that an address does not have; feeds are the usual case, so they come first.
    let formats = crate::formats::names();
    let others = formats.iter().copied().filter(|name| !matches!(*name, "feed" | "html" | "json" | "mailbox"));
    for format in std::iter::once("feed").chain(others) {
        let text = format!(
            "[[source]]\nid = \"test\"\nname = \"test\"\npublisher = \"test\"\nkind = \"research\"\ncountry = \"INT\"\n\
             url = {quoted}\nformat = \"{format}\"\nschedule = \"0 0 * * * *\"\n"
        );
        found.extend(start::parse_sources(&text, "the address")?);
    }
    Ok(found)
}
