//! Addresses, as people write them.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use crate::explained::Explained;

/// An address to listen on, or of a server, as given on a command line.
///
/// | written     | means                                            |
/// |-------------|--------------------------------------------------|
/// | `PORT`      | `localhost`, both families                       |
/// | `:PORT`     | all interfaces, both families                    |
/// | `HOST:PORT` | every address of the host name, or the address   |
/// | `[V6]:PORT` | the IPv6 address                                 |
///
/// Blanks around it and `tcp://` before it are taken, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: Host,
    /// 0 for any free port.
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    All,
    Name(String),
    V6(String),
}

impl Address {
    /// Returns the socket addresses that are meant, at least one.
    ///
    /// # Errors
    ///
    /// When the host name is not known.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let both =
            |v4: Ipv4Addr, v6: Ipv6Addr| vec![(v4, self.port).into(), (v6, self.port).into()];
        let name = match &self.host {
            Host::All => return Ok(both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED)),
            // Always both loopback addresses (RFC 6761, 6.3), whatever a hosts file has.
            Host::Name(name) if name.eq_ignore_ascii_case("localhost") => {
                return Ok(both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST));
            }
            Host::Name(name) | Host::V6(name) => name,
        };
        let mut addresses: Vec<_> = (name.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| {
                let advice = "check its spelling and the network, or give an address";
                let text = format!("cannot find {name}: {error}; {advice}");
                Explained::new(text, error)
            })?
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(io::Error::other(format!("{name} has no address")));
        }
        Ok(addresses)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = match text.split_once("://") {
            None => text,
            Some(("tcp", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some((scheme, rest)) => {
                return Err(format!("this is plain TCP, not {scheme}: write {rest}"));
            }
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Some(v6) = [Some(text), bare]
            .into_iter()
            .flatten()
            .find(|it| is_v6(it))
        {
            let or = match text.rsplit_once(':') {
                Some((host, port)) if is_v6(host) => format!(" or [{host}]:{port}"),
                _ => String::new(),
            };
            return Err(format!(
                "an IPv6 address takes brackets and a port: [{v6}]:PORT{or}"
            ));
        }
        let (host, port) = match text.rsplit_once(':') {
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => ("localhost", text),
            None => {
                return Err(format!(
                    "no port: write {text}:PORT, or PORT alone for localhost"
                ));
            }
            Some(parts) => parts,
        };
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(v6)) if is_v6(v6) => Host::V6(v6.into()),
            Some(_) => return Err(format!("{host} is not an IPv6 address in brackets")),
            None if host.is_empty() => Host::All,
            None if host == "*" => return Err(format!("all interfaces are written as :{port}")),
            None if host.contains(':') => {
                return Err(format!("an IPv6 address takes brackets: [{host}]:{port}"));
            }
            None => Host::Name(host.into()),
        };
        let port = port
            .parse()
            .map_err(|_| format!("{port:?} is not a port, a number from 0 to 65535"))?;
        Ok(Self { host, port })
    }
}

/// Returns `true` for an IPv6 address, maybe with a scope: `fe80::1%eth0`.
fn is_v6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::All => write!(f, ":{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Vec<String> {
        let address: Address = text.parse().unwrap();
        let addresses = address.resolve().unwrap();
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_form_means_what_it_says() {
        assert_eq!(resolved("7"), ["127.0.0.1:7", "[::1]:7"]);
        assert_eq!(resolved("localhost:0"), ["127.0.0.1:0", "[::1]:0"]);
        assert_eq!(resolved(":65535"), ["0.0.0.0:65535", "[::]:65535"]);
        assert_eq!(resolved("192.0.2.7:80"), ["192.0.2.7:80"]);
        assert_eq!(resolved("[2001:db8::1]:80"), ["[2001:db8::1]:80"]);
        assert_eq!(resolved("[fe80::1%1]:80"), ["[fe80::1%1]:80"]);
        assert_eq!(resolved(" tcp://127.0.0.1:80/"), ["127.0.0.1:80"]);
    }

    #[test]
    fn it_is_shown_as_it_can_be_written() {
        for text in [
            "localhost:7",
            ":7",
            "example.org:0",
            "[::1]:7",
            "[fe80::1%eth0]:7",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("", "port"),
            ("host", "write host:PORT"),
            ("host:", "not a port"),
            ("host:65536", "not a port"),
            ("99999", "not a port"),
            ("host:-1", "not a port"),
            ("::1:80", "[::1]:80"),
            ("::1", "[::1]:PORT"),
            ("[::1]", "[::1]:PORT"),
            ("fe80::1%eth0", "[fe80::1%eth0]:PORT"),
            ("http://host:80", "plain TCP"),
            ("*:80", "written as :80"),
            ("[host]:80", "not an IPv6 address"),
            ("[::1:80", "not an IPv6 address"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
