//! Recipients in words.

use crate::cli::start;
pub(in crate::cli) use crate::jobs::audience::described;
use crate::model::address::EmailAddress;
use crate::model::audience::Subscription;
use crate::model::channel::ChannelKind;
use crate::store::suppressions::Suppression;

/// Where consent is recorded: which command, and who vouched.
pub(in crate::cli) fn consent(command: &str, by: Option<&str>) -> String {
    let by = by.map(str::to_owned).or_else(start::user).unwrap_or_else(|| "an operator".to_owned());
    format!("given outside Rattlewatch, entered by {by} with `{command}`")
}

/// Why an address is not added, and what to do.
pub(in crate::cli) fn suppressed(email: &EmailAddress, why: &Suppression) -> String {
    format!(
        "{email} is not mailed since {} ({}). If it shall be all the same: `rattlewatch suppression lift {email}`",
        why.at, why.detail
    )
}

/// `ada@msp.example`, `org-1: slack (owner ada@msp.example)`.
pub(super) fn recipient(subscription: &Subscription) -> String {
    let tenant =
        if subscription.organization.is_empty() { String::new() } else { format!("{}: ", subscription.organization) };
    match subscription.channel {
        ChannelKind::Email => format!("{tenant}{}", subscription.email),
        ChannelKind::Ticket => format!("{tenant}tickets at {}", subscription.email),
        other => format!("{tenant}{other} {} (owner {})", subscription.id, subscription.email),
    }
}
