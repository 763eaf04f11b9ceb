//! Breaker: while the relay cannot be used, one letter at a time is tried, ever more rarely, and the others wait untouched.
//!
//! What is known of the relay stands in the database, so that many replicas try it as often as one would, and the outbox
//! and the metrics show it. A try that finds the relay down does not count against the letter that made it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{error, info};

use super::Context;
use crate::model::clock::Timestamp;
use crate::model::delivery::relay_down_retry_after;
use crate::store::{StoreError, Tx, from_json, meta, to_json};

/// Where it is kept.
const KEY: &str = "relay_down";
/// How long a probe may take before another replica probes too.
const PROBING: Duration = Duration::from_secs(60);

/// A relay that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Since when.
    pub since: Timestamp,
    /// How often it was tried.
    pub tries: i64,
    /// When it is tried next.
    pub next: Timestamp,
    /// What happened last and what to do, as a sentence.
    pub reason: String,
}

/// Whether letters may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// All of them.
    Open,
    /// One, to see whether the relay is back.
    Probe,
    /// None; why.
    Shut(String),
}

/// The relay's fault; absent where it can be used, as far as is known.
///
/// # Errors
/// Fails where the database does.
pub fn down(tx: &mut Tx<'_>) -> Result<Option<Down>, StoreError> {
    meta::get(tx, KEY)?.filter(|text| !text.is_empty()).map(|text| from_json(&text)).transpose()
}

/// The same, held against every other replica until the transaction ends.
fn held(tx: &mut Tx<'_>) -> Result<Option<Down>, StoreError> {
    let text = meta::locked(tx, KEY)?;
    if text.is_empty() { Ok(None) } else { from_json(&text).map(Some) }
}

fn keep(tx: &mut Tx<'_>, down: Option<&Down>) -> Result<(), StoreError> {
    meta::set(tx, KEY, &down.map(to_json).transpose()?.unwrap_or_default())
}

fn look(known: Option<&Down>, now: Timestamp) -> Gate {
    match known {
        None => Gate::Open,
        Some(down) if down.next > now => Gate::Shut(down.reason.clone()),
        Some(_) => Gate::Probe,
    }
}

/// What is known after another try at `now` that found the relay down.
fn after(before: Option<Down>, reason: &str, now: Timestamp) -> Down {
    let (since, tries) = before.map_or((now, 1), |before| (before.since, before.tries + 1));
    Down { since, tries, next: now.plus(relay_down_retry_after(tries)), reason: reason.to_owned() }
}

/// Whether letters may be sent now. Who is told [`Gate::Probe`] is the only one for a while.
pub(super) async fn gate(context: &Context) -> Result<Gate, StoreError> {
    let now = context.clock.now();
    // Nearly always the relay is well, and nothing needs to be written.
    match look(context.store.read(down).await?.as_ref(), now) {
        Gate::Probe => {}
        known => return Ok(known),
    }
    let work = move |tx: &mut Tx<'_>| {
        let known = held(tx)?;
        let gate = look(known.as_ref(), now);
        if let (Gate::Probe, Some(down)) = (&gate, known) {
            keep(tx, Some(&Down { next: now.plus(PROBING), ..down }))?;
        }
        Ok(gate)
    };
    context.store.write(work).await
}

/// Notes that the relay could not be used.
pub(super) async fn failed(context: &Context, reason: &str) -> Result<(), StoreError> {
    let (now, reason) = (context.clock.now(), reason.to_owned());
    let work = move |tx: &mut Tx<'_>| {
        let down = after(held(tx)?, &reason, now);
        keep(tx, Some(&down))?;
        Ok(down)
    };
    let down = context.store.write(work).await?;
    error!("The mail relay cannot be used, mail waits; it is tried again at {}: {}", down.next, down.reason);
    Ok(())
}

/// Notes that the relay can be used again.
pub(super) async fn mended(context: &Context) -> Result<(), StoreError> {
    context.store.write(|tx| keep(tx, None)).await?;
    info!("The mail relay can be used again");
    Ok(())
}

/// Lets the next pass try the relay at once: somebody asks for it, or a probe found nothing to send.
pub(super) async fn try_now(context: &Context) -> Result<(), StoreError> {
    let now = context.clock.now();
    if context.store.read(down).await?.is_none() {
        return Ok(());
    }
    let work = move |tx: &mut Tx<'_>| match held(tx)? {
        Some(down) => keep(tx, Some(&Down { next: now, ..down })),
        None => Ok(()),
    };
    context.store.write(work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_stays_down_is_tried_each_minute_and_then_ever_more_rarely() {
        let mut now = Timestamp::from_seconds(1_000_000);
        assert_eq!(look(None, now), Gate::Open);
        let mut known = None;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let down = after(known.take(), "no route", now);
            assert_eq!(look(Some(&down), now), Gate::Shut("no route".to_owned()));
            waits.push(down.next.since(now).as_secs() / 60);
            now = down.next;
            assert_eq!(look(Some(&down), now), Gate::Probe);
            known = Some(down);
        }
        assert_eq!(waits, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
        assert_eq!(known.map(|down| down.since), Some(Timestamp::from_seconds(1_000_000)));
    }
}
