//! Search: what people type to find advisories, and the words by which advisories are found.
//!
//! Texts and queries are cut into the same words by the same rule (letters and digits, folded, without accents), so that
//! every storage engine finds the same.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::severity::Severity;
use super::topic::Topic;

/// Longest query, in characters, and most terms in it.
const QUERY_MAX: usize = 500;
const TERMS_MAX: usize = 20;
/// Longest word, in characters; the rest of a longer one is not looked at.
const WORD_MAX: usize = 40;

/// A term of a query: words that stand one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Folded words, at least one.
    pub words: Vec<String>,
    /// The last word may go on.
    pub prefix: bool,
    /// What must not be there.
    pub excluded: bool,
}

/// What is looked for. Every term has to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The terms.
    pub terms: Vec<Term>,
}

impl Query {
    /// Reads what somebody typed: words that must all be there, `"words in order"`, `begin*`, and `-word` for what must not
    /// be there. Nothing in it is an error; a mark that means nothing is passed over.
    #[must_use]
    pub fn parse(typed: &str) -> Self {
        let typed: String = typed.chars().take(QUERY_MAX).collect();
        let mut terms = Vec::new();
        let mut rest = typed.trim_start();
        while !rest.is_empty() && terms.len() < TERMS_MAX {
            let excluded = rest.starts_with('-') && rest[1..].starts_with(|c: char| c == '"' || c.is_alphanumeric());
            let body = if excluded { &rest[1..] } else { rest };
            let (raw, after) = match body.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => body.split_at(body.find(char::is_whitespace).unwrap_or(body.len())),
            };
            let words: Vec<String> = words(raw).collect();
            if !words.is_empty() {
                terms.push(Term { words, prefix: raw.ends_with('*'), excluded });
            }
            rest = after.trim_start();
        }
        Self { terms }
    }

    /// Whether anything is looked for, and not only excluded.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.terms.iter().any(|term| !term.excluded)
    }
}

/// The folded words of a text, in order: runs of letters and digits (NFKD, lower case, marks left out).
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let split = text.split(|c: char| !(c.is_alphanumeric() || is_combining_mark(c)));
    split.filter(|word| !word.is_empty()).flat_map(|word| {
        if word.is_ascii() {
            return vec![word[..word.len().min(WORD_MAX)].to_ascii_lowercase()];
        }
        let plain: String = word.nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>().to_lowercase();
        // Compatibility forms may hold what is no letter.
        let parts = plain.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        parts.map(|part| part.chars().take(WORD_MAX).collect()).collect()
    })
}

/// Something that advisories are filtered by, as one word that no text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet<'a> {
    /// The id of a platform that it touches.
    Platform(&'a str),
    /// The id of a platform that it names, touched or not.
    Named(&'a str),
    /// What it is about beside products.
    Topic(Topic),
    /// The rating that counts.
    Severity(Severity),
    /// Known to be exploited.
    Exploited,
    /// The id or the publisher of a source that speaks of it.
    Source(&'a str),
    /// It may stand on a page that anybody can read.
    Public,
}

impl Facet<'_> {
    /// The word. Different facets have different words.
    #[must_use]
    pub fn word(&self) -> String {
        let (kind, value) = match self {
            Self::Platform(id) => ('p', *id),
            Self::Named(id) => ('n', *id),
            Self::Topic(topic) => ('t', topic.as_str()),
            Self::Severity(severity) => ('s', severity.as_str()),
            Self::Exploited => ('x', ""),
            Self::Source(name) => ('u', *name),
            Self::Public => ('o', ""),
        };
        let mut word = format!("zz{kind}");
        for c in value.to_lowercase().chars() {
            match c {
                'a'..='y' | '0'..='9' => word.push(c),
                other => word.push_str(&format!("z{:x}z", u32::from(other))),
            }
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(words: &[&str], prefix: bool, excluded: bool) -> Term {
        Term { words: words.iter().map(|word| (*word).to_owned()).collect(), prefix, excluded }
    }

    #[test]
    fn what_people_type_is_read_without_an_error() {
        assert_eq!(
            Query::parse(r#" CVE-2024-1709 "path Traversal" screen* -linux -"end of life" "#).terms,
            [
                term(&["cve", "2024", "1709"], false, false),
                term(&["path", "traversal"], false, false),
                term(&["screen"], true, false),
                term(&["linux"], false, true),
                term(&["end", "of", "life"], false, true),
            ]
        );
        for odd in ["", "\"", "- -- *", "\"\"", "' OR 1=1 --", "a\"b", "NEAR(", "^:{}"] {
            let _ = Query::parse(odd);
        }
        assert!(!Query::parse("-linux").asks());
        assert_eq!(Query::parse(&"word ".repeat(5_000)).terms.len(), TERMS_MAX);
    }

    #[test]
    fn words_are_folded_alike_in_texts_and_queries() {
        let all = |text: &str| words(text).collect::<Vec<_>>();
        assert_eq!(all("Sécurité: ＶＰＮ, n8n_x 24.4.2 ﬁx"), ["securite", "vpn", "n8n", "x", "24", "4", "2", "fix"]);
        assert_eq!(all("Se\u{301}curite"), ["securite"]);
        assert_eq!(all(&"x".repeat(100))[0].len(), WORD_MAX);
        assert!(all("…—!").is_empty());
    }

    #[test]
    fn facets_are_single_words_that_differ() {
        let facets = [
            Facet::Platform("veeam-vbr"),
            Facet::Platform("veeamvbr"),
            Facet::Platform("veeamz2dzvbr"),
            Facet::Source("veeam-vbr"),
            Facet::Severity(Severity::High),
            Facet::Exploited,
            Facet::Public,
        ];
        let mut all: Vec<String> = facets.iter().map(Facet::word).collect();
        assert!(all.iter().all(|word| words(word).collect::<Vec<_>>() == [word.clone()]), "{all:?}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), facets.len());
    }
}
