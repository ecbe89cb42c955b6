//! The identity of a server, as its greeting tells it.

use std::fmt;

use crate::connection_info::ConnectionInfo;
use crate::proxy_header::ProxyHeader;

/// The first key of every greeting, which makes it known.
#[cfg(feature = "client")]
pub(crate) const BEGIN: &[u8] = b"{\"linecho\":";
/// The form of the greeting. A later one that breaks readers has another number.
const FORM: u8 = 1;
/// The longest greeting, its newline included.
#[cfg(any(feature = "client", test))]
pub(crate) const MOST_BYTES: usize = 4096;
/// The longest name, so that a greeting is never longer than that: each byte may take six in JSON.
const LONGEST_NAME: usize = 255;

/// The identity of a server, and its view of one connection: a server that was built with
/// [`identify`](crate::Builder::identify) sends it before the first echo, in one line of JSON.
///
/// ```
/// use linecho_std::Identity;
///
/// let line = br#"{"linecho":1, "name":"pod-1", "version":"0.1.0",
///     "peer":"192.0.2.1:40000", "local":"192.0.2.7:7"}"#;
/// let identity = Identity::parse(line).expect("a greeting");
/// assert_eq!(identity.backend.to_string(), "pod-1 (192.0.2.7:7)");
/// assert_eq!(Identity::parse(b"hello"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The server.
    pub backend: Backend,
    /// The address of the peer as the server sees it: the one that a PROXY header names, if it
    /// names one; else the other end of the server's connection.
    pub peer: String,
    /// The contents of the PROXY header, on a listener that requires one.
    pub proxy: Option<ProxyIdentity>,
}

/// A server that has answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its own address on the connection.
    pub address: String,
}

/// A PROXY header as a server has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyIdentity {
    /// The version of the protocol, 1 or 2.
    pub version: u8,
    /// The address of the relay that sent it.
    pub relay: String,
    /// The address that the header names as the client's, if it names one.
    pub source: Option<String>,
    /// The address that the header names as the one that the client connected to.
    pub destination: Option<String>,
}

impl Identity {
    /// Parses a greeting, with or without its newline: one JSON object whose first key is
    /// `linecho`. Returns `None` if it is none.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        use serde_json::Value;
        if !line.starts_with(BEGIN) {
            return None;
        }
        let value: Value = serde_json::from_slice(line).ok()?;
        let text = |of: &Value, key: &str| of.get(key)?.as_str().map(str::to_owned);
        let proxy = match value.get("proxy") {
            None => None,
            Some(proxy) => Some(ProxyIdentity {
                version: proxy.get("version")?.as_u64()?.try_into().ok()?,
                relay: text(proxy, "relay")?,
                source: text(proxy, "source"),
                destination: text(proxy, "destination"),
            }),
        };
        Some(Self {
            backend: Backend {
                name: text(&value, "name")?,
                version: text(&value, "version")?,
                address: text(&value, "local")?,
            },
            peer: text(&value, "peer")?,
            proxy,
        })
    }

    /// Describes a server of this version of linecho, for servers of other kinds that greet as
    /// [`Server`](crate::Server) does. `local` is the server's own address.
    #[must_use]
    pub fn new(name: &str, peer: impl fmt::Display, local: impl fmt::Display) -> Self {
        let name = match name.char_indices().nth(LONGEST_NAME) {
            Some((end, _)) => &name[..end],
            None => name,
        };
        Self {
            backend: Backend {
                name: name.into(),
                version: env!("CARGO_PKG_VERSION").into(),
                address: local.to_string(),
            },
            peer: peer.to_string(),
            proxy: None,
        }
    }

    /// Describes a connection of a server of this name.
    pub(crate) fn of(
        name: &str,
        connection: &ConnectionInfo<'_>,
        header: Option<&ProxyHeader>,
    ) -> Self {
        let mut identity = Self::new(name, connection.peer(), connection.local());
        identity.proxy = header.zip(connection.relay()).map(|(header, relay)| {
            let text = |address: std::net::SocketAddr| address.to_string();
            ProxyIdentity {
                version: header.version,
                relay: relay.to_string(),
                source: header.source.map(text),
                destination: header.destination.map(text),
            }
        });
        identity
    }

    /// Returns the greeting: one line of JSON with its newline, at most 4096 bytes.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let proxy = self.proxy.as_ref().map_or_else(String::new, |proxy| {
            let or_null = |text: &Option<String>| match text {
                Some(text) => json(text),
                None => "null".into(),
            };
            format!(
                ",\"proxy\":{{\"version\":{},\"relay\":{},\"source\":{},\"destination\":{}}}",
                proxy.version,
                json(&proxy.relay),
                or_null(&proxy.source),
                or_null(&proxy.destination),
            )
        });
        format!(
            "{{\"linecho\":{FORM},\"name\":{},\"version\":{},\"peer\":{},\"local\":{}{proxy}}}\n",
            json(&self.backend.name),
            json(&self.backend.version),
            json(&self.peer),
            json(&self.backend.address),
        )
        .into_bytes()
    }
}

/// Returns a string in JSON (RFC 8259, 7).
fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            '\0'..='\x1f' => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => json.push(char),
        }
    }
    json.push('"');
    json
}

/// As in `pod-1 (192.0.2.7:7)`.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escape_debug();
        write!(f, "{name} ({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_as_it_was_written() {
        let mut identity = Identity::new("a \"b\"\n\u{1}", "[::1]:1", "unix:/a b");
        let line = identity.to_line();
        assert!(line.starts_with(BEGIN));
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        assert_eq!(Identity::parse(&line).as_ref(), Some(&identity));
        for source in [None, Some("192.0.2.1:1".to_owned())] {
            identity.proxy = Some(ProxyIdentity {
                version: 2,
                relay: "192.0.2.2:2".into(),
                destination: source.clone(),
                source,
            });
            assert_eq!(
                Identity::parse(&identity.to_line()).as_ref(),
                Some(&identity)
            );
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        let identity = Identity::new(&"\u{1}".repeat(1000), "unix", "unix");
        assert!(identity.to_line().len() < MOST_BYTES / 2);
    }

    #[test]
    fn what_is_not_a_greeting_is_not_taken_for_one() {
        let whole = Identity::new("n", "p", "l").to_line();
        let text = String::from_utf8(whole.clone()).unwrap();
        for wrong in [
            String::new(),
            text[..text.len() - 2].into(),
            format!(" {text}"),
            text.replace("name", "nome"),
            text.replace("\"n\"", "1"),
            format!("{}x", text.trim_end()),
            r#"{"linecho":1}"#.into(),
            r#"{"name":"n","linecho":1}"#.into(),
        ] {
            assert_eq!(Identity::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
