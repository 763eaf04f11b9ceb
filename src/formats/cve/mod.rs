//! CVE records (CVE Record Format 5.x): one record, the list of changes of the CVE Program's repository, or all records
//! in an archive.
//!
//! The list (`cves/delta.json`, or `cves/deltaLog.json` with a month of them) names what changed; each record is fetched
//! from its place beside the list, newest first, so many a poll. What is left stands in the cursor and comes next time.

mod changes;
mod listed;
mod record;

use super::archive::{Kind, sniff};
use super::bulk::{self, Bulk, Opened, Place, Plan};
use super::walk::{self, Answer, Batch, Start, Step, Walk};
use super::{Format, Origin, ParseError, fields};
use crate::config::sources::Source;
use crate::model::clock::Timestamp;
use crate::model::item::Parsed;
use changes::Changes;

pub use record::products;

/// CVE records.
pub const CVE: Format = Format { name: "cve", parse, walk: Some(begin) };

const EXPECTED: &str = "a CVE record in JSON";
/// Largest list of changes and largest archive, in bytes.
const LIST_MAX: u64 = 256 * 1024 * 1024;
const ARCHIVE_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Records of an archive taken at a first reading.
const FIRST: usize = 200;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (value, repairs) = fields::document(bytes, origin.content_type, EXPECTED)?;
    Ok(Parsed { items: vec![record::item(&value)?], repairs, ..Parsed::default() })
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    Ok(Box::new(Records {
        source: start.source.clone(),
        cursor: start.cursor.map(str::to_owned),
        since: start.since,
        state: State::Begin,
    }))
}

struct Records {
    source: Source,
    cursor: Option<String>,
    since: Option<Timestamp>,
    state: State,
}

enum State {
    Begin,
    Archive(Box<Bulk>),
    Changes(Box<Changes>),
    Ended,
}

impl Walk for Records {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match (&mut self.state, answer) {
            (State::Begin, Answer::Begin) => {
                let archive = self.source.url.path().ends_with(".zip");
                let most = if archive { ARCHIVE_MAX } else { LIST_MAX };
                Ok(Step::Download(walk::request(&self.source, self.source.url.clone()), most))
            }
            (State::Begin, Answer::Unchanged) | (State::Ended, _) => Ok(Step::Done),
            (State::Begin, answer) => self.opened(answer.file("the list of CVE records")?),
            (State::Archive(bulk), _) => match bulk.batch()? {
                Some(batch) => Ok(Step::Store(batch)),
                None => Ok(Step::Done),
            },
            (State::Changes(changes), answer) => changes.next(&self.source, answer),
        }
    }
}

impl Records {
    /// Finds out what came, and takes the first step into it.
    fn opened(&mut self, mut file: std::fs::File) -> Result<Step, ParseError> {
        if sniff(&mut file)? == Kind::Plain {
            return self.listed(file);
        }
        let place = Place::parse(self.cursor.as_deref());
        let newest = (self.since.is_none() && place == Place::default()).then_some(FIRST);
        let after = self.since.or(place.until);
        let plan = Plan { wanted: is_record, read: record::read, after, newest, place };
        match bulk::open(file, plan)? {
            Opened::Archive(mut bulk) => {
                let batch = bulk.batch()?;
                self.state = State::Archive(bulk);
                Ok(batch.map_or(Step::Done, Step::Store))
            }
            Opened::Plain(file) => self.listed(file),
        }
    }

    /// A list of changes, or a single record.
    fn listed(&mut self, mut file: std::fs::File) -> Result<Step, ParseError> {
        match Changes::read(&mut file, self.cursor.as_deref(), self.since)? {
            Some(changes) => {
                let mut changes = Box::new(changes);
                let step = changes.next(&self.source, Answer::Begin)?;
                self.state = State::Changes(changes);
                Ok(step)
            }
            None => {
                let batch: Batch = bulk::single(file, record::read)?;
                self.state = State::Ended;
                Ok(Step::Store(batch))
            }
        }
    }
}

/// Whether an entry of an archive is a record, by the name that the repository gives it: `CVE-2099-0001.json`.
fn is_record(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.starts_with("CVE-") && file.ends_with(".json")
}
