//! How the pages look: at each width, light and dark, and to programs that read them aloud.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::driver::{Driver, Look};
use crate::support::site::Site;

/// The pages for everybody, each with the name of its picture.
const PUBLIC: [(&str, &str); 9] = [
    ("/", "home"),
    ("/advisories?q=flaw", "search"),
    ("/advisories/RW-2", "advisory"),
    ("/platforms", "platforms"),
    ("/platforms/fortigate", "platform"),
    ("/sources", "sources"),
    ("/subscribe", "subscribe"),
    ("/sign-in", "sign-in"),
    ("/nowhere", "problem"),
];

/// The pages for a member who is also an operator.
const ROOMS: [(&str, &str); 18] = [
    ("/me", "me"),
    ("/o/org-1?least=all", "board"),
    ("/o/org-1?least=all&show=acknowledged", "acknowledged"),
    ("/o/org-1/advisories/RW-2", "triage"),
    ("/o/org-1/clients", "clients"),
    ("/o/org-1/clients/client-1", "stack"),
    ("/o/org-1/people", "people"),
    ("/o/org-1/mail", "mail"),
    ("/o/org-1/deliveries", "deliveries"),
    ("/o/org-1/tokens", "tokens"),
    ("/o/org-1/audit", "audit"),
    ("/operator", "operator-sources"),
    ("/operator/sources/cert", "operator-source"),
    ("/operator/outbox", "operator-outbox"),
    ("/operator/advisories?id=RW-2", "operator-advisories"),
    ("/operator/wrong-matches", "operator-wrong-matches"),
    ("/operator/suppression", "operator-suppression"),
    ("/operator/organizations", "operator-organizations"),
];

/// Which pictures are kept: wide and light, and as on a phone at night.
const KEPT: [(u32, bool); 2] = [(1440, false), (320, true)];

/// What was published lately, so that pages show what they show in earnest: how many minutes ago, the title, and more.
const NEWS: [(i64, &str, &str); 12] = [
    (
        2,
        "CVE-2099-1101: authentication bypass in ScreenConnect, exploited in the wild",
        "CVSS 10.0, critical. Attackers exploit it to reach every customer of a provider. Update servers to 25.9 at once.",
    ),
    (
        4,
        "CVE-2099-1102: Veeam Backup & Replication lets any domain user run code",
        "CVSS 9.9, critical. Install the update of this week.",
    ),
    (1, "CVE-2099-1103: Kaseya VSA agents accept unsigned scripts", "CVSS 8.8, high. Update agents to 10.2."),
    (
        7,
        "CVE-2099-1104: FortiGate SSL VPN overflow, exploited in the wild",
        "CVSS 9.8, critical. Attackers exploit it. Update FortiOS to 7.6.9 or disable the SSL VPN.",
    ),
    (2, "CVE-2099-1105: N-central stores its keys readable", "CVSS 7.5, high. Update to 2099.3."),
    (3, "CVE-2099-1106: Datto RMM agent follows links as SYSTEM", "CVSS 7.8, high. A fix is rolled out."),
    (
        9,
        "CVE-2099-1107: SonicWall SonicOS management page can be taken over",
        "CVSS 9.4, critical. Restrict management to trusted networks, then update.",
    ),
    (5, "Ransomware groups use stolen NinjaOne sessions", "Sign everybody out and ask for a second factor."),
    (6, "CVE-2099-1108: VMware vCenter Server heap overflow", "CVSS 9.8, critical. Update to 8.0 U4."),
    (8, "CVE-2099-1109: 3CX desktop app installs an altered library", "CVSS 7.8, high. Remove version 20.1."),
    (9, "CVE-2099-1110: Proxmox VE console reflects script", "CVSS 6.1, medium. Update to 9.2."),
    (
        12,
        "CVE-2099-1111: Citrix NetScaler Gateway leaks sessions, exploited in the wild",
        "CVSS 9.3, critical. Attackers exploit it. Update and end every session.",
    ),
];

/// A feed of items: how many minutes ago each was published, its title and its text.
fn feed(items: impl Iterator<Item = (i64, String, String)>) -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let item = |(ago, title, text): (i64, String, String)| {
        let when = now.checked_sub(jiff::Span::new().minutes(ago)).expect("a time");
        let (when, title) = (when.strftime("%a, %d %b %Y %H:%M:%S GMT"), title.replace('&', "&amp;"));
        format!(
            "<item><guid isPermaLink=\"false\">{title}</guid><title>{title}</title><link>https://cert.example/{ago}</link><description>{text}</description><pubDate>{when}</pubDate></item>"
        )
    };
    let items: String = items.map(item).collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Alerts</title><link>https://cert.example/</link><description>Alerts</description>{items}</channel></rss>"
    )
}

/// Half a year before that.
fn older() -> impl Iterator<Item = (i64, String, String)> {
    let products = ["FortiGate", "Veeam Backup & Replication", "ScreenConnect", "VMware ESXi", "SonicWall SonicOS"];
    let rated = ["CVSS 7.2, high.", "CVSS 5.4, medium.", "CVSS 6.1, medium.", "CVSS 3.1, low."];
    (0..150_usize).map(move |n| {
        let title = format!("CVE-2099-2{n:03}: a flaw in {}", products[n % 5]);
        let (days, minutes) = (13 + n * n * 31 % 168, n * 37 % 500 + n * 101 % 300);
        let ago = i64::try_from(days * 1_440 + minutes).unwrap_or_default();
        (ago, title, rated[n * 7 % 4].to_owned())
    })
}

/// Serves a feed and waits until it has been read as far as a title.
async fn publish(site: &Site, feed: &str, title: &str) {
    site.serve(feed);
    let begun = Instant::now();
    while !site.get(&format!("/advisories?q={title}")).contains(&format!("{title}:")) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{title} is read");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A site with an organization in which something was done, and somebody who is signed in.
async fn site() -> (Site, String) {
    let site = Site::open().await;
    publish(&site, &feed(older()), "CVE-2099-2000").await;
    for arguments in [
        &["operator", "add", "kim@harbor.example"][..],
        &["organization", "add", "Harbor IT", "--platform", "veeam-vbr"],
        &[
            "organization",
            "add-client",
            "Harbor IT",
            "Dental practice Miller",
            "--platform",
            "screenconnect",
            "--platform",
            "fortigate",
        ],
        &["organization", "add-client", "Harbor IT", "Baker & Sons", "--platform", "fortigate"],
        &["organization", "add-member", "Harbor IT", "kim@harbor.example", "--role", "owner", "--name", "Kim"],
        &["organization", "add-member", "Harbor IT", "lee@harbor.example", "--name", "Lee"],
        &["token", "add", "our ticket system", "--organization", "Harbor IT", "--scope", "write"],
        &["suppression", "add", "gone@else.example", "--because", "asked by telephone"],
        &["wrong-match", "report", "RW-3", "veeam-vbr", "--note", "this is about the agent"],
    ] {
        site.program.ok(arguments);
    }
    let news = NEWS.map(|(ago, title, text)| (ago, title.to_owned(), text.to_owned()));
    publish(&site, &feed(news.into_iter()), "CVE-2099-1101").await;
    let cookie = site.sign_in("kim@harbor.example").await;
    let csrf = Site::csrf(&site.get_as("/me", &cookie));
    for fields in ["state=acknowledged", "state=mitigated&owner=client-1&note=patched+to+7.4.9"] {
        let answer = site.post_as("/o/org-1/advisories/RW-2/respond", &format!("csrf={csrf}&{fields}"), &cookie);
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    }
    (site, cookie)
}

fn axe() -> Option<String> {
    let file = std::env::var_os("AXE").map(PathBuf::from);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-tools/axe_playwright_python/axe.min.js");
    let text = file.into_iter().chain([kept]).find_map(|file| std::fs::read_to_string(file).ok());
    if text.is_none() {
        eprintln!("!!! SKIPPED: AXE names no axe.min.js, so accessibility was not checked");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_and_is_accessible_at_each_width_light_and_dark() {
    let Some(driver) = Driver::start() else { return };
    let ((site, cookie), axe) = (site().await, axe());
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", site.port);
    let pictures =
        std::env::var_os("PICTURES").map(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/pages"));
    let mut faults = Vec::new();
    for (width, dark) in [320, 768, 1440, 3840].into_iter().flat_map(|width| [(width, false), (width, true)]) {
        let window = driver.open(Look { dark, ..Look::wide(width) }).await;
        let shade = if dark { "dark" } else { "light" };
        for (index, (path, name)) in PUBLIC.into_iter().chain(ROOMS).enumerate() {
            // Public pages come first, as strangers see them.
            if index == PUBLIC.len() {
                window.keep_cookie(&url("/"), &cookie).await;
            }
            window.go(&url(path)).await;
            let mut found = window.overflow().await;
            let is_dark = window.ask("return matchMedia('(prefers-color-scheme: dark)').matches").await;
            assert_eq!(is_dark, dark, "{path}");
            if let Some(axe) = &axe {
                found.extend(window.barriers(axe).await);
            }
            faults.extend(found.into_iter().map(|fault| format!("{path} at {width}, {shade}: {fault}")));
            if let Some(folder) = pictures.as_ref().filter(|_| KEPT.contains(&(width, dark))) {
                window.picture(&folder.join(format!("{name}-{width}-{shade}.webp"))).await;
            }
        }
        window.close().await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
