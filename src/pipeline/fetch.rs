//! Fetch: one conditional GET of a source, the way its publisher wants to be asked.

use crate::config::sources::Source;
use crate::formats::walk;
use crate::http::{Client, FetchError, Fetched, Request};
use crate::model::health::Validators;

/// The format of sources that are pages made for people: what `robots.txt` (RFC 9309) says of them holds for us.
/// Feeds and APIs are made for programs.
const SCRAPED: &str = "html";

/// Fetches the source's document, unless it is unchanged since `validators` were received.
///
/// # Errors
/// Says in a sentence why the document could not be had.
pub async fn page(client: &Client, source: &Source, validators: Validators) -> Result<Fetched, FetchError> {
    let request = Request { validators, ..walk::request(source, source.url.clone()) };
    document(client, source, &request).await
}

/// Fetches a document of the source.
///
/// # Errors
/// Says in a sentence why it could not be had.
pub async fn document(client: &Client, source: &Source, request: &Request) -> Result<Fetched, FetchError> {
    if source.format != SCRAPED {
        return client.get(request).await;
    }
    client.robots_admit(request, &request.url).await?;
    let fetched = client.get(request).await?;
    let answered = &fetched.meta().final_url;
    if *answered != request.url {
        client.robots_admit(request, answered).await?;
    }
    Ok(fetched)
}
