//! Default < file < environment < flag: for every setting, what was written last and where it stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::options::{FILE_DEFAULT, FILE_VARIABLE, Kind, PREFIX, SETTINGS, Setting, by_key};
use crate::config::fault::{ConfigError, Fault, Faults, suggestion};
use crate::config::written::{Table, document, read_file};

/// What messages call the environment.
const ENVIRONMENT: &str = "environment";
/// What messages call the flags.
const COMMAND_LINE: &str = "command line";

/// Which layer gave a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// The settings file.
    File,
    /// An environment variable, or the file that one names.
    Environment,
    /// A flag on the command line.
    Flag,
}

impl Origin {
    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// A setting as it was written, lists joined by commas. May be a secret, so it is not `Debug`.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) text: String,
    pub(super) origin: Origin,
    file: String,
    line: usize,
    key: String,
}

impl Raw {
    pub(super) fn new(text: String, origin: Origin, file: &str, line: usize, key: &str) -> Self {
        Self { text, origin, file: file.to_owned(), line, key: key.to_owned() }
    }

    /// A fault in this value, told where it was written.
    pub(super) fn fault(&self, message: String) -> Fault {
        Fault { file: self.file.clone(), line: self.line, key: self.key.clone(), message }
    }
}

/// The settings given, by key.
pub(super) type Given = BTreeMap<&'static str, Raw>;

/// Reads all layers. Faults are added to `faults`; what can be read is returned.
pub(super) fn gather(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
    faults: &mut Vec<Fault>,
) -> Given {
    let environment: BTreeMap<String, String> = environment
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty() && !is_service_link(name, value))
        .collect();
    let mut given = Given::new();
    if let Some(path) = settings_file(file, &environment) {
        match from_file(&path) {
            Ok(layer) => given.extend(layer),
            Err(ConfigError(found)) => faults.extend(found),
        }
    }
    from_environment(&environment, &mut given, faults);
    from_flags(flags, &mut given, faults);
    given
}

fn settings_file(flag: Option<&Path>, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let named = flag.map(Path::to_owned).or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
    named.or_else(|| Some(PathBuf::from(FILE_DEFAULT)).filter(|path| path.exists()))
}

/// Whether Kubernetes made this variable for a service whose name begins with ours, such as
/// `RATTLEWATCH_SERVICE_HOST` or `RATTLEWATCH_PORT=tcp://...`: it is then no setting of anybody's.
fn is_service_link(name: &str, value: &str) -> bool {
    let address = value.starts_with("tcp://") || value.starts_with("udp://") || value.starts_with("sctp://");
    let numbered = || {
        name.split_once("_PORT_").is_some_and(|(_, rest)| {
            let (number, protocol) = rest.split_once('_').unwrap_or_default();
            number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].iter().any(|known| protocol.starts_with(known))
        })
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && address)
        || numbered()
}

fn from_file(path: &Path) -> Result<Given, ConfigError> {
    let text = read_file(path)?;
    let name = path.display().to_string();
    let mut faults = Faults::new(&name, &text);
    let mut given = Given::new();
    if let Some(document) = document(&text, &mut faults) {
        let table = Table::new(&document, 1, String::new());
        table.refuse_unknown(&SETTINGS.map(|setting| setting.key), &mut faults);
        for setting in &SETTINGS {
            if let Some(text) = written(&table, setting, &mut faults) {
                let line = table.line_of(setting.key, &faults);
                given.insert(setting.key, Raw::new(text, Origin::File, &name, line, setting.key));
            }
        }
    }
    faults.finish(given)
}

fn written(table: &Table<'_, '_>, setting: &Setting, faults: &mut Faults<'_>) -> Option<String> {
    match setting.kind {
        Kind::Text => table.text(setting.key, faults).map(|text| text.value),
        Kind::Number => table.number(setting.key, faults).map(|number| number.value.to_string()),
        Kind::List => {
            let list = table.texts(setting.key, faults)?;
            Some(list.into_iter().map(|text| text.value).collect::<Vec<_>>().join(","))
        }
    }
}

fn from_environment(environment: &BTreeMap<String, String>, given: &mut Given, faults: &mut Vec<Fault>) {
    let tell =
        |name: &str, message: String| Fault { file: ENVIRONMENT.to_owned(), line: 0, key: name.to_owned(), message };
    let mut known = vec![FILE_VARIABLE.to_owned()];
    for setting in &SETTINGS {
        let name = setting.variable();
        let direct = environment.get(&name);
        if let Some(value) = direct {
            given.insert(setting.key, Raw::new(value.clone(), Origin::Environment, ENVIRONMENT, 0, &name));
        }
        if let Some(file_name) = setting.file_variable() {
            match environment.get(&file_name) {
                Some(_) if direct.is_some() => {
                    faults.push(tell(&file_name, format!("is set and {name} too; set only one of them")));
                }
                Some(path) => match secret_in(path) {
                    Ok(text) => {
                        given.insert(setting.key, Raw::new(text, Origin::Environment, ENVIRONMENT, 0, &file_name));
                    }
                    Err(message) => faults.push(tell(&file_name, message)),
                },
                None => {}
            }
            known.push(file_name);
        }
        known.push(name);
    }
    for name in environment.keys().filter(|name| !known.contains(name)) {
        let hint = suggestion(name, known.iter().map(String::as_str));
        let hint = if hint.is_empty() { "; unset it".to_owned() } else { hint };
        faults.push(tell(name, format!("unknown setting{hint}")));
    }
}

/// The secret in the file at `path`, without the line end that editors add.
fn secret_in(path: &str) -> Result<String, String> {
    let text = read_file(Path::new(path)).map_err(|ConfigError(faults)| {
        let why = faults.first().map_or("", |fault| fault.message.as_str());
        format!("{path}: {why}")
    })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("{path}: is empty; write the secret into it"));
    }
    Ok(text.to_owned())
}

fn from_flags(flags: &[(String, String)], given: &mut Given, faults: &mut Vec<Fault>) {
    for (key, value) in flags {
        match by_key(key) {
            Some(setting) => {
                let raw = Raw::new(value.clone(), Origin::Flag, COMMAND_LINE, 0, &setting.flag());
                given.insert(setting.key, raw);
            }
            None => faults.push(Fault {
                file: COMMAND_LINE.to_owned(),
                line: 0,
                key: key.clone(),
                message: format!("unknown setting{}", suggestion(key, SETTINGS.iter().map(|setting| setting.key))),
            }),
        }
    }
}
