//! The addresses behind subscriptions: who is reached where, and how an address is forgotten.

use super::{Recipient, endpoint};
use crate::model::audience::Subscription;
use crate::model::clock::Timestamp;
use crate::store::{StoreError, Tx};

/// The address of a subscription as shown, and as compared, whether it is active or not.
///
/// # Errors
/// Fails where the database does.
pub fn address(tx: &mut Tx<'_>, id: &str) -> Result<Option<(String, String)>, StoreError> {
    let row = tx.query_one("SELECT email, email_key FROM subscriptions WHERE id = $1", &[id.into()])?;
    row.map(|row| Ok((row.text(0)?, row.text(1)?))).transpose()
}

/// Whom a subscription reaches, whether it is active or not.
///
/// # Errors
/// Fails where the database does.
pub fn recipient(tx: &mut Tx<'_>, id: &str) -> Result<Option<Recipient>, StoreError> {
    let sql = "SELECT organization, channel, email, email_key FROM subscriptions WHERE id = $1";
    let Some(row) = tx.query_one(sql, &[id.into()])? else { return Ok(None) };
    Ok(Some(Recipient {
        organization: row.text(0)?,
        channel: row.text(1)?.parse().map_err(StoreError::custom)?,
        email: row.text(2)?,
        key: row.text(3)?,
        endpoint: endpoint(tx, id)?,
    }))
}

/// Whether a recipient is known with a secret, whether it is active or not.
///
/// # Errors
/// Fails where the database does.
pub fn has_secret(tx: &mut Tx<'_>, recipient: &Recipient) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM subscriptions WHERE organization = $1 AND email_key = $2 AND secret IS NOT NULL";
    let args = [recipient.organization.as_str().into(), recipient.key.as_str().into()];
    Ok(tx.query_one(sql, &args)?.is_some())
}

/// Why a subscription is not active; absent where it is, or where there is none.
///
/// # Errors
/// Fails where the database does.
pub fn ended(tx: &mut Tx<'_>, id: &str) -> Result<Option<String>, StoreError> {
    let row = tx.query_one("SELECT ended FROM subscriptions WHERE id = $1 AND NOT active", &[id.into()])?;
    row.map_or(Ok(None), |row| row.opt_text(0))
}

/// Every subscription that an address ever had, in whichever organization.
///
/// # Errors
/// Fails where the database does.
pub fn ever_of_address(tx: &mut Tx<'_>, email_key: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT id FROM subscriptions WHERE email_key IN ($1, $2) ORDER BY id";
    let rows = tx.query(sql, &[email_key.into(), format!("ticket:{email_key}").into()])?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Takes everything personal out of a subscription; `hash` takes the address's place.
///
/// # Errors
/// Fails where the database does.
pub fn blank(tx: &mut Tx<'_>, id: &str, hash: &str) -> Result<(), StoreError> {
    for table in ["subscription_platforms", "subscription_only", "bounces"] {
        tx.execute(&format!("DELETE FROM {table} WHERE subscription = $1"), &[id.into()])?;
    }
    let sql = "UPDATE subscriptions SET active = FALSE, ended = 'erased', email = '', email_key = $2, consent = '',
         target = NULL, secret = NULL, everything = FALSE, limits = 0, digest_due = NULL WHERE id = $1";
    tx.execute(sql, &[id.into(), format!("erased:{hash}").into()]).map(drop)
}

/// Keeps whether nobody vouches for who is behind a subscription.
///
/// # Errors
/// Fails where the database does.
pub fn set_stranger(tx: &mut Tx<'_>, id: &str, stranger: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE subscriptions SET stranger = $2 WHERE id = $1", &[id.into(), stranger.into()]).map(drop)
}

/// The channels that are no mail, the letters about them, and the links to sign in, with their owners' addresses.
///
/// # Errors
/// Fails where the database does.
pub fn owners(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    let sql = "SELECT id, email FROM subscriptions WHERE email <> ''
         AND (channel NOT IN ('email', 'ticket') OR SUBSTR(id, 1, 6) = 'owner-' OR SUBSTR(id, 1, 7) = 'person-') ORDER BY id";
    tx.query(sql, &[])?.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
}

/// Takes its owner's address from a channel, which goes on.
///
/// # Errors
/// Fails where the database does.
pub fn disown(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE subscriptions SET email = '' WHERE id = $1", &[id.into()]).map(drop)
}

/// Forgets the members with an address, that it was an operator's, and where it is signed in.
///
/// # Errors
/// Fails where the database does.
pub fn blank_members(tx: &mut Tx<'_>, email_key: &str) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM members WHERE email_key = $1",
        "DELETE FROM operators WHERE email_key = $1",
        "DELETE FROM sign_ins WHERE email_key = $1",
        "DELETE FROM sessions WHERE email_key = $1",
    ] {
        tx.execute(sql, &[email_key.into()])?;
    }
    Ok(())
}

/// Takes what relays and people said out of the deliveries to a subscription: it may name the address.
///
/// # Errors
/// Fails where the database does.
pub fn blank_deliveries(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE deliveries SET detail = '' WHERE subscription = $1", &[id.into()])?;
    let sql = "UPDATE attempts SET detail = '' WHERE delivery IN (SELECT id FROM deliveries WHERE subscription = $1)";
    tx.execute(sql, &[id.into()]).map(drop)
}

/// Forgets recipients who never said yes, asked before `before`.
///
/// # Errors
/// Fails where the database does.
pub fn prune_pending(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    const NEVER: &str = "SELECT id FROM subscriptions WHERE ended = 'pending' AND NOT active
         AND NOT EXISTS (SELECT 1 FROM signups g WHERE g.subscription = subscriptions.id AND g.expires_at >= $1)";
    for sql in [
        format!("DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE subscription IN ({NEVER}))"),
        format!("DELETE FROM deliveries WHERE subscription IN ({NEVER})"),
        "DELETE FROM signups WHERE expires_at < $1 AND confirmed_at IS NULL".to_owned(),
    ] {
        tx.execute(&sql, &[before.into()])?;
    }
    tx.execute(
        "DELETE FROM bounces WHERE subscription IN (SELECT id FROM subscriptions WHERE ended = 'pending' AND NOT active)",
        &[],
    )?;
    tx.execute(
        "DELETE FROM subscriptions WHERE ended = 'pending' AND NOT active
         AND NOT EXISTS (SELECT 1 FROM signups g WHERE g.subscription = subscriptions.id)
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.subscription = subscriptions.id)",
        &[],
    )
}

/// The active subscriptions of one organization, by address.
///
/// # Errors
/// Fails where the database does.
pub fn of_organization(tx: &mut Tx<'_>, organization: &str) -> Result<Vec<Subscription>, StoreError> {
    let sql = format!(
        "SELECT {} FROM subscriptions s WHERE s.active AND s.organization = $1 ORDER BY s.email_key",
        super::COLUMNS
    );
    let rows = tx.query(&sql, &[organization.into()])?;
    rows.iter().map(|row| super::subscription(tx, row)).collect()
}

/// At most `most` active subscriptions of one organization beyond the one added at an instant under an id, in that order.
///
/// # Errors
/// Fails where the database does.
pub fn page_of_organization(
    tx: &mut Tx<'_>,
    organization: &str,
    (at, id): (Timestamp, &str),
    most: i64,
) -> Result<Vec<Subscription>, StoreError> {
    let sql = format!(
        "SELECT {} FROM subscriptions s WHERE s.active AND s.organization = $1
         AND (s.created_at > $2 OR (s.created_at = $2 AND s.id > $3))
         ORDER BY s.created_at, s.id LIMIT CAST($4 AS BIGINT)",
        super::COLUMNS
    );
    let rows = tx.query(&sql, &[organization.into(), at.into(), id.into(), most.into()])?;
    rows.iter().map(|row| super::subscription(tx, row)).collect()
}
