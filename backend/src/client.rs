//! Who a request comes from, as far as clients share the places of this server: the address of the connection, or, behind a
//! proxy that the operator trusts, the one that the proxy names.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, HeaderName, header, request::Parts},
};

use crate::error::ApiError;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The part of an IPv6 address that one client cannot choose, in bits.
const IPV6_NETWORK_BITS: u8 = 64;

/// One client: an IPv4 address, or an IPv6 network of 64 bits, within which a client takes any address it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(Ipv6Addr::from(masked(address.to_bits(), 128, IPV6_NETWORK_BITS)).into()),
            address => Self(address),
        }
    }
}

impl From<Client> for IpAddr {
    fn from(client: Client) -> Self {
        client.0
    }
}

/// Who sent a request, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose share of the places it uses.
    pub client: Client,
    /// Whether the client came over TLS, to this server or to a trusted proxy.
    pub https: bool,
    /// Whether a trusted proxy passed the request on: its connections are not the client's.
    pub forwarded: bool,
}

impl Caller {
    /// The caller of a request that the accept loop has passed on.
    ///
    /// # Errors
    /// [`ApiError::Internal`] for a request that came by another way.
    pub fn of(extensions: &Extensions) -> Result<Self, ApiError> {
        extensions.get().copied().ok_or_else(|| ApiError::internal("a request without its caller"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.extensions)
    }
}

/// A range of addresses, such as `10.0.0.0/8`; an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// What is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, with the number of its fixed bits behind a slash: 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = |bits: &str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) if digits(bits) => bits.parse().map_err(|_| InvalidNetwork)?,
            Some(_) => return Err(InvalidNetwork),
        };
        if bits > most { Err(InvalidNetwork) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let masked = |ip: std::net::Ipv4Addr| masked(u128::from(ip.to_bits()), 32, self.bits);
                masked(own) == masked(other)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                masked(own.to_bits(), 128, self.bits) == masked(other.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

/// Of an address with so many bits, the first `bits`.
fn masked(address: u128, width: u8, bits: u8) -> u128 {
    let free = u32::from(width - bits);
    address.checked_shr(free).unwrap_or(0).checked_shl(free).unwrap_or(0)
}

/// The proxies whose word about their clients is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<Network>);

/// One hop of a forwarded request, as the proxy after it wrote it down.
struct Hop {
    /// `None` for what is no address, such as `unknown`.
    address: Option<IpAddr>,
    https: bool,
}

impl TrustedProxies {
    /// Whether an address is that of a proxy.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address.to_canonical()))
    }

    /// Who sent a request over a connection from `peer`.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> Caller {
        if !self.trust(peer) {
            return Caller { client: peer.into(), https: false, forwarded: false };
        }
        let (common, standard) = (x_forwarded_for(headers), forwarded(headers));
        let client = match (self.client(&common), self.client(&standard)) {
            // A proxy writes one of the two and passes the other on as the client sent it: where they differ, none is believed.
            (Some(one), Some(other)) if one != other => None,
            (one, other) => one.or(other),
        };
        let proto = last_value(headers, &X_FORWARDED_PROTO).map(|proto| proto.eq_ignore_ascii_case("https"));
        let https = proto.unwrap_or_else(|| standard.last().is_some_and(|hop| hop.https));
        Caller { client: client.unwrap_or(peer).into(), https, forwarded: true }
    }

    /// The right-most hop that is no trusted proxy: what stands left of it, its sender may have made up.
    fn client(&self, hops: &[Hop]) -> Option<IpAddr> {
        let mut client = None;
        for hop in hops.iter().rev() {
            client = Some(hop.address?.to_canonical());
            if client.is_some_and(|address| !self.trust(address)) {
                break;
            }
        }
        client
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
}

fn last_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    values(headers, name).last().map(str::trim)
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Hop> {
    values(headers, &X_FORWARDED_FOR).map(|text| Hop { address: address(text), https: false }).collect()
}

/// RFC 7239. A comma inside quotes does not occur in what a proxy writes; where a client wrote one, its hop is none.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let hop = |element: &str| {
        let mut hop = Hop { address: None, https: false };
        for (name, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop.address = address(value),
                "proto" => hop.https = value.eq_ignore_ascii_case("https"),
                _ => {}
            }
        }
        hop
    };
    values(headers, &header::FORWARDED).map(hop).collect()
}

/// `10.0.0.7`, `10.0.0.7:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let alone = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    alone.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let proxies = TrustedProxies(["10.0.0.0/8", "fd00::7"].map(|text| text.parse().unwrap()).to_vec());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let Caller { client, https, .. } = proxies.caller(peer.parse().unwrap(), &map);
        (client.0.to_string(), https)
    }

    #[test]
    fn a_client_is_its_address_or_its_network_of_64_bits() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff::2"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:0:2::1"));
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_up_to_the_first_hop_that_is_none() {
        let xff = "x-forwarded-for";
        for (peer, headers, client) in [
            ("203.0.113.9", &[(xff, "192.0.2.1")][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "192.0.2.1")], "192.0.2.1"),
            ("::ffff:10.0.0.1", &[(xff, "192.0.2.1")], "192.0.2.1"),
            // What the client sent itself stands left of what the proxy added, in the same line or in one of its own.
            ("10.0.0.1", &[(xff, "198.51.100.1, 192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(xff, "198.51.100.1"), (xff, "192.0.2.1, 10.3.0.1")], "192.0.2.1"),
            ("10.0.0.1", &[(xff, "10.0.0.5")], "10.0.0.5"),
            ("10.0.0.1", &[(xff, "192.0.2.1, unknown")], "10.0.0.1"),
            ("fd00::7", &[("forwarded", "for=\"[2001:db8::1]:4711\";proto=https;by=_x")], "2001:db8::"),
            ("10.0.0.1", &[("forwarded", "for=198.51.100.1, For=192.0.2.1:80")], "192.0.2.1"),
            ("10.0.0.1", &[("forwarded", "for=192.0.2.1"), (xff, "192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[("forwarded", "for=198.51.100.1"), (xff, "192.0.2.1")], "10.0.0.1"),
        ] {
            assert_eq!(caller(peer, headers).0, client, "{peer} {headers:?}");
        }
        assert!(caller("10.0.0.1", &[("x-forwarded-proto", "https")]).1);
        assert!(caller("10.0.0.1", &[("forwarded", "for=192.0.2.1;proto=https")]).1);
        assert!(!caller("10.0.0.1", &[("x-forwarded-proto", "http"), ("forwarded", "proto=https")]).1);
        assert!(!caller("203.0.113.9", &[("x-forwarded-proto", "https")]).1, "no proxy of ours");
    }

    #[test]
    fn networks_are_read_and_contain() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "example.org", "10.0.0.0/8/8"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("0.0.0.0/0", "203.0.113.9") && contains("::/0", "2001:db8::1"));
        assert!(contains("172.16.0.0/12", "172.31.255.255") && !contains("172.16.0.0/12", "172.32.0.1"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe80::1"));
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        assert!(!contains("0.0.0.0/0", "::1"));
    }
}
