//! The description of a connection for an observer.

use mio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::listener::ListenerInfo;
use crate::peer::Peer;

/// The description of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo<'a> {
    pub(crate) peer: Peer,
    pub(crate) stream: &'a TcpStream,
    pub(crate) listener: &'a ListenerInfo,
}

impl<'a> ConnectionInfo<'a> {
    /// Returns the address of the peer: the one that the PROXY header names, if there is a header
    /// and it names one.
    #[must_use]
    pub fn peer(&self) -> Endpoint {
        self.peer.into()
    }

    /// Returns the address of the relay that sent a PROXY header, on a listener that requires one.
    #[must_use]
    pub fn relay(&self) -> Option<Endpoint> {
        let address = self
            .listener
            .requires_proxy_header()
            .then(|| self.stream.peer_addr());
        Some(match address? {
            Ok(address) => Peer::from(address).into(),
            // A UNIX socket.
            Err(_) => Peer::UNIX.into(),
        })
    }

    /// Returns our own address, which differs from the listener's where that is a wildcard such as
    /// `0.0.0.0`. Asks the kernel, with one system call.
    #[must_use]
    pub fn local(&self) -> Endpoint {
        match self.stream.local_addr() {
            Ok(address) => Peer::from(address).into(),
            // A UNIX socket.
            Err(_) => self.listener.address().clone(),
        }
    }

    /// Returns the listener that accepted the connection.
    #[must_use]
    pub fn listener(&self) -> &'a ListenerInfo {
        self.listener
    }
}
