//! Subscriptions: who may be mailed, about what, and when their digest is due.

use super::{Row, StoreError, Tx, counters};
use crate::model::audience::{
    DigestSchedule, Floor, Only, QuietHours, Subscription, Wish, parse_weekday, weekday_name,
};
use crate::model::channel::{ChannelKind, Endpoint};
use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;
use crate::model::topic::Topic;

mod addresses;
mod digests;
pub mod groups;
mod service;

pub use addresses::{
    address, blank, blank_deliveries, blank_members, disown, ended, ever_of_address, has_secret, of_organization,
    owners, page_of_organization, prune_pending, recipient, set_stranger,
};
pub use digests::{DueDigest, NextDigest, cut_digest, digest_cut, digest_id, digests_after, due_digests, is_told};
pub use service::{HEARTBEAT, OPERATOR, set_service};

const COLUMNS: &str =
    "s.id, s.email, s.everything, s.floor, s.instant, s.digest, s.digest_day, s.digest_at, s.timezone,
     s.consent, s.consent_at, s.created_at, s.organization, s.channel, s.all_clear, s.quiet, s.quiet_pierce, s.limits";

const EXISTING: &str = "SELECT id, active FROM subscriptions WHERE organization = $1 AND email_key = $2";

const INSERT: &str =
    "INSERT INTO subscriptions (id, email, everything, floor, instant, digest, digest_day, digest_at, timezone, consent,
         consent_at, digest_due, digest_period, all_clear, quiet, quiet_pierce, limits, target, email_key, organization,
         channel, secret, created_at, start_seq, digest_cut, active, ended)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $11,
         $23, $23, $24, $25)";

const CHANGE: &str =
    "UPDATE subscriptions SET email = $2, everything = $3, floor = $4, instant = $5, digest = $6, digest_day = $7,
     digest_at = $8, timezone = $9, consent = $10,
     consent_at = CASE WHEN consent = $10 THEN consent_at ELSE $11 END, digest_due = $12, digest_period = $13,
     all_clear = $14, quiet = $15, quiet_pierce = $16, limits = $17, target = $18,
     secret = COALESCE($19, secret) WHERE id = $1";

const REVIVE: &str =
    "UPDATE subscriptions SET active = TRUE, ended = NULL, start_seq = $2, digest_cut = $2 WHERE id = $1";

const CLEAR: &str = "DELETE FROM subscription_platforms WHERE subscription = $1";

const PLATFORM: &str = "INSERT INTO subscription_platforms (platform, subscription) VALUES ($1, $2)";

const PLATFORMS: &str = "SELECT platform, chosen FROM subscription_platforms WHERE subscription = $1 ORDER BY platform";

const ONLY: &str = "INSERT INTO subscription_only (subscription, origin, way) VALUES ($1, $2, $3)";

const END: &str = "UPDATE subscriptions SET active = FALSE, digest_due = NULL, ended = $2 WHERE id = $1 AND active";

const SUPPRESS: &str = "UPDATE deliveries SET state = 'suppressed', finished_at = $2, detail = $3
     WHERE subscription = $1 AND state = 'queued'";

/// What became of an [`upsert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// A new recipient, or one who had left.
    Added,
    /// A known recipient with a new wish.
    Changed,
}

/// Why nothing is sent to a subscription any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The recipient said so.
    Unsubscribed,
    /// An operator said so.
    Removed,
    /// Mail to the address comes back for good.
    Bounced,
    /// The recipient called it spam.
    Complained,
    /// The receiving endpoint says that it is gone.
    Gone,
    /// The recipient asked to be forgotten.
    Erased,
}

impl Ended {
    /// The word in storage and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Removed => "removed",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Gone => "gone",
            Self::Erased => "erased",
        }
    }
}

/// Who is to be reached, and by which way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The organization that it belongs to; empty for none.
    pub organization: String,
    /// The way.
    pub channel: ChannelKind,
    /// The address as shown; for channels that are no mail, that of the person to tell when the channel fails.
    pub email: String,
    /// What two spellings of one address have in common; no other subscription of the organization has it.
    pub key: String,
    /// Where a channel that takes web requests delivers to, and its secret.
    pub endpoint: Option<Endpoint>,
}

impl Recipient {
    /// A mailbox outside of any organization.
    #[must_use]
    pub fn mailbox(email: &str, key: &str) -> Self {
        Self { email: email.to_owned(), key: key.to_owned(), ..Self::default() }
    }
}

/// A new or changed wish, with the consent that it rests on.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Whose.
    pub recipient: &'a Recipient,
    /// What is wanted, with what its groups have now.
    pub wish: &'a Wish,
    /// By whom and where consent was given.
    pub consent: &'a str,
    /// When its first digest is due.
    pub next: &'a NextDigest,
    /// Now.
    pub now: Timestamp,
}

/// Adds a recipient, or gives a known one a new wish. Events up to now are history to a new recipient.
///
/// # Errors
/// Fails where the database does.
pub fn upsert(tx: &mut Tx<'_>, change: &Change<'_>) -> Result<(String, Upserted), StoreError> {
    let history = counters::current(tx, counters::Counter::Event)?;
    let existing = existing(tx, change.recipient)?;
    let (id, outcome) = match existing {
        None => (insert(tx, change, history, None)?, Upserted::Added),
        Some((id, active)) => {
            rewrite(tx, &id, change)?;
            if !active {
                tx.execute(REVIVE, &[id.as_str().into(), history.into()])?;
            }
            (id, if active { Upserted::Changed } else { Upserted::Added })
        }
    };
    write_wish(tx, &id, change.wish)?;
    Ok((id, outcome))
}

/// The subscription of a recipient who is not to be mailed yet; one that is there stays as it is.
/// Gives its id, and whether it is active.
///
/// # Errors
/// Fails where the database does.
pub fn reserve(tx: &mut Tx<'_>, change: &Change<'_>) -> Result<(String, bool), StoreError> {
    match existing(tx, change.recipient)? {
        Some(known) => Ok(known),
        None => Ok((insert(tx, change, 0, Some("pending"))?, false)),
    }
}

fn existing(tx: &mut Tx<'_>, recipient: &Recipient) -> Result<Option<(String, bool)>, StoreError> {
    let args = [recipient.organization.as_str().into(), recipient.key.as_str().into()];
    tx.query_one(EXISTING, &args)?.map(|row| Ok((row.text(0)?, row.bool(1)?))).transpose()
}

/// Platforms, topics, groups and limits.
fn write_wish(tx: &mut Tx<'_>, id: &str, wish: &Wish) -> Result<(), StoreError> {
    tx.execute(CLEAR, &[id.into()])?;
    let named = wish.topics.iter().map(|topic| topic.key()).chain(wish.follows.iter().map(ToString::to_string));
    for name in wish.platforms.iter().map(|platform| platform.0.clone()).chain(named) {
        tx.execute(PLATFORM, &[name.into(), id.into()])?;
    }
    groups::set_followed(tx, id, &wish.followed)?;
    tx.execute("DELETE FROM subscription_only WHERE subscription = $1", &[id.into()])?;
    for key in wish.only.keys() {
        let way = key.split(':').next().unwrap_or_default().to_owned();
        tx.execute(ONLY, &[id.into(), key.into(), way.into()])?;
    }
    Ok(())
}

/// What both statements write, `$1` to `$18`.
fn values(id: &str, change: &Change<'_>) -> Vec<super::Value> {
    let (wish, recipient) = (change.wish, change.recipient);
    vec![
        id.into(),
        recipient.email.as_str().into(),
        wish.everything.into(),
        wish.floor.rank().into(),
        wish.instant.into(),
        wish.digest.every.as_str().into(),
        weekday_name(wish.digest.day).into(),
        wish.digest.at.strftime("%H:%M").to_string().into(),
        wish.digest.timezone.as_str().into(),
        change.consent.into(),
        change.now.into(),
        change.next.due.into(),
        change.next.period.clone().into(),
        wish.digest.all_clear.into(),
        wish.quiet.map(|quiet| quiet.to_string()).into(),
        wish.quiet.is_none_or(|quiet| quiet.pierce).into(),
        wish.only.limits().into(),
        recipient.endpoint.as_ref().map(|endpoint| endpoint.url.clone()).into(),
    ]
}

fn insert(
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    history: i64,
    ended: Option<&'static str>,
) -> Result<String, StoreError> {
    let id = format!("sub-{}", counters::next(tx, counters::Counter::Subscription)?);
    let recipient = change.recipient;
    let mut args = values(&id, change);
    args.extend([
        recipient.key.as_str().into(),
        recipient.organization.as_str().into(),
        recipient.channel.as_str().into(),
        secret(recipient),
        history.into(),
        ended.is_none().into(),
        ended.map(str::to_owned).into(),
    ]);
    tx.execute(INSERT, &args)?;
    Ok(id)
}

fn secret(recipient: &Recipient) -> super::Value {
    recipient.endpoint.as_ref().and_then(|endpoint| endpoint.secret.clone()).into()
}

fn rewrite(tx: &mut Tx<'_>, id: &str, change: &Change<'_>) -> Result<(), StoreError> {
    let mut args = values(id, change);
    args.push(secret(change.recipient));
    tx.execute(CHANGE, &args).map(drop)
}

/// Ends a subscription and suppresses what waits for it, in one transaction. False where it had ended before.
///
/// # Errors
/// Fails where the database does.
pub fn end(tx: &mut Tx<'_>, id: &str, why: Ended, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx.execute(END, &[id.into(), why.as_str().into()])?;
    let detail = format!("{} before it was sent", why.as_str());
    tx.execute(SUPPRESS, &[id.into(), now.into(), detail.into()])?;
    Ok(ended == 1)
}

/// The active subscription of an address outside of any organization.
///
/// # Errors
/// Fails where the database does.
pub fn by_email(tx: &mut Tx<'_>, email_key: &str) -> Result<Option<Subscription>, StoreError> {
    let row = tx.query_one(
        &format!("SELECT {COLUMNS} FROM subscriptions s WHERE s.email_key = $1 AND s.organization = '' AND s.active"),
        &[email_key.into()],
    )?;
    row.map(|row| subscription(tx, &row)).transpose()
}

/// Every active subscription by mail of an address, in whichever organization.
///
/// # Errors
/// Fails where the database does.
pub fn of_address(tx: &mut Tx<'_>, email_key: &str) -> Result<Vec<Subscription>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM subscriptions s WHERE s.email_key IN ($1, $2) AND s.active ORDER BY s.organization, s.id"
    );
    let rows = tx.query(&sql, &[email_key.into(), format!("ticket:{email_key}").into()])?;
    rows.iter().map(|row| subscription(tx, row)).collect()
}

/// An active subscription by its id.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<Subscription>, StoreError> {
    let row =
        tx.query_one(&format!("SELECT {COLUMNS} FROM subscriptions s WHERE s.id = $1 AND s.active"), &[id.into()])?;
    row.map(|row| subscription(tx, &row)).transpose()
}

/// A subscription by its id, whether it is active or not.
///
/// # Errors
/// Fails where the database does.
pub fn any(tx: &mut Tx<'_>, id: &str) -> Result<Option<Subscription>, StoreError> {
    let row = tx.query_one(&format!("SELECT {COLUMNS} FROM subscriptions s WHERE s.id = $1"), &[id.into()])?;
    row.map(|row| subscription(tx, &row)).transpose()
}

/// Where the channel of a subscription delivers to, for channels that take web requests.
///
/// # Errors
/// Fails where the database does.
pub fn endpoint(tx: &mut Tx<'_>, id: &str) -> Result<Option<Endpoint>, StoreError> {
    let row = tx.query_one("SELECT target, secret FROM subscriptions WHERE id = $1", &[id.into()])?;
    let Some(row) = row else { return Ok(None) };
    let secret = row.opt_text(1)?;
    Ok(row.opt_text(0)?.map(|url| Endpoint { url, secret }))
}

/// Every active subscription, by organization and address; those that the settings name are none.
///
/// # Errors
/// Fails where the database does.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Subscription>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM subscriptions s WHERE s.active AND s.consent <> 'settings'
         ORDER BY s.organization, s.email_key"
    );
    let rows = tx.query(&sql, &[])?;
    rows.iter().map(|row| subscription(tx, row)).collect()
}

fn subscription(tx: &mut Tx<'_>, row: &Row) -> Result<Subscription, StoreError> {
    let id = row.text(0)?;
    let mut wish = Wish {
        everything: row.bool(2)?,
        floor: floor(row.int(3)?)?,
        instant: row.bool(4)?,
        quiet: quiet(row)?,
        digest: schedule(row)?,
        only: if row.int(17)? == 0 { Only::default() } else { only(tx, &id)? },
        ..Wish::default()
    };
    for row in tx.query(PLATFORMS, &[id.as_str().into()])? {
        let name = row.text(0)?;
        match (Topic::of_key(&name), name.parse()) {
            (Some(topic), _) => wish.topics.push(topic),
            (None, Ok(follow)) => wish.follows.push(follow),
            (None, Err(_)) if row.bool(1)? => wish.platforms.push(PlatformId(name)),
            (None, Err(_)) => wish.followed.push(PlatformId(name)),
        }
    }
    wish.topics.sort_unstable();
    wish.follows.sort_unstable();
    Ok(Subscription {
        email: row.text(1)?,
        wish,
        consent: row.text(9)?,
        consent_at: row.time(10)?,
        created_at: row.time(11)?,
        organization: row.text(12)?,
        channel: row.text(13)?.parse().map_err(StoreError::custom)?,
        id,
    })
}

fn schedule(row: &Row) -> Result<DigestSchedule, StoreError> {
    let at = row.text(7)?;
    Ok(DigestSchedule {
        every: row.text(5)?.parse().map_err(StoreError::custom)?,
        day: parse_weekday(&row.text(6)?).map_err(StoreError::custom)?,
        at: at.parse().map_err(|_| StoreError::custom(format!("'{at}' is not a time of day")))?,
        timezone: row.text(8)?,
        all_clear: row.bool(14)?,
    })
}

fn quiet(row: &Row) -> Result<Option<QuietHours>, StoreError> {
    let Some(text) = row.opt_text(15)? else { return Ok(None) };
    let quiet: QuietHours = text.parse().map_err(StoreError::custom)?;
    Ok(Some(QuietHours { pierce: row.bool(16)?, ..quiet }))
}

fn only(tx: &mut Tx<'_>, id: &str) -> Result<Only, StoreError> {
    let mut only = Only::default();
    let sql = "SELECT origin FROM subscription_only WHERE subscription = $1 AND origin <> 'region:*' ORDER BY origin";
    for row in tx.query(sql, &[id.into()])? {
        match row.text(0)?.split_once(':') {
            Some(("publisher", name)) => only.publishers.push(name.to_owned()),
            Some((_, region)) => only.regions.push(region.to_owned()),
            None => {}
        }
    }
    Ok(only)
}

fn floor(rank: i64) -> Result<Floor, StoreError> {
    let found = Floor::ALL.into_iter().find(|floor| floor.rank() == rank);
    found.ok_or_else(|| StoreError::custom(format!("{rank} is not a floor")))
}
