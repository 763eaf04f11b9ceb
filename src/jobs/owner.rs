//! Owner: tells the person behind a channel that is no mail that it fails, since the channel itself cannot.
//!
//! An endpoint that says it is gone is not asked again: its subscription ends. What was to be said, and that it was said,
//! commit together with the end of the try, so that neither a restart nor a second replica tells it twice. A channel
//! that refuses everything is told of once a day, however much it refuses.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tracing::warn;
use url::Url;

use super::{audience, bounces};
use crate::http;
use crate::model::address::EmailAddress;
use crate::model::channel::ChannelKind;
use crate::model::clock::Timestamp;
use crate::store::deliveries::{self, Claimed};
use crate::store::subscriptions::{self, Ended};
use crate::store::{StoreError, Tx, suppressions, to_json};

/// The kind of the letter.
pub(super) const KIND: &str = "channel-failed";

const DAY: Duration = Duration::from_secs(86_400);

/// What the owner is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The subscription.
    pub subscription: String,
    /// The channel's word.
    pub channel: String,
    /// Scheme and host of where it delivers to.
    pub place: String,
    /// The subscription has ended.
    pub gone: bool,
    /// What happened, as a sentence.
    pub detail: String,
}

/// Ends a subscription whose mailbox or endpoint is `gone`; where `claimed` went by a channel that is no mail, queues a
/// letter to its owner.
///
/// # Errors
/// Fails where the database does.
pub(super) fn failed(
    tx: &mut Tx<'_>,
    secret: &str,
    claimed: &Claimed,
    gone: bool,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if claimed.channel.parse::<ChannelKind>().map_or(true, ChannelKind::is_mail) {
        return if gone { bounces::refused(tx, secret, &claimed.subscription, detail, now) } else { Ok(()) };
    }
    let id = claimed.subscription.as_str();
    // Of several tries that hear the same, one tells it; and who has left is told nothing.
    let Some(subscription) = subscriptions::get(tx, id)? else { return Ok(()) };
    if gone {
        subscriptions::end(tx, id, Ended::Gone, now)?;
        warn!(subscription.id = %id, "Ended {id}: its {} endpoint is gone", claimed.channel);
    }
    if subscription.email.is_empty() {
        warn!(subscription.id = %id, "Nobody is told that {id} fails: its owner asked to be forgotten");
        return Ok(());
    }
    if is_suppressed(tx, secret, &subscription.email)? {
        warn!(subscription.id = %id, "The owner of {id} is not told that its channel fails: the address is suppressed");
        return Ok(());
    }
    let place = subscriptions::endpoint(tx, id)?.and_then(|endpoint| Url::parse(&endpoint.url).ok());
    let failure = Failure {
        subscription: id.to_owned(),
        channel: claimed.channel.clone(),
        place: place.as_ref().map_or_else(|| "its address".to_owned(), http::origin),
        gone,
        detail: detail.to_owned(),
    };
    let owner = format!("owner-{id}");
    subscriptions::set_service(tx, &owner, &subscription.email, now)?;
    // At most one a day. That a subscription has ended must be told, so it waits for the next day's.
    if !queue(tx, &owner, &failure, now)? && gone {
        queue(tx, &owner, &failure, now.plus(DAY))?;
    }
    Ok(())
}

fn queue(tx: &mut Tx<'_>, owner: &str, failure: &Failure, at: Timestamp) -> Result<bool, StoreError> {
    let day = at.to_jiff().to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
    let id = format!("{KIND}-{}-{day}", failure.subscription);
    deliveries::queue_service(tx, KIND, &id, owner, &to_json(failure)?, at)
}

fn is_suppressed(tx: &mut Tx<'_>, secret: &str, email: &str) -> Result<bool, StoreError> {
    let Ok(address) = EmailAddress::parse(email) else { return Ok(false) };
    Ok(suppressions::get(tx, &audience::address_hash(secret, &address.key()))?.is_some())
}
