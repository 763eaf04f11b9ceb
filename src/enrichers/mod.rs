//! Facts about a CVE that catalogs know, laid over what the advisory's own items say: one file per catalog.

pub mod epss;
pub mod kev;
