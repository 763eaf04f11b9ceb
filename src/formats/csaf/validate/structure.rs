//! Whether a document has the shape that the schema prescribes: an engine that holds a [`Shape`] against JSON.
//!
//! Time is in proportion to the document: each value is looked at once, and what must be unique is compared by hash. The
//! depth is that of the JSON, which `serde_json` bounds. Properties that the schema does not name are no fault: those of
//! 2.0 may be there (test 6.2.20 is optional), and 2.1 is a draft whose properties still come and go.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Fault, Versions};

/// What a value has to be.
pub enum Shape {
    /// Something that is looked at elsewhere.
    Any,
    /// A text of at least one character.
    Text,
    /// A text that a function takes for good, and what such a text is called.
    Like(&'static str, fn(&str) -> bool),
    /// One of these words.
    Word(&'static [&'static str]),
    /// An object with these properties, at least so many of them.
    Object(&'static [Field], usize),
    /// A list of at least so many of these.
    List(&'static Shape, usize),
    /// The same, each once.
    Set(&'static Shape, usize),
}

/// A property of an object.
pub struct Field {
    name: &'static str,
    needed: bool,
    versions: Versions,
    shape: &'static Shape,
}

impl Field {
    /// A property that has to be there.
    pub const fn must(name: &'static str, shape: &'static Shape) -> Self {
        Self { name, needed: true, versions: Versions::Both, shape }
    }

    /// A property that may be there.
    pub const fn may(name: &'static str, shape: &'static Shape) -> Self {
        Self { name, needed: false, versions: Versions::Both, shape }
    }

    /// The same, in one version of the standard alone.
    pub const fn of(self, versions: Versions) -> Self {
        Self { versions, ..self }
    }
}

/// The first fault of `value`.
pub fn check(value: &Value, shape: &Shape, version: Versions) -> Option<Fault> {
    match (shape, value) {
        (Shape::Any, _) => None,
        (Shape::Text, Value::String(text)) => text.is_empty().then(|| Fault::here("an empty text")),
        (Shape::Like(what, good), Value::String(text)) => {
            (!good(text)).then(|| Fault::here(format!("'{}' is not {what}", short(text))))
        }
        (Shape::Word(words), Value::String(text)) => {
            (!words.contains(&text.as_str())).then(|| Fault::here(format!("'{}' is not a word for it", short(text))))
        }
        (Shape::Object(fields, least), Value::Object(object)) => of_object(object, fields, *least, version),
        (Shape::List(of, least), Value::Array(list)) => of_list(list, of, *least, version),
        (Shape::Set(of, least), Value::Array(list)) => {
            of_list(list, of, *least, version).or_else(|| twice(list).map(|at| Fault::here("the same again").below(at)))
        }
        (shape, value) => Some(Fault::here(format!("{} where {} belongs", kind(value), expected(shape)))),
    }
}

fn of_object(object: &Map<String, Value>, fields: &[Field], least: usize, version: Versions) -> Option<Fault> {
    for field in fields.iter().filter(|field| field.versions.holds(version)) {
        match object.get(field.name) {
            None if field.needed => return Some(Fault::here(format!("'{}' is missing", field.name))),
            None => {}
            Some(value) => {
                if let Some(fault) = check(value, field.shape, version) {
                    return Some(fault.below(field.name));
                }
            }
        }
    }
    (object.len() < least).then(|| Fault::here(format!("fewer than {least} properties")))
}

fn of_list(list: &[Value], of: &Shape, least: usize, version: Versions) -> Option<Fault> {
    if list.len() < least {
        return Some(Fault::here(format!("a list of fewer than {least}")));
    }
    list.iter().enumerate().find_map(|(at, value)| Some(check(value, of, version)?.below(at)))
}

/// Where the first value is that is in the list before.
fn twice(list: &[Value]) -> Option<usize> {
    // Comparing a handful is quicker than hashing it.
    if list.len() <= 8 {
        return (1..list.len()).find(|at| list[..*at].contains(&list[*at]));
    }
    let mut seen = HashSet::with_capacity(list.len());
    list.iter().position(|value| !seen.insert(value))
}

fn short(text: &str) -> String {
    crate::model::text::truncate(text, 40)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "anything",
        Shape::Text | Shape::Like(..) | Shape::Word(_) => "a text",
        Shape::Object(..) => "an object",
        Shape::List(..) | Shape::Set(..) => "a list",
    }
}
