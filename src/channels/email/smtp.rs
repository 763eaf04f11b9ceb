//! The transaction: one mail to one recipient over a kept or a new connection.
//!
//! The rule: `Ambiguous` is only what was lost after the final dot had been written. Whatever ends before that
//! was not accepted by anybody, and a kept connection that turns out to be dead costs the mail nothing: it is
//! tried at once on a new one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Connection, Fault};
use super::reply::{self, Step};
use super::tls::Tls;
use super::{Phases, SmtpRelay, TlsMode};
use crate::channels::Wanted;
use crate::model::address::EmailAddress;
use crate::model::delivery::Outcome;

/// Mails sent over one connection before it is closed; relays drop those that stay too long.
const MAILS_PER_CONNECTION: u32 = 100;
/// A wait for a connection that is no longer changes nothing of whether the mail is wanted.
const SOON: Duration = Duration::from_secs(1);

/// The relay: its settings, its idle connections and how many may be open at once.
pub(super) struct Smtp {
    relay: SmtpRelay,
    tls: Option<Tls>,
    phases: Phases,
    hello: String,
    /// `host:port`, for people.
    name: String,
    permits: Semaphore,
    idle: Mutex<Idle>,
    /// For the task that closes idle connections: it must not keep this alive.
    this: Weak<Self>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    watched: bool,
}

/// What is to be sent.
pub(super) struct Parcel<'a, 'w> {
    pub from: &'a EmailAddress,
    pub to: &'a EmailAddress,
    pub mail: &'a [u8],
    /// Asked before the transaction, where something had to be waited for.
    pub wanted: Option<&'a Wanted<'w>>,
    /// It has waited for a connection.
    pub waited: bool,
}

impl Smtp {
    pub(super) fn new(relay: SmtpRelay, hello: &str, phases: Phases, connections: usize) -> Result<Arc<Self>, String> {
        let tls = match relay.tls {
            TlsMode::Plain => None,
            TlsMode::Implicit | TlsMode::StartTls => Some(Tls::new(&relay.host, relay.extra_ca_pem.as_deref())?),
        };
        let name = if relay.host.contains(':') {
            format!("[{}]:{}", relay.host, relay.port)
        } else {
            format!("{}:{}", relay.host, relay.port)
        };
        Ok(Arc::new_cyclic(|this| Self {
            relay,
            tls,
            phases,
            hello: hello.to_owned(),
            name,
            permits: Semaphore::new(connections.clamp(1, 1_000)),
            idle: Mutex::default(),
            this: Weak::clone(this),
        }))
    }

    /// Sends one mail. Waits for a free connection for at most [`Phases::turn`] first, then for at most
    /// [`Phases::longest`].
    pub(super) async fn deliver(&self, parcel: &Parcel<'_, '_>) -> Outcome {
        let begun = Instant::now();
        let down = |reason: String| Outcome::Later { reason, relay_down: true, wait: None };
        let _permit = match timeout(self.phases.turn, self.permits.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return down("mail is being shut down".to_owned()),
            Err(_) => {
                let minutes = self.phases.turn.as_secs() / 60;
                return down(format!("every connection to relay {} has been busy for {minutes} minutes", self.name));
            }
        };
        let parcel = &Parcel { waited: begun.elapsed() > SOON, ..*parcel };
        if let Some(kept) = self.take() {
            match self.transact(kept, parcel).await {
                Err(fault) if is_stale(&fault) => {
                    tracing::debug!(relay = %self.name, "a kept connection was closed by the relay; opening a new one");
                }
                ended => return self.outcome(ended),
            }
        }
        match Connection::open(&self.relay, self.tls.as_ref(), &self.phases, &self.hello).await {
            Ok(connection) => self.outcome(self.transact(connection, parcel).await),
            Err(fault) => self.outcome(Err(fault)),
        }
    }

    /// Opens a connection, signs in and leaves.
    pub(super) async fn sign_in(&self) -> Result<String, String> {
        match Connection::open(&self.relay, self.tls.as_ref(), &self.phases, &self.hello).await {
            Ok(connection) => {
                connection.quit().await;
                let secured = if self.tls.is_some() { "with TLS" } else { "without TLS" };
                let who = self.relay.credentials.as_ref().map(|(user, _)| format!(", signed in as {user}"));
                Ok(format!("{} answers {secured}{}", self.name, who.unwrap_or_default()))
            }
            Err(fault) => Err(match self.outcome(Err(fault)) {
                Outcome::Later { reason, .. }
                | Outcome::Never { reason }
                | Outcome::Gone { reason }
                | Outcome::Ambiguous { reason } => reason,
                Outcome::Sent { reply } => reply,
            }),
        }
    }

    /// Runs the transaction; the connection is kept where it can serve again.
    async fn transact(&self, mut connection: Connection, parcel: &Parcel<'_, '_>) -> Result<Outcome, Fault> {
        let result = self.dialog(&mut connection, parcel).await;
        let kept = match &result {
            _ if connection.spoiled => false,
            Ok(_) => true,
            // In the middle of the text, or after an answer that is none, nobody knows what the next one answers.
            Err(Fault::Refused(step, reply)) => *step != Step::Text && reply.code >= 400 && !reply.closes(),
            Err(Fault::Lost(..) | Fault::Unfit(_)) => false,
        };
        if kept {
            self.keep(connection).await;
        }
        result
    }

    async fn dialog(&self, connection: &mut Connection, parcel: &Parcel<'_, '_>) -> Result<Outcome, Fault> {
        let extensions = &connection.extensions;
        if parcel.to.is_international() && !extensions.smtputf8 {
            let reason = format!(
                "relay {} does not support SMTPUTF8, which '{}' needs; use an address in ASCII",
                self.name, parcel.to
            );
            return Ok(Outcome::Never { reason });
        }
        let size = u64::try_from(parcel.mail.len()).unwrap_or(u64::MAX);
        if let Some(limit) = extensions.size.filter(|limit| *limit > 0 && *limit < size) {
            let reason = format!("the mail has {size} octets, but relay {} takes at most {limit}", self.name);
            return Ok(Outcome::Never { reason });
        }
        let mut mail = format!("MAIL FROM:<{}>", parcel.from);
        if extensions.size.is_some() {
            mail.push_str(&format!(" SIZE={size}"));
        }
        if parcel.to.is_international() {
            mail.push_str(if extensions.eight_bit { " BODY=8BITMIME SMTPUTF8" } else { " SMTPUTF8" });
        }
        mail.push_str("\r\n");

        // A new connection may have taken minutes to open, an old one to be reset.
        let waited = parcel.waited || connection.mails == 0 || connection.unfinished;
        if connection.unfinished {
            self.step(connection, Step::Reset, "RSET\r\n").await?;
            connection.unfinished = false;
        }
        if let Some(wanted) = parcel.wanted.filter(|_| waited)
            && !wanted().await
        {
            let reason = "it could not be seen whether the mail is still wanted".to_owned();
            return Ok(Outcome::Later { reason, relay_down: false, wait: None });
        }
        connection.mails += 1;
        connection.unfinished = true;
        let rcpt = format!("RCPT TO:<{}>\r\n", parcel.to);
        if connection.extensions.pipelining {
            connection.envelope(&mail, &rcpt, &self.phases).await?;
        } else {
            self.step(connection, Step::Mail, &mail).await?;
            self.step(connection, Step::Rcpt, &rcpt).await?;
            let ready = connection.command(Step::Data, "DATA\r\n", self.phases.data).await?;
            if ready.code != 354 {
                return Err(Fault::Refused(Step::Data, ready));
            }
        }
        let answer = connection.text(parcel.mail, &self.phases).await?;
        connection.unfinished = false;
        if answer.is_positive() {
            Ok(reply::outcome(&self.name, Step::Dot, &answer))
        } else {
            Err(Fault::Refused(Step::Dot, answer))
        }
    }

    async fn step(&self, connection: &mut Connection, step: Step, line: &str) -> Result<(), Fault> {
        let reply = connection.command(step, line, self.phases.envelope).await?;
        if reply.is_positive() { Ok(()) } else { Err(Fault::Refused(step, reply)) }
    }

    fn outcome(&self, ended: Result<Outcome, Fault>) -> Outcome {
        let relay = &self.name;
        match ended {
            Ok(outcome) => outcome,
            Err(Fault::Refused(step, reply)) => reply::outcome(relay, step, &reply),
            Err(Fault::Lost(Step::Dot, what)) => {
                Outcome::Ambiguous { reason: format!("relay {relay} {what}; the mail may have been taken") }
            }
            Err(Fault::Lost(step, what)) => {
                // What broke off in the middle of one mail may be that mail's doing; before that it is the relay's.
                let relay_down = !matches!(step, Step::Rcpt | Step::Data | Step::Text);
                Outcome::Later { reason: format!("relay {relay} {what}"), relay_down, wait: None }
            }
            Err(Fault::Unfit(what)) => {
                Outcome::Later { reason: format!("relay {relay}: {what}"), relay_down: true, wait: None }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last, where it has not been idle for too long.
    fn take(&self) -> Option<Connection> {
        let connection = self.lock().connections.pop()?;
        (connection.idle_since.elapsed() < self.phases.idle).then_some(connection)
    }

    async fn keep(&self, mut connection: Connection) {
        if connection.mails >= MAILS_PER_CONNECTION {
            connection.quit().await;
            return;
        }
        connection.idle_since = Instant::now();
        let mut idle = self.lock();
        idle.connections.push(connection);
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(watch(Weak::clone(&self.this)));
        }
    }

    /// Takes out what has been idle too long; says when to look again, unless nothing is left to watch.
    fn expired(&self) -> (Vec<Connection>, Option<Instant>) {
        let mut idle = self.lock();
        let now = Instant::now();
        let (kept, old): (Vec<_>, Vec<_>) =
            idle.connections.drain(..).partition(|connection| now - connection.idle_since < self.phases.idle);
        idle.connections = kept;
        let next = idle.connections.iter().map(|connection| connection.idle_since + self.phases.idle).min();
        idle.watched = next.is_some();
        (old, next)
    }

    /// Closes every idle connection.
    pub(super) async fn close(&self) {
        let connections = std::mem::take(&mut self.lock().connections);
        quit_all(connections).await;
    }
}

/// Closes idle connections when their time is up; ends when there are none left.
async fn watch(smtp: Weak<Smtp>) {
    loop {
        let Some((old, next)) = smtp.upgrade().map(|smtp| smtp.expired()) else { return };
        quit_all(old).await;
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

async fn quit_all(connections: Vec<Connection>) {
    futures_util::future::join_all(connections.into_iter().map(Connection::quit)).await;
}

/// Whether a kept connection was dead, or was closed on us before this mail's text: nothing of it can have been taken. A 421
/// there is said of the connection (RFC 5321 section 3.8) and not of the mail.
fn is_stale(fault: &Fault) -> bool {
    match fault {
        Fault::Lost(step, _) => matches!(step, Step::Reset | Step::Mail),
        Fault::Refused(Step::Reset, _) => true,
        Fault::Refused(Step::Mail | Step::Rcpt | Step::Data, reply) => reply.closes(),
        _ => false,
    }
}
