//! CSAF providers through the program itself, and recorded documents of real ones.

mod corpus;
mod documents;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::openpgp::Signer;
use crate::support::program::Program;

fn hash(body: &[u8]) -> String {
    Sha512::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn document(id: &str, title: &str, cve: &str) -> Vec<u8> {
    let history = json!([{"date": "2026-11-01T00:00:00Z", "number": "1", "summary": "First version."}]);
    json!({
        "document": {
            "category": "csaf_security_advisory", "csaf_version": "2.0", "title": title, "distribution": {"tlp": {"label": "WHITE"}},
            "notes": [{"category": "summary", "text": "An attacker signs in without a password.", "title": "Summary"}],
            "publisher": {"category": "vendor", "name": "Acme", "namespace": "https://vendor.example"},
            "references": [{"category": "self", "summary": "For people", "url": format!("https://vendor.example/{id}")}],
            "tracking": {"id": id, "version": "1", "status": "final", "revision_history": history,
                "initial_release_date": "2026-11-01T00:00:00Z", "current_release_date": "2026-11-01T00:00:00Z"},
        },
        "product_tree": {"full_product_names": [{"name": "ConnectWise ScreenConnect", "product_id": "S"}]},
        "vulnerabilities": [{
            "cve": cve, "notes": [{"category": "description", "text": "It lets anybody in."}],
            "product_status": {"known_affected": ["S"]},
            "remediations": [{"category": "vendor_fix", "details": "Update to 99.4.", "product_ids": ["S"]}],
        }],
    })
    .to_string()
    .into_bytes()
}

/// A provider on loopback that signs what it publishes.
struct Provider {
    web: HttpServer,
    signer: Signer,
    entries: Vec<Value>,
}

impl Provider {
    async fn start() -> Self {
        let provider = Self { web: HttpServer::start().await, signer: Signer::lasting(), entries: Vec::new() };
        let at = |path: &str| provider.web.url(path);
        let metadata = json!({
            "metadata_version": "2.0", "canonical_url": at("/provider-metadata.json"),
            "public_openpgp_keys": [{"fingerprint": provider.signer.fingerprint(), "url": at("/key.asc")}],
            "distributions": [{"rolie": {"feeds": [{"url": at("/feed.json"), "tlp_label": "WHITE", "summary": "All"}]}}],
        });
        provider.web.route("/provider-metadata.json", Reply::ok("application/json", metadata.to_string()));
        provider.web.route("/key.asc", Reply::ok("text/plain", provider.signer.key()));
        provider
    }

    /// Lists a document; `served` is what comes in its place, where that is something else.
    fn publish(&mut self, id: &str, updated: &str, body: &[u8], served: Option<&[u8]>) {
        let path = format!("/2026/{}.json", id.to_lowercase());
        self.web.route(&path, Reply::ok("application/json", served.unwrap_or(body)));
        self.web.route(&format!("{path}.sha512"), Reply::ok("text/plain", hash(body)));
        self.web.route(&format!("{path}.asc"), Reply::ok("text/plain", self.signer.sign(body)));
        let link = |rel: &str, suffix: &str| json!({"rel": rel, "href": self.web.url(&format!("{path}{suffix}"))});
        let links = [link("self", ""), link("hash", ".sha512"), link("signature", ".asc")];
        self.entries.push(json!({"id": id, "title": id, "updated": updated, "link": links}));
        let feed = json!({"feed": {"id": "f", "entry": self.entries}});
        self.web.route("/feed.json", Reply::ok("application/json", feed.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_found_read_proved_and_stored_and_its_news_told() {
    let mut provider = Provider::start().await;
    provider.publish(
        "ACME-2026-1",
        "2026-11-01T00:00:00Z",
        &document("ACME-2026-1", "Old flaw", "CVE-2099-11111"),
        None,
    );
    let mut program = Program::new();
    program.sources(&[("acme", "csaf", &provider.web.url("/provider-metadata.json"))]);
    let first = program.run();
    assert_eq!(first["sources"][0]["result"], "baseline", "{first}");
    assert_eq!(first["new_advisories"], 1, "{first}");
    for path in ["/key.asc", "/2026/acme-2026-1.json", "/2026/acme-2026-1.json.sha512", "/2026/acme-2026-1.json.asc"] {
        assert_eq!(provider.web.requests(path).len(), 1, "{path}");
    }

    let new = document("ACME-2026-2", "ScreenConnect: authentication bypass", "CVE-2099-22222");
    provider.publish("ACME-2026-2", "2026-11-02T00:00:00Z", &new, None);
    let second = program.run();
    assert_eq!((&second["events"], &second["sources"][0]["result"]), (&json!(1), &json!("ok")), "{second}");
    assert_eq!(provider.web.requests("/2026/acme-2026-1.json").len(), 1, "what was read is not read again");

    let exported = program.ok(&["advisories", "export", "--jsonl"]);
    let advisories: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = advisories.iter().find(|advisory| advisory["cves"] == json!(["CVE-2099-22222"])).expect("it is stored");
    assert_eq!(told["platforms"], json!(["screenconnect"]), "{told}");
    assert_eq!(told["items"][0]["native_id"], "ACME-2026-2", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_altered_on_its_way_is_never_stored() {
    let mut provider = Provider::start().await;
    let (good, altered) =
        (document("ACME-2026-1", "Good", "CVE-2099-11111"), document("ACME-2026-2", "Altered", "CVE-2099-33333"));
    provider.publish("ACME-2026-1", "2026-11-01T00:00:00Z", &good, None);
    provider.publish(
        "ACME-2026-2",
        "2026-11-02T00:00:00Z",
        &document("ACME-2026-2", "Good", "CVE-2099-22222"),
        Some(&altered),
    );
    let mut program = Program::new();
    program.sources(&[("acme", "csaf", &provider.web.url("/provider-metadata.json"))]);
    let first = program.run();
    assert_eq!(first["new_advisories"], 1, "{first}");
    let detail = first["sources"][0]["detail"].as_str().unwrap_or_default().to_owned();
    assert!(!program.ok(&["advisories", "export", "--jsonl"]).contains("Altered"), "{detail}");
    let health = program.source("acme").to_string();
    assert!(health.contains("degraded") || detail.contains("rejected"), "{first} {health}");
}
