//! How the pages look: at each width, light and dark, and to programs that read them aloud.

use std::path::{Path, PathBuf};

use crate::driver::{Driver, Look};
use crate::support::site::Site;

/// The pages, each with the name of its picture.
const PAGES: [(&str, &str); 8] = [
    ("/", "home"),
    ("/advisories?q=flaw", "search"),
    ("/advisories/RW-2", "advisory"),
    ("/platforms", "platforms"),
    ("/platforms/fortigate", "platform"),
    ("/sources", "sources"),
    ("/subscribe", "subscribe"),
    ("/nowhere", "problem"),
];

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
    let (site, axe) = (Site::open().await, axe());
    let pictures =
        std::env::var_os("PICTURES").map(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/pages"));
    let mut faults = Vec::new();
    for width in [320, 768, 1440, 3840] {
        for dark in [false, true] {
            let window = driver.open(Look { dark, ..Look::wide(width) }).await;
            for (path, _) in PAGES {
                window.go(&format!("http://127.0.0.1:{}{path}", site.port)).await;
                let what = format!("{path} at {width}, {}", if dark { "dark" } else { "light" });
                let mut found = window.overflow().await;
                let is_dark = window.ask("return matchMedia('(prefers-color-scheme: dark)').matches").await;
                assert_eq!(is_dark, dark, "{what}");
                if let Some(axe) = &axe {
                    found.extend(window.barriers(axe).await);
                }
                faults.extend(found.into_iter().map(|fault| format!("{what}: {fault}")));
            }
            for (path, name) in PAGES.into_iter().filter(|_| width < 3840) {
                let Some(folder) = &pictures else { break };
                window.go(&format!("http://127.0.0.1:{}{path}", site.port)).await;
                let shade = if dark { "dark" } else { "light" };
                window.picture(&folder.join(format!("{name}-{width}-{shade}.webp"))).await;
            }
            window.close().await;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
