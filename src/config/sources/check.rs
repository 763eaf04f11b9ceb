//! What a written source means. Every value is judged, so that one run tells all faults.

use url::Url;

use super::mailbox::{self, MailPlace};
use super::written::WrittenSource;
use super::{Known, Source, SourceKind, rules};
use crate::config::fault::{Faults, quoted, suggestion};
use crate::config::written::At;
use crate::model::item::URL_MAX;
use crate::model::platform::PlatformId;

/// The formats that read by the rules in `[source.html]` and `[source.json]`.
const HTML: &str = "html";
const JSON: &str = "json";
/// The format that reads mail by the rules in `[source.mailbox]`.
const MAILBOX: &str = "mailbox";
/// Longest id, in bytes.
const ID_MAX: usize = 64;
/// Longest name of a source or publisher, in characters.
const NAME_MAX: usize = 200;
/// Longest reason, in characters.
const SENTENCE_MAX: usize = 400;
/// Days without news that are normal unless a source says otherwise.
const SILENT_DAYS: u32 = 30;
/// Longest header value, in bytes.
const HEADER_MAX: usize = 256;
/// Content codings (RFC 9110 section 8.4.1, RFC 7932) that the program can undo.
const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "identity"];

/// The checked source; `None` where a fault was told.
pub(super) fn check(written: &WrittenSource, known: &Known<'_>, faults: &mut Faults<'_>) -> Option<Source> {
    let mut judge = Judge { label: &written.label, faults };
    let id = judge.value("id", written.id.as_ref(), id);
    let name = judge.value("name", written.name.as_ref(), name);
    let publisher = judge.value("publisher", written.publisher.as_ref(), name_of_publisher);
    let kind = judge.value("kind", written.kind.as_ref(), kind);
    let country = judge.value("country", written.country.as_ref(), country);
    let (url, place) = judge.address(written);
    let format = judge.value("format", written.format.as_ref(), |text| format(text, known.formats));
    let schedule = judge.value("schedule", written.schedule.as_ref(), schedule);
    let user_agent = judge.value("user_agent", written.user_agent.as_ref(), header);
    let accept_encoding = judge.value("accept_encoding", written.accept_encoding.as_ref(), codings);
    let platforms = written.platforms.iter().filter_map(|id| judge.platform(id, known)).collect();
    let sets = written.sets.iter().filter_map(|set| judge.value("sets", Some(set), set_name)).collect();
    let off_because = judge.value("off_because", written.off_because.as_ref(), sentence);
    let key = judge.value("key", written.key.as_ref(), set_name);
    let needs_key = judge.value("needs_key", written.needs_key.as_ref(), set_name);
    judge.value("note", written.note.as_ref(), sentence);
    judge.rules_fit(written);
    judge.mail_has_key(written, place.as_ref());
    judge.off_is_explained(written);
    let silent_days = judge.silent_days(written);
    let html = written.html.as_ref().map(|html| rules::html(html, known, faults));
    let json = written.json.as_ref().map(|json| rules::json(json, faults));
    let mailbox = match (&written.mailbox, place) {
        (Some(written), Some(place)) => Some(mailbox::rules(written, place, faults)),
        _ => None,
    };
    let enabled = written.enabled.as_ref().is_none_or(|enabled| enabled.value);
    let (schedule, schedule_text) = (schedule?, written.schedule.as_ref()?.value.clone());
    Some(Source {
        id: id?,
        name: name?,
        publisher: publisher?,
        kind: kind?,
        country: country?,
        url: url?,
        format: format?,
        schedule,
        schedule_text,
        enabled,
        platforms,
        user_agent,
        accept_encoding,
        sets,
        silent_days,
        off_because,
        instead_of: written.instead_of.as_ref().map(|other| other.value.clone()),
        key: key.or_else(|| needs_key.clone()),
        needs_key,
        html: html.map_or(Some(None), |rules| rules.map(Some))?,
        json: json.map_or(Some(None), |rules| rules.map(Some))?,
        mailbox: mailbox.map_or(Some(None), |rules| rules.map(Some))?,
    })
}

/// Judges the values of one table.
pub(super) struct Judge<'j, 'f> {
    pub(super) label: &'j str,
    pub(super) faults: &'j mut Faults<'f>,
}

impl Judge<'_, '_> {
    pub(super) fn tell(&mut self, line: usize, key: &str, message: impl AsRef<str>) {
        self.faults.add(line, format!("{}: {key}", self.label), message);
    }

    /// What `read` makes of a value; a refusal is told on its line.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        written: Option<&At<String>>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let written = written?;
        read(&written.value).map_err(|message| self.tell(written.line, key, message)).ok()
    }

    /// Where to look, and what that means where it is a mailbox.
    fn address(&mut self, written: &WrittenSource) -> (Option<Url>, Option<MailPlace>) {
        match written.format.as_ref().is_some_and(|format| format.value == MAILBOX) {
            true => self.value("url", written.url.as_ref(), mailbox::address).unzip(),
            false => (self.value("url", written.url.as_ref(), url), None),
        }
    }

    fn platform(&mut self, id: &At<String>, known: &Known<'_>) -> Option<PlatformId> {
        let unknown = known.platforms.filter(|platforms| !platforms.contains(&id.value));
        if let Some(platforms) = unknown {
            let hint = suggestion(&id.value, platforms.iter().map(String::as_str));
            self.tell(id.line, "platforms", format!("unknown platform {}{hint}", quoted(&id.value)));
            return None;
        }
        Some(PlatformId(id.value.clone()))
    }

    /// A reason for being off belongs to a source that is off.
    fn off_is_explained(&mut self, written: &WrittenSource) {
        let on = written.enabled.as_ref().is_none_or(|enabled| enabled.value);
        if let (true, Some(because)) = (on, &written.off_because) {
            let message = "is only for a source that is off; remove it, or set enabled = false";
            self.tell(because.line, "off_because", message);
        }
    }

    /// 1 to 3650 days; 30 where nothing is written.
    fn silent_days(&mut self, written: &WrittenSource) -> u32 {
        let Some(days) = &written.silent_days else { return SILENT_DAYS };
        match u32::try_from(days.value) {
            Ok(value @ 1..=3_650) => value,
            _ => {
                self.tell(days.line, "silent_days", "must be 1 to 3650 days");
                SILENT_DAYS
            }
        }
    }

    /// The formats `html`, `json` and `mailbox` and their tables need each other.
    fn rules_fit(&mut self, written: &WrittenSource) {
        let Some(format) = &written.format else { return };
        let html = (HTML, written.html.as_ref().map(|html| html.line), "at least item, a CSS selector");
        let json = (JSON, written.json.as_ref().map(|json| json.line), "at least items and title, JSON pointers");
        let mailbox = (MAILBOX, written.mailbox.as_ref().map(|mailbox| mailbox.line), "from, a list of senders");
        for (name, line, least) in [html, json, mailbox] {
            match (line, format.value == name) {
                (None, true) => {
                    let message = format!("missing; the format {name} needs [source.{name}] with {least}");
                    self.tell(format.line, name, message);
                }
                (Some(line), false) => {
                    let message = format!("is only for the format {name}, not {}; remove it", quoted(&format.value));
                    self.tell(line, name, message);
                }
                _ => {}
            }
        }
    }

    /// A mail server needs a password.
    fn mail_has_key(&mut self, written: &WrittenSource, place: Option<&MailPlace>) {
        let Some(format) = &written.format else { return };
        let named = written.key.is_some() || written.needs_key.is_some();
        if matches!(place, Some(MailPlace::Imap { .. })) && !named {
            let message = "missing; write the name under which api_keys holds the mailbox's password";
            self.tell(format.line, "needs_key", message);
        }
    }
}

/// The name of a set or of a key.
fn set_name(text: &str) -> Result<String, String> {
    id(text)
}

fn sentence(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > SENTENCE_MAX || text.chars().any(char::is_control) {
        return Err(format!("must be one line of 1 to {SENTENCE_MAX} characters"));
    }
    Ok(text.to_owned())
}

fn id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > ID_MAX || !text.chars().all(fits) || text.starts_with('-') || text.ends_with('-')
    {
        return Err(format!(
            "{} is not an id; write at most {ID_MAX} lowercase letters, digits and hyphens between them",
            quoted(text)
        ));
    }
    Ok(text.to_owned())
}

fn name(text: &str) -> Result<String, String> {
    shown("name", text)
}

fn name_of_publisher(text: &str) -> Result<String, String> {
    shown("publisher", text)
}

/// Text that people see, in one line.
fn shown(what: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > NAME_MAX || text.chars().any(char::is_control) {
        return Err(format!("is not a {what}; write one line of 1 to {NAME_MAX} characters"));
    }
    Ok(text.to_owned())
}

fn kind(text: &str) -> Result<SourceKind, String> {
    let names = SourceKind::ALL.map(SourceKind::as_str);
    SourceKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| unknown("kind", text, &names))
}

fn format(text: &str, formats: &[&str]) -> Result<String, String> {
    if formats.contains(&text) { Ok(text.to_owned()) } else { Err(unknown("format", text, formats)) }
}

fn unknown(what: &str, text: &str, known: &[&str]) -> String {
    let hint = suggestion(text, known.iter().copied());
    format!("unknown {what} {} (known: {}){hint}", quoted(text), known.join(", "))
}

fn country(text: &str) -> Result<String, String> {
    let two_letters = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if two_letters || text == "INT" {
        return Ok(text.to_owned());
    }
    Err(format!("{} is not a country; write two capital letters (ISO 3166), EU or INT", quoted(text)))
}

fn url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("{} is not a URL ({error}); begin it with https://", quoted(text)))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("has the scheme {}; only https and http can be fetched", quoted(url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password; remove it, for this file is no place for secrets".to_owned());
    }
    if url.fragment().is_some() {
        return Err("has a fragment ('#...'), which is never sent to a server; remove it".to_owned());
    }
    if url.as_str().len() > URL_MAX {
        return Err(format!("is longer than {URL_MAX} characters"));
    }
    Ok(url)
}

fn schedule(text: &str) -> Result<cron::Schedule, String> {
    const SHAPE: &str = "second minute hour day-of-month month day-of-week, in UTC";
    let fields: Vec<&str> = text.split_whitespace().collect();
    let nickname = fields.len() == 1 && text.trim_start().starts_with('@');
    match fields.len() {
        6 | 7 => {}
        _ if nickname => {}
        5 => {
            return Err(format!(
                "has five fields where six are needed, with the seconds first ({SHAPE}); write '0 {}'",
                fields.join(" ")
            ));
        }
        count => return Err(format!("has {count} fields where six are needed ({SHAPE}), such as '0 */15 * * * *'")),
    }
    // Classic cron counts weekdays from Sunday = 0, the `cron` crate from Sunday = 1: a number would mean the wrong day.
    if fields.get(5).is_some_and(|days| names_days_by_numbers(days)) {
        return Err("names weekdays by numbers, which programs count differently; write SUN to SAT".to_owned());
    }
    let schedule: cron::Schedule = text.trim().parse().map_err(|error: cron::error::Error| {
        let why = error.to_string();
        format!("{} is not a schedule ({SHAPE}): {}", quoted(text), why.lines().last().unwrap_or_default().trim())
    })?;
    if schedule.upcoming(chrono::Utc).next().is_none() {
        return Err(format!("{} never comes; check the day, the month and the year", quoted(text)));
    }
    Ok(schedule)
}

/// Whether the weekday field holds a number other than the step of `*/2`.
fn names_days_by_numbers(field: &str) -> bool {
    field.split(',').filter_map(|days| days.split('/').next()).any(|days| days.contains(|c: char| c.is_ascii_digit()))
}

/// A header value (RFC 9110 section 5.5), of printable ASCII only.
fn header(text: &str) -> Result<String, String> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.is_empty() || text.len() > HEADER_MAX || !printable || text.trim() != text {
        return Err(format!(
            "is not a header value; write 1 to {HEADER_MAX} printable ASCII characters without spaces around them"
        ));
    }
    Ok(text.to_owned())
}

/// An `Accept-Encoding` (RFC 9110 section 12.5.3) of codings that can be undone.
fn codings(text: &str) -> Result<String, String> {
    let text = header(text)?;
    for coding in text.split(',') {
        let name = coding.split(';').next().unwrap_or_default().trim();
        if !CODINGS.contains(&name) {
            return Err(unknown("content coding", name, &CODINGS));
        }
    }
    Ok(text)
}
