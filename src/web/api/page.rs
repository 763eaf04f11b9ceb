//! The document for people: endpoints, parameters and examples, made of the document for programs.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value};

use super::super::State;
use super::super::cache::Made;
use super::super::views::{Frame, html};

/// A parameter, or a field of a body.
struct Field {
    name: String,
    /// Where it stands: the path, the query or the body.
    place: &'static str,
    kind: String,
    needed: bool,
    about: String,
}

/// An answer.
struct Answer {
    status: String,
    about: String,
}

/// A method on a path.
struct Endpoint {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<String>,
    /// What it takes to be let in.
    access: &'static str,
    fields: Vec<Field>,
    answers: Vec<Answer>,
    /// An example to be typed.
    curl: String,
}

#[derive(Template)]
#[template(path = "api.html")]
struct Reference {
    frame: Frame,
    about: String,
    /// By what they are about.
    groups: Vec<(String, Vec<Endpoint>)>,
}

/// The page.
pub(super) async fn show(
    Shared(state): Shared<State>,
    axum::Extension(document): axum::Extension<Arc<Value>>,
    headers: HeaderMap,
) -> Response {
    let make = async {
        let reference = Reference {
            frame: state.frame("/api"),
            about: text(&document["info"]["description"]),
            groups: groups(&document, &state.0.context.public_url),
        };
        Ok(Made::new("text/html; charset=utf-8", html(&reference).0))
    };
    state.0.cache.page("/api".to_owned(), &headers, make).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn groups(document: &Value, base: &str) -> Vec<(String, Vec<Endpoint>)> {
    let mut groups: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let endpoint = endpoint(document, base, (method, path), operation);
            let tag = text(&operation["tags"][0]);
            match groups.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, all)) => all.push(endpoint),
                None => groups.push((tag, vec![endpoint])),
            }
        }
    }
    groups
}

fn endpoint(document: &Value, base: &str, (method, path): (&str, &str), operation: &Value) -> Endpoint {
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    let security: Vec<&Value> = operation["security"].as_array().into_iter().flatten().collect();
    let writes = security.iter().any(|one| one["token"][0] == "write");
    let open = security.iter().any(|one| one.as_object().is_some_and(Map::is_empty));
    let body = resolved(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
    let mut fields: Vec<Field> = parameters.iter().map(|parameter| of_address(document, parameter)).collect();
    let needed: Vec<&Value> = body["required"].as_array().into_iter().flatten().collect();
    let described = body["properties"].as_object().into_iter().flatten();
    fields.extend(described.map(|(name, schema)| Field {
        name: name.clone(),
        place: "body",
        kind: kind(document, schema),
        needed: needed.iter().any(|one| *one == name),
        about: text(&schema["description"]),
    }));
    let answers = operation["responses"].as_object().into_iter().flatten();
    Endpoint {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        about: text(&operation["description"]).split("\n\n").map(str::to_owned).filter(|one| !one.is_empty()).collect(),
        access: match (open, writes) {
            (true, _) => "no token needed where pages are public",
            (false, false) => "token with the scope read",
            (false, true) => "token with the scope write",
        },
        fields,
        answers: answers
            .map(|(status, answer)| Answer { status: status.clone(), about: text(&answer["description"]) })
            .collect(),
        curl: curl(base, (method, path), &parameters, open, &body["example"]),
    }
}

fn of_address(document: &Value, parameter: &Value) -> Field {
    Field {
        name: text(&parameter["name"]),
        place: if parameter["in"] == "path" { "path" } else { "query" },
        kind: kind(document, &parameter["schema"]),
        needed: parameter["required"] == true,
        about: text(&parameter["description"]),
    }
}

/// The schema that a reference names, or the schema itself.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|target| document.pointer(target)).unwrap_or(schema)
}

/// What a value is, in a few words.
fn kind(document: &Value, schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        let words = resolved(document, schema)["enum"].as_array().map_or(0, Vec::len);
        return if words > 0 { format!("{name}: one of {words} words") } else { name.to_owned() };
    }
    let few = |words: &Vec<Value>| words.iter().map(text).collect::<Vec<_>>().join(", ");
    if let Some(words) = schema["enum"].as_array() {
        return few(words);
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().map(|one| kind(document, one)).collect::<Vec<_>>().join(" or ");
    }
    if schema["type"] == "array" {
        return format!("list of {}", kind(document, &schema["items"]));
    }
    let range = match (&schema["minimum"], &schema["maximum"]) {
        (Value::Number(least), Value::Number(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    let format = schema["format"].as_str().unwrap_or_else(|| schema["type"].as_str().unwrap_or("any"));
    format!("{format}{range}")
}

/// What to type to try it.
fn curl(base: &str, (method, path): (&str, &str), parameters: &[&Value], open: bool, body: &Value) -> String {
    let mut address = format!("{base}{path}");
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for parameter in parameters {
        let example = match &parameter["example"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = text(&parameter["name"]);
        if parameter["in"] == "path" {
            address = address.replace(&format!("{{{name}}}"), &example);
        } else if !["cursor", "topic", "source", "since"].contains(&name.as_str()) {
            query.append_pair(&name, &example);
        }
    }
    let query = query.finish();
    if !query.is_empty() {
        address = format!("{address}?{query}");
    }
    let mut line = "curl".to_owned();
    if method != "get" {
        line.push_str(&format!(" -X {}", method.to_uppercase()));
    }
    if !open {
        line.push_str(" -H \"Authorization: Bearer $TOKEN\"");
    }
    if !body.is_null() {
        line.push_str(&format!(" -H 'Content-Type: application/json' -d '{body}'"));
    }
    format!("{line} '{address}'")
}
