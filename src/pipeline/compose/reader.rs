//! The reader's side of a letter: which of the platforms touched are theirs, and why they get it.

use serde::Serialize;

use super::Envelope;
use super::text::{cut, link, list};
use crate::model::advisory::Content;
use crate::model::audience::{Floor, Wish};
use crate::model::platform::{Evidence, Field, PlatformId};

/// A platform that an advisory touches.
#[derive(Debug, Serialize)]
pub struct Touched {
    /// Its shown name.
    pub name: String,
    /// Why we say so, as the end of a sentence.
    pub why: String,
    /// The reader runs it.
    pub yours: bool,
}

/// The platforms touched: the reader's first, the surest first.
pub fn touched(content: &Content, wish: &Wish, name: &dyn Fn(&PlatformId) -> String) -> Vec<Touched> {
    let mut tags: Vec<_> =
        content.tags.iter().map(|tag| (wish.platforms.contains(&tag.platform), tag)).collect();
    tags.sort_by(|(yours, tag), (theirs, other)| {
        theirs.cmp(yours).then(other.confidence.total_cmp(&tag.confidence)).then(tag.platform.cmp(&other.platform))
    });
    tags.into_iter()
        .map(|(yours, tag)| Touched { name: cut(&name(&tag.platform), 60), why: because(&tag.evidence), yours })
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

fn because(evidence: &[Evidence]) -> String {
    let mut said: Vec<String> = Vec::new();
    for piece in evidence {
        let words = cut(&piece.matched, 60);
        let clause = match piece.field {
            Field::Title => format!("the title says '{words}'"),
            Field::Text => format!("the text says '{words}'"),
            Field::Product => format!("its product data name '{words}'"),
            Field::Source => "the source writes of this vendor's products only".to_owned(),
        };
        if !said.contains(&clause) && said.len() < 2 {
            said.push(clause);
        }
    }
    said.join(" and ")
}

/// The end of every letter.
#[derive(Debug, Serialize)]
pub struct Footer {
    /// Why this reader gets it.
    pub why: String,
    /// Where to stop it; absent where only a person can.
    pub stop: Option<String>,
}

/// The end of an alert about `platforms`, or of a digest where none are given.
pub fn footer(envelope: &Envelope<'_>, wish: &Wish, platforms: Option<&[String]>, name: &dyn Fn(&PlatformId) -> String) -> Footer {
    let run = match platforms {
        Some(some) if !some.is_empty() => list(some, 3),
        _ => list(&wish.platforms.iter().map(|id| cut(&name(id), 60)).collect::<Vec<_>>(), 6),
    };
    let because = match (wish.everything, run.is_empty()) {
        (true, _) => "You get this because you asked for everything".to_owned(),
        (false, true) => "You get this because you subscribed".to_owned(),
        (false, false) => format!("You get this because you run {run}"),
    };
    let floor = match wish.floor {
        Floor::All => "whatever the rating",
        Floor::Medium => "from medium up, without a rating yet, or exploited",
        Floor::High => "from high up, without a rating yet, or exploited",
        Floor::Critical => "only what is critical or exploited",
        Floor::Exploited => "only what is exploited",
    };
    let asked = if wish.everything { "" } else { " and asked for mail" };
    Footer {
        why: format!("{because}{asked}, {floor}."),
        stop: envelope.unsubscribe.as_deref().and_then(link).map(|(address, _)| address),
    }
}
