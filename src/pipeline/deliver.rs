//! Deliver: what the outcome of one try means for the delivery.

use crate::model::clock::Timestamp;
use crate::model::delivery::{DeliveryState, Outcome, RELAY_DOWN_PATIENCE, relay_down_retry_after, retry_after};

/// What follows from a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The state that follows.
    pub state: DeliveryState,
    /// When to try again, where it is queued.
    pub due: Timestamp,
    /// `sent`, `later`, `never` or `ambiguous`.
    pub outcome: &'static str,
    /// The try may have been accepted without our hearing of it.
    pub ambiguous: bool,
    /// What happened, for a person.
    pub detail: String,
}

/// The verdict on try number `attempt` (from 1) of a delivery that was queued at `created_at`.
///
/// Nothing is dropped: what is not sent is queued again or becomes a dead letter that says why.
#[must_use]
pub fn verdict(outcome: Outcome, attempt: i64, created_at: Timestamp, now: Timestamp) -> Verdict {
    match outcome {
        Outcome::Sent { reply } => {
            Verdict { state: DeliveryState::Sent, due: now, outcome: "sent", ambiguous: false, detail: reply }
        }
        Outcome::Never { reason } | Outcome::Gone { reason } => {
            Verdict { state: DeliveryState::Dead, due: now, outcome: "never", ambiguous: false, detail: reason }
        }
        Outcome::Later { reason, relay_down: true, wait } => {
            let patient = now.since(created_at) < RELAY_DOWN_PATIENCE;
            let after = patient.then(|| relay_down_retry_after(attempt).max(wait.unwrap_or_default()));
            again("later", reason, after, now)
        }
        Outcome::Later { reason, relay_down: false, wait } => {
            let after = retry_after(attempt).map(|after| after.max(wait.unwrap_or_default()));
            again("later", reason, after, now)
        }
        Outcome::Ambiguous { reason } => {
            Verdict { ambiguous: true, ..again("ambiguous", reason, retry_after(attempt), now) }
        }
    }
}

fn again(outcome: &'static str, reason: String, wait: Option<std::time::Duration>, now: Timestamp) -> Verdict {
    match wait {
        Some(wait) => {
            Verdict { state: DeliveryState::Queued, due: now.plus(wait), outcome, ambiguous: false, detail: reason }
        }
        None => Verdict {
            state: DeliveryState::Dead,
            due: now,
            outcome,
            ambiguous: false,
            detail: format!("given up after the last try: {reason}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refusal_for_now_is_retried_and_the_last_one_is_a_dead_letter() {
        let later = || Outcome::Later { reason: "451 try later".into(), relay_down: false, wait: None };
        let now = Timestamp::from_seconds(1_000);
        let first = verdict(later(), 1, now, now);
        assert_eq!((first.state, first.due), (DeliveryState::Queued, now.plus(Duration::from_secs(60))));
        let last = verdict(later(), 11, now, now);
        assert_eq!(last.state, DeliveryState::Dead);
        assert!(last.detail.contains("451 try later"));
    }

    #[test]
    fn a_relay_that_is_down_costs_no_delivery_for_three_days() {
        let down = || Outcome::Later { reason: "connection refused".into(), relay_down: true, wait: None };
        let start = Timestamp::from_seconds(0);
        assert_eq!(
            verdict(down(), 500, start, start.plus(Duration::from_secs(71 * 3_600))).state,
            DeliveryState::Queued
        );
        assert_eq!(verdict(down(), 500, start, start.plus(Duration::from_secs(73 * 3_600))).state, DeliveryState::Dead);
    }

    #[test]
    fn a_lost_answer_is_tried_again_and_counted() {
        let now = Timestamp::from_seconds(0);
        let lost = verdict(Outcome::Ambiguous { reason: "dropped".into() }, 1, now, now);
        assert!(lost.ambiguous && lost.state == DeliveryState::Queued);
    }
}
