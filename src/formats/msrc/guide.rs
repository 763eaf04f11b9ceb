//! The list of the update guide (`sug` API): one object for each vulnerability, without its products.

use serde_json::Value;

use super::{PAGE, VENDOR, id_of, title};
use crate::formats::{dates, draft, loose};
use crate::model::item::{Item, Parsed};
use crate::model::platform::Product;
use crate::model::severity::Severity;

/// The items of the list.
pub fn read(entries: &[Value], parsed: &mut Parsed) {
    for entry in entries {
        match item(entry) {
            Some(item) => parsed.items.push(item),
            None => parsed.dropped += 1,
        }
    }
}

/// One vulnerability; absent where it has no id.
fn item(entry: &Value) -> Option<Item> {
    let id = id_of(&loose::field(entry, "cveNumber"))?;
    let description = draft::body(&loose::field(entry, "description"));
    let impact = loose::name(entry, "impact");
    let no_action = entry.get("customerActionRequired") == Some(&Value::Bool(false));
    let mut paragraphs = vec![description];
    if !impact.is_empty() {
        paragraphs.push(format!("Impact: {impact}."));
    }
    if no_action {
        paragraphs.push("Customer action required: no.".to_owned());
    }
    let articles = loose::list(entry, "articles").iter();
    let mut steps = articles.filter(|article| {
        let kind = loose::field(article, "articleType").to_ascii_lowercase();
        matches!(kind.as_str(), "mitigation" | "workaround")
    });
    let action =
        steps.next().map(|step| draft::body(&loose::field(step, "description"))).filter(|text| !text.is_empty());
    // The tag names the product or component.
    let tag = loose::name(entry, "tag");
    let product = Product { vendor: VENDOR.to_owned(), product: tag, ..Product::default() };
    let yes = |key: &str| loose::field(entry, key).eq_ignore_ascii_case("yes");
    Some(Item {
        url: Some(format!("{PAGE}{id}")),
        title: title(&loose::field(entry, "cveTitle"), &id),
        text: draft::plain_body(&paragraphs.join("\n\n")),
        published: dates::parse(&loose::field(entry, "releaseDate")),
        updated: dates::parse(&loose::field(entry, "latestRevisionDate")),
        cves: id.parse().into_iter().collect(),
        products: Some(product).into_iter().filter(|product| !product.product.is_empty()).collect(),
        severity: loose::field(entry, "severity").parse().ok().filter(|rated| *rated != Severity::Unknown),
        scores: loose::score(&loose::field(entry, "vectorString"), loose::number(entry, "baseScore"), "")
            .into_iter()
            .collect(),
        weaknesses: loose::weaknesses(loose::texts(entry, "cweList")),
        exploited: yes("exploited"),
        native_id: Some(id),
        action,
        ..Item::default()
    })
}
