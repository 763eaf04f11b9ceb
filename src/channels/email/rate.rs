//! Rates: how many mails a minute may go to the relay, and to the recipients of one domain.
//!
//! A token bucket each. It holds a tenth of a minute's mails and is refilled by the other nine, so that in no minute more
//! go out than the rate says. Who finds it empty is given a turn of its own, at which its mail may go: a long queue is
//! spread over the time that it takes, and no mail asks again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// How long a turn is kept for a mail that does not come for it.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Turns and domains beyond which those that are over are forgotten.
const MANY: usize = 1_000;

/// The pace of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    /// Between two mails of a steady stream.
    interval: Duration,
    /// Mails that may go at once after a rest.
    burst: u32,
}

impl Pace {
    fn per_minute(mails: u32) -> Self {
        let mails = mails.max(1);
        let burst = (mails / 10).max(1);
        // For fewer than ten a minute, one tenth of a mail is left out of each minute all the same.
        let refill = f64::from(mails) * 0.9;
        Self { interval: MINUTE.div_f64(refill), burst }
    }
}

/// When the next mail of a steady stream would be due; absent before the first.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Option<Instant>);

impl Bucket {
    /// Takes a token; returns when it may be used.
    fn take(&mut self, pace: Pace, now: Instant) -> Instant {
        let due = self.0.map_or(now, |due| due.max(now));
        self.0 = Some(due + pace.interval);
        due.checked_sub(pace.interval * (pace.burst - 1)).map_or(now, |early| early.max(now))
    }
}

/// The turns of one mail.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    domain: Option<Instant>,
    relay: Option<Instant>,
}

#[derive(Default)]
struct State {
    relay: Bucket,
    domains: HashMap<String, Bucket>,
    turns: HashMap<String, Turns>,
}

impl State {
    /// Forgets what is over.
    fn tidy(&mut self, now: Instant) {
        if self.turns.len() > MANY {
            self.turns.retain(|_, turns| turns.domain.max(turns.relay).is_some_and(|turn| turn + KEPT > now));
        }
        if self.domains.len() > MANY {
            self.domains.retain(|_, bucket| bucket.0.is_some_and(|due| due > now));
        }
    }
}

/// The rates of one relay.
#[derive(Default)]
pub(super) struct Rates {
    relay: Option<Pace>,
    domain: Option<Pace>,
    state: Mutex<State>,
}

impl Rates {
    /// So many mails a minute in all, and to one domain; absent: as many as there are.
    pub(super) fn new(relay: Option<u32>, domain: Option<u32>) -> Self {
        Self { relay: relay.map(Pace::per_minute), domain: domain.map(Pace::per_minute), state: Mutex::default() }
    }

    /// How long the mail `key` to `domain` must still wait for its turn; `None`: it may go now. Asked again later, the same
    /// mail has the same turn.
    pub(super) fn turn(&self, key: &str, domain: &str, now: Instant) -> Option<Duration> {
        if self.relay.is_none() && self.domain.is_none() {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tidy(now);
        let mut turns = state.turns.get(key).copied().unwrap_or_default();
        if let (Some(pace), None) = (self.domain, turns.domain) {
            let bucket = state.domains.entry(domain.to_ascii_lowercase()).or_default();
            turns.domain = Some(bucket.take(pace, now));
        }
        let waits = |turn: Option<Instant>| turn.map(|turn| turn - now).filter(|wait| !wait.is_zero());
        // A mail that waits for its domain takes none of the relay's turns meanwhile.
        let mut wait = waits(turns.domain.map(|turn| turn.max(now)));
        if wait.is_none() {
            if let (Some(pace), None) = (self.relay, turns.relay) {
                turns.relay = Some(state.relay.take(pace, now));
            }
            wait = waits(turns.relay.map(|turn| turn.max(now)));
        }
        match wait {
            Some(_) => drop(state.turns.insert(key.to_owned(), turns)),
            None => drop(state.turns.remove(key)),
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `count` mails may go, in seconds from the first, all of them asking at once.
    fn times(rates: &Rates, count: usize, domain: &str, start: Instant) -> Vec<f64> {
        let wait = |n: usize| rates.turn(&format!("{domain}{n}"), domain, start).unwrap_or_default().as_secs_f64();
        (0..count).map(wait).collect()
    }

    #[test]
    fn in_no_minute_do_more_go_than_the_rate_says() {
        for rate in [1, 2, 5, 9, 10, 15, 30, 60, 600] {
            let rates = Rates::new(Some(rate), None);
            let times = times(&rates, rate as usize * 4, "a.test", Instant::now());
            for from in &times {
                let within = times.iter().filter(|at| (*from..from + 60.0).contains(*at)).count();
                assert!(within <= rate as usize, "{within} of {rate} in the minute from {from}");
            }
            let minutes = times.last().copied().unwrap_or_default() / 60.0;
            assert!(minutes < 4.5, "{rate}: four minutes of mail took {minutes}");
        }
    }

    #[test]
    fn one_domain_waits_and_another_does_not() {
        let rates = Rates::new(None, Some(20));
        let start = Instant::now();
        let busy = times(&rates, 5, "busy.test", start);
        assert_eq!((busy[0], busy[1]), (0.0, 0.0), "a tenth of a minute's mails goes at once");
        assert!(busy[2] > 3.0 && busy[4] > busy[3] && busy[3] > busy[2], "{busy:?}");
        assert_eq!(times(&rates, 1, "calm.test", start), [0.0]);
        assert!(rates.turn("x", "BUSY.test", start).is_some(), "a domain has no case");
    }

    #[test]
    fn a_mail_that_asks_again_has_its_old_turn_and_goes_when_it_has_come() {
        let rates = Rates::new(Some(6), Some(6));
        let start = Instant::now();
        assert_eq!(rates.turn("one", "a.test", start), None);
        let wait = rates.turn("two", "a.test", start).expect("it waits");
        assert_eq!(rates.turn("two", "a.test", start), Some(wait));
        let later = rates.turn("three", "a.test", start).expect("it waits longer");
        assert!(later > wait);
        assert_eq!(rates.turn("two", "a.test", start + wait), None);
        assert!(rates.turn("two", "a.test", start + wait).is_some(), "sent again, it takes another turn");
    }

    #[test]
    fn a_mail_that_waits_for_its_domain_holds_up_no_other() {
        let rates = Rates::new(Some(600), Some(1));
        let start = Instant::now();
        times(&rates, 100, "busy.test", start);
        let calm: Vec<f64> = (0..20).map(|n| times(&rates, 1, &format!("calm{n}.test"), start)[0]).collect();
        assert_eq!(calm, [0.0; 20]);
    }

    #[test]
    fn turns_that_nobody_comes_for_are_forgotten() {
        let rates = Rates::new(Some(100_000), Some(1));
        let start = Instant::now();
        times(&rates, 3_000, "a.test", start);
        for n in 0..3_000 {
            rates.turn(&format!("k{n}"), &format!("{n}.test"), start);
        }
        rates.turn("last", "b.test", start + Duration::from_secs(10 * 24 * 3_600));
        let state = rates.state.lock().expect("no panic");
        assert!(state.turns.len() <= 1 && state.domains.len() <= 1, "{} {}", state.turns.len(), state.domains.len());
    }
}
