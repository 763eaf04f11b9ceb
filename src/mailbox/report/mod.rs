//! Reports: what a returned mail says, as far as a program can be sure of it (RFC 3464, RFC 3834, RFC 5965, RFC 6522).
//!
//! Every byte may be forged: what is said here is believed only where the address that the mail came to proves whose mail
//! it is about. Reading never fails; what is not understood is [`Report::Unknown`]. Free text is not guessed at: servers
//! that write no standard report (qmail, some gateways) stay unknown.

mod parts;

use crate::model::report::{Action, Complaint, DeliveryStatus, Report, Returned, Status};
use crate::model::text;
use parts::{Fields, Part};

/// Most addresses that are taken from a header.
const ADDRESSES_MAX: usize = 50;
/// Longest explanation, in characters.
const DIAGNOSTIC_MAX: usize = 300;
/// Most groups of a delivery status: one for the mail and one a recipient. Ours have one recipient.
const GROUPS_MAX: usize = 50;
/// Header fields that tell where a mail was sent to; servers differ in which they write.
const TO: [&str; 9] = [
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "to",
    "cc",
    "resent-to",
    "original-recipient",
];

/// What the mail in `bytes` reports, and where it was sent to.
#[must_use]
pub fn read(bytes: &[u8]) -> Returned {
    let header = Fields::read(bytes);
    let parts = parts::parts(bytes);
    let original = parts.iter().find(|part| is_original(&part.kind)).map(|part| Fields::read(&part.text()));
    let id = original.as_ref().and_then(|original| message_id(original.get("message-id")?));
    let of = |kinds: [&str; 2]| parts.iter().find(|part| kinds.contains(&part.kind.as_str()));
    let mut about: Vec<String> = Vec::new();
    if let Some(original) = &original {
        ["return-path", "list-unsubscribe"].iter().for_each(|name| gather(original, name, &mut about));
    }
    let status = of(["message/delivery-status", "message/global-delivery-status"]);
    let feedback = of(["message/feedback-report", "message/global-feedback-report"]);
    let report = if let Some(delivery) = status.and_then(|part| delivery(part, id.clone())) {
        Report::Delivery(delivery)
    } else if let Some(feedback) = feedback.map(|part| Fields::read(part.text().trim_ascii_start())) {
        gather(&feedback, "original-mail-from", &mut about);
        let kind = feedback.get("feedback-type").unwrap_or_default().trim().to_ascii_lowercase();
        Report::Complaint(Complaint { kind: text::truncate(&text::one_line(&kind), 40), original_message_id: id })
    } else if answers_by_itself(&header) {
        Report::AutoReply
    } else if asks_to_leave(&header) {
        Report::Unsubscribe
    } else {
        Report::Unknown
    };
    let mut addressed = Vec::new();
    TO.iter().for_each(|name| gather(&header, name, &mut addressed));
    Returned { addressed, about, report }
}

fn is_original(kind: &str) -> bool {
    let kinds = ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"];
    kinds.contains(&kind) || kind == "message/global-headers"
}

/// Adds the addresses in the fields called `name`.
fn gather(fields: &Fields, name: &str, found: &mut Vec<String>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '=' | '@');
    for value in fields.all(name) {
        let words = value.split(|c| !plain(c)).filter(|word| word.len() <= 254 && word.contains('@'));
        for word in words.take(ADDRESSES_MAX.saturating_sub(found.len())) {
            if !found.iter().any(|known| known == word) {
                found.push(word.to_owned());
            }
        }
    }
}

/// The gravest of what a delivery status says of recipients; absent where it says nothing that counts.
fn delivery(part: &Part<'_>, original_message_id: Option<String>) -> Option<DeliveryStatus> {
    let body = part.text();
    let recipients = groups(&body).into_iter().map(Fields::read).filter_map(|group| {
        let action: Action = first_word(group.get("action")?).parse().ok()?;
        Some((action, group))
    });
    let (action, group) = recipients.min_by_key(|(action, _)| *action)?;
    let said = group.get("diagnostic-code").unwrap_or_default();
    let said = said.split_once(';').map_or(said, |(_, said)| said);
    let stated = group.get("status").and_then(|status| first_word(status).parse::<Status>().ok());
    let recipient = group.get("final-recipient").or_else(|| group.get("original-recipient"));
    Some(DeliveryStatus {
        action,
        status: precise(stated, said),
        diagnostic: text::truncate(&text::one_line(said), DIAGNOSTIC_MAX),
        original_message_id,
        final_recipient: recipient.and_then(|value| {
            let address = value.split_once(';').map_or(value, |(_, address)| address);
            let address = text::truncate(&text::one_line(address), 254);
            (!address.is_empty()).then_some(address)
        }),
    })
}

/// Groups of fields, parted by empty lines.
fn groups(body: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut from, mut begun) = (Vec::new(), 0, 0);
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        if body[from..end].trim_ascii().is_empty() {
            if !body[begun..from].trim_ascii().is_empty() && found.len() < GROUPS_MAX {
                found.push(&body[begun..from]);
            }
            begun = (end + 1).min(body.len());
        }
        from = (end + 1).min(body.len());
    }
    if !body[begun..].trim_ascii().is_empty() && found.len() < GROUPS_MAX {
        found.push(&body[begun..]);
    }
    found
}

fn first_word(value: &str) -> &str {
    value.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default()
}

/// The status; where it says no more than "permanent" or "for now", that of the explanation (Exim writes 5.0.0 and the
/// other server's answer beside it).
fn precise(stated: Option<Status>, said: &str) -> Option<Status> {
    let vague = |status: &Status| status.subject == 0;
    match stated {
        Some(status) if !vague(&status) => Some(status),
        _ => {
            let numbers = said.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
            let fits = |found: &Status| stated.is_none_or(|stated| stated.class == found.class) && !vague(found);
            numbers.filter_map(|word| word.parse::<Status>().ok()).find(fits).or(stated)
        }
    }
}

/// A message id without its angle brackets, where it is one that we could have given.
fn message_id(value: &str) -> Option<String> {
    let id = value.trim().trim_start_matches('<').trim_end_matches('>');
    let clean = id.len() <= 250 && id.contains('@') && id.chars().all(|c| c.is_ascii_graphic() && c != '<' && c != '>');
    clean.then(|| id.to_owned())
}

/// A machine wrote it in answer (RFC 3834 section 5; and what came before that).
fn answers_by_itself(header: &Fields) -> bool {
    let submitted = header.get("auto-submitted").map(|value| value.split(';').next().unwrap_or_default().trim());
    let precedence = header.get("precedence").unwrap_or_default().trim().to_ascii_lowercase();
    submitted.is_some_and(|how| !how.eq_ignore_ascii_case("no"))
        || ["x-autoreply", "x-autorespond", "x-auto-reply"].iter().any(|name| header.get(name).is_some())
        || ["auto_reply", "auto-reply", "bulk", "junk", "list"].contains(&precedence.as_str())
}

fn asks_to_leave(header: &Fields) -> bool {
    let subject = header.get("subject").unwrap_or_default().trim().to_ascii_lowercase();
    subject == "unsubscribe" || subject.starts_with("unsubscribe ")
}
