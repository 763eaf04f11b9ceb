//! Platforms from structured data: CPE names, `vendor:product` pairs and the names of CISA's KEV catalog.
//!
//! Rule: a CPE either is of a platform or is not; only names written for people are compared by their words.

use std::collections::{HashMap, HashSet};

use super::catalog::{Catalog, Category};
use super::fold::fold_name;
use super::index::Place;
use crate::model::platform::Product;

/// The longest CPE name or product name looked at, in bytes.
const NAME_MAX: usize = 1_000;

/// Tables from structured names to platforms.
pub(super) struct Products {
    /// By CPE vendor: product (or its beginning, where `true`), platform.
    cpes: HashMap<String, Vec<(String, bool, Place)>>,
    /// By folded `vendor/product`.
    kev: HashMap<String, Vec<(String, Place)>>,
    /// The entries that stand for a vendor as a whole.
    wholes: HashSet<Place>,
}

/// A platform that structured data names.
pub(super) struct Named {
    pub(super) platform: Place,
    /// As published.
    pub(super) matched: String,
    /// As in the catalog.
    pub(super) alias: String,
}

/// What the structured tables say of a product.
pub(super) struct Answer {
    /// The platforms that it is.
    pub(super) named: Vec<Named>,
    /// Where the tables know no more than its vendor: the name, written for people, to compare by its words.
    pub(super) ask: Option<String>,
}

impl Products {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut products = Self { cpes: HashMap::new(), kev: HashMap::new(), wholes: HashSet::new() };
        for (place, platform) in catalog.iter().enumerate() {
            let place = Place::try_from(place).unwrap_or(Place::MAX);
            if platform.category == Category::Vendor {
                products.wholes.insert(place);
            }
            for (vendor, product) in platform.cpes.iter().filter_map(|cpe| cpe.split_once(':')) {
                let begins = product.ends_with('*');
                let entry = (product.trim_end_matches('*').to_owned(), begins, place);
                products.cpes.entry(vendor.to_owned()).or_default().push(entry);
            }
            for kev in &platform.kev {
                if let Some((vendor, product)) = kev.split_once('/') {
                    products.kev.entry(kev_key(vendor, product)).or_default().push((kev.clone(), place));
                }
            }
        }
        products
    }

    /// What `product` is.
    pub(super) fn answer(&self, product: &Product) -> Answer {
        if [&product.vendor, &product.product, &product.cpe].iter().any(|part| part.len() > NAME_MAX) {
            return Answer { named: Vec::new(), ask: None };
        }
        let mut named = Vec::new();
        if let Some((vendor, name)) = cpe_core(&product.cpe) {
            named.extend(self.by_cpe(&vendor, &name, product.cpe.trim()));
        }
        named.extend(self.by_kev(&product.vendor, &product.product));
        if !self.is_product(&named) {
            named.extend(self.by_cpe(&cpe_part(&product.vendor), &cpe_part(&product.product), &shown(product)));
        }
        let for_machines =
            !product.product.contains(|c: char| c.is_whitespace() || c.is_uppercase()) && product.product.contains('_');
        let ask = !self.is_product(&named) && !product.product.is_empty() && !for_machines;
        Answer { named, ask: ask.then(|| shown(product)) }
    }

    /// Whether a product is among them, not just its vendor.
    fn is_product(&self, named: &[Named]) -> bool {
        named.iter().any(|named| !self.wholes.contains(&named.platform))
    }

    fn by_cpe(&self, vendor: &str, product: &str, matched: &str) -> Vec<Named> {
        let entries = self.cpes.get(vendor).map_or(&[][..], Vec::as_slice);
        let is = |name: &str, begins: bool| if begins { product.starts_with(name) } else { product == name };
        let hits = entries.iter().filter(|(name, begins, _)| is(name, *begins));
        hits.map(|(name, begins, platform)| Named {
            platform: *platform,
            matched: matched.to_owned(),
            alias: format!("{vendor}:{name}{}", if *begins { "*" } else { "" }),
        })
        .collect()
    }

    fn by_kev(&self, vendor: &str, product: &str) -> Vec<Named> {
        if vendor.is_empty() || product.is_empty() {
            return Vec::new();
        }
        let entries = self.kev.get(&kev_key(vendor, product)).map_or(&[][..], Vec::as_slice);
        let matched = format!("{}/{}", vendor.trim(), product.trim());
        let named = |(alias, platform): &(String, Place)| Named {
            platform: *platform,
            matched: matched.clone(),
            alias: alias.clone(),
        };
        entries.iter().map(named).collect()
    }
}

/// `Vendor Product`, without saying the vendor twice.
fn shown(product: &Product) -> String {
    let (vendor, name) = (product.vendor.trim(), product.product.trim());
    if vendor.is_empty() || fold_name(name).starts_with(&fold_name(vendor)) {
        return name.to_owned();
    }
    format!("{vendor} {name}")
}

fn kev_key(vendor: &str, product: &str) -> String {
    format!("{}/{}", fold_name(vendor), fold_name(product))
}

/// A vendor or product as CPE names spell it.
fn cpe_part(name: &str) -> String {
    name.trim().to_lowercase().replace('\\', "").replace(' ', "_")
}

/// Vendor and product of `cpe:2.3:a:vendor:product:...`, `cpe:/a:vendor:product...` or `vendor:product`.
fn cpe_core(cpe: &str) -> Option<(String, String)> {
    let cpe = cpe.trim();
    let from = |prefix: &str| {
        cpe.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix)).map(|_| &cpe[prefix.len()..])
    };
    let core = match from("cpe:2.3:").or_else(|| from("cpe:/")) {
        Some(rest) => rest.split_once(':')?.1,
        None => cpe,
    };
    let mut parts = split_unescaped(core);
    let vendor = parts.next().filter(|part| !part.is_empty())?;
    let product = parts.next().filter(|part| !part.is_empty())?;
    Some((vendor, product))
}

/// The parts between colons that no backslash escapes, unescaped, percent-encoding of CPE 2.2 included, lowercase.
fn split_unescaped(core: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut chars = core.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => parts.push(String::new()),
            _ => {
                let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                if let Some(part) = parts.last_mut() {
                    part.extend(c.to_lowercase());
                }
            }
        }
    }
    parts.into_iter().map(|part| percent_decoded(&part))
}

fn percent_decoded(part: &str) -> String {
    let mut decoded = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let hex = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex.filter(u8::is_ascii_graphic) {
            Some(byte) => {
                decoded.push(char::from(byte).to_ascii_lowercase());
                rest = &rest[at + 3..];
            }
            None => {
                decoded.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_of_every_sort_of_cpe_is_found() {
        let core = |cpe| cpe_core(cpe).map(|(vendor, product)| format!("{vendor} {product}"));
        let veeam = Some("veeam backup_&_replication".to_owned());
        assert_eq!(core("cpe:2.3:a:veeam:backup_\\&_replication:12.0:*:*:*:*:*:*:*"), veeam);
        assert_eq!(core("cpe:/a:Veeam:backup_%26_replication:12.0"), veeam);
        assert_eq!(core("veeam:backup_&_replication"), veeam);
        assert_eq!(core("cpe:2.3:a:notepad-plus-plus:notepad\\+\\+:8"), Some("notepad-plus-plus notepad++".to_owned()));
        for broken in ["", ":", "cpe:2.3:", "cpe:2.3:a", "cpe:2.3:a:veeam", "veeam", "cpe:/é", "cpe:/a:%", "\\"] {
            assert_eq!(core(broken), None, "{broken}");
        }
    }
}
