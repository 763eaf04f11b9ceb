//! The board: which advisories touch what an organization and its clients run.

use super::advisories::advisory;
use super::{StoreError, Tx};
use crate::model::advisory::Advisory;
use crate::model::clock::Timestamp;
use crate::model::severity::Severity;

// A plain list of platforms is not put in: an organization's whole stack may be long. TLP:GREEN is for whoever is signed in.
const OPEN: &str = "SELECT a.id, a.revision, a.revised_at, r.body FROM advisories a
     JOIN revisions r ON r.advisory = a.id AND r.number = a.revision
     WHERE a.revised_at >= $2 AND a.merged_into IS NULL AND a.community
     AND (a.exploited OR (CAST($3 AS BIGINT) < 5 AND (a.severity >= $3 OR a.severity = 0)))
     AND EXISTS (SELECT 1 FROM tags t WHERE t.advisory = a.id AND t.platform IN
         (SELECT platform FROM stacks WHERE owner = $1 OR owner IN (SELECT id FROM clients WHERE organization = $1)))
     ORDER BY a.revised_at DESC LIMIT CAST($4 AS BIGINT)";

/// What a board shows of the severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// Rated so or higher, not rated, or exploited.
    Rated(Severity),
    /// Exploited only.
    Exploited,
}

impl Least {
    fn rank(self) -> i64 {
        match self {
            Self::Rated(severity) => severity.rank(),
            Self::Exploited => 5,
        }
    }
}

/// Advisories revised since that touch what the organization or one of its clients runs, newest first.
///
/// # Errors
/// Fails where the database does.
pub fn open(
    tx: &mut Tx<'_>,
    organization: &str,
    since: Timestamp,
    least: Least,
    most: i64,
) -> Result<Vec<Advisory>, StoreError> {
    let args = [organization.into(), since.into(), least.rank().into(), most.into()];
    tx.query(OPEN, &args)?.iter().map(advisory).collect()
}
