//! Scores: a day of EPSS, and the advisories whose exploitation it makes more likely than not.

use super::revision::{refresh, tell};
use crate::model::clock::Timestamp;
use crate::model::facts::EPSS_HIGH;
use crate::model::item::EpssScore;
use crate::model::platform::PlatformId;
use crate::store::{StoreError, Tx, counters, epss};

/// Stores scores of `day` (`YYYY-MM-DD`), and writes what they change of advisories. Gives the number of events; a
/// baseline makes none.
///
/// # Errors
/// Fails where the database does; nothing is stored then.
pub fn keep(
    tx: &mut Tx<'_>,
    day: &str,
    scores: &[EpssScore],
    baseline: bool,
    now: Timestamp,
    name: &dyn Fn(&PlatformId) -> String,
) -> Result<usize, StoreError> {
    counters::next(tx, counters::Counter::Ingest)?;
    let rising = epss::rising(tx, scores, EPSS_HIGH)?;
    epss::keep(tx, day, scores)?;
    let mut news = Vec::new();
    for id in rising {
        news.extend(refresh(tx, &id, now, name)?);
    }
    tell(tx, news, baseline)
}
