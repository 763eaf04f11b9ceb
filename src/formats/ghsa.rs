//! GitHub security advisories, by its REST API: the global database, and the advisories of one repository.
//!
//! Pages come the latest change first and name the next one in the `Link` header; reading stops at what the last reading
//! saw. A key, where there is one, goes along as a bearer token and only to the source's own origin.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::fields::{self, field, list, number, text, time, weaknesses};
use super::walk::{self, Answer, Batch, Start, Step, Walk};
use super::{Format, Origin, ParseError, bulk, draft, score};
use crate::config::sources::Source;
use crate::http::Request;
use crate::model::clock::Timestamp;
use crate::model::item::{ID_MAX, Item, Parsed};
use crate::model::platform::Product;
use crate::model::severity::Severity;
use crate::model::text as plain;

/// Advisories of the REST API.
pub const GHSA: Format = Format { name: "ghsa", parse, walk: Some(begin) };

const EXPECTED: &str = "GitHub advisories in JSON";
const PAGE: &str = "https://github.com/advisories/";
/// Pages (of 100) of a first reading, of a later one, and of an import.
const FIRST: u64 = 2;
const POLL: u64 = 40;
const IMPORT: u64 = 2_000;
/// Most products kept of one advisory, and longest name of one, in characters.
const PRODUCTS: usize = 200;
const NAME_MAX: usize = 200;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (answer, repairs) = fields::document(bytes, origin.content_type, EXPECTED)?;
    Ok(Parsed { repairs, ..page(&answer)? })
}

fn page(answer: &Value) -> Result<Parsed, ParseError> {
    let one = std::slice::from_ref(answer);
    let listed = match answer.as_array() {
        Some(all) => all.as_slice(),
        None if answer.get("ghsa_id").is_some() => one,
        None => return Err(fields::other_json(EXPECTED)),
    };
    let mut parsed = Parsed::default();
    for entry in listed.iter().take(fields::LIST_MAX) {
        match item(entry) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
    Ok(parsed)
}

/// One advisory as an item; absent where it has no id.
fn item(entry: &Value) -> Option<Item> {
    let id = plain::one_line(text(entry, "ghsa_id"));
    if !id.starts_with("GHSA-") || id.len() > 40 {
        return None;
    }
    let (mut scores, mut notes) = (Vec::new(), Vec::new());
    let both = field(entry, "cvss_severities");
    for rating in [field(both, "cvss_v4"), field(both, "cvss_v3"), field(entry, "cvss")] {
        // GitHub writes 0.0 and no vector for "not rated".
        let stated = number(rating, "score").filter(|score| *score > 0.0);
        score::add(&mut scores, &mut notes, score::rate(text(rating, "vector_string"), stated, ""));
    }
    let body = draft::plain_body(text(entry, "description"));
    let body = std::iter::once(body).chain(notes).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let named = list(entry, "identifiers").iter().map(|one| text(one, "value"));
    let mut cves: Vec<_> =
        std::iter::once(text(entry, "cve_id")).chain(named).filter_map(|id| id.parse().ok()).collect();
    cves.sort_unstable();
    cves.dedup();
    let (products, fixed) = products(entry);
    let link = plain::one_line(text(entry, "html_url"));
    Some(Item {
        url: Some(if link.starts_with("https://") && link.len() < ID_MAX { link } else { format!("{PAGE}{id}") }),
        title: draft::title(text(entry, "summary"), &body),
        text: draft::plain_body(&body),
        published: time(entry, "published_at"),
        updated: time(entry, "updated_at"),
        severity: text(entry, "severity").parse().ok().filter(|severity| *severity != Severity::Unknown),
        weaknesses: weaknesses(list(entry, "cwes").iter().map(|cwe| text(cwe, "cwe_id"))),
        withdrawn: time(entry, "withdrawn_at").is_some(),
        action: (!fixed.is_empty()).then(|| format!("Upgrade to {}.", fixed.join(", "))),
        aliases: vec![id.clone()],
        native_id: Some(id),
        products,
        scores,
        cves,
        ..Item::default()
    })
}

/// The packages with their affected versions; and the first versions that have the fix, at most five.
fn products(entry: &Value) -> (Vec<Product>, Vec<String>) {
    let (mut products, mut fixes) = (Vec::new(), Vec::new());
    for affected in list(entry, "vulnerabilities").iter().take(PRODUCTS) {
        let short = |value: &str| plain::truncate(&plain::one_line(value), NAME_MAX);
        let package = field(affected, "package");
        let product = Product {
            vendor: short(text(package, "ecosystem")),
            product: short(text(package, "name")),
            versions: short(text(affected, "vulnerable_version_range")),
            ..Product::default()
        };
        let patched = field(affected, "first_patched_version");
        let patched = patched.as_str().unwrap_or_else(|| text(patched, "identifier"));
        let patched = short(if patched.is_empty() { text(affected, "patched_versions") } else { patched });
        if product.product.is_empty() {
            continue;
        }
        let fix = format!("{} {patched}", product.product);
        if !patched.is_empty() && fixes.len() < 5 && !fixes.contains(&fix) {
            fixes.push(fix);
        }
        if !products.contains(&product) {
            products.push(product);
        }
    }
    (products, fixes)
}

/// Everything changed up to `until` is read; a reading under way goes on at `next` and has seen changes up to `latest`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Url>,
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let place: Place = start.cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default();
    let first = place.until.is_none();
    let pages = match (start.since, first) {
        (Some(_), _) => IMPORT,
        (None, true) => FIRST,
        (None, false) => POLL,
    };
    let after = start.since.max(place.until);
    let (source, key) = (start.source.clone(), start.key.map(str::to_owned));
    Ok(Box::new(Reading { source, key, place, after, pages, first, asked: 0, ended: false }))
}

struct Reading {
    source: Source,
    key: Option<String>,
    place: Place,
    after: Option<Timestamp>,
    pages: u64,
    /// History is left out, and nothing is said of it.
    first: bool,
    asked: u64,
    ended: bool,
}

impl Walk for Reading {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        let (body, next) = match answer {
            Answer::Begin | Answer::Stored if !self.ended => return Ok(Step::Fetch(self.ask())),
            Answer::Begin | Answer::Stored => return Ok(Step::Done),
            Answer::File(file) => (bulk::bytes(file)?, None),
            // The place of an earlier reading is no longer known there: from the top.
            Answer::Failed(_) | Answer::Missing if self.asked == 1 && self.place.next.take().is_some() => {
                return Ok(Step::Fetch(self.ask()));
            }
            other => {
                let page = other.page("the page of advisories")?;
                (page.body, page.meta.next)
            }
        };
        let (answer, repairs) = fields::document(&body, None, EXPECTED)?;
        let parsed = page(&answer)?;
        Ok(Step::Store(self.turn(Parsed { repairs, ..parsed }, next)))
    }
}

impl Reading {
    fn ask(&mut self) -> Request {
        self.asked += 1;
        let url = self.place.next.clone().filter(|next| self.is_own(next)).unwrap_or_else(|| self.first_page());
        let mut request = walk::request(&self.source, url);
        request.headers.push(("x-github-api-version", "2022-11-28".to_owned()));
        request.headers.extend(self.key.as_ref().map(|key| ("authorization", format!("Bearer {key}"))));
        request
    }

    /// The source's address, asking for the latest change first unless it says otherwise.
    fn first_page(&self) -> Url {
        let mut url = self.source.url.clone();
        for (name, value) in [("sort", "updated"), ("direction", "desc"), ("per_page", "100")] {
            if !url.query_pairs().any(|(given, _)| given == name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    /// Whether an address is of the source's own origin: the key goes nowhere else.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.source.url.origin()
    }

    fn turn(&mut self, mut parsed: Parsed, next: Option<Url>) -> Batch {
        let changed = |item: &Item| item.updated.or(item.published);
        self.place.latest = self.place.latest.max(parsed.items.iter().filter_map(changed).max());
        let oldest = parsed.items.iter().filter_map(changed).min();
        let reached = oldest.zip(self.after).is_some_and(|(oldest, after)| oldest < after);
        // What was changed at that very instant comes again, and is the same.
        parsed.items.retain(|item| changed(item).zip(self.after).is_none_or(|(at, after)| at >= after));
        self.place.next = next.filter(|_| !reached);
        if self.place.next.as_ref().is_some_and(|next| !self.is_own(next)) {
            parsed.repairs.push("the next page stands at another host; it was not asked for".to_owned());
            self.place.next = None;
        }
        let over = self.asked >= self.pages;
        if over && self.place.next.is_some() && !self.first {
            let pages = self.pages;
            parsed
                .repairs
                .push(format!("there are more than {pages} pages of changes; `rattlewatch import` reads them"));
        }
        if over || self.place.next.is_none() {
            self.ended = true;
            self.place = Place { until: self.place.latest.max(self.place.until), ..Place::default() };
        }
        Batch { parsed, cursor: serde_json::to_string(&self.place).ok(), progress: None }
    }
}
