//! The document: OpenAPI 3.1, made of what the handlers say of themselves, the problems that they have in common, and the
//! platforms and sources of the running program.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

use super::body::BODY_MAX;
use super::problem::{FieldError, Problem};
use crate::jobs::Context;

/// What the document opens with.
const ABOUT: &str = "Government alerts and vendor advisories, one for each event, tagged with the platforms that managed \
service providers run. Public reads need no token where the installation is public; what belongs to an organization needs \
a token of that organization. Lists are read page by page: send `next` as `cursor` until it is null. Every answer bears an \
`ETag`; send it back as `If-None-Match` to hear 304 while nothing has changed. What went wrong is told as \
`application/problem+json` (RFC 9457).";

/// The document as it is sent.
pub(super) fn finished(described: &OpenApi, context: &Context) -> Value {
    let mut document = serde_json::to_value(described).unwrap_or_default();
    document["info"] = json!({
        "title": "Rattlewatch",
        "version": "1",
        "description": ABOUT,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/"}]);
    let mut bodies = BTreeSet::new();
    for path in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for (method, operation) in path.as_object_mut().into_iter().flatten() {
            add_problems(method, operation);
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            bodies.extend(body.as_str().and_then(|target| target.rsplit('/').next()).map(str::to_owned));
        }
    }
    add_links(&mut document["paths"]);
    let components = &mut document["components"];
    components["securitySchemes"]["token"] = json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "rwt_",
        "description": "A token of an organization, made by `rattlewatch token add`.",
    });
    let schemas = &mut components["schemas"];
    for body in bodies {
        // A field that is not known is refused.
        schemas[body]["additionalProperties"] = Value::Bool(false);
    }
    schemas["Problem"] = serde_json::to_value(Problem::schema()).unwrap_or_default();
    schemas["FieldError"] = serde_json::to_value(FieldError::schema()).unwrap_or_default();
    let platforms: BTreeSet<String> = context.catalog.ids();
    schemas["PlatformId"] =
        json!({"type": "string", "description": "A platform by its id in the catalog.", "enum": platforms});
    let names = context.sources.iter().flat_map(|source| [source.id.as_str(), source.publisher.as_str()]);
    let names: BTreeSet<&str> = names.collect();
    schemas["SourceName"] = json!({"type": "string", "description": "A source by its id, or all of a publisher by its name.", "enum": names});
    document
}

/// Says which operations take the ids that another one gives.
fn add_links(paths: &mut Value) {
    let ids = |path: &String| path.strip_suffix("/{id}").map(str::to_owned);
    let lists: Vec<String> = paths.as_object().into_iter().flat_map(Map::keys).filter_map(ids).collect();
    for list in lists {
        let takers: Vec<String> = paths[format!("{list}/{{id}}")]
            .as_object()
            .into_iter()
            .flat_map(Map::values)
            .filter_map(|operation| operation["operationId"].as_str().map(str::to_owned))
            .collect();
        for (method, status, place) in [("get", "200", "items/0/id"), ("post", "201", "id")] {
            let Some(answer) = paths[&list].pointer_mut(&format!("/{method}/responses/{status}")) else { continue };
            for taker in &takers {
                let id = format!("$response.body#/{place}");
                answer["links"][taker] = json!({"operationId": taker, "parameters": {"id": id}});
            }
        }
    }
}

/// Adds what every operation of its sort can answer, and the headers of what it gives.
fn add_problems(method: &str, operation: &mut Value) {
    let has_body = operation.get("requestBody").is_some();
    let path_names = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "path"));
    let is_public = operation["security"].as_array().is_some_and(|all| all.contains(&json!({})));
    let mut problems = vec![
        ("400", "The parameters or the body cannot be read."),
        ("401", "The token does not hold, or one is needed."),
        ("422", "A value cannot be taken; `errors` names it."),
        ("429", "Too many requests; `Retry-After` says for how many seconds."),
        ("503", "The database cannot be used just now."),
    ];
    if !is_public {
        problems.push(("403", "The token does not have the scope."));
    }
    if path_names {
        problems.push(("404", "It is not there, or not for the one who asks."));
    }
    if method != "get" && method != "post" {
        problems.push(("412", "It has changed since the tag that `If-Match` names."));
    }
    let too_large = format!("The body is larger than {BODY_MAX} bytes.");
    if has_body {
        problems.push(("413", &too_large));
        problems.push(("415", "The body is not `application/json`."));
    }
    let responses = &mut operation["responses"];
    for (status, about) in problems {
        responses[status] = json!({
            "description": about,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        });
    }
    responses["429"]["headers"] = json!({"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}});
    responses["401"]["headers"] =
        json!({"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`."}});
    if method == "get" {
        responses["304"] = json!({"description": "Nothing has changed since the tag that `If-None-Match` names."});
    }
    for status in ["200", "201"] {
        if responses.get(status).is_some() {
            responses[status]["headers"]["ETag"] =
                json!({"schema": {"type": "string"}, "description": "By what this state is known again."});
        }
    }
}
