//! `rattlewatch tag`: which platforms a text touches, and what in it says so.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, Global, Outcome, start};
use crate::model::platform::Product;
use crate::platforms::{Matcher, TagInput};

/// Longest text and longest JSON line read, in bytes.
const MOST: u64 = 16 * 1024 * 1024;

/// What `tag` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A text with its title on the first line; standard input without it
    file: Option<PathBuf>,
    /// Read one JSON object a line: {"id","title","text","products":[{"vendor","product","cpe"}]}
    #[arg(long)]
    jsonl: bool,
}

/// One line of `--jsonl`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    id: Value,
    title: String,
    text: String,
    products: Vec<Product>,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let matcher = Matcher::new(&catalog);
    let input: Box<dyn Read> = match &arguments.file {
        None => Box::new(io::stdin().lock()),
        Some(path) => {
            let file =
                File::open(path).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
            Box::new(file)
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let tagged = if arguments.jsonl {
        lines(&matcher, BufReader::new(input), &mut out)
    } else {
        text(&matcher, input, &mut out)
    };
    match tagged.and_then(|()| Ok(out.flush()?)) {
        Err(Failure::Failed(error)) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn text(matcher: &Matcher, input: Box<dyn Read>, out: &mut impl Write) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    input.take(MOST).read_to_end(&mut bytes)?;
    let all = String::from_utf8_lossy(&bytes);
    let (title, text) = all.split_once('\n').unwrap_or((&all, ""));
    let platforms = matcher.tag(&TagInput { title: title.trim(), text, products: &[], source_platforms: &[] });
    writeln!(out, "{}", json!({ "id": Value::Null, "platforms": platforms }))?;
    Ok(())
}

fn lines(matcher: &Matcher, mut input: impl BufRead, out: &mut impl Write) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if (&mut input).take(MOST).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: Line = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Usage(format!("line {number}: not an object as described: {error}")))?;
        let input = TagInput { title: &line.title, text: &line.text, products: &line.products, source_platforms: &[] };
        let platforms = matcher.tag(&input);
        writeln!(out, "{}", json!({ "id": line.id, "platforms": platforms }))?;
    }
    Ok(())
}
