//! Whether mail that comes back is seen.

use super::super::start;
use super::Finding;
use crate::config::settings::Settings;
use crate::model::mail::Wanted;

/// Opens the mailbox of bounces and leaves it as it is.
pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let flow = &settings.mail_flow;
    if settings.smtp.is_none() {
        return Vec::new();
    }
    let Some(address) = &flow.bounce_address else {
        let next = "set bounce_address and bounce_mailbox, or dead addresses stay on the list";
        return vec![Finding::warn("bounces", "undeliverable mail comes back to mail_from and is not read here", next)];
    };
    let Some(place) = &flow.bounce_mailbox else {
        let next = "set bounce_mailbox to where its mail arrives, or dead addresses stay on the list";
        return vec![Finding::warn("bounces", format!("what comes back to {address} is not read"), next)];
    };
    let password = flow.bounce_password.as_ref().map(|password| password.expose());
    match start::mail_client(settings).open(place, password, &Wanted::default()).await {
        Ok(_) => vec![Finding::ok("bounces", format!("the mailbox of {address} can be read"))],
        Err(error) => {
            let next =
                "see bounce_mailbox and bounce_mailbox_password; a server in a private network needs allow_networks";
            vec![Finding::fail("bounces", error.to_string(), next)]
        }
    }
}
