//! What DNS says of the sender's domain: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489). Gmail, Yahoo and Microsoft ask
//! for all three.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use super::super::start;
use super::Finding;
use crate::channels::email::dkim::Dkim;
use crate::config::settings::Settings;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What is found out of the domains of `mail_from` and `bounce_address`, by `resolver` or the system's.
pub(super) async fn check(settings: &Settings, resolver: Option<SocketAddr>) -> Vec<Finding> {
    let domain = match start::sender(settings) {
        Ok(sender) => sender.address.domain().to_owned(),
        Err(failure) => return vec![super::unusable(&failure)],
    };
    if !domain.contains('.') || domain.ends_with(".localhost") {
        let says = format!("mail_from is at {domain}, which no receiver takes");
        return vec![Finding::fail("sender", says, "set mail_from to an address of a domain of yours")];
    }
    let dns = match dns(resolver) {
        Ok(dns) => dns,
        Err(error) => {
            return vec![Finding::warn("dns", format!("cannot be asked: {error}"), "name a server with --resolver")];
        }
    };
    // Receivers ask for SPF of the envelope's sender.
    let returned = settings.mail_flow.bounce_address.as_deref().and_then(|address| address.rsplit('@').next());
    let returned = returned.unwrap_or(&domain);
    let mut findings = vec![spf(returned, &texts(&dns, returned).await)];
    match start::dkim_keys(settings) {
        Err(failure) => findings.push(super::unusable(&failure)),
        Ok(keys) if keys.is_empty() => findings.push(Finding::warn(
            "dkim",
            "no key signs here",
            "set dkim_keys, unless the relay signs for this domain and List-Unsubscribe-Post is among what it signs",
        )),
        Ok(keys) => {
            for key in keys {
                findings.push(dkim(&key, &texts(&dns, &key.record_name()).await));
            }
        }
    }
    findings.push(dmarc(&dns, &domain).await);
    findings
}

fn dns(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let mut named = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut named.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![named]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    (options.timeout, options.attempts) = (LIMIT, 2);
    builder.build()
}

/// The TXT records of `name`; or why there is no answer.
async fn texts(dns: &TokioResolver, name: &str) -> Result<Vec<String>, String> {
    match dns.txt_lookup(format!("{}.", name.trim_end_matches('.'))).await {
        Ok(found) => Ok(found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => {
                    Some(text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect::<String>())
                }
                _ => None,
            })
            .collect()),
        Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

fn silent(check: &'static str, name: &str, reason: &str) -> Finding {
    Finding::warn(
        check,
        format!("DNS did not answer for {name}: {reason}"),
        "try again, or name a server with --resolver",
    )
}

fn spf(domain: &str, found: &Result<Vec<String>, String>) -> Finding {
    let found = match found {
        Ok(found) => found,
        Err(reason) => return silent("spf", domain, reason),
    };
    let policies: Vec<&str> = found
        .iter()
        .map(|text| text.trim())
        .filter(|text| {
            text.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("v=spf1"))
                && !text[6..].starts_with(|c: char| c != ' ')
        })
        .collect();
    match policies.as_slice() {
        [] => Finding::fail(
            "spf",
            format!("{domain} has no SPF record"),
            "publish a TXT record such as \"v=spf1 include:RELAY -all\" that names your relay",
        ),
        [policy] => {
            let terms: Vec<String> = policy.split_whitespace().skip(1).map(str::to_lowercase).collect();
            if terms.iter().any(|term| matches!(term.as_str(), "+all" | "all")) {
                return Finding::fail(
                    "spf",
                    format!("{domain} lets everybody send: {policy}"),
                    "end the record with -all or ~all",
                );
            }
            if !terms.iter().any(|term| term.ends_with("all") || term.starts_with("redirect=")) {
                return Finding::warn(
                    "spf",
                    format!("{domain} leaves open who may not send: {policy}"),
                    "end the record with -all or ~all",
                );
            }
            Finding::ok("spf", format!("{domain}: {policy}"))
        }
        several => Finding::fail(
            "spf",
            format!("{domain} has {} SPF records, which counts as an error (RFC 7208 section 4.5)", several.len()),
            "make one of them",
        ),
    }
}

fn dkim(key: &Dkim, found: &Result<Vec<String>, String>) -> Finding {
    let name = key.record_name();
    let found = match found {
        Ok(found) => found,
        Err(reason) => return silent("dkim", &name, reason),
    };
    let wanted = key.record();
    let next = || format!("publish the TXT record: {name}  \"{wanted}\"");
    let public = |record: &str| tag(record, "p").map(|value| value.split_whitespace().collect::<String>());
    match found.as_slice() {
        [] => Finding::fail("dkim", format!("{name} is not published: signatures cannot be checked"), next()),
        [record] if public(record) == public(&wanted) => {
            let testing = tag(record, "t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"));
            if testing {
                return Finding::warn(
                    "dkim",
                    format!("{name} is ours and says that it is a test (t=y)"),
                    "take out t=y",
                );
            }
            Finding::ok("dkim", format!("{name} holds our key"))
        }
        [_] => Finding::fail("dkim", format!("{name} holds another key than ours"), next()),
        several => {
            Finding::fail("dkim", format!("{name} has {} records; only one may be there", several.len()), next())
        }
    }
}

/// The policy of the domain itself, else of the nearest domain above it that has one.
async fn dmarc(dns: &TokioResolver, domain: &str) -> Finding {
    let mut name = domain;
    loop {
        let asked = format!("_dmarc.{name}");
        let found = match texts(dns, &asked).await {
            Ok(found) => found,
            Err(reason) => return silent("dmarc", &asked, &reason),
        };
        let policies: Vec<&String> = found.iter().filter(|text| tag(text, "v").as_deref() == Some("DMARC1")).collect();
        if let Some(policy) = policies.first() {
            return judged(domain, &asked, policy, policies.len());
        }
        match name.split_once('.') {
            Some((_, above)) if above.contains('.') => name = above,
            _ => break,
        }
    }
    Finding::fail(
        "dmarc",
        format!("{domain} has no DMARC record: Gmail, Yahoo and Microsoft refuse bulk mail without one"),
        format!("publish the TXT record: _dmarc.{domain}  \"v=DMARC1; p=none; rua=mailto:dmarc@{domain}\""),
    )
}

fn judged(domain: &str, asked: &str, policy: &str, count: usize) -> Finding {
    if count > 1 {
        return Finding::fail("dmarc", format!("{asked} has {count} records, so that none counts"), "make one of them");
    }
    let strict = tag(policy, "adkim").as_deref() == Some("s");
    if strict && asked != format!("_dmarc.{domain}") {
        let says = format!("{asked} asks for strict alignment: {policy}");
        return Finding::warn("dmarc", says, format!("sign with d={domain}, as dkim_keys do"));
    }
    match tag(policy, "p").as_deref() {
        Some("none" | "quarantine" | "reject") => {
            Finding::ok("dmarc", format!("{asked}: {policy}; From and DKIM are both of {domain}, so they align"))
        }
        _ => Finding::fail("dmarc", format!("{asked} has no policy: {policy}"), "add p=none, p=quarantine or p=reject"),
    }
}

/// The value of a tag in a list such as `v=DKIM1; k=rsa` (RFC 6376 section 3.2).
fn tag(list: &str, name: &str) -> Option<String> {
    list.split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}
