//! Message to wire: one file per way to reach people.
//!
//! A channel delivers one [`Message`] to one recipient and says how that ended, as an [`Outcome`] named after
//! what to do next. It knows nothing of subscriptions, retries or storage. Sending one message twice puts the
//! same bytes on the wire, so a receiver can tell a repeat by its `Message-ID`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::http::Client;
use crate::model::channel::{ChannelKind, Endpoint};
use crate::model::clock::Clock;
use crate::model::delivery::{Message, Outcome};

pub mod email;
mod endpoint;
pub mod file;
pub mod ntfy;
pub mod slack;
pub mod teams;
pub mod ticket;
pub mod webhook;
mod words;

/// A delivery under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The end of a channel under way.
pub type Closing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Whether a message is still wanted, being looked up.
pub type Asking<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Looks up whether a message is still wanted.
pub type Wanted<'a> = dyn Fn() -> Asking<'a> + Send + Sync + 'a;

/// A way to reach people.
pub trait Channel: Send + Sync {
    /// The lowercase word that names the channel in settings, storage and on screen.
    fn name(&self) -> &'static str;

    /// Delivers one message; safe to repeat with the same key.
    ///
    /// It never panics and always ends: every wait has a limit. Dropping it halfway closes its connection.
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a>;

    /// The same, for a channel that may have to wait before it names the recipient to anybody: after such a wait it asks
    /// whether the message is still `wanted`, and where it is not, sends nothing and says [`Outcome::Later`].
    fn send_while<'a>(&'a self, message: &'a Message, wanted: &'a Wanted<'a>) -> Sending<'a> {
        let _ = wanted;
        self.send(message)
    }

    /// How long `message` must still wait for its turn, where the channel is to go slowly; `None`: send it now. Asked again
    /// later, the same message has the same turn.
    fn turn(&self, message: &Message) -> Option<Duration> {
        let _ = message;
        None
    }

    /// Closes idle connections politely. The channel can be used afterward.
    fn close<'a>(&'a self) -> Closing<'a>;
}

/// Every channel, by its kind. Cheap to clone.
#[derive(Clone)]
pub struct Channels(Arc<Table>);

struct Table {
    email: Arc<dyn Channel>,
    ntfy: endpoint::Web<ntfy::Ntfy>,
    slack: endpoint::Web<slack::Slack>,
    teams: endpoint::Web<teams::Teams>,
    ticket: ticket::Ticket,
    webhook: endpoint::Web<webhook::Webhook>,
}

impl Channels {
    /// Mail by `mail`, web requests by `client`, dated by `clock`.
    #[must_use]
    pub fn new(mail: Arc<dyn Channel>, client: &Client, clock: &Clock) -> Self {
        Self(Arc::new(Table {
            ntfy: endpoint::Web::new(client.clone(), ntfy::Ntfy),
            slack: endpoint::Web::new(client.clone(), slack::Slack),
            teams: endpoint::Web::new(client.clone(), teams::Teams),
            ticket: ticket::Ticket::new(Arc::clone(&mail)),
            webhook: endpoint::Web::new(client.clone(), webhook::Webhook { clock: clock.clone() }),
            email: mail,
        }))
    }

    /// The channel of this kind.
    #[must_use]
    pub fn get(&self, kind: ChannelKind) -> &dyn Channel {
        match kind {
            ChannelKind::Email => &*self.0.email,
            ChannelKind::Ntfy => &self.0.ntfy,
            ChannelKind::Slack => &self.0.slack,
            ChannelKind::Teams => &self.0.teams,
            ChannelKind::Ticket => &self.0.ticket,
            ChannelKind::Webhook => &self.0.webhook,
        }
    }

    /// Closes idle connections of all channels politely.
    pub async fn close(&self) {
        for kind in ChannelKind::ALL {
            self.get(kind).close().await;
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(ChannelKind::ALL.map(|kind| self.get(kind).name())).finish()
    }
}

/// An endpoint of this kind as far as it can be known to work before anything is sent, its address in the one form that
/// is compared. A secret may still be missing.
///
/// # Errors
/// Says what is wrong with the address or the secret, and shows neither.
pub fn checked(kind: ChannelKind, endpoint: Endpoint) -> Result<Endpoint, String> {
    let url = endpoint::address(&endpoint.url)?;
    endpoint::enterable(&url)?;
    match (kind, &endpoint.secret) {
        (ChannelKind::Webhook, Some(secret)) => webhook::keys(secret).map(drop)?,
        (ChannelKind::Ntfy, token) => ntfy::enterable(&url, token.as_deref())?,
        _ => {}
    }
    Ok(Endpoint { url: url.into(), ..endpoint })
}
