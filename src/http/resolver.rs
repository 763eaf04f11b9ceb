//! Name resolution with the address guard in it: the addresses that are checked are the ones that are dialed, so a
//! name cannot answer publicly to the check and privately to the connection.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::{Guard, PortRule, Refusal};

/// A name led to an address that is not dialed. Travels inside the library's error and is found again there.
#[derive(Debug)]
pub struct AddressRefused(pub Refusal);

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AddressRefused {}

/// Most names noted, so that made-up names for one allow-listed address cannot fill the memory.
const NOTED: usize = 1024;

/// Names whose addresses were all allow-listed when last resolved.
pub type ListedNames = Arc<Mutex<HashSet<String>>>;

/// The resolver of one connection pool.
pub struct GuardedResolver {
    /// The address policy.
    pub guard: Arc<Guard>,
    /// True where the pool serves unusual ports, so that only allow-listed addresses will do.
    pub listed_only: bool,
    /// Where it notes the operator's own hosts.
    pub listed: ListedNames,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.guard);
        let listed = Arc::clone(&self.listed);
        // The library does not tell the port; the client names it in the refusal.
        let rule = if self.listed_only { PortRule::ListedOnly(0) } else { PortRule::Usual };
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One bad address spoils the name: otherwise the order of the answers would decide what is reached.
            for address in &found {
                guard.check_address(address.ip(), rule).map_err(AddressRefused)?;
            }
            let all_listed = !found.is_empty() && found.iter().all(|address| guard.lists(address.ip()));
            let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
            if !all_listed {
                listed.remove(name.as_str());
            } else if listed.len() < NOTED {
                listed.insert(name.as_str().to_owned());
            }
            drop(listed);
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
