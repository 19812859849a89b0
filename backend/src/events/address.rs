//! Where webhooks may be sent: to public addresses, and to those of the operator's list. A name is looked up once, and the address that
//! was checked is the one that is connected to: nobody gets into the operator's network by a name that changes its mind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

use crate::client::Network;

/// The longest address of a hook, in bytes.
const URL_BYTES: usize = 2048;

/// What is no address of a hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHookUrl {
    /// No URL, or none of a web server.
    #[error("the address of a hook is a URL such as https://chat.example/hooks/T0, of at most {URL_BYTES} bytes")]
    NoUrl,
    /// A user or a password in it.
    #[error("a hook's address has no user or password: what it is signed with is --secret-file")]
    Credentials,
}

/// The address of a hook, and what may be shown of it: scheme, host and port.
///
/// # Errors
/// [`InvalidHookUrl`].
pub fn check_url(text: &str) -> Result<(Url, String), InvalidHookUrl> {
    let url: Url = text.parse().map_err(|_| InvalidHookUrl::NoUrl)?;
    if text.len() > URL_BYTES || !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(InvalidHookUrl::NoUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidHookUrl::Credentials);
    }
    let origin = url.origin().ascii_serialization();
    Ok((url, origin))
}

/// Why nothing is sent to an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It is not one of the public Internet.
    #[error("{0} is no public address; the operator can allow it with --allow-hook-address")]
    NotPublic(IpAddr),
    /// It would be sent in the clear.
    #[error("http is only for addresses that the operator allows with --allow-hook-address: use https")]
    Plain,
    /// The name has no address.
    #[error("the name of the host has no address")]
    Nowhere,
}

/// Those of a host's addresses that may be connected to.
///
/// # Errors
/// [`Forbidden`] where there is none, or one of them is not public: a name that leads to both is not trusted.
pub fn admitted(found: Vec<SocketAddr>, https: bool, allowed: &[Network]) -> Result<Vec<SocketAddr>, Forbidden> {
    let listed = |address: IpAddr| allowed.iter().any(|network| network.contains(address));
    for address in &found {
        let ip = address.ip().to_canonical();
        if !listed(ip) && !is_public(ip) {
            return Err(Forbidden::NotPublic(ip));
        }
        if !listed(ip) && !https {
            return Err(Forbidden::Plain);
        }
    }
    if found.is_empty() { Err(Forbidden::Nowhere) } else { Ok(found) }
}

/// Whether an address is one of the public Internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // This network, shared by carriers, of protocols, for measuring, and all from multicast on.
        || a == 0
        || (a == 100 && b & 0xc0 == 64)
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && b & 0xfe == 18)
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Of all there is 2000::/3 is given out. In it lie documentation, and ways to IPv4 addresses of any kind: Teredo and 6to4.
    a & 0xe000 == 0x2000 && !(a == 0x2001 && (b < 0x200 || b == 0xdb8)) && a != 0x2002 && a != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443)).collect()
    }

    #[test]
    fn only_public_addresses_are_connected_to_and_those_that_the_operator_lists() {
        for public in ["93.184.216.34", "1.1.1.1", "223.255.255.1", "2606:4700::1111", "2001:4860:4860::8888"] {
            assert!(admitted(sockets(&[public]), true, &[]).is_ok(), "{public}");
        }
        let inside = "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1 192.0.0.8 198.18.0.1 224.0.0.1 \
                      255.255.255.255 192.0.2.1 ::1 :: fe80::1 fc00::1 fd00:ec2::254 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 \
                      64:ff9b::a00:1 2002:7f00:1::1 2001::1 2001:db8::1 ::7f00:1 fec0::1";
        for address in inside.split_whitespace() {
            let refused = admitted(sockets(&[address]), true, &[]);
            assert!(matches!(refused, Err(Forbidden::NotPublic(_))), "{address}");
        }
        let both = sockets(&["93.184.216.34", "10.1.2.3"]);
        assert!(admitted(both.clone(), true, &[]).is_err(), "a name that leads to both is not trusted");
        let allowed = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(admitted(both.clone(), true, &allowed), Ok(both.clone()));
        assert_eq!(admitted(both, false, &allowed), Err(Forbidden::Plain), "to the Internet only over TLS");
        assert!(admitted(sockets(&["::ffff:10.0.0.1", "::1"]), false, &allowed).is_ok());
        assert_eq!(admitted(Vec::new(), true, &allowed), Err(Forbidden::Nowhere));
    }

    #[test]
    fn an_address_has_a_host_and_no_password_and_its_path_is_not_shown() {
        let (_, origin) = check_url("https://hooks.chat.example/services/T0/s3cret?x=1").unwrap();
        assert_eq!(origin, "https://hooks.chat.example");
        assert_eq!(check_url("http://[::1]:8080/x").unwrap().1, "http://[::1]:8080");
        assert_eq!(check_url("https://me:pw@chat.example/").map(|_| ()), Err(InvalidHookUrl::Credentials));
        for bad in ["", "chat.example", "ftp://chat.example/x", "file:///etc/passwd", "https://", &"x".repeat(3000)] {
            assert_eq!(check_url(bad).map(|_| ()), Err(InvalidHookUrl::NoUrl), "{bad}");
        }
    }
}
