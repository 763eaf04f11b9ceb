//! Holder: which process holds a lease, and whether it still lives.
//!
//! A lease runs out by itself. Where its holder can be seen to be dead (the same boot, the same table of processes, and no
//! process that was started then under that number), nobody needs to wait for that: after a crash the next start goes on
//! at once. Of a process on another machine or in another container nothing is concluded.

use std::collections::BTreeSet;
use std::fs;

use tracing::info;

use crate::store::{Store, StoreError, Tx, leftovers, sources};

/// A name for this process that no other has: boot, table of processes, number, start, and the moment of asking.
#[must_use]
pub fn name() -> String {
    let moment = jiff::Timestamp::now().as_microsecond();
    match (place(), started(std::process::id())) {
        (Some(place), Some(start)) => format!("{place}/{}/{start}/{moment}", std::process::id()),
        _ => format!("{}-{moment}", std::process::id()),
    }
}

/// Whether the process of that name is known to have ended.
#[must_use]
pub fn is_dead(holder: &str) -> bool {
    let mut parts = holder.rsplitn(4, '/');
    let (Some(_), Some(start), Some(number), Some(there)) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Ok(number) = number.parse() else { return false };
    place().is_some_and(|here| here == there) && started(number).as_deref() != Some(start)
}

/// The boot and the table of processes that this process sees (Linux).
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let table = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), table.display()))
}

/// When the process was started, in ticks since the boot (proc(5), `stat`, field 22); absent where there is none.
fn started(number: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // A zombie has ended.
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19).map(|field| (*field).to_owned())
}

/// Ends the leases of processes that are known to be dead.
///
/// # Errors
/// Fails where the database does.
pub async fn inherit(store: &Store) -> Result<(), StoreError> {
    let dead = store.read(held).await?.into_iter().filter(|holder| is_dead(holder)).collect::<Vec<_>>();
    if dead.is_empty() {
        return Ok(());
    }
    let count = dead.len();
    store
        .write(move |tx| {
            for holder in &dead {
                sources::end_leases(tx, holder)?;
                leftovers::end_leases(tx, holder)?;
            }
            Ok(())
        })
        .await?;
    info!("Took over what {count} ended processes were at");
    Ok(())
}

fn held(tx: &mut Tx<'_>) -> Result<BTreeSet<String>, StoreError> {
    let mut all = sources::holders(tx)?;
    all.extend(leftovers::holders(tx)?);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_be_dead_is_dead() {
        let own = name();
        assert!(!is_dead(&own), "{own}");
        for unknown in ["", "17-5", "a/b/c/d", "other-boot/pid:[1]/1/2/3"] {
            assert!(!is_dead(unknown), "{unknown}");
        }
        if let (Some(here), Some(start)) = (place(), started(std::process::id())) {
            let number = std::process::id();
            assert!(is_dead(&format!("{here}/{number}/{start}0/5")), "another process had the number before");
            assert!(is_dead(&format!("{here}/4194305/1/5")), "no process has a number above the kernel's limit");
            assert!(!is_dead(&format!("{here}/{number}/{start}/5")));
        }
    }
}
