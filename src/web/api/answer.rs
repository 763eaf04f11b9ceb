//! Answers: JSON with a tag, which is not sent again to who has it, and changed only by who has seen the newest.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::State;
use super::super::cache::Made;
use super::caller::Caller;
use super::problem::Problem;

/// Longest name in a path, in bytes.
const NAME_MAX: usize = 200;

/// The name in an address. One that nothing can have is answered as one that nothing has.
pub(super) struct Named(pub(super) String);

impl FromRequestParts<State> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::absent())?;
        if name.len() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(Problem::absent());
        }
        Ok(Self(name))
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

/// A value as it is sent.
pub(super) fn made<T: Serialize>(value: &T) -> Result<Made, Problem> {
    let body = serde_json::to_string(value).map_err(|error| {
        tracing::error!("An answer of the API cannot be written: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "This cannot be written; the log says why.")
    })?;
    Ok(Made::new("application/json", body))
}

/// What anybody may ask for: made once a second for all who have no token.
pub(super) async fn public(
    state: &State,
    caller: &Caller,
    headers: &HeaderMap,
    address: String,
    make: impl Future<Output = Result<Made, Response>>,
) -> Response {
    let mut response = match &caller.0 {
        None => state.0.cache.page(address, headers, make).await,
        Some(_) => make.await.map_or_else(|refused| refused, |made| made.answer_as(headers, caller.kept())),
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("authorization"));
    response
}

/// What only a program of one organization may ask for.
pub(super) fn private<T: Serialize>(headers: &HeaderMap, value: &T) -> Result<Response, Problem> {
    Ok(made(value)?.answer_as(headers, "private, no-cache"))
}

/// Whether a change may go on: it names no tag of what it changes, or the one that this has now (RFC 9110 section 13.1.1).
pub(super) fn has_newest<T: Serialize>(headers: &HeaderMap, now: &T) -> Result<bool, Problem> {
    let named: Vec<&HeaderValue> = headers.get_all(header::IF_MATCH).iter().collect();
    if named.is_empty() {
        return Ok(true);
    }
    let made = made(now)?;
    let tags = named.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    Ok(tags.map(str::trim).any(|tag| tag == "*" || tag == made.etag()))
}

/// Where somebody else has changed it since.
pub(super) fn outdated() -> Problem {
    let detail = "It has changed since you read it; read it again, and send its new ETag as If-Match.";
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
}
