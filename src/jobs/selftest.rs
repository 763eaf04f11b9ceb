//! Self-test: once a day a test advisory goes through the whole pipeline, and who the settings name hears that it came
//! through. Silence then means that something is broken, whatever it is.
//!
//! It is read, normalized, tagged, stored, fanned out and composed for a test subscriber by the same functions and
//! statements as any other, in a transaction that is undone at its end: nobody else is mailed, and nothing is left behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, info};
use url::Url;

use super::{Context, ingest, letters, poll};
use crate::config::settings::Heartbeat;
use crate::config::sources::{self, Known, Source};
use crate::http::{FetchError, Meta, Page, Request};
use crate::model::audience::{DigestEvery, DigestSchedule, Wish};
use crate::model::clock::Timestamp;
use crate::model::draft::Draft;
use crate::model::health::Validators;
use crate::model::platform::{PlatformId, Role};
use crate::pipeline::parse;
use crate::store::subscriptions::{Change, NextDigest, Recipient};
use crate::store::{StoreError, Tx, deliveries, events, meta, subscriptions};

const EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How soon it is tried again after it has failed.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// Where the next self-test's time is kept.
const NEXT: &str = "selftest_next";
/// The last instant at which one came through, in microseconds; for the metrics.
pub const PASSED: &str = "selftest_passed";
/// Pages of other events' recipients that are fanned out on the way.
const PAGES: usize = 1_000;

/// Runs the self-test where it is due and the settings name somebody who is to hear of it. Returns how many letters were
/// queued.
///
/// # Errors
/// Fails where the database does.
pub async fn run_once(context: &Context) -> Result<u64, StoreError> {
    let Some(heartbeat) = context.heartbeat.clone() else { return Ok(0) };
    let now = context.clock.now();
    let due = context.store.read(|tx| meta::get(tx, NEXT)).await?.and_then(|at| at.parse().ok()).map(Timestamp);
    if due.is_some_and(|due| due > now) {
        return Ok(0);
    }
    // Set before the work, so that two replicas do not both do it, and a failure does not repeat at once.
    let (again, seen) = (now.plus(AGAIN).0.to_string(), due);
    let mine = context.store.write(move |tx| {
        let known = meta::locked(tx, NEXT)?.parse().ok().map(Timestamp);
        if known != seen {
            return Ok(false);
        }
        meta::set(tx, NEXT, &again)?;
        Ok(true)
    });
    if !mine.await? {
        return Ok(0);
    }
    match through(context, now).await.map_err(|error| error.to_string()) {
        Ok(()) => tell(context, &heartbeat, now).await,
        Err(reason) => {
            error!("The self-test did not come through, so no heartbeat is sent: {reason}");
            Ok(0)
        }
    }
}

/// Sends a test advisory through the pipeline.
async fn through(context: &Context, now: Timestamp) -> Result<(), StoreError> {
    let failed = |what: &str| StoreError::custom(what.to_owned());
    let platform = context.catalog.iter().find(|platform| platform.same_as.is_none());
    let platform = platform.ok_or_else(|| failed("the platform catalog is empty"))?.clone();
    let (source, page) = document(&platform.name, now).map_err(|what| failed(&what))?;
    let parsed = parse::items(&source, &page).map_err(|error| failed(&format!("it was not parsed: {error}")))?;
    let drafts = poll::drafts(context, &source, parsed.items, now);
    if !drafts
        .iter()
        .any(|draft| draft.tags.iter().any(|tag| tag.platform == platform.id && tag.role == Role::Affected))
    {
        return Err(failed(&format!("it was not tagged as {}", platform.id)));
    }
    let (working, outcome) = (context.clone(), Arc::new(Mutex::new(None)));
    let place = Arc::clone(&outcome);
    let undone = context.store.write(move |tx| {
        let composed = stored(tx, &working, &drafts, &platform.id, now);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(composed);
        // An error undoes the transaction.
        Err::<(), _>(StoreError::custom("undone on purpose"))
    });
    let undone = undone.await;
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    match outcome {
        Some(outcome) => outcome,
        None => undone,
    }
}

/// Stores the drafts, fans their event out to a test subscriber, and composes the alert.
fn stored(
    tx: &mut Tx<'_>,
    context: &Context,
    drafts: &[Draft],
    platform: &PlatformId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let wish = Wish {
        platforms: vec![platform.clone()],
        instant: true,
        digest: DigestSchedule { every: DigestEvery::None, ..DigestSchedule::default() },
        ..Wish::default()
    };
    let address = "self-test@rattlewatch.invalid";
    let next = NextDigest::default();
    let recipient = &Recipient::mailbox(address, address);
    let change = Change { recipient, wish: &wish, consent: "self-test", next: &next, now };
    let (id, _) = subscriptions::upsert(tx, &change)?;
    let ingested = ingest::drafts(tx, drafts, false, now, &|id| context.platform_name(id))?;
    if ingested.events != 1 {
        return Err(StoreError::custom(format!("it gave {} events in place of 1", ingested.events)));
    }
    for _ in 0..PAGES {
        if !events::fan_out(tx, 500, 1_000, now)?.more {
            break;
        }
    }
    let waiting = deliveries::waiting(tx, &id)?;
    let Some(claimed) = waiting.first() else {
        return Err(StoreError::custom("it was not queued for the test subscriber"));
    };
    match letters::one(tx, context, claimed)? {
        Ok(letter) if letter.to == address && !letter.text.is_empty() => Ok(()),
        Ok(_) => Err(StoreError::custom("its letter is empty or goes elsewhere")),
        Err(reason) => Err(StoreError::custom(format!("its letter could not be composed: {reason}"))),
    }
}

/// The test advisory, as a feed of its own.
fn document(platform: &str, now: Timestamp) -> Result<(Source, Page), String> {
    let entry = "[[source]]\nid = \"self-test\"\nname = \"Self-test\"\npublisher = \"Rattlewatch\"\nkind = \"vendor\"\n\
                 country = \"INT\"\nurl = \"https://self-test.invalid/feed\"\nformat = \"feed\"\nschedule = \"0 0 0 * * *\"\n";
    let known = Known { formats: &["feed"], platforms: None, check_selector: &|_| Ok(()) };
    let source = sources::parse(entry, "the self-test", &known).map_err(|error| error.to_string())?.remove(0);
    let name: String = platform.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<rss version=\"2.0\"><channel><title>Self-test</title><link>https://self-test.invalid/</link>\
         <description>Self-test</description><item><guid isPermaLink=\"false\">{}</guid><title>Self-test: flaw in {name}</title>\
         <description>This advisory tests the way from a feed to a mail.</description></item></channel></rss>",
        now.0
    );
    let url: Url = source.url.clone();
    let validators = Validators::default();
    let meta = Meta { final_url: url, moved_to: None, validators, max_age: None, next: None };
    Ok((source, Page { body: body.into_bytes(), content_type: Some("application/rss+xml".to_owned()), meta }))
}

/// Calls or mails the heartbeat's address. A letter travels the outbox like any other.
async fn tell(context: &Context, heartbeat: &Heartbeat, now: Timestamp) -> Result<u64, StoreError> {
    info!("The self-test has come through");
    let mail = match heartbeat {
        Heartbeat::Mail(address) => Some(address.clone()),
        Heartbeat::Call(url) => {
            match context.client.get(&Request::new(url.clone())).await {
                // Whatever it says, it has heard us.
                Ok(_) | Err(FetchError::Status { status: 200..=299, .. }) => {}
                Err(error) => {
                    error!("The heartbeat's address could not be called; it is tried again: {error}");
                    return Ok(0);
                }
            }
            None
        }
    };
    context
        .store
        .write(move |tx| {
            meta::set(tx, NEXT, &now.plus(EVERY).0.to_string())?;
            meta::set(tx, PASSED, &now.0.to_string())?;
            let Some(address) = &mail else { return Ok(0) };
            subscriptions::set_service(tx, subscriptions::HEARTBEAT, address, now)?;
            let says = format!("A test advisory came through the whole pipeline of Rattlewatch on {now}.");
            let id = format!("heartbeat-{}", now.0);
            deliveries::queue_service(tx, "heartbeat", &id, subscriptions::HEARTBEAT, &says, now).map(u64::from)
        })
        .await
}
