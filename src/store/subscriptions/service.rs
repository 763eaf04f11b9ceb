//! Recipients that are no subscribers: those that the settings name, and the owners of channels.

use crate::model::clock::Timestamp;
use crate::store::{StoreError, Tx};

/// Recipients that the settings name. They want no advisories, and nobody can unsubscribe them but the settings.
pub const OPERATOR: &str = "operator";
/// The recipient of the daily sign of life.
pub const HEARTBEAT: &str = "heartbeat";

const SET_SERVICE: &str =
    "INSERT INTO subscriptions (id, email, email_key, active, everything, floor, instant, digest, digest_day,
     digest_at, timezone, consent, consent_at, created_at, start_seq, digest_cut)
     VALUES ($1, $2, $1, TRUE, FALSE, 0, FALSE, 'none', 'monday', '07:00', 'UTC', 'settings', $3, $3, 0, 0)
     ON CONFLICT (id) DO UPDATE SET email = excluded.email, active = TRUE";

/// Makes `email` the recipient called `id`: [`OPERATOR`], [`HEARTBEAT`], or the owner of a channel.
///
/// # Errors
/// Fails where the database does.
pub fn set_service(tx: &mut Tx<'_>, id: &str, email: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(SET_SERVICE, &[id.into(), email.into(), now.into()]).map(drop)
}
