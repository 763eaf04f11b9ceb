//! Message to wire: one file per way to reach people.
//!
//! A channel delivers one [`Message`] to one recipient and says how that ended, as an [`Outcome`] named after
//! what to do next. It knows nothing of subscriptions, retries or storage. Sending one message twice puts the
//! same bytes on the wire, so a receiver can tell a repeat by its `Message-ID`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::model::delivery::{Message, Outcome};

pub mod email;
pub mod file;

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
