//! One document of a walk: it, its hash and its signature are fetched, then judged, then read.

use std::collections::VecDeque;

use url::Url;

use super::cursor::Seen;
use super::listing::{self, Entry};
use super::notes::Notes;
use super::walk::{FAILURES_MAX, Provider, reason};
use super::{is_document, proof, text_at};
use crate::formats::walk::Answer;
use crate::formats::{ParseError, draft};
use crate::http::Page;
use crate::model::item::{Item, Proof};
use crate::model::text;

/// A document on its way.
pub struct Current {
    key: String,
    entry: Entry,
    page: Option<Page>,
    hashes: VecDeque<Url>,
    hash: Option<Vec<u8>>,
    signatures: Option<Url>,
    signature: Option<Vec<u8>>,
    asked: Part,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Document,
    Hash,
    Signature,
}

/// Why a document did not come.
pub enum Missed {
    /// 404: it is no more.
    Gone,
    /// Another reason; it may come the next time.
    Failed(String),
}

impl Current {
    /// The document that `entry` names.
    pub fn new(key: String, entry: Entry) -> Self {
        let (hashes, signatures) = (entry.hashes.iter().cloned().collect(), entry.signature.clone());
        Self { key, entry, page: None, hashes, hash: None, signatures, signature: None, asked: Part::Document }
    }

    /// The same, where it is here already.
    pub fn with(key: String, entry: Entry, page: Page) -> Self {
        Self { page: Some(page), ..Self::new(key, entry) }
    }

    /// The next part of it that is to be fetched; a signature only where there are keys.
    pub fn wanted(&mut self, keys: bool) -> Option<Url> {
        if self.page.is_none() {
            self.asked = Part::Document;
            return Some(self.entry.url.clone());
        }
        if self.hash.is_none()
            && let Some(url) = self.hashes.pop_front()
        {
            self.asked = Part::Hash;
            return Some(url);
        }
        self.asked = Part::Signature;
        if keys { self.signatures.take() } else { None }
    }

    /// Takes the part that was asked for. Hash and signature may be missing; they count as missing too where a
    /// publisher hides what is not there behind a refusal.
    pub fn take(&mut self, answer: Answer) -> Result<(), Missed> {
        match (self.asked, answer) {
            (Part::Document, Answer::Page(page)) => self.page = Some(*page),
            (Part::Document, Answer::Missing) => return Err(Missed::Gone),
            (Part::Document, other) => return Err(Missed::Failed(reason(other))),
            (Part::Hash, Answer::Page(page)) => self.hash = Some(page.body),
            (Part::Signature, Answer::Page(page)) => self.signature = Some(page.body),
            (Part::Hash | Part::Signature, _) => {}
        }
        Ok(())
    }
}

impl Provider {
    /// A document that did not come: removed, or to be tried again.
    ///
    /// # Errors
    /// Where nothing has come for a while.
    pub(super) fn document_missed(&mut self, current: &Current, missed: Missed) -> Result<(), ParseError> {
        match missed {
            Missed::Gone => self.gone(&current.key, &current.entry),
            Missed::Failed(why) => {
                self.failures += 1;
                if self.failures >= FAILURES_MAX {
                    return Err(ParseError::unreadable(format!(
                        "{FAILURES_MAX} documents in a row could not be had; the last: {why}"
                    )));
                }
                self.reject(current, &format!("could not be had: {why}"));
            }
        }
        Ok(())
    }

    /// A document that was removed: what we have of it is withdrawn.
    pub(super) fn gone(&mut self, key: &str, entry: &Entry) {
        let name = entry.name();
        let seen = self.cursor.recent.get(&name).cloned().unwrap_or_default();
        if !self.is_history() {
            self.batch.items.push(tombstone(entry, &seen.id));
        }
        self.cursor.done(&name, Seen { key: key.to_owned(), ..seen });
        self.count();
    }

    fn count(&mut self) {
        self.in_batch += 1;
        self.done += 1;
    }

    fn reject(&mut self, current: &Current, why: &str) {
        let name = current.entry.name();
        let again = self.cursor.again(&name, &current.key);
        let then = if again { "it is tried again" } else { "it is given up" };
        self.batch.dropped += 1;
        self.remark(format!("{name} {why}; {then}"));
        self.count();
    }

    /// Judges a document that is here, and reads it where it is what its publisher says.
    pub(super) fn finish(&mut self, current: Current) {
        let Some(page) = &current.page else { return };
        let (hash, signature) = (current.hash.as_deref(), current.signature.as_deref());
        let proof = match proof::of(&page.body, hash, signature, &self.keys, self.now) {
            Ok(proof) => proof,
            Err(why) => return self.reject(&current, &format!("was rejected: {why}")),
        };
        let name = current.entry.name();
        let mut seen = Seen { key: current.key.clone(), ..Seen::default() };
        match self.document(&page.body, page.content_type.as_deref(), &page.meta.final_url, &current.entry, &mut seen) {
            Ok(item) => self.batch.items.extend(item.map(|item| Item { proof: Some(proof), ..item })),
            Err(fault) => {
                self.batch.dropped += 1;
                self.remark(format!("{name}: {fault}"));
            }
        }
        self.cursor.done(&name, seen);
        self.count();
    }

    /// The item of a document; absent where we have a newer one, or it is older than what is asked for.
    fn document(
        &mut self,
        body: &[u8],
        content_type: Option<&str>,
        url: &Url,
        entry: &Entry,
        seen: &mut Seen,
    ) -> Result<Option<Item>, ParseError> {
        let value = super::json(body, content_type)?;
        if !is_document(&value) {
            return Err(ParseError::NotThis { expected: super::EXPECTED, found: "JSON of another kind".to_owned() });
        }
        seen.id = text::truncate(text_at(&value, "/document/tracking/id"), 200);
        seen.version = text::truncate(text_at(&value, "/document/tracking/version"), 60);
        let name = entry.name();
        if let Some(ours) = self.cursor.newer(&name, &seen.id, &seen.version) {
            let (ours, theirs) = (ours.to_owned(), std::mem::replace(&mut seen.version, ours.to_owned()));
            self.remark(format!("{name} went back from version {ours} to {theirs}; the newer one stays"));
            return Ok(None);
        }
        let mut notes = Notes::default();
        let expected = listing::file_name(&seen.id);
        if entry.file() != expected && !seen.id.is_empty() {
            notes.add(format!("its file name should be {expected} (section 5.1)"));
        }
        let item = super::read(&value, url, &mut notes);
        let sentences = notes.finish();
        self.batch.repairs.extend(sentences.into_iter().map(|sentence| format!("{name}: {sentence}")));
        let told = item.updated.or(item.published);
        Ok(Some(item).filter(|_| entry.updated.is_some() || told.is_none_or(|at| Some(at) >= self.since)))
    }

    /// Reads a file that was given: one document, which nothing proves.
    pub(super) fn import(&mut self, body: &[u8]) -> Result<(), ParseError> {
        let value = super::json(body, None)?;
        if !is_document(&value) {
            return Err(ParseError::NotThis { expected: super::EXPECTED, found: "JSON of another kind".to_owned() });
        }
        let mut notes = Notes::default();
        let item = super::read(&value, &self.source.url.clone(), &mut notes);
        self.batch.items.push(Item { proof: Some(Proof::Unsigned), ..item });
        self.batch.repairs.extend(notes.finish());
        self.total = 1;
        self.count();
        Ok(())
    }
}

/// Says that a document was taken back. Its id is the one that we have read in it, else the feed's, else by its file
/// name, which holds the id in small letters.
fn tombstone(entry: &Entry, known: &str) -> Item {
    let of_file = entry.file().trim_end_matches(".json").to_uppercase();
    let id = [known, &entry.id, &of_file].into_iter().find(|id| !id.is_empty()).unwrap_or_default().to_owned();
    let title =
        if entry.title.is_empty() { format!("{id} was withdrawn by its publisher") } else { entry.title.clone() };
    Item {
        native_id: draft::native_id(&id),
        title: draft::title(&title, ""),
        text: "The publisher has removed this document.".to_owned(),
        updated: entry.updated,
        withdrawn: true,
        ..Item::default()
    }
}
