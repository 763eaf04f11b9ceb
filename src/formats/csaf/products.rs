//! The product tree (CSAF 2.0 and 2.1 section 3.2.2): which product an id means.
//!
//! Branches are walked with a stack of our own, to the 30 levels that section 5.5 allows and [`NODES_MAX`] in all.
//! Relationships (2.0) and product paths (2.1) make products of products and may run in circles: an id is followed
//! once.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::notes::Notes;
use super::{list_at, text_at, texts_at};
use crate::model::text;

/// Deepest branch that is read.
const DEPTH_MAX: usize = 30;
/// Most branches, products, relationships and members of groups read of one document.
const NODES_MAX: usize = 1_000_000;
/// Most products that one product may be made of, in however many steps.
const PARTS_MAX: usize = 64;
/// Longest name kept, in characters.
const NAME_MAX: usize = 200;

/// A product as the tree names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The branch of category `vendor`; what the CPE says where there is none.
    pub vendor: String,
    /// The branch of category `product_name`, else `product_family`, else the full product name.
    pub product: String,
    /// `vendor:product` of its CPE.
    pub cpe: String,
    /// The branches that narrow it to versions.
    pub versions: String,
}

enum Node<'a> {
    /// Full product names with this id: one in a sound document.
    Leaves(Vec<Named>),
    /// A product on or in another: the ids that it stands for.
    Made(Vec<&'a str>),
}

/// The products and product groups of a document, by id.
#[derive(Default)]
pub struct Tree<'a> {
    nodes: HashMap<&'a str, Node<'a>>,
    order: Vec<&'a str>,
    groups: HashMap<&'a str, Vec<&'a str>>,
    read: usize,
}

/// The categories of the branches above a product that say what it is.
#[derive(Clone, Copy, Default)]
struct Path<'a> {
    vendor: &'a str,
    family: &'a str,
    name: &'a str,
    version: &'a str,
    patch: &'a str,
}

impl<'a> Path<'a> {
    fn with(mut self, category: &str, name: &'a str) -> Self {
        match category {
            "vendor" => self.vendor = name,
            "product_family" => self.family = name,
            "product_name" => self.name = name,
            "product_version" | "product_version_range" => self.version = name,
            "patch_level" | "service_pack" => self.patch = name,
            _ => {}
        }
        self
    }
}

impl<'a> Tree<'a> {
    /// Reads the `product_tree` of a document.
    pub fn read(document: &'a Value, notes: &mut Notes) -> Self {
        let mut tree = Self::default();
        tree.branches(document, notes);
        for product in list_at(document, "/product_tree/full_product_names") {
            tree.leaf(product, Path::default());
        }
        for relationship in list_at(document, "/product_tree/relationships") {
            tree.relationship(relationship);
        }
        for path in list_at(document, "/product_tree/product_paths") {
            tree.product_path(path);
        }
        for group in list_at(document, "/product_tree/product_groups") {
            let members: Vec<&str> =
                texts_at(group, "/product_ids").take(NODES_MAX.saturating_sub(tree.read)).collect();
            tree.read += members.len() + 1;
            tree.groups.insert(text_at(group, "/group_id"), members);
        }
        if tree.read >= NODES_MAX {
            notes.add(format!("the product tree has more than {NODES_MAX} nodes; the rest was not read"));
        }
        tree
    }

    fn branches(&mut self, document: &'a Value, notes: &mut Notes) {
        let mut stack: Vec<(&Value, usize, Path<'_>)> =
            list_at(document, "/product_tree/branches").map(|branch| (branch, 1, Path::default())).collect();
        stack.reverse();
        while let Some((branch, depth, path)) = stack.pop() {
            if self.full() {
                return;
            }
            let path = path.with(text_at(branch, "/category"), text_at(branch, "/name"));
            if let Some(product) = branch.get("product") {
                self.leaf(product, path);
            }
            let first = stack.len();
            stack.extend(list_at(branch, "/branches").map(|child| (child, depth + 1, path)));
            if depth >= DEPTH_MAX && stack.len() > first {
                stack.truncate(first);
                notes.add(format!(
                    "the product tree is deeper than {DEPTH_MAX} levels (section 5.5); what lies deeper was not read"
                ));
            }
            stack[first..].reverse();
        }
    }

    fn full(&mut self) -> bool {
        self.read += 1;
        self.read > NODES_MAX
    }

    fn leaf(&mut self, product: &'a Value, path: Path<'_>) {
        let id = text_at(product, "/product_id");
        if self.full() || id.is_empty() {
            return;
        }
        let named = named(product, path);
        match self.nodes.get_mut(id) {
            Some(Node::Leaves(leaves)) if leaves.len() < PARTS_MAX && !leaves.contains(&named) => leaves.push(named),
            Some(_) => {}
            None => {
                self.order.push(id);
                self.nodes.insert(id, Node::Leaves(vec![named]));
            }
        }
    }

    /// 2.0: a product in relation to one other.
    fn relationship(&mut self, relationship: &'a Value) {
        let component = text_at(relationship, "/product_reference");
        let other = text_at(relationship, "/relates_to_product_reference");
        let parts = parts(component, [(text_at(relationship, "/category"), other)].into_iter());
        self.made(text_at(relationship, "/full_product_name/product_id"), parts);
    }

    /// 2.1: a product in relation to others, one after the other.
    fn product_path(&mut self, path: &'a Value) {
        let steps = list_at(path, "/subpaths").take(PARTS_MAX);
        let steps = steps.map(|step| (text_at(step, "/category"), text_at(step, "/next_product_reference")));
        let parts = parts(text_at(path, "/beginning_product_reference"), steps);
        self.made(text_at(path, "/full_product_name/product_id"), parts);
    }

    fn made(&mut self, id: &'a str, parts: Vec<&'a str>) {
        if self.full() || id.is_empty() {
            return;
        }
        self.nodes.entry(id).or_insert(Node::Made(parts));
    }

    /// Whether the tree defines `id`.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.nodes.contains_key(id)
    }

    /// The ids of the full product names, in document order.
    #[must_use]
    pub fn leaves(&self) -> &[&'a str] {
        &self.order
    }

    /// The products that `id` stands for; none where the tree does not say.
    #[must_use]
    pub fn resolve(&self, id: &'a str) -> Vec<&Named> {
        let (mut found, mut seen, mut stack) = (Vec::new(), HashSet::new(), vec![id]);
        while let Some(id) = stack.pop() {
            if seen.len() >= PARTS_MAX || !seen.insert(id) {
                continue;
            }
            match self.nodes.get(id) {
                Some(Node::Leaves(leaves)) => found.extend(leaves),
                Some(Node::Made(parts)) => stack.extend(parts.iter().rev()),
                None => {}
            }
        }
        found
    }

    /// The product ids of a `product_ids` and a `group_ids` list.
    #[must_use]
    pub fn members(&self, holder: &'a Value) -> HashSet<&'a str> {
        let groups = texts_at(holder, "/group_ids").filter_map(|group| self.groups.get(group)).flatten().copied();
        texts_at(holder, "/product_ids").chain(groups).collect()
    }
}

/// What a made product stands for: what it is a component of, where it is a part of that, and the component.
///
/// A product *installed on* a system does not make the system affected; a default component of it does.
fn parts<'a>(component: &'a str, steps: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<&'a str> {
    let wholes = steps.filter(|(category, _)| matches!(*category, "default_component_of" | "optional_component_of"));
    let mut parts: Vec<&str> = wholes.map(|(_, whole)| whole).collect();
    parts.push(component);
    parts.retain(|part| !part.is_empty());
    parts
}

fn named(product: &Value, path: Path<'_>) -> Named {
    let (cpe_vendor, cpe_product) = cpe_core(text_at(product, "/product_identification_helper/cpe"));
    let cpe = if cpe_vendor.is_empty() { String::new() } else { format!("{cpe_vendor}:{cpe_product}") };
    let first = |names: [&str; 4]| {
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        text::truncate(&text::one_line(name), NAME_MAX)
    };
    let versions = [versions(path.version), text::one_line(path.patch)];
    Named {
        vendor: first([path.vendor, &cpe_vendor, "", ""]),
        product: first([path.name, path.family, text_at(product, "/name"), &cpe_product]),
        cpe: text::truncate(&cpe, NAME_MAX),
        versions: text::truncate(versions.join(" ").trim(), NAME_MAX),
    }
}

/// Versions as people write them: `vers:generic/>=1.0|<2.4` is `>=1.0, <2.4`.
fn versions(name: &str) -> String {
    let constraints = match name.strip_prefix("vers:") {
        Some(specifier) => specifier.split_once('/').map_or(specifier, |(_, constraints)| constraints),
        None => return text::one_line(name),
    };
    if constraints.trim() == "*" {
        return "all versions".to_owned();
    }
    text::one_line(&constraints.split('|').map(str::trim).collect::<Vec<_>>().join(", "))
}

/// Vendor and product of a CPE 2.3 name or a CPE 2.2 URI; empty for what is neither.
fn cpe_core(cpe: &str) -> (String, String) {
    let rest = cpe.strip_prefix("cpe:2.3:").or_else(|| cpe.strip_prefix("cpe:/")).unwrap_or_default();
    let mut parts: Vec<String> = vec![String::new()];
    let mut escaped = false;
    for c in rest.chars().take(NAME_MAX) {
        match c {
            ':' if !escaped => parts.push(String::new()),
            c => parts.last_mut().expect("it begins with one").push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    match parts.as_slice() {
        [_, vendor, product, ..] if ![vendor, product].iter().any(|part| part.is_empty() || *part == "*") => {
            (vendor.clone(), product.clone())
        }
        _ => Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_and_cpe_names_are_read_in_both_notations() {
        for (written, expected) in [
            ("vers:generic/>=1.0|<2.4", ">=1.0, <2.4"),
            ("vers:all/*", "all versions"),
            ("<12.0.4 IF2", "<12.0.4 IF2"),
            ("vers:odd", "odd"),
        ] {
            assert_eq!(versions(written), expected);
        }
        let core = |cpe| {
            let (vendor, product) = cpe_core(cpe);
            format!("{vendor}:{product}")
        };
        assert_eq!(core("cpe:2.3:a:acme:tun\\:nel:1.0:*:*:*:*:*:*:*"), "acme:tun\\:nel");
        assert_eq!(core("cpe:/a:acme:tunnel:5.1"), "acme:tunnel");
        assert_eq!(core("cpe:2.3:*:*:*"), ":");
        assert_eq!(core("pkg:npm/tunnel"), ":");
    }

    #[test]
    fn circles_of_relationships_end() {
        let document = json!({"product_tree": {
        "full_product_names": [{"name": "Acme OS", "product_id": "OS"}],
        "relationships": [
            {"category": "default_component_of", "product_reference": "B", "relates_to_product_reference": "OS", "full_product_name": {"name": "A", "product_id": "A"}},
            {"category": "installed_on", "product_reference": "A", "relates_to_product_reference": "A", "full_product_name": {"name": "B", "product_id": "B"}},
        ]}});
        let tree = Tree::read(&document, &mut Notes::default());
        let found: Vec<_> = tree.resolve("B").iter().map(|named| named.product.as_str()).collect();
        assert_eq!(found, ["Acme OS"]);
        assert!(tree.resolve("nowhere").is_empty());
    }

    #[test]
    fn a_tree_deeper_than_the_standard_allows_is_cut_and_said() {
        let mut branch =
            json!({"category": "product_version", "name": "1", "product": {"name": "deep", "product_id": "D"}});
        for _ in 0..40 {
            branch = json!({"category": "product_family", "name": "f", "branches": [branch, {"category": "product_name", "name": "p", "product": {"name": "p", "product_id": "P"}}]});
        }
        let document = json!({"product_tree": {"branches": [branch]}});
        let mut notes = Notes::default();
        let tree = Tree::read(&document, &mut notes);
        assert!(tree.knows("P") && !tree.knows("D"));
        assert!(notes.finish()[0].contains("30 levels"));
    }
}
