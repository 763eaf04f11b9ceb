//! What a CSAF document says of itself: `document` (section 3.2.1 of CSAF 2.0, 3.2.2 of 2.1).

use serde_json::Value;
use url::Url;

use super::notes::Notes;
use super::products::Tree;
use super::status::Statuses;
use super::{list_at, text_at, texts_at, vulnerabilities, vulnerabilities_of};
use crate::formats::{dates, draft};
use crate::model::item::{Item, TEXT_MAX};
use crate::model::severity::Severity;
use crate::model::tlp::Tlp;

/// Most references, and most notes, that are looked at.
const LOOK: usize = 1_000;
/// Most further names of a document that are kept.
const ALIASES_MAX: usize = 20;
/// Shortest name that is taken for one of this document alone.
const ALIAS_MIN: usize = 5;
/// The group that everybody belongs to, and that nobody does (CSAF 2.1 section 3.2.2.5.1).
const EVERYBODY: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// The item of a document that came from `base`.
pub fn item(document: &Value, base: &Url, notes: &mut Notes) -> Item {
    let tree = Tree::read(document, notes);
    let statuses = Statuses::read(document, notes);
    let products = statuses.products(&tree, notes);
    let found = vulnerabilities::read(document, &tree, &statuses.affected(), notes);
    let text = text(document, &found.text);
    let id = text_at(document, "/document/tracking/id");
    let title = draft::title(text_at(document, "/document/title"), &text);
    let date = |pointer| dates::parse(text_at(document, pointer));
    Item {
        native_id: draft::native_id(id),
        url: address(document, base),
        title: if title.is_empty() { draft::title(id, "") } else { title },
        text,
        published: date("/document/tracking/initial_release_date"),
        updated: date("/document/tracking/current_release_date"),
        cves: found.cves,
        products,
        severity: severity(text_at(document, "/document/aggregate_severity/text")),
        aliases: aliases(document, id),
        scores: found.scores,
        weaknesses: found.weaknesses,
        action: found.action,
        workaround: found.workaround,
        patch: found.patch,
        exploited: found.exploited,
        withdrawn: withdrawn(document),
        quiet: statuses.quiet(),
        tlp: tlp(document, notes),
        ..Item::default()
    }
}

/// The tracking id and `tracking.aliases`: each names this document alone, so one that is too short to is left out.
fn aliases(document: &Value, id: &str) -> Vec<String> {
    let named = std::iter::once(id).chain(texts_at(document, "/document/tracking/aliases"));
    let distinct = named
        .map(str::trim)
        .filter(|name| name.chars().count() >= ALIAS_MIN && name.contains(|c: char| c.is_ascii_digit()));
    let mut aliases = Vec::new();
    for alias in distinct.filter_map(draft::native_id).take(ALIASES_MAX) {
        if !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    aliases
}

/// Profiles of CSAF 2.1 (section 4): taken back, or replaced by another document.
fn withdrawn(document: &Value) -> bool {
    matches!(text_at(document, "/document/category"), "csaf_withdrawn" | "csaf_superseded")
}

/// How far it may travel. In 2.0 a label may be missing, which we take for CLEAR since nothing is fetched with credentials.
fn tlp(document: &Value, notes: &mut Notes) -> Tlp {
    let label = text_at(document, "/document/distribution/tlp/label");
    let tlp = match label.parse() {
        Ok(tlp) => tlp,
        Err(_) if label.is_empty() => Tlp::Clear,
        Err(_) => {
            notes.add(format!("the TLP label '{label}' is unknown; it was taken for AMBER"));
            Tlp::Amber
        }
    };
    let group = text_at(document, "/document/distribution/sharing_group/id");
    if group.is_empty() || group.eq_ignore_ascii_case(EVERYBODY) { tlp } else { tlp.max(Tlp::Amber) }
}

/// The publisher's own word for how bad it is, in the languages of national CERTs; absent where it is on another scale.
fn severity(word: &str) -> Option<Severity> {
    match word.to_lowercase().as_str() {
        "" => None,
        "kritisch" | "critique" => Some(Severity::Critical),
        "hoch" | "sehr hoch" | "hoog" | "élevé" | "very high" => Some(Severity::High),
        "mittel" | "gemiddeld" | "moyen" => Some(Severity::Medium),
        "niedrig" | "laag" | "faible" => Some(Severity::Low),
        other => other.parse().ok().filter(|severity| *severity != Severity::Unknown),
    }
}

/// The page for people: of `self` references one that is no JSON, on the publisher's own host first; else an
/// external one that names the document; else the document itself.
fn address(document: &Value, base: &Url) -> Option<String> {
    let id = text_at(document, "/document/tracking/id").to_ascii_lowercase();
    let publisher = Url::parse(text_at(document, "/document/publisher/namespace")).ok();
    let home = publisher.as_ref().and_then(Url::domain).map(site);
    let mut best: Option<(u8, String)> = None;
    // Some publishers refer to the page from the vulnerabilities alone.
    let inner = vulnerabilities_of(document).flat_map(|one| list_at(one, "/references"));
    let inner = inner.filter(|reference| text_at(reference, "/category") == "self");
    for reference in list_at(document, "/document/references").take(LOOK).chain(inner.take(LOOK)) {
        let written = text_at(reference, "/url");
        let Some(link) = draft::link(written, base).filter(|_| Url::parse(written).is_ok()) else { continue };
        let own = matches!(text_at(reference, "/category"), "self");
        let at_home = home.is_some_and(|home| Url::parse(&link).is_ok_and(|url| url.domain().map(site) == Some(home)));
        let summary = text_at(reference, "/summary").to_ascii_lowercase();
        let named = !id.is_empty() && (link.to_ascii_lowercase().contains(&id) || summary.contains(&id));
        let rank = match (own, is_json(&link), at_home, named) {
            (true, false, true, true) => 7,
            (true, false, true, false) => 6,
            (true, false, false, _) => 5,
            (false, false, _, true) => 4,
            (true, true, true, _) => 3,
            (true, true, false, _) => 2,
            _ => 0,
        };
        if rank > best.as_ref().map_or(0, |(rank, _)| *rank) {
            best = Some((rank, link));
        }
    }
    best.map(|(_, link)| link)
}

fn is_json(link: &str) -> bool {
    Url::parse(link).is_ok_and(|url| url.path().to_ascii_lowercase().ends_with(".json"))
}

/// The last two labels of a host name: near enough to tell a publisher's pages from others'.
fn site(host: &str) -> &str {
    let second = host.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    &host[second..]
}

/// Summary and description of the document, or its general notes where it has neither; then its vulnerabilities.
fn text(document: &Value, vulnerabilities: &str) -> String {
    let of = |categories: &[&str]| {
        let notes = list_at(document, "/document/notes").take(LOOK);
        let notes = notes.filter(|note| categories.contains(&text_at(note, "/category")));
        notes.map(|note| draft::body(text_at(note, "/text"))).filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let mut parts = of(&["summary"]);
    parts.extend(of(&["description", "details"]));
    if parts.is_empty() && vulnerabilities.is_empty() {
        parts = of(&["general", "faq", "other"]);
    }
    parts.dedup();
    parts.push(vulnerabilities.to_owned());
    parts.retain(|part| !part.is_empty());
    crate::formats::plain::bounded(&parts.join("\n\n"), TEXT_MAX)
}
