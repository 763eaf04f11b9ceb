//! Groups of platforms that subscriptions follow. What a group has is written out for each follower, so that an event
//! meets its hearers by one index, whatever they follow.

use crate::model::audience::{Follow, Owner};
use crate::model::platform::PlatformId;
use crate::store::{StoreError, Tx};

const FOLLOWED: &str = "INSERT INTO subscription_platforms (platform, subscription, chosen) VALUES ($1, $2, FALSE) ON CONFLICT (platform, subscription) DO NOTHING";

const OWN_STACK: &str = "SELECT platform FROM stacks WHERE owner = $1 ORDER BY platform";

const WHOLE_STACK: &str = "SELECT DISTINCT platform FROM stacks WHERE owner = $1
     OR owner IN (SELECT id FROM clients WHERE organization = $1) ORDER BY platform";

/// Writes out what the groups of a subscription have now.
///
/// # Errors
/// Fails where the database does.
pub fn set_followed(tx: &mut Tx<'_>, subscription: &str, followed: &[PlatformId]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM subscription_platforms WHERE subscription = $1 AND NOT chosen", &[subscription.into()])?;
    for platform in followed {
        tx.execute(FOLLOWED, &[platform.0.as_str().into(), subscription.into()])?;
    }
    Ok(())
}

/// Up to `limit` subscriptions beyond `after` that follow one of `follows`, by id.
///
/// # Errors
/// Fails where the database does.
pub fn followers(tx: &mut Tx<'_>, follow: &Follow, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT subscription FROM subscription_platforms WHERE platform = $1 AND subscription > $2
         ORDER BY subscription LIMIT CAST($3 AS BIGINT)";
    let args = [follow.to_string().into(), after.into(), limit.into()];
    tx.query(sql, &args)?.iter().map(|row| row.text(0)).collect()
}

/// Lets nobody follow a group any more that is no more.
///
/// # Errors
/// Fails where the database does.
pub fn unfollow(tx: &mut Tx<'_>, follow: &Follow) -> Result<(), StoreError> {
    let sql = "DELETE FROM subscription_platforms WHERE platform = $1";
    tx.execute(sql, &[follow.to_string().into()]).map(drop)
}

/// Every category and vendor that somebody follows.
///
/// # Errors
/// Fails where the database does.
pub fn of_catalog(tx: &mut Tx<'_>) -> Result<Vec<Follow>, StoreError> {
    // Chosen names with a colon are groups or topics.
    let sql = "SELECT DISTINCT platform FROM subscription_platforms WHERE platform >= 'category:' AND platform < 'category;'
         UNION SELECT DISTINCT platform FROM subscription_platforms WHERE platform >= 'vendor:' AND platform < 'vendor;' ORDER BY 1";
    tx.query(sql, &[])?.iter().map(|row| row.text(0)?.parse().map_err(StoreError::custom)).collect()
}

/// What `owner` runs: an organization's whole stack is its own and those of all its clients.
///
/// # Errors
/// Fails where the database does.
pub fn whole_stack(tx: &mut Tx<'_>, owner: &Owner) -> Result<Vec<PlatformId>, StoreError> {
    let sql = if owner.is_organization() { WHOLE_STACK } else { OWN_STACK };
    tx.query(sql, &[owner.0.as_str().into()])?.iter().map(|row| row.text(0).map(PlatformId)).collect()
}

/// Which clients of `organization` run what: platforms with ids and names, in order.
///
/// # Errors
/// Fails where the database does.
pub fn running(tx: &mut Tx<'_>, organization: &str) -> Result<Vec<(PlatformId, String, String)>, StoreError> {
    let sql = "SELECT k.platform, c.id, c.name FROM clients c JOIN stacks k ON k.owner = c.id
         WHERE c.organization = $1 ORDER BY k.platform, c.name_key";
    let rows = tx.query(sql, &[organization.into()])?;
    rows.iter().map(|row| Ok((PlatformId(row.text(0)?), row.text(1)?, row.text(2)?))).collect()
}

/// Which clients of `organization` run what: platforms with names, in order.
///
/// # Errors
/// Fails where the database does.
pub fn clients_running(tx: &mut Tx<'_>, organization: &str) -> Result<Vec<(PlatformId, String)>, StoreError> {
    Ok(running(tx, organization)?.into_iter().map(|(platform, _, name)| (platform, name)).collect())
}
