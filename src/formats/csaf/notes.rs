//! What is wrong with a document, in few words: a hostile one could give a sentence for each of its bytes.

use crate::model::text;

/// Most sentences kept of one document.
const MOST: usize = 20;
/// Longest sentence, in characters.
const LONGEST: usize = 300;

/// Sentences about one document, each once.
#[derive(Debug, Default)]
pub struct Notes {
    kept: Vec<String>,
    more: usize,
}

impl Notes {
    /// Keeps a sentence, where there is room; else counts it.
    pub fn add(&mut self, sentence: impl AsRef<str>) {
        if self.kept.len() == MOST {
            self.more += 1;
            return;
        }
        let sentence = text::truncate(&text::one_line(sentence.as_ref()), LONGEST);
        if !self.kept.contains(&sentence) {
            self.kept.push(sentence);
        }
    }

    /// The sentences, the last of which tells how many were left out.
    #[must_use]
    pub fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("{} more faults of the same document are not listed", self.more));
        }
        self.kept
    }
}
