//! Servers that a client can connect to again and again.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use super::Client;
use super::connect::ClientBuilder;
use super::error::ConnectError;
use crate::endpoint::Endpoint;

/// A server to connect to, for what connects more than once: a name or addresses on TCP, which are
/// looked up each time, or a [`UnixPath`].
pub trait Target: Clone + Send + 'static {
    /// Connects with the options of `builder`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], with each address that was tried and what happened there.
    fn connect(&self, builder: &ClientBuilder) -> Result<Client, ConnectError>;
}

impl<T: ToSocketAddrs + Clone + Send + 'static> Target for T {
    fn connect(&self, builder: &ClientBuilder) -> Result<Client, ConnectError> {
        builder.connect(self.clone())
    }
}

/// The path of a UNIX socket, unix(7). On Linux one that begins with `@` is an abstract name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixPath(pub PathBuf);

impl Target for UnixPath {
    fn connect(&self, builder: &ClientBuilder) -> Result<Client, ConnectError> {
        builder.connect_unix(&self.0)
    }
}

/// Returns the address of the other end.
pub(crate) fn peer(
    address: io::Result<SocketAddr>,
    #[cfg_attr(not(unix), expect(unused_variables))] socket: &socket2::SockRef<'_>,
) -> io::Result<Endpoint> {
    #[cfg(unix)]
    if let Some(address) = socket.peer_addr()?.as_unix() {
        return Ok((&address).into());
    }
    address.map(Endpoint::Ip)
}
