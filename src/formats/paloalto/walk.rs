//! The pages of the list, newest change first, and the record of each advisory that is new or has changed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{EXPECTED, id_of, listed, loose, record};
use crate::config::sources::Source;
use crate::formats::seen::Seen;
use crate::formats::walk::{Answer, Batch, Start, Step, Walk, request};
use crate::formats::{Origin, ParseError, dates};
use crate::http::Page;
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Parsed};

/// Records that are read at the first walk, and at most at any walk over what is new.
const RECORDS_MAX: usize = 200;
/// Most pages of the list in one walk over what is new.
const PAGES_MAX: usize = 8;
/// Most pages of the list in one import.
const IMPORT_PAGES_MAX: usize = 400;
/// Advisories that are stored together.
const BATCH: usize = 25;

/// Begins with the first page.
///
/// # Errors
/// Never.
pub fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let seen = Seen::from_cursor(start.cursor.filter(|_| start.since.is_none()));
    Ok(Box::new(Pages {
        source: start.source.clone(),
        first: start.since.is_none() && seen.is_empty(),
        floor: seen.dates().filter_map(dates::parse).min(),
        seen,
        since: start.since,
        page: 1,
        listed: BTreeSet::new(),
        due: Vec::new(),
        batch: Parsed::default(),
        records: 0,
        listing: true,
    }))
}

/// An advisory of the list whose record is to be read.
struct Due {
    id: String,
    changed: String,
    /// What the list says of it.
    item: Item,
}

struct Pages {
    source: Source,
    seen: Seen,
    /// Nothing was read before.
    first: bool,
    /// The oldest change that is remembered: what is older and unknown is history.
    floor: Option<Timestamp>,
    since: Option<Timestamp>,
    page: usize,
    listed: BTreeSet<String>,
    /// Newest change first, once the list has been read.
    due: Vec<Due>,
    batch: Parsed,
    records: usize,
    /// The pages of the list are being read, and not yet the records.
    listing: bool,
}

impl Walk for Pages {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match answer {
            Answer::Begin => return Ok(self.fetch_page()),
            Answer::File(_) => {
                return Err(ParseError::unreadable("a file of advisories is not read; import from the source itself"));
            }
            Answer::Stored => {}
            answer if self.listing => {
                let page = answer.page("the list of advisories")?;
                self.read_page(&page)?;
            }
            answer => self.read_record(answer),
        }
        Ok(self.step())
    }
}

impl Pages {
    fn fetch_page(&self) -> Step {
        let mut url = self.source.url.clone();
        if self.page > 1 {
            let pairs = url.query_pairs().into_owned().filter(|(key, _)| key != "page");
            let kept: Vec<(String, String)> = pairs.collect();
            url.query_pairs_mut().clear().extend_pairs(kept).append_pair("page", &self.page.to_string());
        }
        Step::Fetch(request(&self.source, url))
    }

    /// What is to be done now: turn the page, read the next record, store a full batch, or end.
    ///
    /// Records are read from the oldest change to the newest: where a walk is cut short, what is left stands above all
    /// that is known, and the next walk finds it.
    fn step(&mut self) -> Step {
        if self.listing {
            self.page += 1;
            return self.fetch_page();
        }
        if self.batch.items.len() >= BATCH || (self.due.is_empty() && self.batch != Parsed::default()) {
            return self.store();
        }
        let Some(due) = self.due.last() else { return Step::Done };
        let url = self.source.url.join(&format!("/json/{}", due.id)).unwrap_or_else(|_| self.source.url.clone());
        Step::Fetch(request(&self.source, url))
    }

    fn store(&mut self) -> Step {
        if self.due.is_empty() {
            // What the list no longer shows on the pages that were read needs no memory.
            let listed = std::mem::take(&mut self.listed);
            self.seen.keep(|id| listed.contains(id));
        }
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Step::Store(Batch {
            parsed: std::mem::take(&mut self.batch),
            cursor: self.since.is_none().then(|| self.seen.to_cursor()),
            progress: Some((count(self.records), count(self.records + self.due.len()))),
        })
    }

    /// Notes what of a page is due, and whether it is the last one.
    fn read_page(&mut self, page: &Page) -> Result<(), ParseError> {
        let origin = Origin::of(&page.meta.final_url, page.content_type.as_deref());
        let (document, parsed) = loose::document(&page.body, &origin, EXPECTED)?;
        self.batch.repairs.extend(parsed.repairs);
        let Value::Array(entries) = &document else { return Err(loose::other_json(EXPECTED)) };
        if entries.is_empty() && self.page == 1 {
            return Err(ParseError::Changed { reason: "the list of advisories is empty".to_owned() });
        }
        let (mut whole, mut old) = (0, 0);
        for entry in entries {
            let Some(item) = listed(entry) else {
                self.batch.dropped += 1;
                continue;
            };
            whole += 1;
            let Some(id) = item.native_id.clone().as_deref().and_then(id_of) else { continue };
            let changed = loose::field(entry, "updated");
            let too_old = self.since.is_some_and(|since| item.updated.or(item.published).is_some_and(|at| at < since));
            let repeated = !self.listed.insert(id.clone());
            if self.is_history(&id, &item) {
                self.seen.note(&id, &changed);
            }
            if too_old || repeated || self.seen.has(&id, &changed) {
                old += 1;
                continue;
            }
            self.due.push(Due { id, changed, item });
        }
        if whole == 0 && !entries.is_empty() {
            return Err(loose::other_json(EXPECTED));
        }
        let pages = if self.since.is_some() { IMPORT_PAGES_MAX } else { PAGES_MAX };
        // The newest change stands first, so a page that holds something known ends the search for what is new.
        let known = old > 0 && (self.since.is_none() || old == whole);
        self.listing = !(entries.is_empty() || self.first || known || self.page >= pages);
        if !self.listing {
            self.due.sort_by_key(|due| std::cmp::Reverse(due.item.updated.or(due.item.published)));
            self.leave_out();
        }
        Ok(())
    }

    /// Whether an advisory is unknown only because the list had no room for it until now.
    fn is_history(&self, id: &str, item: &Item) -> bool {
        let older = self.floor.zip(item.updated).is_some_and(|(floor, changed)| changed < floor);
        older && !self.seen.knows(id)
    }

    /// Of more than one walk may read the newest stay: at first the others are history, and later that is said.
    fn leave_out(&mut self) {
        if self.since.is_some() || self.due.len() <= RECORDS_MAX {
            return;
        }
        let left = self.due.split_off(RECORDS_MAX);
        if self.first {
            left.iter().for_each(|due| self.seen.note(&due.id, &due.changed));
        } else {
            let told = format!("{} advisories were left out; rattlewatch import reads them", left.len());
            self.batch.repairs.push(told);
        }
    }

    /// The record of the advisory whose turn it is; what the list says of it where there is none.
    fn read_record(&mut self, answer: Answer) {
        let Some(due) = self.due.pop() else { return };
        self.records += 1;
        let item = match answer {
            Answer::Page(page) => self.record(&page, &due),
            Answer::Failed(reason) => {
                self.batch.repairs.push(format!("{}: only what the list says was read ({reason})", due.id));
                None
            }
            _ => None,
        };
        self.batch.items.push(item.unwrap_or(due.item));
        self.seen.note(&due.id, &due.changed);
    }

    fn record(&mut self, page: &Page, due: &Due) -> Option<Item> {
        let origin = Origin::of(&page.meta.final_url, page.content_type.as_deref());
        let read = loose::document(&page.body, &origin, EXPECTED).ok();
        let item = read
            .and_then(|(record, _)| record::item(&record))
            .filter(|item| item.native_id.as_deref() == Some(&due.id));
        let Some(mut item) = item else {
            self.batch.repairs.push(format!("{}: its record cannot be read, only what the list says was", due.id));
            return None;
        };
        // The list alone says when an advisory was last changed.
        item.updated = due.item.updated.or(item.updated);
        item.severity = due.item.severity.or(item.severity);
        Some(item)
    }
}
