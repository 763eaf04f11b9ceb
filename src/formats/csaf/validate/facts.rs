//! What several tests ask of a document, found once.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::Value;

use super::words::{self, Version};
use super::{Fault, Versions};

/// Most members of groups that are counted out: each holder may name a group that has every product.
const MEMBERS_MAX: usize = 2_000_000;

/// A product, by its place among those of the document.
pub type Product = u32;

/// One entry of the revision history.
pub struct Revision<'a> {
    /// Where it stands in the document.
    pub at: usize,
    /// Its date.
    pub date: (i64, u32),
    /// Its number.
    pub number: Version<'a>,
    /// The same as written.
    pub written: &'a str,
}

/// A document and what is known of it.
pub struct Facts<'a> {
    /// The document.
    pub document: &'a Value,
    /// Which version of the standard it follows.
    pub version: Versions,
    /// Its `document/category`.
    pub category: &'a str,
    /// Its `document/tracking/status`.
    pub status: &'a str,
    /// Its vulnerabilities.
    pub vulnerabilities: &'a [Value],
    /// The entries of its revision history that can be read, oldest first, by number where dates are alike.
    pub revisions: Vec<Revision<'a>>,
    /// The branches of its product tree, each after the one above it.
    pub branches: Vec<Branch<'a>>,
    /// Its full product names.
    pub names: Vec<Named<'a>>,
    products: HashMap<&'a str, Product>,
    groups: HashMap<&'a str, &'a [Value]>,
    members_left: Cell<usize>,
}

/// A branch of the product tree.
pub struct Branch<'a> {
    /// It.
    pub value: &'a Value,
    /// The branch above it, by its place among all.
    pub above: Option<usize>,
    /// How many branches it takes to come here.
    pub depth: usize,
    at: usize,
}

/// A full product name, wherever it stands.
pub struct Named<'a> {
    /// It.
    pub value: &'a Value,
    place: Place,
}

enum Place {
    /// In a branch, by its place among all.
    Branch(usize),
    /// In a list, at a place, below a property.
    Of(&'static str, usize, Option<&'static str>),
}

impl<'a> Facts<'a> {
    /// Looks at a document.
    pub fn new(document: &'a Value, version: Versions) -> Self {
        let tree = document.get("product_tree").unwrap_or(&Value::Null);
        let branches = branches(tree);
        let names = names(tree, &branches);
        let mut products = HashMap::with_capacity(names.len());
        for id in names.iter().map(|named| text(named.value, "product_id")).filter(|id| !id.is_empty()) {
            let next = Product::try_from(products.len()).unwrap_or(Product::MAX);
            products.entry(id).or_insert(next);
        }
        let groups = list(tree, "product_groups").iter();
        let groups = groups.map(|group| (text(group, "group_id"), list(group, "product_ids"))).collect();
        let head = document.get("document").unwrap_or(&Value::Null);
        let tracking = head.get("tracking").unwrap_or(&Value::Null);
        Self {
            document,
            version,
            category: text(head, "category"),
            status: text(tracking, "status"),
            vulnerabilities: list(document, "vulnerabilities"),
            revisions: revisions(list(tracking, "revision_history")),
            branches,
            names,
            products,
            groups,
            members_left: Cell::new(MEMBERS_MAX),
        }
    }

    /// `/document`.
    pub fn head(&self) -> &'a Value {
        self.document.get("document").unwrap_or(&Value::Null)
    }

    /// `/document/tracking`.
    pub fn tracking(&self) -> &'a Value {
        self.head().get("tracking").unwrap_or(&Value::Null)
    }

    /// `/product_tree`.
    pub fn tree(&self) -> &'a Value {
        self.document.get("product_tree").unwrap_or(&Value::Null)
    }

    /// The version of the document; absent where it cannot be read.
    pub fn number(&self) -> Option<Version<'a>> {
        Version::parse(text(self.tracking(), "version"))
    }

    /// Whether it is final, or interim.
    pub fn is_released(&self) -> bool {
        matches!(self.status, "final" | "interim")
    }

    /// The product of an id.
    pub fn product(&self, id: &str) -> Option<Product> {
        self.products.get(id).copied()
    }

    /// The members of a group.
    pub fn group(&self, id: &str) -> Option<&'a [Value]> {
        self.groups.get(id).copied()
    }

    /// The products that the tree defines of those in a list.
    pub fn products(&self, holder: &'a Value, name: &str) -> impl Iterator<Item = Product> {
        list(holder, name).iter().filter_map(|id| self.product(id.as_str()?))
    }

    /// The products that `product_ids` and `group_ids` name; absent where the document is too entangled to tell.
    pub fn members(&self, holder: &'a Value) -> Option<Vec<Product>> {
        let mut members: Vec<Product> = self.products(holder, "product_ids").collect();
        for group in list(holder, "group_ids").iter().filter_map(|id| self.group(id.as_str()?)) {
            self.members_left.set(self.members_left.get().checked_sub(group.len())?);
            members.extend(group.iter().filter_map(|id| self.product(id.as_str()?)));
        }
        Some(members)
    }

    /// The items of a list of each vulnerability, with the places of both.
    pub fn each(&self, name: &'static str) -> impl Iterator<Item = (Spot, &'a Value)> {
        self.vulnerabilities.iter().enumerate().flat_map(move |(of, vulnerability)| {
            let items = list(vulnerability, name).iter().enumerate();
            items.map(move |(at, item)| (Spot { of, name, at }, item))
        })
    }

    /// A fault of a full product name.
    pub fn at_name(&self, named: &Named<'_>, fault: Fault) -> Fault {
        match named.place {
            Place::Branch(at) => self.at_branch(at, fault.below("product")),
            Place::Of(list, at, None) => fault.below(at).below(list).below("product_tree"),
            Place::Of(list, at, Some(part)) => fault.below(part).below(at).below(list).below("product_tree"),
        }
    }

    /// A fault of a branch, by its place among all.
    pub fn at_branch(&self, at: usize, fault: Fault) -> Fault {
        let (mut fault, mut next) = (fault, Some(at));
        while let Some(branch) = next.map(|at| &self.branches[at]) {
            fault = fault.below(branch.at).below("branches");
            next = branch.above;
        }
        fault.below("product_tree")
    }

    /// The first vulnerability that a function finds a fault with; its pointer is put before.
    pub fn in_vulnerabilities(&self, fault: impl Fn(&'a Value) -> Option<Fault>) -> Option<Fault> {
        let mut vulnerabilities = self.vulnerabilities.iter().enumerate();
        vulnerabilities.find_map(|(at, one)| Some(fault(one)?.below(at).below("vulnerabilities")))
    }
}

/// The place of an item in a list of a vulnerability.
pub struct Spot {
    of: usize,
    name: &'static str,
    at: usize,
}

impl Spot {
    /// A fault of the item.
    pub fn fault(&self, why: impl Into<String>) -> Fault {
        Fault::here(why).below(self.at).below(self.name).below(self.of).below("vulnerabilities")
    }
}

/// The elements of a list of an object.
pub fn list<'a>(holder: &'a Value, name: &str) -> &'a [Value] {
    holder.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text of an object; empty where there is none.
pub fn text<'a>(holder: &'a Value, name: &str) -> &'a str {
    holder.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn revisions(history: &[Value]) -> Vec<Revision<'_>> {
    let read = |(at, entry)| {
        let written = text(entry, "number");
        Some(Revision { at, date: words::moment(text(entry, "date"))?, number: Version::parse(written)?, written })
    };
    let mut found: Vec<Revision<'_>> = history.iter().enumerate().filter_map(read).collect();
    found.sort_by(|a, b| a.date.cmp(&b.date).then_with(|| a.number.order(&b.number)));
    found
}

fn branches(tree: &Value) -> Vec<Branch<'_>> {
    let below = |holder, above: Option<usize>, depth| {
        let children = list(holder, "branches").iter().enumerate();
        children.map(move |(at, value)| Branch { value, above, depth, at })
    };
    let mut found: Vec<Branch<'_>> = below(tree, None, 1).collect();
    let mut next = 0;
    while let Some(branch) = found.get(next) {
        let children = below(branch.value, Some(next), branch.depth + 1);
        found.extend(children);
        next += 1;
    }
    found
}

fn names<'a>(tree: &'a Value, branches: &[Branch<'a>]) -> Vec<Named<'a>> {
    let of_branch = |(at, branch): (usize, &Branch<'a>)| {
        Some(Named { value: branch.value.get("product")?, place: Place::Branch(at) })
    };
    let mut found: Vec<Named<'_>> = branches.iter().enumerate().filter_map(of_branch).collect();
    for (at, value) in list(tree, "full_product_names").iter().enumerate() {
        found.push(Named { value, place: Place::Of("full_product_names", at, None) });
    }
    for name in ["relationships", "product_paths"] {
        for (at, made) in list(tree, name).iter().enumerate() {
            if let Some(value) = made.get("full_product_name") {
                found.push(Named { value, place: Place::Of(name, at, Some("full_product_name")) });
            }
        }
    }
    found
}
