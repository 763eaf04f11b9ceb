//! What the server is told to do wrong.

use std::sync::Arc;
use std::time::Duration;

/// Where in the dialog a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The moment a connection is taken (only `Drop` and `Stall` mean anything). Before any TLS handshake.
    Connect,
    /// The greeting.
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// Inside the text, after its first line.
    Body,
    /// After the final dot.
    Dot,
    /// After the answer to the final dot has been sent.
    Answered,
    Rset,
    Noop,
    Quit,
    /// Any command.
    Any,
}

/// What the server does instead of behaving.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends this reply (without the last CRLF); a 2yz or 3yz goes on as if it were the normal one.
    Say(Vec<u8>),
    /// Sends this reply and closes.
    SayAndClose(Vec<u8>),
    /// Closes without a word. At `Dot`: the mail is not kept.
    Drop,
    /// At `Dot`: keeps the mail and closes without a word.
    DropAccepted,
    /// Never answers, but holds the connection.
    Stall,
    /// Behaves, but only after this long.
    Wait(Duration),
    /// Calls this, then behaves.
    Call(Call),
}

/// Something to do at a moment of the dialog.
#[derive(Clone)]
pub struct Call(pub(super) Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Call")
    }
}

impl Act {
    pub fn say(reply: impl AsRef<[u8]>) -> Self {
        Self::Say(reply.as_ref().to_vec())
    }

    pub fn call(what: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Call(Call(Arc::new(what)))
    }

    pub fn say_and_close(reply: impl AsRef<[u8]>) -> Self {
        Self::SayAndClose(reply.as_ref().to_vec())
    }
}

/// "In this phase (of that connection, mail or recipient, so many times), do that."
#[derive(Clone, Debug)]
pub struct Rule {
    phase: Phase,
    act: Act,
    connection: Option<usize>,
    mail: Option<usize>,
    mail_of_connection: Option<usize>,
    command: Option<usize>,
    recipient: Option<String>,
    left: usize,
}

impl Rule {
    pub fn at(phase: Phase, act: Act) -> Self {
        Self {
            phase,
            act,
            connection: None,
            mail: None,
            mail_of_connection: None,
            command: None,
            recipient: None,
            left: usize::MAX,
        }
    }

    /// Only on the `n`-th connection (from 1).
    pub fn connection(self, n: usize) -> Self {
        Self { connection: Some(n), ..self }
    }

    /// Only in the `n`-th transaction of the server (from 1, counted by MAIL).
    pub fn mail(self, n: usize) -> Self {
        Self { mail: Some(n), ..self }
    }

    /// Only in the `n`-th transaction of its connection (from 1): 2 is the first on a reused connection.
    pub fn mail_of_connection(self, n: usize) -> Self {
        Self { mail_of_connection: Some(n), ..self }
    }

    /// Only at the `n`-th command of its connection (from 1, EHLO is the first).
    pub fn command(self, n: usize) -> Self {
        Self { command: Some(n), ..self }
    }

    /// Only for this recipient.
    pub fn recipient(self, address: &str) -> Self {
        Self { recipient: Some(address.to_ascii_lowercase()), ..self }
    }

    /// At most `n` times.
    pub fn times(self, n: usize) -> Self {
        Self { left: n, ..self }
    }
}

/// What the server offers and how it misbehaves.
#[derive(Clone, Debug)]
pub struct Script {
    pub rules: Vec<Rule>,
    /// EHLO keywords beside STARTTLS and AUTH.
    pub extensions: Vec<String>,
    /// Offers STARTTLS on a plain connection.
    pub starttls: bool,
    /// Demands this user and password before MAIL.
    pub auth: Option<(String, String)>,
    /// Closes, without a word, after this many accepted mails on one connection.
    pub close_after: Option<usize>,
    /// Names and addresses in the certificate; read at the start only.
    pub certificate_names: Vec<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            extensions: ["8BITMIME", "SIZE 10485760", "PIPELINING", "ENHANCEDSTATUSCODES"].map(str::to_owned).to_vec(),
            starttls: false,
            auth: None,
            close_after: None,
            certificate_names: ["localhost", "127.0.0.1"].map(str::to_owned).to_vec(),
        }
    }
}

impl Script {
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The one-rule script.
    pub fn at(phase: Phase, act: Act) -> Self {
        Self::default().rule(Rule::at(phase, act))
    }
}

/// Where a session stands when it asks the script.
pub(super) struct Moment<'a> {
    pub phase: Phase,
    pub connection: usize,
    pub mail: usize,
    pub mail_of_connection: usize,
    pub command: usize,
    pub recipients: &'a [String],
}

impl Script {
    /// The act of the first rule that fits; its count goes down.
    pub(super) fn find(&mut self, now: &Moment<'_>) -> Option<Act> {
        let is_command =
            !matches!(now.phase, Phase::Connect | Phase::Greeting | Phase::Body | Phase::Dot | Phase::Answered);
        let rule = self.rules.iter_mut().find(|rule| {
            (rule.phase == now.phase || (rule.phase == Phase::Any && is_command))
                && rule.left > 0
                && rule.connection.is_none_or(|n| n == now.connection)
                && rule.mail.is_none_or(|n| n == now.mail)
                && rule.mail_of_connection.is_none_or(|n| n == now.mail_of_connection)
                && rule.command.is_none_or(|n| n == now.command)
                && rule
                    .recipient
                    .as_ref()
                    .is_none_or(|who| now.recipients.iter().any(|to| to.eq_ignore_ascii_case(who)))
        })?;
        rule.left -= 1;
        Some(rule.act.clone())
    }
}
