//! `rattlewatch demo`: a week in a minute, with nothing but this binary.
//!
//! Sample feeds are served on loopback and go through the real pipeline into a temporary database: what is shown is
//! what the program does, not a film of it. Only the clock is ours.

mod feeds;
mod show;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::civil::{Weekday, time};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Failure, Outcome, output, serve, start};
use crate::channels::file::Outbox;
use crate::config::settings::{Overrides, Settings};
use crate::http::{Client, Guard, Identity, Limits};
use crate::jobs::{Context, digest, runner, send};
use crate::model::audience::{DigestEvery, DigestSchedule, Floor, Wish};
use crate::model::clock::{Clock, ManualClock, Timestamp};
use crate::model::platform::PlatformId;
use crate::model::topic::Topic;
use crate::store::subscriptions::{self, Change, Recipient};
use crate::store::{Location, Store};

/// Monday, 16 November 2026, 07:00 UTC.
const BEGINNING: Timestamp = Timestamp::from_seconds(1_794_812_400);

/// The sample recipients.
const RECIPIENTS: usize = 2;
/// How soon a letter goes that is asked for on the page.
const BREATH: Duration = Duration::from_millis(300);

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Seconds between the steps
    #[arg(long, default_value_t = 7.0, value_parser = parse_pace)]
    pace: f64,
    /// End after the week instead of keeping the page up
    #[arg(long)]
    exit: bool,
    /// Where the page is shown; any free port where this one is taken
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    listen: SocketAddr,
}

fn parse_pace(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|pace| (0.0..=60.0).contains(pace)).ok_or_else(|| "0 to 60 seconds".to_owned())
}

pub(super) fn main(arguments: &Arguments) -> Outcome {
    start::block_on(async {
        let folder = std::env::temp_dir().join(format!("rattlewatch-demo-{}", std::process::id()));
        let played = play(arguments, &folder).await;
        // Whatever happened, nothing of the demo stays behind.
        let removed = std::fs::remove_dir_all(&folder);
        played?;
        removed?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn play(arguments: &Arguments, folder: &std::path::Path) -> Result<(), Failure> {
    let publisher = feeds::Publisher::start().await?;
    let (clock, hand) = Clock::manual(BEGINNING);
    let listener = match TcpListener::bind(arguments.listen).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(SocketAddr::new(arguments.listen.ip(), 0)).await?,
    };
    let address = listener.local_addr()?;
    let context = context(folder, &publisher, clock, address).await?;
    let (tell, stop) = watch::channel(false);
    tokio::spawn(serve::until_signal(tell.clone()));
    let pages = crate::web::State::new(context.clone(), Some(folder.join("outbox")), stop.clone());
    let server = tokio::spawn(crate::web::serve(listener, pages, stop.clone()));

    output::tell(&show::welcome(address));
    subscribe(&context).await?;
    for step in feeds::STEPS {
        if *stop.borrow() {
            break;
        }
        take(&context, &publisher, &hand, step).await?;
        pause(&context, Duration::from_secs_f64(arguments.pace), &stop).await?;
    }
    if !arguments.exit && !*stop.borrow() {
        output::tell(&show::farewell(address, &folder.join("outbox")));
        let mut encore = Some(&feeds::ENCORE);
        while !*stop.borrow() {
            pause(&context, BREATH, &stop).await?;
            // Whoever signs up is to hear of something too.
            let all = context.store.read(subscriptions::all).await?.len();
            if let Some(step) = encore.take_if(|_| all > RECIPIENTS) {
                take(&context, &publisher, &hand, step).await?;
            }
        }
    }
    let _ = tell.send(true);
    let _ = tokio::time::timeout(Duration::from_secs(3), server).await;
    context.store.clone().close().await;
    Ok(())
}

/// Waits, and sends what is asked for on the page meanwhile.
async fn pause(context: &Context, time: Duration, stop: &watch::Receiver<bool>) -> Result<(), Failure> {
    let over = tokio::time::Instant::now() + time;
    while !*stop.borrow() && tokio::time::Instant::now() < over {
        send::run_once(context, stop).await?;
        let next = over.min(tokio::time::Instant::now() + BREATH);
        let _ = tokio::time::timeout_at(next, stop.clone().wait_for(|stop| *stop)).await;
    }
    Ok(())
}

/// One step: the clock moves, a publisher changes something, and one pass of the real pipeline runs.
async fn take(
    context: &Context,
    publisher: &feeds::Publisher,
    hand: &ManualClock,
    step: &feeds::Step,
) -> Result<(), Failure> {
    hand.set(BEGINNING.plus(Duration::from_secs(step.minutes * 60)));
    for (path, body) in step.published {
        publisher.publish(path, body);
    }
    output::tell(&show::step(context.clock.now(), step.what));
    let sources = if step.published.is_empty() { Vec::new() } else { context.sources.clone() };
    let pass = runner::pass(context, sources, None).await?;
    let unread: Vec<&str> =
        pass.polled.iter().filter(|polled| !polled.read()).map(|polled| polled.detail.as_str()).collect();
    if !unread.is_empty() {
        return Err(Failure::Failed(anyhow::anyhow!("the demo's own feeds could not be read: {}", unread.join("; "))));
    }
    if pass.sent.sent == 0 {
        output::tell(&show::silence(step.why_silent));
    }
    Ok(())
}

async fn context(
    folder: &std::path::Path,
    publisher: &feeds::Publisher,
    clock: Clock,
    page: SocketAddr,
) -> Result<Context, Failure> {
    let mut overrides = Overrides::default();
    overrides.set("data_dir", folder.to_str());
    overrides.set("public_url", Some(format!("http://{page}")));
    overrides.set("mail_from", Some("Rattlewatch demo <demo@rattlewatch.example>"));
    let settings = Settings::load(Some(&feeds::no_settings(folder)?), std::iter::empty(), overrides)?;
    let catalog = start::catalog(&settings)?;
    let sources = start::parse_sources(&feeds::sources(publisher.address()), "the demo's sources")?;
    let guard = Guard { allow: vec!["127.0.0.0/8".parse()?] };
    let client = Client::new(&Identity { user_agent: settings.user_agent() }, guard, Limits::default())?;
    let channel = Arc::new(show::Shown::new(Outbox::new(folder.join("outbox"), start::sender(&settings)?)));
    let store = Store::open(&Location::Sqlite(folder.join("demo.db"))).await?;
    start::join(&settings, store, client, sources, catalog, channel, clock).await
}

/// Two people: a technician who runs three platforms, and an owner who reads everything.
async fn subscribe(context: &Context) -> Result<(), Failure> {
    let digest = DigestSchedule {
        every: DigestEvery::Weekly,
        day: Weekday::Monday,
        at: time(7, 30, 0, 0),
        ..DigestSchedule::default()
    };
    let runs = ["fortigate", "screenconnect", "veeam-vbr"].map(|id| PlatformId(id.to_owned()));
    let technician = Wish {
        platforms: runs.to_vec(),
        topics: vec![Topic::Msp],
        instant: true,
        digest: digest.clone(),
        ..Wish::default()
    };
    let owner = Wish {
        everything: true,
        floor: Floor::Exploited,
        instant: true,
        digest: DigestSchedule { every: DigestEvery::None, ..digest },
        ..Wish::default()
    };
    for (email, wish) in [("tech@msp.example", technician), ("owner@msp.example", owner)] {
        let now = context.clock.now();
        let next = digest::next_digest(&wish.digest, now.plus(Duration::from_secs(3_600)));
        context
            .store
            .write(move |tx| {
                let change = Change {
                    recipient: &Recipient::mailbox(email, email),
                    wish: &wish,
                    consent: "a sample recipient of the demo",
                    next: &next,
                    now,
                };
                subscriptions::upsert(tx, &change)
            })
            .await?;
    }
    Ok(())
}
