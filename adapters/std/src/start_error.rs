//! The error of a server that cannot be set up.

use std::error::Error;
use std::fmt;
use std::io;

use crate::endpoint::Endpoint;
use crate::listen::ListenError;

/// The error of [`Builder::listen`](crate::Builder::listen) and
/// [`Builder::on`](crate::Builder::on).
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to listen on: no address and no socket was given.
    NoListener,
    /// The server cannot listen on one of the addresses.
    Listen(ListenError),
    /// A socket was given that does not listen.
    NotListening(Endpoint),
    /// A socket was given that the server cannot use.
    Socket(io::Error),
    /// The event loops of the workers cannot be made, most likely because the process may open no
    /// more file descriptors. Each takes three.
    EventLoop(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("there is no address to listen on"),
            Self::Listen(error) => error.fmt(f),
            Self::NotListening(address) => {
                write!(f, "the socket with the address {address} does not listen")
            }
            Self::Socket(error) => write!(f, "cannot use the listening socket: {error}"),
            Self::EventLoop(error) => write!(f, "cannot make an event loop: {error}"),
        }
    }
}

/// The text has the cause in it, so [`source`](Error::source) does not repeat it.
impl Error for StartError {}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}
