//! Digest: cuts each due recipient's window of events and queues its summary.
//!
//! Windows are half-open and cut by the order of ingestion: each begins where the one before ended, whatever clocks
//! did and however many runs were missed. The cut and the queued digest commit together. A period has one digest: where
//! it comes again (a clock set back, another hour on the same day), the window stays open until the next period.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Context, route};
use crate::config::sources::Source;
use crate::model::audience::{DigestEvery, DigestSchedule};
use crate::model::clock::Timestamp;
use crate::model::health::HealthState;
use crate::pipeline::schedule;
use crate::store::subscriptions::{DueDigest, NextDigest};
use crate::store::{StoreError, Tx, counters, deliveries, events, sources, subscriptions};

/// Recipients whose digest is cut in one transaction.
const BATCH: i64 = 100;
/// A source that was to be read so long ago, and was not, says nothing any more.
const OVERDUE: Duration = Duration::from_secs(86_400);
/// A digest that is planned further ahead than this was planned by a clock that was wrong, or by a wish since changed.
const FARTHEST: [Duration; 2] = [Duration::from_secs(46 * 3_600), Duration::from_secs(8 * 86_400)];

/// What a digest covers: all that composing it needs beside the events themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The last event that an earlier digest covered.
    pub after: i64,
    /// The last event that this one covers.
    pub upto: i64,
    /// The beginning, as shown.
    pub from: Timestamp,
    /// The end, as shown.
    pub to: Timestamp,
    /// Advisories with an event in the window, whoever they touch.
    pub advisories: i64,
    /// Sources that could not be read when the digest was cut.
    pub failed: Vec<Failed>,
}

/// A source that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why, as a sentence.
    pub detail: String,
}

/// Cuts every digest that is due. Returns how many were queued.
///
/// # Errors
/// Fails where the database does; what was cut stays cut, and the next run goes on from there.
pub async fn run_once(context: &Context) -> Result<u64, StoreError> {
    bring_near(context).await?;
    let mut queued = 0;
    loop {
        let now = context.clock.now();
        let names = context.clone();
        let (seen, some) = context
            .store
            .write(move |tx| {
                let due = subscriptions::due_digests(tx, now, BATCH)?;
                let failed = if due.is_empty() { Vec::new() } else { failed_sources(tx, &names)? };
                let mut some = 0;
                for digest in &due {
                    some += u64::from(cut(tx, digest, &failed, now)?);
                }
                Ok((due.len(), some))
            })
            .await?;
        queued += some;
        if i64::try_from(seen).unwrap_or(BATCH) < BATCH {
            return Ok(queued);
        }
    }
}

/// Plans anew what a clock that ran ahead has planned for long after it was set back: nobody would hear until then.
async fn bring_near(context: &Context) -> Result<(), StoreError> {
    let mut beyond = String::new();
    loop {
        let (now, from) = (context.clock.now(), beyond.clone());
        let [daily, weekly] = FARTHEST.map(|wait| now.plus(wait));
        let far = context.store.read(move |tx| subscriptions::digests_after(tx, daily, weekly, &from, BATCH)).await?;
        let Some(last) = far.last() else { return Ok(()) };
        beyond.clone_from(&last.subscription.id);
        let nearer = move |tx: &mut Tx<'_>| {
            for digest in &far {
                let next = next_digest(&digest.subscription.wish.digest, now);
                if next.due.is_some_and(|due| due < digest.due) {
                    subscriptions::cut_digest(tx, digest, digest.cut, &next)?;
                }
            }
            Ok(())
        };
        context.store.write(nearer).await?;
    }
}

fn cut(tx: &mut Tx<'_>, digest: &DueDigest, failed: &[Failed], now: Timestamp) -> Result<bool, StoreError> {
    let next = next_digest(&digest.subscription.wish.digest, now);
    if subscriptions::is_told(tx, digest)? {
        subscriptions::cut_digest(tx, digest, digest.cut, &next)?;
        return Ok(false);
    }
    let upto = counters::current(tx, counters::Counter::Event)?;
    if !subscriptions::cut_digest(tx, digest, upto, &next)? {
        return Ok(false);
    }
    let window =
        window(tx, &digest.subscription.id, digest.cut, upto, failed, digest.due, &digest.subscription.wish.digest)?;
    let Some(window) = window else { return Ok(false) };
    deliveries::queue_digest(tx, &digest.subscription.id, &digest.period, &crate::store::to_json(&window)?, now)
}

/// The window from `after` to `upto`, or none where there is nothing to say: no event, every source was read, and no
/// sign of life is wanted.
fn window(
    tx: &mut Tx<'_>,
    subscription: &str,
    after: i64,
    upto: i64,
    failed: &[Failed],
    to: Timestamp,
    schedule: &DigestSchedule,
) -> Result<Option<Window>, StoreError> {
    let events = events::in_window(tx, subscription, after, upto)?;
    // Who wants a sign that somebody has looked gets one.
    if events.is_empty() && failed.is_empty() && !schedule.all_clear {
        return Ok(None);
    }
    let usual = to.minus(period(schedule.every));
    let from = events.first().map_or(usual, |first| first.at.min(usual));
    let advisories = events::advisories_in_window(tx, after, upto)?;
    Ok(Some(Window { after, upto, from, to, advisories, failed: failed.to_vec() }))
}

/// What a recipient's digest would cover if it were cut now. Nothing is cut.
///
/// # Errors
/// Fails where the database does.
pub fn preview(
    tx: &mut Tx<'_>,
    context: &Context,
    subscription: &str,
    schedule: &DigestSchedule,
) -> Result<Window, StoreError> {
    let now = context.clock.now();
    let (after, upto) =
        (subscriptions::digest_cut(tx, subscription)?, counters::current(tx, counters::Counter::Event)?);
    let failed = failed_sources(tx, context)?;
    let found = window(tx, subscription, after, upto, &failed, now, schedule)?;
    let advisories = events::advisories_in_window(tx, after, upto)?;
    Ok(found.unwrap_or(Window {
        after,
        upto,
        from: now.minus(period(schedule.every)),
        to: now,
        advisories,
        failed: Vec::new(),
    }))
}

fn period(every: DigestEvery) -> Duration {
    let days = if every == DigestEvery::Daily { 1 } else { 7 };
    Duration::from_secs(days * 86_400)
}

/// A source that nobody has looked at, or not for long: it says nothing, and that is no good news.
fn unread(source: &Source, last: Option<Timestamp>) -> Failed {
    let detail = match last {
        Some(_) => "it has not been read since; this program was not running, or has only just begun again",
        None => "it has not been read yet",
    };
    Failed { name: source.name.clone(), since: last, detail: detail.to_owned() }
}

/// The enabled sources that cannot be read now, have not been read lately, or are silent for longer than is normal for
/// them.
fn failed_sources(tx: &mut Tx<'_>, context: &Context) -> Result<Vec<Failed>, StoreError> {
    let now = context.clock.now();
    let health = sources::all(tx)?;
    let watched = context.sources.iter().filter(|source| source.enabled && !route::stands_by(source, &health));
    Ok(watched
        .filter_map(|source| {
            let Some(health) = health.iter().find(|health| health.source == source.id) else {
                return Some(unread(source, None));
            };
            let overdue = health.next_due.is_some_and(|due| due.plus(OVERDUE) < now);
            if health.state == HealthState::New || (health.state.sees() && overdue) {
                return Some(unread(source, health.last_success));
            }
            let standing = health.standing(true, source.silent_days, now);
            (standing.weight() >= 2).then(|| Failed {
                name: source.name.clone(),
                since: if standing == HealthState::Late {
                    health.last_news
                } else {
                    health.last_success.or(health.since)
                },
                detail: health.advice(standing, source.silent_days),
            })
        })
        .collect())
}

/// When the next digest of `schedule` after `now` is due; none where none is wanted or the zone is not known.
#[must_use]
pub fn next_digest(schedule: &DigestSchedule, now: Timestamp) -> NextDigest {
    match schedule::next_digest(schedule, now) {
        Ok(Some(next)) => NextDigest { due: Some(next.at), period: Some(next.period) },
        Ok(None) => NextDigest::default(),
        Err(error) => {
            warn!("No digest can be scheduled: {error}");
            NextDigest::default()
        }
    }
}
