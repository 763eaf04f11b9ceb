//! Recipients from CSV and into CSV (RFC 4180). What a spreadsheet would take for a formula is written with an
//! apostrophe before it, and read back without.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ::csv::{Position, Reader, ReaderBuilder, StringRecord, Trim, WriterBuilder};
use clap::Args;

use super::add::owner;
use super::{Book, book, words};
use crate::channels;
use crate::cli::{Failure, Outcome, output, start};
use crate::config::fault::closest;
use crate::config::settings::Settings;
use crate::jobs::audience::{self, Saved, Written};
use crate::jobs::context;
use crate::model::address::EmailAddress;
use crate::model::audience::{Follow, Subscription, Wish, weekday_name};
use crate::model::channel::{ChannelKind, Endpoint};
use crate::model::clock::Clock;
use crate::model::text::{from_cell, to_cell};
use crate::store::subscriptions::{self, Recipient};
use crate::store::{Store, StoreError, Tx, organizations};

/// Recipients that are stored in one transaction.
const PAGE: usize = 500;
/// Longest line that is read, in bytes of its fields.
const LINE_MAX: usize = 64 * 1024;

/// The columns, in the order of an export. A file may have any of them in any order; `email` must be there.
const COLUMNS: [&str; 21] = [
    "email",
    "platforms",
    "floor",
    "timezone",
    "organization",
    "categories",
    "vendors",
    "stacks",
    "topics",
    "publishers",
    "regions",
    "instant",
    "quiet",
    "pierce",
    "digest",
    "day",
    "at",
    "all_clear",
    "channel",
    "to",
    "consent",
];

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The file
    file: PathBuf,
    /// Who says that these people agreed; the operating system's user by default
    #[arg(long, value_name = "WHO")]
    consent_by: Option<String>,
    /// Check every line and store nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a line says.
struct Line {
    recipient: Recipient,
    email: EmailAddress,
    written: Written,
    stacks: Vec<String>,
    organization: String,
}

pub(in crate::cli) async fn import(settings: &Settings, arguments: &Import) -> Outcome {
    let file = &arguments.file;
    let open = File::open(file).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
    let book = Arc::new(book(settings)?);
    let mut lines = Lines::new(open)?;
    let consent = words::consent(&format!("subscriber import {}", file.display()), arguments.consent_by.as_deref());
    let store = start::store(settings).await?;
    let secret = context::secret(&store).await?;
    let (mut taken, mut skipped) = (0, 0);
    loop {
        let (mut page, mut refused) = (Vec::new(), Vec::new());
        for (at, line) in lines.by_ref().take(PAGE) {
            match line {
                Ok(line) => page.push((at, line)),
                Err(reason) => refused.push((at, reason)),
            }
        }
        if page.is_empty() && refused.is_empty() {
            break;
        }
        let (stored, others) = save(&store, &book, &secret, &consent, page, arguments.dry_run).await?;
        refused.extend(others);
        refused.sort_unstable();
        for (at, reason) in &refused {
            eprintln!("{}:{at}: skipped: {reason}", file.display());
        }
        (taken, skipped) = (taken + stored, skipped + refused.len());
    }
    let verb = if arguments.dry_run { "would be added or changed" } else { "added or changed" };
    output::line(&format!("{taken} recipients {verb}, {skipped} lines skipped"));
    Ok(if skipped > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The recipients of a file, each with the number of its line.
struct Lines {
    reader: Reader<File>,
    columns: Vec<String>,
    /// The first line, where it is a recipient already.
    first: Option<StringRecord>,
    /// Reading it has failed.
    broken: bool,
}

impl Lines {
    fn new(file: File) -> Result<Self, Failure> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(Trim::All)
            .from_reader(file);
        let mut first = StringRecord::new();
        let some = reader.read_record(&mut first).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(match header(&first).map_err(Failure::Usage)? {
            Some(columns) => Self { reader, columns, first: None, broken: false },
            None => {
                let columns = COLUMNS[..4].iter().map(ToString::to_string).collect();
                Self { reader, columns, first: some.then_some(first), broken: false }
            }
        })
    }
}

impl Iterator for Lines {
    type Item = (u64, Result<Line, String>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = StringRecord::new();
        let read = match self.first.take() {
            Some(first) => {
                record = first;
                Ok(true)
            }
            None => self.reader.read_record(&mut record),
        };
        match read {
            Ok(true) => {
                let at = record.position().map_or(0, Position::line);
                Some((at, parse(&self.columns, &record)))
            }
            Ok(false) => None,
            // A file that cannot be read any further has no next line.
            Err(error) if error.is_io_error() && std::mem::replace(&mut self.broken, true) => None,
            Err(error) => Some((self.reader.position().line(), Err(error.to_string()))),
        }
    }
}

/// The columns that the first line names; none where it is a recipient already.
fn header(first: &StringRecord) -> Result<Option<Vec<String>>, String> {
    let names: Vec<String> =
        first.iter().map(|name| name.trim_start_matches('\u{feff}').to_ascii_lowercase()).collect();
    if !names.iter().any(|name| name == "email") {
        return Ok(None);
    }
    for name in &names {
        if !COLUMNS.contains(&name.as_str()) {
            let near = closest(name, COLUMNS).map_or_else(String::new, |near| format!(" (did you mean '{near}'?)"));
            return Err(format!("no column is called '{name}'{near}; the columns are {}", COLUMNS.join(", ")));
        }
    }
    Ok(Some(names))
}

fn parse(columns: &[String], record: &StringRecord) -> Result<Line, String> {
    if record.len() > columns.len() {
        return Err(format!("{} columns where {} are meant", record.len(), columns.join(", ")));
    }
    if record.as_slice().len() > LINE_MAX {
        return Err("the line is too long".to_owned());
    }
    let cells: BTreeMap<&str, String> = columns.iter().map(String::as_str).zip(record.iter().map(from_cell)).collect();
    let cell = |name: &str| cells.get(name).cloned().unwrap_or_default();
    let list = |name: &str| -> Vec<String> {
        cell(name).split(';').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let is = |name: &str, usual: bool| match cell(name).to_ascii_lowercase().as_str() {
        "" => Ok(usual),
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        other => Err(format!("{name}: '{other}' is neither yes nor no")),
    };
    let email = EmailAddress::parse(&cell("email"))?;
    let channel: ChannelKind = if cell("channel").is_empty() { ChannelKind::Email } else { cell("channel").parse()? };
    let endpoint = match (channel.is_mail(), cell("to")) {
        (true, _) => None,
        (false, to) if to.is_empty() => return Err(format!("'{channel}' needs the web address in the column 'to'")),
        (false, url) => Some(channels::checked(channel, Endpoint { url, secret: None })?),
    };
    let everything = cell("platforms") == "*";
    let written = Written {
        everything,
        platforms: if everything { Vec::new() } else { list("platforms") },
        categories: list("categories"),
        vendors: list("vendors"),
        stacks: Vec::new(),
        topics: list("topics"),
        publishers: list("publishers"),
        regions: list("regions"),
        floor: cell("floor"),
        no_instant: !is("instant", true)?,
        quiet: cell("quiet"),
        no_pierce: !is("pierce", true)?,
        digest: cell("digest"),
        day: cell("day"),
        at: cell("at"),
        timezone: cell("timezone"),
        all_clear: is("all_clear", false)?,
    };
    let nothing = !everything
        && ["platforms", "categories", "vendors", "stacks", "topics"].iter().all(|name| cell(name).is_empty());
    if nothing {
        return Err("no platform is named; write ids separated by ';', or * for everything".to_owned());
    }
    let key = audience::key(channel, &email, endpoint.as_ref());
    let recipient = Recipient { channel, email: email.as_str().to_owned(), key, endpoint, ..Recipient::default() };
    Ok(Line { recipient, email, written, stacks: list("stacks"), organization: cell("organization") })
}

/// Stores a page of lines in one transaction. Gives how many were stored, and the others with the reason.
async fn save(
    store: &Store,
    book: &Arc<Book>,
    secret: &str,
    consent: &str,
    page: Vec<(u64, Line)>,
    dry_run: bool,
) -> Result<(usize, Vec<(u64, String)>), StoreError> {
    let (book, secret, consent) = (Arc::clone(book), secret.to_owned(), consent.to_owned());
    let now = Clock::system().now();
    let work = move |tx: &mut Tx<'_>| {
        let (mut taken, mut refused) = (0, Vec::new());
        let mut names = HashMap::new();
        for (at, line) in &page {
            let (recipient, wish) = match resolved(tx, &book, line, &mut names)? {
                Ok(resolved) => resolved,
                Err(reason) => {
                    refused.push((*at, reason));
                    continue;
                }
            };
            if dry_run {
                taken += 1;
                continue;
            }
            match audience::save(tx, &book.catalog, &secret, &recipient, &wish, &consent, now)? {
                Saved::Stored(..) => taken += 1,
                Saved::Suppressed(why) => refused.push((*at, words::suppressed(&line.email, &why))),
            }
        }
        Ok((taken, refused))
    };
    if dry_run { store.read(work).await } else { store.write(work).await }
}

/// The recipient and the wish of a line, its organization and stacks looked up.
fn resolved(
    tx: &mut Tx<'_>,
    book: &Book,
    line: &Line,
    names: &mut HashMap<String, Option<String>>,
) -> Result<Result<(Recipient, Wish), String>, StoreError> {
    let mut recipient = line.recipient.clone();
    if !line.organization.is_empty() {
        if !names.contains_key(&line.organization) {
            let found = organizations::find(tx, &line.organization)?.map(|known| known.id);
            names.insert(line.organization.clone(), found);
        }
        let Some(Some(id)) = names.get(&line.organization) else {
            return Ok(Err(format!("no organization is called '{}'", line.organization)));
        };
        recipient.organization.clone_from(id);
    }
    if recipient.channel == ChannelKind::Webhook && !subscriptions::has_secret(tx, &recipient)? {
        return Ok(Err(
            "a new webhook needs a secret: add it by `rattlewatch subscriber add`, which makes one".to_owned()
        ));
    }
    let mut written = line.written.clone();
    for name in &line.stacks {
        match owner(tx, name)? {
            Ok(owner) => written.stacks.push(owner),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(book.wish(&written).map(|wish| (recipient, wish)))
}

pub(in crate::cli) async fn export(store: &Store, file: Option<&Path>) -> Outcome {
    let all = store
        .read(|tx| subscriptions::all(tx)?.into_iter().map(|one| row(tx, &one)).collect::<Result<Vec<_>, _>>())
        .await?;
    let to: Box<dyn Write> = match file {
        Some(path) => Box::new(
            File::create(path).map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))?,
        ),
        None => Box::new(io::stdout().lock()),
    };
    let mut writer = WriterBuilder::new().from_writer(to);
    writer.write_record(COLUMNS)?;
    for row in &all {
        writer.write_record(row.iter().map(|cell| to_cell(cell)))?;
    }
    writer.flush()?;
    if let Some(path) = file {
        output::line(&format!("{} recipients written to {}", all.len(), path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The cells of one recipient, in the order of [`COLUMNS`].
fn row(tx: &mut Tx<'_>, one: &Subscription) -> Result<Vec<String>, StoreError> {
    let wish = &one.wish;
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let follows = |pick: &dyn Fn(&Follow) -> Option<String>| -> String {
        wish.follows.iter().filter_map(pick).collect::<Vec<_>>().join(";")
    };
    let mut stacks = Vec::new();
    for follow in &wish.follows {
        if let Follow::Stack(owner) = follow {
            stacks.push(organizations::written(tx, owner)?);
        }
    }
    let platforms: Vec<&str> = wish.platforms.iter().map(|id| id.0.as_str()).collect();
    let topics: Vec<String> = wish.topics.iter().map(ToString::to_string).collect();
    let endpoint = subscriptions::endpoint(tx, &one.id)?;
    Ok(vec![
        one.email.clone(),
        if wish.everything { "*".to_owned() } else { platforms.join(";") },
        wish.floor.to_string(),
        wish.digest.timezone.clone(),
        one.organization.clone(),
        follows(&|follow| if let Follow::Category(word) = follow { Some(word.clone()) } else { None }),
        follows(&|follow| if let Follow::Vendor(name) = follow { Some(name.clone()) } else { None }),
        stacks.join(";"),
        if topics.is_empty() { "none".to_owned() } else { topics.join(";") },
        wish.only.publishers.join(";"),
        wish.only.regions.join(";"),
        yes(wish.instant),
        wish.quiet.map_or_else(String::new, |quiet| quiet.to_string()),
        yes(wish.quiet.is_none_or(|quiet| quiet.pierce)),
        wish.digest.every.as_str().to_owned(),
        weekday_name(wish.digest.day).to_owned(),
        wish.digest.at.strftime("%H:%M").to_string(),
        yes(wish.digest.all_clear),
        one.channel.to_string(),
        endpoint.map_or_else(String::new, |endpoint| endpoint.url),
        format!("{} ({})", one.consent, one.consent_at),
    ])
}
