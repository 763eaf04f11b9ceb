//! A browser that tests drive: Debian's Chromium through ChromeDriver, each started and ended here.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How a browser shows pages.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub dark: bool,
    pub script: bool,
}

impl Look {
    /// As wide as this, light and with JavaScript.
    pub const fn wide(width: u32) -> Self {
        Self { width, dark: false, script: true }
    }
}

/// Where Chromium and its driver are; says loudly what is missing.
pub fn programs() -> Option<[PathBuf; 2]> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |names: &[&str]| {
        std::env::split_paths(&path)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|file| file.is_file())
    };
    let (browser, driver) = (find(&["chromium", "chromium-browser", "google-chrome"]), find(&["chromedriver"]));
    match (browser, driver) {
        (Some(browser), Some(driver)) => Some([browser, driver]),
        _ => {
            eprintln!("!!! SKIPPED: no chromium and chromedriver in PATH, so no page was looked at in a browser");
            None
        }
    }
}

/// A running driver; it ends when dropped, with its browsers.
pub struct Driver {
    child: Child,
    port: u16,
    browser: PathBuf,
    profiles: tempfile::TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Driver {
    /// Starts it; nothing where a program is missing.
    pub fn start() -> Option<Self> {
        let [browser, driver] = programs()?;
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
        let child = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let driver = Self { child, port, browser, profiles: tempfile::tempdir().expect("a folder") };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the driver answers in time");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(driver)
    }

    /// A new window with a profile of its own.
    pub async fn open(&self, look: Look) -> Window {
        let profile = tempfile::tempdir_in(&self.profiles).expect("a folder").keep();
        let mut args = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--lang=en-US".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        args.extend(look.dark.then(|| "--force-dark-mode".to_owned()));
        let mut settings = vec![format!("preferredColorScheme={}", u8::from(!look.dark))];
        settings.extend((!look.script).then(|| "scriptEnabled=false".to_owned()));
        args.push(format!("--blink-settings={}", settings.join(",")));
        let options = json!({
            "binary": self.browser,
            "args": args,
            "mobileEmulation": {"deviceMetrics": {"width": look.width, "height": 900, "pixelRatio": 1.0, "mobile": false, "touch": false}},
        });
        let Value::Object(wanted) = json!({"goog:chromeOptions": options}) else { unreachable!("it is an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("a browser window");
        Window { client, width: look.width }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// One window.
pub struct Window {
    pub client: Client,
    width: u32,
}

impl Window {
    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// Keeps a cookie, written `name=value`, for the site at `url`.
    pub async fn keep_cookie(&self, url: &str, cookie: &str) {
        let (name, value) = cookie.split_once('=').expect("a pair");
        self.devtools("Network.setCookie", json!({"url": url, "name": name, "value": value, "httpOnly": true})).await;
    }

    /// The element that a selector names.
    pub async fn one(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(Duration::from_secs(10));
        wait.for_element(Locator::Css(css)).await.unwrap_or_else(|error| panic!("no {css}: {error}"))
    }

    pub async fn click(&self, css: &str) {
        self.one(css).await.click().await.unwrap_or_else(|error| panic!("{css} cannot be clicked: {error}"));
    }

    pub async fn type_into(&self, css: &str, text: &str) {
        self.one(css).await.send_keys(text).await.unwrap_or_else(|error| panic!("{css} takes no text: {error}"));
    }

    /// The page's text as a reader sees it; empty while a page gives way to the next.
    pub async fn text(&self) -> String {
        let said = self.client.execute("return document.body ? document.body.innerText : ''", Vec::new()).await;
        said.ok().and_then(|said| said.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until the page says so.
    pub async fn wait_for(&self, words: &str) {
        let begun = Instant::now();
        while !self.text().await.contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(10), "no '{words}' in: {}", self.text().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a script says.
    pub async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What makes the page wider than the window.
    pub async fn overflow(&self) -> Vec<String> {
        let script = "const wide = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= wide) return [];
            return [...document.querySelectorAll('main *, header *, footer *')]
                .filter((one) => one.getBoundingClientRect().right > wide + 1)
                .map((one) => 'too wide: ' + one.outerHTML.slice(0, 90))";
        texts(&self.ask(script).await)
    }

    /// Where axe-core finds a violation of WCAG 2.2 at level A or AA, or of its best practices.
    pub async fn barriers(&self, axe: &str) -> Vec<String> {
        self.client.execute(axe, Vec::new()).await.expect("axe-core loads");
        let script = "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(
            (found) => done(found.violations.map((one) => one.id + ': ' + one.help + ' at ' + one.nodes.map((node) => node.html).join(' | '))),
            (error) => done(['axe failed: ' + error]))";
        let found = self.client.execute_async(script, Vec::new()).await.expect("axe-core runs");
        texts(&found)
    }

    /// Keeps the page as a picture, as far as a reader would scroll.
    pub async fn picture(&self, file: &Path) {
        let tall = self.ask("return document.documentElement.scrollHeight").await.as_u64().expect("a number");
        let tall = tall.clamp(600, 2_400);
        let metrics = json!({"width": self.width, "height": tall, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let answer = self.devtools("Page.captureScreenshot", json!({"format": "webp", "quality": 60})).await;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        let picture = BASE64_STANDARD.decode(answer["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, picture).expect("a file");
    }

    /// A command of the browser's own protocol.
    async fn devtools(&self, command: &'static str, params: Value) -> Value {
        self.client.issue_cmd(Devtools(command, params)).await.expect("the browser obeys")
    }

    pub async fn close(self) {
        let _ = self.client.close().await;
    }
}

#[derive(Debug)]
struct Devtools(&'static str, Value);

impl fantoccini::wd::WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}
