//! `rattlewatch tag`: which platforms a text touches, and what in it says so.

mod evaluate;
mod retag;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Failure, Global, Outcome, start};
use crate::model::platform::{Product, Role, Tag};
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
    /// Compare the tags with labels: one JSON object a line as for --jsonl, with "expected":["platform-id"]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "jsonl"])]
    evaluate: Option<PathBuf>,
    /// With --evaluate: the whole table of platforms instead of the worst ten
    #[arg(long, requires = "evaluate")]
    all: bool,
    /// Tag everything stored anew, after platforms.toml has changed; nobody is mailed
    #[arg(long, conflicts_with_all = ["file", "jsonl", "evaluate"])]
    retag: bool,
    /// With --retag: only say what would change
    #[arg(long, requires = "retag")]
    dry_run: bool,
    /// With --evaluate or --retag: print JSON
    #[arg(long)]
    json: bool,
}

/// One line of `--jsonl`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    id: Value,
    title: String,
    text: String,
    products: Vec<Product>,
    link: String,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    if arguments.retag {
        return retag::retag(global, arguments.dry_run, arguments.json);
    }
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let matcher = Matcher::new(&catalog);
    if let Some(labels) = &arguments.evaluate {
        return evaluate::evaluate(&catalog, &matcher, labels, arguments.all, arguments.json);
    }
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
    let input = TagInput { title: title.trim(), text, ..TagInput::default() };
    writeln!(out, "{}", tagged(matcher, Value::Null, &input))?;
    Ok(())
}

/// The platforms affected, those merely mentioned, and the topics, each with its reason.
fn tagged(matcher: &Matcher, id: Value, input: &TagInput<'_>) -> Value {
    let tags = matcher.tag(input);
    let topics = matcher.topics(input, &tags);
    let of = |role| tags.iter().filter(|tag| tag.role == role).collect::<Vec<&Tag>>();
    let (platforms, mentioned) = (of(Role::Affected), of(Role::Mentioned));
    json!({ "id": id, "platforms": platforms, "mentioned": mentioned, "topics": topics })
}

fn lines(matcher: &Matcher, input: impl BufRead, out: &mut impl Write) -> Result<(), Failure> {
    each_line(input, |line: Line| {
        let input = TagInput {
            title: &line.title,
            text: &line.text,
            products: &line.products,
            link: &line.link,
            ..TagInput::default()
        };
        Ok(writeln!(out, "{}", tagged(matcher, line.id, &input))?)
    })
}

/// Reads one JSON object a line; empty lines are passed over.
fn each_line<T: DeserializeOwned>(
    mut input: impl BufRead,
    mut take: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if (&mut input).take(MOST).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Usage(format!("line {number}: not an object as described: {error}")))?;
        take(line)?;
    }
    Ok(())
}
