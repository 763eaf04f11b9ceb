//! Audience: who is mailed about what. The only way by which subscriptions come, change and end.
//!
//! What a group of platforms has (a stack, a category, a vendor) is written out for each of its followers, here.

mod consent;
mod forget;
mod words;
mod written;

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::digest::next_digest;
use crate::model::audience::{Client, Follow, Owner, Wish};
use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;
use crate::model::text;
use crate::platforms::Catalog;
use crate::store::subscriptions::{self, Change, Recipient, Upserted, groups};
use crate::store::suppressions::{self, Suppression};
use crate::store::{Store, StoreError, Tx, meta, organizations};

pub use consent::{Asked, Confirmed, ask, confirm, forget_unanswered, signup_of, signup_token};
pub use forget::{end, erase, suppress};
pub use words::{described, key, webhook_secret};
pub use written::{Known, Written, platform};

/// Followers that are written anew in one transaction.
const PAGE: i64 = 200;

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is stored under this id, for a new recipient or a known one.
    Stored(String, Upserted),
    /// The address is not mailed, and why. Nothing is stored.
    Suppressed(Box<Suppression>),
}

/// Stores the wish of a recipient for whom, and for whose consent, an operator vouches. An address that is suppressed stays so: no
/// operator's list outweighs a recipient's no.
///
/// # Errors
/// Fails where the database does.
pub fn save(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    secret: &str,
    recipient: &Recipient,
    wish: &Wish,
    consent: &str,
    now: Timestamp,
) -> Result<Saved, StoreError> {
    if let Some(suppressed) = suppressions::get(tx, &address_hash(secret, &recipient.key))? {
        return Ok(Saved::Suppressed(Box::new(suppressed)));
    }
    let (id, outcome) = store(tx, catalog, recipient, wish, consent, now)?;
    subscriptions::set_stranger(tx, &id, false)?;
    Ok(Saved::Stored(id, outcome))
}

/// Gives a subscription another wish, as its recipient asks. The consent stays what it was. False where it has ended.
///
/// # Errors
/// Fails where the database does.
pub fn change(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    subscription: &str,
    wish: &Wish,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(known) = subscriptions::get(tx, subscription)? else { return Ok(false) };
    let Some(recipient) = subscriptions::recipient(tx, subscription)? else { return Ok(false) };
    store(tx, catalog, &recipient, wish, &known.consent, now).map(|_| true)
}

fn store(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    recipient: &Recipient,
    wish: &Wish,
    consent: &str,
    now: Timestamp,
) -> Result<(String, Upserted), StoreError> {
    let wish = Wish { followed: expanded(tx, catalog, &wish.follows)?, ..wish.clone() };
    let next = next_digest(&wish.digest, now);
    subscriptions::upsert(tx, &Change { recipient, wish: &wish, consent, next: &next, now })
}

/// The platforms that groups have now; sorted, no repeats.
///
/// # Errors
/// Fails where the database does.
pub fn expanded(tx: &mut Tx<'_>, catalog: &Catalog, follows: &[Follow]) -> Result<Vec<PlatformId>, StoreError> {
    let mut platforms = BTreeSet::new();
    for follow in follows {
        match follow {
            Follow::Stack(owner) => platforms.extend(groups::whole_stack(tx, owner)?),
            group => platforms.extend(of_catalog(catalog, group)),
        }
    }
    Ok(platforms.into_iter().collect())
}

/// The platforms of a category or a vendor. What is only another name of a platform counts as that one.
fn of_catalog(catalog: &Catalog, group: &Follow) -> BTreeSet<PlatformId> {
    let belongs = |platform: &&crate::platforms::Platform| match group {
        Follow::Category(word) => platform.category.as_str() == word,
        Follow::Vendor(name) => text::fold(&platform.vendor) == text::fold(name),
        Follow::Stack(_) => false,
    };
    let listed = catalog.iter().filter(belongs);
    listed.map(|platform| platform.same_as.clone().unwrap_or_else(|| platform.id.clone())).collect()
}

/// Writes anew what the followers of `owner`'s stack get, after that stack has changed; `organization` is whose client
/// the owner is.
///
/// # Errors
/// Fails where the database does.
pub fn stack_changed(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    owner: &Owner,
    organization: Option<&Owner>,
) -> Result<(), StoreError> {
    for owner in std::iter::once(owner).chain(organization) {
        let follow = Follow::Stack(owner.clone());
        let mut after = String::new();
        loop {
            let page = groups::followers(tx, &follow, &after, PAGE)?;
            follow_anew(tx, catalog, &page)?;
            match page.last() {
                Some(last) => after.clone_from(last),
                None => break,
            }
        }
    }
    Ok(())
}

/// Removes a client of an organization and its stack: whoever followed that stack gets nothing by it any more. What was
/// done for the client stays in the record.
///
/// # Errors
/// Fails where the database does.
pub fn remove_client(tx: &mut Tx<'_>, catalog: &Catalog, client: &Client) -> Result<(), StoreError> {
    let (owner, organization) = (Owner(client.id.clone()), Owner(client.organization.clone()));
    organizations::set_stack(tx, &owner, &[])?;
    stack_changed(tx, catalog, &owner, Some(&organization))?;
    groups::unfollow(tx, &Follow::Stack(owner))?;
    organizations::remove_client(tx, &client.id)
}

fn follow_anew(tx: &mut Tx<'_>, catalog: &Catalog, ids: &[String]) -> Result<(), StoreError> {
    for id in ids {
        let Some(subscription) = subscriptions::any(tx, id)? else { continue };
        let followed = expanded(tx, catalog, &subscription.wish.follows)?;
        if followed != subscription.wish.followed {
            groups::set_followed(tx, id, &followed)?;
        }
    }
    Ok(())
}

/// Writes anew what the followers of categories and vendors get, where the catalog is not the one it was written by.
///
/// # Errors
/// Fails where the database does; the next start goes on.
pub async fn catalog_changed(store: &Store, catalog: &Catalog) -> Result<(), StoreError> {
    let version = version(catalog);
    let known = store.read(|tx| meta::get(tx, "groups")).await?;
    if known.as_deref() == Some(version.as_str()) {
        return Ok(());
    }
    for follow in store.read(groups::of_catalog).await? {
        let mut after = String::new();
        loop {
            let (follow, catalog, from) = (follow.clone(), catalog.clone(), after.clone());
            let page = store
                .write(move |tx| {
                    let page = groups::followers(tx, &follow, &from, PAGE)?;
                    follow_anew(tx, &catalog, &page)?;
                    Ok(page)
                })
                .await?;
            match page.last() {
                Some(last) => after.clone_from(last),
                None => break,
            }
        }
    }
    store.write(move |tx| meta::set(tx, "groups", &version)).await
}

/// What categories and vendors have, in a few letters.
fn version(catalog: &Catalog) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"groups").expect("HMAC takes a key of any length");
    for platform in catalog.iter() {
        let same = platform.same_as.as_ref().map_or("", |id| id.0.as_str());
        for part in [platform.id.0.as_str(), platform.category.as_str(), &platform.vendor, same] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
    }
    super::letters::hex(&mac.finalize().into_bytes()[..16])
}

/// The keyed hash by which an address is known after it has been forgotten.
#[must_use]
pub fn address_hash(secret: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"address|");
    // A ticket system's mailbox is the same mailbox.
    mac.update(key.strip_prefix("ticket:").unwrap_or(key).as_bytes());
    super::letters::hex(&mac.finalize().into_bytes())
}
