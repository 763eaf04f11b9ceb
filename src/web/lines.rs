//! Lines: an advisory as lists show it.

use crate::jobs::Context;
use crate::model::advisory::Advisory;
use crate::model::clock::Timestamp;

/// Platforms named in a line.
const PLATFORMS: usize = 4;

/// A moment, for programs and for people.
pub(super) struct When {
    /// RFC 3339.
    pub(super) iso: String,
    pub(super) text: String,
}

impl When {
    pub(super) fn at(at: Timestamp) -> Self {
        Self {
            iso: at.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            text: at.to_jiff().strftime("%d %b %Y %H:%M UTC").to_string(),
        }
    }
}

/// A moment that may not have come.
pub(super) fn when(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| When::at(at).text)
}

/// A day; empty where it is not known.
pub(super) fn day(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_jiff().strftime("%d %b %Y").to_string()).unwrap_or_default()
}

/// One advisory in a list.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) severity: &'static str,
    pub(super) exploited: bool,
    /// Ids and names of the platforms that it touches, the first few.
    pub(super) platforms: Vec<(String, String)>,
    /// Who speaks of it first.
    pub(super) source: String,
    /// When it was last revised.
    pub(super) when: When,
}

impl Line {
    pub(super) fn of(context: &Context, advisory: &Advisory) -> Self {
        let content = &advisory.content;
        let platforms = content.platforms().take(PLATFORMS).map(|id| (id.0.clone(), context.platform_name(id)));
        Self {
            id: advisory.id.0.clone(),
            title: content.title.clone(),
            severity: content.severity.as_str(),
            exploited: content.exploitation.exploited,
            platforms: platforms.collect(),
            source: content.references.first().map(|reference| reference.name.clone()).unwrap_or_default(),
            when: When::at(advisory.revised_at),
        }
    }
}
