//! Mail on its way from a mailbox to its reader: what is asked of a mailbox, and what it gives.

use super::clock::Timestamp;

/// Longest message that is read, in bytes.
pub const MESSAGE_MAX: usize = 2 * 1024 * 1024;
/// How many of the newest messages a mailbox gives where nothing is known of it yet.
pub const NEWEST: usize = 200;

/// What is asked of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Where the last reading ended, in the mailbox's own notation; absent for the first one. A cursor that cannot be
    /// read, or that is of another mailbox, counts as none.
    pub cursor: Option<String>,
    /// All that has arrived since then, rather than the [`NEWEST`].
    pub since: Option<Timestamp>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What sentences call it, such as `message 17` or `advisory.eml`.
    pub name: String,
    /// As it arrived (RFC 5322), at most [`MESSAGE_MAX`] bytes.
    pub bytes: Vec<u8>,
}

/// Some of the messages that were asked for, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// The messages.
    pub messages: Vec<Message>,
    /// Messages that were not read, a sentence each.
    pub left_out: Vec<String>,
    /// How many were passed over because they come from others.
    pub strangers: usize,
    /// Where the next reading goes on once these are stored.
    pub cursor: String,
    /// How many messages have been looked at, and of how many.
    pub progress: (u64, u64),
    /// There are no more.
    pub last: bool,
}
