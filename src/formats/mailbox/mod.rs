//! Mail of vendors that write to their customers only: one message (RFC 5322) is one item.
//!
//! A mailbox takes mail from anybody, so only senders that the source lists are read, by their `From` address. That
//! address can be forged; what the receiving server found of its DKIM signature is kept as the item's proof, and a
//! source can insist on it. Mail is not public: its items bear the source's TLP label, or a stricter one of their own.

mod link;
mod message;
mod mime;
mod proof;

use std::fs::File;
use std::io::Read;

use super::walk::{Answer, Batch, Start, Step, Walk};
use super::{Format, Origin, ParseError, contained};
use crate::config::sources::MailboxRules;
use crate::model::clock::Timestamp;
use crate::model::item::{Item, Parsed, Proof};
use crate::model::mail::{MESSAGE_MAX, Mail, Wanted};
use crate::model::tlp::Tlp;

/// Messages.
pub const MAILBOX: Format = Format { name: "mailbox", parse, walk: Some(begin) };

/// Sentences about single messages in one batch; the rest is counted.
const SENTENCES: usize = 10;

/// Whether the sender in this header (or header field) is one that the rules list.
#[must_use]
pub fn takes(header: &[u8], rules: &MailboxRules) -> bool {
    let sender = contained("mail", || Ok(message::sender(header))).ok().flatten();
    sender.is_some_and(|sender| rules.from.hold(&sender))
}

/// One message, whoever sent it: the reading of a source goes through its rules.
fn parse(bytes: &[u8], _: &Origin<'_>) -> Result<Parsed, ParseError> {
    let mut parsed = Parsed::default();
    let mut item = message::read(bytes, &mut parsed.repairs)?;
    item.tlp = message::label(&item).unwrap_or_default().max(Tlp::Amber);
    item.proof = Some(Proof::Unsigned);
    parsed.items.push(item);
    Ok(parsed)
}

fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    let rules = start.source.mailbox.clone();
    let rules = rules.ok_or_else(|| ParseError::unreadable("the source has no [source.mailbox]"))?;
    let wanted = Wanted { cursor: start.cursor.map(str::to_owned), since: start.since };
    Ok(Box::new(Reading { rules, wanted, last: false }))
}

/// A mailbox being read.
struct Reading {
    rules: MailboxRules,
    wanted: Wanted,
    last: bool,
}

impl Walk for Reading {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match answer {
            Answer::Stored if self.last => Ok(Step::Done),
            Answer::Begin | Answer::Stored => Ok(Step::Messages(self.wanted.clone())),
            Answer::Messages(mail) => Ok(Step::Store(self.batch(*mail))),
            Answer::File(file) => {
                self.last = true;
                let mut parsed = Parsed::default();
                let bytes = bytes_of(file)?;
                if !takes(&bytes, &self.rules) {
                    let reason = "it comes from a sender that the source does not list, or from several";
                    return Err(ParseError::unreadable(reason));
                }
                self.take("the message", &bytes, &mut parsed, &mut 0);
                Ok(Step::Store(Batch { parsed, ..Batch::default() }))
            }
            other => Err(ParseError::unreadable(format!("the mailbox gave no messages ({other:?})"))),
        }
    }
}

impl Reading {
    fn batch(&mut self, mail: Mail) -> Batch {
        self.last = mail.last;
        let mut parsed = Parsed { dropped: mail.left_out.len(), repairs: mail.left_out, ..Parsed::default() };
        let (mut strangers, mut unsigned) = (mail.strangers, 0);
        for message in &mail.messages {
            if takes(&message.bytes, &self.rules) {
                self.take(&message.name, &message.bytes, &mut parsed, &mut unsigned);
            } else {
                strangers += 1;
            }
        }
        if strangers > 0 {
            // Others may write to the mailbox too: that is no fault of the source.
            tracing::debug!(messages = strangers, "Passed over mail of senders that the source does not list");
        }
        if parsed.repairs.len() > SENTENCES {
            let more = parsed.repairs.split_off(SENTENCES).len();
            parsed.repairs.push(format!("and {more} more"));
        }
        if unsigned > 0 {
            let why = "without a valid DKIM signature of their sender's domain were left out (require_dkim)";
            parsed.repairs.insert(0, format!("messages {why}: {unsigned}"));
        }
        Batch { parsed, cursor: Some(mail.cursor), progress: Some(mail.progress) }
    }

    /// Reads one message of a listed sender.
    fn take(&self, name: &str, bytes: &[u8], parsed: &mut Parsed, unsigned: &mut usize) {
        let mut repairs = Vec::new();
        let proof = proof::of(bytes, self.rules.trust_results_of.as_deref());
        if self.rules.require_dkim && proof != Proof::Signed {
            *unsigned += 1;
            return;
        }
        match message::read(bytes, &mut repairs) {
            Ok(item) if self.too_old(&item) => {}
            Ok(mut item) => {
                item.tlp = message::label(&item).unwrap_or_default().max(self.rules.tlp);
                item.proof = Some(proof);
                parsed.items.push(item);
            }
            Err(why) => {
                parsed.dropped += 1;
                repairs.push(why.to_string());
            }
        }
        parsed.repairs.extend(repairs.into_iter().map(|repair| format!("{name}: {repair}")));
    }

    fn too_old(&self, item: &Item) -> bool {
        let since: Option<Timestamp> = self.wanted.since;
        item.published.zip(since).is_some_and(|(published, since)| published < since)
    }
}

fn bytes_of(file: File) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    let read = file.take(MESSAGE_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| ParseError::unreadable(format!("the file cannot be read: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
