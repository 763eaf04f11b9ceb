//! Tests of what stands in `document`, and of ids of vulnerabilities.

use std::collections::HashSet;

use super::Fault;
use super::facts::{Facts, list, text};
use super::words::{GREATEST, LEAST, is_known_language, moment};

/// 6.1.12: the languages are in the IANA registry, of which we have those of two letters.
pub fn languages(facts: &Facts<'_>) -> Option<Fault> {
    ["lang", "source_lang"].into_iter().find_map(|name| {
        let tag = text(facts.head(), name);
        let known = tag.is_empty() || is_known_language(tag);
        (!known).then(|| Fault::here(format!("'{tag}' is not a language")).below(name).below("document"))
    })
}

/// 6.1.15: a translator says what was translated from.
pub fn translator(facts: &Facts<'_>) -> Option<Fault> {
    let head = facts.head();
    let translated = head.get("publisher").is_some_and(|publisher| text(publisher, "category") == "translator");
    (translated && head.get("source_lang").is_none())
        .then(|| Fault::at("/document", "a translator's document without 'source_lang'"))
}

/// 6.1.28: a translation is in another language.
pub fn translation(facts: &Facts<'_>) -> Option<Fault> {
    let (to, from) = (text(facts.head(), "lang"), text(facts.head(), "source_lang"));
    (!from.is_empty() && to.eq_ignore_ascii_case(from))
        .then(|| Fault::at("/document/source_lang", "it is translated into its own language"))
}

/// 6.1.23: no CVE id is used twice.
pub fn cves_once(facts: &Facts<'_>) -> Option<Fault> {
    let mut seen = HashSet::new();
    let mut cves = facts.vulnerabilities.iter().enumerate().map(|(at, one)| (at, text(one, "cve")));
    let (at, cve) = cves.find(|(_, cve)| !cve.is_empty() && !seen.insert(*cve))?;
    Some(Fault::here(format!("{cve} has another vulnerability")).below("cve").below(at).below("vulnerabilities"))
}

/// 6.1.24: no party is involved twice at one date.
pub fn involvements_once(facts: &Facts<'_>) -> Option<Fault> {
    facts.in_vulnerabilities(|vulnerability| {
        let mut seen = HashSet::new();
        let mut items = list(vulnerability, "involvements").iter().enumerate();
        let (at, _) = items.find(|(_, item)| !seen.insert((text(item, "party"), moment(text(item, "date")))))?;
        Some(Fault::here("the same party at the same date again").below(at).below("involvements"))
    })
}

/// What `document/distribution` of 2.1 says: the label, and the id and name of the group that it is shared with.
fn sharing<'a>(facts: &Facts<'a>) -> Option<(&'a str, &'a str, &'a str)> {
    let distribution = facts.head().get("distribution")?;
    let label = distribution.get("tlp").map_or("", |tlp| text(tlp, "label"));
    let group = distribution.get("sharing_group")?;
    Some((label, text(group, "id"), text(group, "name")))
}

fn of_group(bad: bool, why: &str) -> Option<Fault> {
    bad.then(|| Fault::at("/document/distribution/sharing_group", why))
}

/// 6.1.38: what is shared with everybody is CLEAR.
pub fn greatest_group(facts: &Facts<'_>) -> Option<Fault> {
    let (label, id, _) = sharing(facts)?;
    of_group(id == GREATEST && label != "CLEAR", "shared with everybody, yet not CLEAR")
}

/// 6.1.39: what is CLEAR is shared with everybody, or is a draft that nobody may have yet.
pub fn public_group(facts: &Facts<'_>) -> Option<Fault> {
    let (label, id, _) = sharing(facts)?;
    let draft = id == LEAST && facts.status == "draft";
    of_group(label == "CLEAR" && id != GREATEST && !draft, "CLEAR, yet shared with a group")
}

/// The names of the groups that everybody and that nobody belongs to.
const NAMES: &[(&str, &str)] = &[(GREATEST, "Public"), (LEAST, "No sharing allowed")];

/// 6.1.40: the names of everybody and nobody are used for these alone.
pub fn group_name(facts: &Facts<'_>) -> Option<Fault> {
    let (_, id, name) = sharing(facts)?;
    let taken = NAMES.iter().any(|(of, reserved)| name == *reserved && id != *of);
    of_group(taken, "a name that is reserved for another group")
}

/// 6.1.41: everybody and nobody have their names.
pub fn group_of_name(facts: &Facts<'_>) -> Option<Fault> {
    let (_, id, name) = sharing(facts)?;
    let bare = NAMES.iter().any(|(of, reserved)| id == *of && name != *reserved);
    of_group(bare, "a group without the name that it has to have")
}

/// 6.1.55: a license of one's own is explained in one note. Only what is written as such is taken for one: the lists of
/// SPDX are not here, and `LicenseRef-scancode-` names those of another public list.
pub fn license(facts: &Facts<'_>) -> Option<Fault> {
    let license = text(facts.head(), "license_expression");
    let own = license.split(|c: char| !(c.is_ascii_alphanumeric() || "-.:".contains(c))).any(|word| {
        let word = word.rsplit(':').next().unwrap_or_default();
        (word.starts_with("LicenseRef-") || word.starts_with("AdditionRef-")) && !word.contains("Ref-scancode-")
    });
    let notes = list(facts.head(), "notes").iter().filter(|note| text(note, "title") == "License");
    let categories: Vec<&str> = notes.map(|note| text(note, "category")).collect();
    (own && is_english(facts) && categories != ["legal_disclaimer"])
        .then(|| Fault::at("/document/notes", "not exactly one legal disclaimer with the title 'License'"))
}

/// Whether the document is in English, or does not say.
pub fn is_english(facts: &Facts<'_>) -> bool {
    let lang = text(facts.head(), "lang");
    lang.is_empty() || lang.split('-').next().is_some_and(|primary| primary.eq_ignore_ascii_case("en"))
}
