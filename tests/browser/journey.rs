//! A technician's way: sign up, say yes, hear of news, look at it, and stop the mail; by pointer, by keyboard alone, and
//! without JavaScript.

use fantoccini::key::Key;

use crate::driver::{Driver, Look, Window};
use crate::support::site::Site;
use crate::support::smtp_server::Received;

/// The path of the first link below `room` in a mail.
fn link(mail: &Received, room: &str) -> String {
    let text = mail.text().replace("=\r\n", "");
    let at = text.find(room).unwrap_or_else(|| panic!("no {room} in {text}"));
    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/.-".contains(*c)).collect()
}

/// From the mailed question to the last page: a yes, an alert, and an end.
async fn rest_of_the_way(site: &Site, window: &Window, address: &str) {
    assert!(window.text().await.contains("Look into your mailbox"), "{}", window.text().await);
    let question = site.mails(1).await.remove(0);
    assert_eq!(question.to, [address]);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", site.port);
    window.go(&url(&link(&question, "/confirm/"))).await;
    window.click("main button").await;
    assert!(window.text().await.contains("You are subscribed"));
    // The welcome, and then news of what they run.
    site.mails(2).await;
    site.publish("CVE-2099-2001: ScreenConnect lets anyone in, exploited in the wild");
    let alert = site.mails(3).await.remove(2);
    window.go(&url(&link(&alert, "/advisories/"))).await;
    assert!(window.text().await.contains("lets anyone in") && window.text().await.contains("What to do now"));
    window.go(&url(&link(&alert, "/u/"))).await;
    window.click("main button").await;
    assert!(window.text().await.contains("You will get no more mail from here"));
    assert!(site.subscribers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_technician_signs_up_hears_and_leaves() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::open().await;
    let window = driver.open(Look::wide(1280)).await;
    window.go(&format!("http://127.0.0.1:{}/", site.port)).await;
    window.click("nav a[href='/subscribe']").await;
    window.type_into("input[name=email]", "tech@msp.example").await;
    // Typing finds it among hundreds, and the group opens by itself.
    window.type_into("input[data-find]", "screencon").await;
    let shown = "return [...document.querySelectorAll('.names label[data-name]')].filter((one) => one.checkVisibility()).length";
    assert_eq!(window.ask(shown).await, 1);
    window.click("input[name=platform][value=screenconnect]").await;
    let zone = window.ask("return document.querySelector('input[name=timezone]').value").await;
    let own = window.ask("return Intl.DateTimeFormat().resolvedOptions().timeZone").await;
    assert_eq!(zone, own, "the browser's time zone is filled in");
    window.click("form button[type=submit]").await;
    rest_of_the_way(&site, &window, "tech@msp.example").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_works_without_javascript() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::open().await;
    let window = driver.open(Look { script: false, ..Look::wide(1280) }).await;
    window.go(&format!("http://127.0.0.1:{}/subscribe?platform=screenconnect", site.port)).await;
    assert!(!window.text().await.contains("Find a platform"), "what needs a script is not shown");
    window.type_into("input[name=email]", "plain@msp.example").await;
    window.click("form button[type=submit]").await;
    rest_of_the_way(&site, &window, "plain@msp.example").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_is_enough() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::open().await;
    let window = driver.open(Look::wide(1280)).await;
    let home = format!("http://127.0.0.1:{}", site.port);
    window.go(&home).await;
    let focus = "const one = document.activeElement; return (one.textContent || one.name || '').trim()";
    let press = async |keys: &str| window.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    press(&char::from(Key::Tab).to_string()).await;
    assert_eq!(window.ask(focus).await, "To the content", "the first stop leads past the navigation");
    // j and k go through what is listed.
    window.go(&home).await;
    press("j").await;
    let first = window.ask(focus).await;
    assert!(first.as_str().unwrap().contains("FortiGate"), "{first}");
    press("j").await;
    assert_ne!(window.ask(focus).await, first);
    press("k").await;
    assert_eq!(window.ask(focus).await, first);
    press(&char::from(Key::Enter).to_string()).await;
    window.one("dl.facts").await;
    // A search from anywhere on its page.
    window.go(&format!("{home}/advisories")).await;
    press("/").await;
    press(&format!("veeam{}", char::from(Key::Enter))).await;
    window.one("nav[aria-label='More results']").await;
    let text = window.text().await;
    assert!(text.contains("flaw in Veeam") && !text.contains("flaw in FortiGate, exploited"), "{text}");
    window.close().await;
}
