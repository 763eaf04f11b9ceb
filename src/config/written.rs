//! TOML as it was written: every value with its line, wrong types and unknown keys told instead of guessed at.
//!
//! Rule: a reader here tells a fault once and then returns `None`, so that what follows need not tell it again.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{ConfigError, Fault, Faults, quoted, suggestion};

/// The largest configuration file read, in bytes.
pub const FILE_MAX: usize = 4 * 1024 * 1024;

/// A value and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1.
    pub line: usize,
}

/// The text of the configuration file at `path`.
///
/// # Errors
/// Where it cannot be opened, is larger than [`FILE_MAX`] or is not UTF-8.
pub fn read_file(path: &Path) -> Result<String, ConfigError> {
    let fault = |message: String| {
        let file = path.display().to_string();
        ConfigError(vec![Fault { file, line: 0, key: "file".to_owned(), message }])
    };
    let mut bytes = Vec::new();
    let limit = FILE_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| fault(format!("cannot be read ({error}); check its path and permissions")))?;
    if bytes.len() > FILE_MAX {
        return Err(fault(format!("is larger than {FILE_MAX} bytes; is it the right file?")));
    }
    String::from_utf8(bytes).map_err(|_| fault("is not UTF-8 text; save it as UTF-8".to_owned()))
}

/// The document in `text`. Where its syntax is broken only that is told: the rest would be guesswork.
pub fn document<'t>(text: &'t str, faults: &mut Faults<'_>) -> Option<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(0, |span| faults.line_of(span.start));
        faults.add(line, "syntax", error.message());
    }
    errors.is_empty().then(|| document.into_inner())
}

/// A table being read.
#[derive(Clone, Debug)]
pub struct Table<'r, 't> {
    entries: &'r DeTable<'t>,
    /// The line of its heading.
    pub line: usize,
    /// What messages call it, such as `source cisa-kev`; empty for the document itself.
    pub name: String,
}

impl<'r, 't> Table<'r, 't> {
    /// `entries` under a heading on `line`.
    #[must_use]
    pub const fn new(entries: &'r DeTable<'t>, line: usize, name: String) -> Self {
        Self { entries, line, name }
    }

    /// `key` with the table's name, as faults call it.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}: {key}", self.name) }
    }

    /// The line of `key`; the table's own where it is absent.
    #[must_use]
    pub fn line_of(&self, key: &str, faults: &Faults<'_>) -> usize {
        self.entries.get_key_value(key).map_or(self.line, |(key, _)| faults.line_of(key.span().start))
    }

    /// Tells every key that is not in `known`.
    pub fn refuse_unknown(&self, known: &[&str], faults: &mut Faults<'_>) {
        for key in self.entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let hint = match suggestion(key.get_ref(), known.iter().copied()) {
                hint if hint.is_empty() => format!("; known here: {}", known.join(", ")),
                hint => hint,
            };
            let line = faults.line_of(key.span().start);
            faults.add(line, self.path(quoted(key.get_ref()).trim_matches('\'')), format!("unknown key{hint}"));
        }
    }

    /// Tells every one of `keys` that is absent.
    pub fn require(&self, keys: &[&str], faults: &mut Faults<'_>) {
        for key in keys.iter().filter(|key| !self.entries.contains_key(**key)) {
            faults.add(self.line, self.path(key), "missing; this key is required");
        }
    }

    /// Text.
    pub fn text(&self, key: &str, faults: &mut Faults<'_>) -> Option<At<String>> {
        self.typed(key, "text in quotation marks", |value| value.as_str().map(str::to_owned), faults)
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str, faults: &mut Faults<'_>) -> Option<At<bool>> {
        self.typed(key, "true or false", DeValue::as_bool, faults)
    }

    /// A whole number, not negative.
    pub fn number(&self, key: &str, faults: &mut Faults<'_>) -> Option<At<usize>> {
        self.typed(key, "a whole number that is not negative", whole, faults)
    }

    /// A list of texts.
    pub fn texts(&self, key: &str, faults: &mut Faults<'_>) -> Option<Vec<At<String>>> {
        let (line, value) = self.get(key, faults)?;
        let Some(list) = value.as_array() else {
            faults.add(line, self.path(key), wrong_type("a list of texts, such as [\"a\", \"b\"]", value));
            return None;
        };
        let mut texts = Vec::with_capacity(list.len());
        for element in list {
            let line = faults.line_of(element.span().start);
            match element.get_ref().as_str() {
                Some(text) => texts.push(At { value: text.to_owned(), line }),
                None => faults.add(line, self.path(key), wrong_type("a list of texts", element.get_ref())),
            }
        }
        Some(texts)
    }

    /// A table in this one, named `name` in messages.
    pub fn table(&self, key: &str, name: String, faults: &mut Faults<'_>) -> Option<Table<'r, 't>> {
        let (line, value) = self.get(key, faults)?;
        let Some(entries) = value.as_table() else {
            faults.add(line, self.path(key), wrong_type("a table", value));
            return None;
        };
        Some(Table::new(entries, line, name))
    }

    /// A list of tables (`[[key]]`), each with its line; without names.
    pub fn tables(&self, key: &str, faults: &mut Faults<'_>) -> Vec<Table<'r, 't>> {
        let Some((line, value)) = self.get(key, faults) else { return Vec::new() };
        let Some(list) = value.as_array() else {
            let wanted = format!("a list of tables: write [[{key}]] with two brackets");
            faults.add(line, self.path(key), wrong_type(&wanted, value));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(list.len());
        for element in list {
            let line = faults.line_of(element.span().start);
            match element.get_ref().as_table() {
                Some(entries) => tables.push(Table::new(entries, line, String::new())),
                None => faults.add(line, self.path(key), wrong_type("a table", element.get_ref())),
            }
        }
        tables
    }

    fn get(&self, key: &str, faults: &Faults<'_>) -> Option<(usize, &'r DeValue<'t>)> {
        let (key, value): (_, &Spanned<DeValue<'t>>) = self.entries.get_key_value(key)?;
        Some((faults.line_of(key.span().start), value.get_ref()))
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<T>,
        faults: &mut Faults<'_>,
    ) -> Option<At<T>> {
        let (line, value) = self.get(key, faults)?;
        let read = read(value);
        if read.is_none() {
            faults.add(line, self.path(key), wrong_type(wanted, value));
        }
        read.map(|value| At { value, line })
    }
}

fn wrong_type(wanted: &str, value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => format!("must be {wanted}, not {}", quoted(number.as_str())),
        other => format!("must be {wanted}, not of type {}", other.type_str()),
    }
}

fn whole(value: &DeValue<'_>) -> Option<usize> {
    let number = value.as_integer()?;
    usize::from_str_radix(number.as_str(), number.radix()).ok()
}
