//! Numbers that only grow: ids, and the order of ingestion.
//!
//! A counter's row stays locked until its transaction ends, so numbers become visible in their own order on both
//! engines. Digest windows rest on that.

use super::{StoreError, Tx};

const NEXT: &str = "UPDATE counters SET value = value + CAST($2 AS BIGINT) WHERE name = $1 RETURNING value";
const CURRENT: &str = "SELECT value FROM counters WHERE name = $1";

/// A counter that the schema defines.
#[derive(Clone, Copy, Debug)]
pub enum Counter {
    /// Advisory numbers.
    Advisory,
    /// Entries of the audit log.
    Audit,
    /// Client numbers.
    Client,
    /// Event sequence numbers.
    Event,
    /// Taken by every ingest, so that ingests run one after the other.
    Ingest,
    /// Item numbers.
    Item,
    /// Member numbers.
    Member,
    /// Notices to the operator.
    Notice,
    /// Organization numbers.
    Organization,
    /// Responses to advisories.
    Response,
    /// Sessions of people who signed in.
    Session,
    /// Links to sign in.
    SignIn,
    /// Requests to be mailed.
    Signup,
    /// Subscription numbers.
    Subscription,
    /// Tokens of programs.
    Token,
    /// Reports of wrong matches.
    Wrong,
}

impl Counter {
    const fn name(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Audit => "audit",
            Self::Client => "client",
            Self::Event => "event",
            Self::Ingest => "ingest",
            Self::Item => "item",
            Self::Member => "member",
            Self::Notice => "notice",
            Self::Organization => "organization",
            Self::Response => "response",
            Self::Session => "session",
            Self::SignIn => "sign_in",
            Self::Signup => "signup",
            Self::Subscription => "subscription",
            Self::Token => "token",
            Self::Wrong => "wrong",
        }
    }
}

/// The next number of `counter`, from 1.
///
/// # Errors
/// Fails where the database does.
pub fn next(tx: &mut Tx<'_>, counter: Counter) -> Result<i64, StoreError> {
    take(tx, counter, 1)
}

/// The first of the next `count` numbers of `counter`, which are all the caller's.
///
/// # Errors
/// Fails where the database does.
pub fn take(tx: &mut Tx<'_>, counter: Counter, count: usize) -> Result<i64, StoreError> {
    let count = i64::try_from(count).map_err(|_| StoreError::custom("too many numbers at once"))?;
    let row = tx.query_one(NEXT, &[counter.name().into(), count.into()])?;
    let last = row.ok_or_else(|| StoreError::custom(format!("counter {} is missing", counter.name())))?.int(0)?;
    Ok(last - count + 1)
}

/// The last number given; 0 before the first.
///
/// # Errors
/// Fails where the database does.
pub fn current(tx: &mut Tx<'_>, counter: Counter) -> Result<i64, StoreError> {
    let row = tx.query_one(CURRENT, &[counter.name().into()])?;
    row.ok_or_else(|| StoreError::custom(format!("counter {} is missing", counter.name())))?.int(0)
}
