//! Listening sockets.

use std::error::Error;
#[cfg(unix)]
use std::ffi::OsStr;
use std::fmt;
#[cfg(unix)]
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
#[cfg(unix)]
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

#[cfg(unix)]
use socket2::SockAddr;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::endpoint::Endpoint;

/// The most connections that wait to be accepted; the kernel may keep fewer (`net.core.somaxconn`
/// on Linux). With std's 128, clients of a burst wait for a second.
pub(crate) const BACKLOG: i32 = 4096;

/// Returns a socket that listens on `address` alone: an IPv6 address takes no IPv4 connections,
/// whatever the system's default is, so that a server can listen on both.
///
/// # Errors
///
/// [`ListenError`], most often because another process listens there already.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listen = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // Where an option is refused, binding tells whether it was needed.
        if address.is_ipv6() {
            let _ = socket.set_only_v6(true);
        }
        // On Unix: listen although connections of a server before this one linger in TIME-WAIT. On
        // Windows it would mean to share the port with another process.
        #[cfg(unix)]
        let _ = socket.set_reuse_address(true);
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|error| ListenError {
        address: address.into(),
        error,
    })
}

/// Returns a UNIX socket that listens at `path`, which begins with `@` for an abstract name on
/// Linux. It takes the place of a socket that a process left behind there. `mode` is that of the
/// file, for example `0o660`, so that its owner and group may connect; without one the umask
/// decides.
///
/// # Errors
///
/// [`ListenError`], for example because another process listens there already.
#[cfg(unix)]
pub fn listen_unix(path: &Path, mode: Option<u32>) -> Result<UnixListener, ListenError> {
    let listen = || {
        let address = unix_address(path)?;
        let is_abstract = is_abstract(path);
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path, &address) => {
                fs::remove_file(path)?;
                socket.bind(&address)?;
            }
            result => result?,
        }
        // Nobody can connect before it listens.
        if let Some(mode) = mode.filter(|_| !is_abstract) {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|error| ListenError {
        address: Endpoint::Unix(Some(path.into())),
        error,
    })
}

/// Returns the address of a UNIX socket.
#[cfg(unix)]
pub(crate) fn unix_address(path: &Path) -> io::Result<SockAddr> {
    match is_abstract(path) {
        true => {
            let name = &path.as_os_str().as_bytes()[1..];
            SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
        }
        false => SockAddr::unix(path),
    }
}

#[cfg(unix)]
fn is_abstract(path: &Path) -> bool {
    cfg!(target_os = "linux") && path.as_os_str().as_bytes().starts_with(b"@")
}

/// Returns `true` for a socket that nobody listens on any more.
#[cfg(unix)]
fn is_stale(path: &Path, address: &SockAddr) -> bool {
    let is_socket = |file: fs::Metadata| file.file_type().is_socket();
    let refuses = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.connect(address)
    };
    fs::symlink_metadata(path).is_ok_and(is_socket)
        && refuses().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The error of [`listen`] and of `listen_unix`: an address, and the system's reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListenError {
    /// The address.
    pub address: Endpoint,
    /// The system's error.
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.error)
    }
}

/// The text has the cause in it, so [`source`](Error::source) does not repeat it.
impl Error for ListenError {}

/// Sets on a socket the options that every connection wants:
/// - `TCP_NODELAY`: a line goes back at once;
/// - keep-alive: a connection to a peer that vanished does not stay open for ever;
/// - `SO_OOBINLINE`: urgent data are bytes like any other, which would be missing in the echo.
///
/// An echo is right without them, so a socket that refuses one is served all the same. MPTCP
/// sockets refuse `SO_OOBINLINE`.
pub(crate) fn set_options(socket: &SockRef<'_>, keep_alive: Option<Duration>) {
    let _ = socket.set_tcp_nodelay(true);
    let _ = match keep_alive {
        Some(silence) => socket.set_tcp_keepalive(&probes(silence)),
        None => socket.set_keepalive(false),
    };
    let _ = socket.set_out_of_band_inline(true);
}

/// The most probes that get no answer.
const PROBES: u32 = 6;

/// Returns the keep-alive probes that begin after this silence, and give a peer up after as long
/// again.
fn probes(silence: Duration) -> TcpKeepalive {
    let probes = TcpKeepalive::new()
        .with_time(whole_seconds(silence))
        .with_interval(whole_seconds(silence / PROBES));
    #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
    let probes = probes.with_retries(PROBES);
    probes
}

/// Returns what Linux takes for a time of keep-alive probes (tcp(7)): whole seconds, from 1 to
/// 32,767. It refuses more, and drops a part of one.
pub(crate) fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().clamp(1, 32_767))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// On these systems the server does not set them again.
    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_connection_gets_the_options_of_its_listener() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        set_options(&SockRef::from(&listener), Some(Duration::from_secs(60)));
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(
            accepted.tcp_keepalive_time().unwrap(),
            Duration::from_secs(60)
        );
        assert!(accepted.out_of_band_inline().unwrap());
    }

    #[test]
    fn an_ipv6_address_leaves_ipv4_alone() {
        // A machine without IPv6 has nothing to leave alone.
        let Ok(v6) = listen("[::]:0".parse().unwrap()) else {
            return;
        };
        let port = v6.local_addr().unwrap().port();
        assert!(SockRef::from(&v6).only_v6().unwrap());
        // Somebody else may have taken the port in the meantime.
        if let Err(error) = listen(([127, 0, 0, 1], port).into()) {
            assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
            assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
    }
}
