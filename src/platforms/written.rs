//! A `[[platform]]` as it was written. Unknown, missing and mistyped keys are told here; what values mean is not judged.

use toml::de::{DeTable, DeValue};

use crate::config::fault::{ConfigError, Fault, closest};
use crate::model::text::truncate;

const REQUIRED: [&str; 6] = ["id", "name", "vendor", "category", "aliases", "hits"];
/// The keys that hold lists.
pub(super) const LISTS: [&str; 12] =
    ["aliases", "former", "weak", "near", "not", "exact", "cpes", "kev", "advisories", "hosts", "hits", "misses"];
const OTHERS: [&str; 6] = ["id", "name", "vendor", "category", "same_as", "host"];

/// A value and the line it stands on.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// One `[[platform]]`. An absent value was not written, or was told to be of the wrong type.
pub(super) struct WrittenPlatform {
    /// What messages call it: `platform datto-rmm`, or `platform #3` where it has no id.
    pub(super) label: String,
    pub(super) id: Option<At<String>>,
    pub(super) name: Option<At<String>>,
    pub(super) vendor: Option<At<String>>,
    pub(super) category: Option<At<String>>,
    pub(super) same_as: Option<At<String>>,
    pub(super) host: bool,
    lists: Vec<(&'static str, Vec<At<String>>)>,
}

impl WrittenPlatform {
    /// The list under `key`, empty where it was not written.
    pub(super) fn list(&self, key: &str) -> &[At<String>] {
        self.lists.iter().find(|(name, _)| *name == key).map_or(&[], |(_, list)| list)
    }
}

/// Gathers the faults of one file, so that all are told at once.
pub(super) struct Faults<'a> {
    file: &'a str,
    /// Byte offsets of the line ends, so that a long file costs no more than its length.
    line_ends: Vec<usize>,
    found: Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(file: &'a str, text: &str) -> Self {
        let line_ends = text.match_indices('\n').map(|(offset, _)| offset).collect();
        Self { file, line_ends, found: Vec::new() }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    pub(super) fn add(&mut self, line: usize, key: String, message: String) {
        self.found.push(Fault { file: self.file.to_owned(), line, key, message });
    }

    /// `value` where nothing was noted, else every fault in the order of lines.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, ConfigError> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort_by_key(|fault| fault.line);
        Err(ConfigError(self.found))
    }
}

/// The platforms in the file, in its order.
pub(super) fn read(text: &str, faults: &mut Faults<'_>) -> Vec<WrittenPlatform> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(0, |span| faults.line_of(span.start));
        faults.add(line, "syntax".to_owned(), error.message().to_owned());
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut written = Vec::new();
    for (key, value) in document.get_ref() {
        let line = faults.line_of(key.span().start);
        match value.get_ref() {
            DeValue::Array(tables) if key.get_ref() == "platform" => {
                for (index, table) in tables.iter().enumerate() {
                    let line = faults.line_of(table.span().start);
                    match table.get_ref() {
                        DeValue::Table(table) => written.push(platform(index, table, line, faults)),
                        other => faults.add(line, "platform".to_owned(), wrong_type("a table", other)),
                    }
                }
            }
            _ => {
                faults.add(line, quoted(key.get_ref()), "unknown key; a catalog holds [[platform]] tables only".into())
            }
        }
    }
    written
}

fn platform(index: usize, table: &DeTable<'_>, line: usize, faults: &mut Faults<'_>) -> WrittenPlatform {
    let mut label = format!("platform #{}", index + 1);
    let id = text(table, "id", &label, faults);
    if let Some(id) = id.as_ref().filter(|id| !id.value.is_empty()) {
        label = format!("platform {}", quoted(&id.value));
    }
    let known = || LISTS.iter().chain(&OTHERS).copied();
    for key in table.keys().filter(|key| !known().any(|known| known == key.get_ref())) {
        let hint = closest(key.get_ref(), known()).map_or_else(
            || format!("; known here: {}", known().collect::<Vec<_>>().join(", ")),
            |name| format!("; did you mean '{name}'?"),
        );
        let line = faults.line_of(key.span().start);
        faults.add(line, format!("{label}: {}", quoted(key.get_ref())), format!("unknown key{hint}"));
    }
    for key in REQUIRED.iter().filter(|key| !table.contains_key(**key)) {
        faults.add(line, format!("{label}: {key}"), "missing; this key is required".to_owned());
    }
    WrittenPlatform {
        id,
        name: text(table, "name", &label, faults),
        vendor: text(table, "vendor", &label, faults),
        category: text(table, "category", &label, faults),
        same_as: text(table, "same_as", &label, faults),
        host: flag(table, "host", &label, faults),
        lists: LISTS.iter().map(|key| (*key, texts(table, key, &label, faults))).collect(),
        label,
    }
}

fn text(table: &DeTable<'_>, key: &str, label: &str, faults: &mut Faults<'_>) -> Option<At<String>> {
    let (written, value) = table.get_key_value(key)?;
    let line = faults.line_of(written.span().start);
    match value.get_ref().as_str() {
        Some(text) if !text.trim().is_empty() => return Some(At { value: text.trim().to_owned(), line }),
        Some(_) => faults.add(line, format!("{label}: {key}"), "is empty; write a value or drop the key".to_owned()),
        None => faults.add(line, format!("{label}: {key}"), wrong_type("text in quotation marks", value.get_ref())),
    }
    None
}

fn flag(table: &DeTable<'_>, key: &str, label: &str, faults: &mut Faults<'_>) -> bool {
    let Some((written, value)) = table.get_key_value(key) else { return false };
    if let Some(flag) = value.get_ref().as_bool() {
        return flag;
    }
    let line = faults.line_of(written.span().start);
    faults.add(line, format!("{label}: {key}"), wrong_type("true or false", value.get_ref()));
    false
}

fn texts(table: &DeTable<'_>, key: &str, label: &str, faults: &mut Faults<'_>) -> Vec<At<String>> {
    let Some((written, value)) = table.get_key_value(key) else { return Vec::new() };
    let line = faults.line_of(written.span().start);
    let Some(list) = value.get_ref().as_array() else {
        faults.add(line, format!("{label}: {key}"), wrong_type("a list of texts", value.get_ref()));
        return Vec::new();
    };
    let mut texts = Vec::with_capacity(list.len());
    for element in list {
        let line = faults.line_of(element.span().start);
        match element.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => texts.push(At { value: text.trim().to_owned(), line }),
            Some(_) => faults.add(line, format!("{label}: {key}"), "holds an empty text; drop it".to_owned()),
            None => faults.add(line, format!("{label}: {key}"), wrong_type("a list of texts", element.get_ref())),
        }
    }
    texts
}

fn wrong_type(wanted: &str, value: &DeValue<'_>) -> String {
    format!("must be {wanted}, not of type {}", value.type_str())
}

/// A user's text in a message: one line, shortened.
fn quoted(text: &str) -> String {
    truncate(&crate::model::text::one_line(text), 60)
}
