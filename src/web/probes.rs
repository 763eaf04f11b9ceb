//! `/livez` and `/readyz`: for those who restart and route.

use axum::extract::State as Shared;
use axum::http::StatusCode;

use super::State;

/// The process answers. Depends on nothing outside it.
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// The database answers, its schema is ours, and we are not stopping.
pub(super) async fn readyz(Shared(state): Shared<State>) -> (StatusCode, String) {
    if *state.0.stop.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    match state.0.context.store.healthy().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(error) => {
            tracing::error!("Not ready: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be used; see the log\n".to_owned())
        }
    }
}
