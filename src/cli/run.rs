//! `rattlewatch run`: one pass, then the end.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::mpsc;

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::config::sources::Source;
use crate::jobs::runner::{self, Pass, Progress};
use crate::jobs::{Context, route};
use crate::store::sources;

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Read these sources, due or not (repeatable)
    #[arg(long, value_name = "ID")]
    source: Vec<String>,
    /// Read every enabled source, due or not
    #[arg(long, conflicts_with = "source")]
    all: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    start::block_on(async {
        let context = start::context(global, start::Logging::Quiet).await?;
        let chosen = choose(&context, arguments).await?;
        let begun = Instant::now();
        let quiet = arguments.json || !std::io::stderr().is_terminal();
        let (tell, heard) = mpsc::unbounded_channel();
        let bars = tokio::spawn(show(heard, quiet));
        let pass = runner::pass(&context, chosen, Some(tell)).await?;
        bars.await?;
        context.channels.close().await;
        report(&pass, begun, arguments.json)?;
        context.store.clone().close().await;
        let failed = pass.sent.relay_down.is_some();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

async fn choose(context: &Context, arguments: &Arguments) -> Result<Vec<Source>, Failure> {
    if arguments.all {
        let health = context.store.read(sources::all).await?;
        let read = |source: &&Source| source.enabled && !route::stands_by(source, &health);
        return Ok(context.sources.iter().filter(read).cloned().collect());
    }
    if arguments.source.is_empty() {
        return Ok(runner::due(context, context.clock.now()).await?);
    }
    let found = |id: &String| {
        context.source(id).cloned().ok_or_else(|| Failure::Usage(super::sources::unknown(context.sources.iter(), id)))
    };
    arguments.source.iter().map(found).collect()
}

/// One bar a source on a terminal, from its start to its end.
async fn show(mut heard: mpsc::UnboundedReceiver<Progress>, quiet: bool) {
    let all = MultiProgress::new();
    let style = ProgressStyle::with_template("{spinner} {prefix:<28} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let mut bars: HashMap<String, ProgressBar> = HashMap::new();
    while let Some(progress) = heard.recv().await {
        if quiet {
            continue;
        }
        match progress {
            Progress::Started(id) => {
                let bar = all
                    .add(ProgressBar::new_spinner())
                    .with_style(style.clone())
                    .with_prefix(id.clone())
                    .with_message("reading");
                bar.enable_steady_tick(std::time::Duration::from_millis(120));
                bars.insert(id, bar);
            }
            Progress::Done(polled) => {
                if let Some(bar) = bars.remove(&polled.source) {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

fn report(pass: &Pass, begun: Instant, as_json: bool) -> Result<(), serde_json::Error> {
    let milliseconds = begun.elapsed().as_millis();
    let sent = &pass.sent;
    if as_json {
        return output::json(&json!({
            "sources": pass.polled,
            "events": pass.polled.iter().map(|polled| polled.events).sum::<usize>(),
            "new_advisories": pass.polled.iter().map(|polled| polled.new_advisories).sum::<usize>(),
            "queued": pass.queued,
            "digests": pass.digests,
            "mails": { "sent": sent.sent, "later": sent.later, "dead": sent.dead, "relay_down": sent.relay_down },
            "milliseconds": milliseconds,
        }));
    }
    let mut table = Table::new(&["source", "result", "items", "new", "events", "ms", ""]);
    for polled in &pass.polled {
        table.row([
            polled.source.clone(),
            polled.result.to_owned(),
            polled.items.to_string(),
            polled.new_advisories.to_string(),
            polled.events.to_string(),
            polled.milliseconds.to_string(),
            polled.detail.clone(),
        ]);
    }
    if pass.polled.is_empty() {
        output::line("No source is due. Use --all to read every source now.");
    } else {
        output::raw(&table.render());
    }
    let unread = pass.polled.iter().filter(|polled| !polled.read()).count();
    output::line(&format!(
        "{} of {} sources read; {} mails sent, {} to be tried again, {} given up; {} alerts and {} digests queued; {:.1} s",
        pass.polled.len() - unread,
        pass.polled.len(),
        sent.sent,
        sent.later,
        sent.dead,
        pass.queued,
        pass.digests,
        milliseconds as f64 / 1_000.0
    ));
    if let Some(reason) = &sent.relay_down {
        output::line(&format!("The mail relay cannot be used, so mail waits in the outbox: {reason}"));
    }
    Ok(())
}
