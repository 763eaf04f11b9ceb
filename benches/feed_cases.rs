//! How many feeds and entries are found in a folder of feeds, beside Python's feedparser on the same files.
//!
//! `FEED_CASES=folder FEEDPARSER=path/to/python cargo bench --bench feed_cases`. An entry counts where it says
//! something: a title or a text beside its markup, or a link to a page. With `EACH=1` the files are told in which we find less.

#![allow(clippy::unwrap_used, reason = "a measurement may stop at a surprise")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rattlewatch::formats::{self, Origin};
use url::Url;

const PEER: &str = r#"
import re, sys, feedparser
seen = lambda markup: re.sub("<[^>]*>", "", markup or "").replace("&nbsp;", "").strip()
for path in sys.stdin.read().splitlines():
    try:
        found = feedparser.parse(open(path, "rb").read()).entries
    except Exception:
        found = []
    says = lambda e: seen(e.get("title")) or seen(e.get("summary")) or e.get("link", "").startswith("http") or any(seen(c.get("value")) for c in e.get("content", []))
    print(sum(1 for e in found if says(e)), path)
"#;

fn main() {
    let standard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/feed-cases");
    let folder = std::env::var_os("FEED_CASES").map_or(standard, PathBuf::from);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    if files.is_empty() {
        println!("SKIPPED: no files in {}; name a folder with FEED_CASES", folder.display());
        return;
    }
    let begun = Instant::now();
    let ours: BTreeMap<&Path, usize> = files.iter().map(|path| (path.as_path(), entries(path))).collect();
    tell("rattlewatch", ours.values(), begun);
    let Ok(python) = std::env::var("FEEDPARSER") else {
        println!("feedparser    not measured: set FEEDPARSER to a Python that has it");
        return;
    };
    let begun = Instant::now();
    let theirs = peer(&python, &files);
    tell("feedparser", theirs.values(), begun);
    if std::env::var_os("EACH").is_some() {
        for (path, count) in &theirs {
            let found = ours.get(path.as_path()).copied().unwrap_or(0);
            if found < *count {
                println!("{found} of {count}: {}", path.strip_prefix(&folder).unwrap_or(path).display());
            }
        }
    }
}

fn tell<'a>(name: &str, counts: impl Iterator<Item = &'a usize>, begun: Instant) {
    let (mut files, mut feeds, mut entries) = (0, 0, 0);
    for count in counts {
        files += 1;
        feeds += usize::from(*count > 0);
        entries += count;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{name:<13} {files} files: {feeds} feeds with entries, {entries} entries, {seconds:.2} s");
}

fn entries(path: &Path) -> usize {
    let url = Url::parse("https://feed.example/feed").unwrap();
    let origin = Origin::of(&url, None);
    let format = formats::by_name("feed").unwrap();
    (format.parse)(&std::fs::read(path).unwrap(), &origin).map_or(0, |parsed| parsed.items.len())
}

fn peer(python: &str, files: &[PathBuf]) -> BTreeMap<PathBuf, usize> {
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-c", PEER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let list: String = files.iter().map(|path| format!("{}\n", path.display())).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(list.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| {
            let (count, path) = line.split_once(' ')?;
            Some((PathBuf::from(path), count.parse().ok()?))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
    files.sort();
}
