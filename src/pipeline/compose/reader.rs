//! The reader's side of a letter: which of the platforms touched are theirs, and why they get it.

use serde::Serialize;

use super::Envelope;
use super::text::{cut, link, list};
use crate::model::advisory::Content;
use crate::model::audience::{Floor, Wish};
use crate::model::platform::{Evidence, Field, PlatformId, Tag};
use crate::model::topic::About;

/// A platform that an advisory touches.
#[derive(Debug, Serialize)]
pub struct Touched {
    /// Its shown name.
    pub name: String,
    /// Why we say so, as a clause.
    pub why: String,
    /// The title names it.
    pub titled: bool,
    /// The reader runs it.
    pub yours: bool,
}

/// The platforms touched: the reader's first, the surest first.
pub fn touched(content: &Content, wish: &Wish, name: &dyn Fn(&PlatformId) -> String) -> Vec<Touched> {
    let asked = |tag: &Tag| std::iter::once(&tag.platform).chain(&tag.under).any(|id| wish.platforms.contains(id));
    let mut tags: Vec<_> = content.affected().map(|tag| (asked(tag), tag)).collect();
    tags.sort_by(|(yours, tag), (theirs, other)| {
        theirs.cmp(yours).then(other.confidence.total_cmp(&tag.confidence)).then(tag.platform.cmp(&other.platform))
    });
    tags.into_iter()
        .map(|(yours, tag)| {
            let name = cut(&name(&tag.platform), 60);
            let titled = named_in(&content.title, &name, &tag.evidence);
            Touched { name, why: tag.because(), titled, yours }
        })
        .collect()
}

/// Names of the reader's platforms among those touched; of all touched where none is the reader's.
pub fn names(touched: &[Touched]) -> (Vec<String>, bool) {
    let yours: Vec<String> = touched.iter().filter(|one| one.yours).map(|one| one.name.clone()).collect();
    match yours.is_empty() {
        true => (touched.iter().map(|one| one.name.clone()).collect(), false),
        false => (yours, true),
    }
}

/// The reader's platforms among those touched, each with the words by which it was matched.
pub fn matched(touched: &[Touched]) -> Vec<String> {
    touched.iter().filter(|one| one.yours).map(|one| format!("{} ({})", one.name, one.why)).collect()
}

/// The topics of an advisory that the reader asked for, and why we say that it is about them.
pub fn concerns<'c>(content: &'c Content, wish: &Wish) -> Vec<&'c About> {
    content.topics.iter().filter(|about| wish.topics.contains(&about.topic)).collect()
}

/// Whether `title` says the platform's name, or the words that gave it its tag.
fn named_in(title: &str, name: &str, evidence: &[Evidence]) -> bool {
    let title = title.to_lowercase();
    let words = evidence.iter().filter(|piece| piece.field == Field::Title).map(|piece| piece.matched.as_str());
    words.chain([name]).any(|said| !said.is_empty() && title.contains(&said.to_lowercase()))
}

/// The end of every letter.
#[derive(Debug, Serialize)]
pub struct Footer {
    /// Why this reader gets it.
    pub why: String,
    /// Where to stop it; absent where only a person can.
    pub stop: Option<String>,
}

/// The end of an alert about `platforms` and `topics` that the reader asked for, or of a digest where that is `None`.
pub fn footer(
    envelope: &Envelope<'_>,
    wish: &Wish,
    about: Option<(&[String], &[&About])>,
    name: &dyn Fn(&PlatformId) -> String,
) -> Footer {
    let run = match about {
        Some((platforms, _)) if !platforms.is_empty() => list(platforms, 3),
        Some((_, [_, ..])) => String::new(),
        _ => list(&wish.platforms.iter().map(|id| cut(&name(id), 60)).collect::<Vec<_>>(), 6),
    };
    let because = match (wish.everything, about) {
        (true, _) => "You get this because you asked for everything".to_owned(),
        _ if !run.is_empty() => format!("You get this because you run {run}"),
        (_, Some((_, [first, ..]))) => {
            format!("You get this because it is about {}: {}", first.topic.name(), cut(&first.because, 120))
        }
        _ => "You get this because you subscribed".to_owned(),
    };
    let floor = match wish.floor {
        Floor::All => "every rating",
        Floor::Medium => "medium and above, not rated yet, or exploited",
        Floor::High => "high and above, not rated yet, or exploited",
        Floor::Critical => "critical or exploited",
        Floor::Exploited => "exploited only",
    };
    let what = if wish.instant { "Mailed at once" } else { "Included" };
    Footer {
        why: format!("{because}. {what}: {floor}."),
        stop: envelope.unsubscribe.as_deref().and_then(link).map(|(address, _)| address),
    }
}
