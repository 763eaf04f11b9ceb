//! What comes back after a mail: that it could not be delivered, that its reader complained, that a machine answered.

use std::fmt;
use std::str::FromStr;

/// A mail that came to an address of ours, and what it reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The addresses that its header names as those that it was sent to.
    pub addressed: Vec<String>,
    /// The addresses that the mail which it is about was sent under.
    pub about: Vec<String>,
    /// What it reports.
    pub report: Report,
}

/// What a returned mail reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// What became of a delivery (RFC 3464).
    Delivery(DeliveryStatus),
    /// What a reader thinks of a mail (RFC 5965).
    Complaint(Complaint),
    /// A machine answered: an absence note, a ticket number (RFC 3834).
    AutoReply,
    /// Somebody asks to be left alone.
    Unsubscribe,
    /// Nothing that a program can be sure of.
    Unknown,
}

/// What a mail server says became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// What it did.
    pub action: Action,
    /// Why, as a number; the most precise one that it gave.
    pub status: Option<Status>,
    /// Why, in its words: one line, at most 300 characters.
    pub diagnostic: String,
    /// `Message-ID` of the mail without angle brackets.
    pub original_message_id: Option<String>,
    /// Where it was to go in the end.
    pub final_recipient: Option<String>,
}

/// What a reader's mailbox provider says of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `abuse`, `opt-out`, `not-spam` and the like, in lower case.
    pub kind: String,
    /// `Message-ID` of the mail without angle brackets.
    pub original_message_id: Option<String>,
}

/// RFC 3464 section 2.3.3, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not yet delivered; it will be tried again.
    Delayed,
    /// Handed to a list, which is not where it ends.
    Expanded,
    /// Handed to a server that reports nothing.
    Relayed,
    /// In the mailbox.
    Delivered,
}

impl Action {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Expanded => "expanded",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
        }
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let all = [Self::Failed, Self::Delayed, Self::Expanded, Self::Relayed, Self::Delivered];
        all.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(word)).ok_or(())
    }
}

/// A status code such as 5.1.1 (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// 2 delivered, 4 not now, 5 never.
    pub class: u16,
    /// What it is about: 1 the address, 2 the mailbox, 7 policy.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl FromStr for Status {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let mut parts = word.split('.').map(|part| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { part.parse::<u16>().map_err(drop) } else { Err(()) }
        });
        let mut next = || parts.next().unwrap_or(Err(()));
        let status = Self { class: next()?, subject: next()?, detail: next()? };
        let whole = parts.next().is_none() && matches!(status.class, 2 | 4 | 5);
        if whole { Ok(status) } else { Err(()) }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_a_class_and_two_numbers() {
        for word in ["5.1.1", "4.0.0", "2.1.5", "5.7.515"] {
            assert_eq!(word.parse::<Status>().map(|status| status.to_string()).as_deref(), Ok(word));
        }
        for word in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.1000", "5.-1.1", "5.+1.1", "5..1", "550"] {
            assert_eq!(word.parse::<Status>(), Err(()), "{word}");
        }
    }
}
