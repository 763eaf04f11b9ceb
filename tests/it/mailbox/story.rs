//! From a mailbox to an alert, by the program itself.

use serde_json::json;

use super::*;
use crate::support::program::Program;
use crate::support::smtp_server::SmtpServer;

fn entry(url: &str, more: &str, rules: &str) -> String {
    format!(
        "[[source]]\nid = \"vendor-mail\"\nname = \"Vendor notices\"\npublisher = \"Vendor\"\nkind = \"vendor\"\ncountry = \"US\"\n\
         url = \"{url}\"\nformat = \"mailbox\"\nschedule = \"0 0 3 * * *\"\n{more}\n[source.mailbox]\n\
         from = [\"psirt@vendor.example\"]\n{rules}\n"
    )
}

const NEWS: (&str, &str) =
    ("Authentication bypass in ConnectWise ScreenConnect (CVE-2099-1709)", "Severity: High. Upgrade to 99.4.");

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_in_the_folder_becomes_an_alert_once() {
    let (imap, smtp) = (ImapServer::start().await, SmtpServer::start().await);
    imap.deliver(1, &mail("old", "Old news about ScreenConnect", "History."));
    let mut program = Program::new()
        .with("RATTLEWATCH_SMTP_URL", &smtp.url())
        .with("RATTLEWATCH_ALLOW_NETWORKS", "127.0.0.0/8, ::1/128")
        .with("RATTLEWATCH_API_KEYS", &format!("vendor-mail={PASSWORD}"));
    let ca = program.file("ca.pem", imap.ca_pem());
    program.set("SSL_CERT_FILE", &ca.display().to_string());
    let url = format!("imaps://alerts%40msp.example@localhost:{}/INBOX", imap.port());
    let sources = program.file("sources.toml", &entry(&url, "needs_key = \"vendor-mail\"", ""));
    program.set("RATTLEWATCH_SOURCES", &sources.display().to_string());
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);

    let first = program.run();
    assert_eq!(first["sources"][0]["result"], "baseline", "{first}");
    imap.deliver(2, &from("Eve <eve@evil.example>", "e", NEWS.0, NEWS.1));
    assert_eq!(program.run()["events"], 0);
    imap.deliver(3, &mail("new", NEWS.0, NEWS.1));
    let tested = program.ok(&["sources", "test", "vendor-mail"]);
    assert!(tested.contains("2 items would be taken") && tested.contains("ScreenConnect"), "{tested}");
    let second = program.run();
    assert_eq!((&second["events"], &second["mails"]["sent"]), (&json!(1), &json!(1)), "{second}");
    assert_eq!(second["sources"][0]["result"], "ok", "{second}");
    let mails = smtp.messages();
    assert_eq!(mails[0].to, ["tech@msp.example"]);
    assert!(mails[0].text().contains("TLP:AMBER") && mails[0].text().contains("CVE-2099-1709"), "{}", mails[0].text());
    // A folder that was built anew says nothing new.
    imap.set(|state| state.validity += 1);
    assert_eq!(program.run()["events"], 0);
    assert_eq!(smtp.message_count(), 1);

    imap.set(|state| state.password = "changed".to_owned());
    program.run();
    let listed = program.source("vendor-mail");
    assert_eq!(listed["state"], "blocked", "{listed}");
    assert!(listed["detail"].as_str().unwrap().contains("refuses the login"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_dropped_becomes_an_alert_and_an_oversized_one_is_told() {
    let smtp = SmtpServer::start().await;
    let drop = tempfile::tempdir().unwrap();
    let mut program = Program::new().with("RATTLEWATCH_SMTP_URL", &smtp.url());
    let url = format!("file://{}", drop.path().display());
    let sources = program.file("sources.toml", &entry(&url, "", "tlp = \"GREEN\""));
    program.set("RATTLEWATCH_SOURCES", &sources.display().to_string());
    program.ok(&["subscriber", "add", "tech@msp.example", "--platform", "screenconnect"]);
    let first = program.run();
    assert_eq!(first["sources"][0]["result"], "baseline", "{first}");
    std::fs::write(drop.path().join("a.eml"), mail("new", NEWS.0, NEWS.1)).unwrap();
    std::fs::File::create(drop.path().join("b.eml")).unwrap().set_len(50 << 20).unwrap();
    let second = program.run();
    assert_eq!((&second["events"], &second["mails"]["sent"]), (&json!(1), &json!(1)), "{second}");
    let source = program.source("vendor-mail");
    assert_eq!(source["state"], "degraded", "{source}");
    assert!(source["detail"].as_str().unwrap().contains("b.eml has 51200 KiB"), "{source}");
    // The same message under another name is known by its Message-ID.
    std::fs::copy(drop.path().join("a.eml"), drop.path().join("copy.eml")).unwrap();
    let third = program.run();
    assert_eq!((&third["events"], &third["sources"][0]["result"]), (&json!(0), &json!("ok")), "{third}");
    assert_eq!(smtp.message_count(), 1);
    assert!(smtp.messages()[0].text().contains("TLP:GREEN"));

    std::fs::write(drop.path().join("d.eml"), mail("more", "More about ScreenConnect", "Critical.")).unwrap();
    let imported = program.ok(&["import", "vendor-mail", "--since", "2020-01-01", "--json"]);
    let imported: serde_json::Value = serde_json::from_str(&imported).unwrap();
    assert_eq!((&imported["items"], &imported["new_advisories"]), (&json!(3), &json!(1)), "{imported}");
    assert_eq!((&program.run()["events"], smtp.message_count()), (&json!(0), 1), "history is told to nobody");

    std::fs::remove_dir_all(drop.path()).unwrap();
    program.run();
    assert_eq!(program.source("vendor-mail")["state"], "failing");
}
