//! A provider of CSAF documents of 20 products and 10 vulnerabilities each.

use std::collections::HashMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

const HOST: &str = "https://vendor.example";

/// What documents are signed with.
pub struct Key<'a> {
    /// Of the key.
    pub fingerprint: String,
    /// The key, in ASCII armor.
    pub text: String,
    /// Makes a signature, in ASCII armor.
    pub sign: &'a dyn Fn(&[u8]) -> String,
}

/// The addresses of a provider of `count` documents at `host`, and what they answer.
pub fn provider(host: &str, count: usize, key: Option<&Key<'_>>) -> HashMap<String, Vec<u8>> {
    let mut web = HashMap::new();
    let mut entries = Vec::new();
    for n in 0..count {
        let (path, body) = (format!("{host}/acme-2026-{n}.json"), document(n).into_bytes());
        let hash: String = Sha512::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(key) = key {
            web.insert(format!("{path}.asc"), (key.sign)(&body).into_bytes());
        }
        web.insert(format!("{path}.sha512"), hash.into_bytes());
        let link = |rel: &str, suffix: &str| json!({"rel": rel, "href": format!("{path}{suffix}")});
        entries.push(json!({"id": n.to_string(), "updated": "2026-11-01T00:00:00Z", "link": [link("self", ""), link("hash", ".sha512"), link("signature", ".asc")]}));
        web.insert(path, body);
    }
    let keys = key.map(|key| json!({"fingerprint": key.fingerprint, "url": format!("{host}/key.asc")}));
    let keys: Vec<Value> = keys.into_iter().collect();
    if let Some(key) = key {
        web.insert(format!("{host}/key.asc"), key.text.clone().into_bytes());
    }
    let metadata = json!({"metadata_version": "2.0", "public_openpgp_keys": keys, "distributions": [{"rolie": {"feeds": [{"url": format!("{host}/feed.json")}]}}]});
    web.insert(format!("{host}/provider-metadata.json"), metadata.to_string().into_bytes());
    web.insert(format!("{host}/feed.json"), json!({"feed": {"entry": entries}}).to_string().into_bytes());
    web
}

/// A document of the size that vendors publish.
pub fn document(number: usize) -> String {
    let versions: Vec<Value> = (0..20)
        .map(|n| json!({"category": "product_version_range", "name": format!("vers:generic/<7.{n}"), "product": {"name": format!("Acme Tunnel before 7.{n}"), "product_id": format!("P{n}")}}))
        .collect();
    let ids: Vec<String> = (0..20).map(|n| format!("P{n}")).collect();
    let vulnerabilities: Vec<Value> = (0..10)
        .map(|n| {
            json!({
                "cve": format!("CVE-2098-{}", 10_000 + 10 * number + n), "title": "Improper input validation", "cwe": {"id": "CWE-20", "name": "Improper Input Validation"},
                "notes": [{"category": "description", "text": "The service does not check what it is sent. ".repeat(12)}],
                "product_status": {"known_affected": ids},
                "remediations": [{"category": "vendor_fix", "details": "Update to the newest version.", "product_ids": ids, "url": "https://vendor.example/downloads"}],
                "scores": [{"cvss_v3": {"version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8, "baseSeverity": "CRITICAL"}, "products": ids}],
            })
        })
        .collect();
    json!({
        "document": {
            "category": "csaf_security_advisory", "csaf_version": "2.0", "title": "Acme Tunnel: several flaws", "distribution": {"tlp": {"label": "WHITE"}},
            "notes": [{"category": "summary", "text": "Acme Tunnel has several flaws. ".repeat(20), "title": "Summary"}],
            "publisher": {"category": "vendor", "name": "Acme", "namespace": HOST},
            "references": [{"category": "self", "summary": "For people", "url": format!("{HOST}/a/acme-2026-{number}")}],
            "tracking": {"id": format!("ACME-2026-{number}"), "version": "1", "status": "final", "initial_release_date": "2026-11-01T00:00:00Z", "current_release_date": "2026-11-01T00:00:00Z",
                "revision_history": [{"date": "2026-11-01T00:00:00Z", "number": "1", "summary": "First version."}]},
        },
        "product_tree": {"branches": [{"category": "vendor", "name": "Acme", "branches": [{"category": "product_name", "name": "Tunnel", "branches": versions}]}]},
        "vulnerabilities": vulnerabilities,
    })
    .to_string()
}
