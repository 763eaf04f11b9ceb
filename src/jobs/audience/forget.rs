//! Leaving: subscriptions end, addresses are suppressed, and people are forgotten.

use super::address_hash;
use crate::model::address::EmailAddress;
use crate::model::clock::Timestamp;
use crate::store::subscriptions::{self, Ended};
use crate::store::suppressions::{self, Suppression};
use crate::store::{StoreError, Tx, signups};

/// Ends one subscription because its recipient said so, and keeps operators' lists from bringing it back. False where it
/// had ended before.
///
/// # Errors
/// Fails where the database does.
pub fn end(tx: &mut Tx<'_>, secret: &str, subscription: &str, now: Timestamp) -> Result<bool, StoreError> {
    let ended = subscriptions::end(tx, subscription, Ended::Unsubscribed, now)?;
    let Some((email, key)) = subscriptions::address(tx, subscription)? else { return Ok(ended) };
    if ended && subscriptions::of_address(tx, &key)?.is_empty() {
        let suppression = Suppression {
            address_hash: address_hash(secret, &key),
            email: Some(email),
            reason: Ended::Unsubscribed.as_str().to_owned(),
            detail: "the recipient unsubscribed".to_owned(),
            said_by: "the recipient".to_owned(),
            at: now,
        };
        suppressions::put(tx, &suppression)?;
    }
    Ok(ended)
}

/// Mails an address no more: ends every subscription of it, in whichever organization, and keeps it from coming back.
/// Gives how many subscriptions ended.
///
/// # Errors
/// Fails where the database does.
pub fn suppress(
    tx: &mut Tx<'_>,
    secret: &str,
    (email, key): (&str, &str),
    (why, detail, said_by): (Ended, &str, &str),
    now: Timestamp,
) -> Result<usize, StoreError> {
    let all = subscriptions::of_address(tx, key)?;
    for subscription in &all {
        subscriptions::end(tx, &subscription.id, why, now)?;
    }
    let suppression = Suppression {
        address_hash: address_hash(secret, key),
        email: (why != Ended::Erased).then(|| email.to_owned()),
        reason: why.as_str().to_owned(),
        detail: detail.to_owned(),
        said_by: said_by.to_owned(),
        at: now,
    };
    suppressions::put(tx, &suppression)?;
    Ok(all.len())
}

/// Forgets a person: nothing of the address stays but a keyed hash, by which it is not mailed again. What was sent stays
/// in the record without its recipient. Gives how many subscriptions were blanked.
///
/// # Errors
/// Fails where the database does.
pub fn erase(tx: &mut Tx<'_>, secret: &str, key: &str, said_by: &str, now: Timestamp) -> Result<usize, StoreError> {
    suppress(tx, secret, ("", key), (Ended::Erased, "asked to be forgotten", said_by), now)?;
    let hash = address_hash(secret, key);
    let known = subscriptions::ever_of_address(tx, key)?;
    for id in &known {
        signups::forget(tx, id)?;
        subscriptions::blank_deliveries(tx, id)?;
        subscriptions::blank(tx, id, &format!("{hash}:{id}"))?;
    }
    for (id, email) in subscriptions::owners(tx)? {
        if EmailAddress::parse(&email).is_ok_and(|email| email.key() == key) {
            subscriptions::disown(tx, &id)?;
            subscriptions::blank_deliveries(tx, &id)?;
        }
    }
    subscriptions::blank_members(tx, key)?;
    Ok(known.len())
}
