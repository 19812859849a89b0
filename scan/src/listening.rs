//! Where an application that does not answer listens instead: every port of its host is knocked at. It is asked only when nothing
//! else is left to be told, and costs a few seconds on a network of two.

use std::{
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Who knock at the same time.
const KNOCKERS: usize = 32;
/// How long one port may take: on a network of two, one that is closed says so at once.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long all of it may take.
const ALL: Duration = Duration::from_secs(15);
/// How many ports are named.
const NAMED_MAX: usize = 5;

/// A sentence about the ports of the host of a URL such as `http://app:8080`; nothing where the host has no address, or where the
/// port of the URL is one of those that are open.
pub(crate) fn told(url: &str) -> Option<String> {
    let address = url.split_once("://")?.1.split('/').next()?;
    let expected: u16 = address.rsplit_once(':')?.1.parse().ok()?;
    let host = address.to_socket_addrs().ok()?.next()?.ip();
    said(expected, &open_ports(host, 1..=u16::MAX))
}

fn said(expected: u16, open: &[u16]) -> Option<String> {
    if open.contains(&expected) {
        return None;
    }
    let named: Vec<String> = open.iter().take(NAMED_MAX).map(u16::to_string).collect();
    Some(match named.as_slice() {
        [] => format!(
            "it listens on no port that others can reach; {expected} at the address 0.0.0.0 is asked for (PORT says so)"
        ),
        [port] => format!("it listens on port {port}, and {expected} is asked for (PORT says so)"),
        ports => format!("it listens on the ports {}, and {expected} is asked for (PORT says so)", ports.join(", ")),
    })
}

fn open_ports(host: IpAddr, ports: std::ops::RangeInclusive<u16>) -> Vec<u16> {
    let (next, last) = (AtomicU32::new(u32::from(*ports.start())), u32::from(*ports.end()));
    let (open, deadline) = (Mutex::new(Vec::new()), Instant::now() + ALL);
    let knock = || {
        loop {
            let port = next.fetch_add(1, Ordering::Relaxed);
            let Some(port) = u16::try_from(port).ok().filter(|port| u32::from(*port) <= last) else { return };
            if Instant::now() >= deadline {
                return;
            }
            if TcpStream::connect_timeout(&SocketAddr::new(host, port), PATIENCE).is_ok() {
                open.lock().unwrap_or_else(PoisonError::into_inner).push(port);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..KNOCKERS {
            scope.spawn(knock);
        }
    });
    let mut open = open.into_inner().unwrap_or_else(PoisonError::into_inner);
    open.sort_unstable();
    open
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_that_is_open_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let around = address.port().saturating_sub(3)..=address.port();
        assert!(open_ports(address.ip(), around).contains(&address.port()));
    }

    #[test]
    fn what_is_open_is_told_unless_it_is_what_was_asked_for() {
        assert_eq!(said(8080, &[8080, 9090]), None);
        assert_eq!(said(8080, &[9090]).unwrap(), "it listens on port 9090, and 8080 is asked for (PORT says so)");
        assert!(said(8080, &[1, 2]).unwrap().starts_with("it listens on the ports 1, 2, and 8080"));
        assert!(said(8080, &[]).unwrap().starts_with("it listens on no port that others can reach; 8080"));
        assert_eq!((told("nothing"), told("http://no-such-host.invalid:80")), (None, None));
    }
}
