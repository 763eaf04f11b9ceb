//! What channels that take web requests have in common: the post itself, and what its answer means.
//!
//! An endpoint is one recipient. So its failure is never the relay's: nobody else has to wait for it. And since nothing
//! but the network says whether a request arrived that got no answer, it is sent again: chat rooms may then show it
//! twice, programs tell a repeat by its id.

use std::fmt;

use url::Url;

use super::{Channel, Closing, Sending};
use crate::http::{Answer, Client, Post, PostError, origin};
use crate::model::channel::{Brief, Endpoint};
use crate::model::delivery::{Message, Outcome};

/// Longest address that can be entered.
const LONGEST: usize = 2_000;

/// How one kind of receiver wants to be told.
pub trait Form: Send + Sync {
    /// The lowercase word that names the channel.
    const NAME: &'static str;

    /// The request that tells `message`, or why there is none.
    ///
    /// # Errors
    /// An outcome that no try can change.
    fn request(&self, message: &Message) -> Result<Post, Outcome>;

    /// What an answer means.
    fn judge(&self, answer: &Answer, post: &Post) -> Outcome {
        judged(answer, post)
    }
}

/// A channel that posts in one form.
pub struct Web<F> {
    client: Client,
    form: F,
}

impl<F: Form> Web<F> {
    /// Posts by `client` in this form.
    pub fn new(client: Client, form: F) -> Self {
        Self { client, form }
    }

    async fn deliver(&self, message: &Message) -> Outcome {
        let told = async {
            let post = self.form.request(message)?;
            let answer = posted(&self.client, &post).await?;
            Ok(self.form.judge(&answer, &post))
        };
        told.await.unwrap_or_else(|outcome| outcome)
    }
}

impl<F: Form> fmt::Debug for Web<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Web({})", F::NAME)
    }
}

impl<F: Form> Channel for Web<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(self.deliver(message))
    }

    fn close<'a>(&'a self) -> Closing<'a> {
        Box::pin(std::future::ready(()))
    }
}

/// What a message must have to go to an endpoint: its short form, and where it goes.
pub(super) fn parts(message: &Message) -> Result<(&Brief, &Endpoint, Url), Outcome> {
    let never = |reason: &str| Outcome::Never { reason: reason.to_owned() };
    let brief = message.brief.as_ref().ok_or_else(|| never("this letter has no form for channels that are no mail"))?;
    let endpoint = message.endpoint.as_ref().ok_or_else(|| never("the subscription names no address to deliver to"))?;
    let url = address(&endpoint.url).map_err(|reason| Outcome::Never { reason })?;
    Ok((brief, endpoint, url))
}

/// The address as one that can be posted to.
pub(super) fn address(written: &str) -> Result<Url, String> {
    let url = Url::parse(written).map_err(|error| format!("the address to deliver to cannot be read: {error}"))?;
    match url.scheme() {
        "https" | "http" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        _ => Err("the address to deliver to must begin with https://".to_owned()),
    }
}

/// Whether somebody may enter `url`: what would fail on every delivery is said at once.
pub(super) fn enterable(url: &Url) -> Result<(), String> {
    if url.as_str().len() > LONGEST {
        return Err(format!("the address to deliver to is longer than {LONGEST} characters"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address to deliver to carries a user name or password; remove them".to_owned());
    }
    Ok(())
}

/// `body` as JSON: the same bytes for the same values.
pub(super) fn written<B: serde::Serialize>(body: &B) -> Vec<u8> {
    serde_json::to_vec(body).expect("text, numbers and lists of them are always JSON")
}

/// A post of JSON.
pub(super) fn json(url: Url, body: Vec<u8>) -> Post {
    Post { url, content_type: "application/json", headers: Vec::new(), body }
}

/// Posts, and gives the answer or what its absence means.
async fn posted(client: &Client, post: &Post) -> Result<Answer, Outcome> {
    client.post(post).await.map_err(|error| {
        let reason = error.to_string();
        match error {
            // Nothing but another address or another setting changes that.
            PostError::Refused { .. } | PostError::Plain { .. } => Outcome::Never { reason },
            // The request may have arrived whole. It is sent again all the same: a lost alert is worse than a second one.
            PostError::Redirect { .. } | PostError::Unreachable { .. } | PostError::TimedOut { .. } => {
                Outcome::Later { reason, relay_down: false, wait: None }
            }
        }
    })
}

/// What an answer means where the receiver has no rules of its own.
fn judged(answer: &Answer, post: &Post) -> Outcome {
    match answer.status {
        200..=299 => Outcome::Sent { reply: said(answer, post) },
        410 => gone(answer, post),
        _ => later(answer, post),
    }
}

/// It takes nothing any more.
pub(super) fn gone(answer: &Answer, post: &Post) -> Outcome {
    Outcome::Gone { reason: format!("{}; it says that it is gone for good", said(answer, post)) }
}

/// It does not take it now.
pub(super) fn later(answer: &Answer, post: &Post) -> Outcome {
    let advice = match answer.status {
        400 | 422 => "; it does not understand the message, check that the address belongs to this kind of channel",
        401 | 403 => "; it refuses us, check the address, and the secret or token",
        404 => "; there is nothing at this address, check it",
        405 => "; it takes no posts, check the address",
        408 | 429 => "; it asks for patience",
        413 => "; it takes no message of this size",
        500..=599 => "; its own fault",
        _ => "; that is no answer to a post, check the address",
    };
    Outcome::Later { reason: format!("{}{advice}", said(answer, post)), relay_down: false, wait: answer.retry_after }
}

/// `https://hooks.example answers 404: no such hook`.
pub(super) fn said(answer: &Answer, post: &Post) -> String {
    let host = origin(&post.url);
    match answer.text.as_str() {
        "" => format!("{host} answers {}", answer.status),
        text => format!("{host} answers {}: {text}", answer.status),
    }
}
