//! Walks driven by hand over a web of our own: an address and what it answers.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::document;
use super::openpgp::Signer;
use super::web::{HOST, Web};
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Proof};

fn metadata(signers: &[&Signer]) -> Value {
    let keys: Vec<Value> = signers
        .iter()
        .enumerate()
        .map(|(n, signer)| json!({"fingerprint": signer.fingerprint(), "url": format!("{HOST}/key{n}.asc")}))
        .collect();
    json!({"metadata_version": "2.0", "canonical_url": format!("{HOST}/provider-metadata.json"), "public_openpgp_keys": keys,
        "distributions": [{"directory_url": format!("{HOST}/dir")}, {"rolie": {"feeds": [{"url": format!("{HOST}/feed.json"), "tlp_label": "WHITE"}, {"url": format!("{HOST}/red.json"), "tlp_label": "RED"}]}}]})
}

fn feed(entries: &[(&str, &str)]) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(path, updated)| {
            let link = |rel: &str, suffix: &str| json!({"rel": rel, "href": format!("{HOST}{path}{suffix}")});
            json!({"id": path.to_uppercase(), "title": "t", "updated": updated, "link": [link("self", ""), link("hash", ".sha512"), link("signature", ".asc")]})
        })
        .collect();
    json!({"feed": {"id": "f", "entry": entries}})
}

/// A provider with metadata, a feed and `count` signed documents.
fn provider(signer: &Signer, count: usize) -> Web {
    let mut web = Web::default();
    let paths: Vec<(String, String)> = (0..count)
        .map(|n| (format!("/2026/acme-2026-{n}.json"), format!("2026-11-01T00:{:02}:{:02}Z", n / 60, n % 60)))
        .collect();
    for (n, (path, _)) in paths.iter().enumerate() {
        web.document(path, &document(&format!("ACME-2026-{n}"), 1), Some(signer));
    }
    let entries: Vec<(&str, &str)> = paths.iter().map(|(path, updated)| (path.as_str(), updated.as_str())).collect();
    web.put("/provider-metadata.json", metadata(&[signer]).to_string())
        .put("/feed.json", feed(&entries).to_string())
        .put("/key0.asc", signer.key());
    web
}

#[test]
fn a_provider_is_read_by_its_feed_and_each_document_proved_before_it_is_read() {
    let signer = Signer::lasting();
    let web = provider(&signer, 2);
    let walked = web.whole("/provider-metadata.json", None);
    assert_eq!(walked.parsed.repairs, Vec::<String>::new());
    assert_eq!(walked.ids(), ["ACME-2026-0", "ACME-2026-1"]);
    assert!(walked.parsed.items.iter().all(|item| item.proof == Some(Proof::Signed)));
    let first = [
        "/provider-metadata.json",
        "/key0.asc",
        "/feed.json",
        "/2026/acme-2026-0.json",
        "/2026/acme-2026-0.json.sha512",
        "/2026/acme-2026-0.json.asc",
    ];
    assert_eq!(walked.asked[..6], first);
    let again = web.whole("/provider-metadata.json", walked.cursor.as_deref());
    assert_eq!((again.parsed.items.len(), again.asked.len()), (0, 3), "{:?}", again.asked);
}

#[test]
fn a_domain_is_asked_in_the_order_of_the_standard() {
    let signer = Signer::lasting();
    let mut web = provider(&signer, 1);
    web.failing.push(format!("{HOST}/.well-known/csaf/provider-metadata.json"));
    web.put("/security.txt", format!("Contact: mailto:a@vendor.example\nCSAF: {HOST}/provider-metadata.json\n"));
    let walked = web.whole("/", None);
    assert_eq!(
        walked.asked[..4],
        [
            "/.well-known/csaf/provider-metadata.json",
            "/.well-known/security.txt",
            "/security.txt",
            "/provider-metadata.json"
        ]
    );
    assert_eq!(walked.parsed.items.len(), 1);
    let mut by_name = provider(&signer, 1);
    let found = by_name.pages[&format!("{HOST}/provider-metadata.json")].clone();
    by_name.put("https://csaf.data.security.vendor.example/", found);
    assert_eq!(by_name.whole("/", None).parsed.items.len(), 1);
    by_name.put("/.well-known/csaf/provider-metadata.json", metadata(&[&signer]).to_string());
    assert_eq!(by_name.whole("/", None).asked[0], "/.well-known/csaf/provider-metadata.json");
    let nowhere = Web::default().walk(&format!("{HOST}/"), None, None, usize::MAX).err().map(|fault| fault.to_string());
    assert!(nowhere.is_some_and(|fault| fault.contains("names no CSAF provider")));
}

#[test]
fn a_wrong_hash_rejects_the_document_and_it_is_tried_again() {
    let signer = Signer::lasting();
    let mut web = provider(&signer, 2);
    let good = web.pages[&format!("{HOST}/2026/acme-2026-0.json.sha512")].clone();
    web.put("/2026/acme-2026-0.json.sha512", "0".repeat(128));
    let walked = web.whole("/provider-metadata.json", None);
    assert_eq!((walked.ids(), walked.parsed.dropped), (vec!["ACME-2026-1"], 1));
    assert!(walked.says("2026/acme-2026-0.json was rejected: its hash is"), "{:?}", walked.parsed.repairs);
    web.put("/2026/acme-2026-0.json.sha512", good);
    assert_eq!(web.whole("/provider-metadata.json", walked.cursor.as_deref()).ids(), ["ACME-2026-0"]);
}

#[test]
fn a_bad_signature_rejects_and_a_missing_one_does_not() {
    let (signer, thief) = (Signer::lasting(), Signer::lasting());
    let mut web = provider(&signer, 3);
    let forged = document("ACME-2026-0", 1);
    web.document("/2026/acme-2026-0.json", &forged, Some(&thief));
    web.pages.remove(&format!("{HOST}/2026/acme-2026-1.json.asc"));
    web.pages.remove(&format!("{HOST}/2026/acme-2026-2.json.asc"));
    web.pages.remove(&format!("{HOST}/2026/acme-2026-2.json.sha512"));
    let walked = web.whole("/provider-metadata.json", None);
    assert!(walked.says("acme-2026-0.json was rejected: its signature is not good"), "{:?}", walked.parsed.repairs);
    let proofs: Vec<_> = walked.parsed.items.iter().map(|item| item.proof).collect();
    assert_eq!(proofs, [Some(Proof::Hashed), Some(Proof::Unsigned)]);
}

#[test]
fn an_expired_key_is_an_error_and_an_unmaintained_provider_too() {
    let signer = Signer::new(100, Some(50));
    let web = provider(&signer, 1);
    let fault = web
        .walk(&format!("{HOST}/provider-metadata.json"), None, None, usize::MAX)
        .err()
        .map(|fault| fault.to_string());
    assert!(fault.is_some_and(|fault| fault.contains("have expired")));
    let signer = Signer::lasting();
    let mut web = provider(&signer, 1);
    for (until, fails) in [("2020-01-01T00:00:00Z", true), ("2199-01-01T00:00:00Z", false)] {
        let mut old = metadata(&[&signer]);
        old["maintained_until"] = json!(until);
        web.put("/provider-metadata.json", old.to_string());
        assert_eq!(web.walk(&format!("{HOST}/provider-metadata.json"), None, None, usize::MAX).is_err(), fails);
    }
}

fn directory(changes: &str) -> Web {
    let mut web = Web::default();
    let mut offer = metadata(&[]);
    offer["distributions"] = json!([{"directory_url": format!("{HOST}/dir")}]);
    web.put("/provider-metadata.json", offer.to_string()).put("/dir/changes.csv", changes);
    for n in 0..4 {
        web.document(&format!("/dir/2026/acme-2026-{n}.json"), &document(&format!("ACME-2026-{n}"), 1), None);
    }
    web
}

#[test]
fn a_directory_is_read_by_its_changes_and_paths_out_of_it_are_refused() {
    let web = directory(
        "\"2026/acme-2026-1.json\",\"2026-11-02T00:00:00Z\"\n\"../../secret.json\",\"2026-11-03T00:00:00Z\"\n2026/acme-2026-0.json,2026-11-01T00:00:00Z\n",
    );
    let walked = web.whole("/provider-metadata.json", None);
    assert_eq!((walked.ids(), walked.parsed.dropped), (vec!["ACME-2026-0", "ACME-2026-1"], 1));
    assert!(walked.says("'../../secret.json' does not stay in the directory"), "{:?}", walked.parsed.repairs);
    assert!(!walked.asked.iter().any(|path| path.contains("secret")));
    assert_eq!(web.whole("/dir/changes.csv", None).ids(), ["ACME-2026-0", "ACME-2026-1"]);
}

#[test]
fn an_index_alone_is_read_too_and_news_in_it_found() {
    let mut web = directory("");
    web.pages.remove(&format!("{HOST}/dir/changes.csv"));
    web.put("/dir/index.txt", "2026/acme-2026-1.json\n2026/acme-2026-0.json\n");
    let walked = web.whole("/dir/index.txt", None);
    assert_eq!(walked.ids(), ["ACME-2026-0", "ACME-2026-1"]);
    web.put("/dir/index.txt", "2026/acme-2026-1.json\n2026/acme-2026-0.json\n2026/acme-2026-2.json\n");
    assert_eq!(web.whole("/dir/index.txt", walked.cursor.as_deref()).ids(), ["ACME-2026-2"]);
}

#[test]
fn what_is_removed_is_withdrawn_whether_listed_as_deleted_or_missing() {
    let mut web = directory("2026/acme-2026-1.json,2026-11-02T00:00:00Z\n2026/acme-2026-0.json,2026-11-01T00:00:00Z\n");
    let walked = web.whole("/provider-metadata.json", None);
    web.put("/dir/deletions.csv", "\"2026/acme-2026-0.json\",\"2026-11-05T00:00:00Z\"\n");
    web.put(
        "/dir/changes.csv",
        "2026/acme-2026-1.json,2026-11-06T00:00:00Z\n2026/acme-2026-0.json,2026-11-01T00:00:00Z\n",
    );
    web.pages.remove(&format!("{HOST}/dir/2026/acme-2026-1.json"));
    let again = web.whole("/provider-metadata.json", walked.cursor.as_deref());
    assert_eq!(again.ids(), ["ACME-2026-0", "ACME-2026-1"]);
    assert!(again.parsed.items.iter().all(|item: &Item| item.withdrawn), "{:?}", again.parsed.items);
    assert_eq!(web.whole("/provider-metadata.json", again.cursor.as_deref()).ids(), Vec::<&str>::new());
}

#[test]
fn a_lower_version_does_not_replace_a_higher_one() {
    let mut web = directory("2026/acme-2026-0.json,2026-11-01T00:00:00Z\n");
    web.document("/dir/2026/acme-2026-0.json", &document("ACME-2026-0", 3), None);
    let walked = web.whole("/provider-metadata.json", None);
    web.put("/dir/changes.csv", "2026/acme-2026-0.json,2026-11-09T00:00:00Z\n");
    web.document("/dir/2026/acme-2026-0.json", &document("ACME-2026-0", 2), None);
    let again = web.whole("/provider-metadata.json", walked.cursor.as_deref());
    assert_eq!(again.ids(), Vec::<&str>::new());
    assert!(again.says("went back from version 3 to 2"), "{:?}", again.parsed.repairs);
}

#[test]
fn a_first_walk_takes_the_newest_and_one_cut_short_goes_on() {
    let signer = Signer::lasting();
    let web = provider(&signer, 230);
    let path = format!("{HOST}/provider-metadata.json");
    let cut = web.walk(&path, None, None, 3).expect("a walk");
    assert_eq!((cut.ids().len(), cut.ids()[0]), (60, "ACME-2026-30"));
    let rest = web.whole("/provider-metadata.json", cut.cursor.as_deref());
    assert_eq!((rest.ids().len(), rest.ids()[0]), (140, "ACME-2026-90"));
    assert_eq!(web.whole("/provider-metadata.json", rest.cursor.as_deref()).ids().len(), 0);
    let all = web.walk(&path, None, Some(Timestamp(0)), usize::MAX).expect("history");
    assert_eq!(all.ids().len(), 230);
    let since = crate::formats::dates::parse("2026-11-01T00:03:00Z");
    assert_eq!(web.walk(&path, None, since, usize::MAX).expect("history").ids().len(), 50);
}

#[test]
fn unchanged_lists_cost_one_request_each() {
    let signer = Signer::lasting();
    let mut web = provider(&signer, 1);
    web.etag = Some("\"1\"");
    let walked = web.whole("/feed.json", None);
    assert_eq!(walked.ids().len(), 1);
    let again = web.whole("/feed.json", walked.cursor.as_deref());
    assert_eq!((again.asked, again.batches), (vec!["/feed.json".to_owned()], 0));
}

#[test]
fn one_document_can_be_a_source_and_a_weaker_hash_proves_it_too() {
    let mut web = Web::default();
    let body = document("ACME-2026-0", 1).to_string();
    let hash: String = Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
    web.put("/acme-2026-0.json", body).put("/acme-2026-0.json.sha256", hash);
    let walked = web.whole("/acme-2026-0.json", None);
    assert_eq!((walked.ids(), walked.parsed.items[0].proof), (vec!["ACME-2026-0"], Some(Proof::Hashed)));
    assert_eq!(walked.parsed.repairs, Vec::<String>::new());
}

#[test]
fn a_file_name_against_the_rule_is_said() {
    let mut web = Web::default();
    web.document("/wrong.json", &document("ACME-2026-0", 1), None);
    assert!(web.whole("/wrong.json", None).says("its file name should be acme-2026-0.json"));
}

#[test]
fn documents_that_fail_are_tried_again_and_a_run_of_them_ends_the_walk() {
    let mut web = directory("2026/acme-2026-1.json,2026-11-02T00:00:00Z\n2026/acme-2026-0.json,2026-11-01T00:00:00Z\n");
    web.failing = vec![format!("{HOST}/dir/2026/acme-2026-0.json")];
    let walked = web.whole("/provider-metadata.json", None);
    assert_eq!((walked.ids(), walked.parsed.dropped), (vec!["ACME-2026-1"], 1));
    web.failing.clear();
    assert_eq!(web.whole("/provider-metadata.json", walked.cursor.as_deref()).ids(), ["ACME-2026-0"]);
    let signer = Signer::lasting();
    let mut web = provider(&signer, 9);
    web.failing = (0..9).map(|n| format!("{HOST}/2026/acme-2026-{n}.json")).collect();
    assert!(web.walk(&format!("{HOST}/provider-metadata.json"), None, None, usize::MAX).is_err());
}

#[test]
fn hostile_cursors_and_lists_end_in_an_error_or_a_first_walk() {
    let signer = Signer::lasting();
    let web = provider(&signer, 1);
    for cursor in [
        "",
        "nonsense",
        "{}",
        "[]",
        "{\"floor\": 7}",
        "{\"recent\": {\"x\": {\"key\": \"d\"}}}",
        "{\"floor\":\"dzzz\"}",
    ] {
        let _ = web
            .walk(&format!("{HOST}/provider-metadata.json"), Some(cursor), None, usize::MAX)
            .map(|walked| walked.ids().len());
    }
    for body in ["<html>", "{}", "{\"feed\": 7}", "{\"metadata_version\": \"2.0\"}", "\u{0}", "[]", "a,b\nc,d"] {
        let mut web = Web::default();
        web.put("/x", body);
        let walked = web.walk(&format!("{HOST}/x"), None, None, usize::MAX);
        assert!(walked.is_err() || walked.is_ok_and(|walked| walked.parsed.items.is_empty()), "{body}");
    }
}
