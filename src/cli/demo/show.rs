//! What the demo prints: each step, and each letter as it leaves.

use std::net::SocketAddr;
use std::path::Path;

use crate::channels::file::Outbox;
use crate::channels::{Channel, Closing, Sending};
use crate::cli::output;
use crate::model::clock::Timestamp;
use crate::model::delivery::Message;

/// Writes letters to files, and shows each.
pub(super) struct Shown(Outbox);

impl Shown {
    pub(super) fn new(files: Outbox) -> Self {
        Self(files)
    }
}

impl Channel for Shown {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        output::tell(&letter(message));
        self.0.send(message)
    }

    fn close(&self) -> Closing<'_> {
        self.0.close()
    }
}

fn letter(message: &Message) -> String {
    let mut lines = vec![
        String::new(),
        format!("  ┌─ mail to {}", message.to),
        format!("  │  Subject: {}", message.subject),
        "  │".to_owned(),
    ];
    lines.extend(message.text.lines().map(|line| format!("  │  {line}").trim_end().to_owned()));
    lines.push("  └─".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

pub(super) fn welcome(page: SocketAddr) -> String {
    format!(
        "Rattlewatch demo: a week in a minute, with sample advisories (their CVE ids are invented).\n\
         Page: http://{page}   (Ctrl-C ends the demo; nothing of it stays on disk)\n\n\
         tech@msp.example runs ScreenConnect, FortiGate and Veeam, and gets a digest on Mondays at 07:30.\n\
         owner@msp.example hears of everything that is being exploited."
    )
}

pub(super) fn step(now: Timestamp, what: &str) -> String {
    format!("\n{}  {what}", now.to_jiff().strftime("%a %d %b %H:%M"))
}

pub(super) fn silence(why: &str) -> String {
    format!("                  No mail: {why}")
}

pub(super) fn farewell(page: SocketAddr, outbox: &Path) -> String {
    format!(
        "\nThat was the week. Where to look now, until Ctrl-C:\n  \
         http://{page}/         the advisories and the state of each source\n  \
         http://{page}/outbox   the letters (also in {})\n  \
         http://{page}/subscribe   sign up yourself: the question, the welcome and one more alert come to the letters\n\n\
         To watch the real sources: `rattlewatch subscriber add YOU@EXAMPLE.COM --platform screenconnect`, then `rattlewatch serve`.",
        outbox.display()
    )
}
