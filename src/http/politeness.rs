//! Few requests at once to one host, spaced out, and none while its `Retry-After` runs.
//!
//! Hosts are told apart by name, without port: two ports of one machine share its patience.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Limits;

/// Above this number of hosts, those that are idle are forgotten, so that redirects cannot fill the memory.
const REMEMBERED: usize = 1024;

/// A host asked for quiet, until when, and with which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Until when it is left alone.
    pub until: Instant,
    /// 429 or 503.
    pub status: u16,
}

/// Leave to send one request; given back when dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// What is known of every host.
#[derive(Debug)]
pub struct Hosts {
    known: Mutex<HashMap<String, Arc<HostState>>>,
    concurrency: usize,
    gap: Duration,
}

#[derive(Debug)]
struct HostState {
    places: Arc<Semaphore>,
    next_start: Mutex<Instant>,
    quiet: Mutex<Option<Quiet>>,
}

impl HostState {
    fn quiet_at(&self, now: Instant) -> Option<Quiet> {
        (*lock(&self.quiet)).filter(|quiet| quiet.until > now)
    }
}

impl Hosts {
    /// Nothing known yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            known: Mutex::default(),
            concurrency: limits.host_concurrency.clamp(1, Semaphore::MAX_PERMITS),
            gap: limits.host_gap,
        }
    }

    /// Waits for a turn at `host`; `spaced` is false where no gap is due, as on the operator's own network.
    ///
    /// # Errors
    /// At once, where the host has asked for quiet; also where it did so while we waited.
    pub async fn turn(&self, host: &str, spaced: bool) -> Result<Turn, Quiet> {
        let state = self.state(host);
        refuse(&state)?;
        let place = Arc::clone(&state.places).acquire_owned().await.expect("the semaphore is never closed");
        refuse(&state)?;
        if spaced {
            let start = {
                let mut next = lock(&state.next_start);
                let start = (*next).max(Instant::now());
                *next = start + self.gap;
                start
            };
            tokio::time::sleep_until(start).await;
            refuse(&state)?;
        }
        Ok(Turn(place))
    }

    /// Remembers that `host` wants no request for `wait`.
    pub fn hush(&self, host: &str, wait: Duration, status: u16) {
        let quiet = Quiet { until: Instant::now() + wait, status };
        let state = self.state(host);
        let mut known = lock(&state.quiet);
        if known.is_none_or(|earlier| earlier.until < quiet.until) {
            *known = Some(quiet);
        }
    }

    fn state(&self, host: &str) -> Arc<HostState> {
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED && !known.contains_key(host) {
            let now = Instant::now();
            known.retain(|_, state| {
                Arc::strong_count(state) > 1 || *lock(&state.next_start) > now || state.quiet_at(now).is_some()
            });
        }
        let fresh = || {
            Arc::new(HostState {
                places: Arc::new(Semaphore::new(self.concurrency)),
                next_start: Mutex::new(Instant::now()),
                quiet: Mutex::new(None),
            })
        };
        Arc::clone(known.entry(host.to_owned()).or_insert_with(fresh))
    }
}

fn refuse(state: &HostState) -> Result<(), Quiet> {
    state.quiet_at(Instant::now()).map_or(Ok(()), Err)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(gap: Duration) -> Hosts {
        Hosts::new(&Limits { host_gap: gap, ..Limits::default() })
    }

    #[tokio::test]
    async fn starts_at_one_host_are_spaced_and_other_hosts_do_not_wait() {
        let gap = Duration::from_millis(60);
        let hosts = hosts(gap);
        let begun = Instant::now();
        for _ in 0..3 {
            hosts.turn("a.example", true).await.expect("no quiet was asked for");
        }
        assert!(begun.elapsed() >= gap * 2);
        let spaced = hosts.turn("a.example", true);
        let begun = Instant::now();
        hosts.turn("b.example", true).await.expect("no quiet was asked for");
        hosts.turn("a.example", false).await.expect("no quiet was asked for");
        assert!(begun.elapsed() < gap, "neither waits for the gap");
        spaced.await.expect("no quiet was asked for");
    }

    #[tokio::test]
    async fn idle_hosts_are_forgotten_and_quiet_ones_are_not() {
        let hosts = hosts(Duration::ZERO);
        hosts.hush("quiet.example", Duration::from_secs(60), 429);
        for n in 0..3 * REMEMBERED {
            hosts.turn(&format!("{n}.example"), true).await.expect("no quiet was asked for");
        }
        assert!(lock(&hosts.known).len() <= REMEMBERED);
        assert_eq!(hosts.turn("quiet.example", true).await.expect_err("quiet").status, 429);
    }

    #[tokio::test]
    async fn a_shorter_quiet_does_not_cut_a_longer_one() {
        let hosts = hosts(Duration::ZERO);
        hosts.hush("a.example", Duration::from_secs(3600), 503);
        hosts.hush("a.example", Duration::from_secs(1), 429);
        let quiet = hosts.turn("a.example", false).await.expect_err("quiet");
        assert!(quiet.until > Instant::now() + Duration::from_secs(3000));
    }
}
