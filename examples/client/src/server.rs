//! The server as the command line describes it, and connections to it.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use linecho_examples::address::Address;
use linecho_examples::listen_address::Place;
use linecho_std::{
    Cause, Client, ClientBuilder, ConnectError, Target, UnixPath, look_up, proxy_v1, proxy_v2,
};

use crate::failure::Failure;
use crate::options::{Options, ProxyVersion};

/// A server and how to talk to it.
pub(crate) struct Server {
    pub(crate) place: Place,
    pub(crate) options: Options,
}

/// A server as it is connected to, or its addresses are found.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Tcp(TcpName),
    Unix(UnixPath),
}

/// A name whose addresses are those of the wanted family.
#[derive(Clone, Debug)]
pub(crate) struct TcpName {
    address: Address,
    family: Option<Family>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Server {
    /// Returns what is looked up.
    pub(crate) fn name(&self) -> Name {
        match &self.place {
            Place::Unix(path) => Name::Unix(UnixPath(path.clone())),
            Place::Tcp(address) => Name::Tcp(TcpName {
                address: address.clone(),
                family: match &self.options {
                    options if options.ipv4 => Some(Family::V4),
                    options if options.ipv6 => Some(Family::V6),
                    _ => None,
                },
            }),
        }
    }

    /// Looks the name up within this time.
    pub(crate) fn look_up(
        &self,
        name: TcpName,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let found = look_up(name, limit);
        found.map_err(|error| self.cannot_connect(&error))
    }

    /// Returns a builder with the options.
    pub(crate) fn builder(&self) -> ClientBuilder {
        let options = &self.options;
        let mut builder = Client::builder()
            .timeout(options.timeout)
            .linger(options.linger)
            .keep_alive(options.keep_alive);
        if let Some(limit) = options.connect_timeout {
            builder = builder.connect_timeout(limit);
        }
        if let Some(source) = options.source {
            builder = builder.source((source, 0).into());
        }
        match options.send_proxy {
            Some(ProxyVersion::V1) => builder.preface(proxy_v1),
            Some(ProxyVersion::V2) => builder.preface(proxy_v2),
            None => builder,
        }
    }

    /// Connects.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        let connected = self.name().connect(&self.builder());
        connected.map_err(|error| self.cannot_connect(&error))
    }

    /// Says what to do, if that is known.
    pub(crate) fn cannot_connect(&self, error: &ConnectError) -> Failure {
        let mut text = format!("cannot connect to {}: {error}", self.place);
        if let Some(advice) = self.advice(error) {
            text += &format!("\n{advice}");
        }
        Failure {
            cause: error.cause(),
            text,
        }
    }

    /// Returns what to do about an error, if that is known.
    fn advice(&self, error: &ConnectError) -> Option<String> {
        let source = self.options.source.filter(|source| !is_own(*source));
        match (error.cause(), source) {
            (Cause::Refused, _) => self.advice_when_refused(),
            (Cause::Unreachable, Some(source)) => Some(format!(
                "This machine does not have the address {source} of --source: leave it out, or give \
                 one that the machine has"
            )),
            _ => None,
        }
    }

    /// Returns what to do where nobody listens: on this machine a server can be started.
    pub(crate) fn advice_when_refused(&self) -> Option<String> {
        let is_here = match self.name() {
            Name::Unix(_) => true,
            // Looked up again, which has just worked.
            Name::Tcp(name) => name
                .to_socket_addrs()
                .is_ok_and(|mut addresses| addresses.all(|it| is_own(it.ip()))),
        };
        let address = &self.place;
        is_here.then(|| format!("Start a server there: echo-server --listen {address}"))
    }

    /// The line's end that the options ask for, before its newline.
    pub(crate) fn carriage_return(&self) -> &'static [u8] {
        match self.options.crlf {
            true => b"\r",
            false => b"",
        }
    }
}

/// Only addresses of this machine can be bound to.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

impl Target for Name {
    fn connect(&self, builder: &ClientBuilder) -> Result<Client, ConnectError> {
        match self {
            Self::Tcp(name) => name.connect(builder),
            Self::Unix(path) => path.connect(builder),
        }
    }
}

impl ToSocketAddrs for TcpName {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let mut addresses = self.address.resolve()?;
        if let Some(family) = self.family {
            addresses.retain(|it| it.is_ipv4() == (family == Family::V4));
            if addresses.is_empty() {
                let (family, option) = match family {
                    Family::V4 => ("IPv4", "-4"),
                    Family::V6 => ("IPv6", "-6"),
                };
                let text = format!(
                    "{} has no {family} address; leave out {option}, or give another host",
                    self.address
                );
                return Err(io::Error::other(text));
            }
        }
        Ok(addresses.into_iter())
    }
}
