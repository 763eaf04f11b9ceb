//! Pages of operators: who run this installation.

mod advisories;
mod audit;
mod organizations;
mod outbox;
mod sources;
mod suppression;
mod wrong_matches;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::State;
use super::person::Operator;
use crate::store::{StoreError, Tx};

/// The routes.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/operator", get(sources::show))
        .route("/operator/sources/{id}", get(sources::one))
        .route("/operator/sources/{id}/run", post(sources::run))
        .route("/operator/sources/{id}/pause", post(sources::pause))
        .route("/operator/sources/{id}/resume", post(sources::resume))
        .route("/operator/outbox", get(outbox::show))
        .route("/operator/outbox/requeue", post(outbox::requeue))
        .route("/operator/outbox/drop", post(outbox::give_up))
        .route("/operator/advisories", get(advisories::show))
        .route("/operator/advisories/merge", post(advisories::merge))
        .route("/operator/advisories/split", post(advisories::split))
        .route("/operator/wrong-matches", get(wrong_matches::show).post(wrong_matches::decide))
        .route("/operator/suppression", get(suppression::show).post(suppression::set))
        .route("/operator/organizations", get(organizations::show).post(organizations::add))
        .route("/operator/operators", post(organizations::operators))
        .route("/operator/audit", get(audit::show))
}

/// What a handler says where the page is not made as asked.
type Answer = Result<Response, Response>;

/// The page where the database fails.
fn failed(state: &State) -> impl Fn(StoreError) -> Response + '_ {
    |error| state.fault("A page of the operator", &error).into_response()
}

/// What was asked for and cannot be done, and why.
fn refused(state: &State, why: &str) -> Response {
    state.problem(StatusCode::UNPROCESSABLE_ENTITY, why).into_response()
}

/// Does something in one transaction, which says why it cannot be done where it cannot; then goes back to a page.
async fn done(
    state: &State,
    to: &str,
    work: impl Fn(&mut Tx<'_>) -> Result<Result<(), String>, StoreError> + Send + Sync + 'static,
) -> Answer {
    match state.0.context.store.write(work).await.map_err(failed(state))? {
        Ok(()) => Ok(Redirect::to(to).into_response()),
        Err(why) => Err(refused(state, &why)),
    }
}

/// The person's address, for the record.
fn who(operator: &Operator) -> String {
    operator.0.email().to_owned()
}
