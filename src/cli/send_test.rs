//! `rattlewatch send-test`: one mail by the settings in force, past the outbox, to see that mail leaves and arrives.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::{Failure, Global, Outcome, output, start};
use crate::model::address::EmailAddress;
use crate::model::clock::Clock;
use crate::model::delivery::{Message, Outcome as Sent, Returns};

/// What `send-test` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to
    address: String,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        let to = EmailAddress::parse(&arguments.address)
            .map_err(|reason| Failure::Usage(format!("{}: {reason}", arguments.address)))?;
        let channel = start::channel(&settings)?;
        let domain = start::sender(&settings)?.address.domain().to_owned();
        // Under the envelope's sender of real mails, so that SPF is tried too; it bears no token, for it is nobody's.
        let returns = Returns { envelope_from: settings.mail_flow.bounce_address.clone(), unsubscribe: None };
        let message = Message { returns, ..message(to.as_str(), &domain, settings.public_url.as_str()) };
        match &settings.smtp {
            Some(smtp) => output::line(&format!("Sending to {to} by {}:{} ...", smtp.host, smtp.port)),
            None => output::line("No relay is set (smtp_url): the mail becomes a file in the outbox folder."),
        }
        let begun = Instant::now();
        let outcome = channel.send(&message).await;
        channel.close().await;
        let seconds = begun.elapsed().as_secs_f64();
        let failed =
            |what: &str, reason: &str| Err(Failure::Failed(anyhow::anyhow!("{what} after {seconds:.1} s: {reason}")));
        match outcome {
            Sent::Sent { reply } => {
                output::line(&format!("Accepted after {seconds:.1} s: {reply}"));
                output::line(
                    "Whether it arrives is the relay's doing: look into the mailbox, and into its spam folder.",
                );
                Ok(ExitCode::SUCCESS)
            }
            Sent::Later { reason, relay_down: true, .. } => failed("The relay cannot be used", &reason),
            Sent::Later { reason, .. } => failed("Not taken now; a real mail would be tried again", &reason),
            Sent::Never { reason } | Sent::Gone { reason } => failed("Refused for good", &reason),
            Sent::Ambiguous { reason } => failed("It may have been taken", &reason),
        }
    })
}

fn message(to: &str, domain: &str, home: &str) -> Message {
    let now = Clock::system().now();
    let what = "This is a test of Rattlewatch. It says nothing about any threat; nothing needs to be done.";
    let why = "Somebody who runs this Rattlewatch asked for it to be sent to this address.";
    let escaped = home.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    Message {
        key: format!("test-{}", now.0),
        to: to.to_owned(),
        subject: "Test: mail from Rattlewatch arrives".to_owned(),
        text: format!("{what}\n\n{why}\n\n{home}\n"),
        html: format!(
            "<!doctype html><html lang=\"en\"><title>Test</title><p>{what}</p><p>{why}</p><p><a href=\"{escaped}\">{escaped}</a></p></html>\n"
        ),
        message_id: format!("test-{}@{domain}", now.0),
        thread_root: None,
        date: now,
        list_id: format!("test.{domain}"),
        bulk: false,
        unsubscribe: None,
        brief: None,
        endpoint: None,
        returns: Returns::default(),
    }
}
