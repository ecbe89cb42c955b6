//! PROXY headers, as a relay sends them (the PROXY protocol, versions 1 and 2).

use std::net::{IpAddr, SocketAddr};

/// The first bytes of every header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Makes a header of version 1, the text form, for a connection from `source` to `destination`.
#[must_use]
pub fn proxy_v1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (source_ip, destination_ip) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let family = if source_ip.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {source_ip} {destination_ip} {} {}\r\n",
        source.port(),
        destination.port()
    )
    .into_bytes()
}

/// Makes a header of version 2, the binary form, for a connection from `source` to `destination`.
#[must_use]
pub fn proxy_v2(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    const VERSION_2_PROXY: u8 = 0x21;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    let mut header = SIGNATURE.to_vec();
    let mut addresses = Vec::new();
    let mut family = TCP_OVER_IPV4;
    for ip in [source.ip().to_canonical(), destination.ip().to_canonical()] {
        match ip {
            IpAddr::V4(ip) => addresses.extend(ip.octets()),
            IpAddr::V6(ip) => {
                family = TCP_OVER_IPV6;
                addresses.extend(ip.octets());
            }
        }
    }
    addresses.extend(source.port().to_be_bytes());
    addresses.extend(destination.port().to_be_bytes());
    header.extend([VERSION_2_PROXY, family]);
    // 12 or 36 bytes.
    header.extend([0, u8::try_from(addresses.len()).unwrap_or(u8::MAX)]);
    header.extend(addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_protocol() {
        let (a, b) = (
            "192.0.2.1:56324".parse().unwrap(),
            "192.0.2.2:443".parse().unwrap(),
        );
        assert_eq!(
            proxy_v1(a, b),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
        );
        assert_eq!(
            proxy_v2(a, b),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x01\xbb"
        );
        let (a, b) = (
            "[2001:db8::1]:1".parse().unwrap(),
            "[2001:db8::2]:2".parse().unwrap(),
        );
        assert_eq!(
            proxy_v1(a, b),
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"
        );
        let header = proxy_v2(a, b);
        assert_eq!((header.len(), header[13], header[15]), (52, 0x21, 36));
    }
}
