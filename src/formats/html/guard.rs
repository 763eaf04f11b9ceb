//! An HTML tree, built only as far as the page is sane.
//!
//! The tree builder takes time quadratic in the nesting, and copies unclosed formatting elements into every paragraph.
//! A page is therefore handed over in small pieces, and after each the tree itself is asked how deep and how large it
//! has grown: counting tags beforehand would misjudge implied, foster-parented and self-closed elements.

use std::collections::HashMap;

use html5ever::driver::{ParseOpts, Parser, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink};
use scraper::{Html, HtmlTreeSink};

use crate::formats::{DEPTH_MAX, ParseError, contained};

/// Largest page that is read, in bytes.
pub const PAGE_MAX: usize = 2 * 1024 * 1024;
/// How much is handed over at a time, in bytes. It bounds how far a tree can grow beyond the limits.
const PIECE: usize = 1_024;
/// Nodes that a page may have beyond one for each of its bytes (implied elements).
const NODES_FREE: usize = 4_096;

/// The tree of `page`.
pub fn tree(page: &str) -> Result<Html, ParseError> {
    if page.len() > PAGE_MAX {
        let reason = format!("the page has {} bytes, and {PAGE_MAX} are read", page.len());
        return Err(ParseError::unreadable(reason));
    }
    contained("HTML", || build(page))
}

fn build(page: &str) -> Result<Html, ParseError> {
    let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    let (mut fed, mut seen) = (0, 0);
    while fed < page.len() {
        let end = page.ceil_char_boundary((fed + PIECE).min(page.len()));
        parser.process(StrTendril::from_slice(&page[fed..end]));
        fed = end;
        seen = check(&parser, seen, fed)?;
    }
    Ok(parser.finish())
}

/// Looks at the nodes that came since `seen`; gives how many there are.
fn check(parser: &Parser<HtmlTreeSink>, seen: usize, fed: usize) -> Result<usize, ParseError> {
    let html = parser.tokenizer.sink.sink.0.borrow();
    let nodes = html.tree.nodes();
    let count = nodes.len();
    if count > fed + NODES_FREE {
        return Err(ParseError::unreadable("its markup multiplies itself, as no real page does"));
    }
    // Depths of this moment: the builder moves nodes about, so they are not kept for the next.
    let mut depths = HashMap::new();
    for node in nodes.skip(seen) {
        let mut path = Vec::new();
        let mut at = Some(node);
        let mut depth = 0_usize;
        while let Some(node) = at {
            if let Some(known) = depths.get(&node.id()) {
                depth = *known;
                break;
            }
            path.push(node.id());
            at = node.parent();
        }
        for id in path.into_iter().rev() {
            depth += 1;
            depths.insert(id, depth);
        }
        if depth > DEPTH_MAX {
            return Err(ParseError::TooDeep { limit: DEPTH_MAX });
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn timed(page: &str) -> (Result<Html, ParseError>, Duration) {
        let started = Instant::now();
        (tree(page), started.elapsed())
    }

    #[test]
    fn deep_pages_are_refused_at_once() {
        for shape in ["<div>", "<b><i><a>", "<ul><li>", "<table><tr><td>", "<svg>", "<span x=1>"] {
            let (result, took) = timed(&shape.repeat(200_000.min(PAGE_MAX / shape.len())));
            assert!(matches!(result, Err(ParseError::TooDeep { .. } | ParseError::Unreadable { .. })), "{shape}");
            assert!(took < Duration::from_secs(120), "{shape} took {took:?}");
        }
    }

    #[test]
    fn misnested_tables_are_refused_or_read_in_time() {
        for shape in
            ["<table><b><div>", "<table><a>x", "<p><b><table>", "<a href=x><p>", "</p><b></p>", "<select><option>"]
        {
            let (result, took) = timed(&shape.repeat(PAGE_MAX / shape.len() / 4));
            assert!(took < Duration::from_secs(120), "{shape} took {took:?} ({:?})", result.err());
        }
    }

    #[test]
    fn formatting_that_multiplies_itself_is_refused() {
        let open: String = (0..400).map(|n| format!("<b class={n}>")).collect();
        let (result, took) = timed(&format!("<p>{open}</p>{}", "<p>x".repeat(400_000)));
        assert!(result.is_err());
        assert!(took < Duration::from_secs(120), "{took:?}");
    }

    #[test]
    fn a_wide_page_of_the_full_size_passes() {
        let row = "<tr><td><a href=\"/bulletins/1\">Bulletin</a></td><td>2026-01-05</td></tr>\n";
        let rows = (PAGE_MAX - 100) / row.len();
        let page = format!("<html><body><table>{}</table></body></html>", row.repeat(rows));
        let (result, took) = timed(&page);
        assert!(result.is_ok(), "{result:?}");
        assert!(took < Duration::from_secs(120), "{took:?}");
        assert!(tree(&"x".repeat(PAGE_MAX + 1)).is_err());
    }

    #[test]
    fn foster_parents_and_misnested_formatting_are_no_trouble() {
        for page in [
            "<table>a<b>c<tr>d</b>e<td>f<table><i>g",
            "<b><p>a</b>c</p>",
            "<template><p>x</template>",
            "<a><a><a>",
            "<svg/><p>",
        ] {
            assert!(tree(page).is_ok(), "{page}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_page_makes_it_panic(page in "(<(/)?(a|b|table|tr|td|template|svg|math|select|option|p|li|form|frameset|body|html|head|title|script)>|x|<!--){0,40}") {
            let _ = tree(&page);
        }
    }
}
