//! Deliveries: one message to one recipient by one channel, and what became of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel::{Brief, Endpoint};
use super::clock::Timestamp;

/// A message ready for a channel: composed from a revision, the same bytes on every try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The delivery's id; stable across tries.
    pub key: String,
    /// The recipient's address.
    pub to: String,
    /// One line, at most 150 characters.
    pub subject: String,
    /// The written plain-text part.
    pub text: String,
    /// The HTML part; empty for none.
    pub html: String,
    /// `Message-ID` without angle brackets; the same on every try.
    pub message_id: String,
    /// The thread's root id without angle brackets, where the message belongs to a thread.
    pub thread_root: Option<String>,
    /// The `Date` header: when the delivery was created.
    pub date: Timestamp,
    /// `List-Id` without angle brackets.
    pub list_id: String,
    /// Sent in bulk rather than at once (digests).
    pub bulk: bool,
    /// Where one click unsubscribes (RFC 8058): an absolute http or https URL.
    pub unsubscribe: Option<String>,
    /// The same in facts, for channels that are no mail.
    pub brief: Option<Brief>,
    /// Where a channel that takes web requests delivers to.
    pub endpoint: Option<Endpoint>,
    /// Where answers of machines go.
    pub returns: Returns,
}

/// Where the answers of machines to a mail go, where that is not its sender's address. Both name the subscription by a
/// token that nobody else can make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returns {
    /// The envelope's sender: undeliverable mail comes back to it.
    pub envelope_from: Option<String>,
    /// A mail to this address unsubscribes.
    pub unsubscribe: Option<String>,
}

/// The storage states of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its time.
    Queued,
    /// A sender holds it under a lease.
    Sending,
    /// Accepted by the relay.
    Sent,
    /// Given up; a person must look.
    Dead,
    /// Not wanted any more (unsubscribed, superseded).
    Suppressed,
    /// Told in a roll-up rather than in a mail of its own.
    Rolled,
}

impl DeliveryState {
    /// The lowercase word used in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Suppressed => "suppressed",
            Self::Rolled => "rolled",
        }
    }
}

/// How one try ended. Named after what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay took it (a 2yz reply after the final dot).
    Sent {
        /// The relay's reply, in one line.
        reply: String,
    },
    /// Try again later: the relay said so, or it could not be reached. Nothing was accepted.
    Later {
        /// What happened, for a person.
        reason: String,
        /// The relay was not reached or refused us all: the recipient is not to blame.
        relay_down: bool,
        /// Not before this has passed, where the receiver said so.
        wait: Option<Duration>,
    },
    /// Refused for good for this recipient.
    Never {
        /// What happened, for a person.
        reason: String,
    },
    /// The receiver takes nothing any more, now or later (410, or a mailbox that does not exist): it is not asked again.
    Gone {
        /// What happened, for a person.
        reason: String,
    },
    /// The connection died between the final dot and its answer: it may have been accepted.
    Ambiguous {
        /// What happened, for a person.
        reason: String,
    },
}

/// Waiting times after failed tries: 1, 5, 15 and 30 minutes, then 1, 2, 3, 4, 6 and 8 hours; then the dead letter.
pub const RETRY_AFTER: [Duration; 10] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(3 * 3_600),
    Duration::from_secs(4 * 3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(8 * 3_600),
];

/// How long to wait after try number `attempts` (from 1) failed; `None` when it was the last.
#[must_use]
pub fn retry_after(attempts: i64) -> Option<Duration> {
    usize::try_from(attempts - 1).ok().and_then(|index| RETRY_AFTER.get(index)).copied()
}

/// How long a delivery waits for a relay that cannot be reached at all before it becomes a dead letter.
pub const RELAY_DOWN_PATIENCE: Duration = Duration::from_secs(72 * 3_600);

/// How long to wait after try number `attempts` (from 1) found the relay down: a minute more each time, at most ten.
#[must_use]
pub fn relay_down_retry_after(attempts: i64) -> Duration {
    Duration::from_secs(60 * u64::try_from(attempts.clamp(1, 10)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_delivery_is_tried_for_a_day_and_then_given_up() {
        let total: Duration = (1..).map_while(retry_after).sum();
        assert!(total > Duration::from_secs(24 * 3_600) && total < Duration::from_secs(26 * 3_600), "{total:?}");
        assert_eq!(retry_after(1), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(11), None);
        assert_eq!(retry_after(0), None);
    }
}
