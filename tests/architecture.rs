//! The house rules that a machine can check: who may import whom, how long files and functions may be, and that every
//! extension is listed and has its fixture.

#![expect(clippy::unwrap_used, reason = "a test may stop at a surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may import. `docs/ARCHITECTURE.md` explains the table.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("http", &["model", "config"]),
    // Beside http, and like it only transport: it takes from http the guard against private addresses and TLS.
    ("mailbox", &["model", "config", "http"]),
    ("formats", &["model", "config", "http"]),
    ("enrichers", &["model", "config", "http"]),
    ("platforms", &["model", "config", "http"]),
    ("channels", &["model", "config", "http"]),
    ("pipeline", &["model", "config", "http", "formats", "enrichers", "platforms", "channels"]),
    ("store", &["model", "config"]),
    (
        "jobs",
        &["model", "config", "http", "mailbox", "formats", "enrichers", "platforms", "channels", "pipeline", "store"],
    ),
    ("web", &["model", "config", "platforms", "formats", "store", "jobs"]),
    // The composition root: commands build every part, and show what the stages make of an address or a text.
    (
        "cli",
        &["model", "config", "http", "mailbox", "formats", "platforms", "channels", "pipeline", "store", "jobs", "web"],
    ),
];

const FILE_MAX: usize = 400;
const FUNCTION_MAX: usize = 60;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(src()).unwrap().display().to_string()
}

/// What `text` imports from other rooms, by `crate::room` in code or documentation links left out.
fn imports(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

fn import_faults(room: &str, file: &str, text: &str) -> Vec<String> {
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{file}: the room {room} is not in the table")];
    };
    imports(text)
        .into_iter()
        .filter(|target| target != room && !allowed.contains(&target.as_str()))
        .map(|target| format!("{file} imports {target}"))
        .collect()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut faults = Vec::new();
    for path in sources(&src()) {
        let file = shown(&path);
        let Some((room, _)) = file.split_once('/') else { continue };
        let text = fs::read_to_string(&path).unwrap();
        faults.extend(import_faults(room, &file, &text));
        if text.contains("use crate::{") {
            faults.push(format!(
                "{file}: name each import from its room (no `use crate::{{`), so that this test sees it"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_fault_is_found() {
    let faults = import_faults(
        "store",
        "store/x.rs",
        "use crate::pipeline::fetch;\n// crate::jobs in a comment\nuse crate::model::item;\n",
    );
    assert_eq!(faults, ["store/x.rs imports pipeline"]);
}

#[test]
fn files_and_functions_stay_short() {
    let mut faults = Vec::new();
    for path in sources(&src()) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > FILE_MAX && !text.contains("// long file:") {
            faults.push(format!(
                "{}: {lines} lines; split it, or say why in a comment `// long file: ...`",
                shown(&path)
            ));
        }
        faults.extend(
            long_functions(&text)
                .into_iter()
                .map(|(name, length)| format!("{}: fn {name} has {length} lines", shown(&path))),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Functions above the limit, in text as rustfmt writes it: a closing brace stands at the indent of its `fn`.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    // A test may hold a long table.
    let lines: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let Some(at) =
            trimmed.find("fn ").filter(|at| trimmed[..*at].chars().all(|c| c.is_alphanumeric() || " ()_:".contains(c)))
        else {
            continue;
        };
        if trimmed.starts_with("//") || trimmed.ends_with(';') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let Some(length) = lines[start..].iter().position(|line| *line == close) else { continue };
        if length + 1 > FUNCTION_MAX {
            let name = trimmed[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            long.push((name, length + 1));
        }
    }
    long
}

#[test]
fn long_functions_are_found() {
    let text = format!("fn short() {{\n}}\n\npub async fn long() {{\n{}}}\n", "    call();\n".repeat(60));
    assert_eq!(long_functions(&text), [("long".to_owned(), 62)]);
}

#[test]
fn every_format_is_listed_and_has_a_fixture() {
    let listed = rattlewatch::formats::names();
    let mut faults = Vec::new();
    for name in &listed {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        if !fixtures.is_dir() || fs::read_dir(&fixtures).unwrap().next().is_none() {
            faults.push(format!("the format {name} has no fixture in tests/fixtures/{name}"));
        }
        let file = src().join("formats").join(format!("{name}.rs"));
        if !file.exists() && !src().join("formats").join(name).join("mod.rs").exists() {
            faults.push(format!("the format {name} has no file of its name in src/formats"));
        }
    }
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    if sorted != listed {
        faults.push("formats are not listed in alphabetical order".to_owned());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
