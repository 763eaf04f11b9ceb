//! Open Source Vulnerability records (OSV schema 1.x): one record, or all of an ecosystem in an archive (`all.zip`).

use serde_json::Value;

use super::archive::{Kind, sniff};
use super::bulk::{self, Bulk, Opened, Place, Plan};
use super::fields::{self, field, list, text, time, weaknesses};
use super::walk::{self, Answer, Start, Step, Walk};
use super::{Format, Origin, ParseError, draft, score};
use crate::config::sources::Source;
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Parsed};
use crate::model::platform::Product;
use crate::model::severity::Severity;
use crate::model::text as plain;

/// OSV records.
pub const OSV: Format = Format { name: "osv", parse, walk: Some(begin) };

const EXPECTED: &str = "an OSV record in JSON";
const PAGE: &str = "https://osv.dev/vulnerability/";
/// Largest archive, in bytes.
const ARCHIVE_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Records of an archive taken at a first reading.
const FIRST: usize = 200;
const ID_MAX: usize = 100;
/// Most products and ids kept of one record, and longest name and versions of one, in characters.
const PRODUCTS: usize = 200;
const ALIASES: usize = 50;
const NAME_MAX: usize = 200;
const VERSIONS_MAX: usize = 300;

fn parse(bytes: &[u8], origin: &Origin<'_>) -> Result<Parsed, ParseError> {
    let (record, repairs) = fields::document(bytes, origin.content_type, EXPECTED)?;
    Ok(Parsed { items: vec![item(&record)?], repairs, ..Parsed::default() })
}

fn read(bytes: &[u8]) -> Result<Item, ParseError> {
    item(&fields::document(bytes, None, EXPECTED)?.0)
}

/// The item of a record.
fn item(record: &Value) -> Result<Item, ParseError> {
    let id = plain::one_line(text(record, "id"));
    if id.is_empty() || id.len() > ID_MAX || time(record, "modified").is_none() {
        return Err(fields::other_json(EXPECTED));
    }
    let (mut scores, mut notes) = (Vec::new(), Vec::new());
    let of_packages = list(record, "affected").iter().flat_map(|affected| list(affected, "severity"));
    for rating in list(record, "severity").iter().chain(of_packages).take(fields::LIST_MAX) {
        score::add(&mut scores, &mut notes, score::rate(text(rating, "score"), None, ""));
    }
    let details = draft::plain_body(text(record, "details"));
    let body = std::iter::once(details).chain(notes).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let (mut cves, mut aliases) = (Vec::new(), vec![id.clone()]);
    let listed = list(record, "aliases").iter().filter_map(Value::as_str).map(plain::one_line);
    for alias in std::iter::once(id.clone()).chain(listed).take(ALIASES) {
        match alias.parse() {
            Ok(cve) if !cves.contains(&cve) => cves.push(cve),
            Ok(_) => {}
            Err(_) if alias.len() <= ID_MAX && !aliases.contains(&alias) => aliases.push(alias),
            Err(_) => {}
        }
    }
    let specific = field(record, "database_specific");
    let stated = text(specific, "severity");
    let title = draft::title(text(record, "summary"), &body);
    Ok(Item {
        url: Some(format!("{PAGE}{id}")),
        title: if title.is_empty() { id.clone() } else { title },
        text: draft::plain_body(&body),
        published: time(record, "published"),
        updated: time(record, "modified"),
        // A rating of the record's own database goes before what its vectors give.
        severity: stated.parse().ok().filter(|severity| *severity != Severity::Unknown),
        weaknesses: weaknesses(list(specific, "cwe_ids").iter().filter_map(Value::as_str)),
        products: products(record),
        withdrawn: time(record, "withdrawn").is_some(),
        native_id: Some(id),
        aliases,
        scores,
        cves,
        ..Item::default()
    })
}

fn products(record: &Value) -> Vec<Product> {
    let mut products: Vec<Product> = Vec::new();
    for affected in list(record, "affected") {
        let package = field(affected, "package");
        let short = |name: &str| plain::truncate(&plain::one_line(text(package, name)), NAME_MAX);
        let ranges: Vec<String> =
            list(affected, "ranges").iter().filter(|range| !is_git(range)).filter_map(range).collect();
        let versions = plain::truncate(&ranges.join(", "), VERSIONS_MAX);
        let product = Product { vendor: short("ecosystem"), product: short("name"), versions, ..Product::default() };
        if !product.product.is_empty() && products.len() < PRODUCTS && !products.contains(&product) {
            products.push(product);
        }
    }
    products
}

/// Commits name no version.
fn is_git(range: &Value) -> bool {
    text(range, "type") == "GIT"
}

/// A range in words, of its events in order: `before 1.2, from 2.0 through 2.4`.
fn range(range: &Value) -> Option<String> {
    let mut words = String::new();
    for event in list(range, "events").iter().take(40) {
        let named = |name: &str| plain::truncate(&plain::one_line(text(event, name)), 60);
        for (name, gap, word) in
            [("introduced", ", ", "from"), ("fixed", " ", "before"), ("last_affected", " ", "through")]
        {
            let at = named(name);
            if !(at.is_empty() || at == "0" && name == "introduced") {
                words.push_str(if words.is_empty() { "" } else { gap });
                words.push_str(&format!("{word} {at}"));
            }
        }
    }
    (!words.is_empty()).then_some(words)
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let (source, since) = (start.source.clone(), start.since);
    Ok(Box::new(Records { source, since, place: Place::parse(start.cursor), bulk: None, ended: false }))
}

struct Records {
    source: Source,
    since: Option<Timestamp>,
    place: Place,
    bulk: Option<Box<Bulk>>,
    ended: bool,
}

impl Walk for Records {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match answer {
            Answer::Begin => {
                return Ok(Step::Download(walk::request(&self.source, self.source.url.clone()), ARCHIVE_MAX));
            }
            Answer::Unchanged => return Ok(Step::Done),
            Answer::Stored => {}
            other => {
                let mut file = other.file("the archive of OSV records")?;
                if sniff(&mut file)? != Kind::Zip {
                    self.ended = true;
                    return bulk::single(file, read).map(Step::Store);
                }
                let newest = (self.since.is_none() && self.place == Place::default()).then_some(FIRST);
                let (after, place) = (self.since.or(self.place.until), self.place.clone());
                let plan = Plan { wanted: |name| name.ends_with(".json"), read, after, newest, place };
                match bulk::open(file, plan)? {
                    Opened::Archive(opened) => self.bulk = Some(opened),
                    Opened::Plain(file) => return bulk::single(file, read).map(Step::Store),
                }
            }
        }
        match self.bulk.as_mut().filter(|_| !self.ended) {
            Some(bulk) => Ok(bulk.batch()?.map_or(Step::Done, Step::Store)),
            None => Ok(Step::Done),
        }
    }
}
