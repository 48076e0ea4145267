//! The addresses at which processes find each other.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::ptr;
use std::time::{Duration, Instant};

use super::launch::Launch;
use crate::error::{Error, Result};

/// How long the name of process 0's host may take to be known there, as that of a new pod of Kubernetes does.
const NAMED: Duration = Duration::from_secs(30);

/// A port of this machine that is free, and stays so for a while: systems give connections none below 32,768.
///
/// # Errors
///
/// If there is none.
pub fn free_port() -> io::Result<u16> {
    let random = || 10_000 + (RandomState::new().hash_one(()) % 20_000) as u16;
    let is_free = |&port: &u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = std::iter::repeat_with(random).take(1000);
    ports.find(is_free).ok_or(io::ErrorKind::AddrInUse.into())
}

/// The variable that names the network interfaces that Gloo takes, separated by commas.
const INTERFACES: &str = "GLOO_SOCKET_IFNAME";

/// The network interfaces that the user names, separated by commas; none by default.
///
/// # Errors
///
/// [`Error::Processes`] if this host does not have one of them.
pub fn named_interfaces() -> Result<String> {
    let named = std::env::var(INTERFACES).unwrap_or_default();
    let here = interfaces();
    let mut names = named.split(',').filter(|name| !name.is_empty());
    if names.all(|name| here.contains(name)) {
        return Ok(named);
    }
    let here = Vec::from_iter(here).join(", ");
    Err(Error::Processes {
        doing: "choosing a network interface",
        cause: format!("{INTERFACES} is {named}, and the interfaces here are {here}"),
    })
}

/// The names of the interfaces of this host that have an address.
fn interfaces() -> BTreeSet<String> {
    let (mut names, mut first) = (BTreeSet::new(), ptr::null_mut());
    // SAFETY: the list is written if the call succeeds, each entry has a name and leads to the next, and it is freed
    // once.
    unsafe {
        if libc::getifaddrs(&raw mut first) != 0 {
            return names;
        }
        let mut next = first;
        while let Some(interface) = next.as_ref() {
            let family = interface
                .ifa_addr
                .as_ref()
                .map(|address| i32::from(address.sa_family));
            if matches!(family, Some(libc::AF_INET | libc::AF_INET6)) {
                let name = CStr::from_ptr(interface.ifa_name);
                names.insert(name.to_string_lossy().into_owned());
            }
            next = interface.ifa_next;
        }
        libc::freeifaddrs(first);
    }
    names
}

impl Launch {
    /// The addresses of the meeting place.
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let (mut found, mut fault) = (Vec::new(), io::Error::other("it has no address"));
        for host in &self.hosts {
            match (host.as_str(), self.port).to_socket_addrs() {
                Ok(addresses) => found.extend(addresses),
                Err(cause) => fault = cause,
            }
        }
        if found.is_empty() {
            Err(fault)
        } else {
            Ok(found)
        }
    }

    /// Opens the socket at which this process serves the others, on the one interface that they reach:
    /// that of the meeting place's address or, if this host has none of its addresses, as with a
    /// forwarded one, that of the route there. A new host may have its name a little later.
    pub(super) fn listen(&self, timeout: Duration) -> io::Result<TcpListener> {
        let timeout = timeout.min(NAMED);
        let addresses = repeat(timeout, || self.addresses())?;
        for at in &addresses {
            match TcpListener::bind(at) {
                // Who listens there would be met.
                Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => return Err(cause),
                // Of another host, or of a kind that this one does not have.
                Err(_) => {}
                listener => return listener,
            }
        }
        let own = addresses.iter().find_map(|&to| route(to));
        let own = own.ok_or(io::ErrorKind::AddrNotAvailable)?;
        TcpListener::bind((own, self.port))
    }

    /// Waits until the meeting place has an address and somebody listens there, which is returned.
    pub(super) fn await_server(&self, timeout: Duration) -> io::Result<SocketAddr> {
        repeat(timeout, || {
            let mut fault = io::Error::other("it has no address");
            for to in self.addresses()? {
                match TcpStream::connect_timeout(&to, Duration::from_secs(2)) {
                    Ok(_) => return Ok(to),
                    Err(cause) => fault = cause,
                }
            }
            Err(fault)
        })
    }
}

/// A socket of this process at an address of this host, which the system closes when the process ends, however it
/// does.
pub(super) fn sign_of_life(address: IpAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Whether the process with a [`sign_of_life`] has ended. Its system answers for one that is busy or has stopped.
pub(super) fn has_ended(sign_of_life: SocketAddr) -> bool {
    let answer = TcpStream::connect_timeout(&sign_of_life, Duration::from_millis(200));
    answer.is_err_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
}

/// Tries again until it succeeds; the last fault after a time. Those that start together meet at once, and who
/// comes much later is asked for at times.
fn repeat<T>(timeout: Duration, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    let [shortest, longest] = [5, 100].map(Duration::from_millis);
    loop {
        match (attempt(), start.elapsed()) {
            (Err(_), waited) if waited < timeout => {
                std::thread::sleep((waited / 10).clamp(shortest, longest));
            }
            (ended, _) => return ended,
        }
    }
}

/// The address of this host on the route to another one. Nothing is sent.
pub(super) fn route(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
