//! The alert: one event, told so that a technician knows in one line whether to get up, and then what to do.

use serde::Serialize;

use super::reader::{Footer, Touched, concerns, footer, matched, names, touched, touched_at};
use super::render::ground;
use super::text::{at, cut, header, link, list, shorten, unanswered, zone};
use super::{Alert, Envelope};
use crate::model::advisory::{AdvisoryId, AdvisoryKind, Content, EventKind, Reference};
use crate::model::context::{self, Line};
use crate::model::severity::Severity;
use crate::model::text::paragraphs;
use crate::model::topic::About;

/// The title of an advisory that has none.
const UNTITLED: &str = "An advisory without a title";
/// Longest title shown, in characters.
pub const TITLE: usize = 300;
/// Longest quotation of a source, in characters.
const QUOTE: usize = 600;
/// Longest sentence with a source, in characters.
const SAID: usize = 500;
/// Most CVE ids, sources and platforms listed, where there is room for them.
pub const LISTED: usize = 20;

/// What the templates of the alert are filled with.
#[derive(Debug, Serialize)]
pub struct View {
    pub subject: String,
    preheader: String,
    pub lead: String,
    note: String,
    ground: &'static str,
    pub changes: Vec<String>,
    pub title: String,
    badges: Vec<Badge>,
    pub what: Option<Said>,
    pub exploited: Vec<Said>,
    pub severity: Vec<Said>,
    pub steps: Vec<Step>,
    pub touched: Vec<Touched>,
    touched_more: usize,
    pub versions: Vec<Said>,
    pub cves: Vec<Link>,
    cves_more: usize,
    aliases: String,
    sources: Vec<Link>,
    sources_more: usize,
    /// Who else says something here: the plain part has no other place for an address that HTML links to.
    further: Vec<Link>,
    quote: Option<Quote>,
    published: String,
    first_seen: String,
    pub tlp: String,
    pub page: String,
    id: String,
    pub footer: Footer,
}

/// A word on a ground that makes it easy to find; the word alone says it.
#[derive(Debug, Serialize)]
pub struct Badge {
    pub word: &'static str,
    pub ground: &'static str,
}

/// A page, by its name, address and host. The address may be empty.
#[derive(Debug, Serialize)]
pub struct Link {
    pub name: String,
    url: String,
    host: String,
}

/// A sentence, and who says it; the name may be empty, and the address.
#[derive(Debug, Serialize)]
pub struct Said {
    pub text: String,
    pub source: String,
    url: String,
}

/// Something to do, with the page to do it with.
#[derive(Debug, Serialize)]
pub struct Step {
    pub text: String,
    pub url: String,
    host: String,
}

#[derive(Debug, Serialize)]
struct Quote {
    source: String,
    lines: Vec<String>,
}

/// Fills the view of one alert that lists at most `listed` CVE ids, sources and platforms.
pub fn view(input: &Alert<'_>, listed: usize) -> View {
    let content = input.content;
    let mut platforms = touched_at(content, input.wish, input.sites, input.name);
    let (mine, yours) = names(&platforms);
    let zone = zone(&input.wish.digest.timezone);
    let concerns = concerns(content, input.wish);
    let (lead, note) = lead(input.event.kind, content, &whom(&mine, yours, &concerns));
    let title = title(content);
    let footer = footer(&input.envelope, input.wish, Some((&matched(&platforms), &concerns)), input.name);
    let subject = subject(input, &platforms);
    let platforms_more = platforms.len().saturating_sub(listed);
    platforms.truncate(listed);
    let what = Some(context::what(content, input.name)).filter(|what| !what.text.contains(&content.title));
    let touches = context::touches(content, input.name);
    let (exploited, severity) = (context::exploited(content), context::how_bad(content));
    let sources: Vec<Link> = content.references.iter().take(listed).map(source).collect();
    let said_by = what.iter().chain(&exploited).chain(&severity).chain(&touches);
    View {
        subject,
        preheader: cut(&preheader(content, &title), 100),
        ground: band(content),
        changes: if input.event.kind == EventKind::Published { vec![] } else { reasons(&input.event.reasons) },
        badges: badges(content),
        further: further(said_by, &sources),
        what: what.as_ref().map(said),
        exploited: exploited.iter().map(said).collect(),
        severity: severity.iter().map(said).collect(),
        versions: touches.iter().filter(|line| line.by.is_some()).map(said).collect(),
        steps: steps(content, &mine),
        touched_more: platforms_more,
        touched: platforms,
        cves: cves(content, listed),
        cves_more: content.cves.len().saturating_sub(listed),
        aliases: list(&content.aliases.iter().map(|id| cut(id, 60)).collect::<Vec<_>>(), 8),
        sources,
        sources_more: content.references.len().saturating_sub(listed),
        quote: quote(content),
        published: content.published.map_or_else(String::new, |then| at(then, &zone, "%-d %b %Y")),
        first_seen: at(content.first_seen, &zone, "%a %-d %b %Y %H:%M (%Q)"),
        tlp: format!("TLP:{}", content.tlp),
        page: page(&input.envelope, &input.event.advisory),
        id: input.event.advisory.to_string(),
        lead,
        note,
        title,
        footer,
    }
}

/// The page of an advisory on this Rattlewatch.
pub fn page(envelope: &Envelope<'_>, id: &AdvisoryId) -> String {
    let address = format!("{}/advisories/{id}", envelope.public_url);
    link(&address).map_or_else(String::new, |(address, _)| address)
}

/// The title in one line.
pub fn title(content: &Content) -> String {
    let title = cut(&content.title, TITLE);
    if title.is_empty() { UNTITLED.to_owned() } else { title }
}

/// Sentences of what changed, each ending in a full stop.
pub fn reasons(reasons: &[String]) -> Vec<String> {
    let sentence = |reason: &String| {
        let line = cut(reason, 400);
        if line.ends_with(['.', '!', '?', '…']) { line } else { format!("{line}.") }
    };
    reasons.iter().take(8).map(sentence).collect()
}

/// The same for all letters of one advisory, since Gmail parts a thread where the subject changes. So it is made from
/// the first revision: titles are edited later, and platforms join. For the same reason it states no severity, which
/// rises; the preheader and the first line state it, and mail programs show those beside the subject.
fn subject(input: &Alert<'_>, now: &[Touched]) -> String {
    let title = title(input.first);
    let title = match unanswered(&title) {
        "" => UNTITLED,
        rest => rest,
    };
    let then = touched(input.first, input.wish, input.name);
    let platform = match then.first() {
        Some(one) if one.yours || input.wish.everything => (!one.titled).then_some(one),
        // The reader's platform joined later: this thread starts with it.
        _ => now.first().filter(|one| one.yours && !title.to_lowercase().contains(&one.name.to_lowercase())),
    };
    header(&platform.map_or_else(|| title.to_owned(), |one| format!("{}: {title}", one.name)), 150)
}

/// Whom it concerns: the reader's platforms, what the reader asked for beside them, else whatever it touches.
fn whom(mine: &[String], yours: bool, concerns: &[&About]) -> String {
    match (concerns, mine.is_empty(), yours) {
        (_, false, true) => format!("{}, which you run", list(mine, 3)),
        ([about, ..], ..) => format!("{}, whatever you run", about.topic.name()),
        (_, true, _) => "an advisory that names no platform we know".to_owned(),
        (_, false, false) => list(mine, 3),
    }
}

fn lead(kind: EventKind, content: &Content, whom: &str) -> (String, String) {
    let hot = content.exploitation.exploited || content.exploitation.kev.is_some();
    let word = match kind {
        EventKind::Withdrawn if content.withdrawn => "Withdrawn",
        EventKind::Withdrawn => "No longer listed as exploited",
        EventKind::Corrected => "Corrected",
        EventKind::Escalated => "More urgent now",
        EventKind::Published if hot => "Being exploited now",
        EventKind::Published => "New",
        EventKind::Updated => "Update",
    };
    let note = if kind == EventKind::Withdrawn && content.withdrawn {
        "The publisher has taken it back."
    } else if kind == EventKind::Withdrawn {
        "The flaw itself stands: update as you would for any other."
    } else if content.exploitation.ransomware {
        "Known to be used in ransomware campaigns."
    } else if hot && kind != EventKind::Published {
        "Attackers exploit it already."
    } else {
        ""
    };
    (format!("{word}: {whom}."), note.to_owned())
}

fn preheader(content: &Content, title: &str) -> String {
    let rating = match content.severity {
        Severity::Unknown => "Not rated yet",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    };
    let exploited =
        if content.exploitation.exploited || content.exploitation.kev.is_some() { ", exploited" } else { "" };
    format!("{rating}{exploited}: {title}")
}

fn band(content: &Content) -> &'static str {
    if content.withdrawn {
        ground("calm")
    } else if content.exploitation.exploited || content.exploitation.kev.is_some() {
        ground("exploited")
    } else if content.severity >= Severity::High {
        ground(content.severity.as_str())
    } else {
        ground("calm")
    }
}

/// The words that sort an advisory at a glance.
pub fn badges(content: &Content) -> Vec<Badge> {
    let mut badges = Vec::new();
    if content.withdrawn {
        badges.push(Badge { word: "Withdrawn", ground: ground("unknown") });
    }
    if content.exploitation.exploited || content.exploitation.kev.is_some() {
        badges.push(Badge { word: "Exploited", ground: ground("exploited") });
    }
    if content.exploitation.ransomware {
        badges.push(Badge { word: "Ransomware", ground: ground("exploited") });
    }
    let word = match content.severity {
        Severity::Unknown => "Not rated",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    };
    badges.push(Badge { word, ground: ground(content.severity.as_str()) });
    badges
}

fn said(line: &Line) -> Said {
    let by = line.by.as_ref();
    let url = by.and_then(|by| link(&by.url)).map_or_else(String::new, |(address, _)| address);
    Said { text: cut(&line.text, SAID), source: by.map_or_else(String::new, |by| cut(&by.name, 80)), url }
}

/// The pages of those who say `lines` that are not among `sources`, each once.
fn further<'a>(lines: impl Iterator<Item = &'a Line>, sources: &[Link]) -> Vec<Link> {
    let mut further: Vec<Link> = Vec::new();
    for by in lines.filter_map(|line| line.by.as_ref()) {
        let Some((url, host)) = link(&by.url) else { continue };
        if !sources.iter().chain(&further).any(|known| known.url == url) {
            further.push(Link { name: cut(&by.name, 80), url, host });
        }
    }
    further
}

/// What the sources say to do, each with who says it.
fn stated(content: &Content) -> Vec<Step> {
    let lines = context::todo(content);
    let lines = lines.iter().filter(|line| line.by.is_some()).map(said);
    lines
        .map(|said| Step { text: format!("{} ({})", said.text, said.source), url: String::new(), host: String::new() })
        .collect()
}

fn steps(content: &Content, mine: &[String]) -> Vec<Step> {
    let plain = |text: String| Step { text, url: String::new(), host: String::new() };
    let notice = content.references.iter().map(source).find(|known| !known.url.is_empty());
    let read = |what: &str| match &notice {
        Some(known) => {
            Step { text: format!("{what} from {}:", known.name), url: known.url.clone(), host: known.host.clone() }
        }
        None => plain("No source gives a page to read. Look on the vendor's own site.".to_owned()),
    };
    if content.withdrawn {
        let again = "If you changed something because of it, decide whether that should stay.";
        return vec![read("Read what was taken back,"), plain(again.to_owned())];
    }
    let mut steps = stated(content);
    let what = if mine.is_empty() { "what it names".to_owned() } else { list(mine, 3) };
    let hot = content.exploitation.exploited || content.exploitation.kev.is_some();
    match content.kind {
        AdvisoryKind::Vulnerability => {
            steps.push(read("Read which versions are affected and which fix it,"));
            steps.push(plain(format!("Check the version of {what} at every customer, and update.")));
            steps.push(plain(
                "Cannot update today? Take it off the internet, or let in only addresses you know.".to_owned(),
            ));
        }
        AdvisoryKind::Alert => {
            steps.push(read("Read what attackers do,"));
            steps.push(plain(format!("Compare it with the settings and logs of {what} at every customer.")));
        }
    }
    if hot {
        steps.push(plain("Look for signs of a break-in too: an update does not remove an intruder.".to_owned()));
    }
    steps.push(plain("Tell the customers concerned what you found and what you did.".to_owned()));
    steps
}

fn source(reference: &Reference) -> Link {
    let (url, host) = link(&reference.url).unwrap_or_default();
    let name = [&reference.name, &reference.source].into_iter().map(|name| cut(name, 80)).find(|name| !name.is_empty());
    Link { name: name.unwrap_or_else(|| "a source".to_owned()), url, host }
}

fn cves(content: &Content, listed: usize) -> Vec<Link> {
    let record = |id: &crate::model::cve::CveId| Link {
        name: id.to_string(),
        url: format!("https://www.cve.org/CVERecord?id={id}"),
        host: "www.cve.org".to_owned(),
    };
    content.cves.iter().take(listed).map(record).collect()
}

/// The summary is the fullest item's, which need not be the first: with many sources none is named.
fn quote(content: &Content) -> Option<Quote> {
    let text = shorten(&paragraphs(&content.summary), QUOTE);
    let source = match &content.references[..] {
        [only] => source(only).name,
        _ => "the fullest of the sources".to_owned(),
    };
    (!text.is_empty()).then(|| Quote { source, lines: text.lines().map(str::to_owned).collect() })
}
