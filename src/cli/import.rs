//! `rattlewatch import`: fills in a source's history. Nobody is mailed about any of it.

use std::fs::File;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, Global, Outcome, output, start};
use crate::jobs::walk::{self, Walked};
use crate::model::clock::Timestamp;

/// What `import` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The source, by its id
    source: String,
    /// Only what was published or changed since this day, such as 2025-01-31
    #[arg(long, value_name = "DATE", value_parser = super::advisories::parse_since)]
    since: Option<Timestamp>,
    /// Read this file, in the source's format, instead of its address
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    start::block_on(async {
        let context = start::context(global, start::Logging::Quiet).await?;
        let Some(source) = context.source(&arguments.source).cloned() else {
            return Err(Failure::Usage(super::sources::unknown(context.sources.iter(), &arguments.source)));
        };
        let open = |path: &PathBuf| File::open(path).with_context(|| format!("{} cannot be read", path.display()));
        let file = arguments.file.as_ref().map(open).transpose()?;
        let begun = Instant::now();
        let bar = bar(arguments.json);
        let show = |walked: &Walked, progress: Option<(u64, u64)>| {
            if let Some((done, all)) = progress {
                bar.set_length(all);
                bar.set_position(done);
            }
            bar.set_message(format!("{} items, {} new advisories", walked.items, walked.new_advisories));
        };
        let walked = walk::import(&context, &source, arguments.since, file, &show).await;
        bar.finish_and_clear();
        context.store.clone().close().await;
        let walked = walked.context("what was read before is kept; run the same command again to go on")?;
        report(&source.id, walked, begun, arguments.json)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} [{elapsed}] {wide_bar} {pos}/{len} {msg}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

fn report(source: &str, walked: Walked, begun: Instant, as_json: bool) -> Result<(), serde_json::Error> {
    let milliseconds = begun.elapsed().as_millis();
    let Walked { items, new_advisories, dropped, repairs, .. } = walked;
    if as_json {
        return output::json(&json!({
            "source": source, "items": items, "new_advisories": new_advisories, "dropped": dropped,
            "repairs": repairs, "milliseconds": milliseconds,
        }));
    }
    output::line(&format!(
        "{source}: {items} items read, {new_advisories} new advisories, {dropped} could not be read; {:.1} s. Nobody was mailed.",
        milliseconds as f64 / 1_000.0
    ));
    for repair in repairs {
        output::line(&format!("  {repair}"));
    }
    Ok(())
}
