//! Webhooks: signed HTTP requests to a program, by the Standard Webhooks specification.
//!
//! A request is a JSON document `{type, timestamp, data}` with three headers: `webhook-id`, the same on every try, by which
//! the receiver tells a repeat; `webhook-timestamp`, the second of this try, by which it refuses old ones; and
//! `webhook-signature`, one `v1,` signature for each secret. While a secret is being replaced, both are kept, separated
//! by a space or a comma, so that the receiver may check by either.
//!
//! The body is the same on every try, byte for byte.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::endpoint::{self, Form};
use super::words;
use crate::http::Post;
use crate::model::channel::{Brief, BriefItem};
use crate::model::clock::{Clock, Timestamp};
use crate::model::delivery::{Message, Outcome};

/// Padding may be missing: people lose it when they copy a secret.
const SECRET: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The length of a key in bytes that the specification allows, with room for what other programs make.
const KEY: std::ops::RangeInclusive<usize> = 16..=256;

/// The form.
#[derive(Debug)]
pub struct Webhook {
    /// What dates each try.
    pub clock: Clock,
}

/// The body.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: Data<'a>,
}

/// The brief as programs read it: times by RFC 3339, facts by name.
#[derive(Serialize)]
struct Data<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    lead: &'a str,
    title: &'a str,
    changes: &'a [String],
    advisory: Option<&'a str>,
    url: &'a str,
    severity: &'a str,
    exploited: bool,
    platforms: &'a [String],
    cves: &'a [String],
    facts: Vec<Fact<'a>>,
    steps: &'a [String],
    items: &'a [BriefItem],
    why: &'a str,
    tlp: &'a str,
    at: String,
}

#[derive(Serialize)]
struct Fact<'a> {
    label: &'a str,
    text: &'a str,
}

impl Form for Webhook {
    const NAME: &'static str = "webhook";

    fn request(&self, message: &Message) -> Result<Post, Outcome> {
        let (brief, endpoint, url) = endpoint::parts(message)?;
        let keys = keys(endpoint.secret.as_deref().unwrap_or_default()).map_err(|reason| Outcome::Never { reason })?;
        let body = body(brief, message.date);
        let seconds = self.clock.now().seconds();
        let headers = vec![
            ("webhook-id", message.key.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures(&keys, &message.key, seconds, &body)),
        ];
        Ok(Post { headers, ..endpoint::json(url, body) })
    }
}

/// The body that tells `brief`, of a delivery made at `date`.
#[must_use]
pub fn body(brief: &Brief, date: Timestamp) -> Vec<u8> {
    let brief = &words::bounded(brief);
    let data = Data {
        kind: &brief.kind,
        lead: &brief.lead,
        title: &brief.title,
        changes: &brief.changes,
        advisory: brief.advisory.as_deref(),
        url: &brief.url,
        severity: &brief.severity,
        exploited: brief.exploited,
        platforms: &brief.platforms,
        cves: &brief.cves,
        facts: brief.facts.iter().map(|(label, text)| Fact { label, text }).collect(),
        steps: &brief.steps,
        items: &brief.items,
        why: &brief.why,
        tlp: &brief.tlp,
        at: brief.at.to_string(),
    };
    endpoint::written(&Payload { kind: &brief.kind, timestamp: date.to_string(), data })
}

/// The keys that `secret` holds: one or more `whsec_` and base64, separated by spaces or commas.
///
/// # Errors
/// Says what a secret looks like, and shows nothing of the one given.
pub fn keys(secret: &str) -> Result<Vec<Vec<u8>>, String> {
    let written = secret.split([' ', ',', '\t', '\n', '\r']).filter(|one| !one.is_empty());
    let keys: Result<Vec<Vec<u8>>, String> = written.map(key).collect();
    match keys {
        Ok(keys) if keys.is_empty() => Err("the webhook has no secret to sign with".to_owned()),
        other => other,
    }
}

fn key(written: &str) -> Result<Vec<u8>, String> {
    let wrong = || "a webhook's secret is written whsec_ and then 24 to 64 bytes in base64".to_owned();
    let key = SECRET.decode(written.strip_prefix("whsec_").ok_or_else(wrong)?).map_err(|_| wrong())?;
    if KEY.contains(&key.len()) { Ok(key) } else { Err(wrong()) }
}

/// The value of `webhook-signature`: for each key, `v1,` and the base64 of an HMAC-SHA-256 over `id.seconds.body`.
#[must_use]
pub fn signatures(keys: &[Vec<u8>], id: &str, seconds: i64, body: &[u8]) -> String {
    let sign = |key: &Vec<u8>| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_the_specification_is_met() {
        let keys = keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures_and_a_wrong_one_is_named_without_being_shown() {
        let two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
        assert_eq!(signatures(&keys(two).expect("two"), "a", 1, b"x").split(' ').count(), 2);
        for wrong in ["", " , ", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!!!secret"] {
            let said = keys(wrong).expect_err("no secret");
            assert!(!said.contains("secret9") && !said.contains("c2hvcnQ"), "{said}");
        }
    }
}
