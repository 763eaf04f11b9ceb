//! Heard: a list of events, and an entry of a list, of which everybody concerned has heard already.
//!
//! When CISA adds two CVEs to its catalog it also publishes a notice that lists them. Whichever comes first is told; the
//! other one tells nobody anything new, as long as it touches no other platform.

use std::collections::BTreeSet;

use crate::model::advisory::{AdvisoryId, Content};
use crate::model::cve::CveId;
use crate::model::draft::Draft;
use crate::model::platform::PlatformId;
use crate::model::topic::Topic;
use crate::store::{StoreError, Tx, advisories, events, items};

/// A list of more CVE ids is not looked into.
const CVES: usize = 50;
/// Most advisories about one CVE that are looked at.
const NAMING: usize = 20;

/// Whether what `drafts` say, as a new advisory, was told by others: a list by the advisories of all its CVE ids, a catalog
/// entry by a list that names it.
///
/// # Errors
/// Fails where the database does.
pub fn by_others(tx: &mut Tx<'_>, drafts: &[Draft], content: &Content) -> Result<bool, StoreError> {
    let lists = drafts.iter().all(|draft| draft.round_up);
    let entries = drafts.iter().all(|draft| draft.item.kev.is_some());
    if !(lists || entries) || content.cves.is_empty() || content.cves.len() > CVES {
        return Ok(false);
    }
    let is = &content.exploitation;
    let (mut platforms, mut ransomware) = (BTreeSet::new(), false);
    for cve in &content.cves {
        let Some(heard) = told(tx, cve, lists, is.exploited)? else { return Ok(false) };
        platforms.extend(heard.platforms);
        ransomware |= heard.ransomware;
    }
    let for_all = content.topics.iter().any(|about| about.topic == Topic::Msp);
    Ok(!for_all && content.platforms().all(|id| platforms.contains(id)) && (ransomware || !is.ransomware))
}

#[derive(Default)]
struct Heard {
    platforms: BTreeSet<PlatformId>,
    ransomware: bool,
}

/// What people were mailed about a CVE: by advisories of its own (`own`), or by lists. `None` where nobody was.
fn told(tx: &mut Tx<'_>, cve: &CveId, own: bool, exploited: bool) -> Result<Option<Heard>, StoreError> {
    let mut heard: Option<Heard> = None;
    for id in advisories::naming(tx, cve)?.into_iter().take(NAMING) {
        let Some(known) = advisories::get(tx, &id)?.filter(|known| !known.content.withdrawn) else { continue };
        let told = known.content.told;
        if (told.exploited || !exploited) && is_list(tx, &id)? != own && !events::of_advisory(tx, &id)?.is_empty() {
            let heard = heard.get_or_insert_default();
            heard.platforms.extend(told.platforms);
            heard.ransomware |= told.ransomware;
        }
    }
    Ok(heard)
}

fn is_list(tx: &mut Tx<'_>, id: &AdvisoryId) -> Result<bool, StoreError> {
    Ok(items::of_advisory(tx, id)?.iter().all(|draft| draft.round_up))
}
