//! What is read before the documents of a walk: the provider's metadata and keys, and its lists.

use serde_json::Value;
use url::Url;

use super::cursor;
use super::documents::Current;
use super::listing::{self, Entry, Listing};
use super::metadata::{self, SECURITY_TXT, WELL_KNOWN};
use super::walk::{Asked, Provider, reason};
use super::{EXPECTED, is_document};
use crate::formats::walk::{self, Answer, Step};
use crate::formats::{ParseError, decode, pages};
use crate::http::Page;

/// What is read before the documents.
#[derive(Clone, Debug)]
pub enum Task {
    /// The source's address.
    Source,
    /// The places where a domain may name its provider, in their order.
    Look(usize),
    /// A provider-metadata.json.
    Metadata(Url),
    /// A key and its fingerprint.
    Key(String, Url),
    /// A ROLIE feed.
    Feed(Url),
    /// The lists of a directory.
    Changes(Url),
    Index(Url),
    Deletions(Url),
}

impl Provider {
    /// The step that asks for a task's document.
    pub(super) fn ask(&mut self, task: Task) -> Step {
        let url = match &task {
            Task::Source => self.source.url.clone(),
            Task::Look(place) => look(&self.source.url, *place).unwrap_or_else(|| self.source.url.clone()),
            Task::Metadata(url) | Task::Key(_, url) | Task::Feed(url) => url.clone(),
            Task::Changes(directory) => beside(directory, "changes.csv"),
            Task::Index(directory) => beside(directory, "index.txt"),
            Task::Deletions(directory) => beside(directory, "deletions.csv"),
        };
        let mut request = walk::request(&self.source, url);
        if matches!(task, Task::Source | Task::Feed(_) | Task::Changes(_) | Task::Index(_) | Task::Deletions(_))
            && self.since.is_none()
        {
            request.validators = self.cursor.lists.get(request.url.as_str()).cloned().unwrap_or_default();
        }
        let needed = matches!(task, Task::Source);
        self.asked = Asked::Task(task);
        if needed { Step::Fetch(request) } else { Step::Try(request) }
    }

    /// Takes the answer to a task.
    pub(super) fn listed(&mut self, task: Task, answer: Answer) -> Result<(), ParseError> {
        let page = match (&task, answer) {
            (Task::Source, answer @ (Answer::Missing | Answer::Failed(_))) => answer.page("the source")?,
            (_, Answer::Page(page)) => *page,
            (_, Answer::Unchanged) => {
                self.unchanged(&task);
                return Ok(());
            }
            (_, other) => return self.missed(task, &reason(other)),
        };
        match task {
            Task::Source => self.by_content(page),
            Task::Look(place) if is_security_txt(place) => {
                let urls = metadata::of_security_txt(&text(&page), &page.meta.final_url);
                if urls.is_empty() {
                    return self.missed(task, "it has no line 'CSAF:'");
                }
                self.tasks = urls.into_iter().map(Task::Metadata).collect();
                Ok(())
            }
            Task::Look(_) | Task::Metadata(_) => match super::json(&page.body, page.content_type.as_deref()) {
                Ok(value) if metadata::is_metadata(&value) => self.metadata(&value, &page.meta.final_url),
                Ok(_) => self.missed(task, "it is JSON of another kind"),
                Err(fault) => self.missed(task, &fault.to_string()),
            },
            Task::Key(fingerprint, url) => {
                if let Err(fault) = self.keys.add(&page.body, Some(&fingerprint)) {
                    self.remark(format!("the provider's OpenPGP key at {url} does not count: {fault}"));
                }
                Ok(())
            }
            Task::Feed(ref url) => match super::json(&page.body, page.content_type.as_deref()) {
                Ok(value) if value.get("feed").is_some() => {
                    self.take(listing::rolie(&value, &page.meta.final_url), url, &page);
                    Ok(())
                }
                Ok(_) => self.missed(task, "it is no ROLIE feed"),
                Err(fault) => self.missed(task, &fault.to_string()),
            },
            Task::Changes(directory) => {
                self.take(listing::changes(&text(&page), &directory, false), &beside(&directory, "changes.csv"), &page);
                self.tasks.push_back(Task::Deletions(directory));
                Ok(())
            }
            Task::Index(directory) => {
                self.take(listing::index(&text(&page), &directory), &beside(&directory, "index.txt"), &page);
                Ok(())
            }
            Task::Deletions(directory) => {
                self.take(
                    listing::changes(&text(&page), &directory, true),
                    &beside(&directory, "deletions.csv"),
                    &page,
                );
                Ok(())
            }
        }
    }

    fn unchanged(&mut self, task: &Task) {
        self.lists_read += 1;
        let url = match task {
            Task::Changes(directory) => {
                self.tasks.push_back(Task::Deletions(directory.clone()));
                beside(directory, "changes.csv")
            }
            Task::Index(directory) => beside(directory, "index.txt"),
            Task::Deletions(directory) => beside(directory, "deletions.csv"),
            Task::Feed(url) => url.clone(),
            _ => self.source.url.clone(),
        };
        if let Some(known) = self.cursor.lists.get(url.as_str()) {
            self.validators.insert(url.into(), known.clone());
        }
    }

    /// What could not be had: the next place, where there is one.
    fn missed(&mut self, task: Task, why: &str) -> Result<(), ParseError> {
        match task {
            Task::Look(place) if look(&self.source.url, place + 1).is_some() => {
                self.tasks.push_front(Task::Look(place + 1))
            }
            Task::Look(_) => {
                let host = self.source.url.host_str().unwrap_or_default();
                return Err(ParseError::unreadable(format!(
                    "{host} names no CSAF provider, neither in {WELL_KNOWN} nor in its security.txt nor by the name \
                     csaf.data.security ({why}); give the source the address of its provider-metadata.json"
                )));
            }
            Task::Metadata(url) if self.tasks.is_empty() => {
                return Err(ParseError::unreadable(format!("no provider metadata at {url}: {why}")));
            }
            Task::Key(_, url) => self.remark(format!("the provider's OpenPGP key at {url} could not be had: {why}")),
            Task::Changes(directory) => self.tasks.push_front(Task::Index(directory)),
            Task::Feed(url) => self.list_missed = Some(format!("the feed {url}: {why}")),
            Task::Index(directory) => self.list_missed = Some(format!("the lists of the directory {directory}: {why}")),
            Task::Metadata(_) | Task::Deletions(_) | Task::Source => {}
        }
        Ok(())
    }

    /// What stands at the source's address.
    fn by_content(&mut self, page: Page) -> Result<(), ParseError> {
        let base = page.meta.final_url.clone();
        let url = self.source.url.clone();
        let start = page.body.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
        if start == Some(&b'{') {
            let value = super::json(&page.body, page.content_type.as_deref())?;
            if metadata::is_metadata(&value) {
                return self.metadata(&value, &base);
            }
            if value.get("feed").is_some() {
                self.take(listing::rolie(&value, &base), &url, &page);
                return Ok(());
            }
            if !is_document(&value) {
                return Err(ParseError::NotThis { expected: EXPECTED, found: "JSON of another kind".to_owned() });
            }
            self.take(Listing::default(), &url, &page);
            let entry = Entry::at(base, Some(self.now));
            self.current = Some(Box::new(Current::with(cursor::key(&entry, self.now), entry, page)));
            self.total = 1;
            return Ok(());
        }
        let text = text(&page);
        let directory = metadata::folder(base.join(".").unwrap_or_else(|_| base.clone()));
        match listing::kind(&text) {
            Some(true) => {
                self.take(listing::changes(&text, &directory, false), &url, &page);
                self.tasks.push_back(Task::Deletions(directory));
            }
            // An index has no times; the list beside it has.
            Some(false) => self.tasks.push_back(Task::Changes(directory)),
            None => {
                let found = pages::recognize(&text).unwrap_or_else(|| "something else".to_owned());
                return Err(ParseError::NotThis { expected: EXPECTED, found });
            }
        }
        Ok(())
    }

    /// Goes by the provider's metadata: its keys, then its feeds, or its directories where it has none.
    fn metadata(&mut self, value: &Value, base: &Url) -> Result<(), ParseError> {
        let metadata = metadata::read(value, base, self.now)?;
        self.batch.repairs.extend(metadata.remarks);
        self.tasks = metadata.keys.into_iter().map(|(fingerprint, url)| Task::Key(fingerprint, url)).collect();
        if metadata.feeds.is_empty() {
            self.tasks.extend(metadata.directories.into_iter().map(Task::Changes));
        } else {
            self.tasks.extend(metadata.feeds.into_iter().map(Task::Feed));
        }
        Ok(())
    }

    fn take(&mut self, listing: Listing, url: &Url, page: &Page) {
        self.lists_read += 1;
        self.validators.insert(url.to_string(), page.meta.validators.clone());
        if let Some(reason) = listing.reason {
            self.batch.dropped += listing.refused;
            self.remark(format!("{} entries of {url} were refused: {reason}", listing.refused));
        }
        self.entries.extend(listing.entries);
    }
}

/// Whether the address is a whole domain.
pub fn is_domain(url: &Url) -> bool {
    url.path() == "/" && url.query().is_none()
}

/// The places where a domain may name its provider (section 7.3.1).
fn look(url: &Url, place: usize) -> Option<Url> {
    match place {
        0 => url.join(WELL_KNOWN).ok(),
        1 | 2 => url.join(SECURITY_TXT[place - 1]).ok(),
        3 => metadata::of_domain(url),
        _ => None,
    }
}

fn is_security_txt(place: usize) -> bool {
    matches!(place, 1 | 2)
}

fn beside(directory: &Url, name: &str) -> Url {
    directory.join(name).unwrap_or_else(|_| directory.clone())
}

fn text(page: &Page) -> String {
    decode::decode(&page.body, page.content_type.as_deref()).text
}
