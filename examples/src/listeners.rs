//! Listening sockets for the addresses on a command line.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
#[cfg(unix)]
use std::path::Path;

use linecho_std::{Endpoint, ListenError, Listener};

use crate::address::Address;
use crate::explained::Explained;
use crate::listen_address::{ListenAddress, Place};

/// The sockets that listen on an address, and what could not be.
#[derive(Debug)]
pub struct Listeners {
    /// At least one.
    pub sockets: Vec<Listener>,
    /// The addresses that this machine does not have, for example of IPv6 where that is turned off.
    pub missing: Vec<ListenError>,
}

/// The number of attempts to find a port that is free in each family.
const PORT_TRIES: usize = 16;

/// Listens on every socket address that `address` means, or on the UNIX socket, whose file gets
/// this mode. The address is of `option`, which errors name. Sockets that listen there already are
/// taken out of `inherited`; an IPv6 socket may take IPv4 connections, too. Socket addresses that
/// this machine does not have may be missing as long as there is another.
///
/// With port 0, all get the same port where that is possible, and an inherited socket may have any.
///
/// # Errors
///
/// When the host is not found, or there is no socket in the end, or one of the addresses is taken
/// or not permitted: the text says what to do about it.
pub fn listen(
    address: &ListenAddress,
    option: &'static str,
    unix_mode: Option<u32>,
    inherited: &mut Vec<Listener>,
) -> io::Result<Listeners> {
    let mut found = match &address.place {
        Place::Tcp(address) => listen_tcp(address, option, inherited)?,
        #[cfg(unix)]
        Place::Unix(path) => listen_unix(path, option, unix_mode, inherited)?,
        #[cfg(not(unix))]
        Place::Unix(_) => {
            let _ = (option, unix_mode);
            return Err(io::Error::other("this system has no UNIX sockets"));
        }
    };
    if let Some(name) = &address.name {
        let named = found.sockets.into_iter().map(|it| it.name(name));
        found.sockets = named.collect();
    }
    Ok(found)
}

#[cfg(unix)]
fn listen_unix(
    path: &Path,
    option: &str,
    mode: Option<u32>,
    inherited: &mut Vec<Listener>,
) -> io::Result<Listeners> {
    let is_there =
        |it: &Listener| it.address().ok() == Some(Endpoint::Unix(Some(path.to_path_buf())));
    if let Some(index) = inherited.iter().position(is_there) {
        return Ok(Listeners {
            sockets: vec![inherited.remove(index)],
            missing: Vec::new(),
        });
    }
    let socket = linecho_std::listen_unix(path, mode).map_err(|error| {
        let advice = match error.error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "; another process listens there, or the file is no socket: end it, or choose another \
                 path with {option}"
            ),
            io::ErrorKind::NotFound => "; its directory must exist".into(),
            _ => String::new(),
        };
        Explained::new(format!("{error}{advice}"), error.error)
    })?;
    Ok(Listeners {
        sockets: vec![socket.into()],
        missing: Vec::new(),
    })
}

fn listen_tcp(
    address: &Address,
    option: &str,
    inherited: &mut Vec<Listener>,
) -> io::Result<Listeners> {
    let mut sockets: Vec<Listener> = Vec::new();
    let mut absent = Vec::new();
    for wanted in address.resolve()? {
        if let Some(index) = inherited.iter().position(|it| serves(it, wanted)) {
            sockets.push(inherited.remove(index));
        } else if !sockets.iter().any(|it| serves(it, wanted)) {
            absent.push(wanted);
        }
    }
    if sockets.is_empty() {
        return listen_anew(&absent).map_err(|error| explained(error, option));
    }
    let first = sockets[0].address()?;
    let mut missing = Vec::new();
    for mut wanted in absent {
        wanted.set_port(first.socket_addr().map_or(wanted.port(), |it| it.port()));
        match linecho_std::listen(wanted) {
            Ok(socket) => sockets.push(socket.into()),
            Err(error) if is_of_the_address(&error.error) => missing.push(error),
            Err(error) => return Err(explained(error, option)),
        }
    }
    Ok(Listeners { sockets, missing })
}

/// Returns `true` if the socket takes connections to this address. A port 0 means any.
fn serves(socket: &Listener, wanted: SocketAddr) -> bool {
    let address = socket.address().ok();
    let Some(own) = address.as_ref().and_then(Endpoint::socket_addr) else {
        return false;
    };
    let takes_both = || {
        wanted.ip() == Ipv4Addr::UNSPECIFIED
            && own.ip() == Ipv6Addr::UNSPECIFIED
            && is_for_both_families(socket)
    };
    [0, own.port()].contains(&wanted.port()) && (own.ip() == wanted.ip() || takes_both())
}

#[cfg(unix)]
fn is_for_both_families(socket: &Listener) -> bool {
    rustix::net::sockopt::ipv6_v6only(socket).is_ok_and(|only_v6| !only_v6)
}

#[cfg(not(unix))]
fn is_for_both_families(_: &Listener) -> bool {
    false
}

fn listen_anew(addresses: &[SocketAddr]) -> Result<Listeners, ListenError> {
    for _ in 1..PORT_TRIES {
        let is_any_port = addresses.iter().all(|it| it.port() == 0);
        match listen_on(addresses, true) {
            Err(error) if is_any_port && error.error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    listen_on(addresses, false)
}

fn listen_on(addresses: &[SocketAddr], same_port: bool) -> Result<Listeners, ListenError> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut missing = Vec::new();
    for &(mut address) in addresses {
        if let (0, true, Some(first)) = (address.port(), same_port, sockets.first()) {
            let port = first.local_addr().map(|first| first.port());
            address.set_port(port.unwrap_or(0));
        }
        match linecho_std::listen(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if is_of_the_address(&error.error) => missing.push(error),
            Err(error) => return Err(error),
        }
    }
    match missing.pop() {
        Some(error) if sockets.is_empty() => Err(error),
        last => {
            missing.extend(last);
            Ok(Listeners {
                sockets: sockets.into_iter().map(Into::into).collect(),
                missing,
            })
        }
    }
}

/// Returns `true` if the machine lacks the address or its whole family, rather than it being taken.
fn is_of_the_address(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrInUse, PermissionDenied};
    !matches!(error.kind(), AddrInUse | PermissionDenied)
}

/// Adds advice to an error about an address of this option.
fn explained(error: ListenError, option: &str) -> io::Error {
    let port = error.address.socket_addr().map_or(0, |it| it.port());
    let advice = advice(error.error.kind(), port, option);
    Explained::new(format!("{error}{advice}"), error.error).into()
}

fn advice(kind: io::ErrorKind, port: u16, option: &str) -> String {
    match kind {
        io::ErrorKind::AddrInUse => {
            let who = match cfg!(target_os = "linux") {
                true => format!("ss -ltnp 'sport = :{port}'"),
                false => format!("lsof -nP -iTCP:{port} -sTCP:LISTEN"),
            };
            format!(
                "; `{who}` shows who listens there: end it, or choose another port with {option}. \
                 If nobody does, the address was given twice"
            )
        }
        io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
            format!(
                "; ports below 1024 take special rights. Choose a higher one with {option}, or allow \
                 this one: have systemd open it (dist/linecho.socket), or `sudo setcap \
                 cap_net_bind_service=+ep` the program, or `sudo sysctl \
                 net.ipv4.ip_unprivileged_port_start={port}`"
            )
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "; this machine does not have that address: {option} :PORT listens on all that it has"
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_port_0_both_families_get_the_same_port() {
        let port = |socket: &Listener| {
            let address = socket.address().unwrap();
            address.socket_addr().unwrap().port()
        };
        let listeners = listen(
            &"localhost:0".parse().unwrap(),
            "--listen",
            None,
            &mut Vec::new(),
        )
        .unwrap();
        let ports: Vec<_> = listeners.sockets.iter().map(port).collect();
        assert_ne!(ports[0], 0);
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        assert_eq!(ports.len() + listeners.missing.len(), 2);
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_missing_beside_one_that_it_has() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        let addresses = [
            "192.0.2.1:0".parse().unwrap(),
            "127.0.0.1:0".parse().unwrap(),
        ];
        let listeners = listen_on(&addresses, true).unwrap();
        assert_eq!(listeners.sockets.len(), 1);
        assert_eq!(listeners.missing[0].address, addresses[0].into());
        let error = listen_on(&addresses[..1], true).unwrap_err();
        assert!(
            explained(error, "--listen")
                .to_string()
                .contains("192.0.2.1:0")
        );
    }

    fn addresses(sockets: &[Listener]) -> Vec<String> {
        let address = |it: &Listener| it.address().unwrap().to_string();
        sockets.iter().map(address).collect()
    }

    #[test]
    fn what_listens_already_is_taken() {
        let inherited = || -> Listener { TcpListener::bind("127.0.0.1:0").unwrap().into() };
        let mut there = vec![inherited(), inherited()];
        let before = addresses(&there);
        let second = listen(&before[1].parse().unwrap(), "--listen", None, &mut there).unwrap();
        assert_eq!(addresses(&second.sockets), before[1..]);
        assert_eq!(addresses(&there), before[..1]);
        // Any port, also the one that is there.
        let any = "127.0.0.1:0".parse().unwrap();
        let first = listen(&any, "--listen", None, &mut there).unwrap();
        assert_eq!(addresses(&first.sockets), before[..1]);
        let new = listen(&any, "--listen", None, &mut there).unwrap();
        assert!(!before.contains(&addresses(&new.sockets)[0]));
    }

    #[test]
    fn a_part_that_listens_already_is_completed() {
        let mut there = vec![TcpListener::bind("127.0.0.1:0").unwrap().into()];
        let before = addresses(&there);
        let (_, port) = before[0].rsplit_once(':').unwrap();
        let localhost = listen(&port.parse().unwrap(), "--listen", None, &mut there).unwrap();
        let mut expected = before.clone();
        // Unless the machine has no IPv6.
        let missing = localhost.missing.iter().map(|it| it.address.to_string());
        let found = addresses(&localhost.sockets).into_iter().chain(missing);
        expected.push(format!("[::1]:{port}"));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    /// As systemd opens one for `ListenStream=PORT`.
    #[test]
    #[cfg(unix)]
    fn a_socket_of_both_families_listens_on_all_interfaces() {
        // A machine without IPv6 has none.
        let Ok(both) = TcpListener::bind("[::]:0") else {
            return;
        };
        let port = both.local_addr().unwrap().port();
        let mut there = vec![both.into()];
        let all = listen(
            &format!(":{port}").parse().unwrap(),
            "--listen",
            None,
            &mut there,
        )
        .unwrap();
        assert_eq!(addresses(&all.sockets), [format!("[::]:{port}")]);
        assert!(all.missing.is_empty() && there.is_empty());
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let address = address.to_string();
        let place = address.parse().unwrap();
        for option in ["--listen", "--proxy-listen", "--admin"] {
            let error = listen(&place, option, None, &mut Vec::new()).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            let choose = format!("choose another port with {option}.");
            assert!(text.contains(&address) && text.contains(&choose), "{text}");
        }
    }

    #[test]
    fn a_privileged_port_names_the_ways_out() {
        let text = advice(io::ErrorKind::PermissionDenied, 7, "--proxy-listen");
        for way in [
            "setcap",
            "ip_unprivileged_port_start=7",
            "systemd",
            "with --proxy-listen,",
        ] {
            assert!(text.contains(way), "{text}");
        }
        assert_eq!(
            advice(io::ErrorKind::PermissionDenied, 7000, "--listen"),
            ""
        );
    }
}
