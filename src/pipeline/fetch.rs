//! Fetch: one conditional GET of a source, the way its publisher wants to be asked.

use crate::config::sources::Source;
use crate::formats::walk;
use crate::http::{Client, FetchError, Fetched, Request};
use crate::model::health::Validators;

/// Fetches the source's document, unless it is unchanged since `validators` were received.
///
/// # Errors
/// Says in a sentence why the document could not be had.
pub async fn page(client: &Client, source: &Source, validators: Validators) -> Result<Fetched, FetchError> {
    let request = Request { validators, ..walk::request(source, source.url.clone()) };
    client.get(&request).await
}
