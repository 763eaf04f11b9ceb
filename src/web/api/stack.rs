//! `/organization/stack`: what the organization itself runs. And how a stack is read from a body and kept, for clients too.

use std::collections::BTreeSet;

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::State;
use super::answer::{has_newest, outdated, private};
use super::body::{Fields, Sent};
use super::caller::{Program, Writer};
use super::problem::Problem;
use super::query::{Asked, Nothing};
use super::shape::PlatformId;
use crate::jobs::{Context, audience};
use crate::model::audience::Owner;
use crate::model::clock::Timestamp;
use crate::model::platform;
use crate::store::{StoreError, Tx, audit, organizations};

/// Most platforms in a stack, as sent.
const STACK_MAX: usize = 1_000;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(read, replace))
}

/// What an organization itself runs.
#[derive(Serialize, ToSchema)]
struct Stack {
    /// Platforms, by id.
    stack: Vec<PlatformId>,
}

/// What an organization is to run from now on.
#[derive(ToSchema)]
#[schema(example = json!({"stack": ["fortigate", "veeam-vbr"]}))]
#[expect(dead_code, reason = "it is the document's; bodies are read by their fields")]
struct NewStack {
    /// Platforms by their ids, in any order.
    #[schema(max_items = 1_000)]
    stack: Vec<PlatformId>,
}

fn shown(stack: Vec<platform::PlatformId>) -> Stack {
    Stack { stack: stack.into_iter().map(|id| PlatformId(id.0)).collect() }
}

/// Reads platforms from a field of a body. What is only another name of a platform counts as that one.
pub(super) fn platforms(context: &Context, fields: &mut Fields, value: &Value) -> BTreeSet<platform::PlatformId> {
    let mut found = BTreeSet::new();
    let Some(ids) = value.as_array().filter(|ids| ids.len() <= STACK_MAX) else {
        fields.fault("stack", format!("It is a list of at most {STACK_MAX} ids of platforms."));
        return found;
    };
    for (at, id) in ids.iter().enumerate() {
        match id.as_str().map(|id| audience::platform(&context.catalog, id)) {
            Some(Ok(id)) => drop(found.insert(id)),
            Some(Err(why)) => fields.fault(&format!("stack/{at}"), why),
            None => fields.fault(&format!("stack/{at}"), "It is the id of a platform."),
        }
    }
    found
}

/// Makes `stack` what `owner` runs, for those who follow it and for the record.
pub(super) fn set(
    tx: &mut Tx<'_>,
    context: &Context,
    program: &Program,
    owner: &Owner,
    stack: &BTreeSet<platform::PlatformId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let before: BTreeSet<platform::PlatformId> = organizations::stack(tx, owner)?.into_iter().collect();
    if before == *stack {
        return Ok(());
    }
    organizations::set_stack(tx, owner, stack)?;
    let organization = Owner(program.organization().to_owned());
    audience::stack_changed(tx, &context.catalog, owner, (organization != *owner).then_some(&organization))?;
    let came = stack.difference(&before).map(|id| format!("+{id}"));
    let changes: Vec<String> = came.chain(before.difference(stack).map(|id| format!("-{id}"))).collect();
    audit::add(tx, &program.deed(&program.who(), "stack changed", &owner.0, &changes.join(" ")), now)
}

/// Read the organization's own stack
///
/// What its clients run is with the clients.
#[utoipa::path(get, path = "/organization/stack", tag = "Organization", operation_id = "getStack",
    responses((status = 200, description = "What it runs.", body = Stack)), security(("token" = ["read"])))]
async fn read(
    Shared(state): Shared<State>,
    program: Program,
    _: Asked<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let owner = Owner(program.organization().to_owned());
    let read = state.0.context.store.read(move |tx| organizations::stack(tx, &owner)).await;
    private(&headers, &shown(read.map_err(|error| Problem::fault(&error))?))
}

/// Replace the organization's own stack
///
/// Whoever follows the stack hears of it from then on. With `If-Match` and the `ETag` of what you read, nothing is
/// overwritten that somebody else has changed since.
#[utoipa::path(put, path = "/organization/stack", tag = "Organization", operation_id = "putStack",
    request_body = NewStack, responses((status = 200, description = "What it runs now.", body = Stack)),
    security(("token" = ["write"])))]
async fn replace(
    Shared(state): Shared<State>,
    Writer(program): Writer,
    _: Asked<Nothing>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let context = state.0.context.clone();
    let mut fields = sent.fields(&["stack"]);
    let stack = fields.need("stack").map(|value| platforms(&context, &mut fields, &value)).unwrap_or_default();
    fields.done()?;
    let (condition, now) = (headers.clone(), context.clock.now());
    let write = state.0.context.store.write(move |tx| {
        let owner = Owner(program.organization().to_owned());
        match has_newest(&condition, &shown(organizations::stack(tx, &owner)?)) {
            Ok(true) => {}
            Ok(false) => return Ok(Err(outdated())),
            Err(problem) => return Ok(Err(problem)),
        }
        set(tx, &context, &program, &owner, &stack, now)?;
        Ok(Ok(organizations::stack(tx, &owner)?))
    });
    let stack = write.await.map_err(|error| Problem::fault(&error))??;
    private(&HeaderMap::new(), &shown(stack))
}
