//! Text as it is compared: lowercase and NFKC, a hyphen or a run of whitespace between words one space, with a way
//! back to the bytes that were published.
//!
//! Rule: every folded byte knows the published character it comes from; work is linear in the text.

use unicode_normalization::UnicodeNormalization;

/// The longest folded name, in bytes: how far a match reaches.
pub(super) const NAME_MAX: usize = 100;
/// How much of a field is read, in bytes.
pub(super) const TEXT_MAX: usize = 256 * 1024;

/// A text, folded.
#[derive(Debug, Default)]
pub(super) struct Folded<'t> {
    /// What was published.
    original: &'t str,
    /// What is compared.
    pub(super) text: String,
    /// For each byte of `text` the offset in `original` of the character it comes from.
    origins: Vec<u32>,
    /// Where in `text` sentences end, ascending.
    sentence_ends: Vec<u32>,
    /// Where in `text` words begin, ascending.
    words: Vec<u32>,
}

/// `name` as patterns hold it.
pub(super) fn fold_name(name: &str) -> String {
    Folded::new(name.trim()).text
}

/// `name` as patterns hold it, but in its own case.
pub(super) fn fold_keeping_case(name: &str) -> String {
    let mut folded = Folded::default();
    folded.fill(name.trim(), false);
    folded.text
}

/// Whether `c` runs on into a neighboring letter to form one word. Scripts written without spaces do not.
pub(super) fn joins(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    c.is_alphanumeric()
        && !matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0xd7ff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

impl<'t> Folded<'t> {
    /// `text` folded, of which at most [`TEXT_MAX`] bytes are read.
    pub(super) fn new(text: &'t str) -> Self {
        let text = &text[..text.floor_char_boundary(TEXT_MAX)];
        let mut folded = Self { original: text, ..Self::default() };
        folded.fill(text, true);
        folded
    }

    fn fill(&mut self, text: &str, lower: bool) {
        self.text.reserve(text.len());
        self.origins.reserve(text.len());
        let mut characters = text.char_indices().peekable();
        let mut in_word = false;
        while let Some((offset, c)) = characters.next() {
            if c.is_ascii_alphanumeric() {
                if !in_word {
                    self.words.push(narrow(self.text.len()));
                    in_word = true;
                }
                self.text.push(if lower { c.to_ascii_lowercase() } else { c });
                self.origins.push(narrow(offset));
                continue;
            }
            in_word &= c == '_' || !c.is_ascii();
            let next = characters.peek().map(|(_, next)| *next);
            if c.is_whitespace() {
                let mut breaks = usize::from(c == '\n');
                while let Some((_, space)) = characters.next_if(|(_, next)| next.is_whitespace()) {
                    breaks += usize::from(space == '\n');
                }
                self.push(if breaks > 1 { '\n' } else { ' ' }, offset);
                if breaks > 1 {
                    self.sentence_ends.push(narrow(self.text.len()));
                }
            } else if is_hyphen(c) {
                let inside = self.text.ends_with(|last: char| !last.is_whitespace())
                    && next.is_some_and(|next| !next.is_whitespace());
                self.push(if inside { ' ' } else { '-' }, offset);
            } else if c.is_ascii() {
                self.push(c, offset);
                if matches!(c, '.' | '!' | '?') && next.is_none_or(char::is_whitespace) {
                    self.sentence_ends.push(narrow(self.text.len()));
                }
            } else {
                self.push_folded(c, offset, lower, &mut in_word);
            }
        }
    }

    fn push_folded(&mut self, c: char, offset: usize, lower: bool, in_word: &mut bool) {
        if is_invisible(c) {
            return;
        }
        for c in std::iter::once(c).nfkc() {
            if c.is_alphanumeric() && !*in_word {
                self.words.push(narrow(self.text.len()));
            }
            *in_word = c.is_alphanumeric();
            match lower {
                true => c.to_lowercase().for_each(|c| self.push(c, offset)),
                false => self.push(c, offset),
            }
        }
        if matches!(c, '。' | '！' | '？') {
            self.sentence_ends.push(narrow(self.text.len()));
        }
    }

    fn push(&mut self, c: char, offset: usize) {
        self.text.push(c);
        self.origins.resize(self.text.len(), narrow(offset));
    }

    /// The published bytes of `start..end` of the folded text: where they begin, and what they are.
    pub(super) fn published(&self, start: usize, end: usize) -> (usize, &'t str) {
        let origin = |at: usize| self.origins.get(at).map_or(self.original.len(), |origin| *origin as usize);
        let first = origin(start);
        let last = origin(end.saturating_sub(1));
        let end = last + self.original[last..].chars().next().map_or(0, char::len_utf8);
        (first, &self.original[first..end])
    }

    /// Whether `start..end` of the folded text stands alone: it does not run on into a longer word at either side.
    pub(super) fn is_whole(&self, start: usize, end: usize) -> bool {
        let runs_on =
            |inside: Option<char>, outside: Option<char>| inside.is_some_and(joins) && outside.is_some_and(joins);
        let found = &self.text[start..end];
        !runs_on(found.chars().next(), self.text[..start].chars().next_back())
            && !runs_on(found.chars().next_back(), self.text[end..].chars().next())
    }

    /// Whether the published text at the folded byte `start` is part of an address such as `https://example.org/`
    /// or a handle such as `@example`: a name in it says nothing.
    pub(super) fn in_address(&self, start: usize) -> bool {
        const REACH: usize = 300;
        let (at, _) = self.published(start, start + 1);
        let before = &self.original.as_bytes()[at.saturating_sub(REACH)..at];
        let word = before.iter().rposition(u8::is_ascii_whitespace).map_or(before, |space| &before[space + 1..]);
        word.ends_with(b"@") || word.windows(3).any(|window| window == b"://")
    }

    /// Whether two folded bytes stand in one sentence or at most `words` words apart.
    pub(super) fn are_near(&self, earlier: usize, later: usize, words: usize) -> bool {
        let rank = |places: &[u32], at: usize| places.partition_point(|place| *place as usize <= at);
        rank(&self.sentence_ends, earlier) == rank(&self.sentence_ends, later)
            || rank(&self.words, later).saturating_sub(rank(&self.words, earlier)) <= words
    }
}

/// Offsets fit: [`TEXT_MAX`] bytes grow to at most a few MB.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
