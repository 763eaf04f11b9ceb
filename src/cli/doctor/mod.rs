//! `rattlewatch doctor`: looks at everything that mail and sources depend on, and says what to do about what is wrong.
//!
//! Rule: it changes nothing, sends no mail, and every look has its own time limit.

mod bounces;
mod domain;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{Failure, Global, Outcome, output, start};
use crate::channels::email::{Email, Phases};
use crate::config::settings::{Database, Settings};
use crate::http::{Request, tls};
use crate::model::clock::Clock;
use crate::model::health::HealthState;
use crate::store::{self, Store, Tx};

/// What `doctor` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Ask this DNS server instead of the system's
    #[arg(long, value_name = "IP:PORT")]
    resolver: Option<SocketAddr>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// It works, and something about it will hurt.
    Warn,
    /// Mail will not arrive, or nothing will be seen.
    Fail,
}

/// What was found out.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    says: String,
    /// What to do next; empty where nothing is.
    next: String,
}

impl Finding {
    fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, says: says.into(), next: String::new() }
    }

    fn warn(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, says: says.into(), next: next.into() }
    }

    fn fail(check: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, says: says.into(), next: next.into() }
    }
}

/// Free space below which the disk is soon full, and below which it is, in bytes.
const SPACE: (u64, u64) = (1024 * 1024 * 1024, 100 * 1024 * 1024);

/// How far behind what is stored the clock may be.
const CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);

pub(super) fn main(global: &Global, arguments: &Arguments) -> Outcome {
    start::block_on(async {
        let settings = start::settings(global)?;
        let mut findings = Vec::new();
        let mut add = |more: Vec<Finding>| {
            if !arguments.json {
                more.iter().for_each(show);
            }
            findings.extend(more);
        };
        add(vec![files(&settings), disk(&settings), authorities()]);
        let store = match &settings.database {
            Database::Sqlite(path) if !path.exists() => None,
            _ => Some(start::store(&settings).await),
        };
        match store {
            None => add(vec![Finding::warn("database", "there is none yet", "the first start makes it")]),
            Some(Ok(store)) => {
                add(vec![database(&store).await, clock(&store).await]);
                add(sources(&store).await);
            }
            Some(Err(error)) => add(vec![unusable(&error)]),
        }
        add(vec![relay(&settings).await]);
        add(bounces::check(&settings).await);
        add(domain::check(&settings, arguments.resolver).await);
        add(vec![public_url(&settings).await]);
        if arguments.json {
            output::json(&findings)?;
        }
        let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        if !arguments.json {
            output::line(&format!(
                "\n{} well, {} to look at, {} broken",
                count(Verdict::Ok),
                count(Verdict::Warn),
                count(Verdict::Fail)
            ));
        }
        Ok(if worst == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

fn show(finding: &Finding) {
    let word = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "look",
        Verdict::Fail => "FAIL",
    };
    output::line(&format!("{word:<5} {:<12} {}", finding.check, finding.says));
    if !finding.next.is_empty() {
        output::line(&format!("{:<19}-> {}", "", finding.next));
    }
}

fn files(settings: &Settings) -> Finding {
    let read = start::catalog(settings).and_then(|catalog| Ok((start::sources(settings, &catalog)?, catalog)));
    match read {
        Ok((sources, catalog)) => {
            let on = sources.iter().filter(|source| source.enabled).count();
            Finding::ok("settings", format!("right; {on} of {} sources on, {} platforms", sources.len(), catalog.len()))
        }
        Err(Failure::Usage(faults)) => Finding::fail("settings", faults, "correct the file that it names"),
        Err(Failure::Failed(error)) => {
            Finding::fail("settings", format!("{error:#}"), "correct the file that it names")
        }
    }
}

fn disk(settings: &Settings) -> Finding {
    let folder = &settings.data_dir;
    // Before the first start the folder is not there; the disk is that of the folder around it.
    let here = Path::new(".");
    let place = folder.ancestors().find(|path| path.is_dir()).unwrap_or(here);
    match rustix::fs::statvfs(place) {
        Err(error) => Finding::warn("disk", format!("free space of {} is unknown: {error}", folder.display()), ""),
        Ok(volume) => {
            let free = volume.f_bavail.saturating_mul(volume.f_frsize);
            let says = format!("{} MB free for {}", free / (1024 * 1024), folder.display());
            match free {
                _ if free < SPACE.1 => Finding::fail("disk", says, "make room: nothing can be stored on a full disk"),
                _ if free < SPACE.0 => Finding::warn("disk", says, "make room soon"),
                _ => Finding::ok("disk", says),
            }
        }
    }
}

fn authorities() -> Finding {
    match tls::client_config(None) {
        Ok(_) => Finding::ok("certificates", "the public certificate authorities can be used"),
        Err(error) => Finding::fail("certificates", error.to_string(), "install the package ca-certificates"),
    }
}

fn unusable(failure: &Failure) -> Finding {
    let says = match failure {
        Failure::Usage(message) => message.clone(),
        Failure::Failed(error) => format!("{error:#}"),
    };
    Finding::fail("database", says, "see `rattlewatch config show` for database_url and data_dir")
}

async fn database(store: &Store) -> Finding {
    let engine = store.engine();
    match store.healthy().await {
        Ok(()) => Finding::ok("database", format!("{engine} answers")),
        Err(error) => Finding::fail("database", format!("{engine}: {error}"), "see whether its disk or server is well"),
    }
}

/// A clock behind what is stored was set back, or was wrong before.
async fn clock(store: &Store) -> Finding {
    let newest = |tx: &mut Tx<'_>| store::deliveries::newest_time(tx);
    let now = Clock::system().now();
    match store.read(newest).await {
        Err(error) => Finding::warn("clock", format!("cannot be compared: {error}"), ""),
        Ok(Some(stored)) if now.plus(CLOCK_SLACK) < stored => Finding::fail(
            "clock",
            format!("it is {now} here, and something stored is from {stored}"),
            "set the clock, by NTP if you can: digests and retries go by it",
        ),
        Ok(_) => Finding::ok("clock", format!("{now}, not behind what is stored")),
    }
}

async fn sources(store: &Store) -> Vec<Finding> {
    let all = match store.read(store::sources::all).await {
        Ok(all) => all,
        Err(error) => return vec![Finding::fail("sources", error.to_string(), "")],
    };
    if all.is_empty() {
        let next = "start it with `rattlewatch serve`, or make one pass with `rattlewatch run`";
        return vec![Finding::warn("sources", "no source has been read yet", next)];
    }
    let blind: Vec<&str> = all
        .iter()
        .filter(|source| matches!(source.state, HealthState::Failing | HealthState::Blocked | HealthState::Changed))
        .map(|source| source.source.as_str())
        .collect();
    let says = format!("{} known, {} cannot be read as they should", all.len(), blind.len());
    match blind.as_slice() {
        [] => vec![Finding::ok("sources", says)],
        some => {
            let names = some.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let next = format!(
                "{names}{}: `rattlewatch sources list` has the reasons",
                if some.len() > 5 { ", ..." } else { "" }
            );
            let verdict = if blind.len() * 2 > all.len() { Finding::fail } else { Finding::warn };
            vec![verdict("sources", says, next)]
        }
    }
}

/// Signs in to the relay and leaves.
async fn relay(settings: &Settings) -> Finding {
    let Some(smtp) = &settings.smtp else {
        let says = format!("none is set: mail becomes files in {}", settings.data_dir.join("outbox").display());
        return Finding::warn("relay", says, "set smtp_url, or nobody is mailed");
    };
    let ready = start::relay(smtp, &settings.mail_flow)
        .and_then(|relay| Ok((relay, start::sender(settings)?)))
        .map_err(|failure| unusable(&failure).says)
        .and_then(|(relay, sender)| Email::new(relay, sender, Phases::default(), 1));
    let email = match ready {
        Ok(email) => email,
        Err(reason) => return Finding::fail("relay", reason, "correct smtp_url or smtp_ca"),
    };
    match email.sign_in().await {
        Ok(says) => Finding::ok("relay", says),
        Err(reason) => Finding::fail("relay", reason, "see smtp_url; `rattlewatch send-test ADDRESS` sends a mail"),
    }
}

async fn public_url(settings: &Settings) -> Finding {
    let url = &settings.public_url;
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(url::Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    };
    if local {
        let next = "set public_url to what readers of the mails can reach, and put a proxy with TLS before `listen`";
        return Finding::warn("public_url", format!("{url} is this machine alone: links in mails lead nowhere"), next);
    }
    if url.scheme() != "https" {
        let next = "use https: mailbox providers do not offer one-click unsubscribe without it (RFC 8058)";
        return Finding::warn("public_url", format!("{url} is without TLS"), next);
    }
    let (Ok(client), Ok(page)) = (start::client(settings), url.join("livez")) else {
        return Finding::warn("public_url", format!("{url} could not be tried"), "");
    };
    let request = Request::new(page);
    match client.get(&request).await {
        Ok(_) => Finding::ok("public_url", format!("{url} answers")),
        Err(error) => {
            let next = "see that the server runs and that its proxy leads there; a private address is tried only where allow_networks has it";
            Finding::warn("public_url", format!("{url}: {error}"), next)
        }
    }
}
