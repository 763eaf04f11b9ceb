//! A web of our own, and walks over it.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha512};

use super::openpgp::Signer;
use crate::config::sources::{self, Known, Source};
use crate::formats::ParseError;
use crate::formats::walk::{Answer, Start, Step};
use crate::http::{Meta, Page, Request};
use crate::model::clock::{Clock, Timestamp};
use crate::model::health::Validators;
use crate::model::item::Parsed;

/// Where everything is.
pub const HOST: &str = "https://vendor.example";

/// Addresses and what they answer; whatever is not in it is missing.
#[derive(Default)]
pub struct Web {
    pub pages: BTreeMap<String, Vec<u8>>,
    pub failing: Vec<String>,
    pub etag: Option<&'static str>,
}

/// What a walk did.
#[derive(Default)]
pub struct Walked {
    pub parsed: Parsed,
    pub cursor: Option<String>,
    pub asked: Vec<String>,
    pub batches: usize,
}

impl Walked {
    pub fn ids(&self) -> Vec<&str> {
        self.parsed.items.iter().filter_map(|item| item.native_id.as_deref()).collect()
    }

    pub fn says(&self, words: &str) -> bool {
        self.parsed.repairs.iter().any(|repair| repair.contains(words))
    }
}

impl Web {
    pub fn put(&mut self, path: &str, body: impl Into<Vec<u8>>) -> &mut Self {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{HOST}{path}") };
        self.pages.insert(url, body.into());
        self
    }

    /// A document with its hash and, where there is a signer, its signature.
    pub fn document(&mut self, path: &str, value: &Value, signer: Option<&Signer>) -> &mut Self {
        let body = value.to_string().into_bytes();
        let hash: String = Sha512::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        self.put(&format!("{path}.sha512"), format!("{hash}  {path}\n"));
        if let Some(signer) = signer {
            self.put(&format!("{path}.asc"), signer.sign(&body));
        }
        self.put(path, body)
    }

    fn answer(&self, request: &Request) -> Answer {
        if self.failing.contains(&request.url.to_string()) {
            return Answer::Failed("it shuts us out (status 403)".to_owned());
        }
        if self.etag.is_some() && request.validators.etag.as_deref() == self.etag {
            return Answer::Unchanged;
        }
        let Some(body) = self.pages.get(request.url.as_str()) else { return Answer::Missing };
        let validators = Validators { etag: self.etag.map(str::to_owned), last_modified: None };
        let meta = Meta { final_url: request.url.clone(), moved_to: None, validators, max_age: None, next: None };
        Answer::Page(Box::new(Page { body: body.clone(), content_type: None, meta }))
    }

    pub fn walk(
        &self,
        url: &str,
        cursor: Option<&str>,
        since: Option<Timestamp>,
        most: usize,
    ) -> Result<Walked, ParseError> {
        let source = source(url);
        let now = Clock::system().now();
        let mut walk = super::super::walk::begin(&Start { source: &source, key: None, cursor, since, now })?;
        let mut walked = Walked::default();
        let mut answer = Answer::Begin;
        loop {
            answer = match walk.next(answer)? {
                Step::Done => return Ok(walked),
                Step::Fetch(request) | Step::Try(request) => {
                    walked.asked.push(request.url.path().to_owned());
                    self.answer(&request)
                }
                Step::Store(batch) => {
                    walked.parsed.items.extend(batch.parsed.items);
                    walked.parsed.repairs.extend(batch.parsed.repairs);
                    walked.parsed.dropped += batch.parsed.dropped;
                    walked.cursor = batch.cursor;
                    walked.batches += 1;
                    if walked.batches == most {
                        return Ok(walked);
                    }
                    Answer::Stored
                }
                other => panic!("an unexpected step: {other:?}"),
            }
        }
    }

    pub fn whole(&self, path: &str, cursor: Option<&str>) -> Walked {
        self.walk(&format!("{HOST}{path}"), cursor, None, usize::MAX).unwrap_or_else(|fault| panic!("{path}: {fault}"))
    }
}

fn source(url: &str) -> Source {
    let known = Known { formats: &["csaf"], platforms: None, check_selector: &|_| Ok(()) };
    let text = format!(
        "[[source]]\nid = \"a\"\nname = \"A\"\npublisher = \"A\"\nkind = \"vendor\"\ncountry = \"US\"\nurl = \"{url}\"\nformat = \"csaf\"\nschedule = \"0 0 * * * *\"\n"
    );
    sources::parse(&text, "test", &known).expect("a good source").remove(0)
}
