//! Every name of the catalog in one automaton, and what a text holds of them.
//!
//! Rule: built once for a catalog; a text is read in one pass, and what is kept of it is bounded.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::catalog::{Catalog, Platform};
use super::fold::{Folded, NAME_MAX, fold_keeping_case, fold_name};

/// How many names of one text are kept; a text with more is no advisory.
const FOUND_MAX: usize = 20_000;
/// A weak name and its context are this many words apart at most where they are not in one sentence.
const NEAR_WORDS: usize = 12;

/// A name of a platform.
#[derive(Debug)]
pub(super) struct Name {
    /// The platform's number.
    pub(super) platform: usize,
    /// As the catalog writes it.
    pub(super) alias: String,
    /// Whether it needs context.
    pub(super) is_weak: bool,
    /// The only spelling that counts, where case counts.
    case: Option<String>,
}

/// What one pattern of the automaton stands for.
#[derive(Debug, Default)]
struct Meaning {
    /// Indexes into the names.
    names: Vec<usize>,
    /// The platforms whose matches it voids.
    voids: Vec<usize>,
    /// The number of the context word that it is.
    context: Option<usize>,
}

/// A name found in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mention {
    /// Where it begins in the folded text.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// Index of the name.
    pub(super) name: usize,
}

/// A phrase or context word found: whose, from where, to where. Ordered so that searches find it.
type Span = (usize, usize, usize);

/// The automaton and what its patterns mean.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// Absent where the patterns are more than an automaton takes.
    automaton: Option<AhoCorasick>,
    meanings: Vec<Meaning>,
    names: Vec<Name>,
    /// For each platform the numbers of its context words.
    contexts: Vec<Vec<usize>>,
}

/// What is gathered before the automaton is built.
#[derive(Default)]
struct Patterns {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
    meanings: Vec<Meaning>,
}

impl Patterns {
    fn meaning(&mut self, name: &str) -> &mut Meaning {
        let text = fold_name(name);
        let number = *self.numbers.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            self.meanings.push(Meaning::default());
            self.texts.len() - 1
        });
        &mut self.meanings[number]
    }
}

impl NameIndex {
    /// Of the platforms of `catalog`, numbered in its order.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut patterns = Patterns::default();
        let mut names = Vec::new();
        let mut contexts = Vec::with_capacity(catalog.iter().len());
        let mut context_count = 0;
        for (number, platform) in catalog.iter().enumerate() {
            for (alias, is_weak) in names_of(platform) {
                let case = platform.case.contains(alias).then(|| fold_keeping_case(alias));
                patterns.meaning(alias).names.push(names.len());
                names.push(Name { platform: number, alias: alias.clone(), is_weak, case });
            }
            for phrase in &platform.not {
                patterns.meaning(phrase).voids.push(number);
            }
            let mut own = Vec::with_capacity(platform.near.len());
            for word in &platform.near {
                own.push(*patterns.meaning(word).context.get_or_insert_with(|| {
                    context_count += 1;
                    context_count - 1
                }));
            }
            contexts.push(own);
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns.texts).ok();
        Self { automaton, meanings: patterns.meanings, names, contexts }
    }

    /// The name numbered `name`.
    pub(super) fn name(&self, name: usize) -> &Name {
        &self.names[name]
    }

    /// The names that count in `text`, in its order. A weak name of a platform for which `in_context` says so needs no
    /// context word.
    pub(super) fn mentions(&self, text: &Folded<'_>, in_context: &dyn Fn(usize) -> bool) -> Vec<Mention> {
        let (mut mentions, voids, contexts) = self.scan(text);
        mentions.retain(|mention| {
            let name = &self.names[mention.name];
            !is_void(&voids, name.platform, mention, &text.text)
                && (!name.is_weak || in_context(name.platform) || self.has_context(text, &contexts, mention))
                && !text.in_address(mention.start)
        });
        without_contained(mentions)
    }

    fn scan(&self, text: &Folded<'_>) -> (Vec<Mention>, Vec<Span>, Vec<Span>) {
        let (mut mentions, mut voids, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
        let Some(automaton) = &self.automaton else { return (mentions, voids, contexts) };
        for found in automaton.find_overlapping_iter(&text.text) {
            let (start, end) = (found.start(), found.end());
            if !text.is_whole(start, end) {
                continue;
            }
            let meaning = &self.meanings[found.pattern().as_usize()];
            let counting = meaning.names.iter().filter(|name| {
                let case = self.names[**name].case.as_deref();
                case.is_none_or(|case| fold_keeping_case(text.published(start, end).1) == case)
            });
            mentions.extend(counting.map(|name| Mention { start, end, name: *name }));
            voids.extend(meaning.voids.iter().map(|platform| (*platform, start, end)));
            contexts.extend(meaning.context.map(|context| (context, start, end)));
            if mentions.len().max(voids.len()).max(contexts.len()) > FOUND_MAX {
                break;
            }
        }
        voids.sort_unstable();
        contexts.sort_unstable();
        (mentions, voids, contexts)
    }

    fn has_context(&self, text: &Folded<'_>, contexts: &[Span], mention: &Mention) -> bool {
        self.contexts[self.names[mention.name].platform].iter().any(|context| {
            let after = contexts.partition_point(|span| *span < (*context, mention.end, 0));
            let next = contexts.get(after).filter(|span| span.0 == *context);
            if next.is_some_and(|span| text.are_near(mention.end - 1, span.1, NEAR_WORDS)) {
                return true;
            }
            // Those that begin before the mention but overlap it are no context: at most a name's length of them.
            let before = contexts[..after].iter().rev().take_while(|span| span.0 == *context);
            let previous = before.take(NAME_MAX * 2).find(|span| span.2 <= mention.start);
            previous.is_some_and(|span| text.are_near(span.2 - 1, mention.start, NEAR_WORDS))
        })
    }
}

fn names_of(platform: &Platform) -> impl Iterator<Item = (&String, bool)> {
    let strong = platform.aliases.iter().chain(&platform.former).map(|name| (name, false));
    strong.chain(platform.weak.iter().map(|name| (name, true)))
}

/// Whether a phrase of `platform` overlaps `mention` or adjoins it with one space between.
fn is_void(voids: &[Span], platform: usize, mention: &Mention, text: &str) -> bool {
    let reach = mention.start.saturating_sub(NAME_MAX + 1);
    let first = voids.partition_point(|span| *span < (platform, reach, 0));
    let spaced = |from: usize, to: usize| text.get(from..to) == Some(" ");
    voids[first..].iter().take_while(|span| span.0 == platform && span.1 <= mention.end + 1).any(|(_, start, end)| {
        let overlaps = *start < mention.end && *end > mention.start;
        overlaps || spaced(*end, mention.start) || spaced(mention.end, *start)
    })
}

/// `mentions` without those that stand inside a longer one, in the order of the text.
fn without_contained(mut mentions: Vec<Mention>) -> Vec<Mention> {
    mentions.sort_unstable_by_key(|mention| (mention.start, usize::MAX - mention.end, mention.name));
    let mut outer: Option<(usize, usize)> = None;
    mentions.retain(|mention| {
        let own = (mention.start, mention.end);
        let is_contained = outer.is_some_and(|outer| outer != own && outer.1 >= mention.end);
        if !is_contained {
            outer = Some(own);
        }
        !is_contained
    });
    mentions
}
