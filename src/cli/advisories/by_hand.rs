//! What an operator decides about advisories, and how well the program decided by itself.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Failure, Global, Outcome, output, start};
use crate::jobs::{by_hand, evaluate};
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Clock;
use crate::model::platform::PlatformId;
use crate::platforms::Catalog;

pub(super) async fn merge(global: &Global, one: &str, other: &str) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let store = start::store(&settings).await?;
    let (a, b) = (AdvisoryId(one.to_uppercase()), AdvisoryId(other.to_uppercase()));
    let now = Clock::system().now();
    let merged = store
        .write(move |tx| by_hand::merge(tx, &a, &b, now, &named(&catalog)))
        .await?
        .map_err(|reason| Failure::Failed(anyhow::anyhow!(reason)))?;
    output::line(&format!("They are {merged} from now on. Nobody is mailed for it."));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn split(global: &Global, id: &str, item: i64) -> Outcome {
    let settings = start::settings(global)?;
    let catalog = start::catalog(&settings)?;
    let store = start::store(&settings).await?;
    let from = AdvisoryId(id.to_uppercase());
    let now = Clock::system().now();
    let own = store
        .write(move |tx| by_hand::split(tx, &from, item, now, &named(&catalog)))
        .await?
        .map_err(|reason| Failure::Failed(anyhow::anyhow!(reason)))?;
    output::line(&format!("Item {item} is {own} from now on. Nobody is mailed for it."));
    Ok(ExitCode::SUCCESS)
}

/// What platforms are called.
fn named(catalog: &Catalog) -> impl Fn(&PlatformId) -> String {
    |id| catalog.get(&id.0).map_or_else(|| id.0.clone(), |platform| platform.name.clone())
}

pub(super) async fn evaluate(global: &Global, file: &Path, list: bool) -> Outcome {
    let text = std::fs::read_to_string(file)
        .map_err(|fault| Failure::Usage(format!("{} cannot be read: {fault}", file.display())))?;
    let labels = evaluate::labels(&text).map_err(|fault| Failure::Usage(format!("{}: {fault}", file.display())))?;
    let store = start::store(&start::settings(global)?).await?;
    let found = store.read(move |tx| evaluate::agreement(tx, &labels)).await?;
    if list {
        let pairs = [("one advisory, two events", &found.wrong), ("one event, two advisories", &found.parted)];
        for (what, pairs) in pairs {
            for (one, two) in pairs {
                output::line(&format!("{what}: {one} / {two}"));
            }
        }
        for item in &found.missing {
            output::line(&format!("not stored: {item}"));
        }
    }
    output::line(&format!(
        "{} labeled items are stored, {} are not. Pairs: {} right, {} wrongly joined, {} wrongly parted. \
         Precision {:.4}, recall {:.4}.",
        found.found,
        found.missing.len(),
        found.right,
        found.wrong.len(),
        found.parted.len(),
        found.precision(),
        found.recall()
    ));
    Ok(ExitCode::SUCCESS)
}
