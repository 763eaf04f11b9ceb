//! ENISA's European Vulnerability Database (EUVD): its lists (`/exploitedvulnerabilities`, `/lastvulnerabilities`,
//! `/criticalvulnerabilities`), its paged search, and a single record.
//!
//! A list is read in one step. A search is read page by page, the newest change first, until what the last reading saw.

mod record;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::walk::{self, Answer, Batch, Start, Step, Walk};
use super::{Format, Origin, ParseError, bulk, fields};
use crate::config::sources::Source;
use crate::model::clock::Timestamp;
use crate::model::item::Parsed;

/// Answers of the EUVD.
pub const EUVD: Format = Format { name: "euvd", parse, walk: Some(begin) };

const EXPECTED: &str = "an answer of the EUVD in JSON";
/// Records in a page of a search: the most that it gives.
const PAGE: u64 = 100;
/// Pages of a first reading, of a later one, and of an import.
const FIRST: u64 = 2;
const POLL: u64 = 50;
const IMPORT: u64 = 10_000;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (answer, repairs) = fields::document(bytes, origin.content_type, EXPECTED)?;
    Ok(Parsed { repairs, ..page(&answer)?.parsed })
}

struct Page {
    parsed: Parsed,
    count: u64,
    /// How many records the search is said to find; absent in a list.
    total: Option<u64>,
}

fn page(answer: &Value) -> Result<Page, ParseError> {
    let total = fields::field(answer, "total").as_u64();
    let one = std::slice::from_ref(answer);
    let listed = match (answer.as_array(), fields::field(answer, "items").as_array()) {
        (Some(all), _) | (None, Some(all)) => all.as_slice(),
        (None, None) if answer.get("id").is_some() => one,
        (None, None) => return Err(fields::other_json(EXPECTED)),
    };
    let mut parsed = Parsed::default();
    for entry in listed.iter().take(fields::LIST_MAX) {
        match record::item(entry) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    Ok(Page { parsed, count: listed.len() as u64, total })
}

/// Everything changed up to `until` is read; a reading under way stands at `page` and has seen changes up to `latest`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_zero")]
    page: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let place: Option<Place> = start.cursor.and_then(|cursor| serde_json::from_str(cursor).ok());
    let first = place.as_ref().is_none_or(|place| place.until.is_none());
    let pages = match (start.since, first) {
        (Some(_), _) => IMPORT,
        (None, true) => FIRST,
        (None, false) => POLL,
    };
    let place = place.unwrap_or_default();
    let after = start.since.max(place.until);
    Ok(Box::new(Reading { source: start.source.clone(), place, after, pages, first, asked: 0, ended: false }))
}

struct Reading {
    source: Source,
    place: Place,
    /// Records changed before this instant end the reading.
    after: Option<Timestamp>,
    /// How many pages may be asked for.
    pages: u64,
    /// History is left out, and nothing is said of it.
    first: bool,
    asked: u64,
    ended: bool,
}

impl Walk for Reading {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        let body = match answer {
            Answer::Begin | Answer::Stored if !self.ended => {
                self.asked += 1;
                return Ok(Step::Fetch(walk::request(&self.source, self.url())));
            }
            Answer::Begin | Answer::Stored => return Ok(Step::Done),
            Answer::File(file) => bulk::bytes(file)?,
            other => other.page("the answer of the EUVD")?.body,
        };
        let (answer, repairs) = fields::document(&body, None, EXPECTED)?;
        let mut page = page(&answer)?;
        page.parsed.repairs.extend(repairs);
        // A file is all there is, and so is a list.
        let searched = self.asked > 0 && is_search(&self.source.url);
        Ok(Step::Store(if searched { self.turn(page) } else { self.whole(page.parsed) }))
    }
}

impl Reading {
    fn url(&self) -> Url {
        let mut url = self.source.url.clone();
        if is_search(&url) {
            let given: Vec<(String, String)> =
                url.query_pairs().into_owned().filter(|(name, _)| !matches!(name.as_str(), "page" | "size")).collect();
            let (page, size) = (self.place.page.to_string(), PAGE.to_string());
            url.query_pairs_mut().clear().extend_pairs(given).append_pair("page", &page).append_pair("size", &size);
        }
        url
    }

    fn whole(&mut self, mut parsed: Parsed) -> Batch {
        self.ended = true;
        parsed.items.retain(|item| self.after.is_none_or(|after| item.updated.is_none_or(|at| at >= after)));
        Batch { parsed, ..Batch::default() }
    }

    /// Stores a page of a search and goes on to the next, or ends.
    fn turn(&mut self, page: Page) -> Batch {
        let Page { mut parsed, count, total } = page;
        let changes = || parsed.items.iter().filter_map(|item| item.updated.or(item.published));
        let (newest, oldest) = (changes().max(), changes().min());
        self.place.latest = self.place.latest.max(newest);
        self.place.page += 1;
        let reached = oldest.zip(self.after).is_some_and(|(oldest, after)| oldest < after);
        let total = total.unwrap_or(u64::MAX);
        let more = count > 0 && self.place.page.saturating_mul(PAGE) < total && !reached;
        if more && self.asked >= self.pages && !self.first {
            let pages = self.asked;
            parsed
                .repairs
                .push(format!("the EUVD has more changes than {pages} pages; `rattlewatch import` reads them"));
        }
        let progress = Some(((self.place.page * PAGE).min(total), total)).filter(|_| total < u64::MAX);
        if !more || self.asked >= self.pages {
            self.ended = true;
            self.place = Place { until: self.place.latest.max(self.place.until), ..Place::default() };
        }
        Batch { parsed, cursor: serde_json::to_string(&self.place).ok(), progress }
    }
}

fn is_search(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/search")
}
