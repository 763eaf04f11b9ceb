//! What every job works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use super::letters;
use crate::channels::Channels;
use crate::config::settings::{Heartbeat, MailFlow, WebRules};
use crate::config::sources::Source;
use crate::http::Client;
use crate::mailbox;
use crate::model::clock::Clock;
use crate::model::platform::PlatformId;
use crate::pipeline::compose::Composer;
use crate::platforms::{Catalog, Matcher};
use crate::store::{Store, StoreError, meta};

/// What every job works with. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Parts>);

/// The parts of a [`Context`].
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The one outgoing HTTP client.
    pub client: Client,
    /// What opens mailboxes.
    pub mail_client: mailbox::Client,
    /// Every source, enabled or not.
    pub sources: Vec<Source>,
    /// The platforms.
    pub catalog: Arc<Catalog>,
    /// The matcher over them.
    pub matcher: Matcher,
    /// The letters.
    pub composer: Composer,
    /// What was rendered lately.
    pub forms: letters::Forms,
    /// The ways that letters go.
    pub channels: Channels,
    /// The domain of message ids: that of the sender's address.
    pub from_domain: String,
    /// Rates, and where bounces come back to.
    pub mail_flow: MailFlow,
    /// Where people find the pages, without a slash at the end.
    pub public_url: String,
    /// This installation's secret: keys message ids and links.
    pub secret: String,
    /// This process, as leases name it.
    pub holder: String,
    /// API keys by the name that sources give them.
    pub keys: BTreeMap<String, String>,
    /// Who is told of sources that cannot be read.
    pub operator: Option<String>,
    /// Who hears once a day that all is well.
    pub heartbeat: Option<Heartbeat>,
    /// The folder that may be written to.
    pub data_dir: PathBuf,
    /// How many sources are fetched at once.
    pub fetch_concurrency: usize,
    /// Most alerts that one recipient gets one by one within an hour.
    pub burst: usize,
    /// Who may do what on the pages.
    pub web: WebRules,
    /// How many letters are sent at once.
    pub send_concurrency: usize,
    /// Told when something has been queued, so that the sender looks at once.
    pub queued: Arc<Notify>,
}

impl Context {
    /// Joins the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The source with this id.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// The source's API key, where the settings hold one.
    #[must_use]
    pub fn key(&self, source: &Source) -> Option<&str> {
        self.keys.get(source.key.as_ref()?).map(String::as_str)
    }

    /// A platform's name as people know it.
    #[must_use]
    pub fn platform_name(&self, id: &PlatformId) -> String {
        self.catalog.name(id)
    }
}

impl std::ops::Deref for Context {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// This installation's secret, made at first use: 256 bits from the system, in hex.
///
/// # Errors
/// Fails where the database or the system's random source does.
pub async fn secret(store: &Store) -> Result<String, StoreError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::custom(format!("the system gives no random bytes: {error}")))?;
    let fresh: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    store.write(move |tx| meta::get_or_insert(tx, "secret", &fresh)).await
}
