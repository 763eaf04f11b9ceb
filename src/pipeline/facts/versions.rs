//! Versions: which are affected, and which have the fix, by product.

use super::{is_record, origin, publisher};
use crate::model::draft::Draft;
use crate::model::facts::{Authority, Versions};
use crate::model::platform::{Product, ProductStatus};
use crate::model::text;

/// Most products kept.
const PRODUCTS: usize = 30;
/// Longest list of versions kept, in characters.
const VERSIONS: usize = 300;

/// The versions that `drafts` state. Each product is told by whoever is trusted most; of equals by the first to come.
pub fn of(drafts: &[Draft]) -> Vec<Versions> {
    let mut found: Vec<Versions> = Vec::new();
    let mut names: Vec<(String, Authority)> = Vec::new();
    for draft in drafts {
        let authority = authority(draft);
        let by = if authority == Authority::Other { publisher(draft) } else { origin(draft) };
        let mut own: Vec<Versions> = Vec::new();
        for product in draft.item.products.iter().filter(|product| !product.versions.is_empty()) {
            add(&mut own, product);
        }
        for versions in own {
            let name = text::fold(&versions.product);
            let known = names.iter().position(|(known, _)| *known == name);
            let versions = Versions { authority, by: by.clone(), ..versions };
            match known {
                Some(at) if authority < names[at].1 => {
                    names[at].1 = authority;
                    found[at] = versions;
                }
                Some(_) => {}
                None if found.len() < PRODUCTS => {
                    names.push((name, authority));
                    found.push(versions);
                }
                None => {}
            }
        }
    }
    found.sort_by_key(|versions| versions.authority);
    found
}

fn authority(draft: &Draft) -> Authority {
    match (draft.vendor, is_record(draft), draft.item.speaker.is_some()) {
        (true, false, _) => Authority::Vendor,
        (_, _, true) => Authority::Cna,
        _ => Authority::Other,
    }
}

/// Adds what one entry says of its product to what the others of the same draft say.
fn add(own: &mut Vec<Versions>, product: &Product) {
    let name = named(product);
    let at = own.iter().position(|known| known.product == name).unwrap_or_else(|| {
        own.push(Versions { product: name, ..Versions::default() });
        own.len() - 1
    });
    let list = match product.status {
        ProductStatus::Affected => &mut own[at].affected,
        ProductStatus::Fixed => &mut own[at].fixed,
        ProductStatus::NotAffected | ProductStatus::UnderInvestigation => return,
    };
    let known = list.split(", ").any(|known| known == product.versions);
    if list.is_empty() {
        *list = text::truncate(&product.versions, VERSIONS);
    } else if !known && list.len() < VERSIONS {
        *list = text::truncate(&format!("{list}, {}", product.versions), VERSIONS);
    }
}

/// Vendor and product without repeating the vendor, underscores of CPE names as spaces.
fn named(product: &Product) -> String {
    let (vendor, name) = (product.vendor.replace('_', " "), product.product.replace('_', " "));
    let whole = match (name.to_lowercase().starts_with(&vendor.to_lowercase()), vendor.is_empty()) {
        (true, _) | (_, true) => name,
        (false, false) => format!("{vendor} {name}"),
    };
    text::truncate(&text::one_line(&whole), 120)
}
