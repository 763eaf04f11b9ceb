//! What a relay's reply means: the table from (step, reply) to what to do next.
//!
//! The rule: a recipient is given up only for what a relay says of that recipient or that mail. What it says of
//! us (no sign-in, sender not allowed, relaying denied) would be said of every mail, so it stops the relay and
//! keeps the queue.

use std::fmt;

use crate::model::delivery::Outcome;
use crate::model::text;

/// A step of the dialog, as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Tls,
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Reset,
    Mail,
    Rcpt,
    Data,
    Text,
    Dot,
    Quit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Text => "the mail's text",
            Self::Dot => "the final dot",
            Self::Quit => "QUIT",
        })
    }
}

/// A complete reply (RFC 5321 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The text of each line.
    pub lines: Vec<String>,
}

impl Reply {
    pub(super) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// The relay closes the connection after it (RFC 5321 section 3.8).
    pub(super) fn closes(&self) -> bool {
        self.code == 421
    }

    /// The enhanced status code, such as (5, 7, 1) (RFC 2034, RFC 3463).
    fn enhanced(&self) -> Option<(u16, u16, u16)> {
        let word = self.lines.first()?.split_whitespace().next()?;
        let mut parts = word.split('.').map(|part| part.parse::<u16>().ok());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(class)), Some(Some(subject)), Some(Some(detail)), None) if class == self.code / 100 => {
                Some((class, subject, detail))
            }
            _ => None,
        }
    }
}

/// One line, at most 300 characters: the text is the relay's.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = text::one_line(&self.lines.join(" "));
        write!(f, "{}", text::truncate(format!("{} {said}", self.code).trim_end(), 300))
    }
}

/// What `reply` at `step` means for the mail. `relay` names the relay for people.
pub(super) fn outcome(relay: &str, step: Step, reply: &Reply) -> Outcome {
    let reason = |next: &str| format!("relay {relay} answered {step} with '{reply}'; {next}");
    let down = |next: &str| Outcome::Later { reason: reason(next), relay_down: true, wait: None };
    let later = || Outcome::Later { reason: reason("will be tried again"), relay_down: false, wait: None };
    let never = |next: &str| Outcome::Never { reason: reason(next) };

    match (step, reply.code / 100) {
        (Step::Dot, 2) => Outcome::Sent { reply: reply.to_string() },
        (Step::Auth, 5) => down("check the relay's user and password"),
        (Step::StartTls, _) => down("the relay must offer STARTTLS; check its TLS setting or use implicit TLS"),
        (Step::Connect | Step::Tls | Step::Greeting | Step::Ehlo | Step::Reset | Step::Quit, 5) => {
            down("ask the relay's operator whether this machine may send")
        }
        (Step::Connect | Step::Tls | Step::Greeting | Step::Ehlo | Step::Auth | Step::Reset | Step::Quit, _) => {
            down("will be tried again; if it lasts, ask the relay's operator")
        }
        (_, 4 | 5) if wants_sign_in(reply) => down("set the relay's user and password, and use TLS"),
        (Step::Mail, 4) => down("will be tried again; if it lasts, check the relay's limits for this sender"),
        (_, 4) => later(),
        (_, 5) if is_too_big(reply) => never("the mail is larger than the relay or the mailbox takes"),
        (Step::Mail, 5) if is_about_the_mail(reply) => never("the relay cannot carry this mail"),
        (Step::Mail, 5) => down("check that the relay's account may send from the sender address"),
        (Step::Rcpt, 5) if is_relaying_denied(reply) => down(
            "the relay does not accept mail for other domains from us; check its user, password and allowed clients",
        ),
        (Step::Dot | Step::Text | Step::Data, 5) if is_sender_policy(reply) => {
            down("check SPF, DKIM, DMARC and reverse DNS of the sender's domain")
        }
        (Step::Rcpt, 5) if is_no_mailbox(reply) => Outcome::Gone { reason: reason("the mailbox does not exist") },
        (_, 5) => never("the recipient's server refuses this mail"),
        (Step::Dot, _) => {
            Outcome::Ambiguous { reason: reason("that is no answer to it, so the mail may have been taken") }
        }
        _ => Outcome::Later {
            reason: reason("that is no answer to it; will be tried again"),
            relay_down: true,
            wait: None,
        },
    }
}

/// 530, 535, 538 (RFC 4954 section 6; RFC 3207 section 4), or 5.7.57 as Exchange says it.
fn wants_sign_in(reply: &Reply) -> bool {
    matches!(reply.code, 530 | 534 | 535 | 538) || reply.enhanced() == Some((5, 7, 57))
}

/// 552 or x.3.4 (RFC 1870 section 6.1), 5.2.3 (RFC 3463 section 3.3).
fn is_too_big(reply: &Reply) -> bool {
    match reply.enhanced() {
        Some((_, subject, detail)) => matches!((subject, detail), (3, 4) | (2, 3)),
        None => reply.code == 552,
    }
}

/// A refusal at MAIL that another mail of the same sender would not meet: parameters (555) and content (5.6.x).
fn is_about_the_mail(reply: &Reply) -> bool {
    reply.code == 555 || matches!(reply.enhanced(), Some((5, 6, _)))
}

/// No such mailbox or domain, or one that is disabled (RFC 3463 sections 3.2 and 3.3; 5.1.10 is Microsoft's): what a
/// report of undeliverable mail would say later.
fn is_no_mailbox(reply: &Reply) -> bool {
    matches!(reply.enhanced(), Some((5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1)))
}

/// "Relay access denied" and its like: said of us, although the recipient occasions it.
fn is_relaying_denied(reply: &Reply) -> bool {
    let said = reply.lines.join(" ").to_lowercase();
    let refused = ["denied", "not permitted", "not allowed", "prohibited", "unable", "forbidden", "disallowed"];
    said.contains("relay") && refused.iter().any(|word| said.contains(word)) || said.contains("authentication required")
}

/// The receiver's policy on our domain: RFC 7372 (5.7.20 to 5.7.25), the numbers that Gmail (5.7.26 to 5.7.30,
/// 5.7.40) and Microsoft (5.7.60, 5.7.509, 5.7.515, 5.7.708, 5.7.750) use.
fn is_sender_policy(reply: &Reply) -> bool {
    matches!(reply.enhanced(), Some((5, 7, 20..=30 | 40 | 60 | 509 | 515 | 708 | 750)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(step: Step, said: &str) -> &'static str {
        let (code, text) = said.split_at(3);
        let reply = Reply { code: code.parse().unwrap_or(0), lines: vec![text.trim().to_owned()] };
        match outcome("mail.test:25", step, &reply) {
            Outcome::Sent { .. } => "sent",
            Outcome::Later { relay_down: true, .. } => "down",
            Outcome::Later { .. } => "later",
            Outcome::Never { .. } => "never",
            Outcome::Gone { .. } => "gone",
            Outcome::Ambiguous { .. } => "ambiguous",
        }
    }

    #[test]
    fn every_reply_means_what_the_table_says() {
        for (step, said, expected) in [
            (Step::Greeting, "421 too busy", "down"),
            (Step::Greeting, "554 5.7.1 your address is listed", "down"),
            (Step::Ehlo, "550 bad name", "down"),
            (Step::StartTls, "454 4.7.0 TLS not available", "down"),
            (Step::Auth, "535 5.7.8 wrong", "down"),
            (Step::Auth, "454 4.7.0 later", "down"),
            (Step::Mail, "421 4.3.2 shutting down", "down"),
            (Step::Mail, "451 4.3.0 later", "down"),
            (Step::Mail, "530 5.7.0 sign in first", "down"),
            (Step::Mail, "550 5.7.1 sender not allowed", "down"),
            (Step::Mail, "553 5.1.8 no such sender", "down"),
            (Step::Mail, "552 5.3.4 too big", "never"),
            (Step::Mail, "552 too big", "never"),
            (Step::Mail, "555 5.5.4 unknown parameter", "never"),
            (Step::Rcpt, "451 4.7.1 greylisted", "later"),
            (Step::Rcpt, "421 4.7.0 too many", "later"),
            (Step::Rcpt, "450 4.2.0 busy", "later"),
            (Step::Rcpt, "550 5.1.1 no such user", "gone"),
            (Step::Rcpt, "550 5.1.10 recipient not found", "gone"),
            (Step::Rcpt, "550 no such user", "never"),
            (Step::Rcpt, "550 5.7.1 blocked by the recipient", "never"),
            (Step::Rcpt, "552 5.2.2 mailbox full", "never"),
            (Step::Rcpt, "530 5.7.0 authentication required", "down"),
            (Step::Rcpt, "554 5.7.1 <a@b.test>: Relay access denied", "down"),
            (Step::Rcpt, "550 5.7.57 client not authenticated", "down"),
            (Step::Data, "451 4.3.0 later", "later"),
            (Step::Data, "554 5.5.1 no valid recipients", "never"),
            (Step::Data, "250 what", "down"),
            (Step::Dot, "250 2.0.0 queued", "sent"),
            (Step::Dot, "251 fine", "sent"),
            (Step::Dot, "451 4.3.0 later", "later"),
            (Step::Dot, "421 4.4.2 closing", "later"),
            (Step::Dot, "550 5.7.1 looks like spam", "never"),
            (Step::Dot, "554 5.6.0 malformed", "never"),
            (Step::Dot, "552 5.3.4 too big", "never"),
            (Step::Dot, "550 5.7.26 unauthenticated sender", "down"),
            (Step::Dot, "550 5.7.515 access denied", "down"),
            (Step::Dot, "354 go on", "ambiguous"),
        ] {
            assert_eq!(word(step, said), expected, "{step}: {said}");
        }
    }

    #[test]
    fn a_reply_is_shown_as_one_short_line() {
        let reply = Reply { code: 550, lines: vec!["a\u{7}".to_owned(), "b".repeat(1_000)] };
        let shown = reply.to_string();
        assert!(shown.starts_with("550 a b") && shown.chars().count() == 300);
    }
}
