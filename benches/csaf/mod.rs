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
use serde_json::Value;
use sha2::{Digest, Sha512};
use url::Url;

use super::provider::{Key, document, provider};
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
    let signer = Signer::lasting();
    let sign = |body: &[u8]| signer.sign(body);
    let key = Some(Key { fingerprint: signer.fingerprint(), text: signer.key(), sign: &sign });
    let [hashed, signed] = [false, true].map(|signed| {
        let web = provider(HOST, COUNT, key.as_ref().filter(|_| signed));
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
