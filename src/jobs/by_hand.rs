//! By hand: an operator says what is one advisory and what is not, and the decision stays.

use crate::jobs::ingest;
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::platform::PlatformId;
use crate::store::{StoreError, Tx, advisories, counters, items, links, search};

const BECAUSE: &str = "put there by hand";

/// What came of it, or why it cannot be.
pub type Outcome = Result<AdvisoryId, String>;

/// Makes one advisory of `one` and `other`: that with the lower number stays, the other one leads to it. Nobody is told.
///
/// # Errors
/// Fails where the database does.
pub fn merge(
    tx: &mut Tx<'_>,
    one: &AdvisoryId,
    other: &AdvisoryId,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Outcome, StoreError> {
    counters::next(tx, counters::Counter::Ingest)?;
    let (Some(one), Some(other)) = (advisories::current(tx, one)?, advisories::current(tx, other)?) else {
        return Ok(Err("one of them does not exist; `rattlewatch advisories list` shows what there is".to_owned()));
    };
    if one == other {
        return Ok(Err(format!("both are {one} already")));
    }
    let (home, gone) = if one.number() < other.number() { (one, other) } else { (other, one) };
    for item in links::within(tx, &[gone.clone()].into())? {
        links::place(tx, item, &home, BECAUSE)?;
    }
    links::pin(tx, &home, BECAUSE)?;
    ingest::take_over(tx, &home, &gone, now, name)?;
    advisories::retire(tx, &gone, &home)?;
    Ok(Ok(home))
}

/// Takes the item number `item` out of its advisory, into one of its own. Nobody is told.
///
/// # Errors
/// Fails where the database does.
pub fn split(
    tx: &mut Tx<'_>,
    from: &AdvisoryId,
    item: i64,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<Outcome, StoreError> {
    counters::next(tx, counters::Counter::Ingest)?;
    let within = links::within(tx, &[from.clone()].into())?;
    if !within.contains(&item) {
        return Ok(Err(format!("{from} has no item {item}; `rattlewatch advisories show {from}` numbers them")));
    }
    if within.len() == 1 {
        return Ok(Err(format!("it is the only item of {from}")));
    }
    let (Some(draft), Some(before)) = (items::get(tx, item)?, advisories::get(tx, from)?) else {
        return Ok(Err(format!("there is no item {item}")));
    };
    let drafts: [Draft; 1] = [draft];
    let number = counters::take(tx, counters::Counter::Advisory, 1)?;
    let content = ingest::parted(tx, &drafts, &before.content)?;
    let own = advisories::open(tx, number, now, &content)?;
    search::index(tx, &own, &content, &drafts)?;
    links::pin(tx, from, BECAUSE)?;
    links::place(tx, item, &own, BECAUSE)?;
    links::pin(tx, &own, BECAUSE)?;
    ingest::refresh(tx, from, now, name)?;
    Ok(Ok(own))
}
