//! Pages of an organization: its board, its clients, its people, their mail, and what was done.

pub(super) mod audit;
pub(super) mod board;
pub(super) mod clients;
pub(super) mod deliveries;
pub(super) mod lists;
pub(super) mod mail;
pub(super) mod people;
pub(super) mod stack;
pub(super) mod tokens;
pub(super) mod triage;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::State;
use super::person::Place;
use crate::store::StoreError;

/// The routes.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/o/{org}", get(board::show))
        .route("/o/{org}/advisories/{id}", get(triage::show))
        .route("/o/{org}/advisories/{id}/respond", post(triage::respond))
        .route("/o/{org}/advisories/{id}/wrong-match", post(triage::wrong_match))
        .route("/o/{org}/clients", get(clients::show).post(clients::add))
        .route("/o/{org}/clients.csv", get(lists::export))
        .route("/o/{org}/clients/{client}", get(stack::show).post(stack::save))
        .route("/o/{org}/clients/{client}/remove", post(clients::remove))
        .route("/o/{org}/people", get(people::show).post(people::set))
        .route("/o/{org}/people/remove", post(people::remove))
        .route("/o/{org}/mail", get(mail::show).post(mail::add))
        .route("/o/{org}/mail/{id}/test", post(mail::test))
        .route("/o/{org}/mail/{id}/end", post(mail::end))
        .route("/o/{org}/deliveries", get(deliveries::show))
        .route("/o/{org}/tokens", get(tokens::show).post(tokens::add))
        .route("/o/{org}/tokens/{id}/revoke", post(tokens::revoke))
        .route("/o/{org}/audit", get(audit::show))
}

/// The routes that take whole lists.
pub(super) fn lists() -> Router<State> {
    Router::new().route("/o/{org}/clients/import", post(lists::import))
}

/// What a handler says where the page is not made as asked.
pub(super) type Answer = Result<Response, Response>;

/// The page where the database fails.
fn failed(state: &State) -> impl Fn(StoreError) -> Response + '_ {
    |error| state.fault("A page of an organization", &error).into_response()
}

/// Where something of this organization is not there.
fn absent(state: &State) -> Response {
    state.nothing_here()
}

/// A form that cannot be taken, and why.
fn refused(state: &State, why: &str) -> Response {
    state.problem(StatusCode::UNPROCESSABLE_ENTITY, why).into_response()
}

/// Back to a page of the organization, after something was done.
fn back(place: &Place, rest: &str) -> Response {
    Redirect::to(&place.url(rest)).into_response()
}
