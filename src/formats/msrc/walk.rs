//! The list of months, then the document of each month that is new or has changed since it was last read; or the pages
//! of the update guide's list.

use std::collections::VecDeque;

use serde_json::Value;
use url::Url;

use super::{loose, parse};
use crate::config::sources::Source;
use crate::formats::seen::Seen;
use crate::formats::walk::{Answer, Batch, Start, Step, Walk, bytes_of, request};
use crate::formats::{Origin, ParseError, dates};
use crate::http::{Page, Request};
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Parsed};

const EXPECTED: &str = "Microsoft's list of monthly updates";
/// Months that the first walk reads.
const FIRST: usize = 2;
/// Most months in one walk over what is new; the rest is read by the next one.
const MONTHS_MAX: usize = 24;
/// Most months in one import.
const IMPORT_MAX: usize = 600;
/// Most pages of the update guide's list in one walk, and in one import.
const GUIDE_MAX: usize = 20;
const GUIDE_IMPORT_MAX: usize = 400;
/// Most bytes of a month that does not fit the client's memory bounds.
const MONTH_MAX: u64 = 64 * 1024 * 1024;
/// Items that are stored together.
const BATCH: usize = 250;

/// Begins with the list of months.
///
/// # Errors
/// Never.
pub fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let cursor = start.cursor.filter(|_| start.since.is_none());
    Ok(Box::new(Months {
        source: start.source.clone(),
        seen: Seen::from_cursor(cursor),
        first: start.since.is_none() && cursor.is_none(),
        since: start.since,
        listed: false,
        next_page: None,
        pages: 0,
        due: VecDeque::new(),
        current: None,
        in_a_file: false,
        rest: VecDeque::new(),
        loss: Parsed::default(),
        read: 0,
        fault: None,
    }))
}

#[derive(Clone, Debug)]
struct Month {
    id: String,
    released: String,
    changed: String,
}

struct Months {
    source: Source,
    seen: Seen,
    /// Nothing was read before.
    first: bool,
    since: Option<Timestamp>,
    listed: bool,
    /// The next page of the update guide's list.
    next_page: Option<Url>,
    /// Pages of it read so far.
    pages: usize,
    due: VecDeque<Month>,
    /// The month that is being fetched or stored.
    current: Option<Month>,
    /// It is being fetched into a file, since it is too large for memory bounds.
    in_a_file: bool,
    /// What of it is not yet stored.
    rest: VecDeque<Item>,
    /// What was lost or repaired in it.
    loss: Parsed,
    /// Months read so far.
    read: usize,
    /// Why the last month that failed did.
    fault: Option<ParseError>,
}

impl Walk for Months {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match answer {
            Answer::Begin => return Ok(Step::Fetch(self.request(self.source.url.clone()))),
            Answer::Stored => {}
            Answer::File(file) => {
                let url = self.source.url.clone();
                let bytes = bytes_of(file, MONTH_MAX)?;
                self.read_month(parse(&bytes, &Origin::of(&url, None)))?;
            }
            answer if !self.listed => {
                let page = answer.page("the list of months")?;
                self.read_list(&page)?;
            }
            Answer::Page(page) => {
                let origin = Origin::of(&page.meta.final_url, page.content_type.as_deref());
                self.read_month(parse(&page.body, &origin))?;
            }
            Answer::Failed(_) if !self.in_a_file => {
                self.in_a_file = true;
                if let Some(month) = &self.current {
                    return Ok(Step::Download(self.month_request(month), MONTH_MAX));
                }
            }
            other => {
                let fault = other.page("the month's document").err();
                self.read_month(Err(fault.unwrap_or(ParseError::Empty)))?;
            }
        }
        self.step()
    }
}

impl Months {
    fn request(&self, url: Url) -> Request {
        let mut request = request(&self.source, url);
        // Without this the answer is XML, which is twice as long.
        request.headers.push(("accept", "application/json".to_owned()));
        request
    }

    /// The month's address, beside that of the list.
    fn month_request(&self, month: &Month) -> Request {
        let url = self.source.url.join(&format!("cvrf/{}", month.id));
        self.request(url.unwrap_or_else(|_| self.source.url.clone()))
    }

    fn step(&mut self) -> Result<Step, ParseError> {
        if let Some(step) = self.store() {
            return Ok(step);
        }
        self.in_a_file = false;
        if let Some(month) = self.due.pop_front() {
            let step = Step::Fetch(self.month_request(&month));
            self.current = Some(month);
            return Ok(step);
        }
        if let Some(page) = self.next_page.take() {
            self.listed = false;
            return Ok(Step::Fetch(self.request(page)));
        }
        match self.fault.take() {
            Some(fault) if self.read == 0 => Err(fault),
            _ => Ok(Step::Done),
        }
    }

    /// The next items of the month; with the last of them the month is done.
    fn store(&mut self) -> Option<Step> {
        let lossless = self.loss == Parsed::default();
        if self.rest.is_empty() && lossless && self.current.is_none() {
            return None;
        }
        let mut parsed = std::mem::take(&mut self.loss);
        parsed.items = self.rest.drain(..self.rest.len().min(BATCH)).collect();
        if self.rest.is_empty()
            && let Some(month) = self.current.take()
            && self.fault.is_none()
        {
            self.seen.note(&month.id, &month.changed);
        }
        let cursor = (self.rest.is_empty() && self.since.is_none()).then(|| self.seen.to_cursor());
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let progress = Some((count(self.read), count(self.read + self.due.len())));
        Some(Step::Store(Batch { parsed, cursor, progress }))
    }

    /// The months of the list that are due; where it is the list of the update guide, its items.
    fn read_list(&mut self, page: &Page) -> Result<(), ParseError> {
        self.listed = true;
        let origin = Origin::of(&page.meta.final_url, page.content_type.as_deref());
        let (document, _) = loose::document(&page.body, &origin, EXPECTED)?;
        let Some(Value::Array(entries)) = document.get("value") else {
            return Err(loose::other_json(EXPECTED));
        };
        if entries.iter().any(|entry| entry.get("cveNumber").is_some()) {
            self.next_page = self.page_after(&document);
            return self.read_month(parse(&page.body, &origin));
        }
        let mut months: Vec<Month> = entries.iter().filter_map(month).collect();
        if months.is_empty() {
            return Err(ParseError::Changed { reason: format!("none of its {} entries names a month", entries.len()) });
        }
        self.loss.dropped += entries.len() - months.len();
        // ISO 8601: the order of the text is that of time.
        months.sort_by(|a, b| b.released.cmp(&a.released));
        match self.since {
            Some(since) => {
                months.retain(|month| dates::parse(&month.changed).is_none_or(|changed| changed >= since));
                months.truncate(IMPORT_MAX);
            }
            None if self.seen.is_empty() => {
                for month in months.drain(FIRST.min(months.len())..) {
                    self.seen.note(&month.id, &month.changed);
                }
            }
            None => {
                months.retain(|month| !self.seen.has(&month.id, &month.changed));
                months.truncate(MONTHS_MAX);
            }
        }
        self.due = months.into();
        Ok(())
    }

    /// The page of the update guide's list that comes next. The first walk is content with one.
    fn page_after(&mut self, document: &Value) -> Option<Url> {
        self.pages += 1;
        let most = if self.since.is_some() { GUIDE_IMPORT_MAX } else { GUIDE_MAX };
        let next = Url::parse(&loose::field(document, "@odata.nextLink")).ok()?;
        (!self.first && self.pages < most && next.origin() == self.source.url.origin()).then_some(next)
    }

    /// One month that cannot be read costs the others nothing.
    fn read_month(&mut self, read: Result<Parsed, ParseError>) -> Result<(), ParseError> {
        let name = self.current.as_ref().map(|month| month.id.clone());
        match (read, name) {
            (Ok(parsed), _) => {
                self.fault = None;
                self.read += 1;
                self.loss.dropped += parsed.dropped;
                self.loss.repairs.extend(parsed.repairs);
                let since = self.since;
                let wanted = |item: &Item| item.updated.or(item.published).is_none_or(|at| Some(at) >= since);
                self.rest = parsed.items.into_iter().filter(wanted).collect();
                Ok(())
            }
            (Err(fault), Some(name)) => {
                self.loss.repairs.push(format!("{name} was left out: {fault}"));
                self.fault = Some(fault);
                Ok(())
            }
            (Err(fault), None) => Err(fault),
        }
    }
}

/// A month of the list; absent where its id cannot be part of an address.
fn month(entry: &Value) -> Option<Month> {
    let id = loose::field(entry, "ID");
    let fits = !id.is_empty() && id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let (released, changed) = (loose::field(entry, "InitialReleaseDate"), loose::field(entry, "CurrentReleaseDate"));
    fits.then_some(Month { id, released, changed })
}
