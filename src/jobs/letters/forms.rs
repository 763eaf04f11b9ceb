//! Forms of alerts that were composed lately: what is the same for many recipients is rendered once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::advisory::{AdvisoryId, Content, Event};
use crate::model::audience::{Floor, Follow, Subscription};
use crate::model::channel::ChannelKind;
use crate::model::platform::PlatformId;
use crate::model::topic::Topic;
use crate::pipeline::compose::{Form, Sites};
use crate::store::StoreError;

/// Forms and events that are kept. A form takes about 40 KB.
const KEPT: usize = 128;
/// Revisions that are kept for digests. One takes about 5 KB.
const CONTENTS: usize = 2_000;

/// What was rendered lately. Nothing in it changes: an event's revision is written once.
#[derive(Default)]
pub struct Forms {
    forms: Mutex<HashMap<Shape, Arc<Form>>>,
    told: Mutex<HashMap<i64, Arc<Told>>>,
    contents: Mutex<HashMap<(AdvisoryId, i64), Arc<Content>>>,
}

impl Forms {
    /// The form of letters of this shape.
    pub(super) fn get(&self, shape: &Shape) -> Option<Arc<Form>> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).get(shape).cloned()
    }

    /// Keeps a form.
    pub(super) fn keep(&self, shape: Shape, form: Form) {
        kept(&self.forms, KEPT, shape, Arc::new(form));
    }

    /// An event; `load` is asked where it was not seen lately.
    pub(super) fn told(
        &self,
        seq: i64,
        load: impl FnOnce() -> Result<Option<Told>, StoreError>,
    ) -> Result<Option<Arc<Told>>, StoreError> {
        if let Some(known) = self.told.lock().unwrap_or_else(PoisonError::into_inner).get(&seq) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(told) = load()?.map(Arc::new) else { return Ok(None) };
        kept(&self.told, KEPT, seq, Arc::clone(&told));
        Ok(Some(told))
    }

    /// What a revision says; `load` is asked where it was not seen lately.
    pub(super) fn content(
        &self,
        advisory: &AdvisoryId,
        revision: i64,
        load: impl FnOnce() -> Result<Option<Content>, StoreError>,
    ) -> Result<Option<Arc<Content>>, StoreError> {
        let key = (advisory.clone(), revision);
        if let Some(known) = self.contents.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(content) = load()?.map(Arc::new) else { return Ok(None) };
        kept(&self.contents, CONTENTS, key, Arc::clone(&content));
        Ok(Some(content))
    }
}

fn kept<K: Eq + Hash, V>(all: &Mutex<HashMap<K, Arc<V>>>, most: usize, key: K, value: Arc<V>) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    // What is used again is made again; which one goes does not matter.
    if all.len() >= most {
        all.clear();
    }
    all.insert(key, value);
}

/// One event, with what its advisory said then and in its first revision.
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) content: Content,
    pub(super) first: Content,
}

/// All of a recipient that makes a difference to an alert, beside its address and its links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    seq: i64,
    channel: ChannelKind,
    everything: bool,
    instant: bool,
    floor: Floor,
    timezone: String,
    /// The platforms and vendors that the event names and the recipient asked for.
    asked: Vec<PlatformId>,
    topics: Vec<Topic>,
    /// The clients that run them, where they are named.
    sites: Vec<Vec<String>>,
    /// Whose letter it is alone, where it names all that the recipient runs.
    alone: Option<String>,
}

impl Shape {
    pub(super) fn of(seq: i64, told: &Told, subscription: &Subscription, sites: &Sites) -> Self {
        let wish = &subscription.wish;
        let tags = told.content.affected().chain(told.first.affected());
        let named = tags.flat_map(|tag| std::iter::once(&tag.platform).chain(&tag.under));
        let asked: Vec<PlatformId> = named.filter(|id| wish.asks_for(id)).cloned().collect();
        let concerned = told.content.topics.iter().map(|about| about.topic);
        let topics: Vec<Topic> = concerned.filter(|topic| wish.topics.contains(topic)).collect();
        let alone = (asked.is_empty() && topics.is_empty() && !wish.everything).then(|| subscription.id.clone());
        Self {
            seq,
            channel: subscription.channel,
            everything: wish.everything,
            instant: wish.instant,
            floor: wish.floor,
            timezone: wish.digest.timezone.clone(),
            topics,
            sites: if sites.is_empty() {
                Vec::new()
            } else {
                asked.iter().map(|id| sites.get(id).cloned().unwrap_or_default()).collect()
            },
            alone,
            asked,
        }
    }
}

/// The organization whose whole stack is followed.
pub(super) fn organization(subscription: &Subscription) -> Option<String> {
    subscription.wish.follows.iter().find_map(|follow| match follow {
        Follow::Stack(owner) if owner.is_organization() => Some(owner.0.clone()),
        _ => None,
    })
}
