//! Responses: an organization says what it did about an advisory, on its pages or by a program.

use crate::model::advisory::AdvisoryId;
use crate::model::clock::Timestamp;
use crate::model::response::{Response, ResponseState};
use crate::model::text;
use crate::model::tlp::Tlp;
use crate::store::audit::{self, Deed};
use crate::store::{StoreError, Tx, advisories, organizations, responses};

/// Longest note, in characters.
pub const NOTE_MAX: usize = 500;

/// What somebody says was done.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whose word it is.
    pub organization: String,
    /// For whom: one of its clients, or its own id for all of them.
    pub owner: String,
    /// The advisory; what it has been merged into counts.
    pub advisory: AdvisoryId,
    /// What was done.
    pub state: ResponseState,
    /// In the words of who did it; may be empty. What is longer than [`NOTE_MAX`] is cut.
    pub note: String,
    /// Who says so.
    pub who: String,
}

/// What is not there for the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The advisory, or it may not read it.
    Advisory,
    /// The client.
    Owner,
}

/// Keeps what was done, in the record and in the log.
///
/// # Errors
/// Fails where the database does.
pub fn say(tx: &mut Tx<'_>, said: &Said, now: Timestamp) -> Result<Result<Response, Absent>, StoreError> {
    let is_known = said.owner == said.organization
        || organizations::find_client(tx, &said.organization, &said.owner)?.is_some_and(|one| one.id == said.owner);
    if !is_known {
        return Ok(Err(Absent::Owner));
    }
    let Some(current) = advisories::current(tx, &said.advisory)? else { return Ok(Err(Absent::Advisory)) };
    if advisories::get(tx, &current)?.is_none_or(|found| found.content.tlp > Tlp::Green) {
        return Ok(Err(Absent::Advisory));
    }
    let note = text::truncate(&text::one_line(&said.note), NOTE_MAX);
    let detail = format!("{current}: {}{}{note}", said.state.name(), if note.is_empty() { "" } else { ", " });
    let deed = Deed {
        organization: &said.organization,
        who: &said.who,
        action: "responded",
        object: &said.owner,
        detail: &detail,
    };
    audit::add(tx, &deed, now)?;
    let mut response = Response {
        id: 0,
        organization: said.organization.clone(),
        owner: said.owner.clone(),
        advisory: current.0,
        state: said.state,
        note,
        said_by: said.who.clone(),
        at: now,
    };
    response.id = responses::add(tx, &response)?;
    Ok(Ok(response))
}
