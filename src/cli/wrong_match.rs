//! `rattlewatch wrong-match`: tags that somebody says are wrong, and what an operator decides of them.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::jobs::wrong_match;
use crate::model::advisory::AdvisoryId;
use crate::model::clock::Clock;
use crate::model::text;
use crate::store::Tx;
use crate::store::wrong_matches::{self, WrongMatch};

/// `wrong-match` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say that an advisory does not touch a platform
    Report {
        /// The advisory, such as RW-12
        advisory: String,
        /// The platform's id
        platform: String,
        /// Why, in your words
        #[arg(long, default_value = "")]
        note: String,
    },
    /// The reports, with the name that gave each tag; open ones first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take the tag away for good; with --not, make a rule of it
    Accept {
        /// The report's number
        number: i64,
        /// A phrase that voids the platform's names which it contains or touches, such as "Power Automate"
        #[arg(long, value_name = "PHRASE")]
        not: Option<String>,
    },
    /// The tag was right: close the report
    Dismiss {
        /// The report's number
        number: i64,
    },
    /// The rules that were made of reports
    Rules,
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        let catalog = start::catalog(&settings)?;
        let store = start::store(&settings).await?;
        let (now, by) = (Clock::system().now(), start::user().unwrap_or_else(|| "an operator".to_owned()));
        match command {
            Command::Report { advisory, platform, note } => {
                let platform = start::platform(&catalog, platform)?;
                let (advisory, note) = (AdvisoryId(advisory.to_uppercase()), note.clone());
                let work = move |tx: &mut Tx<'_>| wrong_match::report(tx, &advisory, &platform, &note, &by, now);
                let report = store.write(work).await?.map_err(refused)?;
                output::line(&format!("Report {}: {}", report.id, described(&report)));
                output::line(&format!("`rattlewatch wrong-match accept {}` takes the tag away.", report.id));
            }
            Command::List { json } => list(&store.read(|tx| wrong_matches::all(tx, 1_000)).await?, *json)?,
            Command::Accept { number, not } => {
                let phrase = not.as_deref().map(str::trim).map(str::to_owned);
                if phrase.as_deref().is_some_and(|phrase| phrase.chars().filter(|c| c.is_alphanumeric()).count() < 3) {
                    return Err(Failure::Usage("--not: a phrase of three letters or more, please".to_owned()));
                }
                let (number, rule) = (*number, phrase.clone());
                let work = move |tx: &mut Tx<'_>| {
                    wrong_match::accept(tx, number, rule.as_deref(), &by, now, &|id| catalog.name(id))
                };
                let report = store.write(work).await?.map_err(refused)?;
                output::line(&format!(
                    "{} does not touch {} any more. Nobody is mailed.",
                    report.advisory, report.platform
                ));
                if let Some(phrase) = phrase {
                    output::line(&format!(
                        "From the next start on, '{phrase}' does not mean {} either.",
                        report.platform
                    ));
                    output::line("`rattlewatch tag --retag` applies it to what is stored.");
                }
            }
            Command::Dismiss { number } => {
                let number = *number;
                let report = store.write(move |tx| wrong_match::dismiss(tx, number)).await?.map_err(refused)?;
                output::line(&format!("{} still touches {}.", report.advisory, report.platform));
            }
            Command::Rules => {
                for (platform, phrase) in store.read(wrong_matches::rules).await? {
                    output::line(&format!("{platform}: not \"{phrase}\""));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn refused(reason: String) -> Failure {
    Failure::Failed(anyhow::anyhow!(reason))
}

/// What was said, and the rule that fired.
fn described(report: &WrongMatch) -> String {
    let fired = report.evidence.first().map_or_else(String::new, |piece| {
        let field = format!("{:?}", piece.field).to_lowercase();
        format!(", tagged since the {field} says '{}', the catalog's name '{}'", piece.matched, piece.alias)
    });
    format!("{} does not touch {}{fired}", report.advisory, report.platform)
}

fn list(reports: &[WrongMatch], as_json: bool) -> Result<(), serde_json::Error> {
    if as_json {
        return output::json(&reports.iter().map(shown).collect::<Vec<_>>());
    }
    if reports.is_empty() {
        output::line("Nobody has reported a wrong match.");
        return Ok(());
    }
    let mut table =
        Table::new(&["report", "state", "advisory", "platform", "matched", "by the name", "said by", "note"]);
    for report in reports {
        let piece = report.evidence.first();
        table.row([
            report.id.to_string(),
            report.state.as_str().to_owned(),
            report.advisory.0.clone(),
            report.platform.0.clone(),
            piece.map(|piece| text::truncate(&piece.matched, 40)).unwrap_or_default(),
            piece.map(|piece| text::truncate(&piece.alias, 40)).unwrap_or_default(),
            report.said_by.clone(),
            text::truncate(&report.note, 60),
        ]);
    }
    output::raw(&table.render());
    Ok(())
}

fn shown(report: &WrongMatch) -> Value {
    json!({
        "report": report.id, "state": report.state.as_str(), "advisory": report.advisory, "platform": report.platform,
        "evidence": report.evidence, "note": report.note, "said_by": report.said_by, "at": report.at.to_string(),
    })
}
