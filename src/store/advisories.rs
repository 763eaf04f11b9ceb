//! Advisories, their revisions, their keys and their tags.

use std::collections::BTreeSet;

use super::{Row, StoreError, Tx, Value, list};
use crate::model::advisory::{Advisory, AdvisoryId, Content};
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::item::KevFacts;
use crate::model::tlp::Tlp;

const INSERT: &str = "INSERT INTO advisories (id, number, revision, revised_at, first_seen, title, severity, exploited,
     public, community, dated_at) VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10)";

const UPDATE: &str =
    "UPDATE advisories SET revision = $2, revised_at = $3, title = $4, severity = $5, exploited = $6, public = $7,
     community = $8, dated_at = $9 WHERE id = $1";

const REVISION: &str = "INSERT INTO revisions (advisory, number, at, body) VALUES ($1, $2, $3, $4)";

const CVE: &str = "INSERT INTO advisory_cves (cve, advisory) VALUES ($1, $2) ON CONFLICT (cve, advisory) DO NOTHING";

const TAG: &str = "INSERT INTO tags (advisory, platform, confidence) VALUES ($1, $2, $3)
     ON CONFLICT (advisory, platform) DO UPDATE SET confidence = excluded.confidence";

const RETIRE: &str = "UPDATE advisories SET merged_into = $2 WHERE id = $1";

const MERGED_INTO: &str = "SELECT merged_into FROM advisories WHERE id = $1";

/// Most steps that are followed from a merged advisory to the one that stands.
const MERGES_MAX: usize = 100;

const FORGET_CVES: &str = "DELETE FROM advisory_cves WHERE advisory = $1";

const UNTAG: &str = "DELETE FROM tags WHERE advisory = $1";

const KEEP_KEV: &str = "INSERT INTO cve_facts (cve, kev, source_name) VALUES ($1, $2, $3)
     ON CONFLICT (cve) DO UPDATE SET kev = excluded.kev, source_name = excluded.source_name";

const FORGET_KEV: &str = "DELETE FROM cve_facts WHERE cve = $1";

const NAMING: &str = "SELECT advisory FROM advisory_cves WHERE cve = $1 ORDER BY advisory";

const ONE: &str = "SELECT a.id, a.revision, a.revised_at, r.body FROM advisories a
     JOIN revisions r ON r.advisory = a.id AND r.number = a.revision WHERE a.id = $1";

const BODY: &str = "SELECT body FROM revisions WHERE advisory = $1 AND number = $2";

const REVISIONS: &str = "SELECT number, at FROM revisions WHERE advisory = $1 ORDER BY number";

/// Opens an advisory under `number`, with its first revision, before any item points to it.
///
/// # Errors
/// Fails where the database does.
pub fn open(tx: &mut Tx<'_>, number: i64, now: Timestamp, content: &Content) -> Result<AdvisoryId, StoreError> {
    let id = AdvisoryId(format!("RW-{number}"));
    let args = [
        id.0.as_str().into(),
        number.into(),
        now.into(),
        content.first_seen.into(),
        content.title.as_str().into(),
        content.severity.rank().into(),
        content.exploitation.exploited.into(),
        (content.tlp == Tlp::Clear).into(),
        (content.tlp <= Tlp::Green).into(),
        content.published.unwrap_or(content.first_seen).into(),
    ];
    tx.execute(INSERT, &args)?;
    write_revision(tx, &id, 1, now, content)?;
    Ok(id)
}

/// Writes revision `number` of an advisory.
///
/// # Errors
/// Fails where the database does, or where that revision exists.
pub fn revise(
    tx: &mut Tx<'_>,
    id: &AdvisoryId,
    number: i64,
    now: Timestamp,
    content: &Content,
) -> Result<(), StoreError> {
    let args = [
        id.0.as_str().into(),
        number.into(),
        now.into(),
        content.title.as_str().into(),
        content.severity.rank().into(),
        content.exploitation.exploited.into(),
        (content.tlp == Tlp::Clear).into(),
        (content.tlp <= Tlp::Green).into(),
        content.published.unwrap_or(content.first_seen).into(),
    ];
    tx.execute(UPDATE, &args)?;
    tx.execute(UNTAG, &[id.0.as_str().into()])?;
    tx.execute(FORGET_CVES, &[id.0.as_str().into()])?;
    write_revision(tx, id, number, now, content)
}

const OPEN: &str = "SELECT a.id, (SELECT r.body FROM revisions r WHERE r.advisory = a.id AND r.at <= $3
         ORDER BY r.number DESC LIMIT 1) FROM advisories a JOIN subscriptions s ON s.id = $1
     WHERE a.merged_into IS NULL AND a.revised_at >= $2 AND (a.public OR NOT s.stranger)
       AND (s.everything OR EXISTS (SELECT 1 FROM tags t JOIN subscription_platforms sp ON sp.platform = t.platform
            WHERE t.advisory = a.id AND sp.subscription = s.id))
     ORDER BY a.revised_at DESC, a.number DESC LIMIT CAST($4 AS BIGINT)";

/// Advisories that touch what a subscription runs, dated or told after `since`, as they were at `until`: of the newest
/// `most`, those that stand.
///
/// # Errors
/// Fails where the database does.
pub fn open_for(
    tx: &mut Tx<'_>,
    subscription: &str,
    since: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<Vec<(AdvisoryId, Content)>, StoreError> {
    let mut open = Vec::new();
    for row in tx.query(OPEN, &[subscription.into(), since.into(), until.into(), most.into()])? {
        let Some(body) = row.opt_text(1)? else { continue };
        let content: Content = super::from_json(&body)?;
        // History that was read for the first time yesterday is not open since yesterday.
        let dated = content.published.unwrap_or(content.first_seen);
        if dated >= since && !content.withdrawn && !content.quiet {
            open.push((AdvisoryId(row.text(0)?), content));
        }
    }
    Ok(open)
}

fn write_revision(
    tx: &mut Tx<'_>,
    id: &AdvisoryId,
    number: i64,
    now: Timestamp,
    content: &Content,
) -> Result<(), StoreError> {
    tx.execute(REVISION, &[id.0.as_str().into(), number.into(), now.into(), super::to_json(content)?.into()])?;
    for cve in &content.cves {
        tx.execute(CVE, &[cve.as_str().into(), id.0.as_str().into()])?;
    }
    for tag in content.affected() {
        for platform in std::iter::once(&tag.platform).chain(&tag.under) {
            tx.execute(TAG, &[id.0.as_str().into(), platform.0.as_str().into(), tag.confidence.into()])?;
        }
    }
    Ok(())
}

/// Ends an advisory whose items are all `into`'s now. Its revisions and events stay, for the record.
///
/// # Errors
/// Fails where the database does.
pub fn retire(tx: &mut Tx<'_>, id: &AdvisoryId, into: &AdvisoryId) -> Result<(), StoreError> {
    tx.execute(RETIRE, &[id.0.as_str().into(), into.0.as_str().into()])?;
    super::search::forget(tx, id)?;
    tx.execute(FORGET_CVES, &[id.0.as_str().into()])?;
    tx.execute(UNTAG, &[id.0.as_str().into()]).map(drop)
}

/// The advisory that holds now what `id` did: itself, or the one into which it was merged, in however many steps.
///
/// # Errors
/// Fails where the database does.
pub fn current(tx: &mut Tx<'_>, id: &AdvisoryId) -> Result<Option<AdvisoryId>, StoreError> {
    let mut id = id.clone();
    for _ in 0..MERGES_MAX {
        let Some(row) = tx.query_one(MERGED_INTO, &[id.0.as_str().into()])? else { return Ok(None) };
        match row.opt_text(0)? {
            Some(into) => id = AdvisoryId(into),
            None => return Ok(Some(id)),
        }
    }
    Ok(None)
}

/// Keeps what the KEV catalog says of a CVE.
///
/// # Errors
/// Fails where the database does.
pub fn keep_kev(tx: &mut Tx<'_>, cve: &CveId, kev: &KevFacts, source_name: &str) -> Result<(), StoreError> {
    tx.execute(KEEP_KEV, &[cve.as_str().into(), super::to_json(kev)?.into(), source_name.into()]).map(drop)
}

/// Forgets what the KEV catalog said of a CVE.
///
/// # Errors
/// Fails where the database does.
pub fn forget_kev(tx: &mut Tx<'_>, cve: &CveId) -> Result<(), StoreError> {
    tx.execute(FORGET_KEV, &[cve.as_str().into()]).map(drop)
}

/// Every advisory that names a CVE.
///
/// # Errors
/// Fails where the database does.
pub fn naming(tx: &mut Tx<'_>, cve: &CveId) -> Result<Vec<AdvisoryId>, StoreError> {
    tx.query(NAMING, &[cve.as_str().into()])?.iter().map(|row| row.text(0).map(AdvisoryId)).collect()
}

/// What the KEV catalog says of any of `cves`: the facts and the name of the source that gave them.
///
/// # Errors
/// Fails where the database does.
pub fn kev_of(tx: &mut Tx<'_>, cves: &BTreeSet<CveId>) -> Result<Vec<(KevFacts, String)>, StoreError> {
    let cves: Vec<&CveId> = cves.iter().collect();
    let mut facts = Vec::new();
    for chunk in cves.chunks(200) {
        let sql =
            format!("SELECT kev, source_name FROM cve_facts WHERE cve IN ({}) ORDER BY cve", list(chunk.len(), 1));
        let args: Vec<Value> = chunk.iter().map(|cve| cve.as_str().into()).collect();
        for row in tx.query(&sql, &args)? {
            facts.push((super::from_json(&row.text(0)?)?, row.text(1)?));
        }
    }
    Ok(facts)
}

/// An advisory in its newest revision.
///
/// # Errors
/// Fails where the database does.
pub fn get(tx: &mut Tx<'_>, id: &AdvisoryId) -> Result<Option<Advisory>, StoreError> {
    tx.query_one(ONE, &[id.0.as_str().into()])?.as_ref().map(advisory).transpose()
}

/// What an advisory said in revision `number`.
///
/// # Errors
/// Fails where the database does.
pub fn revision(tx: &mut Tx<'_>, id: &AdvisoryId, number: i64) -> Result<Option<Content>, StoreError> {
    let row = tx.query_one(BODY, &[id.0.as_str().into(), number.into()])?;
    row.map(|row| super::from_json(&row.text(0)?)).transpose()
}

/// The numbers and times of an advisory's revisions, oldest first.
///
/// # Errors
/// Fails where the database does.
pub fn revisions(tx: &mut Tx<'_>, id: &AdvisoryId) -> Result<Vec<(i64, Timestamp)>, StoreError> {
    tx.query(REVISIONS, &[id.0.as_str().into()])?.iter().map(|row| Ok((row.int(0)?, row.time(1)?))).collect()
}

pub(super) fn advisory(row: &Row) -> Result<Advisory, StoreError> {
    Ok(Advisory {
        id: AdvisoryId(row.text(0)?),
        revision: row.int(1)?,
        revised_at: row.time(2)?,
        content: super::from_json(&row.text(3)?)?,
    })
}
