//! Endpoints: what is entered as the address of a channel, and how it is shown without its secrets.

use url::Url;

use crate::channels;
use crate::http;
use crate::model::channel::{ChannelKind, Endpoint};

/// An endpoint as far as it can be known to work before anything is sent.
///
/// # Errors
/// Says what is wrong with the address or the secret, and shows neither.
pub fn checked(kind: ChannelKind, endpoint: Endpoint) -> Result<Endpoint, String> {
    channels::checked(kind, endpoint)
}

/// Scheme and host: the rest of an address may be a secret.
#[must_use]
pub fn shown(endpoint: &Endpoint) -> String {
    Url::parse(&endpoint.url).ok().as_ref().map_or_else(|| "its address".to_owned(), http::origin)
}
