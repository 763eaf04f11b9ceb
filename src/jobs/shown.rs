//! Shown: advisories as people see them now.

use crate::enrichers::epss as scores;
use crate::model::advisory::Advisory;
use crate::store::{StoreError, Tx, epss};

/// The advisory with today's EPSS scores: they move daily, and a revision keeps those of its own day.
///
/// # Errors
/// Fails where the database does.
pub fn with_newest_scores(tx: &mut Tx<'_>, mut advisory: Advisory) -> Result<Advisory, StoreError> {
    let newest = epss::of_all(tx, &advisory.content.cves)?;
    scores::apply(&mut advisory.content, &newest);
    Ok(advisory)
}
