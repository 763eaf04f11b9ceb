//! Forms: an alert with what is one recipient's own left open, so that thousands of letters cost one rendering.
//!
//! The open places are marked by addresses that nobody can guess, so that no text from outside can hold one.

use super::text::link;
use super::{Envelope, identity, message};
use crate::model::advisory::AdvisoryId;
use crate::model::channel::Brief;
use crate::model::delivery::Message;

/// Addresses that stand for a recipient's own links.
pub struct Marks {
    stop: String,
    change: String,
}

impl Marks {
    /// The marks of one installation.
    pub fn new(envelope: &Envelope<'_>) -> Self {
        let mark = |what: &str| {
            let id = identity(envelope.secret, envelope.from_domain, &format!("mark|{what}"));
            format!("https://{}.invalid/", &id[..32])
        };
        Self { stop: mark("stop"), change: mark("change") }
    }

    /// `envelope` with marks in place of the recipient's own links.
    pub fn envelope<'a>(&'a self, envelope: &Envelope<'a>) -> Envelope<'a> {
        let stands = |address: &Option<String>| address.as_deref().and_then(link).is_some();
        Envelope {
            unsubscribe: stands(&envelope.unsubscribe).then(|| self.stop.clone()),
            preferences: stands(&envelope.preferences).then(|| self.change.clone()),
            ..envelope.clone()
        }
    }
}

/// A piece of a part: text, or an open place.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Stop,
    Change,
}

/// An alert with open places.
#[derive(Clone, Debug)]
pub struct Form {
    subject: String,
    text: Vec<Piece>,
    html: Vec<Piece>,
    brief: Option<Brief>,
}

impl Form {
    pub(super) fn new(marks: &Marks, subject: String, text: &str, html: &str, brief: Option<Brief>) -> Self {
        Self { subject, text: pieces(text, marks), html: pieces(html, marks), brief }
    }

    /// The letter to one recipient.
    #[must_use]
    pub fn fill(&self, envelope: &Envelope<'_>, advisory: &AdvisoryId) -> Message {
        let thread = format!("thread|{}|{advisory}", envelope.subscription);
        let root = identity(envelope.secret, envelope.from_domain, &thread);
        let (text, html) = (filled(&self.text, envelope, false), filled(&self.html, envelope, true));
        let brief = self.brief.as_ref().map(|brief| Brief { at: envelope.created_at, ..brief.clone() });
        Message { brief, ..message(envelope, self.subject.clone(), text, html, Some(root)) }
    }
}

fn pieces(part: &str, marks: &Marks) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = part;
    loop {
        let next = [
            (rest.find(&marks.stop), &marks.stop, Piece::Stop),
            (rest.find(&marks.change), &marks.change, Piece::Change),
        ];
        let first =
            next.into_iter().filter_map(|(at, mark, piece)| at.map(|at| (at, mark, piece))).min_by_key(|found| found.0);
        let Some((at, mark, piece)) = first else {
            pieces.push(Piece::Text(rest.to_owned()));
            return pieces;
        };
        pieces.push(Piece::Text(rest[..at].to_owned()));
        pieces.push(piece);
        rest = &rest[at + mark.len()..];
    }
}

fn filled(pieces: &[Piece], envelope: &Envelope<'_>, html: bool) -> String {
    let length: usize = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 160 }).sum();
    let mut part = String::with_capacity(length);
    for piece in pieces {
        let address = match piece {
            Piece::Text(text) => {
                part.push_str(text);
                continue;
            }
            Piece::Stop => &envelope.unsubscribe,
            Piece::Change => &envelope.preferences,
        };
        let Some((address, _)) = address.as_deref().and_then(link) else { continue };
        match html {
            true => part.push_str(&super::render::escaped(&address)),
            false => part.push_str(&address),
        }
    }
    part
}
