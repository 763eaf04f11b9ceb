//! `/metrics` in the OpenMetrics text form: no label with an address or a URL.

use std::fmt::Write as _;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::State;
use crate::config::sources::Source;
use crate::jobs::bounces::{self, Counts, Standing};
use crate::jobs::breaker::{self, Down};
use crate::model::clock::Timestamp;
use crate::model::health::{HealthState, SourceHealth};
use crate::store::deliveries::{self, Outbox};
use crate::store::{StoreError, Tx, sources};

/// The numbers of one scrape.
pub(super) async fn metrics(Shared(state): Shared<State>) -> Response {
    let context = &state.0.context;
    match context.store.read(load).await {
        Ok((outbox, mail, health, advisories, events)) => {
            let text = render((&outbox, &mail), &health, &context.sources, advisories, events, context.clock.now());
            ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
                .into_response()
        }
        Err(error) => {
            tracing::error!("Metrics are not to be had: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be used; see the log\n").into_response()
        }
    }
}

type Loaded = (Outbox, MailFlow, Vec<SourceHealth>, i64, i64);

/// How mail flows: the relay, and what comes back.
#[derive(Default)]
struct MailFlow {
    down: Option<Down>,
    bounces: Option<Standing>,
    counts: Counts,
}

fn load(tx: &mut Tx<'_>) -> Result<Loaded, StoreError> {
    let mut count = |sql: &str| tx.query_one(sql, &[])?.map_or(Ok(0), |row| row.int(0));
    let advisories = count("SELECT COUNT(*) FROM advisories")?;
    let events = count("SELECT COUNT(*) FROM events")?;
    let mail = MailFlow { down: breaker::down(tx)?, bounces: bounces::standing(tx)?, counts: bounces::counts(tx)? };
    Ok((deliveries::outbox(tx)?, mail, sources::all(tx)?, advisories, events))
}

/// The text being built.
struct Exposition(String);

impl Exposition {
    fn gauge(&mut self, name: &str, help: &str, rows: &[(String, f64)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in rows {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, &[(String::new(), value)]);
    }
}

fn render(
    (outbox, mail): (&Outbox, &MailFlow),
    health: &[SourceHealth],
    all: &[Source],
    advisories: i64,
    events: i64,
    now: Timestamp,
) -> String {
    let mut text = Exposition(String::new());
    let build = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    text.gauge("rattlewatch_build_info", "The running version.", &[(build, 1.0)]);
    text.one("rattlewatch_advisories", "Advisories stored.", advisories as f64);
    text.one("rattlewatch_events", "Events written.", events as f64);
    render_outbox(&mut text, outbox, now);
    render_flow(&mut text, mail);
    let enabled = |health: &&SourceHealth| all.iter().any(|source| source.id == health.source && source.enabled);
    let watched: Vec<&SourceHealth> = health.iter().filter(enabled).collect();
    let per = |value: &dyn Fn(&SourceHealth) -> f64| -> Vec<(String, f64)> {
        watched.iter().map(|health| (format!("{{source=\"{}\"}}", health.source), value(health))).collect()
    };
    let late = |health: &SourceHealth| {
        let source = all.iter().find(|source| source.id == health.source);
        source.is_some_and(|source| health.standing(true, source.silent_days, now) == HealthState::Late)
    };
    let late = per(&|health| f64::from(u8::from(late(health))));
    text.gauge("rattlewatch_source_late", "1 where the source is silent for longer than is normal for it.", &late);
    let readable = per(&|health| f64::from(u8::from(health.state.sees())));
    text.gauge("rattlewatch_source_readable", "1 where the last try read the source.", &readable);
    let success = per(&|health| health.last_success.map_or(0.0, |at| at.seconds() as f64));
    text.gauge("rattlewatch_source_last_success_timestamp_seconds", "When the source was last read.", &success);
    let failures = per(&|health| health.failures as f64);
    text.gauge("rattlewatch_source_failures", "Failed tries since the last success.", &failures);
    text.0.push_str("# EOF\n");
    text.0
}

fn render_outbox(text: &mut Exposition, outbox: &Outbox, now: Timestamp) {
    let states = [
        ("queued", outbox.queued),
        ("sending", outbox.sending),
        ("sent", outbox.sent),
        ("dead", outbox.dead),
        ("suppressed", outbox.suppressed),
    ];
    let states = states.map(|(state, count)| (format!("{{state=\"{state}\"}}"), count as f64));
    text.gauge("rattlewatch_deliveries", "Deliveries by state.", &states);
    let ambiguous = outbox.ambiguous as f64;
    text.one("rattlewatch_deliveries_ambiguous", "Tries that may have been accepted without an answer.", ambiguous);
    let age = outbox.oldest_queued.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
    text.one("rattlewatch_oldest_queued_age_seconds", "Age of the oldest waiting delivery.", age);
}

fn render_flow(text: &mut Exposition, mail: &MailFlow) {
    let usable = f64::from(u8::from(mail.down.is_none()));
    text.one("rattlewatch_relay_usable", "0 while the mail relay cannot be used.", usable);
    let Some(standing) = &mail.bounces else { return };
    let readable = f64::from(u8::from(standing.trouble.is_none()));
    text.one("rattlewatch_bounce_mailbox_readable", "1 where the last try read the mailbox of bounces.", readable);
    let rows: Vec<(String, f64)> =
        mail.counts.iter().map(|(kind, count)| (format!("{{kind=\"{kind}\"}}"), *count as f64)).collect();
    text.gauge("rattlewatch_returned_mails", "Mails that came back, by what they meant.", &rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_ends_as_the_form_asks_and_names_no_address() {
        let outbox = Outbox { queued: 3, oldest_queued: Some(Timestamp::from_seconds(10)), ..Outbox::default() };
        let counts = Counts::from([("hard".to_owned(), 2)]);
        let mail = MailFlow { bounces: Some(Standing::default()), counts, ..MailFlow::default() };
        let text = render((&outbox, &mail), &[], &[], 1, 2, Timestamp::from_seconds(70));
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("rattlewatch_deliveries{state=\"queued\"} 3\n"));
        assert!(text.contains("rattlewatch_oldest_queued_age_seconds 60\n"));
        assert!(text.contains("rattlewatch_relay_usable 1\n"));
        assert!(text.contains("rattlewatch_returned_mails{kind=\"hard\"} 2\n"));
    }
}
