//! The context block: what an advisory comes to, in the order in which a technician asks. Computed, never written by hand.
//!
//! Every line can name its source. The same content gives the same block, so that page, mail and API say one thing.

mod risk;
mod what;

use jiff::civil::Date;
use serde::Serialize;

use super::advisory::{Content, Reference};
use super::clock::Timestamp;
use super::facts::{Origin, Stated};
use super::platform::PlatformId;
use super::text;

pub use risk::{exploited, how_bad};
pub use what::{touches, what};

/// Most sources listed.
const SOURCES: usize = 12;
/// Longest quotation in a line, in characters.
const QUOTE: usize = 400;

/// One sentence, and who says it; nobody where it is our own conclusion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The sentence.
    pub text: String,
    /// Who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Origin>,
}

/// The lines that answer one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its name for programs.
    pub key: &'static str,
    /// The question, for people.
    pub label: &'static str,
    /// The answer; never empty.
    pub lines: Vec<Line>,
}

/// The whole block; `name` gives the shown name of a platform.
#[must_use]
pub fn block(content: &Content, name: &dyn Fn(&PlatformId) -> String) -> Vec<Topic> {
    let topics = [
        ("what", "What it is", vec![what(content, name)]),
        ("touches", "What it touches", touches(content, name)),
        ("exploited", "Exploited?", exploited(content)),
        ("severity", "How bad", how_bad(content)),
        ("todo", "What to do now", todo(content)),
        ("since", "Since when", since(content)),
        ("sources", "Who says so", sources(content)),
    ];
    topics
        .into_iter()
        .map(|(key, label, lines)| Topic { key, label, lines })
        .filter(|topic| !topic.lines.is_empty())
        .collect()
}

/// What is stated to do: the fix, what helps without it, and what US agencies must do by when.
#[must_use]
pub fn todo(content: &Content) -> Vec<Line> {
    let facts = &content.facts;
    let mut lines = Vec::new();
    if content.withdrawn {
        lines.push(Line::own("Nothing: the publisher has taken it back."));
        return lines;
    }
    let quoted = |what: &str, said: &Stated| Line {
        text: format!("{what}: \u{201c}{}\u{201d}", text::truncate(&said.text, QUOTE)),
        by: Some(said.by.clone()),
    };
    lines.extend(facts.fix.as_ref().map(|fix| quoted("Fix", fix)));
    lines.extend(fixed_versions(content));
    lines.extend(
        facts
            .patch
            .as_ref()
            .map(|patch| Line { text: format!("Get it from {}", patch.text), by: Some(patch.by.clone()) }),
    );
    lines.extend(facts.workaround.as_ref().map(|around| quoted("Without the fix", around)));
    if let Some(asked) = &facts.asked {
        lines.push(quoted("CISA asks", asked));
    }
    if let Some(kev) = content.exploitation.kev.as_ref().filter(|kev| !kev.due.is_empty()) {
        let by = facts
            .asked
            .as_ref()
            .map_or_else(|| Origin { name: "CISA KEV".to_owned(), url: String::new() }, |asked| asked.by.clone());
        lines.push(Line { text: format!("US federal agencies must act by {}.", day(&kev.due)), by: Some(by) });
    }
    if lines.is_empty() {
        lines.push(Line::own("No source says yet. Look at the vendor's own page, and watch here."));
    }
    lines
}

/// The fixed versions, where no words tell of the fix.
fn fixed_versions(content: &Content) -> Option<Line> {
    if content.facts.fix.is_some() {
        return None;
    }
    let fixed = content.facts.versions.iter().find(|versions| !versions.fixed.is_empty())?;
    let text = format!("Fixed in {} {}.", fixed.product, fixed.fixed);
    Some(Line { text, by: Some(fixed.by.clone()) })
}

/// Since when it is known, to the world and here.
#[must_use]
pub fn since(content: &Content) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(at) = content.published {
        let by = content.references.first().map(origin);
        lines.push(Line { text: format!("Published on {}.", date(at)), by });
    }
    lines.push(Line::own(&format!(
        "Known here since {}.",
        content.first_seen.to_jiff().strftime("%-d %b %Y %H:%M UTC")
    )));
    lines
}

/// Everybody who speaks of it, and what its vendor says.
#[must_use]
pub fn sources(content: &Content) -> Vec<Line> {
    let mut lines: Vec<Line> = content
        .references
        .iter()
        .take(SOURCES)
        .map(|reference| Line { text: text::truncate(&reference.title, 200), by: Some(origin(reference)) })
        .collect();
    if content.references.len() > SOURCES {
        lines.push(Line::own(&format!("and {} more.", content.references.len() - SOURCES)));
    }
    lines
}

impl Line {
    /// A sentence of our own.
    #[must_use]
    pub fn own(text: &str) -> Self {
        Self { text: text.to_owned(), by: None }
    }
}

fn origin(reference: &Reference) -> Origin {
    Origin { name: reference.name.clone(), url: reference.url.clone() }
}

/// `YYYY-MM-DD` as people write it; as it stands where it is none.
fn day(iso: &str) -> String {
    iso.parse::<Date>()
        .map_or_else(|_| text::truncate(&text::one_line(iso), 30), |day| day.strftime("%-d %b %Y").to_string())
}

fn date(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %b %Y").to_string()
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
fn listed(names: &[String], most: usize) -> String {
    let (shown, more) = names.split_at(names.len().min(most));
    match (shown, more.len()) {
        ([], _) => String::new(),
        ([only], 0) => only.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
