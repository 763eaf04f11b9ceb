//! The publishers of the demo: sample documents in the shapes of the real feeds, served on loopback.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path as Route, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

/// One step of the week.
pub(super) struct Step {
    /// Minutes since Monday, 07:00 UTC.
    pub(super) minutes: u64,
    /// What happens, for the reader.
    pub(super) what: &'static str,
    /// What publishers change: path and document. Empty: only time passes.
    pub(super) published: &'static [(&'static str, &'static str)],
    /// Why nobody is mailed, should nobody be.
    pub(super) why_silent: &'static str,
}

const DAY: u64 = 24 * 60;

/// The week.
pub(super) const STEPS: &[Step] = &[
    Step {
        minutes: 60,
        what: "The sources are read for the first time.",
        published: &[
            ("government.xml", include_str!("samples/government-1.xml")),
            ("vendor.xml", include_str!("samples/vendor-1.xml")),
            ("kev.json", include_str!("samples/kev-1.json")),
        ],
        why_silent: "what they hold already is history. It is stored, searchable, and no news.",
    },
    Step {
        minutes: DAY + 12,
        what: "A government agency warns of a new flaw in ScreenConnect.",
        published: &[("government.xml", include_str!("samples/government-2.xml"))],
        why_silent: "something is wrong, this should have been mailed.",
    },
    Step {
        minutes: DAY + 160,
        what: "The vendor publishes its own bulletin on the same flaw.",
        published: &[("vendor.xml", include_str!("samples/vendor-2.xml"))],
        why_silent: "it is the same event from a second source. The advisory gains a source; nobody is told twice.",
    },
    Step {
        minutes: 2 * DAY + 75,
        what: "The vendor corrects a typing error in its bulletin.",
        published: &[("vendor.xml", include_str!("samples/vendor-3.xml"))],
        why_silent: "the wording changed, nothing that you would act on.",
    },
    Step {
        minutes: 2 * DAY + 310,
        what: "The vendor edits a bulletin on FortiGate in place: a second flaw is added.",
        published: &[("vendor.xml", include_str!("samples/vendor-4.xml"))],
        why_silent: "something is wrong, this should have been mailed.",
    },
    Step {
        minutes: 3 * DAY + 540,
        what: "The ScreenConnect flaw enters the catalog of known exploited vulnerabilities.",
        published: &[("kev.json", include_str!("samples/kev-2.json"))],
        why_silent: "something is wrong, this should have been mailed.",
    },
    Step {
        minutes: 7 * DAY + 30,
        what: "Monday, 07:30: the weekly digest is due.",
        published: &[],
        why_silent: "something is wrong, the digest should have been mailed.",
    },
];

/// What comes after the week, once somebody has signed up on the page.
pub(super) const ENCORE: Step = Step {
    minutes: 7 * DAY + 95,
    what: "Somebody signed up, and an agency warns managed service providers.",
    published: &[("government.xml", include_str!("samples/government-3.xml"))],
    why_silent: "something is wrong, this should have been mailed.",
};

/// The demo's sources.toml.
pub(super) fn sources(address: SocketAddr) -> String {
    let source = |id: &str, name: &str, kind: &str, path: &str, format: &str| {
        format!(
            "[[source]]\nid = \"{id}\"\nname = \"{name}\"\npublisher = \"{name}\"\nkind = \"{kind}\"\ncountry = \"US\"\n\
             url = \"http://{address}/{path}\"\nformat = \"{format}\"\nschedule = \"0 */15 * * * *\"\n\n"
        )
    };
    [
        source("sample-government", "Sample Government CERT", "government", "government.xml", "feed"),
        source("sample-vendor", "Sample Vendor Bulletins", "vendor", "vendor.xml", "feed"),
        source("sample-kev", "Sample KEV catalog", "government", "kev.json", "kev"),
    ]
    .concat()
}

/// An empty settings file, so that a rattlewatch.toml in the working directory does not change the demo.
pub(super) fn no_settings(folder: &Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("demo.toml");
    std::fs::File::create(&path)?.write_all(b"# the demo has no settings\n")?;
    Ok(path)
}

type Documents = Arc<Mutex<HashMap<&'static str, &'static str>>>;

/// A web server on loopback whose documents change from step to step.
pub(super) struct Publisher {
    address: SocketAddr,
    documents: Documents,
}

impl Publisher {
    pub(super) async fn start() -> std::io::Result<Self> {
        let documents = Documents::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/{name}", get(document)).with_state(Arc::clone(&documents));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, documents })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn publish(&self, path: &'static str, body: &'static str) {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).insert(path, body);
    }
}

async fn document(State(documents): State<Documents>, Route(name): Route<String>) -> Result<&'static str, StatusCode> {
    documents.lock().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).copied().ok_or(StatusCode::NOT_FOUND)
}
