//! The National Vulnerability Database, API 2.0: records changed within a window of time, in pages.
//!
//! A window is at most 120 days and a page 2,000 records. The next reading begins where the publisher's clock stood at
//! the first answer of this one, with an overlap. NIST asks for 6 seconds between requests (0.6 with a key).
//!
//! This product uses data from the NVD API but is not endorsed or certified by the NVD.

mod record;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::walk::{self, Answer, Batch, Start, Step, Walk};
use super::{Format, Origin, ParseError, bulk, fields};
use crate::config::sources::Source;
use crate::model::clock::Timestamp;
use crate::model::item::Parsed;

/// Answers of the CVE API.
pub const NVD: Format = Format { name: "nvd", parse, walk: Some(begin) };

const EXPECTED: &str = "an answer of the NVD API 2.0";
const DAY: Duration = Duration::from_secs(86_400);
/// Longest window that the API takes, with a day to spare.
const WINDOW: Duration = Duration::from_secs(119 * 86_400);
/// How far back a first reading reaches, and how far a later one reaches beyond the last.
const FIRST: Duration = Duration::from_secs(8 * 86_400);
const OVERLAP: Duration = Duration::from_secs(3_600);
/// Before this instant nothing was changed: 1999-01-01.
const BEGINNING: Timestamp = Timestamp::from_seconds(915_148_800);
const PAGE: u64 = 2_000;
/// Most pages of one window: 800,000 records, more than twice what there are.
const PAGES_MAX: u64 = 400;
/// Most windows of one reading.
const WINDOWS_MAX: usize = 200;
const PAUSE: Duration = Duration::from_secs(6);
const PAUSE_WITH_KEY: Duration = Duration::from_millis(600);

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (answer, repairs) = fields::document(bytes, origin.content_type, EXPECTED)?;
    let page = page(&answer)?;
    Ok(Parsed { repairs, ..page.parsed })
}

/// One page of an answer.
struct Page {
    parsed: Parsed,
    /// How many records it has, readable or not, and how many the whole answer is said to have.
    count: u64,
    total: u64,
    /// The publisher's clock.
    at: Option<Timestamp>,
}

fn page(answer: &Value) -> Result<Page, ParseError> {
    let Some(listed) = fields::field(answer, "vulnerabilities").as_array() else {
        return Err(fields::other_json(EXPECTED));
    };
    let mut parsed = Parsed::default();
    for entry in listed.iter().take(PAGE as usize) {
        match record::item(fields::field(entry, "cve")) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    let total = fields::field(answer, "totalResults").as_u64().unwrap_or_default();
    Ok(Page { parsed, count: listed.len() as u64, total, at: fields::time(answer, "timestamp") })
}

/// Where a reading is: within the window `from` to `to`, or (without `to`) at rest, everything up to `from` read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
    index: u64,
    /// The publisher's clock at the first answer of this reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Timestamp>,
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let known: Place = start.cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default();
    let sane = |at: &Timestamp| (BEGINNING..=start.now.plus(DAY)).contains(at);
    let known = match (known.from.filter(sane), known.to.filter(sane)) {
        (Some(from), Some(to)) if from < to && to.since(from) <= WINDOW + DAY => known,
        (Some(from), _) => Place { from: Some(from.minus(OVERLAP).max(BEGINNING)), ..Place::default() },
        (None, _) => {
            let since = start.since.map_or(start.now.minus(FIRST), |since| since.max(BEGINNING));
            Place { from: Some(since), ..Place::default() }
        }
    };
    let mut reading = Reading {
        source: start.source.clone(),
        key: start.key.map(str::to_owned),
        now: start.now,
        place: known,
        windows: 0,
        pages: 0,
        total: None,
        requests: 0,
        state: State::Ask,
    };
    reading.place.to = Some(reading.place.to.unwrap_or_else(|| reading.window_end()));
    Ok(Box::new(reading))
}

struct Reading {
    source: Source,
    key: Option<String>,
    now: Timestamp,
    place: Place,
    windows: usize,
    pages: u64,
    /// What the last page of this window said of the whole.
    total: Option<u64>,
    requests: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ask,
    Rested,
    Asked,
    Ended,
}

impl Walk for Reading {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match self.state {
            State::Ended => Ok(Step::Done),
            State::Asked => self.store(&answer.page("the page of the NVD API")?.body),
            // A page in a file: one page is all there is.
            State::Ask if matches!(answer, Answer::File(_)) => {
                self.state = State::Ended;
                let bytes = bulk::bytes(answer.file("the page")?)?;
                let (value, repairs) = fields::document(&bytes, None, EXPECTED)?;
                let parsed = Parsed { repairs, ..page(&value)?.parsed };
                Ok(Step::Store(Batch { parsed, ..Batch::default() }))
            }
            State::Ask if self.requests > 0 => {
                self.state = State::Rested;
                Ok(Step::Pause(if self.key.is_some() { PAUSE_WITH_KEY } else { PAUSE }))
            }
            State::Ask | State::Rested => Ok(Step::Fetch(self.ask())),
        }
    }
}

impl Reading {
    fn window_end(&self) -> Timestamp {
        let from = self.place.from.unwrap_or(BEGINNING);
        from.plus(WINDOW).min(self.now.max(from.plus(Duration::from_secs(1))))
    }

    fn ask(&mut self) -> crate::http::Request {
        let mut url = self.source.url.clone();
        let time = |at: Option<Timestamp>| {
            at.unwrap_or_default().to_jiff().strftime("%Y-%m-%dT%H:%M:%S.000+00:00").to_string()
        };
        url.query_pairs_mut()
            .append_pair("lastModStartDate", &time(self.place.from))
            .append_pair("lastModEndDate", &time(self.place.to))
            .append_pair("resultsPerPage", &PAGE.to_string())
            .append_pair("startIndex", &self.place.index.to_string());
        let mut request = walk::request(&self.source, url);
        request.headers.extend(self.key.clone().map(|key| ("apikey", key)));
        self.state = State::Asked;
        self.requests += 1;
        request
    }

    /// Stores a page and finds out what to ask for next.
    fn store(&mut self, body: &[u8]) -> Result<Step, ParseError> {
        let (answer, repairs) = fields::document(body, None, EXPECTED)?;
        let Page { mut parsed, count, total, at } = page(&answer)?;
        parsed.repairs.extend(repairs);
        self.place.asked = self.place.asked.or(Some(at.unwrap_or(self.now).min(self.now.plus(DAY))));
        // A record that changes while we read leaves the window, and those after it move up by one.
        let moved = self.total.map_or(0, |before| before.saturating_sub(total));
        self.total = Some(total);
        self.place.index += count.saturating_sub(moved.min(count));
        self.pages += 1;
        let more = self.place.index < total;
        let progress = Some((self.place.index.min(total), total));
        if count == 0 && more {
            let left = total - self.place.index;
            parsed.repairs.push(format!("the NVD stated {left} more records and sent an empty page"));
        } else if more && self.pages >= PAGES_MAX {
            parsed
                .repairs
                .push(format!("the NVD sent {PAGES_MAX} pages and stated still more; they were not asked for"));
        }
        self.state = State::Ask;
        if count == 0 || !more || self.pages >= PAGES_MAX {
            self.turn();
        }
        let cursor = serde_json::to_string(&self.place).ok();
        Ok(Step::Store(Batch { parsed, cursor, progress }))
    }

    /// Goes on to the next window, or ends.
    fn turn(&mut self) {
        (self.pages, self.total, self.place.index) = (0, None, 0);
        self.windows += 1;
        let end = self.place.to.unwrap_or(self.now);
        if end >= self.now || self.windows >= WINDOWS_MAX {
            let asked = self.place.asked.unwrap_or(end).min(end.plus(DAY));
            self.place = Place { from: Some(asked), ..Place::default() };
            self.state = State::Ended;
        } else {
            self.place.from = Some(end);
            self.place.to = Some(self.window_end());
        }
    }
}
