//! Signing up, saying yes, changing and leaving: over HTTP, as a browser and as a mail scanner do it.

use std::time::Duration;

use crate::support::site::Site;
use crate::support::smtp_server::Received;

/// The path of the first link below `room` in a mail.
fn link(mail: &Received, room: &str) -> String {
    let text = mail.text().replace("=\r\n", "");
    let at = text.find(room).unwrap_or_else(|| panic!("no {room} in {text}"));
    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/.-".contains(*c)).collect()
}

const FORM: &str = "platform=screenconnect&platform=fortigate&topic=ransomware&floor=all&instant=yes&digest=none&day=monday&at=07:30&timezone=Europe/Berlin";

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_given_by_a_button_behind_a_mailed_link_and_by_nothing_else() {
    let site = Site::open().await;
    let page = site.get("/subscribe");
    assert!(page.contains("ScreenConnect") && page.contains("name=\"email\""), "{page}");
    let asked = site.post("/subscribe", &format!("email=Kim%40MSP.example&{FORM}"));
    assert!(asked.starts_with("HTTP/1.1 200") && asked.contains("Look into your mailbox"), "{asked}");
    let question = site.mails(1).await.remove(0);
    assert_eq!(question.to, ["Kim@msp.example"]);
    let text = question.text().replace("=\r\n", "");
    assert!(text.contains("ScreenConnect") && !text.contains("CVE-") && !text.contains("List-Unsubscribe"), "{text}");
    let confirm = link(&question, "/confirm/");
    for _ in 0..20 {
        assert!(site.get(&confirm).contains("Yes, mail me"));
    }
    assert!(site.subscribers().is_empty(), "a scanner that follows links says nothing");
    assert!(site.post(&format!("{confirm}0"), "").starts_with("HTTP/1.1 404"));
    for _ in 0..2 {
        assert!(site.post(&confirm, "").contains("You are subscribed"));
    }
    // One welcome: what is open now, exploited first, and nothing of what they do not run.
    let welcome = site.mails(2).await.remove(1);
    let text = welcome.text().replace("=\r\n", "");
    let (fortigate, screenconnect) = (text.find("flaw in FortiGate"), text.find("flaw in ScreenConnect"));
    assert!(fortigate.is_some() && fortigate < screenconnect, "{text}");
    assert!(!text.contains("flaw in Veeam"), "{text}");
    let mine = site.subscribers().remove(0);
    assert_eq!(mine["timezone"], "Europe/Berlin");
    assert!(mine["consent"].as_str().is_some_and(|consent| consent.contains("mailed link")), "{mine}");

    // Preferences, by the link in the mail.
    let preferences = link(&welcome, "/p/sub-");
    let page = site.get(&preferences);
    assert!(page.contains("Kim@msp.example gets") && page.contains("value=\"fortigate\" checked"), "{page}");
    let refused = site.post(&preferences, "platform=no-such-thing&timezone=UTC");
    assert!(refused.starts_with("HTTP/1.1 422") && refused.contains("no platform is called"), "{refused}");
    let saved = site.post(
        &preferences,
        "platform=veeam-vbr&floor=high&instant=yes&quiet_from=22:00&quiet_to=06:00&digest=daily&at=06:00&timezone=UTC",
    );
    assert!(saved.contains("Saved"), "{saved}");
    let changed = site.subscribers().remove(0);
    assert_eq!((&changed["floor"], &changed["quiet"]), (&"high".into(), &"22:00-06:00".into()));
    assert_eq!(changed["consent"], mine["consent"], "the consent stays what it was");
    assert_eq!(changed["consent_at"], mine["consent_at"]);

    // Leaving: a list does not bring them back, their own yes does.
    let stop = link(&welcome, "/u/sub-");
    assert!(site.post(&stop, "List-Unsubscribe=One-Click").starts_with("HTTP/1.1 200"));
    assert!(
        site.program.refused(&["subscriber", "add", "kim@msp.example", "--everything"], 1).contains("unsubscribed")
    );
    assert!(site.get(&preferences).starts_with("HTTP/1.1 410"));
    site.post("/subscribe", &format!("email=kim%40msp.example&{FORM}"));
    let again = site.mails(3).await.remove(2);
    site.post(&link(&again, "/confirm/"), "");
    assert_eq!(site.subscribers().len(), 1);

    // Being forgotten, by the link in the mail.
    let welcome = site.mails(4).await.remove(3);
    let preferences = link(&welcome, "/p/sub-");
    assert!(site.get(&format!("{preferences}/erase")).contains("Delete"));
    assert_eq!(site.subscribers().len(), 1);
    assert!(site.post(&format!("{preferences}/erase"), "").contains("You are forgotten"));
    assert!(site.subscribers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_tells_nobody_who_is_subscribed_and_floods_no_mailbox() {
    let site = Site::open().await;
    site.program.ok(&["subscriber", "add", "known@msp.example", "--everything", "--digest", "none"]);
    site.program.ok(&["suppression", "add", "never@msp.example"]);
    let body = |answer: String| answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    let known = body(site.post("/subscribe", &format!("email=known%40msp.example&{FORM}")));
    let fresh = body(site.post("/subscribe", &format!("email=new%40msp.example&{FORM}")));
    let never = body(site.post("/subscribe", &format!("email=never%40msp.example&{FORM}")));
    assert_eq!(known, fresh);
    assert_eq!(never, fresh);
    for _ in 0..10 {
        assert_eq!(body(site.post("/subscribe", &format!("email=new%40msp.example&{FORM}"))), fresh);
    }
    // Two for the two who may be asked, and two more for the one that was asked again and again.
    site.mails(4).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut to: Vec<String> = site.smtp.messages().iter().flat_map(|mail| mail.to.clone()).collect();
    to.sort();
    assert_eq!(to, ["known@msp.example", "new@msp.example", "new@msp.example", "new@msp.example"]);
    // The known one's wish is what it was until the link is used.
    assert_eq!(site.subscribers()[0]["everything"], true);
    for wrong in [
        "email=&platform=fortigate",
        "email=a%0d%0aBcc%3a%20x%40y.example&platform=fortigate",
        "email=x%40msp.example&topic=none",
    ] {
        assert!(site.post("/subscribe", wrong).starts_with("HTTP/1.1 422"), "{wrong}");
    }
    let long = format!("email=x%40msp.example&{}", "platform=fortigate&".repeat(10_000));
    assert!(site.post("/subscribe", &long).starts_with("HTTP/1.1 413"));
}
