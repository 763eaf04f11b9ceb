//! `advisories show`: one advisory, with all that is known of it and how that came about.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;

use super::{Show, exported, told};
use crate::cli::{Failure, Global, Outcome, output, start};
use crate::jobs::shown;
use crate::model::advisory::{Advisory, AdvisoryId, Content, Event};
use crate::model::clock::Timestamp;
use crate::model::context::{Topic, block};
use crate::model::draft::Draft;
use crate::model::platform::{Evidence, Role};
use crate::model::{changes, text};
use crate::store::{StoreError, Tx, advisories, events, items, links};

/// Most revisions of which the changes are shown; the newest ones.
const REVISIONS: usize = 50;

/// Why each item is in its advisory, by number, and whether an operator put it there.
type Reasons = BTreeMap<i64, (String, bool)>;

/// Everything about one advisory.
struct Whole {
    advisory: Advisory,
    items: Vec<Draft>,
    reasons: Reasons,
    revisions: Vec<Revision>,
    events: Vec<Event>,
}

/// A revision, with what it said.
struct Revision {
    number: i64,
    at: Timestamp,
    content: Content,
}

fn load(tx: &mut Tx<'_>, id: &AdvisoryId) -> Result<Option<Whole>, StoreError> {
    let Some(current) = advisories::current(tx, id)? else { return Ok(None) };
    let Some(advisory) = advisories::get(tx, &current)? else { return Ok(None) };
    let numbers = advisories::revisions(tx, &current)?;
    let mut revisions = Vec::new();
    // One more than is shown, to compare the first one with.
    for (number, at) in numbers.into_iter().rev().take(REVISIONS + 1) {
        let content = advisories::revision(tx, &current, number)?.unwrap_or_default();
        revisions.push(Revision { number, at, content });
    }
    revisions.reverse();
    Ok(Some(Whole {
        advisory: shown::with_newest_scores(tx, advisory)?,
        items: items::of_advisory(tx, &current)?,
        reasons: links::reasons(tx, &current)?,
        revisions,
        events: events::of_advisory(tx, &current)?,
    }))
}

/// Shows one advisory.
pub(super) async fn show(global: &Global, arguments: &Show) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let store = start::store(&settings).await?;
    let id = AdvisoryId(arguments.id.to_uppercase());
    let wanted = id.clone();
    let Some(whole) = store.read(move |tx| load(tx, &wanted)).await? else {
        return Err(Failure::Failed(anyhow::anyhow!(
            "there is no advisory {id}; `rattlewatch advisories list` shows what there is"
        )));
    };
    let topics = block(&whole.advisory.content, &|id| catalog.name(id));
    if arguments.json {
        output::json(&in_json(&whole, &topics))?;
        return Ok(ExitCode::SUCCESS);
    }
    if whole.advisory.id != id {
        output::line(&format!("{id} is part of {} now.\n", whole.advisory.id));
    }
    output::raw(&described(&whole, &topics));
    Ok(ExitCode::SUCCESS)
}

fn in_json(whole: &Whole, topics: &[Topic]) -> serde_json::Value {
    let Whole { advisory, items, reasons, events, .. } = whole;
    let mut value = exported(advisory, items);
    value["summary"] = json!(advisory.content.summary);
    value["action"] = json!(advisory.content.action);
    value["exploitation"] = json!(advisory.content.exploitation);
    value["facts"] = json!(advisory.content.facts);
    value["context"] = json!(topics);
    value["tags"] = json!(advisory.content.tags);
    value["topics"] = json!(advisory.content.topics);
    for (item, (number, (because, by_hand))) in value["items"].as_array_mut().into_iter().flatten().zip(reasons) {
        item["item"] = json!(number);
        item["because"] = json!(because);
        item["by_hand"] = json!(by_hand);
    }
    value["revision"] = json!(advisory.revision);
    value["events"] = events.iter().map(told).collect();
    value
}

/// The platforms that it touches, those that it merely mentions, and its topics, each with the words that say so.
fn named(content: &Content) -> Vec<String> {
    let mut lines = Vec::new();
    for (label, role) in [("Platforms", Role::Affected), ("Mentions", Role::Mentioned)] {
        for (at, tag) in content.tags.iter().filter(|tag| tag.role == role).enumerate() {
            let said = |piece: &Evidence| format!(" ('{}' in the {:?})", piece.matched, piece.field).to_lowercase();
            let why = tag.evidence.first().map(said).unwrap_or_default();
            let label = if at == 0 { label } else { "" };
            lines.push(format!("{label:<16}{} {:.2}{why}", tag.platform, tag.confidence));
        }
    }
    for (at, about) in content.topics.iter().enumerate() {
        lines.push(format!("{:<16}{} ({})", if at == 0 { "Topics" } else { "" }, about.topic, about.because));
    }
    lines
}

fn described(whole: &Whole, topics: &[Topic]) -> String {
    let content = &whole.advisory.content;
    let mut lines = vec![format!("{}  {}", whole.advisory.id, content.title)];
    if !content.cves.is_empty() {
        let cves: Vec<String> = content.cves.iter().map(ToString::to_string).collect();
        lines.push(cves.join(", "));
    }
    lines.push(String::new());
    for topic in topics.iter().filter(|topic| topic.key != "sources") {
        for (at, line) in topic.lines.iter().enumerate() {
            let label = if at == 0 { topic.label } else { "" };
            let by = line.by.as_ref().map(|by| format!("  [{}]", by.name)).unwrap_or_default();
            lines.push(format!("{label:<16}{}{by}", line.text));
        }
    }
    lines.extend(named(content));
    lines.push(String::new());
    // Both are in order of arrival.
    for (draft, (number, (because, _))) in whole.items.iter().zip(&whole.reasons) {
        lines.push(format!("{:<16}{}: {}", "Source", draft.source_name, draft.item.title));
        lines.push(format!("{:<16}{}", "", draft.item.url.as_deref().unwrap_or("(no page)")));
        lines.push(format!("{:<16}item {number}, here because: {because}", ""));
    }
    lines.push(String::new());
    lines.extend(history(whole));
    lines.push(String::new());
    lines.push(content.summary.clone());
    lines.join("\n") + "\n"
}

/// Each revision with the event that it made, and what it says that the one before did not.
fn history(whole: &Whole) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, revision) in whole.revisions.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &whole.revisions[before]);
        if before.is_none() && revision.number > 1 {
            lines.push(format!("({} older revisions)", revision.number));
            continue;
        }
        let told = whole.events.iter().filter(|event| event.revision == revision.number);
        let told: Vec<String> = told
            .map(|event| {
                std::iter::once(event.kind.to_string()).chain(event.reasons.clone()).collect::<Vec<_>>().join("; ")
            })
            .collect();
        let told = if told.is_empty() { "nobody was told".to_owned() } else { told.join(" / ") };
        lines.push(format!("revision {}  {}  {told}", revision.number, revision.at));
        if let Some(before) = before {
            let changes = changes::between(&before.content, &revision.content);
            lines.extend(changes.iter().map(|change| format!("  {}", text::truncate(&change.to_string(), 240))));
        }
    }
    lines
}
