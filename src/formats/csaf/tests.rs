//! Documents, keys and walks, each against what a hostile or careless publisher does.

#[path = "tests/keys.rs"]
mod keys;
#[path = "../../../tests/support/openpgp.rs"]
mod openpgp;
#[path = "tests/walks.rs"]
mod walks;
#[path = "tests/web.rs"]
mod web;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::model::platform::ProductStatus;
use crate::model::severity::Severity;
use crate::model::tlp::Tlp;

fn read_bytes(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let url = Url::parse("https://vendor.example/csaf/a.json").expect("an address");
    parse(bytes, &Origin::of(&url, Some("application/json")))
}

fn read_value(document: &Value) -> Parsed {
    read_bytes(document.to_string().as_bytes()).expect("a document")
}

/// A sound document of CSAF 2.0 with this id and version, about one product.
pub fn document(id: &str, version: u32) -> Value {
    let history: Vec<Value> = (1..=version)
        .map(|n| json!({"date": format!("2026-11-0{n}T00:00:00Z"), "number": n.to_string(), "summary": "A version."}))
        .collect();
    json!({
        "document": {
            "category": "csaf_security_advisory", "csaf_version": "2.0", "title": format!("Flaw {id}"),
            "distribution": {"tlp": {"label": "WHITE"}},
            "notes": [{"category": "summary", "text": format!("About {id}."), "title": "Summary"}],
            "publisher": {"category": "vendor", "name": "Acme", "namespace": "https://vendor.example"},
            "references": [{"category": "self", "summary": "For people", "url": format!("https://vendor.example/{id}")}],
            "tracking": {"id": id, "version": version.to_string(), "status": "final", "revision_history": history,
                "initial_release_date": "2026-11-01T00:00:00Z", "current_release_date": format!("2026-11-0{version}T00:00:00Z")},
        },
        "product_tree": {"full_product_names": [{"name": "Acme Tunnel", "product_id": "T"}]},
        "vulnerabilities": [{
            "cve": "CVE-2099-12345", "notes": [{"category": "description", "text": "It leaks."}],
            "product_status": {"known_affected": ["T"]},
            "remediations": [{"category": "vendor_fix", "details": "Update.", "product_ids": ["T"]}],
        }],
    })
}

#[test]
fn the_sample_of_these_tests_is_sound() {
    let parsed = read_value(&document("ACME-2026-1", 2));
    assert_eq!(parsed.repairs, Vec::<String>::new());
    let item = &parsed.items[0];
    assert_eq!(item.native_id.as_deref(), Some("ACME-2026-1"));
    assert_eq!(item.url.as_deref(), Some("https://vendor.example/ACME-2026-1"));
    assert_eq!(item.products[0].product, "Acme Tunnel");
    assert_eq!((item.quiet, item.exploited, item.withdrawn, item.proof), (false, false, false, None));
}

#[test]
fn a_product_in_groups_that_exclude_each_other_counts_as_affected() {
    let mut value = document("ACME-2026-1", 1);
    value["vulnerabilities"][0]["product_status"] = json!({"known_not_affected": ["T"], "fixed": ["T"]});
    let parsed = read_value(&value);
    assert_eq!(parsed.items[0].products[0].status, ProductStatus::Affected);
    assert!(!parsed.items[0].quiet);
    assert!(
        parsed.repairs.iter().any(|repair| repair.contains("6.1.6") && repair.contains("counts as affected")),
        "{:?}",
        parsed.repairs
    );
}

#[test]
fn only_not_affected_is_quiet_and_anything_else_is_not() {
    for (status, quiet) in [
        (json!({"known_not_affected": ["T"]}), true),
        (json!({"known_not_affected": ["T"], "under_investigation": ["U"]}), false),
        (json!({"fixed": ["T"]}), false),
        (json!({}), false),
    ] {
        let mut value = document("ACME-2026-1", 1);
        value["product_tree"]["full_product_names"] =
            json!([{"name": "T", "product_id": "T"}, {"name": "U", "product_id": "U"}]);
        value["vulnerabilities"][0]["product_status"] = status.clone();
        assert_eq!(read_value(&value).items[0].quiet, quiet, "{status}");
    }
}

#[test]
fn labels_and_sharing_groups_say_how_far_it_may_travel() {
    let table = [
        (json!({"tlp": {"label": "WHITE"}}), Tlp::Clear),
        (json!({"tlp": {"label": "AMBER+STRICT"}}), Tlp::AmberStrict),
        (json!({"tlp": {"label": "RED"}}), Tlp::Red),
        (json!({"tlp": {"label": "PURPLE"}}), Tlp::Amber),
        (json!({"text": "no label"}), Tlp::Clear),
        (
            json!({"tlp": {"label": "CLEAR"}, "sharing_group": {"id": "ffffffff-ffff-ffff-ffff-ffffffffffff"}}),
            Tlp::Clear,
        ),
        (
            json!({"tlp": {"label": "GREEN"}, "sharing_group": {"id": "5868d6d1-5c0e-4b0a-9d5c-2b1c3a1f0b11"}}),
            Tlp::Amber,
        ),
    ];
    for (distribution, expected) in table {
        let mut value = document("ACME-2026-1", 1);
        value["document"]["distribution"] = distribution.clone();
        assert_eq!(read_value(&value).items[0].tlp, expected, "{distribution}");
    }
}

#[test]
fn withdrawn_documents_and_words_of_severity_are_read() {
    let mut value = document("ACME-2026-1", 1);
    value["document"]["csaf_version"] = json!("2.1");
    for (category, withdrawn) in [("csaf_withdrawn", true), ("csaf_superseded", true), ("csaf_vex", false)] {
        value["document"]["category"] = json!(category);
        assert_eq!(read_value(&value).items[0].withdrawn, withdrawn, "{category}");
    }
    for (word, severity) in [("hoch", Some(Severity::High)), ("Important", Some(Severity::High)), ("Level 3", None)] {
        value["document"]["aggregate_severity"] = json!({"text": word});
        assert_eq!(read_value(&value).items[0].severity, severity, "{word}");
    }
}

#[test]
fn an_unsound_document_is_kept_and_its_faults_are_told_within_bounds() {
    let mut value = document("ACME-2026-1", 1);
    value["document"]["tracking"]["status"] = json!("odd");
    value["vulnerabilities"] = (0..100)
        .map(|n| json!({"cve": format!("no id {n}"), "product_status": {"known_affected": [format!("N{n}")]}}))
        .collect();
    let parsed = read_value(&value);
    assert_eq!(parsed.items.len(), 1);
    assert!(
        parsed.repairs.iter().any(|repair| repair.starts_with("not valid CSAF 2.0: schema")),
        "{:?}",
        parsed.repairs
    );
    assert!(parsed.repairs.len() <= 21, "{}", parsed.repairs.len());
    assert!(parsed.repairs.last().is_some_and(|last| last.contains("are not listed")));
}

/// One vendor writes its list of vulnerabilities as a list in a list.
#[test]
fn a_list_of_vulnerabilities_in_a_list_is_read_and_said() {
    let mut value = document("ACME-2026-1", 1);
    let list = value["vulnerabilities"].clone();
    value["vulnerabilities"] = json!([list]);
    let parsed = read_value(&value);
    assert_eq!((parsed.items[0].cves.len(), parsed.items[0].products.len()), (1, 1));
    assert!(parsed.items[0].action.is_some() && parsed.degraded());
}

#[test]
fn what_is_no_csaf_document_is_said() {
    assert!(matches!(read_bytes(b"<html><title>Access Denied</title>"), Err(ParseError::NotThis { .. })));
    assert!(matches!(read_bytes(b"{\"document\": {}}"), Err(ParseError::NotThis { .. })));
    assert!(matches!(read_bytes(b"{\"document\": {\"csaf_version\": \"2.0\""), Err(ParseError::Unreadable { .. })));
    assert_eq!(read_bytes(b" \n").err(), Some(ParseError::Empty));
    let marked = [b"\xef\xbb\xbf", document("ACME-2026-1", 1).to_string().as_bytes()].concat();
    assert_eq!(read_bytes(&marked).expect("a document with a mark").repairs, Vec::<String>::new());
}

#[test]
fn json_nested_a_hundred_thousand_deep_is_refused() {
    let deep = format!(
        "{{\"document\": {{\"csaf_version\": \"2.0\", \"notes\": {}{}}}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(read_bytes(deep.as_bytes()).err(), Some(ParseError::TooDeep { limit: JSON_DEPTH }));
}

/// Twenty MiB of products, each with a status: read in time, and what is left out is said.
#[test]
fn a_document_of_twenty_mebibytes_is_read_in_time() {
    let count = 180_000;
    let mut value = document("ACME-2026-1", 1);
    value["product_tree"]["full_product_names"] = (0..count)
        .map(|n| json!({"name": format!("Acme product number {n}"), "product_id": format!("PRODUCT-{n:08}")}))
        .collect();
    let ids: Vec<String> = (0..count).map(|n| format!("PRODUCT-{n:08}")).collect();
    value["vulnerabilities"][0]["product_status"] = json!({"known_affected": ids});
    value["vulnerabilities"][0]["remediations"][0]["product_ids"] = json!(ids);
    let bytes = value.to_string().into_bytes();
    assert!(bytes.len() > 16 * 1024 * 1024, "{}", bytes.len());
    let begun = Instant::now();
    let parsed = read_bytes(&bytes).expect("a document");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(parsed.items[0].products.len(), 500);
    assert!(
        parsed.repairs.iter().any(|repair| repair.contains("products beyond the first 500")),
        "{:?}",
        parsed.repairs
    );
}
