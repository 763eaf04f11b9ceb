//! `rattlewatch digest`: what a subscriber's summary would say now. Nothing is sent and no window is cut.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Global, Outcome, output, start};
use crate::jobs::{digest, letters};
use crate::model::address::EmailAddress;
use crate::store::subscriptions;

/// What `digest` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The subscriber's address
    email: String,
    /// Show it here instead of sending it (the only way so far; digests are sent on their schedule)
    #[arg(long, required = true)]
    preview: bool,
    /// Print the HTML part instead of the plain text
    #[arg(long)]
    html: bool,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    start::block_on(async {
        let email = EmailAddress::parse(&arguments.email).map_err(Failure::Usage)?;
        let context = start::context(global, start::Logging::Quiet).await?;
        let (key, working, now) = (email.key(), context.clone(), context.clock.now());
        let found = context
            .store
            .read(move |tx| {
                let Some(subscription) = subscriptions::by_email(tx, &key)? else { return Ok(None) };
                let window = digest::preview(tx, &working, &subscription.id, &subscription.wish.digest)?;
                letters::digest(tx, &working, &subscription, &window, "preview", now).map(Some)
            })
            .await?;
        let Some(letter) = found else {
            return Err(Failure::Failed(anyhow::anyhow!(
                "{} is not subscribed; `rattlewatch subscriber list` shows who is",
                email.as_str()
            )));
        };
        let letter = letter.map_err(|reason| anyhow::anyhow!(reason))?;
        if arguments.html {
            output::raw(&letter.html);
        } else {
            output::line(&format!("To: {}\nSubject: {}\n\n{}", letter.to, letter.subject, letter.text));
        }
        Ok(ExitCode::SUCCESS)
    })
}
