//! Test 6.1.3: no product is defined by itself, in however many steps.

use std::collections::HashMap;

use super::Fault;
use super::facts::{Facts, list, text};

/// What is defined by undefined or plain products alone is taken away until nothing changes; what is left is a circle,
/// or hangs on one.
pub fn circles(facts: &Facts<'_>) -> Option<Fault> {
    let parts = parts(facts);
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (id, uses) in &parts {
        let made: Vec<&str> = uses.iter().copied().filter(|used| parts.contains_key(used)).collect();
        open.insert(id, made.len());
        for used in made {
            users.entry(used).or_default().push(id);
        }
    }
    let mut settled: Vec<&str> = open.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut left = parts.len();
    while let Some(id) = settled.pop() {
        left -= 1;
        for user in users.get(id).into_iter().flatten() {
            let count = open.get_mut(user).expect("every user is a made product");
            *count -= 1;
            if *count == 0 {
                settled.push(user);
            }
        }
    }
    let first = open.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id).min()?;
    Some(Fault::at("/product_tree", format!("{left} products are defined in a circle, {first} among them")))
}

/// What each made product is made of.
fn parts<'a>(facts: &Facts<'a>) -> HashMap<&'a str, Vec<&'a str>> {
    let mut parts: HashMap<&str, Vec<&str>> = HashMap::new();
    let id = |made: &'a serde_json::Value| made.get("full_product_name").map_or("", |name| text(name, "product_id"));
    for made in list(facts.tree(), "relationships") {
        let uses = ["product_reference", "relates_to_product_reference"].map(|name| text(made, name));
        parts.entry(id(made)).or_default().extend(uses);
    }
    for path in list(facts.tree(), "product_paths") {
        let uses = list(path, "subpaths").iter().map(|step| text(step, "next_product_reference"));
        let uses = uses.chain([text(path, "beginning_product_reference")]);
        parts.entry(id(path)).or_default().extend(uses);
    }
    parts.remove("");
    parts
}
