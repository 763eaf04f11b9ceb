//! Which product is affected and which is not (`product_status`, section 3.2.3.9 of CSAF 2.0, 3.2.4.11 of 2.1).

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::notes::Notes;
use super::products::Tree;
use super::{text_at, texts_at, vulnerabilities_of};
use crate::model::platform::{Product, ProductStatus};

/// Groups of statuses and what each says. `recommended` is advice, not a status.
const GROUPS: &[(&str, ProductStatus)] = &[
    ("/product_status/first_affected", ProductStatus::Affected),
    ("/product_status/known_affected", ProductStatus::Affected),
    ("/product_status/last_affected", ProductStatus::Affected),
    ("/product_status/first_fixed", ProductStatus::Fixed),
    ("/product_status/fixed", ProductStatus::Fixed),
    ("/product_status/known_not_affected", ProductStatus::NotAffected),
    ("/product_status/under_investigation", ProductStatus::UnderInvestigation),
    ("/product_status/unknown", ProductStatus::UnderInvestigation),
];

/// Most products kept of one document, after those that differ in version alone have been joined.
const PRODUCTS_MAX: usize = 500;
/// Most versions told of one product.
const VERSIONS_MAX: usize = 20;
/// Most statuses read of one document.
const STATUSES_MAX: usize = 1_000_000;

/// The status of each product id over all vulnerabilities of a document, the gravest first counted.
#[derive(Default)]
pub struct Statuses<'a> {
    of: HashMap<&'a str, ProductStatus>,
    order: Vec<&'a str>,
}

impl<'a> Statuses<'a> {
    /// Reads the statuses of all vulnerabilities.
    ///
    /// A product that a vulnerability puts into groups that exclude each other (test 6.1.6) counts as affected.
    pub fn read(document: &'a Value, notes: &mut Notes) -> Self {
        let mut statuses = Self::default();
        let mut read = 0;
        for vulnerability in vulnerabilities_of(document) {
            let mut here: HashMap<&str, ProductStatus> = HashMap::new();
            for (group, status) in GROUPS {
                for id in texts_at(vulnerability, group) {
                    read += 1;
                    if read > STATUSES_MAX {
                        notes.add(format!(
                            "the document has more than {STATUSES_MAX} product statuses; the rest was not read"
                        ));
                        return statuses;
                    }
                    let before = *here.entry(id).or_insert(*status);
                    if before != *status {
                        here.insert(id, ProductStatus::Affected);
                        notes.add(format!(
                            "{}: the product {id} is in groups of product_status that exclude each other (test 6.1.6); it counts as affected",
                            name(vulnerability)
                        ));
                    }
                    statuses.keep(id, here[id]);
                }
            }
        }
        statuses
    }

    fn keep(&mut self, id: &'a str, status: ProductStatus) {
        match self.of.get_mut(id) {
            Some(known) if gravity(status) > gravity(*known) => *known = status,
            Some(_) => {}
            None => {
                self.order.push(id);
                self.of.insert(id, status);
            }
        }
    }

    /// Whether all that is said is that products are not affected.
    #[must_use]
    pub fn quiet(&self) -> bool {
        !self.of.is_empty() && self.of.values().all(|status| *status == ProductStatus::NotAffected)
    }

    /// The ids of affected products.
    #[must_use]
    pub fn affected(&self) -> HashSet<&'a str> {
        self.of.iter().filter(|(_, status)| status.is_affected()).map(|(id, _)| *id).collect()
    }

    /// The products with their status; those that differ in version alone are one. Where the document gives no status
    /// (an informational advisory, say), all products of the tree.
    pub fn products(&self, tree: &Tree<'a>, notes: &mut Notes) -> Vec<Product> {
        let ids = if self.order.is_empty() { tree.leaves() } else { &self.order };
        let mut joined = Joined::default();
        for id in ids {
            if !tree.knows(id) {
                notes.add(format!(
                    "the product {id} has a status but is not in the product tree (test 6.1.1); it was left out"
                ));
            }
            let status = self.of.get(id).copied().unwrap_or_default();
            for named in tree.resolve(id) {
                joined.add(named, status);
            }
        }
        if joined.left_out > 0 {
            notes.add(format!("{} products beyond the first {PRODUCTS_MAX} were left out", joined.left_out));
        }
        joined.products
    }
}

/// How grave a status is beside another of the same product.
fn gravity(status: ProductStatus) -> u8 {
    match status {
        ProductStatus::Affected => 3,
        ProductStatus::UnderInvestigation => 2,
        ProductStatus::Fixed => 1,
        ProductStatus::NotAffected => 0,
    }
}

fn name(vulnerability: &Value) -> &str {
    let names = [text_at(vulnerability, "/cve"), text_at(vulnerability, "/title")];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("a vulnerability")
}

/// Products joined over their versions.
#[derive(Default)]
struct Joined {
    products: Vec<Product>,
    at: HashMap<(String, String, ProductStatus), (usize, HashSet<String>)>,
    left_out: usize,
}

impl Joined {
    fn add(&mut self, named: &super::products::Named, status: ProductStatus) {
        let key = (named.vendor.clone(), named.product.clone(), status);
        if let Some((index, versions)) = self.at.get_mut(&key) {
            let product = &mut self.products[*index];
            if product.cpe.is_empty() {
                product.cpe.clone_from(&named.cpe);
            }
            if !named.versions.is_empty() && versions.insert(named.versions.clone()) {
                match versions.len() {
                    1 => product.versions.clone_from(&named.versions),
                    n if n <= VERSIONS_MAX => product.versions.extend(["; ", &named.versions]),
                    n if n == VERSIONS_MAX + 1 => product.versions.push_str("; and more"),
                    _ => {}
                }
            }
            return;
        }
        if self.products.len() == PRODUCTS_MAX {
            self.left_out += 1;
            return;
        }
        let versions = Some(named.versions.clone()).filter(|versions| !versions.is_empty()).into_iter().collect();
        self.at.insert(key, (self.products.len(), versions));
        self.products.push(Product {
            vendor: named.vendor.clone(),
            product: named.product.clone(),
            cpe: named.cpe.clone(),
            versions: named.versions.clone(),
            status,
        });
    }
}
