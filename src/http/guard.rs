//! Which addresses may be dialed: the public internet, and what the operator allows by name.
//!
//! A source's URL, or a redirect, must not make this program speak to the operator's own machines, to its own host or
//! to a cloud's metadata service. Networks come from the IANA special-purpose address registries (RFC 6890 and its
//! successors); for IPv6 only global unicast (2000::/3, RFC 4291 section 2.4) can be public at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// Ports of public hosts that may be dialed. On allow-listed networks every port may.
pub const PUBLIC_PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// Networks of IPv4 that are not public, as (network, prefix length).
const SPECIAL_V4: [([u8; 4], u8); 18] = [
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // carrier-grade NAT, and 100.100.100.200 (metadata)
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // a cloud's host agent, reachable from its guests only
    ([169, 254, 0, 0], 16),   // link-local, and 169.254.169.254 (metadata)
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // 6to4 relays, deprecated
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([233, 252, 0, 0], 24),   // documentation, multicast
    ([240, 0, 0, 0], 4),      // reserved
    ([255, 255, 255, 255], 32),
];

/// Networks inside 2000::/3 that are not public.
const SPECIAL_V6: [([u16; 2], u8); 4] = [
    ([0x2001, 0x0000], 23), // protocol assignments: Teredo, benchmarks, ORCHID
    ([0x2001, 0x0db8], 32), // documentation
    ([0x2002, 0x0000], 16), // 6to4, which wraps any IPv4 address
    ([0x3fff, 0x0000], 20), // documentation
];

/// Whether `ip` is an ordinary address of the public internet. Forms that carry an IPv4 address inside an IPv6 one
/// (mapped, compatible, translated, 6to4, Teredo) are not, whatever they carry. On a network that reaches IPv4 only by
/// NAT64 with DNS64, the operator therefore allow-lists its prefix, such as `64:ff9b::/96`.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !SPECIAL_V4.iter().any(|(net, bits)| within_v4(ip, Ipv4Addr::from(*net), *bits)),
        IpAddr::V6(ip) => {
            let global = within_v6(ip, Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
            global
                && !SPECIAL_V6
                    .iter()
                    .any(|([a, b], bits)| within_v6(ip, Ipv6Addr::new(*a, *b, 0, 0, 0, 0, 0, 0), *bits))
        }
    }
}

/// `bits` is 1 to 32.
fn within_v4(ip: Ipv4Addr, net: Ipv4Addr, bits: u8) -> bool {
    (ip.to_bits() ^ net.to_bits()) >> (32 - u32::from(bits)) == 0
}

/// `bits` is 1 to 128.
fn within_v6(ip: Ipv6Addr, net: Ipv6Addr, bits: u8) -> bool {
    (ip.to_bits() ^ net.to_bits()) >> (128 - u32::from(bits)) == 0
}

/// Why a URL or an address is not dialed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither `http` nor `https`.
    #[error("its scheme is '{0}'; only http and https can be fetched")]
    Scheme(String),
    /// A user name or password in the URL.
    #[error("the URL carries a user name or password; remove them")]
    Userinfo,
    /// No host.
    #[error("the URL names no host")]
    NoHost,
    /// A public host on a port that is not one of [`PUBLIC_PORTS`].
    #[error("port {0} of a public host is not fetched; use port 80, 443, 8080 or 8443")]
    Port(u16),
    /// Not public and not allow-listed.
    #[error("{0} is a private address; to permit it, add its network to allow_networks (RATTLEWATCH_ALLOW_NETWORKS)")]
    PrivateAddress(IpAddr),
    /// The named header of the request holds characters that HTTP forbids.
    #[error("the {0} to be sent holds characters that a header cannot carry")]
    Header(&'static str),
}

/// The address policy: public addresses, and the operator's exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Networks that may be dialed although they are not public.
    pub allow: Vec<IpNet>,
}

impl Guard {
    /// Whether `ip` may be dialed.
    #[must_use]
    pub fn permits(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.lists(ip)
    }

    /// Whether the operator's exceptions name `ip`. An IPv4-mapped address counts as the IPv4 address that it reaches.
    #[must_use]
    pub fn lists(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allow.iter().any(|net| net.contains(&ip))
    }

    /// Checks one resolved or literal address of a host whose port is `port`.
    ///
    /// # Errors
    /// Says why the address is not dialed.
    pub fn check_address(&self, ip: IpAddr, port: PortRule) -> Result<(), Refusal> {
        match (self.lists(ip), is_public(ip), port) {
            (true, _, _) | (false, true, PortRule::Usual) => Ok(()),
            (false, true, PortRule::ListedOnly(port)) => Err(Refusal::Port(port)),
            (false, false, _) => Err(Refusal::PrivateAddress(ip)),
        }
    }

    /// Checks everything about `url` that can be known before its name is resolved.
    ///
    /// # Errors
    /// Says why the URL is not fetched.
    pub fn check_url(&self, url: &Url) -> Result<PortRule, Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Userinfo);
        }
        let rule = PortRule::of(url.port_or_known_default().unwrap_or_default());
        match url.host() {
            None => return Err(Refusal::NoHost),
            Some(Host::Ipv4(ip)) => self.check_address(ip.into(), rule)?,
            Some(Host::Ipv6(ip)) => self.check_address(ip.into(), rule)?,
            Some(Host::Domain(_)) => {}
        }
        Ok(rule)
    }
}

/// What a port asks of the addresses behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortRule {
    /// One of [`PUBLIC_PORTS`]: any permitted address will do.
    Usual,
    /// Another port: only allow-listed addresses will do.
    ListedOnly(u16),
}

impl PortRule {
    /// The rule for `port`.
    #[must_use]
    pub fn of(port: u16) -> Self {
        if PUBLIC_PORTS.contains(&port) { Self::Usual } else { Self::ListedOnly(port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hosts as they can stand in a URL, in every notation that leads to a place which is not public.
    const CLOSED: &str = "
        127.0.0.1 127.1 127.0.1 127.255.255.254 0x7f000001 0x7f.0.0.1 0x7f.1 2130706433 017700000001 0177.0.0.1
        0 0.0.0.0 0.0.0.1 0.255.255.255 00000000000
        10.0.0.0 10.0.0.1 10.255.255.255 0xa.0.0.1 012.0.0.1 167772161
        100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
        168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 0xa9fea9fe 0251.0376.0251.0376 2852039166
        172.16.0.1 172.20.10.1 172.31.255.255 192.168.0.1 192.168.255.255 192.168.1 0xc0.0xa8.0.1
        192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.192 192.0.2.1 192.88.99.1
        198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9
        224.0.0.1 224.0.0.251 233.252.0.1 239.255.255.255 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
        [::] [::1] [::2] [0:0:0:0:0:0:0:1]
        [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [::ffff:169.254.169.254] [::ffff:8.8.8.8]
        [::ffff:0:127.0.0.1] [::127.0.0.1] [::7f00:1] [::8.8.8.8]
        [64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::8.8.8.8] [64:ff9b:1::1] [64:ff9b:1:ffff::a9fe:a9fe]
        [100::1] [2001::1] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001:2::1] [2001:10::1] [2001:20::1] [2001:1ff::1]
        [2001:db8::1] [2001:db8:ffff::1] [2002::1] [2002:7f00:1::1] [2002:a00:1::1] [2002:808:808::1]
        [3fff::1] [3fff:fff::1] [5f00::1] [4000::1] [1fff::1]
        [fc00::1] [fd00::1] [fd00:ec2::254] [fd20:ce::254] [fdff:ffff::1]
        [fe80::1] [fe80::a9fe:a9fe] [febf::1] [fec0::1] [feff::1] [ff00::1] [ff02::1] [ff0e::1]";

    /// Ordinary addresses, among them the neighbors of closed networks.
    const OPEN: &str = "
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
        168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.1 192.0.3.1
        192.88.98.255 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.1 203.0.114.1 223.255.255.255
        134744072 0x08.8.8.8
        [2000::1] [2001:200::1] [2001:4860:4860::8888] [2001:db7::1] [2001:db9::1] [2003::1] [2606:4700:4700::1111]
        [2a00:1450::1] [2c0f::1] [3ffe::1] [3fff:1000::1]";

    fn check(guard: &Guard, host: &str) -> Result<PortRule, Refusal> {
        guard.check_url(&Url::parse(&format!("http://{host}/feed")).expect("a URL"))
    }

    #[test]
    fn every_notation_of_every_closed_network_is_refused() {
        let guard = Guard::default();
        let hosts: Vec<&str> = CLOSED.split_whitespace().collect();
        assert!(hosts.len() >= 80, "{}", hosts.len());
        for host in hosts {
            assert!(matches!(check(&guard, host), Err(Refusal::PrivateAddress(_))), "{host}");
        }
    }

    #[test]
    fn public_addresses_pass_up_to_the_border_of_closed_networks() {
        for host in OPEN.split_whitespace() {
            assert_eq!(check(&Guard::default(), host), Ok(PortRule::Usual), "{host}");
        }
    }

    #[test]
    fn the_allow_list_opens_exactly_its_networks_and_all_their_ports() {
        let nets = ["10.1.0.0/16", "fd00:1::/32"].map(|net| net.parse().expect("a network"));
        let guard = Guard { allow: nets.to_vec() };
        for host in ["10.1.2.3", "10.1.2.3:9200", "[::ffff:10.1.2.3]", "[fd00:1::5]:22"] {
            assert!(check(&guard, host).is_ok(), "{host}");
        }
        for host in ["10.2.0.1", "127.0.0.1", "[fd00:2::5]", "169.254.169.254"] {
            assert!(check(&guard, host).is_err(), "{host}");
        }
        assert_eq!(check(&guard, "8.8.8.8:25"), Err(Refusal::Port(25)));
        assert_eq!(check(&guard, "8.8.8.8:8443"), Ok(PortRule::Usual));
    }

    #[test]
    fn schemes_and_user_names_are_refused_before_any_lookup() {
        let check = |url| Guard::default().check_url(&Url::parse(url).expect("a URL"));
        assert_eq!(check("file:///etc/passwd"), Err(Refusal::Scheme("file".to_owned())));
        assert_eq!(check("gopher://example.org/"), Err(Refusal::Scheme("gopher".to_owned())));
        assert_eq!(check("https://user@example.org/"), Err(Refusal::Userinfo));
        assert_eq!(check("https://:pass@example.org/"), Err(Refusal::Userinfo));
        assert_eq!(check("https://example.org:22/"), Ok(PortRule::ListedOnly(22)));
    }
}
