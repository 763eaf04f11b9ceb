//! `[[platform]]` as it was written, checked on the way: unknown, missing and mistyped keys, and names that could
//! never match or would match everything.

use std::collections::BTreeMap;

use super::catalog::{CATEGORIES, Platform};
use super::fold::{NAME_MAX, fold_name};
use super::products;
use crate::config::fault::{Faults, quoted, suggestion};
use crate::config::written::{At, Table, document};
use crate::model::platform::PlatformId;

const KEYS: [&str; 15] = [
    "id", "name", "vendor", "category", "aliases", "former", "weak", "near", "not", "case", "cpes", "kev", "same_as",
    "hits", "misses",
];
const REQUIRED: [&str; 4] = ["id", "name", "vendor", "category"];

/// A platform and where those of its values stand that are judged against other platforms.
struct Read {
    platform: Platform,
    id: At<String>,
    same_as: Option<At<String>>,
}

/// The sound platforms in `text`, in order; what is not sound is told.
pub(super) fn read(text: &str, faults: &mut Faults<'_>) -> Vec<Platform> {
    let Some(document) = document(text, faults) else { return Vec::new() };
    let root = Table::new(&document, 1, String::new());
    root.refuse_unknown(&["platform"], faults);
    let tables = root.tables("platform", faults);
    let read: Vec<Read> =
        tables.into_iter().enumerate().filter_map(|(index, table)| platform(index, table, faults)).collect();
    refuse_repeated_ids(&read, faults);
    refuse_broken_links(&read, faults);
    read.into_iter().map(|read| read.platform).collect()
}

fn refuse_repeated_ids(read: &[Read], faults: &mut Faults<'_>) {
    let mut lines = BTreeMap::new();
    for Read { id, .. } in read {
        if let Some(first) = lines.get(&id.value) {
            let message = format!("is also the id of the platform on line {first}; every platform needs its own");
            faults.add(id.line, format!("platform {}: id", id.value), message);
        } else {
            lines.insert(&id.value, id.line);
        }
    }
}

fn refuse_broken_links(read: &[Read], faults: &mut Faults<'_>) {
    for Read { id, same_as, .. } in read {
        let Some(link) = same_as else { continue };
        let key = format!("platform {}: same_as", id.value);
        match read.iter().find(|other| other.id.value == link.value) {
            None => {
                let hint = suggestion(&link.value, read.iter().map(|other| other.id.value.as_str()));
                faults.add(link.line, key, format!("no platform has the id {}{hint}", quoted(&link.value)));
            }
            Some(other) if other.same_as.is_some() => {
                faults.add(link.line, key, format!("{} is itself the same as another; name that one", link.value));
            }
            Some(_) => {}
        }
    }
}

fn platform(index: usize, mut table: Table<'_, '_>, faults: &mut Faults<'_>) -> Option<Read> {
    table.name = format!("platform #{}", index + 1);
    let id = table.text("id", faults);
    if let Some(id) = id.as_ref().filter(|id| !id.value.is_empty()) {
        table.name = format!("platform {}", quoted(&id.value).trim_matches('\''));
    }
    table.refuse_unknown(&KEYS, faults);
    table.require(&REQUIRED, faults);
    let aliases = names("aliases", &table, faults);
    let former = names("former", &table, faults);
    let weak = names("weak", &table, faults);
    let near = names("near", &table, faults);
    let not = names("not", &table, faults);
    let cpes = cpes(&table, faults);
    if weak.is_empty() != near.is_empty() {
        let (there, absent) = if near.is_empty() { ("weak", "near") } else { ("near", "weak") };
        let line = table.line_of(there, faults);
        faults.add(line, table.path(there), format!("counts only together with `{absent}`; add it"));
    }
    if aliases.is_empty() && former.is_empty() && weak.is_empty() && cpes.is_empty() {
        let message = "nothing could ever match; give it `aliases`, `former`, `weak` or `cpes`";
        faults.add(table.line, table.path("aliases"), message);
    }
    let case = case(&[&aliases, &former, &weak], &table, faults);
    let category = category(&table, faults);
    let kev = kev(&table, faults);
    let same_as = table.text("same_as", faults);
    let name = shown("name", &table, faults);
    let vendor = shown("vendor", &table, faults);
    let hits = values(table.texts("hits", faults).unwrap_or_default());
    let misses = values(table.texts("misses", faults).unwrap_or_default());
    let id = id.filter(|id| sound_id(id, &table, faults))?;
    let platform = Platform {
        id: PlatformId(id.value.clone()),
        name: name?,
        vendor: vendor?,
        category: category?,
        aliases,
        former,
        weak,
        near,
        not,
        case,
        cpes,
        kev,
        same_as: same_as.as_ref().map(|link| PlatformId(link.value.clone())),
        hits,
        misses,
    };
    Some(Read { platform, id, same_as })
}

fn values(texts: Vec<At<String>>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}

fn sound_id(id: &At<String>, table: &Table<'_, '_>, faults: &mut Faults<'_>) -> bool {
    let sound = !id.value.is_empty()
        && id.value.len() <= NAME_MAX
        && id.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !id.value.starts_with('-')
        && !id.value.ends_with('-');
    if !sound {
        let message = format!("{} must be lowercase letters, digits and hyphens, such as n-central", quoted(&id.value));
        faults.add(id.line, table.path("id"), message);
    }
    sound
}

fn shown(key: &str, table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = table.text(key, faults)?;
    if text.value.trim().is_empty() {
        faults.add(text.line, table.path(key), "is empty; people read it");
        return None;
    }
    Some(text.value)
}

fn category(table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = table.text("category", faults)?;
    if !CATEGORIES.contains(&text.value.as_str()) {
        let hint = match suggestion(&text.value, CATEGORIES) {
            hint if hint.is_empty() => format!("; known: {}", CATEGORIES.join(", ")),
            hint => hint,
        };
        faults.add(text.line, table.path("category"), format!("unknown category {}{hint}", quoted(&text.value)));
        return None;
    }
    Some(text.value)
}

/// The names under `key`: none may be empty, without a letter or digit, or longer than the matcher's reach.
fn names(key: &str, table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for name in table.texts(key, faults).unwrap_or_default() {
        let folded = fold_name(&name.value);
        if !folded.chars().any(char::is_alphanumeric) {
            let message = format!("{} has no letter or digit; it would match anything or nothing", quoted(&name.value));
            faults.add(name.line, table.path(key), message);
        } else if folded.len() > NAME_MAX {
            let message = format!("{} is longer than {NAME_MAX} bytes; shorten it", quoted(&name.value));
            faults.add(name.line, table.path(key), message);
        } else {
            names.push(name.value);
        }
    }
    names
}

fn case(known: &[&Vec<String>], table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Vec<String> {
    let mut case = Vec::new();
    for name in table.texts("case", faults).unwrap_or_default() {
        if known.iter().any(|names| names.contains(&name.value)) {
            case.push(name.value);
        } else {
            let hint = suggestion(&name.value, known.iter().flat_map(|names| names.iter()).map(String::as_str));
            let message = format!("{} is not among `aliases`, `former` and `weak`{hint}", quoted(&name.value));
            faults.add(name.line, table.path("case"), message);
        }
    }
    case
}

fn cpes(table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Vec<String> {
    let mut cpes = Vec::new();
    for cpe in table.texts("cpes", faults).unwrap_or_default() {
        match products::core(&cpe.value) {
            Some((vendor, product)) => cpes.push(format!("{vendor}:{product}")),
            None => {
                let message = format!("{} is not vendor:product, such as veeam:one", quoted(&cpe.value));
                faults.add(cpe.line, table.path("cpes"), message);
            }
        }
    }
    cpes
}

fn kev(table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Vec<String> {
    let mut entries = Vec::new();
    for entry in table.texts("kev", faults).unwrap_or_default() {
        let parts = entry.value.split_once('/').map(|(vendor, product)| (vendor.trim(), product.trim()));
        if parts.is_some_and(|(vendor, product)| !vendor.is_empty() && !product.is_empty()) {
            entries.push(entry.value);
        } else {
            let message = format!("{} is not Vendor/Product, such as Veeam/Backup & Replication", quoted(&entry.value));
            faults.add(entry.line, table.path("kev"), message);
        }
    }
    entries
}
