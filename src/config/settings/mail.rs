//! The settings of how mail flows beyond the relay's address: sign-in by token, rates, and where bounces come back to.

use std::path::PathBuf;

use super::values::{self, mail_address};
use super::{Reader, Secret, Smtp};
use crate::config::fault::{quoted, suggestion};
use crate::config::sources::{self, MailPlace};

/// Longest local part of the bounce address, in bytes: the token that follows it needs the rest of the 64 (RFC 5321 section
/// 4.5.3.1.1).
const BOUNCE_LOCAL_MAX: usize = 20;
/// Most mails a minute that a rate can ask for.
const RATE_MAX: u32 = 1_000_000;

/// How mail flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailFlow {
    /// How the relay's user signs in.
    pub auth: SmtpAuth,
    /// The file that holds the token of [`SmtpAuth::Xoauth2`]; absent: the password is the token.
    pub token_file: Option<PathBuf>,
    /// Most mails a minute; absent: no limit.
    pub rate: Option<u32>,
    /// Most mails a minute to one recipient domain; absent: no limit.
    pub domain_rate: Option<u32>,
    /// The address whose tagged forms are the envelope senders; absent: the sender's own address is.
    pub bounce_address: Option<String>,
    /// Where what is sent to it can be read.
    pub bounce_mailbox: Option<MailPlace>,
    /// The password of that mailbox. Present where it is on a server.
    pub bounce_password: Option<Secret>,
}

/// How the relay's user signs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpAuth {
    /// By password: PLAIN or LOGIN (RFC 4954).
    #[default]
    Password,
    /// By a bearer token: XOAUTH2, as Google and Microsoft ask for it.
    Xoauth2,
}

impl Reader {
    /// The settings of how mail flows. `smtp` is the relay that they are about.
    pub(super) fn mail_flow(&mut self, smtp: Option<&Smtp>) -> Option<MailFlow> {
        let auth = self.value("smtp_auth", None, auth);
        let token_file = self.value("smtp_token_file", None, |text| Ok(PathBuf::from(text)));
        let rate = self.value("smtp_rate", None, a_minute);
        let domain_rate = self.value("smtp_domain_rate", None, a_minute);
        let bounce_address = self.value("bounce_address", None, bounce_address);
        let bounce_mailbox = self.value("bounce_mailbox", None, bounce_mailbox);
        let bounce_password = self.value("bounce_mailbox_password", None, |text| Ok(Secret::new(text)));
        let flow =
            MailFlow { auth: auth?, token_file, rate, domain_rate, bounce_address, bounce_mailbox, bounce_password };
        self.refuse_half_a_sign_in(smtp, &flow);
        self.refuse_half_a_bounce_mailbox(&flow);
        Some(flow)
    }

    fn refuse_half_a_sign_in(&mut self, smtp: Option<&Smtp>, flow: &MailFlow) {
        let by_token = flow.auth == SmtpAuth::Xoauth2;
        if flow.token_file.is_some() && !by_token {
            self.refuse(
                "smtp_token_file",
                "holds a token, which is used with smtp_auth = \"xoauth2\" alone; set that too",
            );
        }
        match smtp {
            Some(Smtp { user: Some(_), password: None, .. }) if !by_token || flow.token_file.is_none() => {
                self.refuse("smtp_url", &values::both_or_neither());
            }
            Some(Smtp { user: None, .. }) if by_token => {
                self.refuse("smtp_auth", "needs to know who signs in; write the user into smtp_url, before the host");
            }
            _ => {}
        }
    }

    fn refuse_half_a_bounce_mailbox(&mut self, flow: &MailFlow) {
        if flow.bounce_mailbox.is_some() && flow.bounce_address.is_none() {
            let why = "is read for what is sent to bounce_address; set that to an address whose mail arrives there";
            self.refuse("bounce_mailbox", why);
        }
        if matches!(flow.bounce_mailbox, Some(MailPlace::Imap { .. })) && flow.bounce_password.is_none() {
            self.refuse("bounce_mailbox", "is on a server that asks for a password; set bounce_mailbox_password");
        }
    }

    /// Tells of a fault in the setting `key` where it was given; what is not given is at no fault.
    fn refuse(&mut self, key: &str, message: &str) {
        if let Some(raw) = self.given.get(key) {
            self.faults.push(raw.fault(message.to_owned()));
        }
    }
}

fn auth(text: &str) -> Result<SmtpAuth, String> {
    match text.trim() {
        "password" => Ok(SmtpAuth::Password),
        "xoauth2" => Ok(SmtpAuth::Xoauth2),
        other => {
            let hint = suggestion(other, ["password", "xoauth2"]);
            Err(format!("unknown way to sign in {} (known: password, xoauth2){hint}", quoted(other)))
        }
    }
}

fn a_minute(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|number| (1..=RATE_MAX).contains(number));
    number.ok_or_else(|| format!("{} is not a number of mails a minute, 1 to {RATE_MAX}", quoted(text)))
}

fn bounce_mailbox(text: &str) -> Result<MailPlace, String> {
    if url::Url::parse(text.trim()).is_ok_and(|url| url.password().is_some()) {
        return Err("holds a password; remove it and set bounce_mailbox_password".to_owned());
    }
    sources::mail_place(text.trim())
}

/// An address of ours; tokens are added to it with a plus sign.
fn bounce_address(text: &str) -> Result<String, String> {
    let address = mail_address(text.trim()).filter(|address| address.contains('.'));
    let address =
        address.ok_or_else(|| format!("{} is not an address; write bounces@alerts.msp.example", quoted(text)))?;
    let local = address.split('@').next().unwrap_or_default();
    if local.len() > BOUNCE_LOCAL_MAX || local.contains('+') {
        let what = format!("must have at most {BOUNCE_LOCAL_MAX} characters and no plus sign before the @");
        return Err(format!("{}: it {what}, since each mail adds a plus sign and a token", quoted(text)));
    }
    Ok(address)
}
