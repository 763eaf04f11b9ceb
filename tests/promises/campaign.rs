//! P1, P2, P3 and P5 together: the program is killed again and again (at random, at each step of a mail, around each commit)
//! while a relay misbehaves and people leave. Then a checker compares what the relay saw with what the database says.

mod check;
mod round;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand08::rngs::StdRng;
use rand08::{Rng, SeedableRng};

use crate::support::postgres;
use round::Round;

/// Rounds where `RATTLEWATCH_ROUNDS` says nothing: what two cores play in about two minutes.
const ROUNDS: u64 = 30;

/// What happened in all rounds of one engine.
#[derive(Debug, Default)]
pub struct Tally {
    rounds: u64,
    spent: Duration,
    starts: u64,
    /// Kills that met a running program, by what they aimed at.
    kills: BTreeMap<String, u64>,
    /// Mails that the relay took.
    mails: usize,
    /// Copies beside the first of a mail.
    copies: usize,
    /// Tries that the database counts as ambiguous.
    ambiguous: i64,
    dead: usize,
    /// Unsubscribes that were acknowledged during the kills.
    left: u64,
    /// Transactions that were recorded before an acknowledgment and reached the relay after it.
    in_flight: usize,
}

impl Tally {
    fn show(&self, engine: &str) {
        let Self { rounds, spent, starts, kills, mails, copies, ambiguous, dead, left, in_flight } = self;
        println!(
            "{engine}: {rounds} rounds in {:.0} s, {starts} starts, {} kills, {mails} mails, {copies} second copies, \
             {ambiguous} ambiguous, {dead} dead letters, {left} left, {in_flight} in flight then; kills: {kills:?}",
            spent.as_secs_f64(),
            kills.values().sum::<u64>(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn campaign_of_kills_relay_faults_and_leavers_loses_and_doubles_nothing() {
    let rounds = std::env::var("RATTLEWATCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let seed = crate::seed();
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for number in 0..rounds {
        let seed = seed.wrapping_add(number);
        let mut random = StdRng::seed_from_u64(seed);
        // The seed decides the engine too, so that one round repeats.
        let wants_postgres = random.gen_bool(0.2);
        let engine = wants_postgres.then(postgres::postgres).flatten().unwrap_or_else(postgres::sqlite);
        let name = engine.name;
        let what = format!("{name}, RATTLEWATCH_SEED={seed} RATTLEWATCH_ROUNDS=1");
        let begun = Instant::now();
        let tally = tallies.entry(name).or_default();
        let mut round = Round::begin(engine, random, seed, what).await;
        round.play(tally).await;
        round.end(tally).await;
        check::check(&round, tally);
        tally.rounds += 1;
        tally.spent += begun.elapsed();
    }
    tallies.iter().for_each(|(engine, tally)| tally.show(engine));
}
