//! Route: by which address, and by which of its sources, a publisher is read.

use std::time::Duration;

use url::Url;

use super::Context;
use super::ingest::{self, Ingested};
use crate::config::sources::Source;
use crate::http::Meta;
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::health::SourceHealth;
use crate::model::platform::PlatformId;
use crate::store::{StoreError, Tx, items, sources};

/// How often in a row a source has to say that it has moved for good before it is read there.
const MOVES: i64 = 3;
/// A document with at least so many items, none of them known, is taken for one whose names have all changed.
const RESET: usize = 8;
/// How far behind the newest item of another route an item may be dated and still be news.
const OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// How often in a row a source must have failed before another one stands in for it.
const GIVEN_UP: i64 = 2;

/// Whether `source` only stands by: the source that it stands in for can be read, or has not been tried enough.
#[must_use]
pub fn stands_by(source: &Source, health: &[SourceHealth]) -> bool {
    let Some(first) = &source.instead_of else { return false };
    let known = health.iter().find(|health| health.source == *first);
    known.is_none_or(|first| first.paused.is_none() && (first.state.weight() < 3 || first.failures < GIVEN_UP))
}

/// The source at its new address, where it has said often enough that it moved for good and stays with its site. A move
/// to another site is for the operator to decide.
#[must_use]
pub fn learned(source: &Source, health: &SourceHealth) -> Option<Source> {
    let (to, times) = health.moved.as_ref()?;
    let url = Url::parse(to).ok().filter(|url| *times >= MOVES && same_site(&source.url, url))?;
    // Now and then the old address is asked, so that a move that was taken back is noticed.
    (*times % 50 != 0).then(|| Source { url, ..source.clone() })
}

/// Whether both hosts end in the same two labels: close enough to "the same registrable domain" for a redirect that the
/// publisher itself sent, over TLS.
fn same_site(from: &Url, to: &Url) -> bool {
    let site = |url: &Url| {
        let labels: Vec<String> = url.host_str()?.rsplit('.').take(2).map(str::to_ascii_lowercase).collect();
        (labels.len() == 2 && url.scheme() == "https").then_some(labels)
    };
    site(from).is_some() && site(from) == site(to)
}

/// Where the source has moved to for good, and how often in a row it said so.
#[must_use]
pub fn moved(before: Option<(String, i64)>, meta: &Meta, read_at: &Url) -> Option<(String, i64)> {
    let here = || before.as_ref().filter(|(known, _)| known == read_at.as_str()).map(|_| read_at.to_string());
    let to = meta.moved_to.as_ref().map(ToString::to_string).or_else(here)?;
    let times = before.filter(|(known, _)| *known == to).map_or(0, |(_, times)| times);
    Some((to, times + 1))
}

/// Stores one document's drafts, and tells which of them are news.
///
/// Usually all that is new is news, and at a baseline nothing is. Two documents are in between: the first one of a
/// source that stands in for another, and one whose every item comes under a name that was never seen, as after a
/// publisher has moved to a new system. There, what is dated before the newest that is known is history, and what the
/// source has said before in the same words.
///
/// # Errors
/// Fails where the database does.
pub fn take_in(
    tx: &mut Tx<'_>,
    context: &Context,
    source: &Source,
    before: &SourceHealth,
    drafts: &[Draft],
    now: Timestamp,
) -> Result<Ingested, StoreError> {
    let name = |id: &PlatformId| context.platform_name(id);
    let is_news: Box<dyn Fn(&Draft) -> bool> = match (before.baseline, &source.instead_of) {
        (false, None) => return ingest::drafts(tx, drafts, true, now, &name),
        (false, Some(first)) => {
            let first = sources::get(tx, first)?;
            let known = first.last_news.or(first.last_success).map(|at| at.minus(OVERLAP));
            Box::new(move |draft| draft.item.published.is_some_and(|at| Some(at) >= known))
        }
        (true, _) if drafts.len() >= RESET && ingest::none_is_known(tx, drafts)? => {
            let (said, until) = (items::said_before(tx, &source.id, drafts)?, before.last_news);
            Box::new(move |draft| {
                !said.contains(&draft.content_hash) && draft.item.published.is_none_or(|at| Some(at) >= until)
            })
        }
        (true, _) => return ingest::drafts(tx, drafts, false, now, &name),
    };
    let (news, history): (Vec<Draft>, Vec<Draft>) = drafts.iter().cloned().partition(|draft| is_news(draft));
    Ok(ingest::drafts(tx, &history, true, now, &name)?.and(ingest::drafts(tx, &news, false, now, &name)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::health::HealthState;

    fn source() -> Source {
        let text = "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"government\"\ncountry = \"US\"\nurl = \"https://www.cert.example/feed\"\nformat = \"feed\"\nschedule = \"0 0 * * * *\"\n";
        let known = crate::config::sources::Known { formats: &["feed"], platforms: None, check_selector: &|_| Ok(()) };
        crate::config::sources::parse(text, "sources.toml", &known).expect("a good source").remove(0)
    }

    #[test]
    fn a_permanent_move_is_learned_after_three_times_and_only_within_the_site() {
        let health = |to: &str, times| SourceHealth { moved: Some((to.to_owned(), times)), ..SourceHealth::default() };
        let learned = |to, times| learned(&source(), &health(to, times)).map(|source| source.url.to_string());
        assert_eq!(learned("https://feeds.cert.example/all", 2), None);
        assert_eq!(learned("https://feeds.cert.example/all", 3).as_deref(), Some("https://feeds.cert.example/all"));
        assert_eq!(learned("https://elsewhere.example/all", 9), None, "another site is for the operator to decide");
        assert_eq!(learned("http://feeds.cert.example/all", 9), None, "never without TLS");
        assert_eq!(learned("https://feeds.cert.example/all", 50), None, "the old address is asked now and then");
    }

    #[test]
    fn a_stand_in_waits_until_the_first_source_is_given_up() {
        let stand_in = Source { instead_of: Some("first".to_owned()), ..source() };
        let first =
            |state, failures| [SourceHealth { source: "first".to_owned(), state, failures, ..SourceHealth::default() }];
        assert!(stands_by(&stand_in, &[]));
        assert!(stands_by(&stand_in, &first(HealthState::Ok, 0)));
        assert!(stands_by(&stand_in, &first(HealthState::Failing, 1)));
        assert!(!stands_by(&stand_in, &first(HealthState::Failing, 2)));
        assert!(!stands_by(&source(), &[]));
    }
}
