//! Wrong matches: somebody says that an advisory does not touch a platform; an operator decides, and the decision stays.

use crate::jobs::ingest;
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Timestamp;
use crate::model::platform::{PlatformId, Tag};
use crate::store::wrong_matches::{self, State, WrongMatch};
use crate::store::{StoreError, Tx, advisories, counters, items, links};

/// Longest note and longest phrase kept, in characters.
pub const NOTE_MAX: usize = 500;

/// Stores that `advisory` does not touch `platform`, with what gave the tag. `Err` inside says why it cannot be.
///
/// # Errors
/// Fails where the database does.
pub fn report(
    tx: &mut Tx<'_>,
    advisory: &AdvisoryId,
    platform: &PlatformId,
    note: &str,
    by: &str,
    now: Timestamp,
) -> Result<Result<WrongMatch, String>, StoreError> {
    let Some(current) = advisories::current(tx, advisory)? else {
        return Ok(Err(format!("there is no {advisory}; `rattlewatch advisories list` shows what there is")));
    };
    let tags = advisories::get(tx, &current)?.map(|known| known.content.tags).unwrap_or_default();
    let Some(Tag { evidence, .. }) = tags.iter().find(|tag| tag.platform == *platform).cloned() else {
        let has: Vec<&str> = tags.iter().map(|tag| tag.platform.0.as_str()).collect();
        let has = if has.is_empty() { "no platform at all".to_owned() } else { has.join(", ") };
        return Ok(Err(format!("{current} is not tagged with {platform}; it is with {has}")));
    };
    let (note, said_by) = (crate::model::text::truncate(note, NOTE_MAX), by.to_owned());
    let (platform, state) = (platform.clone(), State::Open);
    let mut report = WrongMatch { id: 0, advisory: current, platform, evidence, note, said_by, at: now, state };
    report.id = wrong_matches::add(tx, &report)?;
    Ok(Ok(report))
}

/// Takes the tag away, for good, from every item of the advisory; with `phrase`, makes that void the platform's names
/// everywhere from the next start on. Nobody is mailed.
///
/// # Errors
/// Fails where the database does.
pub fn accept(
    tx: &mut Tx<'_>,
    id: i64,
    phrase: Option<&str>,
    by: &str,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Result<WrongMatch, String>, StoreError> {
    counters::next(tx, counters::Counter::Ingest)?;
    let report = match decided(tx, id, State::Accepted)? {
        Ok(report) => report,
        Err(why) => return Ok(Err(why)),
    };
    let advisory = advisories::current(tx, &report.advisory)?.unwrap_or_else(|| report.advisory.clone());
    for item in links::within(tx, &[advisory.clone()].into())? {
        if let Some(mut draft) = items::get(tx, item)?
            && draft.tags.iter().any(|tag| tag.platform == report.platform)
        {
            draft.denied.insert(report.platform.clone());
            draft.tags.retain(|tag| tag.platform != report.platform);
            items::rewrite(tx, item, &draft, now)?;
        }
    }
    ingest::refresh(tx, &advisory, now, name)?;
    if let Some(phrase) = phrase {
        wrong_matches::add_rule(tx, &report.platform, phrase, by, now)?;
    }
    Ok(Ok(report))
}

/// The tag was right: the report is closed.
///
/// # Errors
/// Fails where the database does.
pub fn dismiss(tx: &mut Tx<'_>, id: i64) -> Result<Result<WrongMatch, String>, StoreError> {
    decided(tx, id, State::Dismissed)
}

fn decided(tx: &mut Tx<'_>, id: i64, state: State) -> Result<Result<WrongMatch, String>, StoreError> {
    let Some(report) = wrong_matches::get(tx, id)? else {
        return Ok(Err(format!("there is no report {id}; `rattlewatch wrong-match list` shows them")));
    };
    if !wrong_matches::decide(tx, id, state)? {
        return Ok(Err(format!("the report {id} was {} before", report.state.as_str())));
    }
    Ok(Ok(WrongMatch { state, ..report }))
}
