//! Hold: what a sender has claimed and had better not send now, or not one by one.
//!
//! Alerts wait for the end of a recipient's quiet hours. More than so many within an hour become one roll-up: nobody
//! reads the thirtieth mail of a morning. Nothing is dropped: each alert stands in the record as told by the roll-up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::clock::Timestamp;
use crate::store::deliveries::Claimed;
use crate::store::{StoreError, Tx, outbox, rollups};

/// What counts as one burst.
const WINDOW: Duration = Duration::from_secs(3_600);
/// Two roll-ups to one recipient are at least so far apart, unless something critical and exploited is in the second.
const APART: Duration = Duration::from_secs(10 * 60);

/// How claims are held.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Most alerts that one recipient gets one by one within an hour.
    pub burst: usize,
    /// Who holds the claims.
    pub holder: String,
    /// How long a claim is held before its try begins.
    pub lease: Duration,
}

/// Of what was claimed, what is to be sent now. The rest waits for its time, or is told in a roll-up.
///
/// # Errors
/// Fails where the database does.
pub fn hold(tx: &mut Tx<'_>, claimed: Vec<Claimed>, rule: &Rule, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
    // A letter that was tried before is sent as it is.
    let (fresh, mut rest): (Vec<Claimed>, Vec<Claimed>) =
        claimed.into_iter().partition(|claimed| claimed.kind == "alert" && claimed.attempts == 0);
    if fresh.is_empty() {
        return Ok(rest);
    }
    let awake = awake(tx, fresh, now)?;
    rest.extend(rolled(tx, awake, rule, now)?);
    Ok(rest)
}

/// Those whose recipients may be woken; the others wait for their morning.
fn awake(tx: &mut Tx<'_>, fresh: Vec<Claimed>, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
    let recipients: BTreeSet<&str> = fresh.iter().map(|claimed| claimed.subscription.as_str()).collect();
    let quiet = rollups::quiet(tx, &recipients.into_iter().collect::<Vec<_>>())?;
    if quiet.is_empty() {
        return Ok(fresh);
    }
    let seqs: Vec<i64> = fresh.iter().filter_map(|claimed| claimed.event_seq).collect();
    let urgent = rollups::urgent(tx, &seqs)?;
    let mut awake = Vec::with_capacity(fresh.len());
    for claimed in fresh {
        let until = quiet.get(&claimed.subscription).and_then(|(hours, zone)| {
            let pierces = hours.pierce && claimed.event_seq.is_some_and(|seq| urgent.contains(&seq));
            let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
            if pierces { None } else { hours.until(&zone, now) }
        });
        match until {
            Some(until) => outbox::postpone(tx, &claimed, until)?,
            None => awake.push(claimed),
        }
    }
    Ok(awake)
}

/// What is left after bursts have become roll-ups.
fn rolled(tx: &mut Tx<'_>, fresh: Vec<Claimed>, rule: &Rule, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
    let since = now.minus(WINDOW);
    let least = i64::try_from(rule.burst).unwrap_or(i64::MAX).saturating_add(1);
    let many = rollups::first_of_many(tx, since, least)?;
    // Alerts that have waited for a morning may be many though little is new.
    let late = |claimed: &Claimed| claimed.created_at <= since;
    if many.is_none() && !fresh.iter().any(late) {
        return Ok(fresh);
    }
    let mut by_recipient: BTreeMap<String, Vec<Claimed>> = BTreeMap::new();
    for claimed in fresh {
        by_recipient.entry(claimed.subscription.clone()).or_default().push(claimed);
    }
    let mut left = Vec::new();
    for (subscription, mine) in by_recipient {
        let oldest = mine.iter().filter_map(|claimed| claimed.event_seq).min().unwrap_or_default();
        let from = many.map_or(oldest, |seq| seq.min(oldest));
        let burst = rollups::burst(tx, &subscription, from, since, now, &rule.holder)?;
        if burst.sent + burst.waiting.len() <= rule.burst || burst.waiting.len() < 2 {
            left.extend(mine);
            continue;
        }
        let next = burst.last.map(|last| last.plus(APART)).filter(|next| *next > now);
        let seqs: Vec<i64> = burst.waiting.iter().map(|(_, seq)| *seq).collect();
        match next {
            Some(next) if rollups::urgent(tx, &seqs)?.is_empty() => {
                for claimed in &mine {
                    outbox::postpone(tx, claimed, next)?;
                }
            }
            _ => {
                left.push(rollups::open(tx, &mine[0], &burst.waiting, &rule.holder, now, now.plus(rule.lease))?);
                for other in mine.iter().filter(|claimed| burst.waiting.iter().all(|(id, _)| *id != claimed.id)) {
                    outbox::postpone(tx, other, now.plus(APART))?;
                }
            }
        }
    }
    Ok(left)
}
