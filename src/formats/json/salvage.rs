//! What damaged JSON still holds: the complete elements of one array.
//!
//! The elements of such an array begin alike (`{"cveID":`), so each can be found again after a damaged one. Work is
//! bounded: nesting by `serde_json`, length and number of failures here.

use serde_json::Value;

/// Longest element that is tried, in bytes.
const ELEMENT_MAX: usize = 1024 * 1024;
/// Longest key that objects are told by, in bytes.
const KEY_MAX: usize = 100;
/// After so many elements that could not be read the rest is given up.
const FAILURES_MAX: usize = 1_000;

/// The elements of an array in a document that is not valid JSON.
#[derive(Debug, Default)]
pub struct Salvage {
    /// Those that are whole.
    pub elements: Vec<Value>,
    /// How many could not be read.
    pub dropped: usize,
}

/// The whole objects of the array that is the value of `key` in `text`; absent where there is no such array.
#[must_use]
pub fn salvage(text: &str, key: &str) -> Option<Salvage> {
    let mut rest = array_of(text, key)?;
    let first_key = first_key(rest)?;
    let mut salvage = Salvage::default();
    while let Some(start) = next_object(rest, first_key) {
        rest = &rest[start..];
        let piece = &rest[..rest.floor_char_boundary(ELEMENT_MAX)];
        let mut values = serde_json::Deserializer::from_str(piece).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            rest = &rest[values.byte_offset()..];
            salvage.elements.push(value);
        } else {
            salvage.dropped += 1;
            if salvage.dropped >= FAILURES_MAX {
                break;
            }
            rest = &rest[1..];
        }
    }
    Some(salvage)
}

/// The text after the `[` that opens the array called `key`.
fn array_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = format!("\"{key}\"");
    text.match_indices(&quoted)
        .find_map(|(at, _)| text[at + quoted.len()..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('['))
}

/// The first key of the first object of an array whose first key is undamaged, with its quotes.
fn first_key(array: &str) -> Option<&str> {
    array.match_indices('{').take(FAILURES_MAX).find_map(|(at, _)| {
        let object = array[at + 1..].trim_start();
        let end = object.strip_prefix('"')?.bytes().take(KEY_MAX).position(|byte| byte == b'"')?;
        object[end + 2..].trim_start().starts_with(':').then(|| &object[..end + 2])
    })
}

/// Where the next object that begins with `first_key` starts.
fn next_object(text: &str, first_key: &str) -> Option<usize> {
    text.match_indices(first_key).find_map(|(at, _)| {
        let before = text[..at].trim_end();
        before.ends_with('{').then(|| before.len() - 1)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const WHOLE: &str = r#"{"n": 3, "list": [ {"id": 1, "t": "a"}, {"id": 2, "t": "}{"}, {"id": 3, "t": {"id": 9}} ]}"#;

    #[test]
    fn elements_before_a_cut_are_kept() {
        let cut = salvage(&WHOLE[..WHOLE.len() - 8], "list").expect("an array");
        assert_eq!((cut.elements[0]["id"].as_i64(), cut.elements[1]["id"].as_i64()), (Some(1), Some(2)));
        assert!(cut.dropped >= 1 && cut.elements.len() == 2);
        assert!(salvage("{}", "list").is_none() && salvage("{\"list\": [", "list").is_none());
    }

    #[test]
    fn elements_after_a_damaged_one_are_found_again() {
        let damaged = WHOLE.replace("\"a\"", "\"a");
        let found = salvage(&damaged, "list").expect("an array");
        let ids: Vec<_> = found.elements.iter().map(|value| value["id"].as_i64()).collect();
        assert_eq!((ids, found.dropped), (vec![Some(2), Some(3)], 1));
    }

    #[test]
    fn hostile_shapes_take_bounded_time() {
        for shape in ["{\"id\":", "{\"id\":[", "{\"id\":\"x", "{\"id\":1,", "\"id\""] {
            let text = format!("{{\"list\":[{}", shape.repeat(2 * 1024 * 1024 / shape.len()));
            let started = Instant::now();
            let _ = salvage(&text, "list");
            assert!(started.elapsed() < Duration::from_secs(120), "{shape}: {:?}", started.elapsed());
        }
    }
}
