//! Wishes in words, and by what recipients are known.

use sha2::{Digest, Sha256};

use crate::model::address::EmailAddress;
use crate::model::audience::{DigestEvery, Floor, Follow, Wish, weekday_name};
use crate::model::channel::{ChannelKind, Endpoint};
use crate::store::StoreError;

/// What two spellings of one recipient have in common. A web address may hold a token, so only its hash is compared.
#[must_use]
pub fn key(channel: ChannelKind, email: &EmailAddress, endpoint: Option<&Endpoint>) -> String {
    match (channel, endpoint) {
        (ChannelKind::Email, _) => email.key(),
        (ChannelKind::Ticket, _) | (_, None) => format!("ticket:{}", email.key()),
        (other, Some(endpoint)) => {
            let hash = Sha256::digest(endpoint.url.as_bytes());
            format!("{other}:{}", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

/// A fresh secret for a webhook: 256 bits from the system, as Standard Webhooks writes them.
///
/// # Errors
/// Fails where the system's random source does.
pub fn webhook_secret() -> Result<String, StoreError> {
    use base64::Engine as _;
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::custom(format!("the system gives no random bytes: {error}")))?;
    Ok(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

/// What is wanted, in one line.
#[must_use]
pub fn described(wish: &Wish) -> String {
    let floor = if wish.floor == Floor::All { String::new() } else { format!(" from {} up", wish.floor) };
    let quiet = wish.quiet.map_or_else(String::new, |quiet| {
        let but = if quiet.pierce { ", but what is critical and exploited" } else { "" };
        format!(" (not {quiet}{but})")
    });
    let instant =
        if wish.instant { format!("alerts at once{floor}{quiet}") } else { format!("no alerts at once{floor}") };
    format!("{}; {instant}; {}", what(wish), digest(wish))
}

fn what(wish: &Wish) -> String {
    let follow = |follow: &Follow| match follow {
        Follow::Stack(owner) => format!("all that {owner} runs"),
        Follow::Category(word) => format!("every {word}"),
        Follow::Vendor(name) => format!("all of {name}"),
    };
    let everything = wish.everything.then(|| "everything".to_owned());
    let platforms = wish.platforms.iter().map(|id| id.0.clone());
    let topics = wish.topics.iter().map(|topic| format!("what is about {}", topic.name()));
    let all: Vec<String> =
        everything.into_iter().chain(platforms).chain(wish.follows.iter().map(follow)).chain(topics).collect();
    let said = [&wish.only.publishers, &wish.only.regions].map(|list| list.join(", "));
    let only: Vec<String> = said.into_iter().filter(|list| !list.is_empty()).collect();
    let only = if only.is_empty() { String::new() } else { format!(" said by {}", only.join(" in ")) };
    format!("{}{only}", all.join(", "))
}

fn digest(wish: &Wish) -> String {
    let (at, zone) = (wish.digest.at.strftime("%H:%M"), &wish.digest.timezone);
    let always = if wish.digest.all_clear { ", also when quiet" } else { "" };
    match wish.digest.every {
        DigestEvery::None => "no digest".to_owned(),
        DigestEvery::Daily => format!("a digest every day at {at} {zone}{always}"),
        DigestEvery::Weekly => format!("a digest every {} at {at} {zone}{always}", weekday_name(wish.digest.day)),
    }
}
