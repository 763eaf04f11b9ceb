//! What a written platform means: values judged, names compared across the whole catalog.
//!
//! Rule: a name that two platforms claim must be weak in both, or their entries say that they are the same product.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Category, Platform};
use super::fold::fold_name;
use super::written::{At, Faults, LISTS, WrittenPlatform};
use crate::config::fault::closest;
use crate::model::platform::PlatformId;

/// A name shorter than this (folded, in characters) cannot stand alone.
const STRONG_MIN: usize = 3;
/// A shorter one says nothing even with context.
const WEAK_MIN: usize = 2;
/// The longest name, phrase or example, in bytes.
const TEXT_MAX: usize = 1_000;
/// The most entries in one list of a platform.
const LIST_MAX: usize = 500;

/// The platforms that can be used; every fault goes to `faults`.
pub(super) fn check(written: &[WrittenPlatform], faults: &mut Faults<'_>) -> Vec<Platform> {
    if written.is_empty() {
        faults.add(
            1,
            "platform".to_owned(),
            "no [[platform]] in this file: nothing would be tagged; add one".to_owned(),
        );
    }
    refuse_repeated_ids(written, faults);
    refuse_unknown_twins(written, faults);
    refuse_shared_names(written, faults);
    written.iter().filter_map(|platform| platform_of(platform, faults)).collect()
}

fn platform_of(written: &WrittenPlatform, faults: &mut Faults<'_>) -> Option<Platform> {
    for key in LISTS {
        check_bounds(written, key, faults);
    }
    check_names(written, faults);
    for cpe in written.list("cpes") {
        check_cpe(written, cpe, faults);
    }
    for kev in written.list("kev") {
        if kev.value.split_once('/').is_none_or(|(vendor, product)| vendor.is_empty() || product.is_empty()) {
            fault(written, "kev", kev, "must be 'Vendor/Product' as the catalog writes them", faults);
        }
    }
    for host in written.list("hosts").iter().filter(|host| !is_host(&host.value)) {
        fault(written, "hosts", host, &format!("'{}' must be a host's name alone, in lowercase", host.value), faults);
    }
    let id = written.id.as_ref().filter(|id| {
        let good = is_id(&id.value);
        if !good {
            fault(written, "id", id, "must be 1 to 64 lowercase letters, digits and single hyphens", faults);
        }
        good
    });
    let category = written.category.as_ref().and_then(|category| {
        let known = Category::ALL.into_iter().find(|known| known.as_str() == category.value);
        if known.is_none() {
            let names: Vec<&str> = Category::ALL.iter().map(|known| known.as_str()).collect();
            let message = closest(&category.value, names.iter().copied()).map_or_else(
                || format!("'{}' is no category; known: {}", category.value, names.join(", ")),
                |name| format!("'{}' is no category; did you mean '{name}'?", category.value),
            );
            fault(written, "category", category, &message, faults);
        }
        known
    });
    let list = |key| written.list(key).iter().map(|text| text.value.clone()).collect::<Vec<_>>();
    Some(Platform {
        id: PlatformId(id?.value.clone()),
        name: written.name.as_ref()?.value.clone(),
        vendor: written.vendor.as_ref()?.value.clone(),
        category: category?,
        aliases: list("aliases"),
        former: list("former"),
        weak: list("weak"),
        near: list("near"),
        not: list("not"),
        exact: list("exact").into_iter().collect(),
        host: written.host,
        cpes: written.list("cpes").iter().map(|cpe| cpe.value.replace('\\', "").to_lowercase()).collect(),
        kev: list("kev"),
        advisories: list("advisories"),
        hosts: list("hosts"),
        same_as: written.same_as.as_ref().map(|id| PlatformId(id.value.clone())),
        hits: list("hits"),
        misses: list("misses"),
    })
}

fn check_bounds(written: &WrittenPlatform, key: &str, faults: &mut Faults<'_>) {
    let list = written.list(key);
    if let Some(over) = list.get(LIST_MAX) {
        fault(written, key, over, &format!("more than {LIST_MAX} entries"), faults);
    }
    let mut seen = BTreeSet::new();
    for text in list {
        if text.value.len() > TEXT_MAX {
            fault(written, key, text, &format!("longer than {TEXT_MAX} bytes"), faults);
        } else if !seen.insert(&text.value) {
            fault(written, key, text, &format!("'{}' stands here twice; drop one", text.value), faults);
        }
    }
}

fn check_names(written: &WrittenPlatform, faults: &mut Faults<'_>) {
    let strong = ["aliases", "former", "advisories"].into_iter().flat_map(|key| written.list(key));
    for (key, least, names) in
        [("aliases", STRONG_MIN, strong.collect::<Vec<_>>()), ("weak", WEAK_MIN, written.list("weak").iter().collect())]
    {
        for name in names {
            let letters = fold_name(&name.value).chars().filter(|c| c.is_alphanumeric()).count();
            if letters < least {
                let message =
                    format!("'{}' is too short to be told from chance; needs {least} letters or digits", name.value);
                fault(written, key, name, &message, faults);
            }
        }
    }
    let named = ["aliases", "weak", "advisories"].iter().any(|key| !written.list(key).is_empty());
    let vendor = written.category.as_ref().is_some_and(|category| category.value == Category::Vendor.as_str());
    if !named && (!vendor || written.list("cpes").is_empty()) {
        let line = written.list("hits").first().map_or(0, |hit| hit.line);
        faults.add(
            line,
            format!("{}: aliases", written.label),
            "no name to look for; add one to aliases or weak".to_owned(),
        );
    }
    if let (Some(weak), true) = (written.list("weak").first(), written.list("near").is_empty()) {
        fault(written, "weak", weak, "weak names never count without a 'near' list; add one", faults);
    }
    for phrase in ["near", "not"].into_iter().flat_map(|key| written.list(key)) {
        if fold_name(&phrase.value).is_empty() {
            fault(written, "near", phrase, &format!("'{}' has no letters", phrase.value), faults);
        }
    }
    for exact in written.list("exact") {
        let named = ["aliases", "former", "weak", "near"].into_iter().flat_map(|key| written.list(key));
        if !named.into_iter().any(|name| name.value == exact.value) {
            let message =
                format!("'{}' is none of its names; list it in aliases, former, weak or near too", exact.value);
            fault(written, "exact", exact, &message, faults);
        }
    }
    if written.list("hits").is_empty() && written.id.is_some() && (named || !vendor) {
        let line = written.id.as_ref().map_or(0, |id| id.line);
        faults.add(
            line,
            format!("{}: hits", written.label),
            "no example; write a sentence that must be tagged".to_owned(),
        );
    }
}

fn check_cpe(written: &WrittenPlatform, cpe: &At<String>, faults: &mut Faults<'_>) {
    let parts: Vec<&str> = cpe.value.split(':').collect();
    let bare = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    let good = match parts.as_slice() {
        [vendor, product] => bare(vendor) && !vendor.contains('*') && bare(product),
        _ => false,
    };
    let star = cpe.value.find('*').is_some_and(|at| at + 1 != cpe.value.len());
    if !good || star {
        let message = format!("'{}' must be 'vendor:product' of a CPE name; '*' only at its end", cpe.value);
        fault(written, "cpes", cpe, &message, faults);
    }
}

fn refuse_repeated_ids(written: &[WrittenPlatform], faults: &mut Faults<'_>) {
    let mut lines = BTreeMap::new();
    for id in written.iter().filter_map(|platform| platform.id.as_ref()) {
        if let Some(first) = lines.get(&id.value) {
            let message = format!("is also the id of the platform on line {first}; every platform needs its own");
            faults.add(id.line, format!("platform {}: id", id.value), message);
        } else {
            lines.insert(&id.value, id.line);
        }
    }
}

fn refuse_unknown_twins(written: &[WrittenPlatform], faults: &mut Faults<'_>) {
    let ids: BTreeSet<&str> =
        written.iter().filter_map(|platform| Some(platform.id.as_ref()?.value.as_str())).collect();
    for platform in written {
        let Some(twin) = &platform.same_as else { continue };
        if !ids.contains(twin.value.as_str()) {
            let hint = closest(&twin.value, ids.iter().copied())
                .map_or_else(String::new, |name| format!("; did you mean '{name}'?"));
            fault(platform, "same_as", twin, &format!("'{}' is no platform of this file{hint}", twin.value), faults);
        } else if platform.id.as_ref().is_some_and(|id| id.value == twin.value) {
            fault(platform, "same_as", twin, "names the platform itself", faults);
        }
    }
}

/// A platform that claims a name, and whether it is weak there.
type Owner<'w> = (&'w WrittenPlatform, bool);

fn refuse_shared_names(written: &[WrittenPlatform], faults: &mut Faults<'_>) {
    let mut owners: BTreeMap<(String, Option<String>), Vec<Owner<'_>>> = BTreeMap::new();
    for platform in written {
        for key in ["aliases", "former", "advisories", "weak"] {
            for name in platform.list(key) {
                let exact = platform.list("exact").iter().any(|exact| exact.value == name.value);
                let case = exact.then(|| name.value.clone());
                let sharers = owners.entry((fold_name(&name.value), case)).or_default();
                let weak = key == "weak";
                let clash = sharers.iter().find(|(other, other_weak)| !(same(platform, other) || weak && *other_weak));
                if let Some((other, _)) = clash {
                    let message = if std::ptr::eq(*other, platform) {
                        format!("'{}' is read like another of its own names; drop one", name.value)
                    } else {
                        let rest = "make it weak in both, or one of them same_as the other";
                        format!("'{}' is also a name of {}; {rest}", name.value, other.label)
                    };
                    fault(platform, key, name, &message, faults);
                }
                sharers.push((platform, weak));
            }
        }
    }
}

/// Whether the entries say that they are one product, or are one entry and the name weak and strong there.
fn same(one: &WrittenPlatform, other: &WrittenPlatform) -> bool {
    let says = |a: &WrittenPlatform, b: &WrittenPlatform| match (&a.same_as, &b.id) {
        (Some(twin), Some(id)) => twin.value == id.value,
        _ => false,
    };
    says(one, other) || says(other, one)
}

fn fault(written: &WrittenPlatform, key: &str, at: &At<String>, message: &str, faults: &mut Faults<'_>) {
    faults.add(at.line, format!("{}: {key}", written.label), message.to_owned());
}

fn is_host(host: &str) -> bool {
    host.contains('.')
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !id.starts_with('-')
        && !id.ends_with('-')
        && !id.contains("--")
}
