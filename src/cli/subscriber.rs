//! `rattlewatch subscriber`: who is mailed, about what.
//!
//! What an operator adds here rests on consent that was given outside; by whom and when it was entered is recorded.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::civil::{Time, Weekday};
use serde_json::{Value, json};

use super::table::Table;
use super::{Failure, Global, Outcome, output, start};
use crate::jobs::digest::next_digest;
use crate::model::address::EmailAddress;
use crate::model::audience::{DigestEvery, DigestSchedule, Floor, Subscription, Wish, parse_weekday, weekday_name};
use crate::model::clock::Clock;
use crate::model::topic::Topic;
use crate::pipeline::schedule;
use crate::platforms::Catalog;
use crate::store::subscriptions::{self, Change, Upserted};
use crate::store::{Store, StoreError};

/// `subscriber` commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a recipient, or give a known one a new wish
    Add(Box<Add>),
    /// Everybody who is mailed
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop mailing an address
    Remove {
        /// The address
        email: String,
    },
    /// Add recipients from a CSV file: email, platforms separated by ';' (or *), floor, timezone
    Import {
        /// The file
        file: PathBuf,
        /// Who says that these people agreed; the operating system's user by default
        #[arg(long, value_name = "WHO")]
        consent_by: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The address
    email: String,
    /// A platform that they run (repeatable); `rattlewatch tag` shows ids
    #[arg(long, value_name = "ID", required_unless_present_any = ["everything", "topic"])]
    platform: Vec<String>,
    /// What else they hear of, whatever it touches (repeatable): msp (the default), ransomware, supply-chain,
    /// remote-access, identity, email or backup
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<Topic>,
    /// Nothing but what touches their platforms
    #[arg(long, conflicts_with = "topic")]
    no_topics: bool,
    /// Every advisory, whatever it touches
    #[arg(long, conflicts_with = "platform")]
    everything: bool,
    /// How urgent an advisory must be to be mailed at once: all, medium, high, critical or exploited
    #[arg(long, default_value = "all")]
    floor: Floor,
    /// Mail at once (the default)
    #[arg(long, overrides_with = "no_instant")]
    instant: bool,
    /// Never mail at once; the floor then holds for the digest
    #[arg(long)]
    no_instant: bool,
    /// How often the summary comes: none, daily or weekly
    #[arg(long, default_value = "weekly")]
    digest: DigestEvery,
    /// The weekday of a weekly digest
    #[arg(long, default_value = "monday", value_parser = parse_weekday)]
    day: Weekday,
    /// The local time of the digest
    #[arg(long, default_value = "07:30", value_name = "HH:MM", value_parser = parse_time)]
    at: Time,
    /// The IANA time zone, such as Europe/Berlin
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    timezone: String,
    /// Who says that they agreed; the operating system's user by default
    #[arg(long, value_name = "WHO")]
    consent_by: Option<String>,
}

fn parse_time(text: &str) -> Result<Time, String> {
    let wrong = || format!("'{text}' is not a time such as 07:30");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let (hour, minute) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

pub(super) fn main(global: &Global, command: &Command) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        let catalog = start::catalog(&settings)?;
        match command {
            Command::Add(arguments) => add(&catalog, start::store(&settings), arguments).await,
            Command::List { json } => list(&start::store(&settings).await?, *json).await,
            Command::Remove { email } => remove(&start::store(&settings).await?, email).await,
            Command::Import { file, consent_by } => {
                import(&catalog, &start::store(&settings).await?, file, consent_by.as_deref()).await
            }
        }
    })
}

async fn add(catalog: &Catalog, store: impl Future<Output = Result<Store, Failure>>, arguments: &Add) -> Outcome {
    let email = EmailAddress::parse(&arguments.email).map_err(Failure::Usage)?;
    let mut platforms = BTreeSet::new();
    for id in &arguments.platform {
        platforms.insert(start::platform(catalog, id)?);
    }
    let topics: BTreeSet<Topic> = match arguments.topic.as_slice() {
        [] if arguments.no_topics => BTreeSet::new(),
        [] => BTreeSet::from([Topic::Msp]),
        chosen => chosen.iter().copied().collect(),
    };
    let topics = topics.into_iter().collect();
    let digest = DigestSchedule {
        every: arguments.digest,
        day: arguments.day,
        at: arguments.at,
        timezone: arguments.timezone.clone(),
    };
    schedule::next_digest(&digest, Clock::system().now())
        .map_err(|error| Failure::Usage(format!("--timezone: {error}")))?;
    let wish = Wish {
        everything: arguments.everything,
        platforms: platforms.into_iter().collect(),
        topics,
        floor: arguments.floor,
        instant: !arguments.no_instant || arguments.instant,
        digest,
    };
    let consent = consent("subscriber add", arguments.consent_by.as_deref());
    let outcome = save(&store.await?, &email, wish.clone(), consent).await?;
    let verb = if outcome == Upserted::Added { "Added" } else { "Changed" };
    output::line(&format!("{verb} {}: {}", email.as_str(), described(&wish)));
    Ok(ExitCode::SUCCESS)
}

async fn save(store: &Store, email: &EmailAddress, wish: Wish, consent: String) -> Result<Upserted, StoreError> {
    let now = Clock::system().now();
    let next = next_digest(&wish.digest, now);
    let (shown, key) = (email.as_str().to_owned(), email.key());
    let work = move |tx: &mut crate::store::Tx<'_>| {
        let change = Change { email: &shown, email_key: &key, wish: &wish, consent: &consent, next: &next, now };
        subscriptions::upsert(tx, &change).map(|(_, outcome)| outcome)
    };
    store.write(work).await
}

/// Where consent is recorded: which command, and who vouched.
fn consent(command: &str, by: Option<&str>) -> String {
    let by = by.map(str::to_owned).or_else(start::user).unwrap_or_else(|| "an operator".to_owned());
    format!("given outside Rattlewatch, entered by {by} with `{command}`")
}

fn described(wish: &Wish) -> String {
    let what = if wish.everything {
        "everything".to_owned()
    } else {
        let topics = wish.topics.iter().map(|topic| format!("what is about {}", topic.name()));
        wish.platforms.iter().map(|id| id.0.clone()).chain(topics).collect::<Vec<_>>().join(", ")
    };
    let floor = if wish.floor == Floor::All { String::new() } else { format!(" from {} up", wish.floor) };
    let instant = if wish.instant { format!("alerts at once{floor}") } else { format!("no alerts at once{floor}") };
    let digest = match wish.digest.every {
        DigestEvery::None => "no digest".to_owned(),
        DigestEvery::Daily => {
            format!("a digest every day at {} {}", wish.digest.at.strftime("%H:%M"), wish.digest.timezone)
        }
        DigestEvery::Weekly => format!(
            "a digest every {} at {} {}",
            weekday_name(wish.digest.day),
            wish.digest.at.strftime("%H:%M"),
            wish.digest.timezone
        ),
    };
    format!("{what}; {instant}; {digest}")
}

async fn list(store: &Store, as_json: bool) -> Outcome {
    let all = store.read(subscriptions::all).await?;
    if as_json {
        output::json(&all.iter().map(shown).collect::<Vec<Value>>())?;
    } else if all.is_empty() {
        output::line("Nobody is mailed yet. `rattlewatch subscriber add EMAIL --platform ID` adds someone.");
    } else {
        let mut table = Table::new(&["email", "what they get"]);
        for subscription in &all {
            table.row([subscription.email.clone(), described(&subscription.wish)]);
        }
        output::raw(&table.render());
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(subscription: &Subscription) -> Value {
    let wish = &subscription.wish;
    json!({
        "id": subscription.id,
        "email": subscription.email,
        "everything": wish.everything,
        "platforms": wish.platforms,
        "topics": wish.topics,
        "floor": wish.floor,
        "instant": wish.instant,
        "digest": wish.digest.every,
        "day": weekday_name(wish.digest.day),
        "at": wish.digest.at.strftime("%H:%M").to_string(),
        "timezone": wish.digest.timezone,
        "consent": subscription.consent,
        "consent_at": subscription.consent_at.to_string(),
        "created_at": subscription.created_at.to_string(),
    })
}

async fn remove(store: &Store, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(Failure::Usage)?;
    let (key, now) = (email.key(), Clock::system().now());
    let ended = store
        .write(move |tx| match subscriptions::by_email(tx, &key)? {
            Some(subscription) => subscriptions::end(tx, &subscription.id, now),
            None => Ok(false),
        })
        .await?;
    if !ended {
        return Err(Failure::Failed(anyhow::anyhow!(
            "{} is not subscribed; `rattlewatch subscriber list` shows who is",
            email.as_str()
        )));
    }
    output::line(&format!("Removed {}: nothing more is sent there", email.as_str()));
    Ok(ExitCode::SUCCESS)
}

async fn import(catalog: &Catalog, store: &Store, file: &PathBuf, consent_by: Option<&str>) -> Outcome {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
    let consent = consent(&format!("subscriber import {}", file.display()), consent_by);
    let (mut taken, mut skipped) = (0, 0);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') || (index == 0 && line.to_ascii_lowercase().starts_with("email")) {
            continue;
        }
        match parse_line(catalog, line) {
            Ok((email, wish)) => {
                save(store, &email, wish, consent.clone()).await?;
                taken += 1;
            }
            Err(reason) => {
                skipped += 1;
                eprintln!("{}:{}: skipped: {reason}", file.display(), index + 1);
            }
        }
    }
    output::line(&format!("{taken} recipients added or changed, {skipped} lines skipped"));
    Ok(if skipped > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `email,platforms;separated,floor,timezone`; floor and time zone may be left out.
fn parse_line(catalog: &Catalog, line: &str) -> Result<(EmailAddress, Wish), String> {
    let cells = fields(line)?;
    if !(2..=4).contains(&cells.len()) {
        return Err(format!("{} columns where email, platforms, floor, timezone are meant", cells.len()));
    }
    let email = EmailAddress::parse(&cells[0])?;
    let everything = cells[1] == "*";
    let mut platforms = BTreeSet::new();
    if !everything {
        for id in cells[1].split(';').map(str::trim).filter(|id| !id.is_empty()) {
            let platform = start::platform(catalog, id).map_err(|failure| match failure {
                Failure::Usage(message) => message,
                Failure::Failed(error) => error.to_string(),
            })?;
            platforms.insert(platform);
        }
        if platforms.is_empty() {
            return Err("no platform is named; write ids separated by ';', or * for everything".to_owned());
        }
    }
    let floor = cells.get(2).filter(|cell| !cell.is_empty()).map_or(Ok(Floor::All), |cell| cell.parse())?;
    let timezone = cells.get(3).filter(|cell| !cell.is_empty()).cloned().unwrap_or_else(|| "UTC".to_owned());
    let digest = DigestSchedule { timezone, ..DigestSchedule::default() };
    schedule::next_digest(&digest, Clock::system().now()).map_err(|error| error.to_string())?;
    let (platforms, topics) = (platforms.into_iter().collect(), vec![Topic::Msp]);
    Ok((email, Wish { everything, platforms, topics, floor, instant: true, digest }))
}

/// The fields of one line of CSV (RFC 4180 section 2, without line breaks inside quotes).
fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields.last_mut().expect("never empty").push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("never empty").push(other),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    Ok(fields.into_iter().map(|field| field.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_may_be_quoted() {
        assert_eq!(fields("a@b.example, \"x;y\",,").unwrap_or_default(), ["a@b.example", "x;y", "", ""]);
        assert_eq!(fields("\"say \"\"hi\"\"\",b").unwrap_or_default(), ["say \"hi\"", "b"]);
        assert!(fields("\"open").is_err());
    }

    #[test]
    fn times_of_day_are_checked() {
        assert!(parse_time("07:30").is_ok() && parse_time("23:59").is_ok());
        for wrong in ["24:00", "7", "aa:bb", "07:60", ""] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
