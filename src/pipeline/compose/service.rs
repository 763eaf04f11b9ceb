//! Letters of the program's own: questions, notices, sign-ins, tests and signs of life.

use super::{
    ChannelFailed, ComposeError, Composer, Envelope, Notice, Question, SignIn, channel, message, notice, question,
    render, signin,
};
use crate::model::channel::{Brief, ChannelKind};
use crate::model::delivery::Message;

impl Composer {
    /// The letter that asks whether its recipient wants to be mailed. It says nothing of any advisory.
    ///
    /// # Errors
    /// A template is broken.
    pub fn question(&self, input: &Question<'_>) -> Result<Message, ComposeError> {
        let view = question::view(input);
        let values = render::value(&view);
        let html = render::html(&self.environment, "question.html", &values)?;
        let text = render::plain(&self.environment, "question.txt", &values)?;
        let list_id = format!("consent.{}", input.envelope.from_domain);
        Ok(Message { bulk: false, list_id, ..message(&input.envelope, view.subject, text, html, None) })
    }

    /// The mail that signs somebody in.
    ///
    /// # Errors
    /// A template is broken.
    pub fn sign_in(&self, input: &SignIn<'_>) -> Result<Message, ComposeError> {
        let view = signin::view(input);
        let values = render::value(&view);
        let html = render::html(&self.environment, "signin.html", &values)?;
        let text = render::plain(&self.environment, "signin.txt", &values)?;
        let list_id = format!("accounts.{}", input.envelope.from_domain);
        Ok(Message { bulk: false, list_id, ..message(&input.envelope, view.subject, text, html, None) })
    }

    /// The letter that tells the operator which sources can no longer be read, or can be again.
    ///
    /// # Errors
    /// A template is broken.
    pub fn notice(&self, input: &Notice<'_>) -> Result<Message, ComposeError> {
        let view = notice::view(input);
        let values = render::value(&view);
        let html = render::html(&self.environment, "notice.html", &values)?;
        let text = render::plain(&self.environment, "notice.txt", &values)?;
        let list_id = format!("notices.{}", input.envelope.from_domain);
        Ok(Message { bulk: false, list_id, ..message(&input.envelope, view.subject, text, html, None) })
    }

    /// The letter that tells its owner that a channel fails.
    ///
    /// # Errors
    /// A template is broken.
    pub fn channel_failed(&self, input: &ChannelFailed<'_>) -> Result<Message, ComposeError> {
        let view = channel::view(input);
        let values = render::value(&view);
        let html = render::html(&self.environment, "channel.html", &values)?;
        let text = render::plain(&self.environment, "channel.txt", &values)?;
        let list_id = format!("notices.{}", input.envelope.from_domain);
        Ok(Message { bulk: false, list_id, ..message(&input.envelope, view.subject, text, html, None) })
    }
}

/// The daily sign of life, for a service that raises the alarm when it stays out. `says` is one plain sentence of ours.
#[must_use]
pub fn heartbeat(envelope: &Envelope<'_>, says: &str) -> Message {
    let list_id = format!("heartbeat.{}", envelope.from_domain);
    let text =
        format!("{says}\n\n---\nSent by Rattlewatch once a day to the address that its settings name as heartbeat.\n");
    let html = format!("<!doctype html><html lang=\"en\"><title>Heartbeat</title><p>{says}</p></html>");
    let message = message(envelope, "Rattlewatch heartbeat: all is well".to_owned(), text, html, None);
    Message { bulk: false, list_id, ..message }
}

/// A test of one recipient's channel, which somebody called `by` asked for.
#[must_use]
pub fn test(envelope: &Envelope<'_>, by: &str) -> Message {
    let says =
        format!("This is a test of Rattlewatch that {by} asked for. Nothing has happened; alerts come this way.");
    let html = format!("<!doctype html><html lang=\"en\"><title>Test</title><p>{}</p></html>", render::escaped(&says));
    let brief = (envelope.channel != ChannelKind::Email).then(|| Brief {
        kind: "test".to_owned(),
        lead: "A test: nothing has happened".to_owned(),
        title: says.clone(),
        changes: Vec::new(),
        advisory: None,
        url: envelope.public_url.to_owned(),
        severity: "unknown".to_owned(),
        exploited: false,
        platforms: Vec::new(),
        cves: Vec::new(),
        facts: Vec::new(),
        steps: Vec::new(),
        items: Vec::new(),
        why: format!("{by} asked for a test."),
        tlp: "TLP:CLEAR".to_owned(),
        at: envelope.created_at,
    });
    let list_id = format!("test.{}", envelope.from_domain);
    let text = format!("{says}\n\n---\nSent by Rattlewatch.\n");
    let message = message(envelope, "Test: alerts come this way".to_owned(), text, html, None);
    Message { brief, bulk: false, list_id, ..message }
}
