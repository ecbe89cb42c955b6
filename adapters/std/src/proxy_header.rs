//! Headers of the PROXY protocol, versions 1 and 2, by which a relay tells a server whose
//! connection it relays.
//!
//! The rules are those of `proxy-protocol.txt` (haproxy.org), sections 2.1 and 2.2.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A header of the PROXY protocol.
///
/// A server must know whether a header is to come: one that guesses lets every client claim to be
/// somebody else.
///
/// ```
/// use linecho_std::ProxyHeader;
///
/// let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 7\r\nthe first line\n";
/// let header = ProxyHeader::parse(bytes)?.expect("it is complete");
/// assert_eq!(header.source, Some("192.0.2.1:40000".parse().unwrap()));
/// assert_eq!(&bytes[header.length..], b"the first line\n");
/// # Ok::<(), linecho_std::ProxyHeaderError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyHeader {
    /// The version of the protocol, 1 or 2.
    pub version: u8,
    /// The length of the header in bytes. The peer's own bytes follow.
    pub length: usize,
    /// The relay speaks for itself, for example to check whether the server is there.
    pub local: bool,
    /// The address of the peer whose connection is relayed. `None` if the header does not name one
    /// with an IP address: the relay's own address counts then.
    pub source: Option<SocketAddr>,
    /// The address that this peer connected to.
    pub destination: Option<SocketAddr>,
}

/// The error of [`ProxyHeader::parse`]: the connection does not begin with a valid header. The
/// server closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The first bytes are not those of a header.
    Missing,
    /// They are, but the rest breaks the rules.
    Malformed,
}

/// The longest header of version 1, its CR LF included (section 2.1).
const V1_MAX: usize = 107;
const V1_BEGIN: &[u8] = b"PROXY ";
const V2_BEGIN: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of a header of version 2 before its addresses.
const V2_FIXED: usize = 16;

impl ProxyHeader {
    /// Parses the header at the beginning of `bytes`, all that has come so far. Returns `None`
    /// while the header is incomplete.
    ///
    /// A header of version 1 has at most 107 bytes, one of version 2 at most 65,551. A server
    /// limits the bytes and the time that it waits for one.
    ///
    /// # Errors
    ///
    /// [`ProxyHeaderError`] as soon as the bytes cannot become a valid header.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ProxyHeaderError> {
        if begins_like(bytes, V2_BEGIN) {
            return parse_v2(bytes);
        }
        if begins_like(bytes, V1_BEGIN) {
            return parse_v1(bytes);
        }
        Err(ProxyHeaderError::Missing)
    }
}

/// Returns `true` if `bytes` begin with `begin`, as far as they go.
fn begins_like(bytes: &[u8], begin: &[u8]) -> bool {
    bytes.iter().zip(begin).all(|(a, b)| a == b)
}

fn parse_v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let most = bytes.get(..V1_MAX).unwrap_or(bytes);
    let Some(end) = most.iter().position(|&byte| byte == b'\n') else {
        return match most.len() < V1_MAX {
            true => Ok(None),
            false => Err(ProxyHeaderError::Malformed),
        };
    };
    let line = most.get(V1_BEGIN.len()..end).unwrap_or_default();
    let ends = line.strip_suffix(b"\r").and_then(v1_ends);
    let (source, destination) = ends.ok_or(ProxyHeaderError::Malformed)?.unzip();
    Ok(Some(ProxyHeader {
        version: 1,
        length: end.saturating_add(1),
        local: false,
        source,
        destination,
    }))
}

/// Parses what is between `PROXY ` and the CR LF: `Some(None)` if no address is known.
fn v1_ends(text: &[u8]) -> Option<Option<(SocketAddr, SocketAddr)>> {
    let text = match text.strip_prefix(b"UNKNOWN") {
        Some([] | [b' ', ..]) => return Some(None),
        _ => std::str::from_utf8(text).ok()?,
    };
    let mut words = text.split(' ');
    let ip: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |text| text.parse::<Ipv4Addr>().ok().map(Into::into),
        "TCP6" => |text| text.parse::<Ipv6Addr>().ok().map(Into::into),
        _ => return None,
    };
    let (source, destination) = (ip(words.next()?)?, ip(words.next()?)?);
    let (from, to) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    let ends = (
        SocketAddr::new(source, from),
        SocketAddr::new(destination, to),
    );
    words.next().is_none().then_some(Some(ends))
}

/// Parses a port: decimal digits without a zero in front.
fn v1_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

fn parse_v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let fixed = bytes.get(V2_BEGIN.len()..).unwrap_or_default();
    // A wrong version, command or family is found before the addresses come.
    let local = match fixed.first() {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(ProxyHeaderError::Malformed),
    };
    let Some(&family) = fixed.get(1) else {
        return Ok(None);
    };
    let addresses = match family {
        // The relay's own connection has no addresses to tell, and those of an unknown family have
        // no known form.
        _ if local => 0,
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(ProxyHeaderError::Malformed),
    };
    let Some(&[high, low]) = fixed.get(2..4).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest < addresses {
        return Err(ProxyHeaderError::Malformed);
    }
    let length = V2_FIXED.saturating_add(rest);
    let Some(rest) = bytes.get(V2_FIXED..length) else {
        return Ok(None);
    };
    // Addresses of UDP and of UNIX sockets are none that a peer of TCP can have.
    let ends = match family {
        0x11 if !local => v2_ends::<4>(rest),
        0x21 if !local => v2_ends::<16>(rest),
        _ => None,
    };
    let (source, destination) = ends.unzip();
    Ok(Some(ProxyHeader {
        version: 2,
        length,
        local,
        source,
        destination,
    }))
}

/// Parses two addresses of `N` bytes each, and two ports.
fn v2_ends<const N: usize>(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (source, bytes) = bytes.split_first_chunk::<N>()?;
    let (destination, bytes) = bytes.split_first_chunk::<N>()?;
    let (from, bytes) = bytes.split_first_chunk::<2>()?;
    let (to, _) = bytes.split_first_chunk::<2>()?;
    let end = |ip: &[u8; N], port: &[u8; 2]| {
        SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port))
    };
    Some((end(source, from), end(destination, to)))
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no PROXY header",
            Self::Malformed => "malformed PROXY header",
        })
    }
}

impl std::error::Error for ProxyHeaderError {}

#[cfg(test)]
mod tests;
