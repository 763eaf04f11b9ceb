//! `/responses`: what the organization did about advisories, for itself and for its clients. The record only grows.

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{Named, private};
use super::body::{Fields, Sent};
use super::caller::{Program, Writer};
use super::problem::Problem;
use super::query::{AFTER, Asked, Kind, LIST, Nothing, Param, Params, cursor, described};
use super::shape::{AdvisoryName, Instant, ResponseWord, is_advisory, unless_empty};
use crate::jobs::responses::{self, Absent, NOTE_MAX, Said};
use crate::model::advisory::AdvisoryId;
use crate::model::response::{self as model, ResponseState};
use crate::store;

/// What the id of a response begins with, before its number.
const PREFIX: &str = "response-";
/// Longest id of a client, in characters.
const CLIENT_MAX: usize = 40;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(one))
}

/// What was done about an advisory.
#[derive(Serialize, ToSchema)]
#[schema(as = Response)]
struct Done {
    /// Its id, for good.
    #[schema(example = "response-1")]
    id: String,
    /// The advisory; where it has been merged since, the one that it is now.
    #[schema(example = "RW-42")]
    advisory: String,
    /// For which client; null for the organization and all of them.
    client: Option<String>,
    state: ResponseWord,
    /// In the words of who did it; null where nothing was written.
    note: Option<String>,
    /// Who said so: a person's address, or a program's token.
    said_by: String,
    /// When.
    at: Instant,
}

impl From<model::Response> for Done {
    fn from(said: model::Response) -> Self {
        Self {
            id: format!("{PREFIX}{}", said.id),
            advisory: said.advisory,
            client: (said.owner != said.organization).then_some(said.owner),
            state: said.state.as_str().into(),
            note: unless_empty(&said.note),
            said_by: said.said_by,
            at: Instant(said.at),
        }
    }
}

/// What is said of an advisory.
#[derive(ToSchema)]
#[schema(example = json!({"advisory": "RW-1", "state": "mitigated", "note": "patched to 7.4.9"}))]
#[expect(dead_code, reason = "it is the document's; bodies are read by their fields")]
struct NewResponse {
    /// The advisory's id.
    advisory: AdvisoryName,
    /// For which client, by its id; left out for the organization and all of them.
    #[schema(max_length = 40, required = false)]
    client: String,
    state: ResponseWord,
    /// In your words.
    #[schema(max_length = 500, required = false)]
    note: String,
}

/// Which responses.
struct Which;

impl Params for Which {
    const ALL: &'static [Param] = &[
        Param { name: "advisory", kind: Kind::Advisory, about: "About this advisory only.", example: "RW-1" },
        AFTER,
        LIST,
    ];
}

impl IntoParams for Which {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        described(Self::ALL)
    }
}

/// Responses, the newest first.
#[derive(Serialize, ToSchema)]
struct ResponsePage {
    /// The responses.
    items: Vec<Done>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// List the responses
///
/// What the organization and its clients did, the newest first. Of a client, the newest counts; what was said for all of them
/// holds for each of whom nothing newer was said.
#[utoipa::path(get, path = "/responses", tag = "Responses", operation_id = "listResponses", params(Which),
    responses((status = 200, description = "Responses.", body = ResponsePage)), security(("token" = ["read"])))]
async fn list(
    Shared(state): Shared<State>,
    program: Program,
    asked: Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (limit, below, about) = (asked.limit(), asked.after().unwrap_or(i64::MAX), asked.owned("advisory"));
    let read = state
        .0
        .context
        .store
        .read(move |tx| store::responses::newest(tx, program.organization(), about.as_deref(), below, limit + 1));
    let mut found = read.await.map_err(|error| Problem::fault(&error))?;
    let keep = usize::try_from(limit).unwrap_or_default();
    let more = found.len() > keep;
    found.truncate(keep);
    let next = found.last().filter(|_| more).map(|last| cursor(last.id));
    private(&headers, &ResponsePage { items: found.into_iter().map(Done::from).collect(), next })
}

/// A text of a body that has at most `most` characters.
fn short(fields: &mut Fields, name: &str, value: &Value, most: usize) -> String {
    let said = value.as_str().filter(|said| said.chars().count() <= most);
    if said.is_none() {
        fields.fault(name, format!("It is a text of at most {most} characters."));
    }
    said.unwrap_or_default().to_owned()
}

/// Say what was done
///
/// Nothing is overwritten: what was said before stays in the record, with who said it and when. What no longer holds is
/// followed by `reopened`.
#[utoipa::path(post, path = "/responses", tag = "Responses", operation_id = "addResponse", request_body = NewResponse,
    responses((status = 201, description = "It is in the record; `Location` says where.", body = Done,
            headers(("Location" = String, description = "Where it is."))),
        (status = 404, description = "There is no such advisory or client.", body = Problem, content_type = "application/problem+json")),
    security(("token" = ["write"])))]
async fn add(
    Shared(state): Shared<State>,
    Writer(program): Writer,
    _: Asked<Nothing>,
    sent: Sent,
) -> Result<Response, Problem> {
    let mut fields = sent.fields(&["advisory", "client", "state", "note"]);
    let advisory = fields.need("advisory").map(|value| {
        let id = value.as_str().filter(|id| is_advisory(id));
        if id.is_none() {
            fields.fault("advisory", "It is the id of an advisory, such as RW-42.");
        }
        id.unwrap_or_default().to_owned()
    });
    let word = fields.need("state").map(|value| {
        let word = value.as_str().and_then(|word| word.parse::<ResponseState>().ok());
        if word.is_none() {
            let words = ResponseState::ALL.map(ResponseState::as_str).join(", ");
            fields.fault("state", format!("It is one of {words}."));
        }
        word.unwrap_or(ResponseState::Acknowledged)
    });
    let client = fields.take("client").map(|value| short(&mut fields, "client", &value, CLIENT_MAX));
    let note = fields.take("note").map(|value| short(&mut fields, "note", &value, NOTE_MAX));
    fields.done()?;
    let said = Said {
        organization: program.organization().to_owned(),
        owner: client.unwrap_or_else(|| program.organization().to_owned()),
        advisory: AdvisoryId(advisory.unwrap_or_default()),
        state: word.unwrap_or(ResponseState::Acknowledged),
        note: note.unwrap_or_default(),
        who: program.who(),
    };
    let now = state.0.context.clock.now();
    let write = state.0.context.store.write(move |tx| responses::say(tx, &said, now)).await;
    let added = write.map_err(|error| Problem::fault(&error))?.map_err(|absent| {
        let what = if absent == Absent::Owner { "client" } else { "advisory" };
        Problem::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    })?;
    let added = Done::from(added);
    let place = [(header::LOCATION, format!("/api/v1/responses/{}", added.id))];
    Ok((StatusCode::CREATED, place, private(&HeaderMap::new(), &added)?).into_response())
}

/// Read a response
#[utoipa::path(get, path = "/responses/{id}", tag = "Responses", operation_id = "getResponse",
    params(("id" = String, Path, description = "The response's id.", example = "response-1")),
    responses((status = 200, description = "The response.", body = Done)), security(("token" = ["read"])))]
async fn one(
    Shared(state): Shared<State>,
    program: Program,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = id.strip_prefix(PREFIX).and_then(|number| number.parse().ok()).ok_or_else(Problem::absent)?;
    let read = state.0.context.store.read(move |tx| store::responses::one(tx, program.organization(), number)).await;
    let found = read.map_err(|error| Problem::fault(&error))?.map(Done::from).filter(|found| found.id == id);
    private(&headers, &found.ok_or_else(Problem::absent)?)
}
