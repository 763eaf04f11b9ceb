//! Compose: letters from advisories. The first line says what is broken and for whom, then what to do.
//!
//! A letter is a plain function of what it is given: the same delivery gives the same bytes on every try.
//! All text from sources is hostile here; templates escape it and only web addresses become links.

mod alert;
mod brief;
mod channel;
mod digest;
mod form;
mod notice;
mod question;
mod reader;
mod render;
mod service;
mod signin;
mod text;

pub use service::{heartbeat, test};

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use minijinja::Environment;
use sha2::Sha256;

use crate::model::advisory::{AdvisoryId, Content, Event, EventKind};
use crate::model::audience::Wish;
use crate::model::channel::ChannelKind;
use crate::model::clock::Timestamp;
use crate::model::delivery::{Message, Returns};
use crate::model::health::HealthState;
use crate::model::platform::PlatformId;

pub use form::Form;
use form::Marks;

/// Why a letter could not be composed. Foreign text is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template is broken.
    #[error("template {name} could not be rendered: {detail}; restore the template as it was released")]
    Template {
        /// Which one.
        name: String,
        /// What the engine said.
        detail: String,
    },
}

impl ComposeError {
    fn template(name: &str, error: &minijinja::Error) -> Self {
        Self::Template { name: name.to_owned(), detail: format!("{error:#}").replace('\n', " ") }
    }
}

/// What every letter carries, whatever it says.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The delivery's id.
    pub key: &'a str,
    /// The recipient's address.
    pub to: &'a str,
    /// The subscription's id.
    pub subscription: &'a str,
    /// By which way it goes.
    pub channel: ChannelKind,
    /// When the delivery was created: the `Date` of every try.
    pub created_at: Timestamp,
    /// The domain of the sender's address.
    pub from_domain: &'a str,
    /// The installation's secret.
    pub secret: &'a str,
    /// Where this Rattlewatch is reached, without a slash at the end.
    pub public_url: &'a str,
    /// Where one click stops the mail.
    pub unsubscribe: Option<String>,
    /// Where the recipient changes what comes.
    pub preferences: Option<String>,
}

/// What an alert is made from.
pub struct Alert<'a> {
    /// What every letter carries.
    pub envelope: Envelope<'a>,
    /// What happened.
    pub event: &'a Event,
    /// What the advisory says as of that event.
    pub content: &'a Content,
    /// What it said in its first revision: the subject of its whole thread is made from it.
    pub first: &'a Content,
    /// What the recipient wants.
    pub wish: &'a Wish,
    /// The clients of the recipient's organization that run a platform.
    pub sites: &'a Sites,
    /// The shown name of a platform.
    pub name: &'a dyn Fn(&PlatformId) -> String,
}

/// Names of clients by the platform that they run.
pub type Sites = BTreeMap<PlatformId, Vec<String>>;

/// Why advisories are told in one letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occasion {
    /// A period is over.
    #[default]
    Digest,
    /// The recipient is new: what is open.
    Welcome,
    /// There were more alerts within the hour than anybody reads one by one.
    RollUp,
}

/// What the mailed question "do you want this?" is made from.
pub struct Question<'a> {
    /// What every letter carries.
    pub envelope: Envelope<'a>,
    /// What was asked for.
    pub wish: &'a Wish,
    /// Where the answer is given.
    pub confirm: &'a str,
    /// The shown name of a platform.
    pub name: &'a dyn Fn(&PlatformId) -> String,
}

/// What a digest is made from.
pub struct Digest<'a> {
    /// What every letter carries.
    pub envelope: Envelope<'a>,
    /// Why these advisories are told in one letter.
    pub occasion: Occasion,
    /// The advisories for this recipient, in any order.
    pub entries: &'a [Entry<'a>],
    /// Where the window starts; the epoch where it has no start.
    pub from: Timestamp,
    /// Where the window ends.
    pub to: Timestamp,
    /// Advisories with an event in the window, whoever they touch.
    pub advisories: i64,
    /// Sources that cannot be read now.
    pub failed: &'a [Failed<'a>],
    /// What the recipient wants.
    pub wish: &'a Wish,
    /// The shown name of a platform.
    pub name: &'a dyn Fn(&PlatformId) -> String,
}

/// One advisory of a digest.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: &'a AdvisoryId,
    /// What it says at the end of the window.
    pub content: &'a Content,
    /// What happened to it in the window, in order.
    pub kinds: Vec<EventKind>,
    /// What changed, one short sentence each.
    pub reasons: Vec<String>,
    /// When the recipient was alerted of it, where that was so.
    pub alerted_at: Option<Timestamp>,
}

/// A source that cannot be read.
#[derive(Clone, Debug)]
pub struct Failed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What happened, as a sentence.
    pub detail: &'a str,
}

/// What a notice to the operator is made from.
pub struct Notice<'a> {
    /// What every letter carries.
    pub envelope: Envelope<'a>,
    /// The sources whose state has changed, the worst first.
    pub changes: &'a [Changed<'a>],
    /// Sources that are watched.
    pub watched: usize,
    /// Sources that cannot be read now.
    pub blind: usize,
}

/// What the letter to the owner of a failing channel is made from.
pub struct ChannelFailed<'a> {
    /// What every letter carries.
    pub envelope: Envelope<'a>,
    /// The subscription.
    pub subscription: &'a str,
    /// The channel's word.
    pub channel: &'a str,
    /// Scheme and host of where it delivers to.
    pub place: &'a str,
    /// The receiver is gone for good, and the subscription has ended.
    pub gone: bool,
    /// What happened, as a sentence.
    pub detail: &'a str,
}

/// What the mail that signs somebody in is made from.
pub struct SignIn<'a> {
    /// What every letter carries.
    pub envelope: Envelope<'a>,
    /// The page that signs in.
    pub link: &'a str,
    /// How long the link works from when it was asked for, in minutes.
    pub minutes: u64,
}

/// A source whose state has changed.
#[derive(Clone, Debug)]
pub struct Changed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Where it is read.
    pub url: &'a str,
    /// What was told of it last.
    pub from: HealthState,
    /// What it is in now.
    pub to: HealthState,
    /// When it was last read.
    pub last_success: Option<Timestamp>,
    /// What happened and what to do, as a sentence.
    pub detail: &'a str,
}

/// Composes letters from templates that were parsed once.
#[derive(Debug)]
pub struct Composer {
    environment: Environment<'static>,
}

impl Composer {
    /// Compiles the templates.
    ///
    /// # Errors
    /// Names the template that is broken.
    pub fn new() -> Result<Self, ComposeError> {
        Ok(Self { environment: render::environment()? })
    }

    /// The letter that tells of one event at once.
    ///
    /// # Errors
    /// A template is broken.
    pub fn alert(&self, input: &Alert<'_>) -> Result<Message, ComposeError> {
        Ok(self.form(input)?.fill(&input.envelope, &input.event.advisory))
    }

    /// The letter to all whose wishes make no difference to it: what is one recipient's own is left open.
    ///
    /// # Errors
    /// A template is broken.
    pub fn form(&self, input: &Alert<'_>) -> Result<Form, ComposeError> {
        let marks = Marks::new(&input.envelope);
        let input = Alert { envelope: marks.envelope(&input.envelope), ..*input };
        let mut listed = alert::LISTED;
        let (view, values, html) = loop {
            let view = alert::view(&input, listed);
            let values = render::value(&view);
            let html = render::html(&self.environment, "alert.html", &values)?;
            if html.len() < render::HTML_BUDGET || listed <= 1 {
                break (view, values, html);
            }
            listed /= 2;
        };
        let text = render::plain(&self.environment, "alert.txt", &values)?;
        let brief = (input.envelope.channel != ChannelKind::Email).then(|| brief::of_alert(&input, &view));
        Ok(Form::new(&marks, view.subject, &text, &html, brief))
    }

    /// The letter that sums up a window.
    ///
    /// # Errors
    /// A template is broken.
    pub fn digest(&self, input: &Digest<'_>) -> Result<Message, ComposeError> {
        let mut shown = input.entries.len().min(digest::MOST);
        loop {
            let view = digest::view(input, shown);
            let values = render::value(&view);
            let html = render::html(&self.environment, "digest.html", &values)?;
            if html.len() >= render::HTML_BUDGET && shown > 1 {
                shown = (shown * render::HTML_BUDGET / html.len()).min(shown - 1).max(1);
                continue;
            }
            let text = render::plain(&self.environment, "digest.txt", &values)?;
            let brief = (input.envelope.channel != ChannelKind::Email).then(|| brief::of_digest(input, &view));
            let bulk = input.occasion == Occasion::Digest;
            let room = if bulk { "digest" } else { "alerts" };
            let list_id = format!("{room}.{}", input.envelope.from_domain);
            return Ok(Message { brief, bulk, list_id, ..message(&input.envelope, view.subject, text, html, None) });
        }
    }
}

fn message(envelope: &Envelope<'_>, subject: String, text: String, html: String, root: Option<String>) -> Message {
    let room = if root.is_some() { "alerts" } else { "digest" };
    Message {
        key: envelope.key.to_owned(),
        to: envelope.to.to_owned(),
        subject,
        text,
        html,
        message_id: message_id(envelope.secret, envelope.from_domain, envelope.key, envelope.to),
        bulk: root.is_none(),
        thread_root: root,
        date: envelope.created_at,
        list_id: format!("{room}.{}", envelope.from_domain),
        unsubscribe: envelope.unsubscribe.clone(),
        brief: None,
        endpoint: None,
        returns: Returns::default(),
    }
}

/// The `Message-ID` of the delivery `key` to the address `to`, without angle brackets.
#[must_use]
pub fn message_id(secret: &str, from_domain: &str, key: &str, to: &str) -> String {
    identity(secret, from_domain, &format!("{key}|{to}"))
}

/// An id that tells nothing of what it is made from: half of an HMAC-SHA-256, at the sender's domain.
fn identity(secret: &str, from_domain: &str, of: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(of.as_bytes());
    let mut id = String::with_capacity(33 + from_domain.len());
    for byte in &mac.finalize().into_bytes()[..16] {
        id.push_str(&format!("{byte:02x}"));
    }
    id.push('@');
    id.push_str(from_domain);
    id
}
