//! Letters about many advisories: digests, roll-ups and welcomes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Forms, Letter, envelope, guarded};
use crate::jobs::Context;
use crate::jobs::digest::Window;
use crate::model::advisory::{AdvisoryId, Content, Event, EventKind};
use crate::model::audience::Subscription;
use crate::model::clock::Timestamp;
use crate::pipeline::compose::{Digest, Entry, Failed, Occasion};
use crate::store::deliveries::Claimed;
use crate::store::{StoreError, Tx, advisories, events, outbox};

/// How far back a welcome looks.
const OPEN: Duration = Duration::from_secs(30 * 86_400);
/// Most advisories that a welcome looks at, the newest first.
const OPEN_MOST: i64 = 300;

/// The letter of a claimed digest, roll-up or welcome.
pub(super) fn letter(
    tx: &mut Tx<'_>,
    context: &Context,
    subscription: &Subscription,
    claimed: &Claimed,
) -> Result<Letter, StoreError> {
    match claimed.kind.as_str() {
        "digest" => match crate::store::from_json::<Window>(&claimed.payload) {
            Ok(window) => digest(tx, context, subscription, &window, &claimed.id, claimed.created_at),
            Err(error) => Ok(Err(error.to_string())),
        },
        "rollup" => {
            let rolled = events::rolled_into(tx, &claimed.id)?;
            let found = gathered(tx, &context.forms, &BTreeMap::new(), rolled)?;
            let shown = Shown { occasion: Occasion::RollUp, ..Shown::until(claimed.created_at) };
            Ok(compose(context, subscription, &claimed.id, &found, &shown))
        }
        "welcome" => {
            let since = claimed.created_at.minus(OPEN);
            let open = advisories::open_for(tx, &subscription.id, since, claimed.created_at, OPEN_MOST)?;
            let found: Vec<Gathered> = open.into_iter().map(|(id, content)| Gathered::known(id, content)).collect();
            let shown = Shown { occasion: Occasion::Welcome, from: since, ..Shown::until(claimed.created_at) };
            Ok(compose(context, subscription, &claimed.id, &found, &shown))
        }
        other => Ok(Err(format!("'{other}' is no kind of letter that this version knows"))),
    }
}

/// Composes the digest of a window.
///
/// # Errors
/// Fails where the database does. A letter that cannot be composed is no such error: it is the inner one.
pub fn digest(
    tx: &mut Tx<'_>,
    context: &Context,
    subscription: &Subscription,
    window: &Window,
    key: &str,
    created_at: Timestamp,
) -> Result<Letter, StoreError> {
    let in_window = events::in_window(tx, &subscription.id, window.after, window.upto)?;
    let alerted = outbox::alerted(tx, &subscription.id, window.after, window.upto)?;
    let found = gathered(tx, &context.forms, &alerted, in_window)?;
    let failed = window.failed.iter();
    let shown = Shown {
        occasion: Occasion::Digest,
        created_at,
        from: window.from,
        to: window.to,
        advisories: window.advisories,
        failed: failed
            .map(|failed| Failed { name: &failed.name, since: failed.since, detail: &failed.detail })
            .collect(),
    };
    Ok(compose(context, subscription, key, &found, &shown))
}

/// What a letter says beside its advisories.
struct Shown<'a> {
    occasion: Occasion,
    created_at: Timestamp,
    from: Timestamp,
    to: Timestamp,
    advisories: i64,
    failed: Vec<Failed<'a>>,
}

impl Shown<'_> {
    fn until(at: Timestamp) -> Self {
        Self {
            occasion: Occasion::Digest,
            created_at: at,
            from: Timestamp::default(),
            to: at,
            advisories: 0,
            failed: Vec::new(),
        }
    }
}

fn compose(context: &Context, subscription: &Subscription, key: &str, found: &[Gathered], shown: &Shown<'_>) -> Letter {
    guarded(|| {
        let entries: Vec<Entry<'_>> = found.iter().map(Gathered::entry).collect();
        let digest = Digest {
            envelope: envelope(context, subscription, key, shown.created_at),
            occasion: shown.occasion,
            entries: &entries,
            from: shown.from,
            to: shown.to,
            advisories: shown.advisories,
            failed: &shown.failed,
            wish: &subscription.wish,
            name: &|id| context.platform_name(id),
        };
        context.composer.digest(&digest).map_err(|error| error.to_string())
    })
}

/// What happened to one advisory in a window.
struct Gathered {
    id: AdvisoryId,
    content: Arc<Content>,
    kinds: Vec<EventKind>,
    reasons: Vec<String>,
    alerted_at: Option<Timestamp>,
}

impl Gathered {
    /// An advisory of which nothing is told but its state.
    fn known(id: AdvisoryId, content: Content) -> Self {
        Self { id, content: Arc::new(content), kinds: Vec::new(), reasons: Vec::new(), alerted_at: None }
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            id: &self.id,
            content: &self.content,
            kinds: self.kinds.clone(),
            reasons: self.reasons.clone(),
            alerted_at: self.alerted_at,
        }
    }
}

/// The advisories of events, each in the state of its last event, with when the recipient was `alerted` of it at once.
fn gathered(
    tx: &mut Tx<'_>,
    forms: &Forms,
    alerted: &BTreeMap<i64, Timestamp>,
    all: Vec<Event>,
) -> Result<Vec<Gathered>, StoreError> {
    let mut by_advisory: BTreeMap<AdvisoryId, Vec<Event>> = BTreeMap::new();
    for event in all {
        by_advisory.entry(event.advisory.clone()).or_default().push(event);
    }
    let mut found = Vec::with_capacity(by_advisory.len());
    for (id, events) in by_advisory {
        let Some(last) = events.last() else { continue };
        let load = || advisories::revision(tx, &id, last.revision);
        let Some(content) = forms.content(&id, last.revision, load)? else { continue };
        let alerted_at = events.iter().filter_map(|event| alerted.get(&event.seq)).max().copied();
        let kinds = events.iter().map(|event| event.kind).collect();
        let reasons = events.into_iter().flat_map(|event| event.reasons).collect();
        found.push(Gathered { id, content, kinds, reasons, alerted_at });
    }
    Ok(found)
}
