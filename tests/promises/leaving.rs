//! P3, at the narrowest place: the relay lets the program wait before the transaction, and the recipient leaves meanwhile.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::postgres::engines;
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Act, Phase, Rule, Script, SmtpServer};

/// How long the relay lets the program wait: as a relay does that holds back its greeting against senders of spam.
const HELD_BACK: Duration = Duration::from_secs(4);

/// Waits until `what` is so.
fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it did not come to that");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn begun(program: Program, web: &HttpServer) -> Program {
    let mut program = program;
    program.sources(&[("cert", "feed", &web.url("/feed"))]);
    let served = |items: &[(&str, &str, &str)]| web.route("/feed", Reply::ok("application/rss+xml", rss(items)));
    served(&[("old", "An old flaw in Veeam Backup", "Old.")]);
    program.ok(&["subscriber", "add", "leaver@msp.example", "--everything", "--digest", "none"]);
    program.run();
    served(&[("new", "CVE-2099-10001: new flaw in ScreenConnect", "Upgrade to version 99.")]);
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_the_relay_lets_us_wait_is_not_written_to() {
    for phase in [Phase::Greeting, Phase::Ehlo] {
        for engine in engines() {
            let name = engine.name;
            let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
            let program = begun(Program::on(engine).with("RATTLEWATCH_SMTP_URL", &smtp.url()), &web).await;
            assert_eq!(smtp.connections(), 0, "{name}: history is mailed to nobody");
            smtp.script(Script::default().rule(Rule::at(phase, Act::Wait(HELD_BACK)).times(1)));
            let mut sending = program.prepared(&["run", "--all", "--json"]).stdout(Stdio::null()).spawn().unwrap();
            until(|| smtp.connections() > 0);
            let asked = Instant::now();
            program.ok(&["subscriber", "remove", "leaver@msp.example"]);
            // Otherwise the relay had gone on, and nothing is proven.
            assert!(asked.elapsed() < HELD_BACK / 2, "{name}: leaving took {:?}", asked.elapsed());
            assert_eq!(smtp.count("MAIL"), 0, "{name}: nothing had begun when the leave was acknowledged");
            sending.wait().unwrap();
            assert_eq!(smtp.count("MAIL"), 0, "{name}, held back at {phase:?}: a transaction began after the leave");
            assert_eq!(smtp.message_count(), 0, "{name}");
            let all: Value = serde_json::from_str(&program.ok(&["outbox", "list", "--json"])).unwrap();
            let counts = &all["counts"];
            assert_eq!(
                (&counts["suppressed"], &counts["queued"], &counts["sending"]),
                (&json!(1), &json!(0), &json!(0))
            );
            println!("{name}, held back at {phase:?}: nothing began");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stays_while_the_relay_lets_us_wait_is_written_to() {
    let (web, smtp) = (HttpServer::start().await, SmtpServer::start().await);
    let program = begun(Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url()), &web).await;
    smtp.script(Script::default().rule(Rule::at(Phase::Greeting, Act::Wait(HELD_BACK / 4)).times(1)));
    program.run();
    assert_eq!((smtp.count("MAIL"), smtp.message_count()), (1, 1));
}
