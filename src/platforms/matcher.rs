//! Which platforms an advisory is about, how surely, and which of its words say so.
//!
//! Rule: the same input gives the same tags. Structured data outweighs the title, the title outweighs the text; a
//! name inside a longer name is the longer name; a weak name counts only in its context. Below [`LEAST`] nothing is
//! said. Cost grows with the length of the text alone.

use std::collections::BTreeMap;

use super::cases::{self, Cases, Entry, add};
use super::catalog::{Catalog, Category};
use super::context;
use super::fold::{Folded, fold};
use super::index::{Hit, Index, Name, Place};
use super::products::{Answer, Products};
use super::topics::Topics;
use crate::model::platform::{Evidence, Field, PlatformId, Product, ProductStatus, Role, Tag};
use crate::model::topic::About;
use url::Url;

/// Tags of less confidence are not returned.
pub const LEAST: f64 = 0.5;
/// The most products looked at.
const PRODUCTS_MAX: usize = 5_000;

/// Confidence by what says so.
mod confidence {
    pub(super) const PRODUCT: f64 = 0.98;
    pub(super) const TITLE: f64 = 0.95;
    pub(super) const SOURCE: f64 = 0.9;
    pub(super) const TITLE_WEAK: f64 = 0.8;
    pub(super) const TEXT: f64 = 0.75;
    pub(super) const TEXT_WEAK: f64 = 0.65;
    /// For each further mention.
    pub(super) const AGAIN: f64 = 0.05;
    /// As often as this.
    pub(super) const AGAIN_MAX: usize = 2;
}

/// What is known of an advisory.
#[derive(Clone, Copy, Debug, Default)]
pub struct TagInput<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its body, plain text.
    pub text: &'a str,
    /// The products that structured data names.
    pub products: &'a [Product],
    /// The platforms that its source speaks of, where that is a vendor's own.
    pub source_platforms: &'a [PlatformId],
    /// The address of its page; empty where there is none.
    pub link: &'a str,
}

/// The catalog, made ready for reading texts. Immutable; share it behind an `Arc`.
pub struct Matcher {
    index: Index,
    products: Products,
    /// By [`Place`].
    platforms: Vec<Entry>,
    topics: Topics,
}

/// A name of a platform that stands in a text and counts.
struct Mention<'m> {
    name: &'m Name,
    hit: Hit,
    role: Role,
}

/// A part of the advisory, read.
struct Reading<'t> {
    field: Field,
    original: &'t str,
    folded: Folded,
    hits: Vec<Hit>,
}

impl Matcher {
    /// A matcher over `catalog`.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let places: BTreeMap<&PlatformId, usize> =
            catalog.iter().enumerate().map(|(at, platform)| (&platform.id, at)).collect();
        let mut platforms: Vec<Entry> = catalog
            .iter()
            .map(|platform| Entry {
                id: platform.id.clone(),
                name: platform.name.clone(),
                vendor: platform.vendor.clone(),
                host: platform.host,
                tool: matches!(platform.category, Category::Rmm | Category::RemoteAccess),
                whole: platform.category == Category::Vendor,
                covered_by: None,
                hosts: platform.hosts.clone(),
                same_as: None,
            })
            .collect();
        let is_whole = |entry: &&Entry| entry.whole;
        let wholes: BTreeMap<String, Place> =
            platforms.iter().filter(is_whole).map(|entry| (entry.vendor.clone(), place(places[&entry.id]))).collect();
        for entry in platforms.iter_mut().filter(|entry| !entry.whole) {
            entry.covered_by = wholes.get(&entry.vendor).copied();
        }
        for (at, platform) in catalog.iter().enumerate() {
            if let Some(&twin) = platform.same_as.as_ref().and_then(|id| places.get(id)) {
                platforms[at].same_as = Some(place(twin));
            }
        }
        Self { index: Index::new(catalog), products: Products::new(catalog), platforms, topics: Topics::new(catalog) }
    }

    /// What `input`, which is tagged with `tags`, is about beside products.
    #[must_use]
    pub fn topics(&self, input: &TagInput<'_>, tags: &[Tag]) -> Vec<About> {
        self.topics.about(input.title, input.text, tags)
    }

    /// The platforms that `input` names, in the order of their ids: those affected, and those merely mentioned.
    #[must_use]
    pub fn tag(&self, input: &TagInput<'_>) -> Vec<Tag> {
        let mut cases = BTreeMap::new();
        self.read_products(input.products, &mut cases);
        let mut source: Vec<Place> = input.source_platforms.iter().filter_map(|id| self.place_of(id)).collect();
        if let ([only], [_]) = (source.as_slice(), input.source_platforms) {
            let name = &self.platforms[usize::from(*only)].name;
            let evidence = Evidence { field: Field::Source, matched: name.clone(), alias: name.clone(), offset: 0 };
            add(&mut cases, (*only, Role::Affected), confidence::SOURCE, evidence);
        }
        self.read_link(input.link, &mut source, &mut cases);
        let title = self.read(Field::Title, input.title);
        let text = self.read(Field::Text, input.text);
        self.weigh(&title, &title, &source, &mut cases);
        self.weigh(&text, &title, &source, &mut cases);
        cases::tags(cases, &self.platforms)
    }

    fn place_of(&self, id: &PlatformId) -> Option<Place> {
        self.platforms.iter().position(|entry| entry.id == *id).map(place)
    }

    fn read<'t>(&self, field: Field, original: &'t str) -> Reading<'t> {
        let folded = fold(original);
        let hits = self.index.scan(&folded.text);
        Reading { field, original, folded, hits }
    }

    /// A page of a vendor's own advisories speaks of the vendor, and its platforms need no context there.
    fn read_link(&self, link: &str, source: &mut Vec<Place>, cases: &mut Cases) {
        let Some(host) = Url::parse(link).ok().and_then(|link| link.host_str().map(str::to_lowercase)) else { return };
        let its =
            |known: &String| host.strip_suffix(known.as_str()).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'));
        for (at, entry) in self.platforms.iter().enumerate().filter(|(_, entry)| entry.hosts.iter().any(its)) {
            let evidence = Evidence { field: Field::Link, matched: host.clone(), alias: entry.name.clone(), offset: 0 };
            add(cases, (place(at), Role::Affected), confidence::SOURCE, evidence);
            let same_vendor = |(_, other): &(usize, &Entry)| entry.whole && other.vendor == entry.vendor;
            source.extend(self.platforms.iter().enumerate().filter(same_vendor).map(|(at, _)| place(at)));
        }
    }

    fn read_products(&self, products: &[Product], cases: &mut Cases) {
        let concerned = products.iter().filter(|product| product.status != ProductStatus::NotAffected);
        for product in concerned.take(PRODUCTS_MAX) {
            let Answer { named, ask } = self.products.answer(product);
            for named in named {
                let evidence =
                    Evidence { field: Field::Product, matched: named.matched, alias: named.alias, offset: 0 };
                add(cases, (named.platform, Role::Affected), confidence::PRODUCT, evidence);
            }
            if let Some(name) = ask {
                let reading = self.read(Field::Product, &name);
                self.weigh(&reading, &reading, &[], cases);
            }
        }
    }

    /// Adds what `reading` says to `cases`; `title` and the source's platforms are context.
    fn weigh(&self, reading: &Reading<'_>, title: &Reading<'_>, source: &[Place], cases: &mut Cases) {
        let mut counts: BTreeMap<(Place, Role), usize> = BTreeMap::new();
        for Mention { name, hit, role } in self.mentions(reading, title, source) {
            let first = match (reading.field, name.weak) {
                (Field::Product, _) => confidence::PRODUCT,
                (Field::Source | Field::Link, _) => confidence::SOURCE,
                (Field::Title, false) => confidence::TITLE,
                (Field::Title, true) => confidence::TITLE_WEAK,
                (Field::Text, false) => confidence::TEXT,
                (Field::Text, true) => confidence::TEXT_WEAK,
            };
            let count = counts.entry((name.platform, role)).or_default();
            let again = (*count).min(confidence::AGAIN_MAX);
            *count += 1;
            let weight = match reading.field {
                Field::Text => confidence::AGAIN.mul_add(f64::from(u32::try_from(again).unwrap_or(0)), first),
                _ => first,
            };
            let (offset, matched) = reading.folded.published(reading.original, hit.start, hit.end);
            let offset = if reading.field == Field::Product { 0 } else { offset };
            let evidence =
                Evidence { field: reading.field, matched: matched.to_owned(), alias: name.written.clone(), offset };
            add(cases, (name.platform, role), weight, evidence);
        }
    }

    /// The names in `reading` that count, in the order in which they stand.
    fn mentions<'m>(&'m self, reading: &Reading<'_>, title: &Reading<'_>, source: &[Place]) -> Vec<Mention<'m>> {
        let mut mentions = Vec::new();
        for &hit in &reading.hits {
            for name in self.index.names(hit) {
                if let Some(role) = self.role(name, hit, reading, title, source) {
                    mentions.push(Mention { name, hit, role });
                }
            }
        }
        mentions.sort_by_key(|mention| (mention.hit.start, std::cmp::Reverse(mention.hit.end)));
        let mut widest = (0, 0);
        mentions.retain(|Mention { hit, .. }| {
            if hit.end > widest.1 {
                widest = (hit.start, hit.end);
            }
            (hit.start, hit.end) == widest
        });
        let mut first: BTreeMap<Place, bool> = BTreeMap::new();
        for Mention { name, hit, role } in &mut mentions {
            let host = self.platforms[usize::from(name.platform)].host;
            let plugged = || host && context::takes_plug(&reading.folded.text, hit.end);
            // A text that begins with a plug-in goes on to speak of what it is plugged into.
            if *first.entry(name.platform).or_insert_with(plugged) {
                *role = Role::Mentioned;
            }
        }
        mentions
    }

    /// In which role `name` at `hit` speaks of its platform; absent where it does not.
    fn role(
        &self,
        name: &Name,
        hit: Hit,
        reading: &Reading<'_>,
        title: &Reading<'_>,
        source: &[Place],
    ) -> Option<Role> {
        let text = reading.folded.text.as_str();
        let (offset, published) = reading.folded.published(reading.original, hit.start, hit.end);
        if name.exact && !same_letters(published, &name.written) {
            return None;
        }
        // Only a weak name asks for its sentence, which costs more than all the rest.
        let sentence = if name.weak { context::sentence(text, hit.start, hit.end) } else { (hit.start, hit.end) };
        if self.excluded(name, hit, reading, sentence) {
            return None;
        }
        if name.weak && !source.contains(&name.platform) && !self.in_context(name, hit, reading, title, sentence) {
            return None;
        }
        let Entry { host, tool, whole, .. } = &self.platforms[usize::from(name.platform)];
        // A vendor's name stands in many texts; what is about the vendor as a whole says so in its title.
        if *whole && reading.field == Field::Text && !name.advisory {
            return None;
        }
        if in_address(reading.original, offset, offset + published.len(), &name.written) {
            return None;
        }
        let (start, end) = (hit.start, hit.end);
        let mentioned = context::speaks(text, start, end)
            || context::untouched(text, end)
            || (*host && context::hosts(text, start, end))
            || (*tool && reading.field == Field::Text && context::brought(text, start, end));
        Some(if mentioned { Role::Mentioned } else { Role::Affected })
    }

    /// Whether an exclusion touches `hit`, or, for a weak name, stands in its sentence.
    fn excluded(&self, name: &Name, hit: Hit, reading: &Reading<'_>, sentence: (usize, usize)) -> bool {
        around(&reading.hits, hit).any(|other| match self.index.excludes(*other, name.platform) {
            None => false,
            Some(_) if other.start <= hit.end + 1 && hit.start <= other.end + 1 => true,
            Some(holds) => name.weak && !holds && within(other, sentence),
        })
    }

    /// Whether a context word stands in the sentence, near it, or in the title.
    fn in_context(
        &self,
        name: &Name,
        hit: Hit,
        reading: &Reading<'_>,
        title: &Reading<'_>,
        sentence: (usize, usize),
    ) -> bool {
        let text = reading.folded.text.as_str();
        let is_near = |other: &Hit, reading: &Reading<'_>| {
            self.index.is_near(*other, name.platform).is_some_and(|exact| {
                let published = || reading.folded.published(reading.original, other.start, other.end).1;
                exact.is_none_or(|written| same_letters(published(), written))
            })
        };
        let near = |other: &&Hit| {
            is_near(other, reading)
                && !other.is_same_as(hit)
                && (other.end <= hit.start || other.start >= hit.end)
                && (within(other, sentence)
                    || context::few_words(text, other.end, hit.start)
                    || context::few_words(text, hit.end, other.start))
        };
        around(&reading.hits, hit).any(|other| near(&other))
            || (reading.field == Field::Text
                && title.hits.iter().any(|other| !other.is_same_as(hit) && is_near(other, title)))
    }
}

/// The hits near enough to `hit` to matter: they lie in the order of their ends.
fn around(hits: &[Hit], hit: Hit) -> impl Iterator<Item = &Hit> {
    let from = hits.partition_point(|other| other.end + context::SENTENCE_MAX < hit.start);
    hits[from..].iter().take_while(move |other| other.end <= hit.end + 2 * context::SENTENCE_MAX)
}

fn within(hit: &Hit, (from, to): (usize, usize)) -> bool {
    from <= hit.start && hit.end <= to
}

/// Whether the letters and digits of `written` stand in `published`, in the same case; a model number may follow.
fn same_letters(published: &str, written: &str) -> bool {
    let mut published = published.chars().filter(|c| c.is_alphanumeric());
    let mut written_letters = written.chars().filter(|c| c.is_alphanumeric());
    written_letters.all(|letter| published.next() == Some(letter))
        && (written.ends_with('*') || published.next().is_none())
}

/// Whether `start..end` is only part of a web or mail address.
fn in_address(text: &str, start: usize, end: usize, written: &str) -> bool {
    const DOMAINS: [&str; 13] = ["com", "net", "org", "io", "us", "co", "eu", "de", "uk", "gov", "app", "dev", "cloud"];
    const REACH: usize = 200;
    if text.as_bytes().get(end) == Some(&b'.') && !written.contains('.') {
        let rest = &text[end + 1..];
        let label = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if DOMAINS.contains(&&rest[..label]) {
            return true;
        }
    }
    let before = &text.as_bytes()[start.saturating_sub(REACH)..start];
    let token = before.iter().rposition(|byte| byte.is_ascii_whitespace() || b"<>()[]\"'".contains(byte));
    let token = &before[token.map_or(0, |at| at + 1)..];
    token.ends_with(b"@") || token.starts_with(b"www.") || token.windows(3).any(|part| part == b"://")
}

/// A catalog holds far fewer platforms than places; the rest would share the last one.
fn place(at: usize) -> Place {
    Place::try_from(at).unwrap_or(Place::MAX)
}
