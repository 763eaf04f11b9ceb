//! The reader's side of a letter: which of the platforms touched are theirs, and why they get it.

use serde::Serialize;

use super::text::{cut, link, list};
use super::{Envelope, Sites};
use crate::model::advisory::Content;
use crate::model::audience::{DigestEvery, Floor, Follow, Wish, weekday_name};
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
    /// Which of the reader's clients run it: `Contoso and Fabrikam`; empty where that is not known.
    pub sites: String,
}

/// The platforms touched: the reader's first, the surest first.
pub fn touched(content: &Content, wish: &Wish, name: &dyn Fn(&PlatformId) -> String) -> Vec<Touched> {
    let asked = |tag: &Tag| std::iter::once(&tag.platform).chain(&tag.under).any(|id| wish.asks_for(id));
    let mut tags: Vec<_> = content.affected().map(|tag| (asked(tag), tag)).collect();
    tags.sort_by(|(yours, tag), (theirs, other)| {
        theirs.cmp(yours).then(other.confidence.total_cmp(&tag.confidence)).then(tag.platform.cmp(&other.platform))
    });
    tags.into_iter()
        .map(|(yours, tag)| {
            let name = cut(&name(&tag.platform), 60);
            let titled = named_in(&content.title, &name, &tag.evidence);
            Touched { name, why: tag.because(), titled, yours, sites: String::new() }
        })
        .collect()
}

/// As [`touched`], with the reader's clients that run each.
pub fn touched_at(content: &Content, wish: &Wish, sites: &Sites, name: &dyn Fn(&PlatformId) -> String) -> Vec<Touched> {
    let mut all = touched(content, wish, name);
    if !sites.is_empty() {
        for tag in content.affected() {
            let Some(clients) = sites.get(&tag.platform) else { continue };
            let known = cut(&name(&tag.platform), 60);
            let clients: Vec<String> = clients.iter().map(|client| cut(client, 60)).collect();
            if let Some(one) = all.iter_mut().find(|one| one.name == known) {
                one.sites = list(&clients, 5);
            }
        }
    }
    all
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
    /// Where to change what comes; absent where only a person can.
    pub change: Option<String>,
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
        _ => list(&wish.platforms.iter().chain(&wish.followed).map(|id| cut(&name(id), 60)).collect::<Vec<_>>(), 6),
    };
    let because = match (wish.everything, about) {
        (true, _) => "You get this because you asked for everything".to_owned(),
        _ if !run.is_empty() => format!("You get this because you run {run}"),
        (_, Some((_, [first, ..]))) => {
            format!("You get this because it is about {}: {}", first.topic.name(), cut(&first.because, 120))
        }
        _ => "You get this because you subscribed".to_owned(),
    };
    let floor = floor(wish.floor);
    let what = if wish.instant { "Mailed at once" } else { "Included" };
    Footer {
        why: format!("{because}. {what}: {floor}."),
        stop: envelope.unsubscribe.as_deref().and_then(link).map(|(address, _)| address),
        change: envelope.preferences.as_deref().and_then(link).map(|(address, _)| address),
    }
}

fn floor(floor: Floor) -> &'static str {
    match floor {
        Floor::All => "every rating",
        Floor::Medium => "medium and above, not rated yet, or exploited",
        Floor::High => "high and above, not rated yet, or exploited",
        Floor::Critical => "critical or exploited",
        Floor::Exploited => "exploited only",
    }
}

/// A wish in sentences for the one who has it, one a line.
pub fn wanted(wish: &Wish, name: &dyn Fn(&PlatformId) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    if wish.everything {
        lines.push("Every advisory, whatever it touches".to_owned());
    }
    let platforms: Vec<String> = wish.platforms.iter().map(|id| cut(&name(id), 60)).collect();
    let groups = wish.follows.iter().map(|follow| match follow {
        Follow::Stack(_) => "all that the organization runs".to_owned(),
        Follow::Category(word) => format!("every {} product", word.replace('-', " ")),
        Follow::Vendor(vendor) => format!("everything by {}", cut(vendor, 60)),
    });
    let runs: Vec<String> = platforms.into_iter().chain(groups).collect();
    if !runs.is_empty() {
        lines.push(format!("What touches {}", list(&runs, 30)));
    }
    for topic in &wish.topics {
        lines.push(format!("What is about {}, whatever you run", topic.name()));
    }
    if wish.instant {
        let quiet = wish.quiet.map_or_else(String::new, |quiet| {
            format!(", but not between {} and {}", quiet.from.strftime("%H:%M"), quiet.to.strftime("%H:%M"))
        });
        lines.push(format!("A mail at once: {}{quiet}", floor(wish.floor)));
    }
    let digest = &wish.digest;
    let (at, zone) = (digest.at.strftime("%H:%M"), cut(&digest.timezone, 60));
    match digest.every {
        DigestEvery::None => {}
        DigestEvery::Daily => lines.push(format!("A digest every day at {at} ({zone})")),
        DigestEvery::Weekly => {
            let day = weekday_name(digest.day);
            let day = format!("{}{}", day[..1].to_uppercase(), &day[1..]);
            lines.push(format!("A digest every {day} at {at} ({zone})"));
        }
    }
    lines
}
