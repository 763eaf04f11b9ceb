//! The program itself, as people run it: the binary, with its own folder, its own sources and a clean environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::postgres::Engine;

/// A place to run the program in: settings by environment, one folder, one database.
pub struct Program {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    _engine: Option<Engine>,
}

impl Program {
    /// With all its files in a temporary folder, and fetches to loopback allowed.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data").display().to_string();
        let variables = [
            ("RATTLEWATCH_DATA_DIR", data.as_str()),
            ("RATTLEWATCH_ALLOW_NETWORKS", "127.0.0.0/8"),
            ("RATTLEWATCH_LISTEN", "127.0.0.1:0"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { folder, variables, _engine: None }
    }

    /// The same on a database of `engine`.
    pub fn on(engine: Engine) -> Self {
        let url = engine.url.clone();
        let mut program = Self::new().with("RATTLEWATCH_DATABASE_URL", &url);
        program._engine = Some(engine);
        program
    }

    /// Sets a variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into its folder and returns the path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Uses these sources: id, format, address.
    pub fn sources(&mut self, sources: &[(&str, &str, &str)]) {
        let plain: Vec<_> = sources.iter().map(|(id, format, url)| (*id, *format, *url, "")).collect();
        self.sources_with(&plain);
    }

    /// Uses these sources: id, format, address, and further lines of the entry.
    pub fn sources_with(&mut self, sources: &[(&str, &str, &str, &str)]) {
        let text: String = sources
            .iter()
            .map(|(id, format, url, more)| {
                format!("[[source]]\nid = \"{id}\"\nname = \"Source {id}\"\npublisher = \"{id}\"\nkind = \"government\"\ncountry = \"US\"\nurl = \"{url}\"\nformat = \"{format}\"\nschedule = \"0 0 3 * * *\"\n{more}\n\n")
            })
            .collect();
        let path = self.file("sources.toml", &text);
        self.set("RATTLEWATCH_SOURCES", &path.display().to_string());
    }

    /// A command that is set up but not started.
    pub fn prepared(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rattlewatch"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RATTLEWATCH_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .envs(self.variables.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn output(&self, arguments: &[&str]) -> Output {
        self.prepared(arguments).output().expect("the program runs")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?} failed\n{out}\n{err}");
        out.into_owned()
    }

    /// Runs a command whose exit code must be `code`, and returns what it said on standard error.
    pub fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{err}");
        err
    }

    /// `run --all --json`, whatever its exit code.
    pub fn run(&self) -> Value {
        let output = self.output(&["run", "--all", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        })
    }

    /// The entry of one source in `sources list --json`.
    pub fn source(&self, id: &str) -> Value {
        let all: Value = serde_json::from_str(&self.ok(&["sources", "list", "--json"])).expect("JSON");
        all.as_array()
            .and_then(|all| all.iter().find(|source| source["id"] == id))
            .cloned()
            .expect("the source is listed")
    }

    /// Starts a command and returns at once, with its standard error piped.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.prepared(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }
}

/// An RSS document with these items: guid, title, description.
pub fn rss(items: &[(&str, &str, &str)]) -> String {
    let items: String = items
        .iter()
        .map(|(guid, title, text)| {
            format!("<item><guid isPermaLink=\"false\">{guid}</guid><title>{title}</title><link>https://cert.example/{guid}</link><description>{text}</description><pubDate>Mon, 16 Nov 2026 08:00:00 GMT</pubDate></item>\n")
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\"><channel><title>Alerts</title><link>https://cert.example/</link><description>Alerts</description>\n{items}</channel></rss>\n"
    )
}
