//! Normalize: items to drafts. Cleans what was published, names it, and reads out of the text what people act on.
//!
//! Identity is our own, never the parser's: a source's guid where it can be trusted, then the canonical link, then a
//! hash of title and date. A blank guid, or one that two items of a document share, is not trusted.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use url::Url;

use super::{gather, signals};
use crate::config::sources::{Source, SourceKind};
use crate::model::clock::Timestamp;
use crate::model::cve::CveId;
use crate::model::draft::Draft;
use crate::model::item::{ID_MAX, Item, TEXT_MAX, TITLE_MAX};
use crate::model::severity::Severity;
use crate::model::text;

/// Longest statement of what to do, in characters.
const ACTION_MAX: usize = 400;
/// Longest advisory id, in bytes.
const ALIAS_MAX: usize = 100;

/// Drafts of the items of one document, in its order. An item that says nothing at all, and a second one under the
/// same name, are left out.
#[must_use]
pub fn drafts(source: &Source, items: Vec<Item>, now: Timestamp) -> Vec<Draft> {
    let counts = Counts::of(&items);
    let mut seen = BTreeSet::new();
    let mut drafts = Vec::with_capacity(items.len());
    for item in items {
        let item = clean(item);
        if item.title.is_empty() && item.text.is_empty() {
            continue;
        }
        let keys = keys(&item, &counts);
        if keys.first().is_some_and(|key| seen.insert(key.clone())) {
            drafts.push(draft(source, item, keys, now));
        }
    }
    drafts
}

fn draft(source: &Source, item: Item, keys: Vec<String>, now: Timestamp) -> Draft {
    let mut cves: BTreeSet<CveId> = item.cves.iter().cloned().collect();
    cves.extend(CveId::find_all(&item.title));
    cves.extend(CveId::find_all(&item.text));
    let names = [item.title.as_str(), item.url.as_deref().unwrap_or(""), item.native_id.as_deref().unwrap_or("")];
    let content_hash = content_hash(&item);
    let aliases = aliases(&item, &names);
    let round_up = gather::round_up(&item.title);
    Draft {
        source: source.id.clone(),
        source_name: source.name.clone(),
        publisher: source.publisher.clone(),
        region: if source.kind == SourceKind::Government { source.country.clone() } else { String::new() },
        vendor: source.kind == SourceKind::Vendor,
        // What a list refers to, however little of it is shown, is a part of it.
        refers_to: (!round_up).then(|| gather::refers_to(&item.text, &aliases, item.url.as_deref())).flatten(),
        round_up,
        remembered: BTreeSet::new(),
        aliases,
        severity: severity(&item),
        exploited: item.exploited || item.kev.is_some() || signals::exploited(&item.title, &item.text),
        ransomware: item.kev.as_ref().is_some_and(|kev| kev.ransomware),
        withdrawn: item.withdrawn || signals::withdrawn(&item.title, &item.text),
        action: match (&item.kev, &item.action) {
            (Some(kev), _) => kev.action.clone(),
            (None, Some(action)) => text::truncate(&text::one_line(action), ACTION_MAX),
            (None, None) => signals::action(&item.text),
        },
        tags: Vec::new(),
        topics: Vec::new(),
        denied: BTreeSet::new(),
        first_seen: now,
        cves,
        keys,
        content_hash,
        item,
    }
}

/// What is stated as data, else the highest CVSS rating, else what the text says.
fn severity(item: &Item) -> Severity {
    let rated = || item.scores.iter().map(|score| Severity::from_cvss(score.base)).max();
    item.severity.or_else(rated).unwrap_or_else(|| signals::severity(&item.title, &item.text))
}

/// Ids in structured data, and those that title, address and native id show.
fn aliases(item: &Item, names: &[&str]) -> BTreeSet<String> {
    let mut aliases = signals::advisory_ids(names);
    let stated = item.aliases.iter().map(|alias| text::one_line(alias));
    aliases.extend(stated.filter(|alias| !alias.is_empty() && alias.len() <= ALIAS_MAX && !alias.starts_with("CVE-")));
    aliases
}

fn clean(mut item: Item) -> Item {
    item.title = text::truncate(&text::one_line(&item.title), TITLE_MAX);
    item.text = text::paragraphs(&item.text);
    if item.text.len() > TEXT_MAX {
        let mut end = TEXT_MAX;
        while !item.text.is_char_boundary(end) {
            end -= 1;
        }
        item.text.truncate(end);
        item.text.push('…');
    }
    item.native_id = item.native_id.map(|id| text::truncate(&text::one_line(&id), ID_MAX)).filter(|id| !id.is_empty());
    item.url = item.url.as_deref().and_then(canonical_url);
    if item.title.is_empty() {
        item.title = text::truncate(item.text.lines().next().unwrap_or_default(), 120);
    }
    item
}

/// The canonical form of a link: http or https, no fragment, no tracking parameters, order of the rest kept.
#[must_use]
pub fn canonical_url(link: &str) -> Option<String> {
    let mut url = Url::parse(link.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    url.set_fragment(None);
    if url.query().is_some() {
        let kept: Vec<&str> = url.query().unwrap_or_default().split('&').filter(|pair| !is_tracking(pair)).collect();
        let kept = kept.join("&");
        url.set_query((!kept.is_empty()).then_some(kept.as_str()));
    }
    Some(url.into())
}

fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.is_empty()
        || name.starts_with("utm_")
        || name.starts_with("vs_")
        || matches!(name.as_str(), "fbclid" | "gclid" | "mc_cid" | "mc_eid")
}

/// How often each guid and link occurs in a document: what repeats names nothing.
struct Counts {
    guids: HashMap<String, usize>,
    links: HashMap<String, usize>,
}

impl Counts {
    fn of(items: &[Item]) -> Self {
        let mut counts = Self { guids: HashMap::new(), links: HashMap::new() };
        for item in items {
            if let Some(id) = &item.native_id {
                *counts.guids.entry(text::one_line(id)).or_default() += 1;
            }
            if let Some(link) = item.url.as_deref().and_then(canonical_url) {
                *counts.links.entry(link).or_default() += 1;
            }
        }
        counts
    }
}

fn keys(item: &Item, counts: &Counts) -> Vec<String> {
    let mut keys = Vec::with_capacity(2);
    if let Some(id) = &item.native_id
        && counts.guids.get(id) == Some(&1)
    {
        keys.push(format!("guid:{id}"));
    }
    if let Some(link) = &item.url
        && counts.links.get(link) == Some(&1)
        && link.matches('/').count() > 2
        && Url::parse(link).is_ok_and(|url| url.path() != "/" || url.query().is_some())
    {
        keys.push(format!("link:{link}"));
    }
    if keys.is_empty() {
        let date = item.published.map_or_else(String::new, |at| at.to_string());
        keys.push(format!("hash:{}", sha256(&[&text::fold(&item.title), &date, item.url.as_deref().unwrap_or("")])));
    }
    keys
}

/// The hash of what a reader sees, folded, so that markup, case, spacing and tracking parameters do not count.
#[must_use]
pub fn content_hash(item: &Item) -> String {
    let structured = serde_json::to_string(&(
        &item.cves,
        &item.products,
        &severity(item),
        &item.kev,
        item.exploited,
        item.withdrawn,
        (&item.scores, &item.weaknesses, &item.ssvc),
        (&item.action, &item.workaround, &item.patch),
    ))
    .unwrap_or_default();
    sha256(&[&text::fold(&item.title), &text::fold(&item.text), &structured])
}

fn sha256(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        let text = "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"government\"\ncountry = \"US\"\nurl = \"https://a.example/feed\"\nformat = \"feed\"\nschedule = \"0 0 * * * *\"\n";
        let known = crate::config::sources::Known { formats: &["feed"], platforms: None, check_selector: &|_| Ok(()) };
        crate::config::sources::parse(text, "sources.toml", &known).expect("a good source").remove(0)
    }

    fn item(guid: &str, link: &str, title: &str) -> Item {
        Item {
            native_id: (!guid.is_empty()).then(|| guid.to_owned()),
            url: (!link.is_empty()).then(|| link.to_owned()),
            title: title.to_owned(),
            ..Item::default()
        }
    }

    #[test]
    fn a_guid_that_two_items_share_names_neither() {
        let items = vec![item("N/A", "https://a.example/1", "One"), item("N/A", "https://a.example/2", "Two")];
        let drafts = drafts(&source(), items, Timestamp(0));
        assert_eq!(drafts[0].keys, ["link:https://a.example/1"]);
        assert_eq!(drafts[1].keys, ["link:https://a.example/2"]);
    }

    #[test]
    fn an_item_without_guid_and_link_is_named_by_what_it_says() {
        let first = drafts(&source(), vec![item("", "", "Only a title")], Timestamp(0));
        let again = drafts(&source(), vec![item(" ", "", "Only  a TITLE")], Timestamp(9));
        assert!(first[0].keys[0].starts_with("hash:"));
        assert_eq!(first[0].keys, again[0].keys);
    }

    #[test]
    fn a_second_item_under_one_name_and_an_empty_one_are_left_out() {
        let items = vec![item("", "", "Same"), item("", "", "Same"), item("x", "", "")];
        assert_eq!(drafts(&source(), items, Timestamp(0)).len(), 1);
    }

    #[test]
    fn tracking_and_fragments_do_not_name_a_page() {
        assert_eq!(
            canonical_url("HTTPS://A.example:443/x?b=2&utm_source=rss&a=1#top").as_deref(),
            Some("https://a.example/x?b=2&a=1")
        );
        assert_eq!(canonical_url("javascript:alert(1)"), None);
    }

    #[test]
    fn cosmetic_edits_keep_the_hash_and_real_ones_change_it() {
        let hash =
            |title: &str, text: &str| content_hash(&Item { title: title.into(), text: text.into(), ..Item::default() });
        assert_eq!(hash("Flaw in X", "a b"), hash("FLAW in  X", "a\n b"));
        assert_ne!(hash("Flaw in X", "a b"), hash("Flaw in X", "a b c"));
    }
}
