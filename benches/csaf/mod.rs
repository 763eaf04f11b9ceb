//! Reading a signed CSAF document of 20 products and 10 vulnerabilities, as a walk over a provider does.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use rattlewatch::config::sources::{self, Known, Source};
use rattlewatch::formats::walk::{self, Answer, Start, Step};
use rattlewatch::formats::{self, Origin};
use rattlewatch::http::{Meta, Page};
use rattlewatch::model::clock::Clock;
use rattlewatch::model::health::Validators;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use url::Url;

use openpgp::Signer;

#[path = "../../tests/support/openpgp.rs"]
mod openpgp;

/// Documents of one walk.
const COUNT: usize = 100;
const HOST: &str = "https://vendor.example";

/// Prints what a document costs: bare, parsed, and in a walk with and without signatures.
pub fn measure() {
    let document = document(0).into_bytes();
    let url: Url = HOST.parse().expect("a constant");
    let origin = Origin::of(&url, None);
    let format = formats::by_name("csaf").expect("it is listed");
    let repairs = (format.parse)(&document, &origin).expect("it can be read").repairs;
    assert!(repairs.is_empty(), "{repairs:?}");
    let bare = best(|| {
        black_box(serde_json::from_slice::<Value>(black_box(&document)).expect("JSON"));
        black_box(Sha512::digest(black_box(&document)));
    });
    let parsed = best(|| drop(black_box((format.parse)(black_box(&document), &origin))));
    let [hashed, signed] = [false, true].map(|signed| {
        let web = provider(HOST, COUNT, signed);
        best(|| walked(&web)) / u32::try_from(COUNT).expect("a small number")
    });
    let ratio = |time: Duration| time.as_secs_f64() / bare.as_secs_f64();
    println!("csaf  {} bytes: JSON and SHA-512 alone {bare:.1?}", document.len());
    println!("      read and validated {parsed:.1?} ({:.1} times)", ratio(parsed));
    println!(
        "      in a walk with its hash {hashed:.1?} ({:.1} times), with its signature too {signed:.1?} ({:.1} times)",
        ratio(hashed),
        ratio(signed)
    );
    println!("      verifying a signature (Ed25519) {:.1?}", signed.saturating_sub(hashed));
}

fn best(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        work();
        best = best.min(begun.elapsed());
    }
    best
}

/// The addresses of a provider of `count` documents at `host`, and what they answer.
pub fn provider(host: &str, count: usize, signed: bool) -> HashMap<String, Vec<u8>> {
    let signer = Signer::lasting();
    let mut web = HashMap::new();
    let mut entries = Vec::new();
    for n in 0..count {
        let (path, body) = (format!("{host}/acme-2026-{n}.json"), document(n).into_bytes());
        let hash: String = Sha512::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        if signed {
            web.insert(format!("{path}.asc"), signer.sign(&body).into_bytes());
        }
        web.insert(format!("{path}.sha512"), hash.into_bytes());
        let link = |rel: &str, suffix: &str| json!({"rel": rel, "href": format!("{path}{suffix}")});
        entries.push(json!({"id": n.to_string(), "updated": "2026-11-01T00:00:00Z", "link": [link("self", ""), link("hash", ".sha512"), link("signature", ".asc")]}));
        web.insert(path, body);
    }
    let keys = if signed {
        json!([{"fingerprint": signer.fingerprint(), "url": format!("{host}/key.asc")}])
    } else {
        json!([])
    };
    let metadata = json!({"metadata_version": "2.0", "public_openpgp_keys": keys, "distributions": [{"rolie": {"feeds": [{"url": format!("{host}/feed.json")}]}}]});
    web.insert(format!("{host}/key.asc"), signer.key().into_bytes());
    web.insert(format!("{host}/provider-metadata.json"), metadata.to_string().into_bytes());
    web.insert(format!("{host}/feed.json"), json!({"feed": {"entry": entries}}).to_string().into_bytes());
    web
}

fn source() -> Source {
    let known = Known { formats: &["csaf"], platforms: None, check_selector: &|_| Ok(()) };
    let text = format!(
        "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"vendor\"\ncountry = \"US\"\nurl = \"{HOST}/provider-metadata.json\"\n\
         format = \"csaf\"\nschedule = \"0 0 * * * *\"\n"
    );
    sources::parse(&text, "bench", &known).expect("a good source").remove(0)
}

fn walked(web: &HashMap<String, Vec<u8>>) {
    let source = source();
    let start = Start { source: &source, key: None, cursor: None, since: None, now: Clock::system().now() };
    let mut walk = walk::begin(&start).expect("a walk");
    let (mut answer, mut items) = (Answer::Begin, 0);
    loop {
        answer = match walk.next(answer).expect("the provider can be read") {
            Step::Fetch(request) | Step::Try(request) => match web.get(request.url.as_str()) {
                None => Answer::Missing,
                Some(body) => {
                    let meta = Meta {
                        final_url: request.url,
                        moved_to: None,
                        validators: Validators::default(),
                        max_age: None,
                        next: None,
                    };
                    Answer::Page(Box::new(Page { body: body.clone(), content_type: None, meta }))
                }
            },
            Step::Store(batch) => {
                items += batch.parsed.items.len();
                Answer::Stored
            }
            _ => break,
        };
    }
    assert_eq!(items, COUNT);
}

/// A document of the size that vendors publish.
fn document(number: usize) -> String {
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
