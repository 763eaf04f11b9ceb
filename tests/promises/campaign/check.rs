//! The checker: what the relay saw against what the database says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::Tally;
use super::round::{PEOPLE, REFUSED, Round};
use crate::support::smtp_server::Received;

/// A recipient and the flaw that a mail tells.
type Pair = (String, String);

/// A delivery as the database has it.
#[derive(Debug)]
struct Delivery {
    state: String,
    ambiguous: i64,
    detail: String,
}

const DELIVERIES: &str = "SELECT s.email, c.cve, d.state, d.ambiguous, d.detail FROM deliveries d
     JOIN subscriptions s ON s.id = d.subscription JOIN events e ON e.seq = d.event_seq
     JOIN advisory_cves c ON c.advisory = e.advisory";

const TRIES: &str = "SELECT s.email, a.started_at, a.finished_at FROM attempts a JOIN deliveries d ON d.id = a.delivery
     JOIN subscriptions s ON s.id = d.subscription";

/// Panics where a promise was broken.
pub fn check(round: &Round, tally: &mut Tally) {
    let what = &round.what;
    let expected = expected(round);
    let deliveries = deliveries(round);
    let copies = copies(round, &expected);
    let active = active(round);
    for pair in &expected {
        let (address, cve) = pair;
        let mails = copies.get(pair).map_or(&[][..], Vec::as_slice);
        let stays = active.contains(address);
        match deliveries.get(pair) {
            Some(Delivery { state, .. }) if state == "sent" => {
                assert!(!mails.is_empty(), "{what}: {address} has no mail of {cve}, which counts as sent");
            }
            Some(Delivery { state, detail, .. }) if state == "dead" => {
                assert!(address == REFUSED, "{what}: {address} is told of {cve} by a dead letter: {detail}");
                assert!(detail.contains("550") && mails.is_empty(), "{what}: {cve}: {detail}");
            }
            Some(Delivery { state, .. }) => {
                assert!(!stays && state == "suppressed", "{what}: {address}: {cve} ends as {state}");
            }
            None => assert!(!stays, "{what}: nothing was queued for {address} of {cve}"),
        }
        let Some(first) = mails.first() else { continue };
        assert!(mails.iter().all(|mail| mail.data == first.data), "{what}: a second copy is the same, id included");
        let delivery = &deliveries[pair];
        // Of what is suppressed, every copy is one that was never answered for.
        let answered = i64::from(delivery.state == "sent");
        assert!(
            mails.len() as i64 <= delivery.ambiguous + answered,
            "{what}: {address}: {} copies of {cve}: {delivery:?}",
            mails.len()
        );
        tally.copies += mails.len() - 1;
    }
    let ids: BTreeSet<String> = copies.values().map(|mails| message_id(&mails[0])).collect();
    assert_eq!(ids.len(), copies.len(), "{what}: no two mails have one id");
    tally.mails += round.smtp.message_count();
    tally.ambiguous += deliveries.values().map(|delivery| delivery.ambiguous).sum::<i64>();
    tally.dead += deliveries.values().filter(|delivery| delivery.state == "dead").count();
    outbox_agrees(round, &deliveries);
    no_means_no(round, tally);
}

/// Who is to be told what.
fn expected(round: &Round) -> BTreeSet<Pair> {
    let mut expected = BTreeSet::new();
    for (cve, of_screenconnect) in &round.news {
        let platform = if *of_screenconnect { "screenconnect" } else { "veeam-vbr" };
        for (address, wanted) in PEOPLE {
            if wanted.is_empty() || wanted == platform {
                expected.insert((address.to_owned(), cve.clone()));
            }
        }
    }
    expected
}

/// The mails of each pair, in the order in which they came. Nobody gets what is not theirs.
fn copies(round: &Round, expected: &BTreeSet<Pair>) -> BTreeMap<Pair, Vec<Received>> {
    let mut copies: BTreeMap<Pair, Vec<Received>> = BTreeMap::new();
    for mail in round.smtp.messages() {
        assert_eq!(mail.to.len(), 1, "{}", round.what);
        let parsed = mail_parser::MessageParser::default().parse(&mail.data).unwrap();
        let subject = parsed.subject().unwrap_or_default().to_owned();
        let at = subject.find("CVE-2099-").unwrap_or_else(|| panic!("{}: no CVE in '{subject}'", round.what));
        let pair = (mail.to[0].clone(), subject[at..at + 14].to_owned());
        assert!(expected.contains(&pair), "{}: {pair:?} is nobody's business", round.what);
        copies.entry(pair).or_default().push(mail);
    }
    copies
}

fn message_id(mail: &Received) -> String {
    mail_parser::MessageParser::default().parse(&mail.data).unwrap().message_id().unwrap().to_owned()
}

fn deliveries(round: &Round) -> BTreeMap<Pair, Delivery> {
    let mut deliveries = BTreeMap::new();
    for row in round.rows(DELIVERIES) {
        let delivery = Delivery { state: row[2].clone(), ambiguous: row[3].parse().unwrap(), detail: row[4].clone() };
        let before = deliveries.insert((row[0].clone(), row[1].clone()), delivery);
        assert!(before.is_none(), "{}: two deliveries of {row:?}", round.what);
    }
    deliveries
}

fn active(round: &Round) -> BTreeSet<String> {
    let listed: Value = serde_json::from_str(&round.program.ok(&["subscriber", "list", "--json"])).unwrap();
    let listed = listed.as_array().unwrap().iter();
    let active: BTreeSet<String> = listed.map(|one| one["email"].as_str().unwrap().to_owned()).collect();
    for (address, _) in PEOPLE.iter().filter(|(address, _)| !address.starts_with("leaver")) {
        assert!(active.contains(*address), "{}: {address} has not left", round.what);
    }
    active
}

/// What an operator sees is what there is.
fn outbox_agrees(round: &Round, deliveries: &BTreeMap<Pair, Delivery>) {
    let shown: Value =
        serde_json::from_str(&round.program.ok(&["outbox", "list", "--limit", "10000", "--json"])).unwrap();
    for state in ["sent", "dead", "suppressed"] {
        let there = deliveries.values().filter(|delivery| delivery.state == state).count();
        let listed = shown["deliveries"].as_array().unwrap().iter().filter(|one| one["state"] == state).count();
        assert_eq!((&shown["counts"][state], listed), (&Value::from(there), there), "{}: {state}", round.what);
    }
}

/// After an acknowledged leave no try is recorded, and no transaction begins but those whose try was recorded before.
fn no_means_no(round: &Round, tally: &mut Tally) {
    let tries = round.rows(TRIES);
    for (address, at) in round.left.lock().unwrap().iter() {
        let micros = |time: &SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_micros();
        let left = micros(at);
        let mine = tries.iter().filter(|row| row[0] == *address);
        let (mut open, mut late) = (0, 0);
        for row in mine {
            let started: u128 = row[1].parse().unwrap();
            let finished: Option<u128> = row[2].parse().ok();
            late += usize::from(started > left);
            open += usize::from(started <= left && finished.is_none_or(|finished| finished >= left));
        }
        assert_eq!(late, 0, "{}: a try for {address} is recorded after the leave was acknowledged", round.what);
        let all = round.smtp.transactions();
        let after = all.iter().filter(|(begun, to)| to == address && micros(begun) > left).count();
        assert!(
            after <= open,
            "{}: {after} transactions for {address} began after the leave, {open} were open",
            round.what
        );
        tally.in_flight += after;
    }
}
