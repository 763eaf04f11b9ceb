//! Small, total functions over text: bounding, whitespace, control characters.

use unicode_normalization::UnicodeNormalization;

/// At most `max` characters of `text`; what is cut is marked with an ellipsis.
#[must_use]
pub fn truncate(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// One line: every run of whitespace and control characters becomes one space, ends trimmed.
/// Bidirectional overrides and isolates are dropped, so that a title cannot reorder its surroundings.
#[must_use]
pub fn one_line(text: &str) -> String {
    if is_tidy(text.as_bytes()) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if is_bidi_control(c) || c == '\u{feff}' || c == '\u{200b}' {
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            gap = true;
            continue;
        }
        if gap && !line.is_empty() {
            line.push(' ');
        }
        gap = false;
        line.push(c);
    }
    line
}

/// Whether a line is plain ASCII with single spaces between words: most lines are, and need no work.
fn is_tidy(line: &[u8]) -> bool {
    let mut before = b' ';
    for byte in line {
        if !matches!(byte, b' '..=b'~') || (*byte == b' ' && before == b' ') {
            return false;
        }
        before = *byte;
    }
    line.is_empty() || before != b' '
}

/// Paragraphs: lines tidied by [`one_line`], runs of empty lines reduced to one, ends trimmed.
#[must_use]
pub fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for line in text.lines().map(one_line) {
        if line.is_empty() {
            blank = true;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank { "\n\n" } else { "\n" });
        }
        blank = false;
        out.push_str(&line);
    }
    out
}

/// The form in which texts are compared: NFKC, lowercase, one line.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        // ASCII is its own NFKC.
        return one_line(&text.to_ascii_lowercase());
    }
    one_line(&text.nfkc().collect::<String>().to_lowercase())
}

/// U+202A to U+202E, U+2066 to U+2069, U+200E and U+200F.
#[must_use]
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Spreadsheets run a cell that begins like this.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A text as a cell of a spreadsheet: what would be taken for a formula gets an apostrophe before it (OWASP ASVS 5.0
/// section 1.2.10).
#[must_use]
pub fn to_cell(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// The text of a cell that [`to_cell`] wrote.
#[must_use]
pub fn from_cell(cell: &str) -> String {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_removes_breaks_controls_and_bidi() {
        assert_eq!(one_line(" a\r\n\tb\0c \u{202e}d "), "a b c d");
        assert_eq!(["a b", " a", "a  b", "a\tb", ""].map(one_line), ["a b", "a", "a b", "a b", ""]);
    }

    #[test]
    fn folding_is_the_same_for_plain_and_other_text() {
        assert_eq!(fold("  KASEYA\tVSA "), "kaseya vsa");
        assert_eq!(fold("ＫＡＳＥＹＡ ﬁx É"), "kaseya fix é");
    }

    #[test]
    fn paragraphs_keep_breaks_but_not_runs_of_them() {
        assert_eq!(paragraphs("a  b\n\n\n\nc\nd\n"), "a b\n\nc\nd");
    }

    #[test]
    fn truncation_counts_characters_and_marks_the_cut() {
        assert_eq!(truncate("äöü", 3), "äöü");
        assert_eq!(truncate("äöüß", 3), "äö…");
    }
}
