//! Every name, context word and exclusion of the catalog in one automaton, so that a text is read once.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::catalog::{Catalog, Platform};
use super::context::is_word;
use super::fold::fold_name;

/// Joined spellings (`NCentral`) are looked for from this many letters on.
const JOINED_MIN: usize = 6;
/// A plural `s` is accepted after names of this many bytes.
const PLURAL_MIN: usize = 5;
/// The longest model number after a name that asks for one, in bytes.
const MODEL_MAX: usize = 24;

/// A platform by its place in the catalog.
pub(super) type Place = u16;

/// One way in which a platform is named.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) platform: Place,
    /// As the catalog writes it.
    pub(super) written: String,
    /// Counts only with context.
    pub(super) weak: bool,
    /// Counts only in this case.
    pub(super) exact: bool,
    /// A model number must follow.
    model: bool,
    /// It is the beginning of an advisory's id.
    pub(super) advisory: bool,
}

/// What a string that the automaton knows is used for.
#[derive(Debug, Default)]
struct Uses {
    names: Vec<Name>,
    /// Platforms that it makes a weak name count of, as written where its letters have to be in this case.
    near: Vec<(Place, Option<String>)>,
    /// A name that a model number must follow is among the names.
    model: bool,
    /// Platforms that it excludes; true where the phrase holds a name of the platform itself.
    not: Vec<(Place, bool)>,
}

/// A string of the automaton found in a text, between word boundaries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pattern: u32,
    pub(super) start: usize,
    pub(super) end: usize,
    model: bool,
}

impl Hit {
    /// Whether both are the same words.
    pub(super) fn is_same_as(self, other: Self) -> bool {
        self.pattern == other.pattern
    }
}

/// The automaton and what its strings are used for.
pub(super) struct Index {
    automaton: AhoCorasick,
    uses: Vec<Uses>,
}

impl Index {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let uses = uses(catalog);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(uses.keys())
            .expect("bounded by the catalog's own bounds");
        let mut uses: Vec<Uses> = uses.into_values().collect();
        for uses in &mut uses {
            uses.model = uses.names.iter().any(|name| name.model);
        }
        Self { automaton, uses }
    }

    /// Everything known that stands in `folded`, in the order of its ends.
    pub(super) fn scan(&self, folded: &str) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(32);
        for found in self.automaton.find_overlapping_iter(folded) {
            let (start, end) = (found.start(), found.end());
            if !starts_word(folded, start) {
                continue;
            }
            let pattern = found.pattern().as_u32();
            if let Some(end) = word_end(folded, start, end) {
                hits.push(Hit { pattern, start, end, model: false });
            }
            if !self.uses_of(pattern).model {
                continue;
            }
            if let Some(end) = model_end(folded, end) {
                hits.push(Hit { pattern, start, end, model: true });
            }
        }
        hits
    }

    /// The names that `hit` is.
    pub(super) fn names(&self, hit: Hit) -> impl Iterator<Item = &Name> {
        self.uses_of(hit.pattern).names.iter().filter(move |name| name.model == hit.model)
    }

    /// Whether `hit` is a context word of `platform`, and if so how it has to be written.
    pub(super) fn is_near(&self, hit: Hit, platform: Place) -> Option<Option<&str>> {
        let near = &self.uses_of(hit.pattern).near;
        near.iter().find(|(place, _)| *place == platform).map(|(_, exact)| exact.as_deref())
    }

    /// Whether `hit` excludes `platform`, and if so whether it holds a name of it.
    pub(super) fn excludes(&self, hit: Hit, platform: Place) -> Option<bool> {
        self.uses_of(hit.pattern).not.iter().find(|(place, _)| *place == platform).map(|(_, holds)| *holds)
    }

    fn uses_of(&self, pattern: u32) -> &Uses {
        &self.uses[pattern as usize]
    }
}

fn uses(catalog: &Catalog) -> BTreeMap<String, Uses> {
    let claimed: BTreeSet<String> = catalog.iter().flat_map(names_of).map(|(name, _)| pattern_of(name)).collect();
    let mut uses: BTreeMap<String, Uses> = BTreeMap::new();
    for (place, platform) in catalog.iter().enumerate() {
        let place = Place::try_from(place).unwrap_or(Place::MAX);
        let mut own = BTreeSet::new();
        for (written, weak) in names_of(platform) {
            let exact = platform.exact.contains(written);
            let (model, advisory) = (written.ends_with('*'), platform.advisories.contains(written));
            let name = Name { platform: place, written: written.clone(), weak, exact, model, advisory };
            let pattern = pattern_of(written);
            if let Some(joined) = joined(&pattern).filter(|joined| !claimed.contains(joined)) {
                uses.entry(joined).or_default().names.push(name.clone());
            }
            own.insert(pattern.clone());
            uses.entry(pattern).or_default().names.push(name);
        }
        for kev in &platform.kev {
            let written = kev.replacen('/', " ", 1);
            if own.insert(pattern_of(&written)) {
                let name = Name { platform: place, weak: false, exact: false, model: false, advisory: false, written };
                uses.entry(pattern_of(&name.written)).or_default().names.push(name);
            }
        }
        for word in &platform.near {
            let exact = platform.exact.contains(word).then(|| word.clone());
            uses.entry(fold_name(word)).or_default().near.push((place, exact));
        }
        for phrase in &platform.not {
            let phrase = fold_name(phrase);
            let holds = own.iter().any(|name| phrase.contains(name.as_str()));
            uses.entry(phrase).or_default().not.push((place, holds));
        }
    }
    uses
}

/// The names of `platform`, each with whether it is weak.
fn names_of(platform: &Platform) -> impl Iterator<Item = (&String, bool)> {
    let strong = platform.aliases.iter().chain(&platform.former).chain(&platform.advisories).map(|name| (name, false));
    strong.chain(platform.weak.iter().map(|name| (name, true)))
}

fn pattern_of(name: &str) -> String {
    fold_name(name.trim_end_matches('*'))
}

/// A name of two parts in one word.
fn joined(pattern: &str) -> Option<String> {
    let (first, last) = pattern.split_once(' ')?;
    (!last.contains(' ') && first.len() + last.len() >= JOINED_MIN).then(|| format!("{first}{last}"))
}

/// Whether a word can begin at `start`.
pub(super) fn starts_word(text: &str, start: usize) -> bool {
    !word_at(text, start) || !word_before(text, start)
}

/// Whether the character at `at` is part of a word.
fn word_at(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at) {
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text[at..].chars().next().is_some_and(is_word),
        None => false,
    }
}

/// Whether the character before `at` is part of a word.
fn word_before(text: &str, at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| text.as_bytes().get(before)) {
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text[..at].chars().next_back().is_some_and(is_word),
        None => false,
    }
}

/// Where the word that ends at `end` ends, its plural or genitive included; nothing where it goes on.
pub(super) fn word_end(text: &str, start: usize, end: usize) -> Option<usize> {
    if !word_before(text, end) || !word_at(text, end) {
        return Some(end);
    }
    let bytes = text.as_bytes();
    let plural = bytes[end] == b's' && bytes[end - 1] != b's' && end - start >= PLURAL_MIN;
    (plural && !word_at(text, end + 1)).then_some(end)
}

/// Where the model number that follows `end`, after a space or none, ends.
fn model_end(text: &str, end: usize) -> Option<usize> {
    let rest = &text.as_bytes()[end..];
    let skip = usize::from(rest.first() == Some(&b' '));
    let number = rest[skip..].iter().take(MODEL_MAX).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (number > 0 && rest[skip].is_ascii_digit()).then_some(end + skip + number)
}
