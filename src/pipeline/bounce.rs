//! Bounce: what a returned mail means for the subscription that it is about.
//!
//! The rule: a subscription ends only for what is said of its address or by its reader. What is said of us (policy,
//! content, authentication) is for the operator, and what may pass is counted until it has lasted.

use std::time::Duration;

use crate::model::clock::Timestamp;
use crate::model::report::{Action, DeliveryStatus, Report, Status};

/// On how many days a mail must have come back for a reason that may pass before the subscription ends.
pub const SOFT_MAX: i64 = 5;
/// How far apart the first and the last of them must be.
pub const SOFT_SPAN: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How far apart two of them must be to count as two: one alert a minute does not make a mailbox full five times.
const SOFT_APART: Duration = Duration::from_secs(20 * 3_600);
/// After so long without one, mail has arrived in between, and counting begins anew.
const SOFT_FORGOTTEN: Duration = Duration::from_secs(45 * 24 * 3_600);

/// What follows from a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The address takes no mail, now or later: end the subscription.
    Hard,
    /// The reader does not want it: end the subscription.
    Complaint,
    /// The reader asks to leave, but not by the address that proves it: nothing is changed.
    Asked,
    /// It could not be delivered for a reason that may pass: count it.
    Soft,
    /// It was refused for what we are or send: tell the operator.
    Policy,
    /// It is late; the relay goes on trying.
    Late,
    /// It has arrived: forget what was counted.
    Arrived,
    /// It says nothing that counts.
    Nothing,
}

impl Verdict {
    /// The lowercase word used in storage and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Complaint => "complaint",
            Self::Asked => "asked",
            Self::Soft => "soft",
            Self::Policy => "policy",
            Self::Late => "late",
            Self::Arrived => "arrived",
            Self::Nothing => "unclassified",
        }
    }
}

/// What a report means.
#[must_use]
pub fn verdict(report: &Report) -> Verdict {
    match report {
        Report::Delivery(status) => of_delivery(status),
        // Not every feedback is a complaint: `not-spam` takes one back, `auth-failure` is about our DNS.
        Report::Complaint(complaint) => match complaint.kind.as_str() {
            "abuse" | "fraud" | "opt-out" | "opt-out-list" => Verdict::Complaint,
            _ => Verdict::Nothing,
        },
        Report::Unsubscribe => Verdict::Asked,
        Report::AutoReply | Report::Unknown => Verdict::Nothing,
    }
}

fn of_delivery(delivery: &DeliveryStatus) -> Verdict {
    match delivery.action {
        Action::Failed => delivery.status.map_or(Verdict::Soft, of_failure),
        Action::Delayed => Verdict::Late,
        Action::Delivered => Verdict::Arrived,
        Action::Relayed | Action::Expanded => Verdict::Nothing,
    }
}

/// RFC 3463 section 3, and what Microsoft (5.1.10: the recipient is not found) has added.
fn of_failure(status: Status) -> Verdict {
    match (status.class, status.subject, status.detail) {
        // It reports a failure with a code of success; neither is to be believed.
        (2, ..) => Verdict::Nothing,
        // The sender's address, the content, security and policy: said of us.
        (_, 1, 7 | 8) | (_, 6 | 7, _) => Verdict::Policy,
        // No such mailbox, no such domain, bad syntax, moved without a trace, not found; the mailbox is disabled.
        (5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1) => Verdict::Hard,
        _ => Verdict::Soft,
    }
}

/// How often and how long mail has come back for reasons that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soft {
    /// On how many days.
    pub count: i64,
    /// The first of them.
    pub first: Timestamp,
    /// The last that counted.
    pub last: Timestamp,
}

impl Soft {
    /// What holds after another one at `now`.
    #[must_use]
    pub fn after(before: Option<Self>, now: Timestamp) -> Self {
        match before {
            Some(before) if now.since(before.last) > SOFT_FORGOTTEN => Self { count: 1, first: now, last: now },
            Some(before) if now.since(before.last) < SOFT_APART => before,
            Some(before) => Self { count: before.count + 1, first: before.first, last: now },
            None => Self { count: 1, first: now, last: now },
        }
    }

    /// Whether it has lasted so long that the address counts as dead.
    #[must_use]
    pub fn has_lasted(&self) -> bool {
        self.count >= SOFT_MAX && self.last.since(self.first) >= SOFT_SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: &str) -> Verdict {
        let status = status.parse().ok();
        verdict(&Report::Delivery(DeliveryStatus {
            action: Action::Failed,
            status,
            diagnostic: String::new(),
            original_message_id: None,
            final_recipient: None,
        }))
    }

    #[test]
    fn only_what_is_said_of_the_address_ends_a_subscription() {
        for (status, expected) in [
            ("5.1.1", Verdict::Hard),
            ("5.1.2", Verdict::Hard),
            ("5.1.3", Verdict::Hard),
            ("5.1.6", Verdict::Hard),
            ("5.1.10", Verdict::Hard),
            ("5.2.1", Verdict::Hard),
            ("5.1.8", Verdict::Policy),
            ("5.6.0", Verdict::Policy),
            ("5.7.1", Verdict::Policy),
            ("5.7.515", Verdict::Policy),
            ("4.7.26", Verdict::Policy),
            ("5.2.2", Verdict::Soft),
            ("4.4.7", Verdict::Soft),
            ("4.1.1", Verdict::Soft),
            ("5.0.0", Verdict::Soft),
            ("5.4.4", Verdict::Soft),
            ("", Verdict::Soft),
            ("2.1.1", Verdict::Nothing),
        ] {
            assert_eq!(failed(status), expected, "{status}");
        }
    }

    #[test]
    fn a_full_mailbox_is_given_five_days_within_more_than_a_week() {
        let day = |day: u64| Timestamp::from_seconds(1_000_000).plus(Duration::from_secs(day * 24 * 3_600));
        let after = |days: &[u64]| days.iter().fold(None, |soft, at| Some(Soft::after(soft, day(*at)))).expect("some");
        assert!(!after(&[0; 50]).has_lasted(), "fifty on one day are one");
        assert!(!after(&[0, 1, 2, 3, 4, 5, 6]).has_lasted(), "six days");
        assert!(!after(&[0, 3, 5, 8]).has_lasted(), "four of them");
        assert!(after(&[0, 1, 2, 3, 4, 5, 6, 7]).has_lasted());
        assert!(after(&[0, 7, 14, 21, 28]).has_lasted(), "each weekly digest");
        assert!(!after(&[0, 7, 14, 21, 90]).has_lasted(), "what is long past is forgotten");
    }
}
