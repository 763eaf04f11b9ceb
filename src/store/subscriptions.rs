//! Subscriptions: who may be mailed, about what, and when their digest is due.

use super::{Row, StoreError, Tx, counters};
use crate::model::audience::{DigestSchedule, Floor, Subscription, Wish, parse_weekday, weekday_name};
use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;
use crate::model::topic::Topic;

const COLUMNS: &str =
    "s.id, s.email, s.everything, s.floor, s.instant, s.digest, s.digest_day, s.digest_at, s.timezone,
     s.consent, s.consent_at, s.created_at";

/// Recipients that the settings name. They want no advisories, and nobody can unsubscribe them but the settings.
pub const OPERATOR: &str = "operator";
/// The recipient of the daily sign of life.
pub const HEARTBEAT: &str = "heartbeat";

const SET_SERVICE: &str =
    "INSERT INTO subscriptions (id, email, email_key, active, everything, floor, instant, digest, digest_day,
     digest_at, timezone, consent, consent_at, created_at, start_seq, digest_cut)
     VALUES ($1, $2, $1, TRUE, FALSE, 0, FALSE, 'none', 'monday', '07:00', 'UTC', 'settings', $3, $3, 0, 0)
     ON CONFLICT (id) DO UPDATE SET email = excluded.email, active = TRUE";

const EXISTING: &str = "SELECT id, active FROM subscriptions WHERE email_key = $1";

const INSERT: &str =
    "INSERT INTO subscriptions (id, email, email_key, active, everything, floor, instant, digest, digest_day,
     digest_at, timezone, consent, consent_at, created_at, start_seq, digest_cut, digest_due, digest_period)
     VALUES ($1, $2, $3, TRUE, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $13, $14, $15)";

const CHANGE: &str = "UPDATE subscriptions SET email = $2, everything = $3, floor = $4, instant = $5, digest = $6, digest_day = $7,
     digest_at = $8, timezone = $9, consent = $10, consent_at = $11, digest_due = $12, digest_period = $13 WHERE id = $1";

const REVIVE: &str = "UPDATE subscriptions SET active = TRUE, start_seq = $2, digest_cut = $2 WHERE id = $1";

const CLEAR: &str = "DELETE FROM subscription_platforms WHERE subscription = $1";

const PLATFORM: &str = "INSERT INTO subscription_platforms (platform, subscription) VALUES ($1, $2)";

const PLATFORMS: &str = "SELECT platform FROM subscription_platforms WHERE subscription = $1 ORDER BY platform";

const END: &str = "UPDATE subscriptions SET active = FALSE, digest_due = NULL WHERE id = $1 AND active";

const SUPPRESS: &str =
    "UPDATE deliveries SET state = 'suppressed', finished_at = $2, detail = 'unsubscribed before it was sent'
     WHERE subscription = $1 AND state = 'queued'";

const DUE: &str = "SELECT s.id, s.digest_cut, s.digest_due, s.digest_period FROM subscriptions s
     WHERE s.active AND s.digest_due <= $1 ORDER BY s.digest_due, s.id LIMIT CAST($2 AS BIGINT)";

const CUT: &str =
    "UPDATE subscriptions SET digest_cut = $3, digest_due = $4, digest_period = $5 WHERE id = $1 AND digest_cut = $2
     AND digest_due IS NOT DISTINCT FROM $6";

/// What became of an [`upsert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// A new recipient, or one who had left.
    Added,
    /// A known recipient with a new wish.
    Changed,
}

/// When the next digest is due, and the local date that names its period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextDigest {
    /// The instant; absent where none is wanted.
    pub due: Option<Timestamp>,
    /// The period's name.
    pub period: Option<String>,
}

/// A new or changed wish, with the consent that it rests on.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The address as shown.
    pub email: &'a str,
    /// The address as compared.
    pub email_key: &'a str,
    /// What is wanted.
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
    let existing = tx.query_one(EXISTING, &[change.email_key.into()])?;
    let (id, outcome) = match existing {
        None => (insert(tx, change, history)?, Upserted::Added),
        Some(row) => {
            let (id, active) = (row.text(0)?, row.bool(1)?);
            rewrite(tx, &id, change)?;
            if !active {
                tx.execute(REVIVE, &[id.as_str().into(), history.into()])?;
            }
            (id, if active { Upserted::Changed } else { Upserted::Added })
        }
    };
    tx.execute(CLEAR, &[id.as_str().into()])?;
    let topics = change.wish.topics.iter().map(|topic| topic.key());
    for name in change.wish.platforms.iter().map(|platform| platform.0.clone()).chain(topics) {
        tx.execute(PLATFORM, &[name.into(), id.as_str().into()])?;
    }
    Ok((id, outcome))
}

/// Makes `email` the recipient called `id`: [`OPERATOR`] or [`HEARTBEAT`].
///
/// # Errors
/// Fails where the database does.
pub fn set_service(tx: &mut Tx<'_>, id: &str, email: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(SET_SERVICE, &[id.into(), email.into(), now.into()]).map(drop)
}

fn insert(tx: &mut Tx<'_>, change: &Change<'_>, history: i64) -> Result<String, StoreError> {
    let id = format!("sub-{}", counters::next(tx, counters::Counter::Subscription)?);
    let wish = change.wish;
    let args = [
        id.as_str().into(),
        change.email.into(),
        change.email_key.into(),
        wish.everything.into(),
        wish.floor.rank().into(),
        wish.instant.into(),
        wish.digest.every.as_str().into(),
        weekday_name(wish.digest.day).into(),
        wish.digest.at.strftime("%H:%M").to_string().into(),
        wish.digest.timezone.as_str().into(),
        change.consent.into(),
        change.now.into(),
        history.into(),
        change.next.due.into(),
        change.next.period.clone().into(),
    ];
    tx.execute(INSERT, &args)?;
    Ok(id)
}

fn rewrite(tx: &mut Tx<'_>, id: &str, change: &Change<'_>) -> Result<(), StoreError> {
    let wish = change.wish;
    let args = [
        id.into(),
        change.email.into(),
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
    ];
    tx.execute(CHANGE, &args).map(drop)
}

/// Ends a subscription and suppresses what waits for it, in one transaction. False where it had ended before.
///
/// # Errors
/// Fails where the database does.
pub fn end(tx: &mut Tx<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx.execute(END, &[id.into()])?;
    tx.execute(SUPPRESS, &[id.into(), now.into()])?;
    Ok(ended == 1)
}

/// The active subscription of an address.
///
/// # Errors
/// Fails where the database does.
pub fn by_email(tx: &mut Tx<'_>, email_key: &str) -> Result<Option<Subscription>, StoreError> {
    let row = tx.query_one(
        &format!("SELECT {COLUMNS} FROM subscriptions s WHERE s.email_key = $1 AND s.active"),
        &[email_key.into()],
    )?;
    row.map(|row| subscription(tx, &row)).transpose()
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

/// Every active subscription, by address.
///
/// # Errors
/// Fails where the database does.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Subscription>, StoreError> {
    let rows = tx.query(
        &format!("SELECT {COLUMNS} FROM subscriptions s WHERE s.active AND s.id <> $1 ORDER BY s.email_key"),
        &[OPERATOR.into()],
    )?;
    rows.iter().map(|row| subscription(tx, row)).collect()
}

/// A digest that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDigest {
    /// Whose.
    pub subscription: Subscription,
    /// The last event that an earlier digest covered.
    pub cut: i64,
    /// When it was due.
    pub due: Timestamp,
    /// Its period's name.
    pub period: String,
}

/// Digests due at `now`, the longest due first, at most `limit`.
///
/// # Errors
/// Fails where the database does.
pub fn due_digests(tx: &mut Tx<'_>, now: Timestamp, limit: i64) -> Result<Vec<DueDigest>, StoreError> {
    let mut due = Vec::new();
    for row in tx.query(DUE, &[now.into(), limit.into()])? {
        if let Some(subscription) = get(tx, &row.text(0)?)? {
            due.push(DueDigest {
                subscription,
                cut: row.int(1)?,
                due: row.time(2)?,
                period: row.opt_text(3)?.unwrap_or_default(),
            });
        }
    }
    Ok(due)
}

/// Where an active subscription's next digest begins: the last event that an earlier one covered.
///
/// # Errors
/// Fails where the database does.
pub fn digest_cut(tx: &mut Tx<'_>, id: &str) -> Result<i64, StoreError> {
    tx.query_one("SELECT digest_cut FROM subscriptions WHERE id = $1", &[id.into()])?.map_or(Ok(0), |row| row.int(0))
}

/// Moves the cut of `digest` to `cut` and sets what comes next; false where another replica was faster.
///
/// # Errors
/// Fails where the database does.
pub fn cut_digest(tx: &mut Tx<'_>, digest: &DueDigest, cut: i64, next: &NextDigest) -> Result<bool, StoreError> {
    let args = [
        digest.subscription.id.as_str().into(),
        digest.cut.into(),
        cut.into(),
        next.due.into(),
        next.period.clone().into(),
        digest.due.into(),
    ];
    Ok(tx.execute(CUT, &args)? == 1)
}

fn subscription(tx: &mut Tx<'_>, row: &Row) -> Result<Subscription, StoreError> {
    let id = row.text(0)?;
    let (mut platforms, mut topics) = (Vec::new(), Vec::new());
    for row in tx.query(PLATFORMS, &[id.as_str().into()])? {
        let name = row.text(0)?;
        match Topic::of_key(&name) {
            Some(topic) => topics.push(topic),
            None => platforms.push(PlatformId(name)),
        }
    }
    topics.sort_unstable();
    let at = row.text(7)?;
    Ok(Subscription {
        email: row.text(1)?,
        wish: Wish {
            everything: row.bool(2)?,
            platforms,
            topics,
            floor: floor(row.int(3)?)?,
            instant: row.bool(4)?,
            digest: DigestSchedule {
                every: row.text(5)?.parse().map_err(StoreError::custom)?,
                day: parse_weekday(&row.text(6)?).map_err(StoreError::custom)?,
                at: at.parse().map_err(|_| StoreError::custom(format!("'{at}' is not a time of day")))?,
                timezone: row.text(8)?,
            },
        },
        consent: row.text(9)?,
        consent_at: row.time(10)?,
        created_at: row.time(11)?,
        id,
    })
}

fn floor(rank: i64) -> Result<Floor, StoreError> {
    let found = Floor::ALL.into_iter().find(|floor| floor.rank() == rank);
    found.ok_or_else(|| StoreError::custom(format!("{rank} is not a floor")))
}
