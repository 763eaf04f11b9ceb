//! Bulk files: one JSON record an entry of an archive, or a single record, handed out in batches.
//!
//! Memory is bounded by a batch, however large the archive. A reading that is cut short goes on at the entry where its
//! last batch ended, as long as the archive is the same one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::ParseError;
use super::archive::{Archive, Kind, sniff};
use super::walk::Batch;
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Parsed};

/// Items in a batch, and bytes of text in it beyond which it is handed out early.
const BATCH: usize = 200;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Largest single record, in bytes.
const RECORD_MAX: u64 = 16 * 1024 * 1024;
/// How many faults are told in a batch; the rest is counted.
const TOLD: usize = 3;

/// What is read, and how.
pub struct Plan {
    /// Whether an entry of that name is a record.
    pub wanted: fn(&str) -> bool,
    /// The item of a record.
    pub read: fn(&[u8]) -> Result<Item, ParseError>,
    /// Records changed before this instant are passed over.
    pub after: Option<Timestamp>,
    /// Only so many records, those changed last: for a first reading.
    pub newest: Option<usize>,
    /// Where the last reading ended.
    pub place: Place,
}

/// Where a reading is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Every record changed up to then has been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The latest change seen by the reading that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
    /// Entries passed of the archive with so many.
    #[serde(skip_serializing_if = "is_zero")]
    pub done: u64,
    /// How many entries that archive has.
    #[serde(skip_serializing_if = "is_zero")]
    pub of: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Place {
    /// What a cursor says; nothing where it cannot be read.
    pub fn parse(cursor: Option<&str>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default()
    }

    fn written(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

/// A bulk file being read.
pub struct Bulk {
    archive: Archive,
    plan: Plan,
    latest: Option<Timestamp>,
    ended: bool,
}

/// What a file turned out to be.
pub enum Opened {
    /// An archive of records.
    Archive(Box<Bulk>),
    /// Something else, from its beginning.
    Plain(File),
}

/// Opens `file`: an archive by `plan`, or whatever else it is.
///
/// # Errors
/// Where it cannot be read, or is a damaged archive.
pub fn open(mut file: File, plan: Plan) -> Result<Opened, ParseError> {
    if sniff(&mut file)? != Kind::Zip {
        return Ok(Opened::Plain(file));
    }
    let mut archive = Archive::open(file)?;
    let mut latest = None;
    if plan.place.of == archive.entries() && plan.newest.is_none() {
        archive.skip(plan.place.done)?;
        latest = plan.place.latest;
    }
    Ok(Opened::Archive(Box::new(Bulk { archive, plan, latest, ended: false })))
}

/// A single record out of a file that is no archive, as a batch.
///
/// # Errors
/// Where it is too large or no such record.
pub fn single(file: File, read: fn(&[u8]) -> Result<Item, ParseError>) -> Result<Batch, ParseError> {
    let item = read(&bytes(file)?)?;
    Ok(Batch { parsed: Parsed { items: vec![item], ..Parsed::default() }, ..Batch::default() })
}

/// The bytes of a small file.
///
/// # Errors
/// Where it cannot be read, or has more than a record may have.
pub fn bytes(file: File) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    let read = file.take(RECORD_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| ParseError::unreadable(format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > RECORD_MAX {
        return Err(ParseError::unreadable(format!(
            "the file is no archive and has more than {} MiB",
            RECORD_MAX >> 20
        )));
    }
    Ok(bytes)
}

impl Bulk {
    /// The next batch; absent at the end.
    ///
    /// # Errors
    /// Where the archive cannot be read on.
    pub fn batch(&mut self) -> Result<Option<Batch>, ParseError> {
        if self.ended {
            return Ok(None);
        }
        let mut parsed = Parsed::default();
        match self.plan.newest {
            Some(newest) => self.read_newest(newest, &mut parsed)?,
            None => self.read_some(&mut parsed)?,
        }
        let (done, of) = (self.archive.passed(), self.archive.entries());
        self.ended |= done == of;
        let Place { until, .. } = self.plan.place;
        let place = match self.ended {
            true => Place { until: self.latest.max(until), ..Place::default() },
            false => Place { until, latest: self.latest, done, of },
        };
        Ok(Some(Batch { parsed, cursor: place.written(), progress: Some((done, of)) }))
    }

    fn read_some(&mut self, parsed: &mut Parsed) -> Result<(), ParseError> {
        let mut size = 0;
        while parsed.items.len() < BATCH && size < BATCH_BYTES {
            let Some(item) = self.item(parsed)? else {
                self.ended = true;
                break;
            };
            size += item.text.len();
            parsed.items.push(item);
        }
        Ok(())
    }

    /// The records changed last, in one batch, the latest first.
    fn read_newest(&mut self, newest: usize, parsed: &mut Parsed) -> Result<(), ParseError> {
        let mut kept: BinaryHeap<Reverse<(Option<Timestamp>, usize)>> = BinaryHeap::new();
        let mut items: Vec<Option<Item>> = Vec::new();
        while let Some(item) = self.item(parsed)? {
            let changed = item.updated.or(item.published);
            if kept.len() < newest {
                kept.push(Reverse((changed, items.len())));
                items.push(Some(item));
            } else if let Some(mut oldest) = kept.peek_mut()
                && oldest.0.0 < changed
            {
                let place = oldest.0.1;
                *oldest = Reverse((changed, place));
                items[place] = Some(item);
            }
        }
        let mut order: Vec<_> = kept.into_iter().map(|Reverse(one)| one).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        parsed.items.extend(order.into_iter().filter_map(|(_, place)| items[place].take()));
        self.ended = true;
        Ok(())
    }

    /// The next item that is asked for. What cannot be read is counted, and told a few times.
    fn item(&mut self, parsed: &mut Parsed) -> Result<Option<Item>, ParseError> {
        while let Some(entry) = self.archive.next(&self.plan.wanted)? {
            let read = entry.content.and_then(|bytes| (self.plan.read)(&bytes).map_err(|fault| fault.to_string()));
            match read {
                Ok(item) => {
                    let changed = item.updated.or(item.published);
                    self.latest = self.latest.max(changed);
                    if changed.is_none_or(|changed| Some(changed) >= self.plan.after) {
                        return Ok(Some(item));
                    }
                }
                Err(fault) => {
                    parsed.dropped += 1;
                    if parsed.repairs.len() < TOLD {
                        parsed.repairs.push(format!("{:.100}: {fault}", entry.name));
                    }
                }
            }
        }
        Ok(None)
    }
}
