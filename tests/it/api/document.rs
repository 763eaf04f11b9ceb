//! The document: it names what is there, and answers are exactly what it says.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::client::{Client, Reply, one};
use crate::support::site::Site;

/// The schema that a reference names, or the schema itself.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.map_or(schema, |target| document.pointer(target).unwrap_or_else(|| panic!("{target} is missing")))
}

/// The properties of an object, those of its parts included, and which of them are needed.
fn properties<'d>(document: &'d Value, schema: &'d Value, into: &mut (Map<String, Value>, Vec<String>)) {
    let schema = resolved(document, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        properties(document, part, into);
    }
    into.0
        .extend(schema["properties"].as_object().into_iter().flatten().map(|(name, one)| (name.clone(), one.clone())));
    into.1.extend(
        schema["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)),
    );
}

/// Says where a value differs from its description. A field that is not described is a difference.
fn differences(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = resolved(document, schema);
    if let Some(either) = schema["oneOf"].as_array() {
        let fits = either.iter().any(|one| {
            let mut faults = Vec::new();
            differences(document, one, value, at, &mut faults);
            faults.is_empty()
        });
        if !fits {
            found.push(format!("{at}: {value} is none of {either:?}"));
        }
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ if schema["allOf"].is_array() => vec!["object"],
        _ => Vec::new(),
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) if types.contains(&"number") => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&actual) {
        found.push(format!("{at}: {value} is no {types:?}"));
        return;
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    let instant = value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok());
    if schema["format"] == "date-time" && actual == "string" && !instant {
        found.push(format!("{at}: {value} is no instant"));
    }
    for item in value.as_array().into_iter().flatten() {
        differences(document, &schema["items"], item, &format!("{at}/items"), found);
    }
    if let Some(object) = value.as_object() {
        let mut described = (Map::new(), Vec::new());
        properties(document, schema, &mut described);
        found.extend(
            described.1.iter().filter(|name| !object.contains_key(*name)).map(|name| format!("{at}: no {name}")),
        );
        for (name, value) in object {
            match described.0.get(name) {
                Some(schema) => differences(document, schema, value, &format!("{at}/{name}"), found),
                None => found.push(format!("{at}: {name} is not described")),
            }
        }
    }
}

/// Asserts that an answer is one that the document tells of, and is as it says.
fn fits(document: &Value, operation: &Value, reply: &Reply, what: &str) {
    let answer = &operation["responses"][reply.status.to_string()];
    assert!(answer.is_object(), "{what}: {} is not described: {}", reply.status, reply.text);
    let Some(content) = answer["content"].as_object() else {
        assert!(reply.text.is_empty(), "{what}: {}", reply.text);
        return;
    };
    let kind = reply.header("content-type").unwrap_or_default();
    let schema = content.get(kind).unwrap_or_else(|| panic!("{what}: {kind} is not described"));
    let mut faults = Vec::new();
    differences(document, &schema["schema"], &reply.json(), "", &mut faults);
    assert!(faults.is_empty(), "{what}: {faults:#?}");
    for name in answer["headers"].as_object().into_iter().flat_map(Map::keys) {
        assert!(reply.header(name).is_some(), "{what} has no {name}");
    }
}

async fn delivered(site: &Site, acme: &Client<'_>) -> String {
    site.publish("CVE-2099-6001: FortiGate lets anyone in, exploited in the wild");
    let begun = Instant::now();
    loop {
        if let Some(id) = acme.read("/api/v1/deliveries?state=sent").ids().pop() {
            return id;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "a delivery in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_is_described_is_there_and_answers_as_described() {
    let (site, _store) = one().await;
    let acme = Client::of(&site, "Acme", "write");
    let delivery = delivered(&site, &acme).await;
    let document = acme.read("/api/openapi.json").json();
    assert_eq!((&document["openapi"], &document["servers"][0]["url"]), (&"3.1.0".into(), &"/".into()));
    let paths = document["paths"].as_object().expect("paths");
    let every = ["get", "post", "put", "patch", "delete", "trace"];
    let mut count = 0;
    for (path, methods) in paths {
        let id = match path.split('/').nth(3) {
            Some("advisories") => "RW-2",
            Some("platforms") => "fortigate",
            Some("clients") => "client-1",
            Some("subscriptions") => "sub-1",
            Some("responses") => "response-1",
            _ => delivery.as_str(),
        };
        let address = path.replace("{id}", id);
        // What removes comes last.
        let ordered = every.iter().filter_map(|method| Some((*method, methods.get(*method)?)));
        for (method, operation) in ordered {
            let body = operation["requestBody"]["content"]["application/json"]["schema"].clone();
            let body = resolved(&document, &body)["example"].clone();
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let what = format!("{method} {path}");
            let reply = acme.send(&method.to_uppercase(), &address, &body);
            assert!((200..300).contains(&reply.status), "{what}: {} {}", reply.status, reply.text);
            fits(&document, operation, &reply, &what);
            let broken = acme.send(&method.to_uppercase(), &format!("{address}?nonsense=1"), &body);
            assert_eq!(broken.status, 400, "{what}");
            fits(&document, operation, &broken, &what);
            let wrong = Client { site: &site, token: Some("rwt_9_0".to_owned()) };
            fits(&document, operation, &wrong.send(&method.to_uppercase(), &address, &body), &what);
            count += 1;
        }
        let others: Vec<&&str> = every.iter().filter(|method| methods.get(**method).is_none()).collect();
        for method in others {
            let reply = acme.send(&method.to_uppercase(), &address, "");
            reply.problem(405);
            let allow = reply.header("allow").unwrap_or_default().to_lowercase();
            let allowed = methods.as_object().expect("methods").keys().filter(|known| allow.contains(known.as_str()));
            assert_eq!(allowed.count(), methods.as_object().map_or(0, Map::len), "{method} {path}: {allow}");
        }
    }
    assert_eq!(count, 20, "a route was added or taken away: look at the tests of tenancy and of this file too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_people_the_same_without_a_script() {
    let (site, _store) = one().await;
    let stranger = Client::stranger(&site);
    let document = stranger.read("/api/openapi.json").json();
    let page = stranger.read("/api");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            assert!(page.text.contains(&format!("{} {path}", method.to_uppercase())), "{method} {path}");
            let summary = operation["summary"].as_str().expect("a summary").replace('\'', "&#39;");
            assert!(page.text.contains(&summary), "{summary}");
        }
    }
    for inline in ["<style", " style=\"", "onclick=", "<script>", "javascript:"] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    assert!(
        page.text.contains("Authorization: Bearer $TOKEN") && page.text.contains("q=screenconnect"),
        "{}",
        page.text
    );
}

#[test]
fn a_difference_is_found() {
    let document = serde_json::json!({"components": {"schemas": {"A": {"type": "object", "required": ["a"],
        "properties": {"a": {"type": ["string", "null"], "format": "date-time"}, "b": {"type": "array", "items": {"type": "integer"}}}}}}});
    let schema = serde_json::json!({"$ref": "#/components/schemas/A"});
    for (value, count) in [
        (r#"{"a": null, "b": [1]}"#, 0),
        (r#"{"a": "2026-11-01T00:00:00Z"}"#, 0),
        (r#"{"a": "yesterday"}"#, 1),
        (r#"{"b": ["1"]}"#, 2),
        (r#"{"a": null, "c": 1}"#, 1),
        ("[]", 1),
    ] {
        let mut found = Vec::new();
        differences(&document, &schema, &serde_json::from_str(value).expect("JSON"), "", &mut found);
        assert_eq!(found.len(), count, "{value}: {found:?}");
    }
}
