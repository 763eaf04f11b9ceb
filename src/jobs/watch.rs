//! Watch: tells the operator once when a source can no longer be read as it should, and once when it can be again.
//!
//! What was told last is kept with the source and commits together with the queued notice, so that neither a restart
//! nor a second replica tells anything twice. All that changed at the same time goes into one mail: when the network
//! is down, two hundred mails would bury the one that matters.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::model::clock::Timestamp;
use crate::model::health::{HealthState, SourceHealth};
use crate::store::{StoreError, counters, deliveries, sources, subscriptions, to_json};

/// A failure is told when it has been seen this often: a single one may mend by itself.
const CONFIRMED: i64 = 2;

/// What the operator is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The sources whose state has changed, the worst first.
    pub changes: Vec<Change>,
    /// Sources that are watched.
    pub watched: usize,
    /// Sources that cannot be read now, those told of earlier included.
    pub blind: usize,
}

/// One source whose state has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it is read.
    pub url: String,
    /// What was told of it last.
    pub from: HealthState,
    /// What it is in now.
    pub to: HealthState,
    /// When it was last read.
    pub last_success: Option<Timestamp>,
    /// What happened and what to do, as a sentence.
    pub detail: String,
}

/// Compares every source with what the operator was told last, and queues a notice where that differs. Returns how many
/// notices were queued; none where the settings name no operator.
///
/// # Errors
/// Fails where the database does; then nothing counts as told.
pub async fn run_once(context: &Context) -> Result<u64, StoreError> {
    let Some(operator) = context.operator.clone() else { return Ok(0) };
    let now = context.clock.now();
    let seen = context.clone();
    if notice(&context.store.read(sources::all).await?, &seen, now).changes.is_empty() {
        return Ok(0);
    }
    context
        .store
        .write(move |tx| {
            // Two replicas must not tell the same change.
            let number = counters::next(tx, counters::Counter::Notice)?;
            let notice = notice(&sources::all(tx)?, &seen, now);
            if notice.changes.is_empty() {
                return Ok(0);
            }
            for change in &notice.changes {
                sources::tell(tx, &change.id, change.to)?;
            }
            subscriptions::set_service(tx, subscriptions::OPERATOR, &operator, now)?;
            let id = format!("notice-{number}");
            let payload = to_json(&notice)?;
            deliveries::queue_service(tx, "notice", &id, subscriptions::OPERATOR, &payload, now).map(u64::from)
        })
        .await
}

/// What there is to tell.
fn notice(health: &[SourceHealth], context: &Context, now: Timestamp) -> Notice {
    let mut notice = Notice::default();
    for source in context.sources.iter().filter(|source| source.enabled) {
        notice.watched += 1;
        let Some(health) = health.iter().find(|health| health.source == source.id) else { continue };
        let standing = health.standing(true, source.silent_days, now);
        notice.blind += usize::from(standing.weight() >= 3);
        if let Some(from) = untold(health, standing) {
            notice.changes.push(Change {
                id: source.id.clone(),
                name: source.name.clone(),
                url: source.url.to_string(),
                from,
                to: standing,
                last_success: health.last_success,
                detail: health.advice(standing, source.silent_days),
            });
        }
    }
    notice.changes.sort_by(|a, b| b.to.weight().cmp(&a.to.weight()).then_with(|| a.id.cmp(&b.id)));
    notice
}

/// What was told before, where `standing` differs from it in a way that matters.
fn untold(health: &SourceHealth, standing: HealthState) -> Option<HealthState> {
    let told = health.told.unwrap_or(HealthState::Ok);
    let unsure = standing == HealthState::Failing && health.failures < CONFIRMED;
    (!unsure && standing.weight() != told.weight()).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once_and_a_single_failure_is_not() {
        let untold =
            |state, failures, told| untold(&SourceHealth { state, failures, told, ..SourceHealth::default() }, state);
        use HealthState::{Blocked, Degraded, Failing, New, Ok};
        assert_eq!(untold(New, 0, None), None);
        assert_eq!(untold(Failing, 1, None), None);
        assert_eq!(untold(Failing, 2, None), Some(Ok));
        assert_eq!(untold(Failing, 9, Some(Failing)), None, "it has been told");
        assert_eq!(untold(Blocked, 1, None), Some(Ok), "a refusal does not mend by itself");
        assert_eq!(untold(Blocked, 3, Some(Failing)), None, "blind is blind");
        assert_eq!(untold(Degraded, 0, Some(Blocked)), Some(Blocked), "it mends in part");
        assert_eq!(untold(Ok, 0, Some(Degraded)), Some(Degraded));
    }
}
