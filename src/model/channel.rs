//! Channels: the ways to reach a recipient, and a message as chat rooms, ticket systems and programs take it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;

/// A way to reach a recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Mail to a person.
    #[default]
    Email,
    /// Plain mail to the mailbox that a ticket system reads.
    Ticket,
    /// A signed HTTP request to a program (Standard Webhooks).
    Webhook,
    /// A Slack channel, by an incoming webhook.
    Slack,
    /// A Microsoft Teams channel, by the address of a workflow.
    Teams,
    /// A topic of an ntfy server.
    Ntfy,
}

impl ChannelKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Email, Self::Ticket, Self::Webhook, Self::Slack, Self::Teams, Self::Ntfy];

    /// The word used on the command line, in JSON and storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Ticket => "ticket",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Ntfy => "ntfy",
        }
    }

    /// Whether it delivers to a mail address rather than a web address.
    #[must_use]
    pub const fn is_mail(self) -> bool {
        matches!(self, Self::Email | Self::Ticket)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ChannelKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("'{text}' is not a channel ({all})")
        })
    }
}

/// Where a channel that takes web requests delivers to.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The absolute `https` address (`http` where the operator permits it). It may hold a token, so it is never shown whole.
    pub url: String,
    /// The key that signs webhooks (`whsec_` and base64), or the access token of an ntfy topic.
    pub secret: Option<String>,
}

/// Without the secret, and without what stands after the host.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.split('/').take(3).collect::<Vec<_>>().join("/");
        f.debug_struct("Endpoint").field("url", &format!("{host}/…")).field("secret", &self.secret.is_some()).finish()
    }
}

/// A message in facts: what channels other than mail are made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brief {
    /// What it is, such as `advisory.published`, `advisory.escalated`, `rollup`, `digest` or `test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The first line: what is broken, and for whom.
    pub lead: String,
    /// The title of the advisory, or the heading of the digest.
    pub title: String,
    /// What changed since the last message about it, a sentence each.
    pub changes: Vec<String>,
    /// The advisory's id; absent where the message is about many.
    pub advisory: Option<String>,
    /// The page to read more; empty where there is none.
    pub url: String,
    /// `critical`, `high`, `medium`, `low` or `unknown`.
    pub severity: String,
    /// Known to be exploited.
    pub exploited: bool,
    /// Shown names of the platforms touched, the recipient's first.
    pub platforms: Vec<String>,
    /// CVE ids.
    pub cves: Vec<String>,
    /// Labels and sentences of the context: what is known of exploitation, severity and versions.
    pub facts: Vec<(String, String)>,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// The advisories of a digest or roll-up, the most urgent first.
    pub items: Vec<BriefItem>,
    /// Why this recipient gets it.
    pub why: String,
    /// How far it may travel, such as `TLP:CLEAR`.
    pub tlp: String,
    /// When the delivery was created.
    pub at: Timestamp,
}

/// One advisory of a digest or roll-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BriefItem {
    /// Its id.
    pub advisory: String,
    /// Its title.
    pub title: String,
    /// Its page; empty where there is none.
    pub url: String,
    /// As [`Brief::severity`].
    pub severity: String,
    /// Known to be exploited.
    pub exploited: bool,
    /// Shown names of the platforms touched.
    pub platforms: Vec<String>,
}
