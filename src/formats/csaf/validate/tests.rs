//! Sound documents of both versions, and what is said when one value of them is broken.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

/// A document of 2.0 in which every rule finds something to look at.
fn two() -> Value {
    let cvss = json!({"version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8, "baseSeverity": "CRITICAL", "attackVector": "NETWORK"});
    let helper = json!({"purl": "pkg:npm/%40acme/tunnel@1.0", "hashes": [{"filename": "a", "file_hashes": [
        {"algorithm": "sha256", "value": "a".repeat(64)}, {"algorithm": "sha512", "value": "a".repeat(128)}]}]});
    json!({
        "document": {
            "category": "csaf_security_advisory", "csaf_version": "2.0", "title": "T", "lang": "en", "source_lang": "de",
            "notes": [{"category": "summary", "text": "S"}],
            "publisher": {"category": "translator", "name": "Acme", "namespace": "https://vendor.example"},
            "references": [{"category": "external", "summary": "S", "url": "https://vendor.example/1"}],
            "tracking": {"id": "A-1", "status": "final", "version": "2", "initial_release_date": "2026-01-01T00:00:00Z", "current_release_date": "2026-01-02T00:00:00Z",
                "revision_history": [{"date": "2026-01-01T00:00:00Z", "number": "1", "summary": "S"}, {"date": "2026-01-02T00:00:00Z", "number": "2", "summary": "S"}]},
        },
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Acme", "branches": [
                {"category": "product_version", "name": "1.0", "product": {"name": "A", "product_id": "A", "product_identification_helper": helper}}]}],
            "full_product_names": [{"name": "B", "product_id": "B"}, {"name": "C", "product_id": "C"}],
            "product_groups": [{"group_id": "G", "product_ids": ["A", "B"]}, {"group_id": "H", "product_ids": ["A", "C"]}],
            "relationships": [{"category": "installed_on", "product_reference": "A", "relates_to_product_reference": "B", "full_product_name": {"name": "AB", "product_id": "AB"}}],
        },
        "vulnerabilities": [
            {
                "cve": "CVE-2099-1000", "cwe": {"id": "CWE-79", "name": "N"}, "notes": [{"category": "description", "text": "D"}],
                "product_status": {"known_affected": ["A", "B"], "known_not_affected": ["C"]},
                "flags": [{"label": "component_not_present", "product_ids": ["C"]}],
                "involvements": [{"party": "vendor", "status": "open", "date": "2026-01-01T00:00:00Z"}, {"party": "vendor", "status": "completed", "date": "2026-01-02T00:00:00Z"}],
                "remediations": [{"category": "vendor_fix", "details": "D", "group_ids": ["G"]}],
                "scores": [{"products": ["A"], "cvss_v3": cvss}, {"products": ["B"], "cvss_v3": cvss}],
            },
            {"cve": "CVE-2099-1001", "notes": [{"category": "description", "text": "D"}], "product_status": {"known_affected": ["A"]}},
        ],
    })
}

/// The same for 2.1.
fn two_one() -> Value {
    let mut document = two();
    let set = |document: &mut Value, pointer: &str, value| edit(document, pointer, value);
    set(&mut document, "/$schema", json!("https://docs.oasis-open.org/csaf/csaf/v2.1/schema/csaf.json"));
    set(&mut document, "/document/csaf_version", json!("2.1"));
    set(
        &mut document,
        "/document/distribution",
        json!({"tlp": {"label": "CLEAR"}, "sharing_group": {"id": words::GREATEST, "name": "Public"}}),
    );
    set(&mut document, "/document/license_expression", json!("MIT"));
    set(&mut document, "/product_tree/relationships", Value::Null);
    set(
        &mut document,
        "/product_tree/product_paths",
        json!([{"beginning_product_reference": "A", "full_product_name": {"name": "AB", "product_id": "AB"}, "subpaths": [{"category": "installed_on", "next_product_reference": "B"}]}]),
    );
    let helper = json!({"purls": ["pkg:npm/tunnel@1.0?a=b", "pkg:npm/tunnel@1.0"], "model_numbers": ["A*"], "serial_numbers": ["\\**"], "skus": ["S"], "hashes": [{"filename": "a", "file_hashes": [{"algorithm": "sha256", "value": "a".repeat(64)}]}]});
    set(&mut document, "/product_tree/branches/0/branches/0/product/product_identification_helper", helper);
    let rating = json!({"version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8, "baseSeverity": "CRITICAL"});
    let epss = json!({"percentile": "0.5", "probability": "0.1", "timestamp": "2026-01-02T00:00:00Z"});
    for (name, value) in [
        ("cwe", Value::Null),
        ("scores", Value::Null),
        (
            "metrics",
            json!([{"products": ["A"], "content": {"cvss_v3": rating, "epss": epss}}, {"products": ["B"], "content": {"qualitative_severity_rating": "low"}}]),
        ),
        ("disclosure_date", json!("2026-01-02T00:00:00Z")),
        ("discovery_date", json!("2026-01-01T00:00:00Z")),
        (
            "first_known_exploitation_dates",
            json!([{"date": "2026-01-02T00:00:00Z", "exploitation_date": "2026-01-01T00:00:00Z", "product_ids": ["A"]}]),
        ),
    ] {
        set(&mut document, &format!("/vulnerabilities/0/{name}"), value);
    }
    document
}

/// Puts a value at a pointer; null takes away what is there.
fn edit(document: &mut Value, pointer: &str, value: Value) {
    let (holder, name) = pointer.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(holder).unwrap_or_else(|| panic!("nothing at {holder}")) {
        Value::Object(object) if value.is_null() => drop(object.remove(name)),
        Value::Object(object) => drop(object.insert(name.to_owned(), value)),
        Value::Array(list) => list[name.parse::<usize>().expect("a place")] = value,
        other => panic!("{other} at {holder}"),
    }
}

fn told(document: &Value) -> Vec<String> {
    let mut notes = Notes::default();
    check(document, &mut notes);
    notes.finish()
}

/// What is said of a document with these edits.
fn broken(mut document: Value, edits: &[(&str, Value)]) -> Vec<String> {
    for (pointer, value) in edits {
        edit(&mut document, pointer, value.clone());
    }
    told(&document)
}

#[test]
fn sound_documents_are_sound() {
    assert_eq!(told(&two()), Vec::<String>::new());
    assert_eq!(told(&two_one()), Vec::<String>::new());
    assert_eq!(told(&json!({"document": {"csaf_version": "3.0"}})).len(), 1);
}

#[test]
fn the_first_fault_of_the_schema_is_told_with_its_place() {
    for (pointer, value, expected) in [
        ("/document/title", json!(""), "schema, an empty text at /document/title"),
        ("/document/title", Value::Null, "schema, 'title' is missing at /document"),
        ("/document/tracking/id", json!(" A"), "at /document/tracking/id"),
        ("/document/tracking/version", json!("v1"), "schema, 'v1' is not a version at /document/tracking/version"),
        (
            "/document/tracking/revision_history/1/date",
            json!("2026-01-02"),
            "/document/tracking/revision_history/1/date",
        ),
        ("/document/publisher/category", json!("multiplier"), "schema, 'multiplier' is not a word for it"),
        ("/document/distribution", json!({}), "schema, fewer than 1 properties at /document/distribution"),
        ("/vulnerabilities", json!([]), "schema, a list of fewer than 1 at /vulnerabilities"),
        ("/vulnerabilities/0", json!([]), "schema, a list where an object belongs at /vulnerabilities/0"),
        ("/vulnerabilities/0/cve", json!("x"), "schema, 'x' is not a CVE id at /vulnerabilities/0/cve"),
        ("/vulnerabilities/0/cwe/id", json!("79"), "schema, '79' is not a CWE id"),
        (
            "/vulnerabilities/0/product_status/known_affected",
            json!(["A", "A"]),
            "schema, the same again at /vulnerabilities/0/product_status/known_affected/1",
        ),
        ("/product_tree/branches/0/branches/0/product/product_id", json!(1), "schema, a number where a text belongs"),
    ] {
        let said = broken(two(), &[(pointer, value)]);
        assert!(said.iter().any(|one| one.contains(expected)), "{expected}: {said:?}");
    }
}

#[test]
fn what_is_there_twice_is_found_in_long_lists_too() {
    let mut ids: Vec<String> = (0..20_000).map(|n| format!("P{n}")).collect();
    let shape = structure::Shape::Set(&structure::Shape::Text, 1);
    assert_eq!(structure::check(&json!(ids), &shape, Versions::Two), None);
    ids.push("P7".to_owned());
    assert_eq!(structure::check(&json!(ids), &shape, Versions::Two), Some(Fault::here("the same again").below(20_000)));
}

/// What a list of edits breaks.
fn assert_named(document: fn() -> Value, table: &[(&str, &[(&str, Value)])]) {
    for (id, edits) in table {
        let said = broken(document(), edits);
        assert!(said.iter().any(|one| one.contains(&format!("test {id}, "))), "{id}: {said:?}");
    }
}

const HISTORY: &str = "/document/tracking/revision_history";

#[test]
fn broken_products_and_ratings_fail_their_tests() {
    let at_score = |name: &str| format!("/vulnerabilities/0/scores/0/cvss_v3/{name}");
    let [base, severity, words, vector] = ["baseScore", "baseSeverity", "attackVector", "vectorString"].map(at_score);
    assert_named(
        two,
        &[
            ("6.1.1", &[("/product_tree/product_groups/0/product_ids/1", json!("X"))]),
            ("6.1.1", &[("/product_tree/relationships/0/product_reference", json!("X"))]),
            ("6.1.1", &[("/vulnerabilities/0/product_status/known_affected/1", json!("X"))]),
            ("6.1.1", &[("/vulnerabilities/0/scores/0/products/0", json!("X"))]),
            ("6.1.2", &[("/product_tree/full_product_names/0/product_id", json!("A"))]),
            ("6.1.2", &[("/product_tree/relationships/0/full_product_name/product_id", json!("A"))]),
            ("6.1.3", &[("/product_tree/relationships/0/product_reference", json!("AB"))]),
            ("6.1.4", &[("/vulnerabilities/0/remediations/0/group_ids/0", json!("X"))]),
            ("6.1.5", &[("/product_tree/product_groups/1/group_id", json!("G"))]),
            ("6.1.6", &[("/vulnerabilities/0/product_status/known_not_affected/0", json!("A"))]),
            ("6.1.7", &[("/vulnerabilities/0/scores/1/products/0", json!("A"))]),
            ("6.1.8", &[(&severity, Value::Null)]),
            ("6.1.8", &[(&vector, json!("CVSS:3.1/AV:N"))]),
            ("6.1.8", &[(&base, json!("9.8"))]),
            ("6.1.9", &[(&base, json!(5.0))]),
            ("6.1.9", &[(&severity, json!("LOW"))]),
            ("6.1.10", &[(&words, json!("LOCAL"))]),
            ("6.1.12", &[("/document/lang", json!("EZ"))]),
            (
                "6.1.13",
                &[(
                    "/product_tree/branches/0/branches/0/product/product_identification_helper/purl",
                    json!("pkg:oci/a/b@1"),
                )],
            ),
        ],
    );
}

#[test]
fn broken_histories_fail_their_tests() {
    let number = |at: usize| format!("{HISTORY}/{at}/number");
    let (first, second) = (number(0), number(1));
    assert_named(
        two,
        &[
            ("6.1.14", &[(&first, json!("3"))]),
            ("6.1.15", &[("/document/source_lang", Value::Null)]),
            ("6.1.16", &[("/document/tracking/version", json!("1"))]),
            ("6.1.17", &[("/document/tracking/version", json!("0"))]),
            ("6.1.18", &[(&first, json!("0.1.0"))]),
            ("6.1.19", &[(&first, json!("1.0.0-rc"))]),
            ("6.1.20", &[("/document/tracking/version", json!("2.0.0-rc"))]),
            ("6.1.21", &[(&second, json!("3"))]),
            ("6.1.21", &[(&first, json!("2"))]),
            ("6.1.22", &[(&second, json!("1"))]),
            ("6.1.30", &[(&first, json!("1.0.0"))]),
        ],
    );
}

#[test]
fn broken_profiles_and_statements_fail_their_tests() {
    let vex = || ("/document/category", json!("csaf_vex"));
    assert_named(
        two,
        &[
            ("6.1.23", &[("/vulnerabilities/1/cve", json!("CVE-2099-1000"))]),
            ("6.1.24", &[("/vulnerabilities/0/involvements/1/date", json!("2026-01-01T01:00:00+01:00"))]),
            (
                "6.1.25",
                &[(
                    "/product_tree/branches/0/branches/0/product/product_identification_helper/hashes/0/file_hashes/1/algorithm",
                    json!("SHA256"),
                )],
            ),
            ("6.1.26", &[("/document/category", json!("Security Advisory"))]),
            ("6.1.26", &[("/document/category", json!("v-ex"))]),
            ("6.1.26", &[("/document/category", json!("csaf_withdrawn"))]),
            (
                "6.1.27.1",
                &[("/document/category", json!("csaf_informational_advisory")), ("/document/notes", Value::Null)],
            ),
            (
                "6.1.27.2",
                &[("/document/category", json!("csaf_informational_advisory")), ("/document/references", Value::Null)],
            ),
            ("6.1.27.3", &[("/document/category", json!("csaf_informational_advisory"))]),
            ("6.1.27.4", &[("/product_tree", Value::Null)]),
            ("6.1.27.5", &[("/vulnerabilities/1/notes", Value::Null)]),
            ("6.1.27.6", &[("/vulnerabilities/1/product_status", Value::Null)]),
            ("6.1.27.7", &[vex(), ("/vulnerabilities/1/product_status", json!({"first_fixed": ["A"]}))]),
            ("6.1.27.8", &[vex(), ("/vulnerabilities/1/cve", Value::Null)]),
            ("6.1.27.9", &[vex(), ("/vulnerabilities/0/flags/0/product_ids/0", json!("A"))]),
            ("6.1.27.10", &[vex(), ("/vulnerabilities/0/remediations/0/group_ids/0", json!("H"))]),
            ("6.1.27.11", &[("/vulnerabilities", Value::Null)]),
            ("6.1.28", &[("/document/source_lang", json!("EN"))]),
            ("6.1.29", &[("/vulnerabilities/0/remediations/0/group_ids", Value::Null)]),
            ("6.1.31", &[("/product_tree/branches/0/branches/0/name", json!("1.0 and earlier"))]),
            ("6.1.31", &[("/product_tree/branches/0/branches/0/name", json!("<=1.0"))]),
            ("6.1.32", &[("/vulnerabilities/0/flags/0/product_ids", Value::Null)]),
            (
                "6.1.33",
                &[(
                    "/vulnerabilities/0/flags",
                    json!([{"label": "component_not_present", "product_ids": ["C"]}, {"label": "vulnerable_code_not_present", "group_ids": ["H"]}]),
                )],
            ),
        ],
    );
}

#[test]
fn broken_profiles_and_products_of_2_1_fail_its_tests() {
    let withdrawn = || ("/document/category", json!("csaf_withdrawn"));
    let superseded = || ("/document/category", json!("csaf_superseded"));
    let deep = (0..31).fold(
        json!({"category": "product_name", "name": "N", "product": {"name": "C", "product_id": "C"}}),
        |below, _| json!({"category": "product_family", "name": "F", "branches": [below]}),
    );
    assert_named(
        two_one,
        &[
            ("6.1.1", &[("/product_tree/product_paths/0/subpaths/0/next_product_reference", json!("X"))]),
            ("6.1.3", &[("/product_tree/product_paths/0/subpaths/0/next_product_reference", json!("AB"))]),
            ("6.1.27.12", &[("/vulnerabilities/1/product_status", json!({"fixed": ["A"]}))]),
            ("6.1.27.14", &[withdrawn()]),
            ("6.1.27.15", &[withdrawn()]),
            ("6.1.27.16", &[withdrawn(), (HISTORY, json!([]))]),
            ("6.1.27.17", &[withdrawn()]),
            ("6.1.27.18", &[superseded()]),
            ("6.1.27.19", &[superseded()]),
            ("6.1.34", &[("/product_tree/branches/0", deep)]),
            (
                "6.1.35",
                &[(
                    "/vulnerabilities/0/remediations",
                    json!([{"category": "vendor_fix", "details": "D", "group_ids": ["G"]}, {"category": "no_fix_planned", "details": "D", "product_ids": ["A"]}]),
                )],
            ),
            ("6.1.36", &[("/vulnerabilities/0/remediations/0/group_ids/0", json!("H"))]),
        ],
    );
}

#[test]
fn broken_values_of_2_1_fail_its_tests() {
    let helper = "/product_tree/branches/0/branches/0/product/product_identification_helper";
    let at_helper = |name: &str| format!("{helper}/{name}");
    let [model, serial, unit, hash, package] =
        ["model_numbers/0", "serial_numbers/0", "skus/0", "hashes/0/file_hashes/0/value", "purls/1"].map(at_helper);
    let group = "/document/distribution/sharing_group";
    let [group_id, group_name] = ["id", "name"].map(|name| format!("{group}/{name}"));
    let later = || json!("2026-01-03T00:00:00Z");
    assert_named(
        two_one,
        &[
            ("6.1.37", &[("/document/tracking/current_release_date", json!("2026-01-02t00:00:00Z"))]),
            ("6.1.37", &[("/vulnerabilities/0/flags/0/date", json!("2026-01-02T00:00:00z"))]),
            ("6.1.38", &[("/document/distribution/tlp/label", json!("RED"))]),
            ("6.1.39", &[(&group_id, json!("01234567-89ab-4cde-8f01-23456789abcd"))]),
            ("6.1.40", &[(&group_id, json!(words::LEAST))]),
            ("6.1.41", &[(&group_name, json!("Friends"))]),
            ("6.1.42", &[(&package, json!("pkg:npm/bridge@1.0"))]),
            ("6.1.43", &[(&model, json!("A**"))]),
            ("6.1.44", &[(&serial, json!("*A*"))]),
            ("6.1.45", &[("/vulnerabilities/0/disclosure_date", later())]),
            ("6.1.51", &[("/vulnerabilities/0/metrics/0/content/epss/timestamp", later())]),
            ("6.1.52", &[("/vulnerabilities/0/first_known_exploitation_dates/0/date", later())]),
            (
                "6.1.53",
                &[(
                    "/vulnerabilities/0/first_known_exploitation_dates/0/exploitation_date",
                    json!("2026-01-02T00:00:01Z"),
                )],
            ),
            ("6.1.55", &[("/document/license_expression", json!("MIT OR LicenseRef-Acme"))]),
            ("6.1.56", &[("/vulnerabilities/0/metrics/1/products/0", json!("A"))]),
            ("6.1.57", &[("/product_tree/branches/0/branches/0/category", json!("vendor"))]),
            ("6.1.58", &[("/product_tree/branches/0/category", json!("product_version_range"))]),
            ("6.1.61", &[(&unit, json!("**"))]),
            ("6.1.62", &[("/vulnerabilities/0/discovery_date", later())]),
            ("6.1.63", &[(&hash, json!("a".repeat(40)))]),
        ],
    );
}

#[test]
fn circles_and_groups_that_hold_everything_are_looked_at_in_time() {
    let made = |id: usize, used: usize| json!({"category": "installed_on", "product_reference": format!("R{used}"), "relates_to_product_reference": "P", "full_product_name": {"name": "n", "product_id": format!("R{id}")}});
    let count = 20_000;
    for (last, expected) in [(0, 1), (count + 1, 0)] {
        let chain: Vec<Value> = (0..count).map(|n| made(n, if n + 1 == count { last } else { n + 1 })).collect();
        let ids: Vec<String> = (0..count).map(|n| format!("R{n}")).collect();
        let flags: Vec<Value> =
            (0..count).map(|n| json!({"label": "component_not_present", "date": n, "group_ids": ["G"]})).collect();
        let document = json!({
            "document": {"csaf_version": "2.1", "category": "csaf_vex"},
            "product_tree": {"relationships": chain, "product_groups": [{"group_id": "G", "product_ids": ids}]},
            "vulnerabilities": [{"flags": flags, "threats": flags, "remediations": flags, "product_status": {"known_affected": ids, "known_not_affected": ids}}],
        });
        let begun = Instant::now();
        let said = told(&document);
        assert_eq!(said.iter().filter(|one| one.contains("test 6.1.3,")).count(), expected, "{said:?}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

#[test]
fn versions_of_one_kind_are_compared() {
    let table = [
        ("1", "2", Some(true)),
        ("10", "9", Some(false)),
        ("1.9.0", "1.10.0", Some(true)),
        ("2.0.0-rc.1", "2.0.0", Some(true)),
        ("2.0.0", "2.0.0+build", Some(false)),
        ("3", "1.0.0", None),
        ("x", "1", None),
    ];
    for (a, b, expected) in table {
        assert_eq!(older(a, b), expected, "{a} {b}");
    }
}
