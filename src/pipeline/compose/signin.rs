//! The mail that signs somebody in.

use serde::Serialize;

use super::SignIn;
use super::text::link;

/// What the templates of the mail are filled with.
#[derive(Debug, Serialize)]
pub struct View {
    pub subject: String,
    preheader: String,
    open: String,
    host: String,
    email: String,
    minutes: u64,
}

/// Fills the view of one mail.
pub fn view(input: &SignIn<'_>) -> View {
    let (open, host) = link(input.link).unwrap_or_default();
    View {
        subject: "Your link to sign in to Rattlewatch".to_owned(),
        preheader: "It works once. If you did not ask for it, do nothing.".to_owned(),
        open,
        host,
        email: input.envelope.to.to_owned(),
        minutes: input.minutes,
    }
}
