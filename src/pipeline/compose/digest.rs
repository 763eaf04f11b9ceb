//! The digest: a window's advisories, the most urgent first, and which sources were silent because they could not be read.

use std::cmp::Reverse;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::alert::{Badge, badges, page, reasons, title};
use super::reader::{Footer, footer, names, touched};
use super::text::{at, count, cut, day, days, header, link, list, zone};
use super::{Digest, Entry, Failed, Occasion};
use crate::model::advisory::{Content, EventKind};
use crate::model::audience::DigestEvery;
use crate::model::severity::Severity;

/// Most advisories shown, whatever their size.
pub const MOST: usize = 100;
/// Most silent sources shown.
const SILENT: usize = 20;

/// What the templates of the digest are filled with.
#[derive(Debug, Serialize)]
pub struct View {
    pub subject: String,
    preheader: String,
    pub heading: String,
    pub window: String,
    pub total: String,
    empty: String,
    groups: Vec<Group>,
    more: usize,
    pub more_url: String,
    silent: Vec<Silent>,
    silent_more: usize,
    silent_lead: String,
    silent_note: String,
    pub footer: Footer,
}

#[derive(Debug, Serialize)]
struct Group {
    heading: String,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    title: String,
    page: String,
    id: String,
    badges: Vec<Badge>,
    what: String,
    platforms: String,
    facts: Vec<String>,
    source: String,
    url: String,
    host: String,
    alerted: String,
}

#[derive(Debug, Serialize)]
struct Silent {
    name: String,
    since: String,
    detail: String,
}

/// Fills the view of one digest that shows its `shown` most urgent advisories.
pub fn view(input: &Digest<'_>, shown: usize) -> View {
    let zone = zone(&input.wish.digest.timezone);
    let entries = by_urgency(input.entries);
    let hot = entries.iter().filter(|entry| class(entry.content) == 0).count();
    let says = says(input, hot);
    let (subject, heading) = headings(input, &says, &zone);
    View {
        subject: header(&subject, 150),
        preheader: cut(&preheader(&entries, input.failed.len()), 100),
        heading,
        window: window(input, &zone),
        total: total(input),
        empty: if entries.is_empty() { empty(input) } else { String::new() },
        groups: groups(&entries[..shown.min(entries.len())], input, &zone),
        more: entries.len().saturating_sub(shown),
        more_url: link(&format!("{}/advisories", input.envelope.public_url)).map_or_else(String::new, |(url, _)| url),
        silent: input.failed.iter().take(SILENT).map(|source| silent(source, &zone)).collect(),
        silent_more: input.failed.len().saturating_sub(SILENT),
        silent_lead: silence(input.failed.len()),
        silent_note: if entries.is_empty() { String::new() } else { unread(input.failed.len()) },
        footer: footer(&input.envelope, input.wish, None, input.name),
    }
}

/// The most urgent first.
pub fn by_urgency<'e, 'a>(entries: &'e [Entry<'a>]) -> Vec<&'e Entry<'a>> {
    let mut entries: Vec<&Entry<'_>> = entries.iter().collect();
    entries.sort_by_key(|entry| urgency(entry));
    entries
}

/// The subject, and the heading inside.
fn headings(input: &Digest<'_>, says: &str, zone: &TimeZone) -> (String, String) {
    match input.occasion {
        Occasion::Welcome => (format!("Welcome. Open now: {says}"), "Welcome. This is open now".to_owned()),
        Occasion::RollUp => (format!("{says} at once"), format!("{says}, in one mail")),
        Occasion::Digest => {
            let every = if input.wish.digest.every == DigestEvery::Daily { "Daily" } else { "Weekly" };
            let days = days(input.from, input.to, zone);
            (format!("{every} digest: {says} ({days})"), format!("{every} digest, {days}"))
        }
    }
}

/// 0 exploited, 1 critical and high, 2 not rated, 3 medium and low, 4 withdrawn.
fn class(content: &Content) -> u8 {
    let known = &content.exploitation;
    if content.withdrawn {
        4
    } else if known.exploited || known.ransomware || known.kev.is_some() {
        0
    } else {
        match content.severity {
            Severity::Critical | Severity::High => 1,
            Severity::Unknown => 2,
            Severity::Medium | Severity::Low => 3,
        }
    }
}

fn urgency<'a>(entry: &'a Entry<'_>) -> impl Ord + use<'a> {
    let content = entry.content;
    (
        class(content),
        Reverse(content.exploitation.ransomware),
        Reverse(content.severity),
        Reverse(content.first_seen),
        entry.id.clone(),
    )
}

fn says(input: &Digest<'_>, hot: usize) -> String {
    let whose = if input.wish.everything { "" } else { " for your platforms" };
    let found = i64::try_from(input.entries.len()).unwrap_or(i64::MAX);
    match (found, input.failed.len()) {
        (0, 0) => format!("nothing new{whose}"),
        (0, 1) => format!("nothing found{whose}, but 1 source could not be read"),
        (0, silent) => format!("nothing found{whose}, but {silent} sources could not be read"),
        _ if hot > 0 => format!("{}{whose}, {hot} exploited", count(found, "advisory", "advisories")),
        _ => format!("{}{whose}", count(found, "advisory", "advisories")),
    }
}

fn preheader(entries: &[&Entry<'_>], silent: usize) -> String {
    match (entries.first(), silent) {
        (Some(first), _) => format!("First: {}", title(first.content)),
        (None, 0) => "Every source was read. Nothing touches what you run.".to_owned(),
        (None, _) => "Some sources could not be read. Their silence is not good news.".to_owned(),
    }
}

fn window(input: &Digest<'_>, zone: &TimeZone) -> String {
    let to = at(input.to, zone, "%a %-d %b %Y %H:%M (%Q)");
    match input.occasion {
        Occasion::Digest => {}
        Occasion::Welcome => {
            return format!("The last 30 days, until {to}. From now on you hear of what is new as it comes.");
        }
        Occasion::RollUp => {
            return format!("Until {to}. When it is calmer, each comes in a mail of its own again.");
        }
    }
    if input.from.0 <= 0 {
        return format!("Everything until {to}.");
    }
    format!("From {} to {to}.", at(input.from, zone, "%a %-d %b %H:%M"))
}

fn total(input: &Digest<'_>) -> String {
    let found = i64::try_from(input.entries.len()).unwrap_or(i64::MAX);
    if input.occasion == Occasion::RollUp {
        return "So many alerts came at once that they are told in one mail. Nothing is left out.".to_owned();
    }
    if input.occasion == Occasion::Welcome {
        return match (found, input.wish.everything) {
            (0, _) => "You are subscribed. Nothing of the last 30 days is open for what you asked for.".to_owned(),
            (_, true) => "You are subscribed. These are the newest of the last 30 days.".to_owned(),
            (_, false) => {
                "You are subscribed. This touched what you run in the last 30 days: check it first.".to_owned()
            }
        };
    }
    let all = count(input.advisories.max(found), "advisory", "advisories");
    if input.wish.everything {
        format!("{all} in this time; you asked for everything.")
    } else {
        let touch = if found == 1 { "touches" } else { "touch" };
        format!("{all} in this time, {found} {touch} what you run.")
    }
}

fn empty(input: &Digest<'_>) -> String {
    if input.occasion == Occasion::Welcome {
        return "You will hear as soon as something comes.".to_owned();
    }
    let whose = if input.wish.everything { "Nothing new" } else { "Nothing new for the platforms you run" };
    if input.failed.is_empty() {
        format!("{whose}. Every source that we watch can be read.")
    } else {
        format!("{whose} in the sources that could be read. The ones below could not.")
    }
}

fn unread(silent: usize) -> String {
    match silent {
        0 => String::new(),
        1 => "1 source could not be read: see the end.".to_owned(),
        some => format!("{some} sources could not be read: see the end."),
    }
}

fn silence(silent: usize) -> String {
    let they = if silent == 1 { "it says" } else { "they say" };
    let sources = if silent == 1 { "1 source".to_owned() } else { format!("{silent} sources") };
    format!(
        "{sources} could not be read. We do not know what {they}: silence is not good news. Look there yourself if you depend on it."
    )
}

fn silent(source: &Failed<'_>, zone: &TimeZone) -> Silent {
    Silent {
        name: cut(source.name, 80),
        since: source.since.map_or_else(
            || "never read so far".to_owned(),
            |since| format!("since {}", at(since, zone, "%a %-d %b %H:%M")),
        ),
        detail: cut(source.detail, 200),
    }
}

fn groups(entries: &[&Entry<'_>], input: &Digest<'_>, zone: &TimeZone) -> Vec<Group> {
    let mut groups: Vec<(u8, Vec<Row>)> = Vec::new();
    for entry in entries {
        let class = class(entry.content);
        let row = row(entry, input, zone);
        match groups.last_mut() {
            Some((last, rows)) if *last == class => rows.push(row),
            _ => groups.push((class, vec![row])),
        }
    }
    let heading = |class| match class {
        0 => "Exploited: act first",
        1 => "Critical and high",
        2 => "Not rated yet, which does not mean low",
        3 => "Medium and low",
        _ => "Withdrawn",
    };
    groups.into_iter().map(|(class, rows)| Group { heading: heading(class).to_owned(), rows }).collect()
}

fn row(entry: &Entry<'_>, input: &Digest<'_>, zone: &TimeZone) -> Row {
    let content = entry.content;
    let (platforms, _) = names(&touched(content, input.wish, input.name));
    let first = content.references.iter().find_map(|known| link(&known.url).map(|found| (cut(&known.name, 80), found)));
    let (source, (url, host)) = first.unwrap_or_default();
    let mut facts: Vec<String> = reasons(&entry.reasons).into_iter().take(4).map(|reason| cut(&reason, 200)).collect();
    if let Some(kev) = content.exploitation.kev.as_ref().filter(|kev| !kev.due.is_empty()) {
        facts.push(format!("US federal agencies must act by {}.", day(&kev.due)));
    }
    Row {
        title: cut(&title(content), 200),
        page: page(&input.envelope, entry.id),
        id: entry.id.to_string(),
        badges: badges(content),
        what: happened(&entry.kinds),
        platforms: list(&platforms, 4),
        facts,
        source: if source.is_empty() { host.clone() } else { source },
        url,
        host,
        alerted: entry
            .alerted_at
            .map_or_else(String::new, |then| format!("You were alerted {}.", at(then, zone, "%a %-d %b %H:%M"))),
    }
}

/// `new, then more urgent`: each word once, in order.
fn happened(kinds: &[EventKind]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for kind in kinds {
        let word = match kind {
            EventKind::Published => "new",
            EventKind::Updated => "updated",
            EventKind::Escalated => "more urgent",
            EventKind::Corrected => "corrected",
            EventKind::Withdrawn => "withdrawn",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", then ")
}
