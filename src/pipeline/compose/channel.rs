//! The letter to the owner of a channel that fails: it cannot say so itself.

use serde::Serialize;

use super::ChannelFailed;
use super::text::{cut, header};

/// What the templates of the letter are filled with.
#[derive(Debug, Serialize)]
pub struct View {
    pub subject: String,
    preheader: String,
    heading: String,
    lead: String,
    detail: String,
    steps: Vec<String>,
    why: String,
}

/// Fills the view.
pub fn view(input: &ChannelFailed<'_>) -> View {
    let (channel, place) = (cut(input.channel, 20), cut(input.place, 200));
    let heading = if input.gone {
        format!("Alerts no longer go to {channel} at {place}")
    } else {
        format!("An alert could not be delivered to {channel} at {place}")
    };
    let lead = if input.gone {
        "The receiver says that it is gone for good, so nothing is sent there any more.".to_owned()
    } else {
        "It has been given up and stands among the dead letters. Later alerts are still tried.".to_owned()
    };
    let id = cut(input.subscription, 40);
    let add = format!("rattlewatch subscriber add OWNER --channel {channel} --to ADDRESS");
    let steps = if input.gone {
        vec![
            "Until this is mended, nobody is alerted by this channel.".to_owned(),
            format!("Make a new address in the receiving program and enter it: {add}"),
        ]
    } else {
        vec![
            "Check that the receiver works and that its address and secret are still valid.".to_owned(),
            format!("Where the address has changed, enter the new one: {add}"),
            "Then send what was given up: rattlewatch outbox requeue --all".to_owned(),
        ]
    };
    View {
        subject: header(&heading, 150),
        preheader: cut(input.detail, 100),
        heading,
        lead,
        detail: cut(input.detail, 500),
        steps,
        why: format!(
            "You get this because you are named as the owner of this channel ({id}). At most one comes a day."
        ),
    }
}
