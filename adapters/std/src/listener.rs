//! A listening socket that is given to a server, and its description.

use std::fmt;
use std::io;
use std::net::TcpListener;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::endpoint::Endpoint;
use crate::peer::Peer;
use crate::start_error::StartError;

/// A socket that listens, and what a server does with its connections.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use linecho_std::{Listener, Server, listen};
///
/// let socket = listen("127.0.0.1:0".parse()?)?;
/// let server = Server::builder().on([Listener::from(socket).name("local")])?;
/// assert_eq!(server.listeners()[0].name(), "local");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Listener {
    socket: Socket,
    name: Option<String>,
    proxy_header: bool,
    shared: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Names the listener, for logs and metrics. By default its name is its address.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Requires each connection to begin with a header of the PROXY protocol, version 1 or 2, which
    /// names the peer and is not echoed. A connection without a valid header is reset; the relay
    /// has 5 s and 4096 bytes for it.
    ///
    /// Only relays may reach such a listener: anybody else could claim to be somebody else.
    pub fn require_proxy_header(mut self) -> Self {
        self.proxy_header = true;
        self
    }

    /// Leaves the connections that wait at the time of a shutdown to another process that has the
    /// socket, too, as systemd does: the next server that it starts accepts them.
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Makes a listener of a descriptor that another process left or sent, of a TCP or a UNIX
    /// socket.
    ///
    /// # Errors
    ///
    /// When it is no stream socket of these families.
    #[cfg(unix)]
    pub fn from_fd(descriptor: OwnedFd) -> io::Result<Self> {
        let socket = SockRef::from(&descriptor);
        if socket.r#type()? != socket2::Type::STREAM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let address = socket.local_addr()?;
        match address.is_unix() {
            true => Ok(UnixListener::from(descriptor).into()),
            false if address.as_socket().is_some() => Ok(TcpListener::from(descriptor).into()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    ///
    /// When the kernel returns one.
    pub fn address(&self) -> io::Result<Endpoint> {
        self.socket.address()
    }

    #[cfg(unix)]
    pub(crate) fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    #[cfg(unix)]
    pub(crate) fn proxy_header(&self) -> bool {
        self.proxy_header
    }

    /// Makes the socket ready for an event loop.
    pub(crate) fn open(self) -> Result<(AcceptSocket, ListenerInfo), StartError> {
        let address = self.socket.address().map_err(StartError::Socket)?;
        if !self.socket.listens().map_err(StartError::Socket)? {
            return Err(StartError::NotListening(address));
        }
        let socket = self.socket.into_accepting().map_err(StartError::Socket)?;
        let name = self.name.unwrap_or_else(|| address.to_string());
        let info = ListenerInfo {
            name,
            address,
            proxy_header: self.proxy_header,
            shared: self.shared,
        };
        Ok((socket, info))
    }
}

impl Socket {
    fn address(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(Endpoint::Ip),
            #[cfg(unix)]
            Self::Unix(socket) => socket.local_addr().map(|address| (&address).into()),
        }
    }

    /// Returns `false` if the socket is known not to listen. macOS and Windows give no answer.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    fn listens(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket).is_listener(),
            Self::Unix(socket) => SockRef::from(socket).is_listener(),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    fn listens(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn into_accepting(self) -> io::Result<AcceptSocket> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Ok(AcceptSocket::Tcp(mio::net::TcpListener::from_std(socket)))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Ok(AcceptSocket::Unix(mio::net::UnixListener::from_std(socket)))
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self {
            socket: Socket::Tcp(socket),
            name: None,
            proxy_header: false,
            shared: false,
        }
    }
}

#[cfg(unix)]
impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        match listener.socket {
            Socket::Tcp(socket) => socket.into(),
            Socket::Unix(socket) => socket.into(),
        }
    }
}

#[cfg(unix)]
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(socket: UnixListener) -> Self {
        Self {
            socket: Socket::Unix(socket),
            name: None,
            proxy_header: false,
            shared: false,
        }
    }
}

/// The description of a listener of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    name: String,
    address: Endpoint,
    proxy_header: bool,
    shared: bool,
}

impl ListenerInfo {
    /// Describes another descriptor of the same socket.
    #[cfg(unix)]
    pub(crate) fn of_duplicate(&self, descriptor: OwnedFd) -> io::Result<Listener> {
        let mut listener = Listener::from_fd(descriptor)?;
        listener.proxy_header = self.proxy_header;
        listener.shared = self.shared;
        listener.name = (self.name != self.address.to_string()).then(|| self.name.clone());
        Ok(listener)
    }

    /// Returns the name that it was given, or its address.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address that it listens on, with its real port.
    #[must_use]
    pub fn address(&self) -> &Endpoint {
        &self.address
    }

    /// Returns `true` if each connection has to begin with a PROXY header.
    #[must_use]
    pub fn requires_proxy_header(&self) -> bool {
        self.proxy_header
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }
}

/// As in `127.0.0.1:80` or `127.0.0.1:80 (web)`.
impl fmt::Display for ListenerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, .. } = self;
        let text = address.to_string();
        match *name == text {
            true => f.write_str(&text),
            false => write!(f, "{text} ({name})"),
        }
    }
}

/// A listening socket in an event loop.
#[derive(Debug)]
pub(crate) enum AcceptSocket {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener),
}

impl AcceptSocket {
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Self::Tcp(socket) => socket,
            #[cfg(unix)]
            Self::Unix(socket) => socket,
        };
        registry.register(source, token, Interest::READABLE)
    }

    #[cfg(unix)]
    pub(crate) fn deregister(&self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut SourceFd(&self.as_fd().as_raw_fd()))
    }

    /// Accepts a connection. One of a UNIX socket comes as a `TcpStream`, too, which is a
    /// descriptor whose `read`, `write` and `shutdown` are those of any stream socket: an enum
    /// would make each idle connection larger.
    pub(crate) fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        match self {
            Self::Tcp(socket) => socket.accept().map(|(stream, peer)| (stream, peer.into())),
            #[cfg(unix)]
            Self::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                let descriptor = OwnedFd::from(stream);
                Ok((TcpStream::from(descriptor), Peer::UNIX))
            }
        }
    }

    #[cfg(unix)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }

    /// Returns another descriptor of the socket.
    #[cfg(unix)]
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    pub(crate) fn as_sock_ref(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(socket) => SockRef::from(socket),
            #[cfg(unix)]
            Self::Unix(socket) => SockRef::from(socket),
        }
    }
}

#[cfg(unix)]
impl From<&std::os::unix::net::SocketAddr> for Endpoint {
    fn from(address: &std::os::unix::net::SocketAddr) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(address) {
            let name = format!("@{}", String::from_utf8_lossy(name));
            return Self::Unix(Some(name.into()));
        }
        Self::Unix(address.as_pathname().map(Into::into))
    }
}
