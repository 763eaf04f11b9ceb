//! Text as names are looked for in it: one case, one form of every letter, one separator, and the way back to the
//! words as published.
//!
//! Rule: a catalog's names and an advisory's text pass through the same [`fold`], and nothing else compares them.
//! Compatibility forms are decomposed (NFKD), marks and invisible characters dropped, letters lowered; every run of
//! white space, hyphens and underscores becomes one space (an empty line becomes `\n`), and `&` becomes `and`.
//! So `N‑central`, `N central` and `n_central` are one. A letter of another script in a word with Latin ones is the
//! Latin letter that it looks like (Unicode Technical Standard 39, section 4).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

use super::context::is_word;
use crate::model::text::is_bidi_control;

/// Folded text and where each part of it came from.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// The folded text.
    pub(super) text: String,
    /// (offset in `text`, offset in the original): from here on both advance alike, until the next entry.
    shifts: Vec<(u32, u32)>,
    /// White space was pushed last, with this many line ends in it.
    line_ends: usize,
}

/// `text` folded.
pub(super) fn fold(text: &str) -> Folded {
    let mut folded = Folded { text: String::with_capacity(text.len() + 8), ..Folded::default() };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        folded.note(at);
        let run = plain_run(&bytes[at..]);
        if run > 0 {
            folded.line_ends = 0;
            let start = folded.text.len();
            folded.text.push_str(&text[at..at + run]);
            folded.text[start..].make_ascii_lowercase();
            at += run;
            continue;
        }
        if byte.is_ascii() {
            at += match byte {
                b'&' => folded.ampersand(&text[at..]),
                _ => {
                    folded.push_ascii(byte);
                    1
                }
            };
            continue;
        }
        let Some(c) = text[at..].chars().next() else { break };
        match look_alike(c) {
            Some(latin) if beside_latin(text, at, at + c.len_utf8()) => folded.push_ascii(latin),
            _ => folded.push_char(c),
        }
        at += c.len_utf8();
    }
    folded.note(at);
    folded
}

/// A name folded, without spaces at its ends.
pub(super) fn fold_name(name: &str) -> String {
    fold(name).text.trim().to_owned()
}

impl Folded {
    /// The offset in the original of the folded byte at `offset`.
    pub(super) fn origin(&self, offset: usize) -> usize {
        let index = self.shifts.partition_point(|(folded, _)| *folded as usize <= offset);
        match index.checked_sub(1).and_then(|index| self.shifts.get(index)) {
            Some((folded, original)) => offset - *folded as usize + *original as usize,
            None => offset,
        }
    }

    /// The words of `original` between two folded offsets, and where they begin there.
    pub(super) fn published<'t>(&self, original: &'t str, start: usize, end: usize) -> (usize, &'t str) {
        let mut from = self.origin(start).min(original.len());
        let mut to = self.origin(end).clamp(from, original.len());
        while !original.is_char_boundary(from) {
            from -= 1;
        }
        while !original.is_char_boundary(to) {
            to += 1;
        }
        let words = &original[from..to];
        (from, words.trim_end_matches(|c: char| c.is_whitespace() || is_hyphen(c) || is_dropped(c) || c == '_'))
    }

    /// Notes that the original stands at `original` now, where that does not follow from the last note.
    fn note(&mut self, original: usize) {
        let here = self.text.len();
        let (folded, from) = self.shifts.last().copied().unwrap_or((0, 0));
        if here - folded as usize != original - from as usize {
            match self.shifts.last_mut() {
                Some(last) if last.0 as usize == here => last.1 = offset(original),
                _ => self.shifts.push((offset(here), offset(original))),
            }
        }
    }

    fn push_ascii(&mut self, byte: u8) {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => self.push(byte),
            b'A'..=b'Z' => self.push(byte | 0x20),
            b'\n' => {
                self.separate();
                self.line_ends += 1;
                if self.line_ends == 2 && self.text.pop().is_some() {
                    self.text.push('\n');
                }
            }
            b' ' | b'-' | b'_' | b'\t' | b'\r' => self.separate(),
            0..=31 | 127 => {}
            _ => self.push(byte),
        }
    }

    fn push(&mut self, ascii: u8) {
        self.line_ends = 0;
        self.text.push(char::from(ascii));
    }

    fn push_char(&mut self, c: char) {
        if is_dropped(c) {
            return;
        }
        if c.is_whitespace() || is_hyphen(c) {
            self.separate();
            return;
        }
        for part in std::iter::once(c).nfkd().flat_map(char::to_lowercase) {
            match u8::try_from(part) {
                Ok(b'&') => self.text.push_str("and"),
                Ok(byte) if byte.is_ascii() => self.push_ascii(byte),
                _ if is_combining_mark(part) => {}
                _ => {
                    self.line_ends = 0;
                    self.text.push(part);
                }
            }
        }
    }

    /// One space, unless one stands there already or nothing does.
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b' ' | b'\n')) {
            self.text.push(' ');
        }
    }

    /// What an ampersand at the head of `rest` means, and how many bytes it takes: left-over entities included.
    fn ampersand(&mut self, rest: &str) -> usize {
        if rest.starts_with("&nbsp;") {
            self.separate();
            return 6;
        }
        self.line_ends = 0;
        self.text.push_str("and");
        if rest.starts_with("&amp;") { 5 } else { 1 }
    }
}

/// How many bytes at the head of `bytes` only change their case: most of any prose, single spaces included.
fn plain_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    while let Some(&byte) = bytes.get(run) {
        let single = || run > 0 && byte == b' ' && bytes.get(run + 1).is_some_and(|next| PLAIN[usize::from(*next)]);
        if !PLAIN[usize::from(byte)] && !single() {
            break;
        }
        run += 1;
    }
    run
}

/// The bytes that stand for themselves in folded text, but for their case.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte: u8 = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(byte, b'&' | b'-' | b'_');
        byte += 1;
    }
    plain
};

/// How far to either side a word is looked through for Latin letters, in characters.
const WORD_MAX: usize = 40;

/// The Latin letter that `c`, a letter of another script, looks like.
fn look_alike(c: char) -> Option<u8> {
    if !c.is_alphabetic() || !is_word(c) {
        return None;
    }
    let mut buffer = [0; 4];
    let mut looks = skeleton(c.encode_utf8(&mut buffer));
    let one = looks.next().filter(char::is_ascii_alphabetic)?;
    looks.next().is_none().then_some(u8::try_from(one).ok()?)
}

/// Whether the word around `start..end` has a letter of ASCII.
fn beside_latin(text: &str, start: usize, end: usize) -> bool {
    let in_word = |c: &char| is_word(*c) || is_dropped(*c);
    let before = text[..start].chars().rev().take(WORD_MAX).take_while(in_word);
    let after = text[end..].chars().take(WORD_MAX).take_while(in_word);
    before.chain(after).any(|c| c.is_ascii_alphabetic())
}

/// Offsets fit 32 bits: texts are bounded far below 4 GiB, and the rest is cut off by saturation.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// Marks that say nothing and characters that cannot be seen.
fn is_dropped(c: char) -> bool {
    matches!(c, '™' | '®' | '©' | '℠' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{180e}')
        || is_bidi_control(c)
        || matches!(c, '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_alike() {
        for spelling in
            ["N-central", "N\u{2011}Central", "n_central", "N\u{a0}CENTRAL", "Ｎ－central", "N\u{200b}-cen\u{ad}tral"]
        {
            assert_eq!(fold_name(spelling), "n central", "{spelling}");
        }
        assert_eq!(fold_name("Backup &amp; Replication™"), "backup and replication");
        assert_eq!(fold_name("Cafe\u{301} CAFÉ"), "cafe cafe");
    }

    #[test]
    fn an_empty_line_parts_and_a_line_end_does_not() {
        assert_eq!(fold("End\r\nof  line\n\nNext").text, "end of line\nnext");
    }

    #[test]
    fn the_words_are_found_again_as_published() {
        let original = "Ｔhe  “Vee\u{ad}am®  Backup & Replication” is bröken";
        let folded = fold(original);
        let start = folded.text.find("veeam").expect("folded");
        let end = folded.text.find("” is").expect("folded");
        let (at, words) = folded.published(original, start, end);
        assert_eq!(words, "Vee\u{ad}am®  Backup & Replication");
        assert_eq!(&original[at..at + words.len()], words);
    }
}
