//! What it is, and what it touches.

use super::{Line, listed};
use crate::model::advisory::{AdvisoryKind, Content};
use crate::model::facts::Versions;
use crate::model::platform::{PlatformId, Tag};
use crate::model::{text, weakness};

/// Most platforms in the sentence, and most lines about what is touched.
const NAMED: usize = 3;
const TOUCHED: usize = 8;
/// Longest list of versions in a line, in characters.
const VERSIONS: usize = 200;

/// One plain sentence.
#[must_use]
pub fn what(content: &Content, name: &dyn Fn(&PlatformId) -> String) -> Line {
    let subject = subject(content, name);
    let place = if subject.is_empty() { String::new() } else { format!(" in {subject}") };
    // A title that names it need not be told what it is about.
    let said = text::fold(&content.title).contains(&text::fold(&subject));
    let unsaid = if said { "" } else { place.as_str() };
    let publisher = content.references.first().map(super::origin);
    if content.kind == AdvisoryKind::Alert {
        let about = if said { String::new() } else { format!(" about {subject}") };
        return Line { text: format!("A warning{about}: {}", sentence(&content.title)), by: publisher };
    }
    let known = content.facts.weaknesses.iter().find_map(|cwe| Some((cwe, weakness::effect(&cwe.text)?)));
    let count = content.cves.len();
    let (text, by) = match (known, count) {
        (Some((cwe, effect)), 0..=1) => (format!("A flaw{place} that {effect} ({}).", cwe.text), Some(cwe.by.clone())),
        (Some((cwe, effect)), _) => {
            (format!("{count} flaws{place}. One of them {effect} ({}).", cwe.text), Some(cwe.by.clone()))
        }
        (None, 0) => (format!("A security notice{unsaid}: {}", sentence(&content.title)), publisher),
        (None, 1) => (format!("A flaw{unsaid}: {}", sentence(&content.title)), publisher),
        (None, _) => (format!("{count} flaws{unsaid}: {}", sentence(&content.title)), publisher),
    };
    Line { text, by }
}

fn sentence(title: &str) -> String {
    let title = text::truncate(title, 200);
    if title.ends_with(['.', '!', '?', '…']) { title } else { format!("{title}.") }
}

/// The platforms, the surest first; products that are no platform of ours where there is none.
fn subject(content: &Content, name: &dyn Fn(&PlatformId) -> String) -> String {
    let names: Vec<String> = surest(content).iter().map(|tag| name(&tag.platform)).collect();
    if !names.is_empty() {
        return listed(&names, NAMED);
    }
    let mut products: Vec<String> = content.facts.versions.iter().map(|versions| versions.product.clone()).collect();
    products.dedup();
    listed(&products, NAMED)
}

fn surest(content: &Content) -> Vec<&Tag> {
    let mut tags: Vec<&Tag> = content.affected().collect();
    tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then_with(|| a.platform.cmp(&b.platform)));
    tags
}

/// The platforms with the versions that are stated of them, then other products with versions.
#[must_use]
pub fn touches(content: &Content, name: &dyn Fn(&PlatformId) -> String) -> Vec<Line> {
    let mut used: Vec<&Versions> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut bare: Vec<String> = Vec::new();
    for tag in surest(content) {
        let of_it: Vec<&Versions> = content.facts.versions.iter().filter(|one| is_of(one, tag)).take(NAMED).collect();
        if of_it.is_empty() {
            bare.push(name(&tag.platform));
        }
        lines.extend(of_it.iter().filter(|one| !used.contains(one)).map(|one| worded(one)));
        used.extend(of_it);
    }
    if !bare.is_empty() {
        // Without versions, one line says it all.
        lines.push(Line::own(&format!("{}: the sources state no versions.", listed(&bare, TOUCHED))));
    }
    let others = content.facts.versions.iter().filter(|one| !used.contains(one)).count();
    if lines.is_empty() {
        lines.extend(content.facts.versions.iter().take(TOUCHED).map(worded));
    } else if others > 0 {
        let word = if others == 1 { "product" } else { "products" };
        lines.push(Line::own(&format!("And {others} more {word} that the sources name with versions.")));
    }
    if lines.is_empty() {
        lines.push(Line::own("No platform that we know is named. The source says what is affected."));
    }
    let more = lines.len().saturating_sub(TOUCHED);
    lines.truncate(TOUCHED);
    if more > 0 {
        lines.push(Line::own(&format!("and {more} more.")));
    }
    lines
}

/// Whether versions are stated of what gave the tag.
fn is_of(versions: &Versions, tag: &Tag) -> bool {
    let product = text::fold(&versions.product);
    let words = tag.evidence.iter().map(|piece| text::fold(&piece.alias));
    words.into_iter().any(|alias| !alias.is_empty() && (product.contains(&alias) || alias.contains(&product)))
}

fn worded(one: &Versions) -> Line {
    let mut parts = Vec::new();
    if !one.affected.is_empty() {
        parts.push(format!("affected {}", text::truncate(&one.affected, VERSIONS)));
    }
    if !one.fixed.is_empty() {
        parts.push(format!("fixed in {}", text::truncate(&one.fixed, VERSIONS)));
    }
    Line { text: format!("{}: {}.", one.product, parts.join("; ")), by: Some(one.by.clone()) }
}
