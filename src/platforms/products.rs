//! Products as structured data names them: CPE names, and `Vendor/Product` as CISA's KEV catalog writes it.

use std::collections::HashMap;

use super::catalog::Catalog;
use super::fold::fold_name;
use crate::model::platform::Product;

/// A CPE name longer than this (in bytes) is not read.
const CPE_MAX: usize = 1_000;

/// The vendor and product of a CPE 2.3 name, a CPE 2.2 URI or a bare `vendor:product`, lowercase and without escapes.
pub(super) fn core(cpe: &str) -> Option<(String, String)> {
    let cpe = cpe.trim();
    if cpe.len() > CPE_MAX {
        return None;
    }
    let lower = cpe.to_ascii_lowercase();
    let (parts, is_uri) = match (lower.strip_prefix("cpe:2.3:"), lower.strip_prefix("cpe:/")) {
        (Some(name), _) => (split_unescaped(name), false),
        (_, Some(uri)) => (uri.split(':').map(percent_decoded).collect(), true),
        _ if lower.starts_with("cpe:") => return None,
        _ => {
            let mut parts = split_unescaped(&lower);
            parts.insert(0, String::new());
            (parts, false)
        }
    };
    let mut parts = parts.into_iter().skip(1);
    let (vendor, product) = (parts.next()?, parts.next()?);
    let named = |part: &str| !part.is_empty() && part != "-" && (part != "*" || is_uri);
    (named(&vendor) && (named(&product) || product == "*")).then_some((vendor, product))
}

fn split_unescaped(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = name.chars();
    while let Some(c) = characters.next() {
        match (c, parts.last_mut()) {
            (':', _) => parts.push(String::new()),
            ('\\', Some(last)) => last.extend(characters.next()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    parts
}

fn percent_decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = part.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                decoded.push(code);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// A platform that a product belongs to, and the catalog's entry that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) platform: usize,
    pub(super) entry: String,
}

/// The platforms by product.
#[derive(Debug, Default)]
pub(super) struct ProductIndex {
    /// By `vendor:product`.
    cpes: HashMap<String, Vec<Known>>,
    /// By CPE vendor: the beginnings of products.
    beginnings: HashMap<String, Vec<(String, Known)>>,
    /// By folded vendor, newline, folded product.
    kev: HashMap<String, Vec<Known>>,
}

impl ProductIndex {
    /// Of the platforms of `catalog`, numbered in its order.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut index = Self::default();
        for (number, platform) in catalog.iter().enumerate() {
            let known = |entry: &String| Known { platform: number, entry: entry.clone() };
            for cpe in &platform.cpes {
                match cpe.strip_suffix('*').and_then(|start| start.split_once(':')) {
                    Some((vendor, start)) => {
                        let beginnings = index.beginnings.entry(vendor.to_owned()).or_default();
                        beginnings.push((start.to_owned(), known(cpe)));
                    }
                    None => index.cpes.entry(cpe.clone()).or_default().push(known(cpe)),
                }
            }
            for entry in &platform.kev {
                let (vendor, product) = entry.split_once('/').unwrap_or((entry, ""));
                index.kev.entry(kev_key(vendor, product)).or_default().push(known(entry));
            }
        }
        index
    }

    /// What `product` belongs to.
    pub(super) fn find(&self, product: &Product) -> Vec<&Known> {
        let mut found: Vec<&Known> = Vec::new();
        if let Some((vendor, name)) = core(&product.cpe) {
            self.find_cpe(&vendor, &name, &mut found);
        }
        if !product.vendor.is_empty() && !product.product.is_empty() && product.product.len() <= CPE_MAX {
            found.extend(self.kev.get(&kev_key(&product.vendor, &product.product)).into_iter().flatten());
            self.find_cpe(&cpe_word(&product.vendor), &cpe_word(&product.product), &mut found);
        }
        found
    }

    fn find_cpe<'i>(&'i self, vendor: &str, product: &str, found: &mut Vec<&'i Known>) {
        found.extend(self.cpes.get(&format!("{vendor}:{product}")).into_iter().flatten());
        let beginnings = self.beginnings.get(vendor).into_iter().flatten();
        found.extend(beginnings.filter(|(start, _)| product.starts_with(start)).map(|(_, known)| known));
    }
}

fn kev_key(vendor: &str, product: &str) -> String {
    format!("{}\n{}", fold_name(vendor), fold_name(product))
}

fn cpe_word(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '\u{a0}'], "_").replace('\\', "")
}
