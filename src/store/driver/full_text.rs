//! Full-text search, which every engine writes its own way.

use crate::model::search::{Query, Term};

/// How an engine indexes and finds. The table is `advisory_words`, one row an advisory, by its number.
pub struct FullText {
    /// Makes the table.
    pub schema: &'static str,
    /// Indexes `$1` (number), `$2` (words), `$3` (facets).
    pub put: &'static str,
    /// Meets what [`FullText::expression`] gives, in the place of `?`.
    pub matches: &'static str,
    /// A query, and lists of facets of each of which one has to be met.
    pub expression: fn(&Query, &[Vec<String>]) -> String,
}

/// FTS5 (sqlite.org/fts5.html): words and facets in two columns, no copy of the text.
pub const SQLITE: FullText = FullText {
    schema: "CREATE VIRTUAL TABLE advisory_words USING fts5(words, facets, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 0')",
    put: "INSERT OR REPLACE INTO advisory_words (rowid, words, facets) VALUES ($1, $2, $3)",
    matches: "advisory_words MATCH ?",
    expression: fts5,
};

fn fts5(query: &Query, facets: &[Vec<String>]) -> String {
    let term = |term: &Term| format!("words : \"{}\"{}", term.words.join(" "), if term.prefix { " *" } else { "" });
    let any = |words: &Vec<String>| {
        format!("facets : ({})", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" OR "))
    };
    let wanted = query.terms.iter().filter(|term| !term.excluded).map(term).chain(facets.iter().map(any));
    let wanted = wanted.collect::<Vec<_>>().join(" AND ");
    query.terms.iter().filter(|term| term.excluded).fold(wanted, |all, not| format!("({all}) NOT {}", term(not)))
}

/// Text search types of PostgreSQL, with the configuration that takes words as they are.
#[cfg(feature = "postgres")]
pub const POSTGRES: FullText = FullText {
    schema: "CREATE TABLE advisory_words (rowid BIGINT PRIMARY KEY, words TSVECTOR NOT NULL);
             CREATE INDEX advisory_words_by_word ON advisory_words USING gin (words)",
    put: "INSERT INTO advisory_words (rowid, words)
          VALUES ($1, to_tsvector('simple', CAST($2 AS TEXT)) || to_tsvector('simple', CAST($3 AS TEXT)))
          ON CONFLICT (rowid) DO UPDATE SET words = excluded.words",
    matches: "words @@ to_tsquery('simple', CAST(? AS TEXT))",
    expression: tsquery,
};

#[cfg(feature = "postgres")]
fn tsquery(query: &Query, facets: &[Vec<String>]) -> String {
    let term = |term: &Term| {
        let all = term.words.join(" <-> ");
        let not = if term.excluded { "!" } else { "" };
        format!("{not}({all}{})", if term.prefix { ":*" } else { "" })
    };
    let any = |words: &Vec<String>| format!("({})", words.join(" | "));
    query.terms.iter().map(term).chain(facets.iter().map(any)).collect::<Vec<_>>().join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_in_both_ways() {
        let query = Query::parse(r#"CVE-2024-1709 screen* -"end of life""#);
        let facets = [vec!["zzx".to_owned()], vec!["zzshigh".to_owned(), "zzscritical".to_owned()]];
        assert_eq!(
            fts5(&query, &facets),
            "(words : \"cve 2024 1709\" AND words : \"screen\" * AND facets : (\"zzx\") AND facets : (\"zzshigh\" OR \"zzscritical\")) NOT words : \"end of life\""
        );
        #[cfg(feature = "postgres")]
        assert_eq!(
            tsquery(&query, &facets),
            "(cve <-> 2024 <-> 1709) & (screen:*) & !(end <-> of <-> life) & (zzx) & (zzshigh | zzscritical)"
        );
    }
}
