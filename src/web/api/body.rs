//! Bodies: JSON objects of which every field is known. All that is wrong with one is told at once.

use std::fmt;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;

use super::super::State;
use super::problem::{FieldError, Problem};

/// Largest body that is read, in bytes.
pub(super) const BODY_MAX: usize = 64 * 1024;
/// Deepest nesting that is read. Nothing that is taken goes deeper than two.
const DEPTH_MAX: usize = 16;

/// A JSON object as it was sent, in order and with repeats.
#[derive(Debug)]
pub(super) struct Sent(Vec<(String, Value)>);

impl FromRequest<State> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &State) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "Send the body as 'Content-Type: application/json', not compressed.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let stated = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("A body has at most {BODY_MAX} bytes."));
        if stated.is_some_and(|length: u64| length > BODY_MAX as u64) {
            return Err(too_large());
        }
        read(&to_bytes(body, BODY_MAX).await.map_err(|_| too_large())?)
    }
}

/// `application/json`, in UTF-8 and as it is.
fn is_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let mut parts = text(header::CONTENT_TYPE).unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_plain = parts.all(|part| part.replace('"', "").eq_ignore_ascii_case("charset=utf-8"));
    let encoded = headers.contains_key(header::CONTENT_ENCODING);
    is_json && is_plain && !encoded && headers.get_all(header::CONTENT_TYPE).iter().count() == 1
}

fn read(bytes: &Bytes) -> Result<Sent, Problem> {
    let unreadable = |why: &str| Problem::new(StatusCode::BAD_REQUEST, format!("The body cannot be read: {why}."));
    if depth(bytes) > DEPTH_MAX {
        return Err(unreadable("it is nested too deeply"));
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The body is no JSON object."),
        _ => unreadable(&format!("it is no JSON from line {}, column {} on", error.line(), error.column())),
    })
}

/// How deeply arrays and objects are nested.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

impl<'de> Deserialize<'de> for Sent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Sent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sent, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Sent(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Sent {
    /// Takes the object apart: `known` names its fields.
    pub(super) fn fields(self, known: &'static [&'static str]) -> Fields {
        let mut fields = Fields { known, values: Vec::new(), errors: Vec::new() };
        for (name, value) in self.0 {
            let shown = crate::model::text::truncate(&crate::model::text::one_line(&name), 80);
            if !known.contains(&name.as_str()) {
                fields.fault(&shown, format!("There is no such field ({}).", known.join(", ")));
            } else if fields.values.iter().any(|(before, _)| *before == name) {
                fields.fault(&shown, "It is sent more than once.");
            } else {
                fields.values.push((name, value));
            }
        }
        fields
    }
}

/// The fields of a body, and what is wrong with it so far.
pub(super) struct Fields {
    known: &'static [&'static str],
    values: Vec<(String, Value)>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Says what is wrong with a field.
    pub(super) fn fault(&mut self, field: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(field, detail));
    }

    /// A field that need not be there.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        debug_assert!(self.known.contains(&name), "{name} is not among the known fields");
        let at = self.values.iter().position(|(known, _)| known == name)?;
        Some(self.values.swap_remove(at).1)
    }

    /// A field that must be there.
    pub(super) fn need(&mut self, name: &str) -> Option<Value> {
        let value = self.take(name);
        // A field that is sent twice is there.
        if value.is_none() && !self.errors.iter().any(|error| error.is_of(name)) {
            self.fault(name, "It is missing.");
        }
        value
    }

    /// Refuses the body where anything is wrong with it.
    pub(super) fn done(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::values(self.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a": [1, {"b": "]}[[[\"[["}]}"#), 3);
        let deep = Bytes::from("[".repeat(1_000));
        assert_eq!(read(&deep).err().map(|problem| problem.status()), Some(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn what_is_unknown_missing_or_repeated_is_named() {
        let sent = read(&Bytes::from_static(br#"{"name": 1, "name": 2, "nmae": "x"}"#)).expect("it is JSON");
        let mut fields = sent.fields(&["name", "stack"]);
        assert_eq!(fields.take("name"), Some(Value::from(1)));
        assert_eq!(fields.need("stack"), None);
        let errors: Vec<String> = fields.errors.iter().map(|error| format!("{error:?}")).collect();
        assert!(errors.len() == 3 && errors[0].contains("more than once") && errors[1].contains("nmae"), "{errors:?}");
        assert!(fields.done().is_err());
    }
}
