//! The doctor finds what is wrong, says what to do, and mails nobody.

use serde_json::Value;

use crate::support::dns_server::DnsServer;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::program::{Program, rss};
use crate::support::smtp_server::{Script, SmtpServer};

const KEY: &str = include_str!("../fixtures/dkim/rsa.pem");

struct Stage {
    dns: DnsServer,
    smtp: SmtpServer,
    program: Program,
}

impl Stage {
    async fn new() -> Self {
        let (dns, smtp) = (DnsServer::start(), SmtpServer::start_with(Script::default()).await);
        let mut program = Program::new()
            .with("RATTLEWATCH_SMTP_URL", &smtp.url())
            .with("RATTLEWATCH_MAIL_FROM", "Alerts <alerts@mail.msp.example>");
        let key = program.file("dkim.pem", KEY);
        program.set("RATTLEWATCH_DKIM_KEYS", &format!("rw1={}", key.display()));
        Self { dns, smtp, program }
    }

    /// What is found of `check`, as verdict and words.
    fn found(&self, check: &str) -> (String, String) {
        let output = self.program.output(&["doctor", "--json", "--resolver", &self.dns.address()]);
        let all: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let one = all.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check} in {all:?}"));
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        (text("verdict"), format!("{} -> {}", text("says"), text("next")))
    }

    fn assert(&self, check: &str, verdict: &str, said: &str) {
        let (found, says) = self.found(check);
        assert!(found == verdict && says.contains(said), "{check} is {found}: {says}; wanted {verdict}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_is_set_up_is_well_and_each_gap_is_told_with_what_to_publish() {
    let stage = Stage::new().await;
    for (check, said) in [("spf", "publish a TXT record"), ("dkim", "p=MII"), ("dmarc", "v=DMARC1; p=none")] {
        stage.assert(check, "fail", said);
    }
    assert_eq!(stage.program.output(&["doctor", "--resolver", &stage.dns.address()]).status.code(), Some(1));

    let said = stage.program.ok(&["config", "dkim"]);
    let record = said.split('"').nth(1).expect("a record").to_owned();
    stage.dns.txt("mail.msp.example", &["unrelated", "v=spf1 include:relay.example -all"]);
    stage.dns.txt("rw1._domainkey.mail.msp.example", &[&record]);
    stage.dns.txt("_dmarc.msp.example", &["v=DMARC1; p=quarantine"]);
    stage.assert("spf", "ok", "include:relay.example");
    stage.assert("dkim", "ok", "holds our key");
    stage.assert("dmarc", "ok", "_dmarc.msp.example: v=DMARC1; p=quarantine");

    for (records, verdict, said) in [
        (vec!["v=spf1 +all"], "fail", "lets everybody send"),
        (vec!["v=spf1 -all", "v=spf1 ~all"], "fail", "2 SPF records"),
        (vec!["v=spf1 include:relay.example"], "warn", "leaves open"),
        (vec!["v=spf10 -all"], "fail", "no SPF record"),
    ] {
        stage.dns.txt("mail.msp.example", &records);
        stage.assert("spf", verdict, said);
    }
    stage.dns.txt("rw1._domainkey.mail.msp.example", &["v=DKIM1; k=rsa; p=AAAA"]);
    stage.assert("dkim", "fail", "another key");
    stage.dns.txt("rw1._domainkey.mail.msp.example", &[&format!("{record}; t=y")]);
    stage.assert("dkim", "warn", "t=y");
    stage.dns.txt("_dmarc.mail.msp.example", &["v=DMARC1; q=1"]);
    stage.assert("dmarc", "fail", "no policy");
    assert_eq!(stage.smtp.message_count(), 0, "nobody is mailed");
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_database_sources_and_addresses_are_looked_at() {
    let mut stage = Stage::new().await;
    stage.assert("relay", "ok", "answers without TLS");
    stage.assert("database", "warn", "there is none yet");
    stage.assert("database", "warn", "there is none yet");
    stage.program.ok(&["outbox", "list"]);
    stage.assert("database", "ok", "answers");
    stage.assert("disk", "ok", "MB free");
    stage.assert("clock", "ok", "not behind");
    stage.assert("sources", "warn", "no source has been read yet");
    stage.assert("public_url", "warn", "links in mails lead nowhere");
    stage.assert("settings", "ok", "sources on");

    let web = HttpServer::start().await;
    web.route("/good", Reply::ok("application/rss+xml", rss(&[])));
    web.route("/bad", Reply::status(404));
    stage.program.sources(&[("good", "feed", &web.url("/good")), ("bad", "feed", &web.url("/bad"))]);
    stage.program.run();
    stage.assert("sources", "warn", "bad: `rattlewatch sources list`");

    stage.assert("bounces", "warn", "set bounce_address and bounce_mailbox");
    let folder = stage.program.folder().join("bounces");
    stage.program.set("RATTLEWATCH_BOUNCE_ADDRESS", "bounces@back.msp.example");
    stage.assert("bounces", "warn", "what comes back to bounces@back.msp.example is not read");
    stage.assert("spf", "fail", "back.msp.example has no SPF record");
    stage.program.set("RATTLEWATCH_BOUNCE_MAILBOX", &format!("file://{}", folder.display()));
    stage.assert("bounces", "fail", "check its path and permissions");
    std::fs::create_dir(&folder).expect("a folder");
    stage.assert("bounces", "ok", "can be read");

    stage.program.set("RATTLEWATCH_PUBLIC_URL", "http://alerts.msp.example");
    stage.assert("public_url", "warn", "one-click");
    stage.program.set("RATTLEWATCH_SMTP_URL", "smtp://127.0.0.1:1");
    stage.assert("relay", "fail", "send-test");
    stage.program.set("RATTLEWATCH_MAIL_FROM", "alerts@localhost");
    stage.assert("sender", "fail", "which no receiver takes");
}
