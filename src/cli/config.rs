//! `rattlewatch config`: the settings in force, and whether everything written is right.

use std::process::ExitCode;

use clap::Subcommand;

use super::table::Table;
use super::{Global, Outcome, output, start};

/// `config` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every setting, its value (secrets hidden) and where it comes from
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check settings, sources and platforms without starting anything
    Check,
    /// The DNS records that the keys which sign mails need
    Dkim,
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    let settings = start::settings(global)?;
    match command {
        Command::Show { json: true } => {
            let all: serde_json::Map<String, serde_json::Value> = settings
                .shown()
                .iter()
                .map(|setting| {
                    (
                        setting.key.to_owned(),
                        serde_json::json!({ "value": setting.value, "origin": setting.origin.as_str() }),
                    )
                })
                .collect();
            output::json(&all)?;
        }
        Command::Show { json: false } => {
            let mut table = Table::new(&["setting", "origin", "value"]);
            for setting in settings.shown() {
                table.row([
                    setting.key.to_owned(),
                    setting.origin.as_str().to_owned(),
                    setting.value.clone().unwrap_or_else(|| "-".to_owned()),
                ]);
            }
            output::raw(&table.render());
        }
        Command::Dkim => {
            let keys = start::dkim_keys(&settings)?;
            for key in &keys {
                output::line(&format!("{}  TXT  \"{}\"", key.record_name(), key.record()));
            }
            if keys.is_empty() {
                output::line(
                    "No key signs mails: dkim_keys is not set. `openssl genrsa -out dkim.pem 2048` makes one.",
                );
            }
        }
        Command::Check => {
            start::dkim_keys(&settings)?;
            let catalog = start::catalog(&settings)?;
            let sources = start::sources(&settings, &catalog)?;
            let enabled = sources.iter().filter(|source| source.enabled).count();
            output::line(&format!(
                "Settings, {} sources ({enabled} enabled) and {} platforms are right",
                sources.len(),
                catalog.ids().len()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
