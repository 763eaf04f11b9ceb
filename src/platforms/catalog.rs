//! `platforms.toml`: the products that managed service providers run, and how advisories name them.
//!
//! Rule: [`Catalog::parse`] is the only door, tells every fault of a file at once, and what it lets through can be
//! matched as it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::check;
use super::written::{self, Faults};
use crate::config::fault::{ConfigError, Fault, closest};
use crate::model::platform::PlatformId;

/// The catalog that ships with the program, used where the settings name no file.
pub const BUILT_IN: &str = include_str!("../../platforms.toml");

/// What messages call [`BUILT_IN`].
pub const BUILT_IN_NAME: &str = "platforms.toml (built in)";

/// The largest catalog read from a file, in bytes.
pub const FILE_MAX: u64 = 8 * 1024 * 1024;

/// What a platform is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is its own name")]
pub enum Category {
    Rmm,
    Psa,
    RemoteAccess,
    BackupBcdr,
    EdrAvMdr,
    EmailSecurity,
    FirewallNetwork,
    VpnGateway,
    IdentityPassword,
    Monitoring,
    Virtualization,
    StorageNas,
    Documentation,
    VoipCollab,
    OsProductivity,
    WebCms,
    /// Everything that a vendor makes.
    Vendor,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 17] = [
        Self::Rmm,
        Self::Psa,
        Self::RemoteAccess,
        Self::BackupBcdr,
        Self::EdrAvMdr,
        Self::EmailSecurity,
        Self::FirewallNetwork,
        Self::VpnGateway,
        Self::IdentityPassword,
        Self::Monitoring,
        Self::Virtualization,
        Self::StorageNas,
        Self::Documentation,
        Self::VoipCollab,
        Self::OsProductivity,
        Self::WebCms,
        Self::Vendor,
    ];

    /// The word used in `platforms.toml` and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rmm => "rmm",
            Self::Psa => "psa",
            Self::RemoteAccess => "remote-access",
            Self::BackupBcdr => "backup-bcdr",
            Self::EdrAvMdr => "edr-av-mdr",
            Self::EmailSecurity => "email-security",
            Self::FirewallNetwork => "firewall-network",
            Self::VpnGateway => "vpn-gateway",
            Self::IdentityPassword => "identity-password",
            Self::Monitoring => "monitoring",
            Self::Virtualization => "virtualization",
            Self::StorageNas => "storage-nas",
            Self::Documentation => "documentation",
            Self::VoipCollab => "voip-collab",
            Self::OsProductivity => "os-productivity",
            Self::WebCms => "web-cms",
            Self::Vendor => "vendor",
        }
    }

    /// As people are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rmm => "Remote monitoring and management",
            Self::Psa => "Ticketing and professional services",
            Self::RemoteAccess => "Remote access",
            Self::BackupBcdr => "Backup and recovery",
            Self::EdrAvMdr => "Endpoint protection",
            Self::EmailSecurity => "Mail security",
            Self::FirewallNetwork => "Firewalls and networks",
            Self::VpnGateway => "VPN gateways",
            Self::IdentityPassword => "Identity and passwords",
            Self::Monitoring => "Monitoring",
            Self::Virtualization => "Virtualization and cloud",
            Self::StorageNas => "Storage",
            Self::Documentation => "Documentation",
            Self::VoipCollab => "Telephony and collaboration",
            Self::OsProductivity => "Systems and office",
            Self::WebCms => "Web servers and sites",
            Self::Vendor => "Everything by one vendor",
        }
    }
}

/// A platform, checked: everything in it can be used as it stands.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Unique: lowercase letters, digits and hyphens.
    pub id: PlatformId,
    /// As shown to people.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// What it is for.
    pub category: Category,
    /// Names that say it by themselves. One that ends in `*` is continued by a model number (`DIR-*`).
    pub aliases: Vec<String>,
    /// Names that it had, which say it by themselves too.
    pub former: Vec<String>,
    /// Names that are also something else: they count only where a word of `near` stands near.
    pub weak: Vec<String>,
    /// Words that make a weak name count.
    pub near: Vec<String>,
    /// Phrases that void a name that they contain or touch, and weak names in their sentence.
    pub not: Vec<String>,
    /// Those of its names and near words that count only with their letters in this case (`iOS` is not `IOS`).
    pub exact: BTreeSet<String>,
    /// Other products run on it or plug into it: its name after "for" or "on" speaks of them.
    pub host: bool,
    /// `vendor:product` of CPE names, unescaped; a trailing `*` stands for the rest of the product.
    pub cpes: Vec<String>,
    /// `Vendor/Product` as CISA's Known Exploited Vulnerabilities catalog writes them.
    pub kev: Vec<String>,
    /// Beginnings of its vendor's advisory ids, a `*` for the number that follows (`FG-IR-*`): they say it like an alias.
    pub advisories: Vec<String>,
    /// Hosts of its vendor's own advisories: what stands there speaks of the vendor's platforms.
    pub hosts: Vec<String>,
    /// The id that gets this one's tags, where this is only another name of the same product.
    pub same_as: Option<PlatformId>,
    /// Sentences that must be tagged with it.
    pub hits: Vec<String>,
    /// Sentences that must not.
    pub misses: Vec<String>,
}

/// Every platform known, in the order of the file.
#[derive(Clone, Debug)]
pub struct Catalog {
    platforms: Vec<Platform>,
    by_id: BTreeMap<String, usize>,
}

impl Catalog {
    /// The catalog in `text`, which the user calls `file`.
    ///
    /// # Errors
    /// Every fault in it, each with its line and key.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut faults = Faults::new(file, text);
        let written = written::read(text, &mut faults);
        let platforms = check::check(&written, &mut faults);
        let by_id = platforms.iter().enumerate().map(|(at, platform)| (platform.id.0.clone(), at)).collect();
        faults.finish(Self { platforms, by_id })
    }

    /// The catalog in the file at `path`; the one built in where there is no path.
    ///
    /// # Errors
    /// Where the file cannot be read, is larger than [`FILE_MAX`] or is not UTF-8, and every fault in it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Self::parse(BUILT_IN, BUILT_IN_NAME) };
        Self::parse(&read(path)?, &path.display().to_string())
    }

    /// The catalog that ships with the program.
    ///
    /// # Panics
    /// Never: a test parses the same text.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN, BUILT_IN_NAME).expect("the built-in catalog is tested to parse")
    }

    /// This catalog with more phrases that void names: each a platform and a phrase. Rules of platforms that it does not have
    /// are left out.
    #[must_use]
    pub fn with_rules(&self, rules: &[(PlatformId, String)]) -> Self {
        let mut catalog = self.clone();
        for (platform, phrase) in rules {
            if let Some(at) = catalog.by_id.get(&platform.0) {
                catalog.platforms[*at].not.push(phrase.clone());
            }
        }
        catalog
    }

    /// The ids of all platforms.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.by_id.keys().cloned().collect()
    }

    /// The platform with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Platform> {
        self.by_id.get(id).and_then(|at| self.platforms.get(*at))
    }

    /// The shown name of a platform; its id where the catalog does not have it (any more).
    #[must_use]
    pub fn name(&self, id: &PlatformId) -> String {
        self.get(&id.0).map_or_else(|| id.0.clone(), |platform| platform.name.clone())
    }

    /// All platforms, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Platform> {
        self.platforms.iter()
    }

    /// How many platforms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.platforms.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.platforms.is_empty()
    }

    /// The id that somebody who wrote `written` may have meant: a slip of the pen, or a name of the platform.
    #[must_use]
    pub fn closest(&self, written: &str) -> Option<&str> {
        let plain = |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let wanted: String = plain(written);
        let names = |platform: &Platform| {
            let mut names = [&platform.name].into_iter().chain(&platform.aliases).chain(&platform.former);
            plain(&platform.id.0) == wanted || names.any(|name| plain(name) == wanted)
        };
        let by_name = self.platforms.iter().find(|platform| !wanted.is_empty() && names(platform));
        match by_name {
            Some(platform) => Some(&platform.id.0),
            None => closest(written, self.by_id.keys().map(String::as_str)),
        }
    }
}

impl<'a> IntoIterator for &'a Catalog {
    type Item = &'a Platform;
    type IntoIter = std::slice::Iter<'a, Platform>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let fault = |message: String| {
        let file = path.display().to_string();
        ConfigError(vec![Fault { file, line: 0, key: "file".to_owned(), message }])
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| fault(format!("cannot be read ({error}); check its path and permissions")))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(fault(format!("is larger than {FILE_MAX} bytes; is it the right file?")));
    }
    String::from_utf8(bytes).map_err(|_| fault("is not UTF-8 text; save it as UTF-8".to_owned()))
}
