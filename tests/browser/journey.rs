//! A technician's way: sign up, say yes, hear of news, look at it, and stop the mail; by pointer, by keyboard alone, and
//! without JavaScript.

use std::time::{Duration, Instant};

use fantoccini::key::Key;

use crate::driver::{Driver, Look, Window};
use crate::support::program::Program;
use crate::support::site::Site;

/// From the mailed question to the last page: a yes, an alert, and an end.
async fn rest_of_the_way(site: &Site, window: &Window, address: &str) {
    window.wait_for("Look into your mailbox").await;
    let question = site.mails(1).await.remove(0);
    assert_eq!(question.to, [address]);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", site.port);
    window.go(&url(&Site::link(&question, "/confirm/"))).await;
    window.click("main button").await;
    window.wait_for("You are subscribed").await;
    // The welcome, and then news of what they run.
    site.mails(2).await;
    site.publish("CVE-2099-2001: ScreenConnect lets anyone in, exploited in the wild");
    let alert = site.mails(3).await.remove(2);
    window.go(&url(&Site::link(&alert, "/advisories/"))).await;
    window.wait_for("lets anyone in").await;
    window.wait_for("What to do now").await;
    window.go(&url(&Site::link(&alert, "/u/"))).await;
    window.click("main button").await;
    window.wait_for("You will get no more mail from here").await;
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

/// The way of somebody who has read the first lines of the README: one command, no setting, and nothing but a browser.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_signs_up_hears_and_leaves_within_two_minutes() {
    let Some(driver) = Driver::start() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let home = format!("http://{}", listener.local_addr().expect("a port"));
    drop(listener);
    let program = Program::new();
    let begun = Instant::now();
    let mut demo = program.spawn(&["demo", "--pace", "1", "--listen", home.trim_start_matches("http://")]);
    while std::net::TcpStream::connect(home.trim_start_matches("http://")).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the demo answers");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let window = driver.open(Look::wide(1280)).await;
    window.go(&format!("{home}/")).await;
    window.click("nav a[href='/subscribe']").await;
    window.type_into("input[name=email]", "new@msp.example").await;
    window.type_into("input[data-find]", "proxmox").await;
    window.click("input[name=platform][value=proxmox-ve]").await;
    window.click("form button[type=submit]").await;
    window.wait_for("Look into your mailbox").await;
    // The letters stand on a page, and their links can be followed there.
    letter(&window, &home, "Please confirm", "/confirm/").await;
    window.click("main button").await;
    window.wait_for("You are subscribed").await;
    letter(&window, &home, "Attackers phish managed service providers", "/u/").await;
    window.click("main button").await;
    window.wait_for("You will get no more mail from here").await;
    assert!(begun.elapsed() < Duration::from_secs(120), "it took {} s", begun.elapsed().as_secs());
    window.close().await;
    demo.kill().expect("it runs");
    demo.wait().expect("it ends");
}

/// Waits for a letter to the newcomer, opens it, and follows one of its links.
async fn letter(window: &Window, home: &str, subject: &str, link: &str) {
    let find = format!(
        "return [...document.querySelectorAll('.row')].find((row) => row.textContent.includes('new@msp.example') && row.textContent.includes('{subject}'))?.querySelector('a').href"
    );
    let begun = Instant::now();
    let found = loop {
        window.go(&format!("{home}/outbox")).await;
        if let Some(found) = window.ask(&find).await.as_str() {
            break found.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{subject}: {}", window.text().await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    window.go(&found).await;
    assert_eq!(window.overflow().await, [""; 0]);
    if std::env::var_os("PICTURES").is_some() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/pages");
        window.picture(&folder.join("letter-1280-light.webp")).await;
    }
    window.click(&format!(".letter a[href*='{link}']")).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_technician_signs_in_and_goes_through_the_board_by_keyboard() {
    let Some(driver) = Driver::start() else { return };
    let site = Site::open().await;
    for arguments in [
        &["organization", "add", "Harbor IT", "--platform", "fortigate", "--platform", "screenconnect"][..],
        &["organization", "add-member", "Harbor IT", "lee@harbor.example"],
    ] {
        site.program.ok(arguments);
    }
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", site.port);
    let window = driver.open(Look::wide(1280)).await;
    window.go(&url("/o/org-1?least=all")).await;
    window.type_into("input[name=email]", "lee@harbor.example").await;
    window.click("main button[type=submit]").await;
    window.wait_for("Look into your mailbox").await;
    let mail = site.mails(1).await.remove(0);
    window.go(&url(&Site::link(&mail, "/sign-in/"))).await;
    window.click("main button[type=submit]").await;
    window.wait_for("What threatens your stack").await;

    window.go(&url("/o/org-1?least=all")).await;
    let press = async |keys: &str| window.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    press("j").await;
    press("a").await;
    window.wait_for("Acknowledged 1").await;
    press("j").await;
    press("m").await;
    window.wait_for("Done 1").await;
    window.wait_for("Nothing is waiting for you").await;
    window.go(&url("/me")).await;
    window.click("form[action='/me/sign-out'] button").await;
    window.wait_for("You are signed out").await;
    window.go(&url("/o/org-1")).await;
    window.one("input[name=email]").await;
    window.close().await;
}
