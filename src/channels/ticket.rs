//! Tickets: plain mail to the mailbox that a ticket system reads (ConnectWise PSA, Autotask, HaloPSA and others).
//!
//! Such systems make a ticket of a mail and add a later mail to it where the subject is the same. So the subject begins
//! with the advisory's id, stays as it is for all mails about that advisory, and states no severity, which rises. There
//! is no HTML, which they show badly, and the text begins with `Key: value` lines by which their rules can sort.

use std::sync::Arc;
use std::time::Duration;

use super::{Asking, Channel, Closing, Sending, Wanted, words};
use crate::model::channel::Brief;
use crate::model::delivery::Message;

/// The channel: what it writes leaves by mail.
pub struct Ticket {
    mail: Arc<dyn Channel>,
}

impl Ticket {
    /// Tickets by this mail channel.
    #[must_use]
    pub fn new(mail: Arc<dyn Channel>) -> Self {
        Self { mail }
    }
}

impl Channel for Ticket {
    fn name(&self) -> &'static str {
        "ticket"
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(async move { self.mail.send(&plain(message)).await })
    }

    fn send_while<'a>(&'a self, message: &'a Message, wanted: &'a Wanted<'a>) -> Sending<'a> {
        Box::pin(async move {
            let (plain, wanted) = (plain(message), || -> Asking<'_> { wanted() });
            self.mail.send_while(&plain, &wanted).await
        })
    }

    fn turn(&self, message: &Message) -> Option<Duration> {
        self.mail.turn(message)
    }

    fn close<'a>(&'a self) -> Closing<'a> {
        self.mail.close()
    }
}

/// `message` as a ticket system takes it.
#[must_use]
pub fn plain(message: &Message) -> Message {
    let mut plain = Message { html: String::new(), ..message.clone() };
    let Some(brief) = &message.brief else { return plain };
    let brief = words::bounded(brief);
    if let Some(id) = &brief.advisory {
        // The letter's subject is made from the first revision, so that titles edited later do not part the ticket.
        plain.subject = words::line(&format!("[{id}] {}", message.subject), 150);
    }
    plain.text = format!("{}\n{}", keys(&brief), message.text);
    plain
}

/// `Key: value`, a line each; every key is there, whatever is known.
fn keys(brief: &Brief) -> String {
    let names = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let all = [
        ("Advisory", brief.advisory.clone().unwrap_or_else(|| "several".to_owned())),
        ("Severity", or_none(&brief.severity)),
        ("Exploited", if brief.exploited { "yes" } else { "no" }.to_owned()),
        ("Platforms", names(&brief.platforms)),
        ("CVE", names(&brief.cves)),
        ("Page", or_none(&brief.url)),
    ];
    all.iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
}
