//! A server's own counters, from its administration interface (`echo-server --admin`).

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use linecho_examples::address::Address;
use linecho_std::check::ServerCounts;

/// An interface that does not answer for so long tells nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Parses `http://HOST:PORT`, with or without a path, or the same without `http://`.
pub(crate) fn address(text: &str) -> Result<Address, String> {
    let text = text.strip_prefix("http://").unwrap_or(text);
    let text = text.split('/').next().unwrap_or_default();
    text.parse()
}

/// Asks for the counts; nothing when they cannot be had.
pub(crate) fn counts(address: &Address) -> Option<ServerCounts> {
    let addresses = address.resolve().ok()?;
    let mut addresses = addresses.as_slice().to_socket_addrs().ok()?;
    let mut stream =
        addresses.find_map(|address| TcpStream::connect_timeout(&address, PATIENCE).ok())?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // In version 1.0 the answer ends with the connection.
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    parse(&text)
}

fn parse(text: &str) -> Option<ServerCounts> {
    let count = |reason: &str| {
        let start = format!("linecho_sessions_closed_total{{reason=\"{reason}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&start))?;
        value.trim().parse().ok()
    };
    Some(ServerCounts {
        closed: count("peer_closed")?,
        reset: count("reset")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_the_metrics() {
        let text = "HTTP/1.0 200 OK\r\n\r\n# TYPE linecho_sessions_closed counter\n\
                    linecho_sessions_closed_total{reason=\"peer_closed\"} 12\n\
                    linecho_sessions_closed_total{reason=\"reset\"} 3\n";
        let counts = ServerCounts {
            closed: 12,
            reset: 3,
        };
        assert_eq!(parse(text), Some(counts));
        assert_eq!(parse("HTTP/1.0 404 Not Found\r\n\r\n"), None);
    }

    #[test]
    fn an_address_may_be_a_url() {
        for text in ["http://host:9/", "http://host:9/metrics", "host:9"] {
            assert_eq!(address(text).unwrap().to_string(), "host:9");
        }
        assert!(address("https://host").is_err());
    }
}
