//! Tags an advisory with the platforms that it names, each with a confidence and the words that say so.
//!
//! Rule: no word, no tag. Every tag holds at least one piece of evidence, and offsets point into what was published.

use std::collections::BTreeMap;

use super::catalog::Catalog;
use super::fold::Folded;
use super::index::{Mention, NameIndex};
use super::products::ProductIndex;
use crate::model::platform::{Evidence, Field, PlatformId, Product, Tag};
use crate::model::text::truncate;

/// A CPE or a `Vendor/Product` of the catalog.
const BY_PRODUCT: f64 = 0.98;
/// A name that stands alone, in the title.
const BY_TITLE: f64 = 0.95;
/// The source speaks of one platform only.
const BY_SOURCE: f64 = 0.9;
/// A product's name begins with a name of the catalog.
const BY_PRODUCT_NAME: f64 = 0.9;
/// A weak name with its context, in the title.
const BY_TITLE_WEAK: f64 = 0.8;
/// A name that stands alone, in the text.
const BY_TEXT: f64 = 0.7;
/// What each further mention of it adds, up to [`BY_TEXT_MAX`].
const BY_TEXT_AGAIN: f64 = 0.05;
/// The most that mentions in the text give.
const BY_TEXT_MAX: f64 = 0.85;
/// A weak name with its context, in the text.
const BY_TEXT_WEAK: f64 = 0.6;
/// Less than this is no tag.
const FLOOR: f64 = 0.5;
/// Pieces of evidence kept of one tag.
const EVIDENCE_MAX: usize = 10;
/// Products read of one advisory.
const PRODUCTS_MAX: usize = 2_000;
/// Longest product name read, in characters.
const PRODUCT_MAX: usize = 300;

/// What an advisory says.
#[derive(Clone, Copy, Debug)]
pub struct TagInput<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its text, without markup. The first 256 KiB are read.
    pub text: &'a str,
    /// The products that structured data names. The first 2,000 are read.
    pub products: &'a [Product],
    /// The platforms that its source speaks of. One alone tags every item; several give their weak names context.
    pub source_platforms: &'a [PlatformId],
}

/// Finds platforms in advisories. Costly to build, cheap to use: build one and share it.
#[derive(Debug)]
pub struct Matcher {
    /// By number: the id that gets the tag.
    ids: Vec<PlatformId>,
    /// By number: the platform's own id, its name, and the number that gets the tag.
    platforms: Vec<(String, String, usize)>,
    names: NameIndex,
    products: ProductIndex,
}

/// What speaks for one platform.
#[derive(Default)]
struct Gathered {
    evidence: Vec<(f64, Evidence)>,
    /// Mentions of names that stand alone, in the text.
    text_mentions: u32,
}

type Gathering = BTreeMap<usize, Gathered>;

impl Matcher {
    /// A matcher for `catalog`.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let ids: Vec<PlatformId> = catalog.iter().map(|platform| platform.id.clone()).collect();
        let platforms = catalog.iter().enumerate().map(|(number, platform)| {
            let target = platform.same_as.as_ref().and_then(|id| ids.binary_search(id).ok());
            (platform.id.0.clone(), platform.name.clone(), target.unwrap_or(number))
        });
        let platforms = platforms.collect();
        Self { platforms, ids, names: NameIndex::new(catalog), products: ProductIndex::new(catalog) }
    }

    /// The tags of `input`, in the order of the platforms' ids.
    #[must_use]
    pub fn tag(&self, input: &TagInput<'_>) -> Vec<Tag> {
        let mut gathering = Gathering::new();
        let source = self.source(input.source_platforms, &mut gathering);
        let in_context = |platform: usize| source.contains(&platform);
        self.products(input.products, &mut gathering);
        self.read(Field::Title, input.title, &in_context, &mut gathering);
        self.read(Field::Text, input.text, &in_context, &mut gathering);
        gathering.into_iter().filter_map(|(number, gathered)| self.judge(number, gathered)).collect()
    }

    fn note(&self, gathering: &mut Gathering, platform: usize, weight: f64, evidence: Evidence) {
        let gathered = gathering.entry(self.platforms[platform].2).or_default();
        gathered.text_mentions += u32::from(evidence.field == Field::Text && weight >= BY_TEXT);
        // What comes first in a field is kept; a later piece of the same weight would say no more.
        if gathered.evidence.len() < EVIDENCE_MAX * 4 {
            gathered.evidence.push((weight, evidence));
        }
    }

    /// The numbers of the source's platforms.
    fn source(&self, ids: &[PlatformId], gathering: &mut Gathering) -> Vec<usize> {
        let number = |id: &PlatformId| self.ids.binary_search(id).ok();
        let numbers: Vec<usize> = ids.iter().filter_map(number).collect();
        if let ([id], [number]) = (ids, numbers.as_slice()) {
            let alias = self.platforms[*number].1.clone();
            let evidence = Evidence { field: Field::Source, matched: id.0.clone(), alias, offset: 0 };
            self.note(gathering, *number, BY_SOURCE, evidence);
        }
        numbers
    }

    fn products(&self, products: &[Product], gathering: &mut Gathering) {
        for product in products.iter().take(PRODUCTS_MAX) {
            let known = self.products.find(product);
            for known in &known {
                let stated = match product.cpe.as_str() {
                    "" => format!("{}/{}", product.vendor, product.product),
                    cpe => cpe.to_owned(),
                };
                let matched = truncate(&stated, PRODUCT_MAX);
                let evidence = Evidence { field: Field::Product, matched, alias: known.entry.clone(), offset: 0 };
                self.note(gathering, known.platform, BY_PRODUCT, evidence);
            }
            if known.is_empty() && !product.product.is_empty() {
                self.product_name(product, gathering);
            }
        }
    }

    /// A product that the catalog has no id of, but whose name begins with one of its names.
    fn product_name(&self, product: &Product, gathering: &mut Gathering) {
        let vendor = truncate(product.vendor.trim(), PRODUCT_MAX);
        let name = truncate(product.product.trim(), PRODUCT_MAX);
        let (text, product_start) = match vendor.is_empty() {
            true => (name, 0),
            false => (format!("{vendor} {name}"), vendor.len() + 1),
        };
        let folded = Folded::new(&text);
        for mention in self.names.mentions(&folded, &|_| false) {
            let (offset, matched) = folded.published(mention.start, mention.end);
            // A vendor's own name in front of the product is no product.
            if offset + matched.len() <= product_start || (offset != 0 && offset != product_start) {
                continue;
            }
            let name = self.names.name(mention.name);
            let evidence =
                Evidence { field: Field::Product, matched: matched.to_owned(), alias: name.alias.clone(), offset: 0 };
            self.note(gathering, name.platform, BY_PRODUCT_NAME, evidence);
        }
    }

    fn read(&self, field: Field, text: &str, in_context: &dyn Fn(usize) -> bool, gathering: &mut Gathering) {
        let folded = Folded::new(text);
        for mention in self.names.mentions(&folded, in_context) {
            let Mention { start, end, name } = mention;
            let name = self.names.name(name);
            let weight = match (field, name.is_weak) {
                (Field::Title, false) => BY_TITLE,
                (Field::Title, true) => BY_TITLE_WEAK,
                (_, false) => BY_TEXT,
                (_, true) => BY_TEXT_WEAK,
            };
            let (offset, matched) = folded.published(start, end);
            let evidence = Evidence { field, matched: matched.to_owned(), alias: name.alias.clone(), offset };
            self.note(gathering, name.platform, weight, evidence);
        }
    }

    fn judge(&self, number: usize, gathered: Gathered) -> Option<Tag> {
        let Gathered { mut evidence, text_mentions } = gathered;
        evidence.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        evidence.dedup_by(|(_, a), (_, b)| a == b);
        evidence.truncate(EVIDENCE_MAX);
        let strongest = evidence.first().map_or(0.0, |(weight, _)| *weight);
        let again = f64::from(text_mentions.saturating_sub(1)) * BY_TEXT_AGAIN;
        let by_text = if text_mentions > 0 { (BY_TEXT + again).min(BY_TEXT_MAX) } else { 0.0 };
        let confidence = strongest.max(by_text);
        let evidence = evidence.into_iter().map(|(_, evidence)| evidence).collect();
        (confidence >= FLOOR).then(|| Tag { platform: self.ids[number].clone(), confidence, evidence })
    }
}
