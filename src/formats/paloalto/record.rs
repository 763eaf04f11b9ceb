//! One advisory: a CVE record (CVE JSON 5) with the vendor's own additions.

use serde_json::Value;

use super::{PAGE, PRODUCTS_MAX, action, around, first_text, id_of, paragraphs, rating};
use crate::formats::{dates, draft, loose};
use crate::model::item::{Item, Score};
use crate::model::platform::{Product, ProductStatus};
use crate::model::severity::Severity;

/// Most ratings of one advisory.
const SCORES_MAX: usize = 10;
/// Ranges of one product that are spelled out.
const RANGES_MAX: usize = 40;

/// The advisory; absent where this is none.
pub fn item(record: &Value) -> Option<Item> {
    let metadata = record.get("cveMetadata")?;
    let id = id_of(&loose::field(metadata, "cveId"))?;
    let cna = record.get("containers")?.get("cna")?;
    let solution = first_text(cna, "solutions");
    let workaround = first_text(cna, "workarounds");
    let parts = ["descriptions", "configurations", "exploits"].map(|key| first_text(cna, key));
    let text = draft::plain_body(&paragraphs(&[&parts[0], &parts[1], &parts[2], &workaround]));
    let rated = Rated::of(cna);
    let changes = loose::list(cna, "timeline").iter().filter_map(|entry| dates::parse(&loose::field(entry, "time")));
    let cwes = loose::list(cna, "problemTypes").iter().flat_map(|kind| loose::list(kind, "descriptions"));
    Some(Item {
        url: Some(format!("{PAGE}{id}")),
        title: draft::title(&loose::field(cna, "title"), &text),
        published: dates::parse(&loose::field(cna, "datePublic")),
        updated: changes.max(),
        cves: loose::cves([id.clone(), solution.clone()].into_iter()),
        products: products(cna),
        severity: rated.severity,
        exploited: rated.attacked,
        scores: rated.scores,
        weaknesses: loose::weaknesses(cwes.map(|cwe| loose::field(cwe, "cweId"))),
        action: action(&solution, &workaround),
        workaround: around(&solution, &workaround),
        withdrawn: loose::field(metadata, "state").eq_ignore_ascii_case("rejected"),
        native_id: Some(id),
        text,
        ..Item::default()
    })
}

/// What the record's metrics say.
#[derive(Default)]
struct Rated {
    /// The vendor's headline: the highest threat severity, else the highest base severity.
    severity: Option<Severity>,
    scores: Vec<Score>,
    /// CVSS v4.0 section 3.1: exploit maturity "Attacked".
    attacked: bool,
}

impl Rated {
    fn of(cna: &Value) -> Self {
        let mut rated = Self::default();
        for metric in loose::list(cna, "metrics") {
            for key in ["cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0"] {
                let Some(cvss) = metric.get(key) else { continue };
                let vector = loose::field(cvss, "vectorString");
                let severity =
                    ["threatSeverity", "baseSeverity"].iter().find_map(|key| rating(&loose::field(cvss, key)));
                rated.severity = rated.severity.max(severity);
                rated.attacked |= loose::field(cvss, "exploitMaturity") == "ATTACKED"
                    || (key == "cvssV4_0" && vector.split('/').any(|part| part == "E:A"));
                let version = loose::field(cvss, "version");
                let score = loose::score(&vector, loose::number(cvss, "baseScore"), &version);
                let new = score.filter(|score| rated.scores.len() < SCORES_MAX && !rated.scores.contains(score));
                rated.scores.extend(new);
            }
        }
        rated
    }
}

fn products(cna: &Value) -> Vec<Product> {
    let affected = loose::list(cna, "affected").iter().take(PRODUCTS_MAX);
    affected.filter_map(product).collect()
}

fn product(entry: &Value) -> Option<Product> {
    let name = loose::name(entry, "product");
    if name.is_empty() {
        return None;
    }
    let versions = loose::list(entry, "versions");
    let of_status =
        |status: &str| versions.iter().filter(move |version| loose::field(version, "status") == status).count();
    let ranges: Vec<String> = versions
        .iter()
        .filter(|version| loose::field(version, "status") == "affected")
        .take(RANGES_MAX)
        .map(range)
        .collect();
    let status = match (ranges.is_empty(), loose::field(entry, "defaultStatus").as_str()) {
        (false, _) => ProductStatus::Affected,
        (true, "affected") if of_status("unaffected") == 0 => ProductStatus::Affected,
        (true, "unknown") if versions.is_empty() => ProductStatus::UnderInvestigation,
        (true, _) => ProductStatus::NotAffected,
    };
    Some(Product {
        vendor: loose::name(entry, "vendor"),
        product: name,
        cpe: loose::texts(entry, "cpes").find(|cpe| cpe.starts_with("cpe:2.3:")).unwrap_or_default(),
        versions: loose::short(&ranges.join(", ")),
        status,
    })
}

/// `10.2.0 before 10.2.5`; the first fixed version stands in `lessThan` or in `changes`.
fn range(version: &Value) -> String {
    let from = loose::name(version, "version");
    let before = loose::name(version, "lessThan");
    let last = loose::name(version, "lessThanOrEqual");
    let fixed = loose::list(version, "changes").iter().find(|change| loose::field(change, "status") == "unaffected");
    let fixed = fixed.map(|change| loose::name(change, "at")).unwrap_or_default();
    match (before.is_empty(), last.is_empty(), fixed.is_empty()) {
        (false, _, _) => format!("{from} before {before}"),
        (true, false, _) => format!("{from} up to {last}"),
        (true, true, false) => format!("{from} before {fixed}"),
        (true, true, true) => from,
    }
}
