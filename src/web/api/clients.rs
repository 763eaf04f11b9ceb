//! `/clients`: the customers of the organization, and what each of them runs.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use regex::Regex;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{Named, has_newest, outdated, private};
use super::body::{Fields, Sent};
use super::caller::{Program, Writer};
use super::problem::Problem;
use super::query::{Asked, BEYOND, LIST, Nothing, Param, Params, cursor_at, described};
use super::shape::{Instant, PlatformId};
use super::stack;
use crate::jobs::audience;
use crate::model::audience::{self as model, Owner};
use crate::model::clock::Timestamp;
use crate::model::platform;
use crate::store::{StoreError, Tx, audit, organizations};

/// Longest name, in characters.
const NAME_MAX: usize = 120;

/// What a name is made of: one line, without marks that nobody sees, and no slash.
const NAME_PATTERN: &str = "^[^\\s/\\u0000-\\u0020\\u007f-\\u00a0\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]([^/\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]*[^\\s/\\u0000-\\u0020\\u007f-\\u00a0\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff])?$";

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(NAME_PATTERN).ok());

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(one, change, remove))
}

/// A customer of the organization.
#[derive(Serialize, ToSchema)]
struct Client {
    /// Its id, for good.
    #[schema(example = "client-1")]
    id: String,
    /// Its name; no other client of the organization has it.
    name: String,
    /// The platforms that it runs, by id.
    stack: Vec<PlatformId>,
    /// When it was added.
    created_at: Instant,
}

impl From<model::Client> for Client {
    fn from(client: model::Client) -> Self {
        Self {
            id: client.id,
            name: client.name,
            stack: client.stack.into_iter().map(|id| PlatformId(id.0)).collect(),
            created_at: Instant(client.created_at),
        }
    }
}

/// The name of a client: one line, without '/' and without marks that nobody sees.
struct ClientName;

impl PartialSchema for ClientName {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(NAME_MAX));
        let text = text.pattern(Some(NAME_PATTERN));
        text.description(Some("One line, without '/' and without marks that nobody sees.")).into()
    }
}

impl ToSchema for ClientName {}

/// A client to be added.
#[derive(ToSchema)]
#[schema(example = json!({"name": "Dentist Miller", "stack": ["screenconnect"]}))]
#[expect(dead_code, reason = "it is the document's; bodies are read by their fields")]
struct NewClient {
    /// Its name.
    name: ClientName,
    /// Platforms by their ids, in any order; none where it is left out.
    #[schema(max_items = 1_000, required = false)]
    stack: Vec<PlatformId>,
}

/// What is to change of a client; what is left out stays.
#[derive(ToSchema)]
#[schema(example = json!({"stack": ["screenconnect", "fortigate"]}))]
#[expect(dead_code, reason = "it is the document's; bodies are read by their fields")]
struct ClientChange {
    /// Its name from now on.
    #[schema(required = false)]
    name: ClientName,
    /// All platforms that it runs from now on, by their ids.
    #[schema(max_items = 1_000, required = false)]
    stack: Vec<PlatformId>,
}

/// Clients, in the order in which they were added.
#[derive(Serialize, ToSchema)]
struct ClientPage {
    /// The clients.
    items: Vec<Client>,
    /// The `cursor` of the next page; null where this is the last.
    next: Option<String>,
}

/// Where a list by time goes on.
pub(super) struct Timed;

impl Params for Timed {
    const ALL: &'static [Param] = &[BEYOND, LIST];
}

impl IntoParams for Timed {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        described(Self::ALL)
    }
}

/// Before everything.
pub(super) const BEGINNING: (Timestamp, &str) = (Timestamp(i64::MIN), "");

/// List the clients
///
/// In the order in which they were added.
#[utoipa::path(get, path = "/clients", tag = "Clients", operation_id = "listClients", params(Timed),
    responses((status = 200, description = "Clients.", body = ClientPage)), security(("token" = ["read"])))]
async fn list(
    Shared(state): Shared<State>,
    program: Program,
    asked: Asked<Timed>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (limit, (at, id)) = (asked.limit(), asked.beyond(BEGINNING));
    let read = state
        .0
        .context
        .store
        .read(move |tx| organizations::clients_page(tx, program.organization(), (at, &id), limit + 1));
    let mut found = read.await.map_err(|error| Problem::fault(&error))?;
    let keep = usize::try_from(limit).unwrap_or_default();
    let more = found.len() > keep;
    found.truncate(keep);
    let next = found.last().filter(|_| more).map(|last| cursor_at(last.created_at, &last.id));
    private(&headers, &ClientPage { items: found.into_iter().map(Client::from).collect(), next })
}

/// The client of the program's organization with this very id.
fn found(tx: &mut Tx<'_>, program: &Program, id: &str) -> Result<Option<model::Client>, StoreError> {
    Ok(organizations::find_client(tx, program.organization(), id)?.filter(|client| client.id == id))
}

fn name(fields: &mut Fields, value: &Value) -> String {
    let said = value.as_str().unwrap_or_default();
    let fits = NAME.as_ref().is_some_and(|pattern| pattern.is_match(said)) && said.chars().count() <= NAME_MAX;
    if !fits {
        fields.fault("name", format!("It is one line of 1 to {NAME_MAX} characters, without '/' and hidden marks."));
    }
    said.to_owned()
}

fn taken() -> Problem {
    Problem::new(StatusCode::CONFLICT, "There is a client of this name already.")
}

/// Add a client
#[utoipa::path(post, path = "/clients", tag = "Clients", operation_id = "addClient", request_body = NewClient,
    responses((status = 201, description = "The new client; `Location` says where it is.", body = Client,
            headers(("Location" = String, description = "Where it is."))),
        (status = 409, description = "There is a client of this name already.", body = Problem, content_type = "application/problem+json")),
    security(("token" = ["write"])))]
async fn add(
    Shared(state): Shared<State>,
    Writer(program): Writer,
    _: Asked<Nothing>,
    sent: Sent,
) -> Result<Response, Problem> {
    let context = state.0.context.clone();
    let mut fields = sent.fields(&["name", "stack"]);
    let name = fields.need("name").map(|value| name(&mut fields, &value)).unwrap_or_default();
    let stack = fields.take("stack").map(|value| stack::platforms(&context, &mut fields, &value));
    fields.done()?;
    let now = context.clock.now();
    let write = state.0.context.store.write(move |tx| {
        let Some(added) = organizations::add_client(tx, program.organization(), &name, now)? else { return Ok(None) };
        audit::add(tx, &program.deed(&program.who(), "client added", &added.id, &name), now)?;
        let none = BTreeSet::<platform::PlatformId>::new();
        stack::set(tx, &context, &program, &Owner(added.id.clone()), stack.as_ref().unwrap_or(&none), now)?;
        found(tx, &program, &added.id)
    });
    let added = Client::from(write.await.map_err(|error| Problem::fault(&error))?.ok_or_else(taken)?);
    let place = [(header::LOCATION, format!("/api/v1/clients/{}", added.id))];
    Ok((StatusCode::CREATED, place, private(&HeaderMap::new(), &added)?).into_response())
}

/// Read a client
#[utoipa::path(get, path = "/clients/{id}", tag = "Clients", operation_id = "getClient",
    params(("id" = String, Path, description = "The client's id.", example = "client-1")),
    responses((status = 200, description = "The client.", body = Client)), security(("token" = ["read"])))]
async fn one(
    Shared(state): Shared<State>,
    program: Program,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let read = state.0.context.store.read(move |tx| found(tx, &program, &id)).await;
    let client = read.map_err(|error| Problem::fault(&error))?.ok_or_else(Problem::absent)?;
    private(&headers, &Client::from(client))
}

/// Change a client
///
/// What is left out stays as it is; a stack that is sent replaces the one before. With `If-Match` and the `ETag` of what you
/// read, nothing is overwritten that somebody else has changed since.
#[utoipa::path(patch, path = "/clients/{id}", tag = "Clients", operation_id = "changeClient",
    params(("id" = String, Path, description = "The client's id.", example = "client-1")), request_body = ClientChange,
    responses((status = 200, description = "The client as it is now.", body = Client),
        (status = 409, description = "There is a client of this name already.", body = Problem, content_type = "application/problem+json")),
    security(("token" = ["write"])))]
async fn change(
    Shared(state): Shared<State>,
    Writer(program): Writer,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let context = state.0.context.clone();
    let mut fields = sent.fields(&["name", "stack"]);
    let name = fields.take("name").map(|value| name(&mut fields, &value));
    let stack = fields.take("stack").map(|value| stack::platforms(&context, &mut fields, &value));
    fields.done()?;
    let now = context.clock.now();
    let write = state.0.context.store.write(move |tx| {
        let Some(client) = found(tx, &program, &id)? else { return Ok(Err(Problem::absent())) };
        match has_newest(&headers, &Client::from(client.clone())) {
            Ok(true) => {}
            Ok(false) => return Ok(Err(outdated())),
            Err(problem) => return Ok(Err(problem)),
        }
        if let Some(name) = name.as_ref().filter(|name| **name != client.name) {
            if !organizations::rename_client(tx, &client, name)? {
                return Ok(Err(taken()));
            }
            let detail = format!("{} is now {name}", client.name);
            audit::add(tx, &program.deed(&program.who(), "client renamed", &client.id, &detail), now)?;
        }
        if let Some(stack) = &stack {
            stack::set(tx, &context, &program, &Owner(client.id.clone()), stack, now)?;
        }
        Ok(found(tx, &program, &id)?.ok_or_else(Problem::absent))
    });
    let changed = write.await.map_err(|error| Problem::fault(&error))??;
    private(&HeaderMap::new(), &Client::from(changed))
}

/// Remove a client
///
/// Its stack goes with it, and whoever followed that stack gets nothing by it any more. What was done for the client stays in
/// the record.
#[utoipa::path(delete, path = "/clients/{id}", tag = "Clients", operation_id = "removeClient",
    params(("id" = String, Path, description = "The client's id.", example = "client-1")),
    responses((status = 204, description = "It is removed.")), security(("token" = ["write"])))]
async fn remove(
    Shared(state): Shared<State>,
    Writer(program): Writer,
    Named(id): Named,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let context = state.0.context.clone();
    let write = state.0.context.store.write(move |tx| {
        let Some(client) = found(tx, &program, &id)? else { return Ok(Err(Problem::absent())) };
        match has_newest(&headers, &Client::from(client.clone())) {
            Ok(true) => {}
            Ok(false) => return Ok(Err(outdated())),
            Err(problem) => return Ok(Err(problem)),
        }
        audience::remove_client(tx, &context.catalog, &client)?;
        let deed = program.who();
        audit::add(tx, &program.deed(&deed, "client removed", &client.id, &client.name), context.clock.now())?;
        Ok(Ok(StatusCode::NO_CONTENT))
    });
    write.await.map_err(|error| Problem::fault(&error))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text;

    #[test]
    fn a_name_that_fits_is_kept_as_it_is_sent() {
        let pattern = Regex::new(NAME_PATTERN).expect("it is a pattern");
        for name in ["A", "Dentist Miller", "Müller & Söhne GmbH", "株式会社", "O'Brien \"Ltd\"", "=1+1"] {
            assert!(pattern.is_match(name) && text::one_line(name) == name, "{name}");
        }
        for name in ["", " ", " a", "a ", "a/b", "a\nb", "a\u{0}", "\u{200b}", "a\u{202e}b", "\u{a0}", "a\u{feff}"] {
            assert!(!pattern.is_match(name), "{name:?}");
        }
    }
}
