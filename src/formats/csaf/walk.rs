//! A walk over a provider (sections 7.1 to 7.3 of CSAF 2.1): what it offers, then its documents, oldest first.
//!
//! The source's address is a domain (its provider is then looked for in the order of section 7.3.1), a
//! provider-metadata.json, a ROLIE feed, a `changes.csv` or `index.txt`, or one document; its content decides. Of each
//! document the hash and the signature are fetched with it and looked at before it is parsed. What is wrong is told in
//! the repairs of the batch, and what was rejected is tried again by the next walks.
//!
//! A walk asks for at most [`listing::ENTRIES_MAX`] documents, each with at most three files beside it; a first walk
//! for the newest [`FIRST_MAX`]. Feeds that need credentials are left alone, since a source of this format has none.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::cursor::{self, Cursor};
use super::documents::Current;
use super::finding::{Task, is_domain};
use super::keys::Keys;
use super::listing::{self, Entry};
use crate::config::sources::Source;
use crate::formats::ParseError;
use crate::formats::walk::{self, Answer, Batch, Start, Step, Walk};
use crate::model::clock::Timestamp;
use crate::model::health::Validators;
use crate::model::item::Parsed;

/// Documents of a first walk.
const FIRST_MAX: usize = 200;
/// Documents of one batch.
const BATCH: usize = 20;
/// Documents in a row that could not be had, after which the walk ends.
pub(super) const FAILURES_MAX: usize = 5;

/// Begins a walk over the provider, list or document at the source's address.
pub fn begin(start: &Start<'_>) -> Result<Box<dyn Walk>, ParseError> {
    Ok(Box::new(Provider::new(start)))
}

/// What the next answer is to.
pub(super) enum Asked {
    Nothing,
    Task(Task),
    Document,
    Store,
}

/// A walk over a provider, a list or one document.
pub(super) struct Provider {
    pub(super) source: Source,
    pub(super) now: Timestamp,
    pub(super) since: Option<Timestamp>,
    /// Nothing is known of this source yet.
    pub(super) first: bool,
    pub(super) cursor: Cursor,
    pub(super) keys: Keys,
    pub(super) batch: Parsed,
    pub(super) failures: usize,
    /// Documents in the batch, and done in all.
    pub(super) in_batch: usize,
    pub(super) done: u64,
    pub(super) asked: Asked,
    pub(super) tasks: VecDeque<Task>,
    pub(super) entries: Vec<Entry>,
    /// Of the lists read in this walk.
    pub(super) validators: BTreeMap<String, Validators>,
    pub(super) lists_read: usize,
    pub(super) list_missed: Option<String>,
    planned: bool,
    queue: VecDeque<(String, Entry)>,
    pub(super) current: Option<Box<Current>>,
    pub(super) total: u64,
    kept: String,
}

impl Provider {
    fn new(start: &Start<'_>) -> Self {
        let cursor = Cursor::read(start.cursor);
        let first = cursor.is_none();
        let cursor = cursor.unwrap_or_default();
        Self {
            source: start.source.clone(),
            now: start.now,
            since: start.since,
            first,
            kept: cursor.write(),
            cursor,
            keys: Keys::default(),
            batch: Parsed::default(),
            failures: 0,
            in_batch: 0,
            done: 0,
            asked: Asked::Nothing,
            tasks: VecDeque::new(),
            entries: Vec::new(),
            validators: BTreeMap::new(),
            lists_read: 0,
            list_missed: None,
            planned: false,
            queue: VecDeque::new(),
            current: None,
            total: 0,
        }
    }

    pub(super) fn remark(&mut self, sentence: impl Into<String>) {
        self.batch.repairs.push(sentence.into());
    }

    /// Whether history is being filled in or nothing is known yet: what is gone is then no news.
    pub(super) fn is_history(&self) -> bool {
        self.first || self.since.is_some()
    }

    /// Decides which documents are read, once all lists are there.
    fn plan(&mut self) -> Result<(), ParseError> {
        self.planned = true;
        if let Some(missed) = self.list_missed.take() {
            if self.lists_read == 0 {
                return Err(ParseError::unreadable(missed));
            }
            self.remark(missed);
        }
        for warning in self.keys.warnings(self.now) {
            self.remark(warning);
        }
        if self.keys.all_expired(self.now) {
            let reason = "all OpenPGP keys that the provider names have expired; nothing it signs can be believed until it renews them";
            return Err(ParseError::unreadable(reason));
        }
        let mut newest: HashMap<String, (String, Entry)> = HashMap::new();
        for entry in std::mem::take(&mut self.entries) {
            let key = cursor::key(&entry, self.now);
            let known = newest.get(&entry.name()).is_some_and(|(known, _)| *known >= key);
            if !known {
                newest.insert(entry.name(), (key, entry));
            }
        }
        let mut planned: Vec<(String, Entry)> = newest.into_values().collect();
        planned.sort_by(|a, b| a.0.cmp(&b.0));
        if planned.len() > listing::ENTRIES_MAX {
            self.remark(format!(
                "{} documents are listed; the newest {} are looked at",
                planned.len(),
                listing::ENTRIES_MAX
            ));
            planned.drain(..planned.len() - listing::ENTRIES_MAX);
        }
        if planned.last().is_some_and(|(key, _)| !self.cursor.fits(key)) {
            self.first = true;
            self.cursor = Cursor::default();
        }
        self.choose(planned);
        Ok(())
    }

    fn choose(&mut self, mut planned: Vec<(String, Entry)>) {
        if self.is_history() {
            planned.retain(|(_, entry)| !entry.gone);
        }
        match self.since {
            Some(since) if self.first => self.cursor.floor = cursor::dated(since),
            None if self.first && planned.len() > FIRST_MAX => {
                planned.drain(..planned.len() - FIRST_MAX);
                self.cursor.floor.clone_from(&planned[0].0);
            }
            _ => {}
        }
        planned.retain(|(key, entry)| self.cursor.wants(entry, key));
        self.total += planned.len() as u64;
        self.queue = planned.into();
    }

    /// The next step towards the documents, or their storage.
    fn advance(&mut self) -> Result<Step, ParseError> {
        if let Some(task) = self.tasks.pop_front() {
            return Ok(self.ask(task));
        }
        if !self.planned {
            self.plan()?;
        }
        loop {
            if self.in_batch >= BATCH {
                return Ok(self.store());
            }
            let Some(mut current) = self.current.take() else {
                let Some((key, entry)) = self.queue.pop_front() else { break };
                if entry.gone {
                    self.gone(&key, &entry);
                } else {
                    self.current = Some(Box::new(Current::new(key, entry)));
                }
                continue;
            };
            if let Some(url) = current.wanted(!self.keys.is_empty()) {
                let request = walk::request(&self.source, url);
                self.asked = Asked::Document;
                self.current = Some(current);
                return Ok(Step::Try(request));
            }
            self.finish(*current);
        }
        self.end();
        if self.in_batch > 0 || self.batch != Parsed::default() || self.cursor.write() != self.kept {
            return Ok(self.store());
        }
        Ok(Step::Done)
    }

    /// All has been read: unchanged lists need not be read again, unless something is to be tried again.
    fn end(&mut self) {
        let mut validators = std::mem::take(&mut self.validators);
        validators.retain(|_, known| *known != Validators::default());
        if !self.cursor.retry.is_empty() {
            validators.clear();
        }
        if !validators.is_empty() || self.in_batch > 0 {
            self.cursor.lists = validators.clone();
        }
        self.validators = validators;
    }

    fn store(&mut self) -> Step {
        self.asked = Asked::Store;
        self.in_batch = 0;
        self.kept = self.cursor.write();
        let parsed = std::mem::take(&mut self.batch);
        Step::Store(Batch { parsed, cursor: Some(self.kept.clone()), progress: Some((self.done, self.total)) })
    }
}

impl Walk for Provider {
    fn next(&mut self, answer: Answer) -> Result<Step, ParseError> {
        match (std::mem::replace(&mut self.asked, Asked::Nothing), answer) {
            (Asked::Task(task), answer) => self.listed(task, answer)?,
            (Asked::Document, answer) => self.received(answer)?,
            (Asked::Nothing, Answer::File(file)) => {
                self.planned = true;
                self.import(&walk::bytes_of(file, walk::FILE_MAX)?)?;
            }
            (Asked::Nothing, _) if is_domain(&self.source.url) => self.tasks.push_back(Task::Look(0)),
            (Asked::Nothing, _) => self.tasks.push_back(Task::Source),
            (Asked::Store, _) => {}
        }
        self.advance()
    }
}

impl Provider {
    /// Takes a part of the current document.
    fn received(&mut self, answer: Answer) -> Result<(), ParseError> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        match current.take(answer) {
            Ok(()) => {
                self.failures = 0;
                self.current = Some(current);
                Ok(())
            }
            Err(missed) => self.document_missed(&current, missed),
        }
    }
}

pub(super) fn reason(answer: Answer) -> String {
    match answer {
        Answer::Missing => "it is not there (404)".to_owned(),
        Answer::Failed(reason) => reason,
        other => format!("it was not sent ({other:?})"),
    }
}
