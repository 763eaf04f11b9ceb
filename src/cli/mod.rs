//! The commands: one file each. A command parses its arguments, calls jobs or storage, and prints for people or,
//! with `--json`, for programs.

mod advisories;
mod config;
mod demo;
mod digest;
mod doctor;
mod healthcheck;
mod import;
mod operator;
mod organization;
mod outbox;
mod output;
mod run;
mod send_test;
mod serve;
mod sources;
mod start;
mod subscriber;
mod suppression;
mod table;
mod tag;
mod token;
mod trial;
mod wrong_match;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::fault::ConfigError;

/// Government alerts and vendor advisories, tagged by MSP platform, mailed once to those who run them.
#[derive(Debug, Parser)]
#[command(name = "rattlewatch", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 failed, 2 bad usage or configuration.
Settings come from rattlewatch.toml, then RATTLEWATCH_* variables, then --set. See `rattlewatch config show`.";

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
struct Global {
    /// Read settings from this file instead of ./rattlewatch.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one setting, such as --set listen=127.0.0.1:9000 (repeatable)
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the sources, send alerts and digests, and serve the web page until told to stop
    Serve(serve::Arguments),
    /// Make one pass: read every source that is due, deliver what is due, then end
    Run(run::Arguments),
    /// List, check or try the sources
    #[command(subcommand)]
    Sources(sources::Command),
    /// Fill in a source's history, mailing nobody
    Import(import::Arguments),
    /// Say which platforms a text touches, and why
    Tag(tag::Arguments),
    /// Tags that somebody says are wrong: report, decide, make rules
    #[command(subcommand)]
    WrongMatch(wrong_match::Command),
    /// List, show or export the stored advisories
    #[command(subcommand)]
    Advisories(advisories::Command),
    /// Add, list or remove the people who are mailed
    #[command(subcommand)]
    Subscriber(subscriber::Command),
    /// Organizations, their clients, what they run, and their people
    #[command(subcommand)]
    Organization(organization::Command),
    /// Who runs this installation and signs in as such; the audit log
    #[command(subcommand)]
    Operator(operator::Command),
    /// Tokens by which programs use the API on behalf of an organization
    #[command(subcommand)]
    Token(token::Command),
    /// Addresses that are not mailed, and why: list, add, lift
    #[command(subcommand)]
    Suppression(suppression::Command),
    /// Show the digest that a subscriber would get now
    Digest(digest::Arguments),
    /// What waits to be mailed and what was given up: look, queue again, drop
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Send one mail to an address by the settings in force
    SendTest(send_test::Arguments),
    /// Show or check the settings
    #[command(subcommand)]
    Config(config::Command),
    /// Look at database, disk, clock, relay, the sender's domain and sources, and say what to do
    Doctor(doctor::Arguments),
    /// Ask a running server whether it is well (for containers)
    Healthcheck(healthcheck::Arguments),
    /// Play a week in a minute with sample advisories: no network and no settings needed
    Demo(demo::Arguments),
}

/// Why a command did not do its work.
#[derive(Debug)]
enum Failure {
    /// The arguments or the configuration are wrong: exit code 2.
    Usage(String),
    /// It was asked rightly and failed: exit code 1.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        match error.downcast::<ConfigError>() {
            Ok(faults) => Self::Usage(faults.to_string()),
            Err(error) => Self::Failed(error),
        }
    }
}

/// Shorthand for what commands return.
type Outcome = Result<ExitCode, Failure>;

/// Parses the arguments, runs the command and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(code) => code,
        Err(Failure::Usage(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            eprintln!("rattlewatch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli) -> Outcome {
    let global = &cli.global;
    match &cli.command {
        Command::Serve(arguments) => serve::main(global, arguments),
        Command::Run(arguments) => run::main(global, arguments),
        Command::Sources(command) => sources::main(global, command),
        Command::Import(arguments) => import::main(global, arguments),
        Command::Tag(arguments) => tag::main(global, arguments),
        Command::WrongMatch(command) => wrong_match::main(global, command),
        Command::Advisories(command) => advisories::main(global, command),
        Command::Subscriber(command) => subscriber::main(global, command),
        Command::Organization(command) => organization::main(global, command),
        Command::Operator(command) => operator::main(global, command),
        Command::Token(command) => token::main(global, command),
        Command::Suppression(command) => suppression::main(global, command),
        Command::Digest(arguments) => digest::main(global, arguments),
        Command::Outbox(command) => outbox::main(global, command),
        Command::SendTest(arguments) => send_test::main(global, arguments),
        Command::Config(command) => config::main(global, command),
        Command::Doctor(arguments) => doctor::main(global, arguments),
        Command::Healthcheck(arguments) => healthcheck::main(global, arguments),
        Command::Demo(arguments) => demo::main(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
