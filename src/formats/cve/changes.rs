//! The list of changed records that the CVE Program's repository keeps: `delta.json`, or `deltaLog.json` with a month
//! of them. Only ids and dates are taken from it: a record's address follows from its id.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek};

use serde::{Deserialize, Serialize};

use super::listed::{Delta, Listed, Log};
use super::record;
use crate::config::sources::Source;
use crate::formats::walk::{self, Answer, Batch, Step};
use crate::formats::{ParseError, fields, pages};
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::item::Parsed;

const EXPECTED: &str = "the list of changed CVE records";
/// Records fetched at a first reading, and in one poll.
const FIRST: usize = 200;
const POLL: usize = 500;
/// Records fetched in one import: beyond that the archive of all records is the better way.
const IMPORT: usize = 20_000;
/// Records in a batch.
const BATCH: usize = 25;
/// Records that may wait for the next poll.
const WAITING: usize = 5_000;
/// Longest cursor that is read back, in bytes.
const CURSOR_MAX: usize = 512 * 1024;

/// Where a reading is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    /// Changes up to then are read, but for those that wait.
    until: Option<Timestamp>,
    /// Records that changed and have not been fetched, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<CveId>,
}

/// Records to be fetched, one after the other.
pub struct Changes {
    place: Place,
    /// How many are fetched now, and how many were.
    budget: usize,
    fetched: usize,
    parsed: Parsed,
    asked: bool,
    stored: bool,
}

impl Changes {
    /// The changes in `file`; absent where it is a single record (the file is then at its beginning).
    ///
    /// # Errors
    /// Where it is neither.
    pub fn read(file: &mut File, cursor: Option<&str>, since: Option<Timestamp>) -> Result<Option<Self>, ParseError> {
        let unread = |error| ParseError::unreadable(format!("the file cannot be read: {error}"));
        let mut start = Vec::new();
        file.by_ref().take(4_096).read_to_end(&mut start).map_err(unread)?;
        file.rewind().map_err(unread)?;
        let start = String::from_utf8_lossy(&start);
        let start = start.trim_start_matches('\u{feff}').trim_start();
        if start.is_empty() {
            return Err(ParseError::Empty);
        }
        if let Some(found) = pages::recognize(start) {
            return Err(ParseError::NotThis { expected: EXPECTED, found });
        }
        if start.starts_with('{') && !start.contains("\"numberOfChanges\"") {
            return Ok(None);
        }
        let reader = BufReader::new(file);
        let damaged = |fault: serde_json::Error| ParseError::unreadable(format!("{EXPECTED} is damaged: {fault}"));
        let listed: Listed = match start.starts_with('[') {
            true => serde_json::from_reader::<_, Log>(reader).map_err(damaged)?.0,
            false if start.starts_with('{') => serde_json::from_reader::<_, Delta>(reader).map_err(damaged)?.into(),
            false => return Err(fields::other_json(EXPECTED)),
        };
        Ok(Some(Self::of(listed, cursor, since)))
    }

    fn of(listed: Listed, cursor: Option<&str>, since: Option<Timestamp>) -> Self {
        let written = cursor.filter(|cursor| cursor.len() <= CURSOR_MAX);
        let known: Option<Place> = written.and_then(|cursor| serde_json::from_str(cursor).ok());
        let budget = match (since, &known) {
            (Some(_), _) => IMPORT,
            (None, Some(_)) => POLL,
            (None, None) => FIRST,
        };
        let first = known.is_none() && since.is_none();
        let known = known.unwrap_or_default();
        let Listed { latest, dropped } = listed;
        let mut parsed = Parsed { dropped, ..Parsed::default() };
        let until = latest.values().max().copied().max(known.until);
        let after = known.until.max(since);
        let mut fresh: Vec<(Timestamp, CveId)> = latest.into_iter().map(|(id, at)| (at, id)).collect();
        fresh.retain(|(at, _)| after.is_none_or(|after| *at > after));
        fresh.sort_unstable_by(|a, b| b.cmp(a));
        let mut waiting: Vec<CveId> = fresh.into_iter().map(|(_, id)| id).collect();
        let news: BTreeSet<CveId> = waiting.iter().cloned().collect();
        waiting.extend(known.waiting.into_iter().filter(|id| !news.contains(id)));
        // History is what an import is for.
        waiting.truncate(if first { FIRST } else { waiting.len() });
        let most = budget.max(WAITING);
        if waiting.len() > most {
            let left = waiting.len() - most;
            parsed.repairs.push(format!("{left} changed records are left out; import the archive of all records"));
            waiting.truncate(most);
        }
        Self { place: Place { until, waiting }, budget, fetched: 0, parsed, asked: false, stored: false }
    }

    /// The next step: fetch a record, store a batch, or be done.
    ///
    /// # Errors
    /// Where a record's address cannot be formed.
    pub fn next(&mut self, source: &Source, answer: Answer) -> Result<Step, ParseError> {
        self.take(answer);
        let over = self.place.waiting.is_empty() || self.fetched >= self.budget;
        let full = self.parsed.items.len() + self.parsed.dropped >= BATCH;
        let pending = !self.parsed.items.is_empty() || self.parsed.degraded() || !self.stored;
        if full || (over && pending) {
            self.stored = true;
            let (done, left) = (self.fetched as u64, self.place.waiting.len() as u64);
            return Ok(Step::Store(Batch {
                parsed: std::mem::take(&mut self.parsed),
                cursor: serde_json::to_string(&self.place).ok(),
                progress: Some((done, done + left)),
            }));
        }
        if over {
            return Ok(Step::Done);
        }
        self.asked = true;
        let path = path(&self.place.waiting[0]);
        let url = source.url.join(&path);
        let url = url.map_err(|fault| ParseError::unreadable(format!("no address follows from {path}: {fault}")))?;
        Ok(Step::Fetch(walk::request(source, url)))
    }

    /// Takes the record that was asked for.
    fn take(&mut self, answer: Answer) {
        if !std::mem::take(&mut self.asked) {
            return;
        }
        let id = self.place.waiting.remove(0);
        self.fetched += 1;
        let fault = match answer {
            Answer::Page(page) => match record::read(&page.body) {
                Ok(item) if item.cves.contains(&id) => return self.parsed.items.push(item),
                Ok(_) => "it is the record of another id".to_owned(),
                Err(fault) => fault.to_string(),
            },
            Answer::Failed(reason) => reason,
            _ => "it is not there (404)".to_owned(),
        };
        self.parsed.dropped += 1;
        self.parsed.repairs.push(format!("{id}: {fault}"));
    }
}

/// Where the repository keeps a record, from the list: `2099/12xxx/CVE-2099-12345.json`.
fn path(id: &CveId) -> String {
    let (year, number) = id.as_str().trim_start_matches("CVE-").split_once('-').unwrap_or_default();
    let thousand = &number[..number.len().saturating_sub(3)];
    format!("{year}/{thousand}xxx/{id}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deltas(count: usize) -> Listed {
        let change = |n: usize| {
            let at = Timestamp::from_seconds(4_000_000_000 + n as i64).to_string();
            format!(r#"{{"cveId": "CVE-2099-{}", "dateUpdated": "{at}"}}"#, 10_000 + n)
        };
        let all: Vec<String> = (0..count).map(change).collect();
        let text = format!(
            r#"[{{"new": [{}, {{"cveId": [7, {{}}], "dateUpdated": {{"a": null}}}}], "updated": []}}, {{"more": 1}}]"#,
            all.join(",")
        );
        serde_json::from_str::<Log>(&text).expect("a list").0
    }

    #[test]
    fn a_first_reading_takes_the_newest_and_leaves_no_rest() {
        let changes = Changes::of(deltas(900), None, None);
        assert_eq!((changes.place.waiting.len(), changes.parsed.dropped), (FIRST, 1));
        assert_eq!(changes.place.waiting[0].as_str(), "CVE-2099-10899");
    }

    #[test]
    fn a_later_reading_takes_what_is_new_and_what_waited() {
        let until = Timestamp::from_seconds(4_000_000_000 + 897);
        let place = Place { until: Some(until), waiting: vec!["CVE-2098-0001".parse().expect("an id")] };
        let cursor = serde_json::to_string(&place).expect("JSON");
        let changes = Changes::of(deltas(900), Some(&cursor), None);
        let ids: Vec<&str> = changes.place.waiting.iter().map(CveId::as_str).collect();
        assert_eq!(ids, ["CVE-2099-10899", "CVE-2099-10898", "CVE-2098-0001"]);
        let hostile = Changes::of(deltas(2), Some("{\"waiting\": [\"../../etc/passwd\"]}"), None);
        assert_eq!(hostile.place.waiting.len(), 2, "a cursor that cannot be read is none");
    }

    #[test]
    fn records_stand_in_folders_of_a_thousand() {
        let of = |id: &str| path(&id.parse().expect("an id"));
        assert_eq!(of("CVE-2099-0001"), "2099/0xxx/CVE-2099-0001.json");
        assert_eq!(of("CVE-2099-1234567"), "2099/1234xxx/CVE-2099-1234567.json");
    }
}
