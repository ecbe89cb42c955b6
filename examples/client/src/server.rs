//! The server as the command line describes it, and connections to it.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};

use linecho_examples::address::Address;
use linecho_std::{Cause, Client, ClientBuilder, ConnectError, proxy_v1, proxy_v2};

use crate::failure::Failure;
use crate::options::{Options, ProxyVersion};

/// A server and how to talk to it.
pub(crate) struct Server {
    pub(crate) address: Address,
    pub(crate) options: Options,
}

/// A name whose addresses are those of the wanted family.
#[derive(Clone, Debug)]
pub(crate) struct Name {
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
        Name {
            address: self.address.clone(),
            family: match &self.options {
                options if options.ipv4 => Some(Family::V4),
                options if options.ipv6 => Some(Family::V6),
                _ => None,
            },
        }
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
        let connected = self.builder().connect(self.name());
        connected.map_err(|error| self.cannot_connect(&error))
    }

    /// Says what to do, if that is known.
    pub(crate) fn cannot_connect(&self, error: &ConnectError) -> Failure {
        let address = &self.address;
        let mut text = format!("cannot connect to {address}: {error}");
        if error.cause() == Cause::Refused && self.is_this_machine(error) {
            text += &format!("\nStart a server there: echo-server --listen {address}");
        }
        Failure {
            cause: error.cause(),
            text,
        }
    }

    /// The line's end that the options ask for, before its newline.
    pub(crate) fn carriage_return(&self) -> &'static [u8] {
        match self.options.crlf {
            true => b"\r",
            false => b"",
        }
    }

    fn is_this_machine(&self, error: &ConnectError) -> bool {
        let ConnectError::Failed(attempts) = error else {
            return false;
        };
        attempts.iter().all(|(address, _)| is_own(address.ip()))
    }
}

/// Only addresses of this machine can be bound to.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

impl ToSocketAddrs for Name {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let mut addresses = self.address.resolve()?;
        if let Some(family) = self.family {
            addresses.retain(|it| it.is_ipv4() == (family == Family::V4));
            if addresses.is_empty() {
                let family = match family {
                    Family::V4 => "IPv4",
                    Family::V6 => "IPv6",
                };
                let text = format!("{} has no {family} address", self.address);
                return Err(io::Error::other(text));
            }
        }
        Ok(addresses.into_iter())
    }
}
