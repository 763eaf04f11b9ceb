//! `rattlewatch tag --retag`: history tagged by the catalog of today.

use std::process::ExitCode;

use serde_json::json;

use super::super::table::Table;
use super::super::{Global, Outcome, output, start};
use crate::jobs::retag::{self, Retagged};
use crate::model::platform::PlatformId;
use crate::model::text;

/// Items told one by one to people.
const TOLD: usize = 50;

pub(super) fn retag(global: &Global, dry: bool, as_json: bool) -> Outcome {
    start::block_on(async {
        let context = start::context(global, start::Logging::Quiet).await?;
        let show = |items: u64| {
            if !as_json && items.is_multiple_of(10_000) {
                eprintln!("{items} items looked at");
            }
        };
        let done = retag::run(&context, dry, &show).await?;
        context.store.clone().close().await;
        if as_json {
            output::json(&described(&done, dry))?;
        } else {
            tell(&done, dry);
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn tell(done: &Retagged, dry: bool) {
    let list = |sign: char, ids: &[PlatformId]| ids.iter().map(|id| format!(" {sign}{id}")).collect::<String>();
    for change in done.changes.iter().take(TOLD) {
        let (gained, lost) = (list('+', &change.gained), list('-', &change.lost));
        output::line(&format!("{}{gained}{lost}  {}", change.advisory, text::truncate(&change.title, 80)));
    }
    let more = done.changed.saturating_sub(TOLD as u64);
    if more > 0 {
        output::line(&format!("and {more} more; --json tells them"));
    }
    let mut table = Table::new(&["platform", "gained", "lost"]);
    for (id, (gained, lost)) in &done.platforms {
        table.row([id.0.clone(), gained.to_string(), lost.to_string()]);
    }
    if !done.platforms.is_empty() {
        output::raw(&table.render());
    }
    let what = if dry { "would touch" } else { "touch" };
    let end = if dry { "Nothing was changed." } else { "Nobody was mailed." };
    output::line(&format!("{} of {} items {what} something else than before. {end}", done.changed, done.items));
}

fn described(done: &Retagged, dry: bool) -> serde_json::Value {
    let change = |change: &retag::Change| json!({"advisory": change.advisory, "title": change.title, "gained": change.gained, "lost": change.lost});
    let platform =
        |(id, (gained, lost)): (&PlatformId, &(u64, u64))| (id.0.clone(), json!({"gained": gained, "lost": lost}));
    json!({
        "dry_run": dry, "items": done.items, "changed": done.changed,
        "platforms": done.platforms.iter().map(platform).collect::<serde_json::Map<_, _>>(),
        "changes": done.changes.iter().map(change).collect::<Vec<_>>(),
    })
}
